//! Use case: read a feed, screen it, and store its events.
//!
//! # Life of a feed
//!
//! 1. A sealed feed is opened with the keep's identity; the sender must be accepted, and the feed
//!    must be the next one of that sender. A plain file or folder is read as it is.
//! 2. `intake` screens every row against the pack.
//! 3. For a sealed feed, the rest of it must be genuine to the last byte before anything is stored.
//! 4. The ledger gets the intent, so that a crash cannot hide what was stored.
//! 5. The store takes events, quarantine, and the sender's new state in one step.
//! 6. The ledger gets the counts.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use twinkeep_domain::{SourceSubject, Subject};
use twinkeep_intake::{IntakeError, Portion, ReadOptions, Source, Summary, read_at_once};
use twinkeep_ledger::{Activity, Class as EventClass, Entry};
use twinkeep_store::{Delivery, FeedCounts, NewFeed, RefusedRow};
use twinkeep_vault::Pseudonymizer;
use twinkeep_vault::identity::PublicIdentity;
use twinkeep_vault::sealed_feed::{Expectation, FeedError, FeedReader, inspect};

use crate::feeds::feed_name;
use crate::open_feed::{open_file, refuse_feed};
use crate::sites::{LOCAL_SITE, check_site};
use crate::{App, AppError, Caller, Progress};

/// Which feed.
#[derive(Clone, Copy, Debug)]
pub struct IngestRequest<'a> {
    /// A sealed feed, or a plain file or folder.
    pub feed: &'a Path,
    /// Accept a sealed feed although feeds before it are missing.
    pub allow_gap: bool,
    /// Whose record numbers a plain feed speaks in; by default, `local`.
    pub site: Option<&'a str>,
}

/// What became of the rows: `accepted + missing + quarantined = read`.
#[derive(Debug, Serialize)]
pub struct IngestReport {
    /// The feed's id in the keep.
    pub feed: String,
    /// Who sealed it, by name; absent for a plain feed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sender: Option<String>,
    /// Its place in the sender's sequence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
    /// Rows that were read.
    pub read: u64,
    /// Rows that became an event, or that named the subject.
    pub accepted: u64,
    /// Rows whose value says "not recorded".
    pub missing: u64,
    /// Rows that were refused, and can be read with `feed quarantine`.
    pub quarantined: u64,
    /// Why rows were refused, and how many for each reason.
    pub reasons: BTreeMap<&'static str, u64>,
    /// Subjects in the feed.
    pub subjects: usize,
    /// Events that were stored.
    pub events: usize,
}

/// Ingests one feed.
pub fn ingest_feed(
    app: &App,
    caller: &Caller,
    request: IngestRequest<'_>,
    progress: &mut dyn FnMut(Progress),
) -> Result<IngestReport, AppError> {
    let entry = app.entry(caller, EventClass::DatastoreActivity, Activity::Create, "feed.ingested");
    let result = ingest(app, caller, request, progress);
    let entry = match &result {
        Ok(report) => describe(entry, report),
        Err(_) => entry,
    };
    app.conclude(entry, result)
}

fn describe(entry: Entry, report: &IngestReport) -> Entry {
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let entry = entry
        .with("feed", report.feed.as_str())
        .with("read", number(report.read))
        .with("accepted", number(report.accepted))
        .with("missing", number(report.missing))
        .with("quarantined", number(report.quarantined));
    match report.sequence {
        Some(sequence) => entry.with("sequence", number(sequence)),
        None => entry,
    }
}

fn ingest(
    app: &App,
    caller: &Caller,
    request: IngestRequest<'_>,
    progress: &mut dyn FnMut(Progress),
) -> Result<IngestReport, AppError> {
    if !request.feed.is_dir() && is_sealed(request.feed)? {
        if request.site.is_some() {
            let attempt = "a sealed feed belongs to the site of its sender";
            return Err(AppError::usage("site-sealed", attempt)
                .hint("leave `--site` out; `twinkeep sender list` shows the site"));
        }
        ingest_sealed(app, caller, request, progress)
    } else {
        let site = request.site.unwrap_or(LOCAL_SITE);
        check_site(site)?;
        let pseudonyms = app.site_pseudonyms(site);
        let options = options(app, &pseudonyms);
        let intake = read_at_once(Source::Path(request.feed), &options, &mut |step| {
            progress(Progress { done: step.bytes_read, total: step.bytes_total.unwrap_or(0) });
        })
        .map_err(|error| refuse_intake(request.feed, error))?;
        store(app, caller, request.feed, site, &intake, None)
    }
}

fn options<'a>(app: &'a App, pseudonyms: &'a Pseudonymizer) -> ReadOptions<'a> {
    ReadOptions { pack: &app.pack, pseudonyms, now: app.now(), spool: app.layout.root() }
}

/// What the catalog must learn about the sender of a sealed feed.
struct Sealed {
    sender: PublicIdentity,
    sequence: u64,
    manifest: [u8; 32],
}

fn ingest_sealed(
    app: &App,
    caller: &Caller,
    request: IngestRequest<'_>,
    progress: &mut dyn FnMut(Progress),
) -> Result<IngestReport, AppError> {
    let refuse = |error: FeedError| refuse_feed(request.feed, error);
    let mut senders = app.accepted_senders()?;
    let mut file = open_file(request.feed)?;
    let total = file.metadata().map_or(0, |metadata| metadata.len());
    let header = inspect(&mut file, &senders).map_err(refuse)?.header;
    // Only the sender whose memory is used below may open it, even if the file is swapped now.
    if senders.iter().any(|sender| sender.key_id() == header.sender()) {
        senders.retain(|sender| sender.key_id() == header.sender());
    }
    let known = app.store.sender(header.sender())?;
    let last = known.and_then(|sender| sender.last_sequence.zip(sender.last_manifest));
    let expectation = match last {
        Some((sequence, manifest)) => Expectation::after(sequence, manifest),
        None => Expectation::first(),
    };
    let expectation = if request.allow_gap { expectation.with_gaps_allowed() } else { expectation };
    let input = Box::new(open_file(request.feed)?);
    let mut reader =
        FeedReader::open(input, &app.identity, &senders, &expectation).map_err(refuse)?;
    let media_type = reader.header().media_type().to_owned();
    let name = request.feed.display().to_string();
    let source = Source::Stream { name: &name, media_type: &media_type, reader: &mut reader };
    let missing = || AppError::refused("site-missing", "the sender has no site");
    let site = app.sender_site(header.sender())?.ok_or_else(missing)?;
    let pseudonyms = app.site_pseudonyms(&site);
    let intake = read_at_once(source, &options(app, &pseudonyms), &mut |step| {
        progress(Progress { done: step.bytes_read, total });
    });
    // If the feed itself was refused, that is the reason, whatever the reader of rows made of it.
    let manifest = reader.finish().map_err(refuse)?;
    let intake = intake.map_err(|error| refuse_intake(request.feed, error))?;
    let sealed = Sealed {
        sender: reader.sender().clone(),
        sequence: reader.header().sequence(),
        manifest: manifest.digest,
    };
    store(app, caller, request.feed, &site, &intake, Some(sealed))
}

fn store(
    app: &App,
    caller: &Caller,
    path: &Path,
    site: &str,
    (portion, summary): &(Portion, Summary),
    sealed: Option<Sealed>,
) -> Result<IngestReport, AppError> {
    let mut reasons = BTreeMap::new();
    for row in &portion.quarantined {
        *reasons.entry(row.reason.code()).or_insert(0) += 1;
    }
    let mut refused = portion.quarantined.iter().map(|row| RefusedRow {
        file: &row.origin.file,
        row: row.origin.row,
        field: row.field,
        reason: row.reason.code(),
        raw: row.raw.expose(),
    });
    let counts = summary.counts;
    let sender = sealed.as_ref().map(|sealed| sealed.sender.key_id());
    let feed = NewFeed {
        source: &path.display().to_string(),
        digest: summary.digest,
        ingested_at: app.now(),
        counts: FeedCounts {
            read: counts.read,
            accepted: counts.accepted,
            missing: counts.missing,
            quarantined: counts.quarantined,
        },
        delivery: sealed.as_ref().zip(sender.as_deref()).map(|(sealed, sender)| Delivery {
            sender,
            sequence: sealed.sequence,
            manifest_digest: sealed.manifest,
        }),
    };
    let mapping = name_sources(site, &portion.mapping)?;
    app.remember_site(site)?;
    // The intent is on record before the feed exists: a crash right after it was stored must not
    // leave data of people in the keep that the ledger knows nothing of.
    let class = EventClass::DatastoreActivity;
    let intent = app.entry(caller, class, Activity::Create, "feed.storing");
    let read = i64::try_from(counts.read).unwrap_or(i64::MAX);
    app.record(&intent.with("read", read))?;
    let id = app.store.add_feed(&feed, &portion.screened, &mapping, &mut refused, &app.splits)?;
    Ok(IngestReport {
        feed: feed_name(id),
        sender: sealed.as_ref().map(|sealed| sealed.sender.name().to_owned()),
        sequence: sealed.map(|sealed| sealed.sequence),
        read: counts.read,
        accepted: counts.accepted,
        missing: counts.missing,
        quarantined: counts.quarantined,
        reasons,
        subjects: portion.mapping.len(),
        events: portion.screened.events().rows.len(),
    })
}

/// Puts the site before each identifier, as `find_subject` and exports take it.
fn name_sources(
    site: &str,
    mapping: &[(Subject, SourceSubject)],
) -> Result<Vec<(Subject, SourceSubject)>, AppError> {
    let too_long = || {
        AppError::refused("subject-too-long", "the feed names a subject by too long an identifier")
    };
    let name = |(subject, source): &(Subject, SourceSubject)| {
        let named = SourceSubject::new(&format!("{site}/{}", source.reveal()));
        Ok((*subject, named.ok_or_else(too_long)?))
    };
    mapping.iter().map(name).collect()
}

/// A file that does not begin as a sealed feed does is a plain one.
fn is_sealed(path: &Path) -> Result<bool, AppError> {
    Ok(!matches!(inspect(&mut open_file(path)?, &[]), Err(FeedError::NotSealed)))
}

fn refuse_intake(path: &Path, error: IntakeError) -> AppError {
    let attempt = format!("cannot ingest `{}`; nothing was stored", path.display());
    AppError::refused(error.code(), attempt).because(error)
}
