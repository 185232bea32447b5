//! Use case: screen refused rows again, or accept them although the pack says they are not so.
//!
//! Rows that pass make a new feed that names the old one; they stay in the old quarantine, marked.
//! Rows that do not pass stay as they are. So each row is accounted for once, whatever is tried.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::{Arc, Mutex};

use serde::Serialize;
use twinkeep_intake::{
    AgainRow, Counts, Dates, Judgement, Portion, ReadOptions, Reason, Source, Stopped, read,
    screen_again,
};
use twinkeep_ledger::{Activity, Class as EventClass, Entry};
use twinkeep_store::{
    Disposition, FeedRecord, FeedState, FeedWriter, NewFeed, NewPortion, Opening,
    QuarantinedRecord, Replayed, StoreError,
};
use twinkeep_vault::random_bytes;

use crate::feeds::{feed_name, parse_feed};
use crate::locking::lock;
use crate::reason::check_reason;
use crate::store_feed::{Unread, feed_counts, finish, parsed_row, take};
use crate::{App, AppError, Caller};

/// Which rows, and who judges them.
#[derive(Clone, Copy, Debug)]
pub struct ReplayRequest<'a> {
    /// The feed whose refused rows are screened again.
    pub feed: &'a str,
    /// Only rows that were refused for these reasons; all but duplicates and rejected events if
    /// there is none.
    pub reasons: &'a [String],
    /// Only this row, by its number in the quarantine.
    pub row: Option<u64>,
    /// Why rows are accepted that the pack calls implausible; `None` to ask the pack again.
    pub accept: Option<&'a str>,
    /// Whether the dates of the feed are real.
    pub dates: Dates,
}

/// What became of the rows: `accepted + missing + quarantined = read`.
#[derive(Debug, Serialize)]
pub struct ReplayReport {
    /// The feed that the rows are of now; absent if none passed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub feed: Option<String>,
    /// The feed that they were of.
    pub of: String,
    /// Rows that were screened again.
    pub read: u64,
    /// Rows that became an event, or that named the subject.
    pub accepted: u64,
    /// Rows whose value says "not recorded".
    pub missing: u64,
    /// Rows that are refused still, and events that were there already.
    pub quarantined: u64,
    /// Why rows are refused now, and how many for each reason.
    pub reasons: BTreeMap<String, u64>,
    /// Rows of which the fields were never found, so that they cannot be screened again.
    pub unreadable: u64,
    /// Events that were stored.
    pub events: u64,
}

/// Screens refused rows of a feed again.
pub fn replay_feed(
    app: &App,
    caller: &Caller,
    request: ReplayRequest<'_>,
) -> Result<ReplayReport, AppError> {
    let entry = app.entry(caller, EventClass::DatastoreActivity, Activity::Update, "feed.replayed");
    let entry = match request.accept {
        Some(_) => entry.with("judgement", "person"),
        None => entry.with("judgement", "pack"),
    };
    let result = replay(app, caller, request);
    let entry = match &result {
        Ok(report) => describe(entry, report),
        Err(_) => entry,
    };
    app.conclude(entry, result)
}

fn describe(entry: Entry, report: &ReplayReport) -> Entry {
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let entry = entry
        .with("of", report.of.as_str())
        .with("read", number(report.read))
        .with("accepted", number(report.accepted))
        .with("missing", number(report.missing))
        .with("quarantined", number(report.quarantined));
    match &report.feed {
        Some(feed) => entry.with("feed", feed.as_str()),
        None => entry,
    }
}

fn replay(
    app: &App,
    caller: &Caller,
    request: ReplayRequest<'_>,
) -> Result<ReplayReport, AppError> {
    let old = parse_feed(app, request.feed)?;
    if old.state == FeedState::Held {
        return Err(
            AppError::refused("feed-held", "the feed is held").hint("release or reject it first")
        );
    }
    let because = request.accept.map(check_reason).transpose()?.unwrap_or_default();
    check_reasons(request)?;
    let opening = Opening { site: &old.site, turn: None, splits: &app.splits };
    let mut writer = app.store.begin_feed(opening)?;
    let pseudonyms = app.site_pseudonyms(&old.site);
    let sender = old.delivery.as_ref().map(|(sender, _)| sender);
    let options = ReadOptions {
        pack: &app.pack,
        pseudonyms: &pseudonyms,
        now: app.now(),
        spool: app.layout.root(),
        mapping: None,
        dates: app.dates_of(request.dates, sender.map(String::as_str))?,
        judgement: match request.accept {
            Some(_) => Judgement::ByAPerson,
            None => Judgement::ByThePack,
        },
        // Refused rows of a feed that lost its identifiers lost them too.
        deidentify: None,
        // What it suspected is asked for only where a person accepts it.
        panel: None,
    };
    let mut rows = Rows::new(app, &old, request);
    let mut again = Again::default();
    let counts = again.screen(&mut rows, &mut writer, &options)?;
    let options = ReadOptions { deidentify: app.date_shift_by(None), ..options };
    let files = again.read_files(&mut rows, &mut writer, &options)?;
    let totals = writer.totals();
    let feed = match again.passed.is_empty() {
        true => None,
        false => {
            // What is refused still stays where it is.
            let kept = Counts { read: counts.read - counts.quarantined, quarantined: 0, ..counts };
            let feed = NewFeed {
                source: &old.source,
                digest: random_bytes(),
                ingested_at: app.now(),
                counts: feed_counts(sum(kept, files)),
                delivery: None,
                profile: None,
                replayed: Some(Replayed { feed: old.id, rows: &again.passed, because }),
            };
            Some(finish(app, caller, writer, &old.site, &feed, Disposition::Admit)?)
        }
    };
    let counts = feed_counts(sum(counts, files)).after(totals);
    let mut reasons = again.reasons;
    for (reason, count) in [("duplicate", totals.duplicates), ("erased-subject", totals.erased)] {
        if 0 < count {
            *reasons.entry(reason.to_owned()).or_insert(0) += count;
        }
    }
    Ok(ReplayReport {
        feed: feed.map(feed_name),
        of: request.feed.to_owned(),
        read: counts.read,
        accepted: counts.accepted,
        missing: counts.missing,
        quarantined: counts.quarantined,
        reasons,
        unreadable: again.unreadable,
        events: totals.stored,
    })
}

/// Refuses reasons that there are not, and those that nobody can overrule.
fn check_reasons(request: ReplayRequest<'_>) -> Result<(), AppError> {
    for name in request.reasons {
        let reason = Reason::ALL.into_iter().find(|reason| reason.code() == name);
        let known = reason.is_some() || OWN_REASONS.contains(&name.as_str());
        if !known {
            let attempt = format!("rows are never refused as `{name}`");
            return Err(AppError::usage("reason-unknown", attempt)
                .hint("`twinkeep feed quarantine` shows the reasons of a feed"));
        }
        if request.accept.is_some() && !reason.is_some_and(Reason::is_judgement) {
            let attempt = format!("`{name}` is no judgement that a person could overrule");
            return Err(AppError::usage("reason-not-judgement", attempt)
                .hint("leave `--accept` out to screen these rows again"));
        }
    }
    Ok(())
}

fn sum(one: Counts, other: Counts) -> Counts {
    Counts {
        read: one.read + other.read,
        accepted: one.accepted + other.accepted,
        missing: one.missing + other.missing,
        quarantined: one.quarantined + other.quarantined,
    }
}

/// The refused rows that were asked for, a page at a time.
struct Rows<'a> {
    app: &'a App,
    old: &'a FeedRecord,
    request: ReplayRequest<'a>,
    next: u64,
    page: VecDeque<QuarantinedRecord>,
}

impl<'a> Rows<'a> {
    fn new(app: &'a App, old: &'a FeedRecord, request: ReplayRequest<'a>) -> Self {
        Self { app, old, request, next: 0, page: VecDeque::new() }
    }

    fn next(&mut self) -> Result<Option<QuarantinedRecord>, StoreError> {
        loop {
            if let Some(row) = self.page.pop_front() {
                if self.is_asked_for(&row) {
                    return Ok(Some(row));
                }
                continue;
            }
            let page = self.app.store.quarantined(self.old.id, self.next, PAGE_ROWS)?;
            if page.is_empty() {
                return Ok(None);
            }
            self.next += page.len() as u64;
            self.page = page.into();
        }
    }

    fn is_asked_for(&self, row: &QuarantinedRecord) -> bool {
        let ReplayRequest { reasons, row: number, accept, .. } = self.request;
        if row.released.is_some() || number.is_some_and(|number| number != row.position + 1) {
            return false;
        }
        let reason = Reason::ALL.into_iter().find(|reason| reason.code() == row.reason);
        let named = match reasons.is_empty() {
            // Asked for by its number, a row is asked for whatever its reason is.
            true => number.is_some() || !NOT_BY_DEFAULT.contains(&row.reason.as_str()),
            false => reasons.contains(&row.reason),
        };
        named
            && match accept {
                Some(_) => reason.is_some_and(Reason::is_judgement),
                // Alone, such a row would pass: what spoke against it is not here.
                None => !reason.is_some_and(Reason::needs_other_rows),
            }
    }
}

/// What is known of the rows that were screened again.
#[derive(Default)]
struct Again {
    /// Where each row was, until its portion is written.
    origins: BTreeMap<u64, (Arc<str>, u64)>,
    /// Numbers of the rows that passed, as ranges.
    passed: Vec<Range<u64>>,
    reasons: BTreeMap<String, u64>,
    /// Whole files that were refused.
    files: Vec<u64>,
    unreadable: u64,
}

impl Again {
    /// Screens the rows of which the fields are known.
    fn screen(
        &mut self,
        rows: &mut Rows<'_>,
        writer: &mut FeedWriter<'_>,
        options: &ReadOptions<'_>,
    ) -> Result<Counts, AppError> {
        let mut failed = None;
        let mut replayed = Vec::new();
        let mut refused = Vec::new();
        let mut reasons = BTreeMap::new();
        // Rows are taken on another thread than they are read on, once there are many.
        let origins = Mutex::new(std::mem::take(&mut self.origins));
        let failure = Mutex::new(&mut failed);
        let fail = |error: StoreError| {
            **lock(&failure) = Some(error);
            Stopped
        };
        let counts = screen_again(
            &mut || {
                while let Some(row) = rows.next().map_err(fail)? {
                    let Some(parsed) = row.parsed.as_ref().and_then(parsed_row) else {
                        if row.row == 0 && !row.raw.expose().is_empty() {
                            self.files.push(row.position);
                        } else {
                            self.unreadable += 1;
                        }
                        continue;
                    };
                    let file = String::from_utf8_lossy(row.file.expose());
                    lock(&origins).insert(row.position, (file.into(), row.row));
                    replayed.push(row.position);
                    return Ok(Some(AgainRow { number: row.position, parsed }));
                }
                Ok(None)
            },
            options,
            &mut |portion: Portion| {
                for row in &portion.quarantined {
                    refused.push(row.origin.row);
                    *reasons.entry(row.reason.code().to_owned()).or_insert(0) += 1;
                }
                let mut origins = lock(&origins);
                write(writer, &portion.origins, &origins, portion.screened, &portion.mapping)
                    .map_err(fail)?;
                for origin in &portion.origins {
                    origins.remove(&origin.row);
                }
                Ok(())
            },
        );
        drop(origins);
        if let Some(error) = failed {
            return Err(error.into());
        }
        let counts = counts.map_err(|error| {
            AppError::refused(error.code(), "cannot screen the rows again").because(error)
        })?;
        self.reasons = reasons;
        refused.sort_unstable();
        let passed = replayed.into_iter().filter(|row| refused.binary_search(row).is_err());
        self.passed = ranges(passed);
        Ok(counts)
    }

    /// Reads whole files that were refused. One that is refused again stays as it is.
    fn read_files(
        &mut self,
        rows: &mut Rows<'_>,
        writer: &mut FeedWriter<'_>,
        options: &ReadOptions<'_>,
    ) -> Result<Counts, AppError> {
        let mut counts = Counts::default();
        for position in std::mem::take(&mut self.files) {
            let row = rows.app.store.quarantined(rows.old.id, position, 1)?.pop();
            let Some(row) = row else { continue };
            // What was written cannot be taken back alone, so it is read for nothing first.
            if read(source(&mut row.raw.expose()), options, &mut |_| (), &mut |_| Ok(())).is_err() {
                self.unreadable += 1;
                continue;
            }
            let taken = take(writer, source(&mut row.raw.expose()), options, &mut |_| ());
            let taken = taken.map_err(|error| match error {
                Unread::Store(error) => error.into(),
                Unread::Source(error) => {
                    AppError::refused(error.code(), "cannot read a file again").because(error)
                }
            })?;
            for (reason, count) in taken.reasons {
                *self.reasons.entry(reason.to_owned()).or_insert(0) += count;
            }
            counts = sum(counts, taken.summary.counts);
            self.passed.push(position..position + 1);
        }
        self.passed.sort_by_key(|range| range.start);
        Ok(counts)
    }
}

fn source<'a>(raw: &'a mut &[u8]) -> Source<'a> {
    Source::Stream { name: "quarantine", media_type: "application/octet-stream", reader: raw }
}

fn write(
    writer: &mut FeedWriter<'_>,
    numbers: &[twinkeep_intake::Origin],
    origins: &BTreeMap<u64, (Arc<str>, u64)>,
    screened: twinkeep_domain::Screened,
    mapping: &[(twinkeep_domain::Subject, twinkeep_domain::SourceSubject)],
) -> Result<(), StoreError> {
    let origin = |index: usize| {
        let number = numbers.get(index).map(|origin| origin.row);
        let origin = number.and_then(|number| origins.get(&number));
        origin.map_or(("", 0), |(file, row)| (&**file, *row))
    };
    let portion = NewPortion { screened, origin: &origin, mapping };
    writer.add(portion, &mut std::iter::empty()).map(drop)
}

/// Joins increasing numbers to ranges.
fn ranges(numbers: impl Iterator<Item = u64>) -> Vec<Range<u64>> {
    let mut ranges: Vec<Range<u64>> = Vec::new();
    for number in numbers {
        match ranges.last_mut() {
            Some(range) if range.end == number => range.end += 1,
            _ => ranges.push(number..number + 1),
        }
    }
    ranges
}

/// Reasons that the store gives.
const OWN_REASONS: [&str; 2] = ["erased-subject", "rejected-feed"];

/// A duplicate is one still, and a rejected feed is not brought back by accident.
const NOT_BY_DEFAULT: [&str; 2] = ["duplicate", "rejected-feed"];

/// Rows that are read at a time; a refused file of 64 MiB may be among them.
const PAGE_ROWS: usize = 1024;
