//! Plain files that somebody announced: by a digest, or in a signed manifest.
//!
//! They are checked before they are read, and what was read is checked again before it counts, so
//! that files swapped in between are refused too. What is not as announced is kept in quarantine,
//! encrypted, and nothing is ingested from the whole delivery: tables of one delivery belong
//! together.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use twinkeep_ledger::{Activity, Class as EventClass};
use twinkeep_store::{Disposition, FeedCounts, FeedWriter, NewFeed, Opening, RefusedRow};
use twinkeep_vault::digest::{Sha256, from_hex, sha256};

use crate::feeds::feed_name;
use crate::ingest_feed::{IngestReport, IngestRequest, describe, ingest};
use crate::manifests::{Announced, Difference, read_manifest};
use crate::store_feed::finish;
use crate::{App, AppError, Caller, Progress};

/// By whom a delivery was announced.
#[derive(Clone, Copy, Debug)]
pub enum Announcement<'a> {
    /// By whoever gave the SHA-256, in hexadecimal.
    Sha256(&'a str),
    /// By a sender, in a signed manifest.
    Manifest(&'a Path),
}

/// What a delivery must be, and who says so.
pub(crate) struct Expected {
    pub(crate) announced: Announced,
    /// Who signed the manifest, by name.
    pub(crate) sender: Option<String>,
    /// Whose record numbers the sender speaks in.
    pub(crate) site: Option<String>,
}

/// Ingests plain files that were announced, if they are as announced.
pub fn ingest_announced_feed(
    app: &App,
    caller: &Caller,
    request: IngestRequest<'_>,
    announcement: Announcement<'_>,
    progress: &mut dyn FnMut(Progress),
) -> Result<IngestReport, AppError> {
    let entry = app.entry(caller, EventClass::DatastoreActivity, Activity::Create, "feed.ingested");
    let entry = entry.with("kind", "announced");
    let result = ingest(app, caller, request, Some(announcement), progress);
    let entry = match &result {
        Ok(report) => describe(entry, report),
        Err(_) => entry,
    };
    app.conclude(entry, result)
}

/// Reads an announcement of `path`.
pub(crate) fn expect(
    app: &App,
    announcement: Announcement<'_>,
    path: &Path,
) -> Result<Expected, AppError> {
    match announcement {
        Announcement::Sha256(_) if path.is_dir() => {
            Err(AppError::usage("sha256-folder", "a folder has no SHA-256 of its own")
                .hint("announce a folder in a manifest: `twinkeep manifest sign`"))
        }
        Announcement::Sha256(text) => {
            let digest = from_hex(&text.to_ascii_lowercase()).and_then(|it| it.try_into().ok());
            let wrong = || AppError::usage("sha256-form", "a SHA-256 has 64 hexadecimal digits");
            let announced = Announced::File(digest.ok_or_else(wrong)?);
            Ok(Expected { announced, sender: None, site: None })
        }
        Announcement::Manifest(manifest) => {
            let senders = app.accepted_senders()?;
            let (manifest, sender) = read_manifest(manifest, &senders)?;
            let announced = Announced::by_manifest(&manifest, path)?;
            let missing = || AppError::refused("site-missing", "the sender has no site");
            let site = app.sender_site(&sender.key_id())?.ok_or_else(missing)?;
            Ok(Expected { announced, sender: Some(sender.name().to_owned()), site: Some(site) })
        }
    }
}

/// Checks a delivery before it is read. What differs goes to quarantine, and the rest stays where
/// it is.
pub(crate) fn check(
    app: &App,
    caller: &Caller,
    expected: &Expected,
    path: &Path,
    site: &str,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), AppError> {
    let differences = expected.announced.compare(path, progress)?;
    let Some(first) = differences.first() else { return Ok(()) };
    let sentence = first.sentence(path, differences.len());
    let feed = quarantine(app, caller, expected, &differences, path, site)?;
    let attempt = format!("{sentence}; nothing was ingested, and it is kept as {feed}");
    Err(AppError::refused(MISMATCH, attempt)
        .hint(format!("ask the sender; `twinkeep feed quarantine {feed}` shows what came")))
}

/// Says that a delivery changed while it was read.
pub(crate) fn changed(path: &Path) -> AppError {
    let attempt = format!("`{}` changed while it was read; nothing was stored", path.display());
    AppError::refused(MISMATCH, attempt)
}

/// Keeps the files that differ, part by part, as a feed without events; returns its name.
fn quarantine(
    app: &App,
    caller: &Caller,
    expected: &Expected,
    differences: &[Difference],
    path: &Path,
    site: &str,
) -> Result<String, AppError> {
    let opening = Opening { site, turn: None, splits: &app.splits };
    let mut writer = app.store.begin_feed(opening)?;
    // Not the content's own digest: the same content may be announced rightly later.
    let mut digest = Sha256::default();
    digest.update(b"twinkeep/v1/digest-mismatch\0");
    digest.update(&expected.announced.digest());
    let mut read = 0;
    for difference in differences {
        read += add_parts(&mut writer, &mut digest, difference, path)?;
    }
    let feed = NewFeed {
        source: &path.display().to_string(),
        digest: digest.finish(),
        ingested_at: app.now(),
        counts: FeedCounts { read, quarantined: read, ..FeedCounts::default() },
        delivery: None,
        profile: None,
        replayed: None,
    };
    // The same delivery is not kept twice.
    let known = app.store.feed_with_content(&feed.digest)?;
    let id = match known {
        Some(known) => known,
        None => finish(app, caller, writer, site, &feed, Disposition::Admit)?,
    };
    Ok(feed_name(id))
}

/// Adds what came of one file, part by part; an empty file, and a missing one, is one row. Returns
/// how many rows there were.
fn add_parts(
    writer: &mut FeedWriter<'_>,
    digest: &mut Sha256,
    difference: &Difference,
    delivery: &Path,
) -> Result<u64, AppError> {
    let name = match difference.name.as_os_str().is_empty() {
        true => delivery.file_name().unwrap_or_default().to_string_lossy(),
        false => difference.name.to_string_lossy(),
    };
    let cannot = |error| read_error(difference.path.as_deref().unwrap_or(delivery), error);
    let mut file = difference.path.as_ref().map(File::open).transpose().map_err(cannot)?;
    digest.update(&sha256(name.as_bytes()));
    let (mut row, mut part) = (0, next_part(&mut file).map_err(cannot)?);
    loop {
        let next = match part.len() {
            PART_LEN => next_part(&mut file).map_err(cannot)?,
            _ => Vec::new(),
        };
        // One row is the whole file.
        row += u64::from(0 < row || !next.is_empty());
        digest.update(&sha256(&part));
        let (field, parsed) = (None, None);
        let refused = RefusedRow { file: &name, row, field, reason: MISMATCH, raw: &part, parsed };
        writer.add_refused(&refused)?;
        if next.is_empty() {
            return Ok(row.max(1));
        }
        part = next;
    }
}

fn next_part(file: &mut Option<File>) -> io::Result<Vec<u8>> {
    file.as_mut().map_or(Ok(Vec::new()), read_part)
}

fn read_part(file: &mut File) -> io::Result<Vec<u8>> {
    let mut part = Vec::with_capacity(PART_LEN);
    file.take(PART_LEN as u64).read_to_end(&mut part)?;
    Ok(part)
}

fn read_error(path: &Path, error: io::Error) -> AppError {
    AppError::environment("input-read", format!("cannot read `{}`", path.display())).because(error)
}

/// The permanent name of the reason.
const MISMATCH: &str = "digest-mismatch";

/// A part of a file is one row of the quarantine; it is in memory as a whole.
const PART_LEN: usize = 4 << 20;
