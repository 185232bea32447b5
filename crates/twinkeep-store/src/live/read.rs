//! Reading live rows: one subject's, all of them, and those that were refused.

use std::collections::BTreeSet;

use rusqlite::{Connection, Row};
use twinkeep_domain::{Code, Event, Events, Subject, Timestamp};
use twinkeep_vault::digest::{equal_in_constant_time, hmac_sha256};
use twinkeep_vault::{Purpose, SecretBytes};

use super::row::{EventContent, Key, RefusedContent, key};
use super::set;
use crate::error::catalog;
use crate::plan::subject_ranges;
use crate::rows::{LIVE_ROWS, Rows};
use crate::{QuarantinedRecord, Store, StoreError};

/// A live event.
pub(crate) struct LiveEvent {
    /// Whose it is.
    pub subject: Subject,
    /// When it happened.
    pub time: Option<Timestamp>,
    /// What it is about.
    pub code: Code,
    /// The number, if it has one.
    pub value: Option<f32>,
    /// The text, if it has one.
    pub text: Option<Box<str>>,
    /// When it came.
    pub received_at: Timestamp,
}

impl LiveEvent {
    /// Returns it as an event whose code has this index.
    pub(crate) fn into_event(self, code: u32) -> Event {
        let Self { subject, time, value, text, .. } = self;
        Event { subject, time, code, value, text }
    }
}

impl Store {
    /// Returns how many live events and refused ones there are.
    pub fn live_count(&self) -> Result<u64, StoreError> {
        let count: i64 = self.rows.head(&self.connection(), |row| row.get("live_count"))?;
        Ok(count as u64)
    }

    /// Returns a digest of all live rows, for lineage; `None` if there are none.
    pub fn live_digest(&self) -> Result<Option<[u8; 32]>, StoreError> {
        let head = self.rows.head(&self.connection(), |row| {
            Ok((row.get::<_, i64>("live_count")?, row.get::<_, [u8; 32]>("live_set")?))
        })?;
        Ok((head.0 != 0).then_some(head.1))
    }

    /// Returns at most `limit` refused live events, oldest first, after skipping `offset`.
    pub fn live_refused(
        &self,
        offset: u64,
        limit: usize,
    ) -> Result<Vec<QuarantinedRecord>, StoreError> {
        let mut found = Vec::new();
        self.read(|connection| {
            self.scan_live(connection, &mut |row| {
                if row.refused {
                    found.push(row);
                }
                Ok(())
            })
        })?;
        let skip = usize::try_from(offset).unwrap_or(usize::MAX);
        found.iter().skip(skip).take(limit).map(|row| self.live_refusal(row)).collect()
    }

    pub(crate) fn live_refusal(&self, row: &LiveRow) -> Result<QuarantinedRecord, StoreError> {
        let content = self.live_content(row)?;
        let refused = RefusedContent::decode(content.expose()).ok_or(CHANGED)?;
        Ok(QuarantinedRecord {
            position: row.id as u64,
            released: None,
            file: SecretBytes::new(b"live".to_vec()),
            row: refused.row,
            field: refused.field,
            reason: refused.reason,
            raw: refused.raw,
            parsed: None,
        })
    }

    /// Returns the rows that concern a subject, events and refused ones: those with its pseudonym,
    /// and those of nobody known that `concerns` recognizes.
    pub(crate) fn live_rows_about(
        &self,
        connection: &Connection,
        subject: Subject,
        concerns: &dyn Fn(&QuarantinedRecord) -> bool,
    ) -> Result<Vec<LiveRow>, StoreError> {
        let mut found = Vec::new();
        self.scan_live(connection, &mut |row| {
            let about = match row.subject {
                Some(known) => known == subject,
                None => concerns(&self.live_refusal(&row)?),
            };
            if about {
                found.push(row);
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// Returns the live events of one subject, in the order in which they came.
    pub(crate) fn live_events_of(
        &self,
        connection: &Connection,
        subject: Subject,
    ) -> Result<Vec<LiveEvent>, StoreError> {
        let cannot = catalog("find live events");
        let select = format!(
            "SELECT {} FROM live_rows WHERE subject = ?1 AND refused = 0 ORDER BY id",
            LIVE_ROWS.selection()
        );
        let mut statement = connection.prepare_cached(&select).map_err(&cannot)?;
        let mut rows = statement.query([subject.reveal()]).map_err(&cannot)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next().map_err(&cannot)? {
            self.rows.check(&LIVE_ROWS, row)?;
            found.push(self.live_event(&LiveRow::read(row).map_err(&cannot)?, subject)?);
        }
        Ok(found)
    }

    /// Returns all live events, in the order in which they came.
    pub(crate) fn live_events(
        &self,
        connection: &Connection,
    ) -> Result<Vec<LiveEvent>, StoreError> {
        let mut found = Vec::new();
        self.scan_live(connection, &mut |row| {
            if let (false, Some(subject)) = (row.refused, row.subject) {
                found.push(self.live_event(&row, subject)?);
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// Marks events that are among the live ones. The events are sorted by subject.
    pub(crate) fn mark_live(
        &self,
        connection: &Connection,
        events: &Events,
        found: &mut [bool],
    ) -> Result<(), StoreError> {
        let count: i64 = self.rows.head(connection, |row| row.get("live_count"))?;
        if count == 0 {
            return Ok(());
        }
        for range in subject_ranges(&events.rows) {
            let subject = events.rows[range.start].subject;
            let live = match self.live_events_of(connection, subject) {
                Err(StoreError::SubjectErased) => continue,
                live => live?,
            };
            let keys: BTreeSet<Key> = live
                .iter()
                .map(|event| key(event.time, &event.code, event.value, event.text.as_deref()))
                .collect();
            for at in range.filter(|_| !keys.is_empty()) {
                let event = &events.rows[at];
                let Some(code) = events.codes().get(event.code as usize) else { continue };
                found[at] |=
                    keys.contains(&key(event.time, code, event.value, event.text.as_deref()));
            }
        }
        Ok(())
    }

    pub(crate) fn live_event(
        &self,
        row: &LiveRow,
        subject: Subject,
    ) -> Result<LiveEvent, StoreError> {
        let content = self.live_content(row)?;
        let EventContent { time, code, value, text, received_at } =
            EventContent::decode(content.expose()).ok_or(CHANGED)?;
        Ok(LiveEvent { subject, time, code, value, text, received_at })
    }

    /// Opens what is in a row, with the key of its subject if it has one.
    fn live_content(&self, row: &LiveRow) -> Result<SecretBytes, StoreError> {
        match row.subject {
            Some(subject) => self.keyring.now()?.columns_of(subject)?.open(
                "live_rows",
                "content",
                row.id,
                &row.content,
            ),
            None => self.columns.open("live_rows", "content", row.id, &row.content),
        }
    }

    fn scan_live(
        &self,
        connection: &Connection,
        visit: &mut dyn FnMut(LiveRow) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.rows.scan_live(connection, visit)
    }
}

impl Rows {
    /// Visits all live rows, and verifies that they are what was written last. What was visited
    /// counts only if this succeeds.
    pub(crate) fn scan_live(
        &self,
        connection: &Connection,
        visit: &mut dyn FnMut(LiveRow) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let cannot = catalog("read live events");
        let (known, expected) = self.head(connection, |row| {
            Ok((row.get::<_, i64>("live_count")?, row.get::<_, [u8; 32]>("live_set")?))
        })?;
        let select = format!("SELECT {} FROM live_rows ORDER BY id", LIVE_ROWS.selection());
        let mut statement = connection.prepare_cached(&select).map_err(&cannot)?;
        let mut rows = statement.query([]).map_err(&cannot)?;
        let (mut count, mut sum) = (0, set::EMPTY);
        while let Some(row) = rows.next().map_err(&cannot)? {
            let mac = self.check(&LIVE_ROWS, row)?;
            sum = set::add(&sum, &self.live_term(&mac));
            count += 1;
            visit(LiveRow::read(row).map_err(&cannot)?)?;
        }
        match count == known && equal_in_constant_time(&sum, &expected) {
            true => Ok(()),
            false => Err(CHANGED),
        }
    }

    /// Returns what a row adds to the sum.
    pub(super) fn live_term(&self, mac: &[u8; 32]) -> [u8; 32] {
        hmac_sha256(&self.key().derive(Purpose::CatalogColumn, b"live-set"), mac)
    }
}

/// A live row as it lies in the catalog, verified.
pub(crate) struct LiveRow {
    /// Its number, never used again.
    pub id: i64,
    /// Whether it is an event that was refused.
    pub refused: bool,
    /// Whose it is, where that is known.
    pub subject: Option<Subject>,
    /// Sealed.
    pub content: Vec<u8>,
}

impl LiveRow {
    pub(crate) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let subject: Option<i64> = row.get(3)?;
        Ok(Self {
            id: row.get(1)?,
            refused: row.get(2)?,
            subject: subject.and_then(Subject::from_pseudonym),
            content: row.get(4)?,
        })
    }
}

const CHANGED: StoreError = StoreError::RowChanged { table: "live_rows" };
