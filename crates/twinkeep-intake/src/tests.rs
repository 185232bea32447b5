//! Every row is accounted for, whatever comes in: real data, hostile data, damaged files.

use std::collections::BTreeMap;
use std::io::{Cursor, Write as _};
use std::path::PathBuf;

use twinkeep_vault::{Pseudonymizer, SecretKey};

use crate::limits::Limits;
use crate::pack_file::shipped_pack;
use crate::source::read_within;
use crate::{Intake, IntakeError, Source};

mod archives;
mod meds;
mod real;
mod stays;

/// Reads a source with the shipped pack and a fixed key.
pub(crate) fn take(source: Source<'_>) -> Result<Intake, IntakeError> {
    take_within(source, Limits::STANDARD)
}

fn take_within(source: Source<'_>, limits: Limits) -> Result<Intake, IntakeError> {
    let root = SecretKey::from_slice(&[7; 32]).unwrap();
    let pack = shipped_pack("icu").unwrap();
    let intake = read_within(source, &pack, &Pseudonymizer::new(&root), &mut |_| (), limits)?;
    let counts = intake.counts;
    assert_eq!(counts.accepted + counts.missing + counts.quarantined, counts.read);
    assert_eq!(intake.quarantined.len() as u64, counts.quarantined);
    Ok(intake)
}

/// Reads bytes of a declared media type.
pub(crate) fn take_bytes(media_type: &str, bytes: &[u8]) -> Result<Intake, IntakeError> {
    take(Source::Stream { name: "feed", media_type, reader: &mut Cursor::new(bytes) })
}

/// Packs files into a tar archive.
fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, *bytes).unwrap();
    }
    builder.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Counts the refused rows by reason and field.
pub(crate) fn reasons(intake: &Intake) -> BTreeMap<(&'static str, &'static str), usize> {
    let mut reasons = BTreeMap::new();
    for row in &intake.quarantined {
        *reasons.entry((row.reason.code(), row.field.unwrap_or(""))).or_default() += 1;
    }
    reasons
}

/// Returns the folder with real data, or says that a test is skipped.
fn real_data() -> Option<PathBuf> {
    let near = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let folder = std::env::var_os("TWINKEEP_DATA").map_or_else(near, PathBuf::from);
    if !folder.is_dir() {
        // Written to the stream itself, so that it is seen although the test passes.
        let _ = writeln!(std::io::stderr(), "skipped: no real data; set TWINKEEP_DATA");
        return None;
    }
    Some(folder)
}
