//! Reads a source into the store, a portion at a time: what every way to bring data shares.
//!
//! # Invariants
//!
//! - Nothing that is written here counts before the writer is finished.
//! - The intent is in the ledger before the feed exists.

use std::collections::BTreeMap;

use twinkeep_domain::SourceSubject;
use twinkeep_intake::{
    Counts, IntakeError, ParsedRow, Portion, Progress as Step, QuarantinedRow, ReadOptions, Reason,
    Source, Stopped, Summary, read,
};
use twinkeep_ledger::{Activity, Class as EventClass};
use twinkeep_store::{
    FeedCounts, FeedId, FeedWriter, NewFeed, NewPortion, ParsedFields, ParsedRecord, RefusedRow,
    StoreError,
};
use twinkeep_vault::Pseudonymizer;

use crate::concerns::people_in;
use crate::{App, AppError, Caller};

/// Why a source did not get into the store.
pub(crate) enum Unread {
    /// The source was refused or could not be read.
    Source(IntakeError),
    /// The store did not take it.
    Store(StoreError),
}

/// A source that was read to its end and waits for the writer to be finished.
pub(crate) struct Taken {
    pub(crate) summary: Summary,
    /// Why rows were refused, and how many for each reason; without duplicates across feeds.
    pub(crate) reasons: BTreeMap<&'static str, u64>,
    /// How many rows each detector of the panel holds.
    pub(crate) suspects: BTreeMap<&'static str, u64>,
}

/// Reads a source to its end and writes what it holds.
pub(crate) fn take(
    writer: &mut FeedWriter<'_>,
    source: Source<'_>,
    options: &ReadOptions<'_>,
    progress: &mut dyn FnMut(Step),
) -> Result<Taken, Unread> {
    let (mut reasons, mut suspects) = (BTreeMap::new(), BTreeMap::new());
    let mut failed = None;
    let summary = read(source, options, progress, &mut |portion| {
        for row in &portion.quarantined {
            *reasons.entry(row.reason.code()).or_insert(0) += 1;
            if let (Reason::Suspect, Some(detector)) = (row.reason, row.field) {
                *suspects.entry(detector).or_insert(0) += 1;
            }
        }
        add(writer, portion, options.pseudonyms).map_err(|error| {
            failed = Some(error);
            Stopped
        })
    });
    match (summary, failed) {
        (_, Some(error)) => Err(Unread::Store(error)),
        (Err(error), None) => Err(Unread::Source(error)),
        (Ok(summary), None) => Ok(Taken { summary, reasons, suspects }),
    }
}

fn add(
    writer: &mut FeedWriter<'_>,
    portion: Portion,
    pseudonyms: &Pseudonymizer,
) -> Result<(), StoreError> {
    let Portion { screened, origins, mapping, quarantined } = portion;
    let origin =
        |index: usize| origins.get(index).map_or(("", 0), |origin| (&*origin.file, origin.row));
    let portion = NewPortion { screened, origin: &origin, mapping: &mapping };
    let erased = writer.erased()?;
    // Of a refused row of somebody who was erased, nothing is kept either.
    let mut rows =
        quarantined.iter().map(|row| match erased.any(&mut people_in(row, pseudonyms)) {
            true => RefusedRow { row: row.origin.row, ..RefusedRow::ERASED },
            false => refused(row),
        });
    writer.add(portion, &mut rows).map(drop)
}

fn refused(row: &QuarantinedRow) -> RefusedRow<'_> {
    RefusedRow {
        file: &row.origin.file,
        row: row.origin.row,
        field: row.field,
        reason: row.reason.code(),
        raw: row.raw.expose(),
        parsed: row.parsed.as_ref().map(fields),
    }
}

fn fields(row: &ParsedRow) -> ParsedFields<'_> {
    ParsedFields {
        source: row.subject.reveal(),
        time: row.time,
        name: &row.name,
        value: Some(&*row.value).filter(|value| !value.is_empty()),
        unit: row.unit.as_deref(),
        text: row.text.as_deref(),
    }
}

/// Turns a refused row that was read back into what can be screened again.
pub(crate) fn parsed_row(row: &ParsedRecord) -> Option<ParsedRow> {
    Some(ParsedRow {
        subject: SourceSubject::new(&row.source)?,
        time: row.time,
        name: row.name.as_str().into(),
        value: row.value.as_deref().unwrap_or_default().into(),
        unit: row.unit.as_deref().map(Into::into),
        text: row.text.as_deref().map(Into::into),
    })
}

/// Turns the account of screening into what the store takes.
pub(crate) fn feed_counts(counts: Counts) -> FeedCounts {
    FeedCounts {
        read: counts.read,
        accepted: counts.accepted,
        missing: counts.missing,
        quarantined: counts.quarantined,
    }
}

/// Makes the feed exist. The intent is on record before: a crash right after it must not leave
/// data of people in the keep that the ledger knows nothing of.
pub(crate) fn finish(
    app: &App,
    caller: &Caller,
    writer: FeedWriter<'_>,
    site: &str,
    feed: &NewFeed<'_>,
    disposition: twinkeep_store::Disposition<'_>,
) -> Result<FeedId, AppError> {
    app.remember_site(site)?;
    let class = EventClass::DatastoreActivity;
    let intent = app.entry(caller, class, Activity::Create, "feed.storing");
    let read = i64::try_from(feed.counts.read).unwrap_or(i64::MAX);
    app.record(&intent.with("read", read))?;
    Ok(writer.finish(feed, disposition)?)
}
