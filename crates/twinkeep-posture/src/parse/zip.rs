//! The directory of a ZIP archive, and one member at a time (APPNOTE 6.3.10): enough to look into
//! exports, spreadsheets, and model files without unpacking them.
//!
//! The directory at the end is what every reader believes, so it is what is read here. Sizes that it
//! claims are bounds to be checked, never room to be taken.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;

use flate2::read::DeflateDecoder;

/// One member.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub name: String,
    pub encrypted: bool,
    method: u16,
    packed: u64,
    at: u64,
}

/// Returns whether an archive begins here.
pub(crate) fn begins(head: &[u8]) -> bool {
    head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06")
}

/// Reads the directory; `None` if there is none, or it is not in order.
pub(crate) fn members(file: &File, size: u64) -> io::Result<Option<Vec<Member>>> {
    let tail_len = size.min(TAIL_LEN_MAX);
    let mut tail = vec![0; usize::try_from(tail_len).unwrap_or(0)];
    file.read_exact_at(&mut tail, size - tail_len)?;
    let Some(end) = tail.windows(4).rposition(|window| window == b"PK\x05\x06") else {
        return Ok(None);
    };
    let tail = &tail[end..];
    let (Some(length), Some(at)) = (u32_at(tail, 12), u32_at(tail, 16)) else { return Ok(None) };
    // 0xffff_ffff says that the directory of ZIP64 has the place; such archives are beyond 4 GiB.
    if at == u32::MAX || DIRECTORY_LEN_MAX < length || size < u64::from(at) + u64::from(length) {
        return Ok(None);
    }
    let mut directory = vec![0; length as usize];
    file.read_exact_at(&mut directory, u64::from(at))?;
    Ok(entries(&directory))
}

fn entries(directory: &[u8]) -> Option<Vec<Member>> {
    let mut members = Vec::new();
    let mut rest = directory;
    while rest.starts_with(b"PK\x01\x02") {
        let flags = u16_at(rest, 8)?;
        let method = u16_at(rest, 10)?;
        let name_len = usize::from(u16_at(rest, 28)?);
        let extra_len = usize::from(u16_at(rest, 30)?);
        let comment_len = usize::from(u16_at(rest, 32)?);
        let name = rest.get(46..46 + name_len)?;
        members.push(Member {
            name: String::from_utf8_lossy(name).into_owned(),
            encrypted: flags & 1 != 0 || method == METHOD_AES,
            method,
            packed: u64::from(u32_at(rest, 20)?),
            at: u64::from(u32_at(rest, 42)?),
        });
        if MEMBER_COUNT_MAX < members.len() {
            return None;
        }
        rest = rest.get(46 + name_len + extra_len + comment_len..)?;
    }
    Some(members)
}

/// Opens a member; `None` if it is encrypted, or packed in a way that is not known here.
///
/// Whoever reads bounds what comes out: a member may be a bomb.
pub(crate) fn open<'a>(file: &'a File, member: &Member) -> io::Result<Option<Box<dyn Read + 'a>>> {
    let mut head = [0; 30];
    file.read_exact_at(&mut head, member.at)?;
    let (Some(name_len), Some(extra_len)) = (u16_at(&head, 26), u16_at(&head, 28)) else {
        return Ok(None);
    };
    if !head.starts_with(b"PK\x03\x04") || member.encrypted {
        return Ok(None);
    }
    let at = member.at + 30 + u64::from(name_len) + u64::from(extra_len);
    let packed = Part { file, at, left: member.packed };
    Ok(match member.method {
        0 => Some(Box::new(packed)),
        8 => Some(Box::new(DeflateDecoder::new(packed))),
        _ => None,
    })
}

/// A part of a file.
struct Part<'a> {
    file: &'a File,
    at: u64,
    left: u64,
}

impl Read for Part<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let length = self.file.read_at(&mut buffer[..room], self.at)?;
        self.at += length as u64;
        self.left -= length as u64;
        Ok(length)
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// AES by WinZip: the method that was used is elsewhere.
const METHOD_AES: u16 = 99;

/// The end of the directory, and the longest comment.
const TAIL_LEN_MAX: u64 = 22 + 65_535;

/// A directory of a hundred thousand members has less.
const DIRECTORY_LEN_MAX: u32 = 16 << 20;

/// Exports have thousands of members; more is an attack.
const MEMBER_COUNT_MAX: usize = 100_000;
