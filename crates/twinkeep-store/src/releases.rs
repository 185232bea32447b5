//! Which refused rows were released: screened again, and now events of another feed.

use std::ops::Range;

use rusqlite::Connection;

use crate::feeds::FeedId;
use crate::rows::RELEASES;
use crate::{Store, StoreError};

/// Consecutive refused rows of a feed that another feed brought in.
pub(crate) struct Release {
    pub(crate) id: i64,
    /// Whose refused rows.
    pub(crate) feed: FeedId,
    /// Which ones, by position.
    pub(crate) rows: Range<u64>,
    /// The feed that they are of now.
    pub(crate) released: FeedId,
}

impl Release {
    /// Returns whether any of these rows is among them.
    pub(crate) fn meets(&self, rows: &Range<u64>) -> bool {
        self.rows.start < rows.end && rows.start < self.rows.end
    }
}

impl Store {
    /// Returns all releases.
    pub(crate) fn releases(&self, connection: &Connection) -> Result<Vec<Release>, StoreError> {
        let mut releases = Vec::new();
        self.rows.scan(connection, &RELEASES, &mut |row| {
            let (first, count): (i64, i64) = (row.get(3)?, row.get(4)?);
            releases.push(Release {
                id: row.get(1)?,
                feed: FeedId(row.get(2)?),
                rows: first as u64..first.saturating_add(count) as u64,
                released: FeedId(row.get(5)?),
            });
            Ok(())
        })?;
        Ok(releases)
    }
}
