//! Reading back: who is there, one timeline, and whole splits.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension as _, Row};
use twinkeep_domain::{Code, Cohort, Event, SourceSubject, Split, Subject, Timeline, Timestamp};

use crate::error::catalog;
use crate::feeds::written_at;
use crate::ingest::read_span;
use crate::shard::{Collector, shards};
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
        let mut statement = connection
            .prepare_cached(
                "SELECT pseudonym, split, event_count, span FROM subjects
                WHERE ?1 < pseudonym ORDER BY pseudonym LIMIT ?2",
            )
            .map_err(&cannot)?;
        let after = after.map_or(-1, Subject::reveal);
        let rows = statement.query_map((after, limit), subject_row).map_err(&cannot)?;
        let rows: Vec<SubjectRow> = rows.collect::<Result<_, _>>().map_err(cannot)?;
        rows.into_iter().map(|row| self.subject_record(row)).collect()
    }

    /// Returns one subject, or `None` if it is not there.
    pub fn subject(&self, subject: Subject) -> Result<Option<SubjectRecord>, StoreError> {
        let row = self
            .connection()
            .prepare_cached(
                "SELECT pseudonym, split, event_count, span FROM subjects WHERE pseudonym = ?1",
            )
            .and_then(|mut statement| {
                statement.query_row([subject.reveal()], subject_row).optional()
            })
            .map_err(catalog("look up a subject"))?;
        row.map(|row| self.subject_record(row)).transpose()
    }

    /// Returns how many subjects each split has.
    pub fn subject_counts(&self) -> Result<BTreeMap<Split, u64>, StoreError> {
        let cannot = catalog("count the subjects");
        let connection = self.connection();
        let mut statement = connection
            .prepare("SELECT split, count(*) FROM subjects GROUP BY split")
            .map_err(&cannot)?;
        let rows = statement
            .query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)? as u64)))
            .map_err(&cannot)?;
        let counts: Vec<(String, u64)> = rows.collect::<Result<_, _>>().map_err(cannot)?;
        Ok(counts
            .into_iter()
            .filter_map(|(split, count)| Some((Split::parse(&split)?, count)))
            .collect())
    }

    /// Returns who is behind a pseudonym. For whoever may know it.
    pub fn source_of(&self, subject: Subject) -> Result<Option<SourceSubject>, StoreError> {
        let pseudonym = subject.reveal();
        let sealed: Option<Vec<u8>> = self
            .connection()
            .query_row("SELECT source FROM subjects WHERE pseudonym = ?1", [pseudonym], |row| {
                row.get(0)
            })
            .optional()
            .map_err(catalog("look up a subject"))?;
        let Some(sealed) = sealed else { return Ok(None) };
        let source = self.columns.open_text("subjects", "source", pseudonym, &sealed)?;
        Ok(SourceSubject::new(&source))
    }

    /// Returns one subject's timeline as a cohort of one; `None` if the subject is not there.
    pub fn timeline(&self, subject: Subject) -> Result<Option<Cohort>, StoreError> {
        if self.subject(subject)?.is_none() {
            return Ok(None);
        }
        let cannot = catalog("find a timeline");
        let ranges: Vec<_> = {
            let connection = self.connection();
            let mut statement = connection
                .prepare_cached(
                    "SELECT file, wrapped_key, shards.row_count, sha256, first_row, ranges.row_count
                    FROM ranges JOIN shards ON shards.id = shard
                    WHERE subject = ?1 ORDER BY shards.id",
                )
                .map_err(&cannot)?;
            let rows = statement
                .query_map([subject.reveal()], |row| {
                    let first: i64 = row.get(4)?;
                    let count: i64 = row.get(5)?;
                    Ok((written_at(0)(row)?, first as usize..(first + count) as usize))
                })
                .map_err(&cannot)?;
            rows.collect::<Result<_, _>>().map_err(&cannot)?
        };
        let sealed = shards(&self.dir, &self.root);
        let mut collector = Collector::default();
        for (written, rows) in ranges {
            sealed.read_rows(&written, rows, &mut |batch| collector.add(&written.file, batch))?;
        }
        let (codes, events) = collector.finish();
        // INVARIANT: the rows of a range are its subject's; anything else was not written here.
        let timeline = Timeline::new(subject, events)
            .ok_or_else(|| StoreError::Damaged { file: "ranges".to_owned(), source: None })?;
        Ok(Some(Cohort { codes, timelines: vec![timeline] }))
    }

    /// Returns the timelines of all subjects of a split, by increasing pseudonym. Every file is
    /// compared with its digest first.
    pub fn cohort(&self, split: Split) -> Result<Cohort, StoreError> {
        let cannot = catalog("list the shards");
        let written: Vec<_> = {
            let connection = self.connection();
            let mut statement = connection
                .prepare(
                    "SELECT file, wrapped_key, row_count, sha256 FROM shards
                    WHERE split = ?1 ORDER BY id",
                )
                .map_err(&cannot)?;
            let rows = statement.query_map([split.name()], written_at(0)).map_err(&cannot)?;
            rows.collect::<Result<_, _>>().map_err(&cannot)?
        };
        let sealed = shards(&self.dir, &self.root);
        let mut collector = Collector::default();
        for written in written {
            sealed.read_all(&written, &mut |batch| collector.add(&written.file, batch))?;
        }
        let (codes, events) = collector.finish();
        Ok(cohort(codes, events))
    }

    fn subject_record(&self, row: SubjectRow) -> Result<SubjectRecord, StoreError> {
        let span = self.columns.open("subjects", "span", row.pseudonym, &row.span)?;
        let unreadable =
            || StoreError::Sealed { table: "subjects", source: twinkeep_vault::OpenError };
        Ok(SubjectRecord {
            subject: Subject::from_pseudonym(row.pseudonym).ok_or_else(unreadable)?,
            split: Split::parse(&row.split).ok_or_else(unreadable)?,
            event_count: row.event_count as u64,
            span: read_span(span.expose()),
        })
    }
}

struct SubjectRow {
    pseudonym: i64,
    split: String,
    event_count: i64,
    span: Vec<u8>,
}

fn subject_row(row: &Row<'_>) -> rusqlite::Result<SubjectRow> {
    Ok(SubjectRow {
        pseudonym: row.get(0)?,
        split: row.get(1)?,
        event_count: row.get(2)?,
        span: row.get(3)?,
    })
}

/// Groups events by subject.
fn cohort(codes: Vec<Code>, events: Vec<Event>) -> Cohort {
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
