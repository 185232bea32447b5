//! Reads the header of a LUKS volume: which volume it is, and what encrypts it. No key slot is
//! looked at.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA256, digest};
use serde::Deserialize;

/// The header of a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The version of LUKS: 1 or 2.
    pub version: u16,
    /// The identifier of the volume, with dashes.
    pub uuid: String,
    /// What encrypts each part of it, as the kernel names it: `aes-xts-plain64`. A part that
    /// nothing encrypts has none.
    pub ciphers: Vec<Option<String>>,
}

/// Why bytes are no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LuksError {
    /// They do not begin as one: there is none, or it is kept elsewhere (detached).
    #[error("there is no LUKS header")]
    NoHeader,
    /// It has a version that nobody knows here.
    #[error("the LUKS header has an unknown version")]
    Version,
    /// It is cut off, or says what no header says.
    #[error("the LUKS header is damaged")]
    Damaged,
}

/// No header is longer, as `cryptsetup` makes them.
pub const HEADER_BYTES_MAX: u64 = 4 << 20;

impl Header {
    /// Whether all of the volume is encrypted. `cipher_null` is a cipher that changes nothing.
    pub fn encrypts(&self) -> bool {
        let good = |cipher: &Option<String>| {
            cipher.as_deref().is_some_and(|cipher| !cipher.contains("cipher_null"))
        };
        !self.ciphers.is_empty() && self.ciphers.iter().all(good)
    }
}

/// Reads a header from the first bytes of a volume.
pub fn parse(bytes: &[u8]) -> Result<Header, LuksError> {
    if !bytes.starts_with(MAGIC) {
        return Err(LuksError::NoHeader);
    }
    match bytes.get(6..8) {
        Some([0, 1]) => parse_first(bytes),
        Some([0, 2]) => parse_second(bytes),
        Some(_) => Err(LuksError::Version),
        None => Err(LuksError::Damaged),
    }
}

/// Version 1: fields at fixed places.
fn parse_first(bytes: &[u8]) -> Result<Header, LuksError> {
    let (name, mode) = (word(bytes, 8, 32)?, word(bytes, 40, 32)?);
    let cipher = format!("{name}-{mode}");
    Ok(Header { version: 1, uuid: word(bytes, 168, 40)?, ciphers: vec![Some(cipher)] })
}

/// Version 2: a header with a checksum, and JSON behind it.
fn parse_second(bytes: &[u8]) -> Result<Header, LuksError> {
    let length = bytes.get(8..16).and_then(|length| length.try_into().ok());
    let length = usize::try_from(length.map_or(0, u64::from_be_bytes));
    let area = length.ok().and_then(|length| bytes.get(..length));
    let area = area.filter(|area| BINARY_LEN < area.len()).ok_or(LuksError::Damaged)?;
    let (binary, text) = area.split_at(BINARY_LEN);
    if word(binary, 72, 32)? == "sha256" {
        let mut cleared = area.to_vec();
        cleared[CHECKSUM..CHECKSUM + 64].fill(0);
        if digest(&SHA256, &cleared).as_ref() != &area[CHECKSUM..CHECKSUM + 32] {
            return Err(LuksError::Damaged);
        }
    }
    let end = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
    let metadata: Metadata =
        serde_json::from_slice(&text[..end]).map_err(|_| LuksError::Damaged)?;
    // What was before a volume was encrypted anew is no part of it.
    let is_part =
        |segment: &&Segment| !segment.flags.iter().any(|flag| flag.starts_with("backup-"));
    let ciphers = metadata
        .segments
        .values()
        .filter(is_part)
        .map(|segment| segment.encryption.clone().filter(|_| segment.kind == "crypt"));
    Ok(Header { version: 2, uuid: word(binary, 168, 40)?, ciphers: ciphers.collect() })
}

/// A field of letters that ends with zeros.
fn word(bytes: &[u8], at: usize, length: usize) -> Result<String, LuksError> {
    let field = bytes.get(at..at + length).ok_or(LuksError::Damaged)?;
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    let is_word = |byte: &u8| byte.is_ascii_graphic();
    let field = Some(&field[..end]).filter(|field| field.iter().all(is_word));
    field.and_then(|field| String::from_utf8(field.to_vec()).ok()).ok_or(LuksError::Damaged)
}

/// What of the metadata is of interest here.
#[derive(Deserialize)]
struct Metadata {
    segments: BTreeMap<String, Segment>,
}

/// A part of a volume.
#[derive(Deserialize)]
struct Segment {
    #[serde(rename = "type")]
    kind: String,
    encryption: Option<String>,
    #[serde(default)]
    flags: Vec<String>,
}

const MAGIC: &[u8] = b"LUKS\xba\xbe";

/// The fixed part of a header of version 2, and where its checksum is.
const BINARY_LEN: usize = 4096;
const CHECKSUM: usize = 448;

#[cfg(test)]
mod tests;
