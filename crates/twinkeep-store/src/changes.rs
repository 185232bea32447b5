//! What changed since somebody looked last: live events and admitted feeds, in an order that lasts.
//!
//! A live event has the number of its row, which is never used again. A feed gets the next number
//! of a row of its own in the transaction that admits it, be it when it is stored or when it is
//! released. A [`ChangeCursor`] says how far both were seen, and outlives a restart.
//!
//! Folding takes rows away. How far it came is noted with it, so that a cursor from before is told
//! that something is missing, and is never answered with a gap.
//!
//! # Invariants
//!
//! - What is after a cursor is found by asking with it, once, whoever else writes meanwhile: both
//!   numbers only grow, and come with the change that they number.
//! - A change is told with its code and its time, never with its value.

use std::collections::BTreeSet;

use rusqlite::{Connection, Transaction};
use twinkeep_domain::{Code, Subject, Timestamp};

use crate::error::catalog;
use crate::feeds::FeedId;
use crate::live::LiveRow;
use crate::rows::LIVE_ROWS;
use crate::{Store, StoreError};

/// How far somebody has seen what changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChangeCursor {
    /// The number of the last live event.
    pub event: u64,
    /// The number of the last admitted feed.
    pub feed: u64,
}

/// A live event that came.
pub struct EventChange {
    /// Its number.
    pub number: u64,
    /// Whose it is.
    pub subject: Subject,
    /// When it happened.
    pub time: Option<Timestamp>,
    /// What it is about.
    pub code: Code,
}

/// A feed whose events count from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeedChange {
    /// Its number among the admissions.
    pub number: u64,
    /// Which feed.
    pub feed: FeedId,
}

/// What changed after a cursor.
pub enum Changes {
    /// This did.
    Known {
        /// Live events, in the order in which they came.
        events: Vec<EventChange>,
        /// Feeds, in the order in which they were admitted.
        feeds: Vec<FeedChange>,
        /// How far this goes.
        cursor: ChangeCursor,
    },
    /// It is not known any more, or the cursor is of another store.
    Gone {
        /// How far changes go by now.
        cursor: ChangeCursor,
    },
}

/// What is noted about changes, besides the rows themselves.
#[derive(Default)]
struct Noted {
    /// The highest number of a row that was folded.
    folded: u64,
    /// How many admissions were forgotten before these.
    forgotten: u64,
    /// The feeds that were admitted, in this order.
    feeds: Vec<i64>,
}

impl Noted {
    fn feed_last(&self) -> u64 {
        self.forgotten + self.feeds.len() as u64
    }
}

impl Store {
    /// Returns how far changes go by now.
    pub fn change_cursor(&self) -> Result<ChangeCursor, StoreError> {
        self.read(|connection| self.cursor_now(connection).map(|(cursor, _)| cursor))
    }

    /// Returns what changed after a cursor, at most `limit` live events, about one subject or all.
    pub fn changes(
        &self,
        after: ChangeCursor,
        subject: Option<Subject>,
        limit: usize,
    ) -> Result<Changes, StoreError> {
        self.read(|connection| {
            let (mut cursor, noted) = self.cursor_now(connection)?;
            let old = after.event < noted.folded || after.feed < noted.forgotten;
            if old || cursor.event < after.event || cursor.feed < after.feed {
                return Ok(Changes::Gone { cursor });
            }
            let events = match after.event == cursor.event {
                true => Vec::new(),
                false => self.events_after(connection, after.event, subject, limit)?,
            };
            if let (true, Some(last)) = (limit <= events.len(), events.last()) {
                cursor.event = last.number;
            }
            let feeds = self.feeds_after(connection, &noted, after.feed, subject)?;
            Ok(Changes::Known { events, feeds, cursor })
        })
    }

    /// Notes that a feed counts from now on. The caller authenticates `settings`.
    pub(crate) fn note_admitted(
        &self,
        transaction: &Transaction<'_>,
        feed: i64,
    ) -> Result<(), StoreError> {
        let mut noted = self.noted(transaction)?;
        noted.feeds.push(feed);
        let more = noted.feeds.len().saturating_sub(FEED_COUNT_MAX);
        noted.feeds.drain(..more);
        noted.forgotten += more as u64;
        self.write_noted(transaction, &noted)
    }

    /// Notes that all rows up to a number are in files. The caller authenticates `settings`.
    pub(crate) fn note_folded(
        &self,
        transaction: &Transaction<'_>,
        last: i64,
    ) -> Result<(), StoreError> {
        let mut noted = self.noted(transaction)?;
        noted.folded = noted.folded.max(last as u64);
        self.write_noted(transaction, &noted)
    }

    fn cursor_now(&self, connection: &Connection) -> Result<(ChangeCursor, Noted), StoreError> {
        let last: i64 = self.rows.head(connection, |row| row.get("live_last"))?;
        let noted = self.noted(connection)?;
        Ok((ChangeCursor { event: last as u64, feed: noted.feed_last() }, noted))
    }

    fn events_after(
        &self,
        connection: &Connection,
        after: u64,
        subject: Option<Subject>,
        limit: usize,
    ) -> Result<Vec<EventChange>, StoreError> {
        let cannot = catalog("find what changed");
        let about = if subject.is_some() { "subject = ?3" } else { "?3 IS NULL" };
        let select = format!(
            "SELECT {} FROM live_rows WHERE ?1 < id AND refused = 0 AND {about} ORDER BY id LIMIT ?2",
            LIVE_ROWS.selection()
        );
        let mut statement = connection.prepare_cached(&select).map_err(&cannot)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let values = (after as i64, limit, subject.map(Subject::reveal));
        let mut rows = statement.query(values).map_err(&cannot)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next().map_err(&cannot)? {
            self.rows.check(&LIVE_ROWS, row)?;
            let row = LiveRow::read(row).map_err(&cannot)?;
            let Some(subject) = row.subject else { continue };
            let event = match self.live_event(&row, subject) {
                // The key went before the row did.
                Err(StoreError::SubjectErased) => continue,
                event => event?,
            };
            let number = row.id as u64;
            found.push(EventChange { number, subject, time: event.time, code: event.code });
        }
        Ok(found)
    }

    fn feeds_after(
        &self,
        connection: &Connection,
        noted: &Noted,
        after: u64,
        subject: Option<Subject>,
    ) -> Result<Vec<FeedChange>, StoreError> {
        let all = (noted.forgotten + 1..).zip(&noted.feeds);
        let new: Vec<FeedChange> = all
            .filter(|(number, _)| after < *number)
            .map(|(number, &feed)| FeedChange { number, feed: FeedId(feed) })
            .collect();
        let Some(subject) = subject.filter(|_| !new.is_empty()) else { return Ok(new) };
        let holdings = self.holdings(connection, subject)?;
        let own: BTreeSet<i64> = holdings.into_iter().flat_map(|it| it.origins).collect();
        Ok(new.into_iter().filter(|change| own.contains(&change.feed.0)).collect())
    }

    fn noted(&self, connection: &Connection) -> Result<Noted, StoreError> {
        let text = self.setting_on(connection, CHANGES)?.unwrap_or_default();
        let mut numbers = text.lines().map(str::parse::<i64>);
        let changed = StoreError::RowChanged { table: "settings" };
        let mut next = || numbers.next().transpose().map_err(|_| ());
        let (Ok(folded), Ok(forgotten)) = (next(), next()) else { return Err(changed) };
        let feeds: Result<Vec<i64>, _> = numbers.collect();
        Ok(Noted {
            folded: folded.unwrap_or_default() as u64,
            forgotten: forgotten.unwrap_or_default() as u64,
            feeds: feeds.map_err(|_| changed)?,
        })
    }

    fn write_noted(&self, transaction: &Transaction<'_>, noted: &Noted) -> Result<(), StoreError> {
        let mut text = format!("{}\n{}", noted.folded, noted.forgotten);
        noted.feeds.iter().for_each(|feed| text.push_str(&format!("\n{feed}")));
        self.write_setting(transaction, CHANGES, &text)
    }
}

/// The setting that this is noted in: a line with the highest folded row, one with the number of
/// forgotten admissions, and one for each feed.
const CHANGES: &str = "changes";

/// Admissions that are told one by one: who was away for more begins anew.
const FEED_COUNT_MAX: usize = 256;
