//! tar archives: each file in them is handed on, everything else is quarantined or refused.
//!
//! Names are labels, never paths. Entries are taken raw, so that nothing is interpreted before it
//! was measured: a long name is read up to a limit, and a size that a second header would replace
//! is refused, because two readers of the same archive could then see different files.

use std::io::{self, Read};
use std::sync::Arc;

use tar::{Archive, Entry, EntryType};

use crate::batch::Batch;
use crate::limits::ENTRY_NAME_LEN_MAX;
use crate::members::Members;
use crate::source::{damaged, refuse_no_file};
use crate::{IntakeError, Place};

/// Returns whether these are the first bytes of a tar archive: its first header has a checksum.
pub(crate) fn is_tar(head: &[u8]) -> bool {
    let Some(block) = head.get(..BLOCK_LEN) else { return false };
    let Ok(text) = std::str::from_utf8(&block[CHECKSUM]) else { return false };
    let digits = text.trim_matches(|char: char| char == ' ' || char == '\0');
    let Ok(stated) = u32::from_str_radix(digits, 8) else { return false };
    let sum = |at: usize| if CHECKSUM.contains(&at) { b' ' } else { block[at] };
    stated == (0..BLOCK_LEN).map(|at| u32::from(sum(at))).sum::<u32>()
}

/// Reads every entry, and then to the end, so that damage behind the last entry is found too.
pub(crate) fn read_archive(
    batch: &mut Batch<'_>,
    reader: &mut dyn Read,
) -> Result<(), IntakeError> {
    let place = batch.place_of(None);
    let mut members = Members::many();
    let mut archive = Archive::new(&mut *reader);
    let mut long_name: Option<Vec<u8>> = None;
    let entries = archive.entries().map_err(|error| damaged(batch, &place, error))?;
    for entry in entries.raw(true) {
        let mut entry = entry.map_err(|error| damaged(batch, &place, error))?;
        match entry.header().entry_type() {
            EntryType::GNULongName => {
                let mut name = extension(batch, &mut entry)?;
                name.retain(|&byte| byte != 0);
                long_name = Some(name);
            }
            EntryType::XHeader => {
                let records = extension(batch, &mut entry)?;
                long_name = pax_path(&records)
                    .map_err(|error| damaged(batch, &place, error))?
                    .or(long_name);
            }
            EntryType::GNULongLink | EntryType::XGlobalHeader => {
                extension(batch, &mut entry)?;
            }
            EntryType::Directory => long_name = None,
            kind => {
                let name = long_name.take().unwrap_or_else(|| entry.path_bytes().into_owned());
                let name: Arc<str> = String::from_utf8_lossy(&name).into();
                let place = batch.next_file()?;
                if matches!(kind, EntryType::Regular | EntryType::Continuous) {
                    let size = entry.size();
                    check_size(batch, &place, size)?;
                    let mut reader = Exactly { inner: &mut entry, left: size };
                    members.read(batch, &place, &name, &mut reader, None)?;
                } else {
                    refuse_no_file(batch, &name)?;
                }
            }
        }
    }
    drain(reader).map_err(|error| damaged(batch, &place, error))?;
    members.finish(batch)
}

/// A size that no file of a feed has is refused before the first byte of it is read.
fn check_size(batch: &Batch<'_>, place: &Place, size: u64) -> Result<(), IntakeError> {
    let limit = batch.limits.expanded_size_max;
    if size <= limit {
        return Ok(());
    }
    Err(batch.limit(place.clone(), "the size of a file in bytes", limit))
}

/// The bytes of an entry, of which there must be as many as its header says.
struct Exactly<'r> {
    inner: &'r mut dyn Read,
    left: u64,
}

impl Read for Exactly<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        if length == 0 && !buffer.is_empty() && 0 < self.left {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
        }
        self.left = self.left.saturating_sub(length as u64);
        Ok(length)
    }
}

/// Reads an entry that describes the next one.
fn extension<R: Read>(batch: &Batch<'_>, entry: &mut Entry<'_, R>) -> Result<Vec<u8>, IntakeError> {
    let place: Place = batch.place_of(None);
    if ENTRY_NAME_LEN_MAX < entry.size() {
        return Err(batch.limit(place, "the length of an extended header", ENTRY_NAME_LEN_MAX));
    }
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes).map_err(|error| damaged(batch, &place, error))?;
    Ok(bytes)
}

/// Finds the path among pax records: `<length> <key>=<value>\n`.
fn pax_path(mut records: &[u8]) -> io::Result<Option<Vec<u8>>> {
    let broken = || io::Error::from(io::ErrorKind::InvalidData);
    let mut path = None;
    while !records.is_empty() {
        let space = records.iter().position(|&byte| byte == b' ').ok_or_else(broken)?;
        let length = std::str::from_utf8(&records[..space]).map_err(|_| broken())?;
        let length: usize = length.parse().map_err(|_| broken())?;
        let record = records.get(space + 1..length).ok_or_else(broken)?;
        let record = record.strip_suffix(b"\n").ok_or_else(broken)?;
        if let Some(value) = record.strip_prefix(b"path=") {
            path = Some(value.to_vec());
        } else if !record.contains(&b'=')
            || record.starts_with(b"size=")
            || record.starts_with(b"GNU.sparse")
        {
            return Err(broken());
        }
        records = &records[length..];
    }
    Ok(path)
}

/// After the last entry there may be zeros and nothing else: nobody hides data there.
fn drain(reader: &mut dyn Read) -> io::Result<()> {
    let mut buffer = vec![0; 1 << 16];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(length) if buffer[..length].iter().all(|&byte| byte == 0) => {}
            Ok(_) => return Err(io::Error::from(io::ErrorKind::InvalidData)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

const BLOCK_LEN: usize = 512;
const CHECKSUM: std::ops::Range<usize> = 148..156;
