//! What an erasure leaves: a record of what was done, without a word about whom it was done to.

use twinkeep_domain::Timestamp;
use twinkeep_vault::digest::{from_hex, to_hex};

/// What an erasure did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErasureRecord {
    /// The keyed digest that stands for the subject in the ledger.
    pub reference: String,
    /// When.
    pub erased_at: Timestamp,
    /// Why.
    pub reason: String,
    /// Events that were erased.
    pub event_count: u64,
    /// Refused rows that were blanked.
    pub refused_count: u64,
    /// When the oldest feed with the subject was ingested: models since then may have learned from
    /// it.
    pub known_since: Option<Timestamp>,
    /// The files whose keys were destroyed, and what took their place.
    pub files: Vec<ErasedFile>,
    /// Whether all keys are destroyed.
    pub complete: bool,
}

/// A file whose key was destroyed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErasedFile {
    /// Its name, which also names its key.
    pub file: String,
    /// Its digest.
    pub sha256: [u8; 32],
    /// Name and digest of the file that took its place, if anything was left.
    pub successor: Option<(String, [u8; 32])>,
}

/// Writes a record as lines of words; the reason, which may have blanks, comes last.
pub(super) fn render(record: &ErasureRecord) -> String {
    let since = record.known_since.map_or("-".to_owned(), |at| at.micros().to_string());
    let mut text = format!("{} {} {since}\n", record.event_count, record.refused_count);
    for ErasedFile { file, sha256, successor } in &record.files {
        let (new, digest) = match successor {
            Some((new, digest)) => (new.as_str(), to_hex(digest)),
            None => ("-", "-".to_owned()),
        };
        text.push_str(&format!("{file} {} {new} {digest}\n", to_hex(sha256)));
    }
    text.push('\n');
    text.push_str(&record.reason);
    text
}

pub(super) fn parse(
    reference: String,
    at: i64,
    complete: bool,
    text: &str,
) -> Option<ErasureRecord> {
    let (lines, reason) = text.split_once("\n\n")?;
    let mut lines = lines.lines();
    let mut head = lines.next()?.split(' ');
    let (event_count, refused_count) = (head.next()?.parse().ok()?, head.next()?.parse().ok()?);
    let known_since = match head.next()? {
        "-" => None,
        micros => Some(Timestamp::from_micros(micros.parse().ok()?)),
    };
    let digest = |text: &str| from_hex(text)?.try_into().ok();
    let file = |line: &str| {
        let [file, sha256, new, new_digest] =
            line.split(' ').collect::<Vec<_>>().try_into().ok()?;
        let successor = match new {
            "-" => None,
            new => Some((new.to_owned(), digest(new_digest)?)),
        };
        Some(ErasedFile { file: file.to_owned(), sha256: digest(sha256)?, successor })
    };
    Some(ErasureRecord {
        reference,
        erased_at: Timestamp::from_micros(at),
        reason: reason.to_owned(),
        event_count,
        refused_count,
        known_since,
        files: lines.map(file).collect::<Option<_>>()?,
        complete,
    })
}
