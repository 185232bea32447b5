//! What the kernel writes when a group of fanotify is read: events, each with records about it.
//!
//! `fanotify(7)` has the layout: a fixed part, then records with a kind and a length each.
//!
//! # Invariants
//!
//! - Bytes that are not laid out so end the reading; nothing is read beyond them.

use std::os::fd::OwnedFd;

use super::system;

/// One event.
#[derive(Debug)]
pub(super) struct Event {
    /// What happened, as bits.
    pub(super) mask: u64,
    /// The number of the process that did it.
    pub(super) pid: i32,
    /// The file; only where the group asks for files.
    pub(super) file: Option<OwnedFd>,
    /// The process, unless it had ended.
    pub(super) process: Option<OwnedFd>,
    /// The names of the file or of its folder; only where the group asks for names.
    pub(super) names: Vec<Name>,
}

/// What an event is about, where the group asks for names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    /// The handle of the file itself, or that of its folder if there is a `name`.
    pub(super) handle: Handle,
    /// The name within the folder.
    pub(super) name: Option<Vec<u8>>,
}

/// A handle of a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Handle {
    pub(super) kind: i32,
    pub(super) bytes: Vec<u8>,
}

/// Reads all events in `bytes`, which the kernel has written just now.
pub(super) fn events(mut bytes: &[u8]) -> Vec<Event> {
    let mut events = Vec::new();
    while let Some((event, rest)) = event(bytes) {
        events.push(event);
        bytes = rest;
    }
    events
}

fn event(bytes: &[u8]) -> Option<(Event, &[u8])> {
    let len = u32_at(bytes, 0)? as usize;
    let (version, fixed_len) = (*bytes.get(4)?, usize::from(u16_at(bytes, 6)?));
    if version != libc::FANOTIFY_METADATA_VERSION || fixed_len < FIXED_LEN || len < fixed_len {
        return None;
    }
    let (event, rest) = bytes.split_at_checked(len)?;
    let mut read = Event {
        mask: u64::from_ne_bytes(event.get(8..16)?.try_into().ok()?),
        pid: u32_at(event, 20)?.cast_signed(),
        file: system::adopt(u32_at(event, 16)?.cast_signed()),
        process: None,
        names: Vec::new(),
    };
    let mut records = event.get(fixed_len..)?;
    while let Some((kind, record, more)) = record(records) {
        match kind {
            libc::FAN_EVENT_INFO_TYPE_PIDFD if read.process.is_none() => {
                read.process = u32_at(record, 0).and_then(|fd| system::adopt(fd.cast_signed()));
            }
            libc::FAN_EVENT_INFO_TYPE_FID | libc::FAN_EVENT_INFO_TYPE_DFID_NAME | DFID => {
                read.names.extend(name(kind, record));
            }
            _ => {}
        }
        records = more;
    }
    Some((read, rest))
}

/// A record: its kind, what is in it, and what follows.
fn record(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (kind, len) = (*bytes.first()?, usize::from(u16_at(bytes, 2)?));
    let (record, rest) = bytes.split_at_checked(len)?;
    Some((kind, record.get(4..)?, rest))
}

/// A number of the file system (8 bytes), a handle, and in some records a name that ends with zero.
fn name(kind: u8, record: &[u8]) -> Option<Name> {
    let (len, handle_kind) = (u32_at(record, 8)? as usize, u32_at(record, 12)?.cast_signed());
    let (bytes, after) = record.get(16..)?.split_at_checked(len)?;
    let name = || after.split(|byte| *byte == 0).next().unwrap_or_default().to_vec();
    Some(Name {
        handle: Handle { kind: handle_kind, bytes: bytes.to_vec() },
        name: (kind == libc::FAN_EVENT_INFO_TYPE_DFID_NAME).then(name),
    })
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

/// The fixed part of an event, in bytes.
const FIXED_LEN: usize = 24;

/// A folder without a name in it.
const DFID: u8 = libc::FAN_EVENT_INFO_TYPE_DFID;

#[cfg(test)]
mod tests {
    use super::{Handle, Name, events};

    /// An event without descriptors, and one record.
    fn written(kind: u8, record: &[u8]) -> Vec<u8> {
        let len = 24 + 4 + record.len();
        let mut bytes = Vec::new();
        bytes.extend((len as u32).to_ne_bytes());
        bytes.extend([libc::FANOTIFY_METADATA_VERSION, 0]);
        bytes.extend(24_u16.to_ne_bytes());
        bytes.extend(libc::FAN_ATTRIB.to_ne_bytes());
        bytes.extend((-1_i32).to_ne_bytes());
        bytes.extend(7_i32.to_ne_bytes());
        bytes.extend([kind, 0]);
        bytes.extend((4 + record.len() as u16).to_ne_bytes());
        bytes.extend(record);
        bytes
    }

    fn named() -> Vec<u8> {
        let mut record = vec![0; 8];
        record.extend(3_u32.to_ne_bytes());
        record.extend(1_i32.to_ne_bytes());
        record.extend(*b"abcmodel\0\0");
        written(libc::FAN_EVENT_INFO_TYPE_DFID_NAME, &record)
    }

    #[test]
    fn events_are_read_with_their_records() {
        let mut bytes = named();
        bytes.extend(written(libc::FAN_EVENT_INFO_TYPE_PIDFD, &(-1_i32).to_ne_bytes()));
        let events = events(&bytes);
        assert_eq!(events.len(), 2);
        assert_eq!((events[0].mask, events[0].pid), (libc::FAN_ATTRIB, 7));
        let handle = Handle { kind: 1, bytes: b"abc".to_vec() };
        assert_eq!(events[0].names, [Name { handle, name: Some(b"model".to_vec()) }]);
        assert!(events[1].process.is_none() && events[1].file.is_none());
    }

    #[test]
    fn what_is_cut_short_or_says_a_wrong_length_is_no_event() {
        let whole = named();
        for len in 0..whole.len() {
            assert!(events(&whole[..len]).is_empty(), "{len}");
        }
        for (at, byte) in [(0, 0), (0, 255), (4, 9), (6, 0)] {
            let mut wrong = whole.clone();
            wrong[at] = byte;
            assert!(events(&wrong).is_empty(), "{at} {byte}");
        }
        for at in [26, 27, 36, 39] {
            let mut wrong = whole.clone();
            wrong[at] = 255;
            assert!(events(&wrong).iter().all(|event| event.names.is_empty()), "{at}");
        }
    }
}
