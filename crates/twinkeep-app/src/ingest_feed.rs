//! Use case: read a feed, screen it, and store its events.
//!
//! # Life of a feed
//!
//! 1. A sealed feed is opened with the keep's identity; the sender must be accepted, and the feed
//!    must be the next one of that sender. A plain file or folder is read as it is.
//! 2. `intake` screens every row against the pack, and the store writes portion after portion;
//!    nothing of it counts yet.
//! 3. A sealed feed must be genuine to its last byte.
//! 4. The ledger gets the intent, so that a crash cannot hide what was stored.
//! 5. The store makes the feed exist, with the sender's new state, in one step. If there is a
//!    reason to look at it first, it is held: nothing of it is read until it is released.
//! 6. The ledger gets the counts.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use twinkeep_intake::panel::Panel;
use twinkeep_intake::{Dates, IntakeError, Judgement, Mapping, ReadOptions, Source};
use twinkeep_ledger::{Activity, Class as EventClass, Entry};
use twinkeep_store::{Delivery, Disposition, FeedState, FeedWriter, NewFeed, Opening, Turn};
use twinkeep_vault::Pseudonymizer;
use twinkeep_vault::identity::PublicIdentity;
use twinkeep_vault::sealed_feed::{Expectation, FeedError, FeedReader, inspect};
use twinkeep_watch::{Detection, Detector, Severity as FoundSeverity, Target};

use crate::announced_feed::{self, Announcement};
use crate::config::Deidentify;
use crate::feed_history::{SenderLine, departures};
use crate::feeds::{feed_name, write_reasons};
use crate::incidents::detected;
use crate::open_feed::{open_file, refuse_feed};
use crate::score_senders::{ScoredFeed, plain_sender};
use crate::sites::{LOCAL_SITE, check_site};
use crate::store_feed::{Taken, Unread, feed_counts, finish, take};
use crate::{App, AppError, Caller, Progress, report_detection};

/// Which feed.
#[derive(Clone, Copy, Debug)]
pub struct IngestRequest<'a> {
    /// A sealed feed, or a plain file or folder.
    pub feed: &'a Path,
    /// Accept a sealed feed although feeds before it are missing.
    pub allow_gap: bool,
    /// Whose record numbers a plain feed speaks in; by default, `local`.
    pub site: Option<&'a str>,
    /// Whether the dates of the feed are real; times in the future are refused if they are. What
    /// its sender is known for holds in any case.
    pub dates: Dates,
    /// What the columns of tables mean; by default, the shipped mapping that fits.
    pub mapping: Option<&'a Mapping>,
    /// Hold the feed whatever is in it: nothing of it is read until it is released.
    pub hold: bool,
    /// The rule by which it is de-identified; the keep's own rule holds in any case.
    pub deidentify: Option<Deidentify>,
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
    /// How many rows each detector of poison holds; they are among the refused ones.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub suspects: BTreeMap<&'static str, u64>,
    /// Subjects in the feed.
    pub subjects: u64,
    /// Events that were stored.
    pub events: u64,
    /// `admitted`, or `held` until somebody releases or rejects it.
    pub state: String,
    /// Why it was held.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub held_because: Vec<String>,
    /// Resources of FHIR that tell nothing about a patient, by kind; they are no rows.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub passed_over: BTreeMap<&'static str, u64>,
    /// Identifiers that were taken out, by kind; absent if the feed was not de-identified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub removed: Option<BTreeMap<&'static str, u64>>,
}

/// Ingests one feed.
pub fn ingest_feed(
    app: &App,
    caller: &Caller,
    request: IngestRequest<'_>,
    progress: &mut dyn FnMut(Progress),
) -> Result<IngestReport, AppError> {
    let entry = app.entry(caller, EventClass::DatastoreActivity, Activity::Create, "feed.ingested");
    let entry = match request.mapping {
        Some(mapping) => entry.with("mapping", mapping.name()),
        None => entry,
    };
    let result = ingest(app, caller, request, None, progress);
    let entry = match &result {
        Ok(report) => describe(entry, report),
        Err(_) => entry,
    };
    app.conclude(entry, result)
}

pub(crate) fn describe(entry: Entry, report: &IngestReport) -> Entry {
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let entry = entry
        .with("feed", report.feed.as_str())
        .with("read", number(report.read))
        .with("accepted", number(report.accepted))
        .with("missing", number(report.missing))
        .with("quarantined", number(report.quarantined))
        .with("state", report.state.as_str());
    let entry = match report.sequence {
        Some(sequence) => entry.with("sequence", number(sequence)),
        None => entry,
    };
    match &report.removed {
        Some(removed) => {
            let entry = entry.with("deidentified", "safe-harbor");
            removed.iter().fold(entry, |entry, (kind, count)| {
                entry.with(&format!("removed-{kind}"), number(*count))
            })
        }
        None => entry,
    }
}

pub(crate) fn ingest(
    app: &App,
    caller: &Caller,
    request: IngestRequest<'_>,
    announcement: Option<Announcement<'_>>,
    progress: &mut dyn FnMut(Progress),
) -> Result<IngestReport, AppError> {
    if request.feed.is_dir() || !is_sealed(request.feed)? {
        return ingest_plain(app, caller, request, announcement, progress);
    }
    if request.site.is_some() {
        let attempt = "a sealed feed belongs to the site of its sender";
        return Err(AppError::usage("site-sealed", attempt)
            .hint("leave `--site` out; `twinkeep sender list` shows the site"));
    }
    if announcement.is_some() {
        let attempt = "a sealed feed is signed itself, and needs no announcement";
        return Err(AppError::usage("announced-sealed", attempt)
            .hint("leave `--sha256` and `--manifest` out"));
    }
    ingest_sealed(app, caller, request, progress)
}

fn ingest_plain(
    app: &App,
    caller: &Caller,
    request: IngestRequest<'_>,
    announcement: Option<Announcement<'_>>,
    progress: &mut dyn FnMut(Progress),
) -> Result<IngestReport, AppError> {
    let expected = announcement.map(|it| announced_feed::expect(app, it, request.feed));
    let expected = expected.transpose()?;
    let site = match expected.as_ref().and_then(|expected| expected.site.as_deref()) {
        Some(_) if request.site.is_some() => {
            let attempt = "announced files belong to the site of who signed the manifest";
            return Err(AppError::usage("site-announced", attempt)
                .hint("leave `--site` out; `twinkeep sender list` shows the site"));
        }
        Some(site) => site,
        None => request.site.unwrap_or(LOCAL_SITE),
    };
    check_site(site)?;
    if let Some(expected) = &expected {
        announced_feed::check(app, caller, expected, request.feed, site, progress)?;
    }
    let pseudonyms = app.site_pseudonyms(site);
    let panel = app.panel(caller)?;
    let opening = Opening { site, turn: None, splits: &app.splits };
    let mut writer = app.store.begin_feed(opening)?;
    let source = Source::Path(request.feed);
    let options = options(app, &request, &pseudonyms, panel.as_ref());
    let taken = take(&mut writer, source, &options, &mut |step| {
        progress(Progress { done: step.bytes_read, total: step.bytes_total.unwrap_or(0) });
    })
    .map_err(|error| refuse_source(request.feed, error))?;
    if expected.as_ref().is_some_and(|it| it.announced.digest() != taken.summary.digest) {
        return Err(announced_feed::changed(request.feed));
    }
    let place = Place { request, site, panel: panel.as_ref() };
    let mut report = store(app, caller, place, writer, taken, None)?;
    report.sender = expected.and_then(|expected| expected.sender);
    Ok(report)
}

pub(crate) fn options<'a>(
    app: &'a App,
    request: &IngestRequest<'a>,
    pseudonyms: &'a Pseudonymizer,
    panel: Option<&'a Panel>,
) -> ReadOptions<'a> {
    ReadOptions {
        pack: &app.pack,
        pseudonyms,
        now: app.now(),
        spool: app.layout.root(),
        mapping: request.mapping,
        dates: request.dates,
        judgement: Judgement::ByThePack,
        deidentify: app.date_shift_by(request.deidentify),
        panel,
    }
}

/// What the catalog must learn about the sender of a sealed feed.
pub(crate) struct Sealed {
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
    let sequence = reader.header().sequence();
    let name = request.feed.display().to_string();
    let source = Source::Stream { name: &name, media_type: &media_type, reader: &mut reader };
    let dates = app.dates_of(request.dates, Some(header.sender()))?;
    let request = IngestRequest { dates, ..request };
    let missing = || AppError::refused("site-missing", "the sender has no site");
    let site = app.sender_site(header.sender())?.ok_or_else(missing)?;
    let pseudonyms = app.site_pseudonyms(&site);
    let panel = app.panel(caller)?;
    let turn = Some(Turn { sender: header.sender(), sequence });
    let opening = Opening { site: &site, turn, splits: &app.splits };
    let mut writer = app.store.begin_feed(opening)?;
    let taken = take(
        &mut writer,
        source,
        &options(app, &request, &pseudonyms, panel.as_ref()),
        &mut |step| {
            progress(Progress { done: step.bytes_read, total });
        },
    );
    if let Err(Unread::Store(error)) = taken {
        return Err(error.into());
    }
    // If the feed itself was refused, that is the reason, whatever the reader of rows made of it.
    let manifest = reader.finish().map_err(refuse)?.digest;
    let taken = taken.map_err(|error| refuse_source(request.feed, error))?;
    let sealed = Sealed { sender: reader.sender().clone(), sequence, manifest };
    let place = Place { request, site: &site, panel: panel.as_ref() };
    store(app, caller, place, writer, taken, Some(sealed))
}

/// Where a feed is from.
pub(crate) struct Place<'a> {
    /// How it is read.
    pub(crate) request: IngestRequest<'a>,
    /// Whose record numbers it speaks in.
    pub(crate) site: &'a str,
    /// Who looked for poison in it.
    pub(crate) panel: Option<&'a Panel>,
}

pub(crate) fn store(
    app: &App,
    caller: &Caller,
    place: Place<'_>,
    writer: FeedWriter<'_>,
    taken: Taken,
    sealed: Option<Sealed>,
) -> Result<IngestReport, AppError> {
    let Taken { mut summary, mut reasons, suspects } = taken;
    let passed_over = summary.kinds.iter().filter(|(_, kind)| !kind.is_read);
    let passed_over = passed_over.map(|(name, kind)| (*name, kind.count)).collect();
    let sender = sealed.as_ref().map(|sealed| sealed.sender.key_id());
    let profile = summary.profile.to_json();
    let line = SenderLine { site: place.site, sender: sender.as_deref() };
    let departures = departures(app, line, &summary.profile)?;
    let departures = departures.into_iter().map(|departure| departure.sentence);
    let feed = NewFeed {
        source: &place.request.feed.display().to_string(),
        digest: summary.digest,
        ingested_at: app.now(),
        counts: feed_counts(summary.counts),
        delivery: sealed.as_ref().zip(sender.as_deref()).map(|(sealed, sender)| Delivery {
            sender,
            sequence: sealed.sequence,
            manifest_digest: sealed.manifest,
        }),
        profile: Some(&profile),
        replayed: None,
    };
    let who = sender.clone().unwrap_or_else(|| plain_sender(place.site));
    let scored = match place.panel.zip(summary.sender.take()) {
        Some((panel, stats)) => Some((panel, ScoredFeed::new(app, panel, who, stats)?)),
        None => None,
    };
    let subjects = writer.subject_count()?;
    let totals = writer.totals();
    let contradictions = scored.iter().flat_map(|(_, scored)| scored.reasons.iter().cloned());
    let contradictions: Vec<String> = contradictions.collect();
    let poisoned = contradictions.len();
    let held_because = reasons_to_hold(place.request, departures.chain(contradictions));
    let held = write_reasons(&held_because);
    let disposition = match held_because.is_empty() {
        true => Disposition::Admit,
        false => Disposition::Hold { reasons: &held },
    };
    let id = finish(app, caller, writer, place.site, &feed, disposition)?;
    if let Some((panel, scored)) = scored {
        scored.remember(app, panel, id)?;
    }
    if 0 < poisoned {
        report_detection(app, &poisoned_feed(app, &feed_name(id), &suspects, poisoned))?;
    }
    for (reason, count) in [("duplicate", totals.duplicates), ("erased-subject", totals.erased)] {
        if 0 < count {
            *reasons.entry(reason).or_insert(0) += count;
        }
    }
    let counts = feed.counts.after(totals);
    Ok(IngestReport {
        feed: feed_name(id),
        sender: sealed.as_ref().map(|sealed| sealed.sender.name().to_owned()),
        sequence: sealed.map(|sealed| sealed.sequence),
        read: counts.read,
        accepted: counts.accepted,
        missing: counts.missing,
        quarantined: counts.quarantined,
        reasons,
        suspects,
        subjects,
        events: totals.stored,
        state: if held_because.is_empty() { FeedState::Admitted } else { FeedState::Held }
            .name()
            .to_owned(),
        held_because,
        passed_over,
        removed: summary.removed,
    })
}

/// The panel has more against a feed than chance explains; the store holds it already.
fn poisoned_feed(
    app: &App,
    feed: &str,
    suspects: &BTreeMap<&'static str, u64>,
    reasons: usize,
) -> Detection {
    let says = format!("{feed} contradicts what the keep knows; nothing of it is used");
    let target = Target::Feed(feed.to_owned());
    let mut found = detected(app, Detector::FeedPoisoning, target, FoundSeverity::High, &says);
    let suspects: u64 = suspects.values().sum();
    found.figures.insert("suspect_rows".to_owned(), suspects as f64);
    found.figures.insert("reasons".to_owned(), reasons as f64);
    found
}

/// Returns why nothing of a feed is to be read before somebody has looked at it.
fn reasons_to_hold(
    request: IngestRequest<'_>,
    contradictions: impl Iterator<Item = String>,
) -> Vec<String> {
    let asked = request.hold.then(|| "whoever ingested it asked for that".to_owned());
    asked.into_iter().chain(contradictions).collect()
}

/// A file that does not begin as a sealed feed does is a plain one.
pub(crate) fn is_sealed(path: &Path) -> Result<bool, AppError> {
    Ok(!matches!(inspect(&mut open_file(path)?, &[]), Err(FeedError::NotSealed)))
}

fn refuse_source(path: &Path, error: Unread) -> AppError {
    let error: IntakeError = match error {
        Unread::Source(error) => error,
        Unread::Store(error) => return error.into(),
    };
    refuse_intake(path, error)
}

/// A source that cannot be read.
pub(crate) fn refuse_intake(path: &Path, error: IntakeError) -> AppError {
    let attempt = format!("cannot ingest `{}`; nothing was stored", path.display());
    let hint = match &error {
        IntakeError::NoMapping { .. } => Some(
            "say what the columns mean with `--mapping NAME|FILE`; `twinkeep mapping list` names the shipped ones",
        ),
        IntakeError::SeveralMappings { .. } => Some("choose one with `--mapping NAME`"),
        _ => None,
    };
    let refused = match &error {
        // The machine failed, and the source may be as good as ever.
        IntakeError::Spool { .. } => AppError::environment(error.code(), attempt),
        _ => AppError::refused(error.code(), attempt),
    };
    let refused = refused.because(error);
    match hint {
        Some(hint) => refused.hint(hint),
        None => refused,
    }
}
