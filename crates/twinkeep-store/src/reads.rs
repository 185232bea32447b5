//! Reading back: who is there, one timeline, and whole splits.

use std::collections::BTreeMap;
use std::ops::Range;
use std::slice;

use rusqlite::{Connection, Row};
use twinkeep_domain::{Code, Cohort, Event, SourceSubject, Split, Subject, Timeline, Timestamp};

use crate::duplicates::row_range;
use crate::error::catalog;
use crate::feeds::{admitted, written_at};
use crate::files::ReadersLock;
use crate::live::LiveEvent;
use crate::rows::{RANGES, SHARDS, SUBJECTS};
use crate::shard::{Collector, shards};
use crate::staged::subject_extent;
use crate::table::Written;
use crate::{Store, StoreError};

/// A subject in the catalog.
#[derive(Clone)]
pub struct SubjectRecord {
    /// The pseudonym.
    pub subject: Subject,
    /// Its split, for good.
    pub split: Split,
    /// How many events there are.
    pub event_count: u64,
    /// The first and the last time, if any event has one.
    pub span: Option<(Timestamp, Timestamp)>,
}

impl Store {
    /// Returns at most `limit` subjects after `after`, by increasing pseudonym.
    pub fn subjects(
        &self,
        after: Option<Subject>,
        limit: u32,
    ) -> Result<Vec<SubjectRecord>, StoreError> {
        let cannot = catalog("list the subjects");
        let connection = self.connection();
        let select = format!(
            "SELECT {} FROM subjects WHERE ?1 < pseudonym ORDER BY pseudonym LIMIT ?2",
            SUBJECTS.selection()
        );
        let mut statement = connection.prepare_cached(&select).map_err(&cannot)?;
        let after = after.map_or(-1, Subject::reveal);
        let mut rows = statement.query((after, limit)).map_err(&cannot)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next().map_err(&cannot)? {
            self.rows.check(&SUBJECTS, row)?;
            found.push(self.subject_record(subject_row(row).map_err(&cannot)?)?);
        }
        Ok(found)
    }

    /// Returns one subject, or `None` if it is not there.
    pub fn subject(&self, subject: Subject) -> Result<Option<SubjectRecord>, StoreError> {
        let row = self.subject_row(&self.connection(), subject)?;
        row.map(|row| self.subject_record(row)).transpose()
    }

    /// Returns how many subjects each split has.
    pub fn subject_counts(&self) -> Result<BTreeMap<Split, u64>, StoreError> {
        let cannot = catalog("count the subjects");
        self.read(|connection| {
            let known: i64 = self.rows.head(connection, |row| row.get("subject_count"))?;
            let select = format!("SELECT {} FROM subjects", SUBJECTS.selection());
            let mut statement = connection.prepare(&select).map_err(&cannot)?;
            let mut rows = statement.query([]).map_err(&cannot)?;
            let mut counts: BTreeMap<Split, u64> = BTreeMap::new();
            while let Some(row) = rows.next().map_err(&cannot)? {
                self.rows.check(&SUBJECTS, row)?;
                let split: String = row.get(2).map_err(&cannot)?;
                let split = Split::parse(&split).ok_or(SUBJECT_CHANGED)?;
                *counts.entry(split).or_default() += 1;
            }
            match counts.values().sum::<u64>() == known as u64 {
                true => Ok(counts),
                false => Err(SUBJECT_CHANGED),
            }
        })
    }

    /// Returns who is behind a pseudonym. For whoever may know it.
    pub fn source_of(&self, subject: Subject) -> Result<Option<SourceSubject>, StoreError> {
        let row = self.subject_row(&self.connection(), subject)?;
        let Some(row) = row else { return Ok(None) };
        let columns = self.keyring.now()?.columns_of(subject)?;
        let source = columns.open_text("subjects", "source", row.pseudonym, &row.source)?;
        Ok(SourceSubject::new(&source))
    }

    /// Returns one subject's timeline as a cohort of one; `None` if the subject is not there.
    pub fn timeline(&self, subject: Subject) -> Result<Option<Cohort>, StoreError> {
        self.retrying(|| {
            let found = self.read(|connection| {
                let Some(row) = self.subject_row(connection, subject)? else { return Ok(None) };
                let ranges = self.ranges(connection, subject)?;
                let live = self.live_events_of(connection, subject)?;
                Ok(Some((row.event_count as u64, ranges, live)))
            })?;
            let Some((event_count, ranges, live)) = found else { return Ok(None) };
            let sealed = shards(&self.dir, self.keyring.now()?);
            let mut collector = Collector::default();
            for (written, rows) in ranges {
                sealed.read_rows(&written, slice::from_ref(&rows), &mut |batch| {
                    collector.add(&written.file, batch)
                })?;
            }
            live.into_iter().for_each(|event| collector.add_live(event));
            let (codes, events) = collector.finish();
            // INVARIANT: the rows of its ranges and its live events are the subject's, and all of them;
            // anything else was not written here.
            let damaged = || StoreError::Damaged { file: "ranges".to_owned(), source: None };
            if events.len() as u64 != event_count {
                return Err(damaged());
            }
            let timeline = Timeline::new(subject, events).ok_or_else(damaged)?;
            Ok(Some(Cohort { codes, timelines: vec![timeline] }))
        })
    }

    /// Returns the timelines of all subjects of a split, by increasing pseudonym. Every file is
    /// compared with its digest first.
    pub fn cohort(&self, split: Split) -> Result<Cohort, StoreError> {
        self.retrying(|| {
            let mut written = Vec::new();
            let live = self.read(|connection| {
                let admitted = admitted(&self.rows, connection)?;
                self.rows.scan(connection, &SHARDS, &mut |row| {
                    let counts = admitted.contains(&row.get(2)?);
                    if counts && row.get::<_, String>(3)? == split.name() {
                        written.push(written_at(4)(row)?);
                    }
                    Ok(())
                })?;
                self.live_events_in(connection, split)
            })?;
            let sealed = shards(&self.dir, self.keyring.now()?);
            let mut collector = Collector::default();
            for written in written {
                sealed.read_all(&written, &mut |batch| collector.add(&written.file, batch))?;
            }
            live.into_iter().for_each(|event| collector.add_live(event));
            let (codes, events) = collector.finish();
            Ok(cohort(codes, events))
        })
    }

    /// Reads once more if what was to be read was replaced meanwhile, by a compaction or an erasure;
    /// then no file goes until this is done, however much is replaced.
    pub(crate) fn retrying<T>(
        &self,
        read: impl Fn() -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut lock = None;
        for _ in 0..RETRIES {
            let before = self.epoch()?;
            match read() {
                Err(error) if error.is_gone() && before != self.epoch()? => {
                    if lock.is_none() {
                        lock = ReadersLock::share(&self.dir)?;
                    }
                }
                result => return result,
            }
        }
        read()
    }

    /// Returns the live events of a split.
    fn live_events_in(
        &self,
        connection: &Connection,
        split: Split,
    ) -> Result<Vec<LiveEvent>, StoreError> {
        let mut splits: BTreeMap<Subject, bool> = BTreeMap::new();
        let mut found = Vec::new();
        for event in self.live_events(connection)? {
            let wanted = match splits.get(&event.subject) {
                Some(&wanted) => wanted,
                None => {
                    let row = self.subject_row(connection, event.subject)?;
                    let wanted = row.ok_or(SUBJECT_CHANGED)?.split == split.name();
                    splits.insert(event.subject, wanted);
                    wanted
                }
            };
            if wanted {
                found.push(event);
            }
        }
        Ok(found)
    }

    /// Returns the row of a subject, verified.
    pub(crate) fn subject_row(
        &self,
        connection: &Connection,
        subject: Subject,
    ) -> Result<Option<SubjectRow>, StoreError> {
        let cannot = catalog("look up a subject");
        let select = format!("SELECT {} FROM subjects WHERE pseudonym = ?1", SUBJECTS.selection());
        let mut statement = connection.prepare_cached(&select).map_err(&cannot)?;
        let mut rows = statement.query([subject.reveal()]).map_err(&cannot)?;
        let Some(row) = rows.next().map_err(&cannot)? else { return Ok(None) };
        self.rows.check(&SUBJECTS, row)?;
        subject_row(row).map(Some).map_err(cannot)
    }

    /// Returns where a subject's events are.
    pub(crate) fn ranges(
        &self,
        connection: &Connection,
        subject: Subject,
    ) -> Result<Vec<(Written, Range<usize>)>, StoreError> {
        let cannot = catalog("find a timeline");
        let select = format!(
            "SELECT {}, {} FROM ranges JOIN shards ON shards.id = shard WHERE subject = ?1
            ORDER BY shards.id",
            RANGES.selection(),
            SHARDS.selection()
        );
        let mut statement = connection.prepare_cached(&select).map_err(&cannot)?;
        let mut rows = statement.query([subject.reveal()]).map_err(&cannot)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next().map_err(&cannot)? {
            self.rows.check(&RANGES, row)?;
            self.rows.check_at(&SHARDS, row, 6)?;
            let written = written_at(10)(row).map_err(&cannot)?;
            found.push((written, row_range(row, 3).map_err(&cannot)?));
        }
        Ok(found)
    }

    fn subject_record(&self, row: SubjectRow) -> Result<SubjectRecord, StoreError> {
        let subject = Subject::from_pseudonym(row.pseudonym).ok_or(SUBJECT_CHANGED)?;
        let columns = self.keyring.now()?.columns_of(subject)?;
        Ok(SubjectRecord {
            subject,
            split: Split::parse(&row.split).ok_or(SUBJECT_CHANGED)?,
            event_count: row.event_count as u64,
            span: subject_extent(&columns, row.pseudonym, &row.span)?.span,
        })
    }
}

/// What the catalog keeps about a subject.
pub(crate) struct SubjectRow {
    pseudonym: i64,
    pub(crate) split: String,
    /// Sealed.
    pub(crate) source: Vec<u8>,
    pub(crate) event_count: i64,
    /// Sealed.
    pub(crate) span: Vec<u8>,
}

fn subject_row(row: &Row<'_>) -> rusqlite::Result<SubjectRow> {
    Ok(SubjectRow {
        pseudonym: row.get(1)?,
        split: row.get(2)?,
        source: row.get(3)?,
        event_count: row.get(4)?,
        span: row.get(5)?,
    })
}

/// Groups events by subject.
pub(crate) fn cohort(codes: Vec<Code>, events: Vec<Event>) -> Cohort {
    let mut groups: BTreeMap<Subject, Vec<Event>> = BTreeMap::new();
    let mut events = events.into_iter().peekable();
    while let Some(first) = events.next() {
        let subject = first.subject;
        let group = groups.entry(subject).or_default();
        group.push(first);
        while let Some(event) = events.next_if(|event| event.subject == subject) {
            group.push(event);
        }
    }
    let timelines =
        groups.into_iter().filter_map(|(subject, events)| Timeline::new(subject, events));
    Cohort { codes, timelines: timelines.collect() }
}

/// From the second time on files stay, and only an erasure or a rotation takes what is read away:
/// its key.
const RETRIES: usize = 3;

const SUBJECT_CHANGED: StoreError = StoreError::RowChanged { table: "subjects" };
