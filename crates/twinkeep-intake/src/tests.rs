//! Every row is accounted for, whatever comes in: real data, hostile data, damaged files.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Cursor, Write as _};
use std::path::{Path, PathBuf};

use twinkeep_domain::{Event, Events, Pack, Screened, SourceSubject, Subject, Timestamp};
use twinkeep_vault::{DateShift, Pseudonymizer, SecretKey};

use crate::batch::Hands;
use crate::limits::Limits;
use crate::pack_file::shipped_pack;
use crate::profile::Profile;
use crate::source::read_within;
use crate::{
    Counts, Dates, IntakeError, Judgement, KindCount, Mapping, Origin, Portion, QuarantinedRow,
    ReadOptions, Source, Summary,
};

mod archives;
mod fhir;
mod meds;
mod portions;
mod real;
mod rules;
mod stays;
mod tables;

/// Everything that a source held, in one piece.
pub(crate) struct Intake {
    pub screened: Screened,
    pub origins: Vec<Origin>,
    pub mapping: BTreeMap<Subject, SourceSubject>,
    pub quarantined: Vec<QuarantinedRow>,
    pub counts: Counts,
    pub digest: [u8; 32],
    pub kinds: BTreeMap<&'static str, KindCount>,
    pub removed: Option<BTreeMap<&'static str, u64>>,
    pub profile: Profile,
    pub portion_count: usize,
}

impl std::fmt::Debug for Intake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} {:?} {:?}", self.counts, self.quarantined, self.screened.events().rows)
    }
}

/// Reads a source with the shipped pack and a fixed key.
pub(crate) fn take(source: Source<'_>) -> Result<Intake, IntakeError> {
    take_within(source, Limits::STANDARD)
}

pub(crate) fn take_within(source: Source<'_>, limits: Limits) -> Result<Intake, IntakeError> {
    take_by(source, &shipped_pack("icu").unwrap(), limits)
}

/// Reads a source and puts its portions together.
pub(crate) fn take_by(
    source: Source<'_>,
    pack: &Pack,
    limits: Limits,
) -> Result<Intake, IntakeError> {
    take_all(source, pack, limits, None, false)
}

/// Reads tables by a mapping, or by the shipped one that fits.
pub(crate) fn take_mapped(
    source: Source<'_>,
    mapping: Option<&Mapping>,
) -> Result<Intake, IntakeError> {
    take_all(source, &shipped_pack("icu").unwrap(), Limits::STANDARD, mapping, false)
}

/// Reads a source, with or without the identifiers in it.
pub(crate) fn take_as(
    source: Source<'_>,
    pack: &Pack,
    limits: Limits,
    deidentify: bool,
) -> Result<Intake, IntakeError> {
    take_all(source, pack, limits, None, deidentify)
}

fn take_all(
    source: Source<'_>,
    pack: &Pack,
    limits: Limits,
    by: Option<&Mapping>,
    deidentify: bool,
) -> Result<Intake, IntakeError> {
    let root = SecretKey::from_slice(&[7; 32]).unwrap();
    let (pseudonyms, shift) = (Pseudonymizer::new(&root), DateShift::new(&root));
    let (mut events, mut origins, mut mapping) = (Events::new(), Vec::new(), BTreeMap::new());
    let (mut quarantined, mut portion_count) = (Vec::new(), 0);
    let mut add = |portion: Portion| {
        let part = portion.screened.events();
        assert_eq!(part.rows.len(), portion.origins.len());
        assert!(part.rows.is_sorted_by_key(|row| (row.subject, row.time, row.code)));
        let known: BTreeSet<Subject> = portion.mapping.iter().map(|person| person.0).collect();
        for row in &part.rows {
            assert!(known.contains(&row.subject));
            let code = events.intern(&part.codes()[row.code as usize]);
            events.rows.push(Event { code, ..row.clone() });
        }
        origins.extend(portion.origins);
        mapping.extend(portion.mapping);
        quarantined.extend(portion.quarantined);
        portion_count += 1;
        Ok(())
    };
    let spool = std::env::temp_dir();
    let deidentify = deidentify.then_some(&shift);
    let options = ReadOptions { mapping: by, deidentify, ..options(pack, &pseudonyms, &spool) };
    let hands = Hands { progress: &mut |_| (), take: &mut add, table: None };
    let Summary { counts, digest, kinds, removed, profile, .. } =
        read_within(source, &options, hands, limits)?;
    assert_eq!(counts.accepted + counts.missing + counts.quarantined, counts.read);
    assert_eq!(quarantined.len() as u64, counts.quarantined);
    let screened = Screened::attest(events);
    Ok(Intake {
        screened,
        origins,
        mapping,
        quarantined,
        counts,
        digest,
        kinds,
        removed,
        profile,
        portion_count,
    })
}

/// The options of these tests. The dates of the data sets are shifted.
pub(crate) fn options<'a>(
    pack: &'a Pack,
    pseudonyms: &'a Pseudonymizer,
    spool: &'a Path,
) -> ReadOptions<'a> {
    let (dates, judgement) = (Dates::Shifted, Judgement::ByThePack);
    ReadOptions {
        pack,
        pseudonyms,
        now: NOW,
        spool,
        mapping: None,
        dates,
        judgement,
        deidentify: None,
        panel: None,
    }
}

/// 2026-11-22.
const NOW: Timestamp = Timestamp::from_micros(1_795_305_600_000_000);

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
pub(crate) fn real_data() -> Option<PathBuf> {
    let near = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let folder = std::env::var_os("TWINKEEP_DATA").map_or_else(near, PathBuf::from);
    if !folder.is_dir() {
        // Written to the stream itself, so that it is seen although the test passes.
        let _ = writeln!(std::io::stderr(), "skipped: no real data; set TWINKEEP_DATA");
        return None;
    }
    Some(folder)
}
