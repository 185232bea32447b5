//! Incidents: records that whoever uses the store writes and reads, sealed: what was found, about
//! whom, and what is being done about it.
//!
//! A record is replaced as a whole in one transaction, so that what is intended, what was there
//! before, and what was done are never apart.

use rusqlite::Connection;

use crate::rows::INCIDENTS;
use crate::{Store, StoreError};

/// An incident in the catalog.
#[derive(Clone, PartialEq, Eq)]
pub struct IncidentRecord {
    /// Its number; the first one has 1.
    pub number: u64,
    /// Whether it is over.
    pub closed: bool,
    /// All else, in the words of the caller.
    pub record: String,
}

/// Which incidents are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Incidents {
    /// All of them.
    All,
    /// Those that are not closed.
    Open,
    /// The one of this number.
    One(u64),
}

impl Store {
    /// Returns incidents, by number.
    pub fn incidents(&self, which: Incidents) -> Result<Vec<IncidentRecord>, StoreError> {
        let sealed = self.read(|connection| self.sealed_incidents(connection, which))?;
        self.open_incidents(sealed.1)
    }

    /// Writes the incident that `change` makes of those that there are and of the next number:
    /// another version of one of them, or a new one. Nobody changes any between. Where it makes
    /// none, all stays as it is.
    pub fn change_incidents(
        &self,
        which: Incidents,
        change: &mut dyn FnMut(&[IncidentRecord], u64) -> Option<IncidentRecord>,
    ) -> Result<(), StoreError> {
        self.change_if(&mut self.connection(), &[&INCIDENTS], |transaction| {
            let (last, sealed) = self.sealed_incidents(transaction, which)?;
            let known = self.open_incidents(sealed)?;
            let Some(changed) = change(&known, last + 1) else { return Ok(false) };
            let IncidentRecord { number, closed, record } = changed;
            let id = number as i64;
            let sealed = self.columns.seal("incidents", "record", id, record.as_bytes());
            if last < number {
                self.rows.insert(transaction, &INCIDENTS, &[&id, &closed, &sealed])?;
            } else {
                self.rows.replace(transaction, &INCIDENTS, &[&id, &closed, &sealed])?;
            }
            Ok(true)
        })
    }

    /// Returns the highest number, and those that are meant, sealed.
    fn sealed_incidents(
        &self,
        connection: &Connection,
        which: Incidents,
    ) -> Result<(u64, Vec<SealedIncident>), StoreError> {
        let (mut last, mut sealed) = (0, Vec::new());
        self.rows.scan(connection, &INCIDENTS, &mut |row| {
            let (id, closed): (i64, bool) = (row.get(1)?, row.get(2)?);
            last = id as u64;
            let meant = match which {
                Incidents::All => true,
                Incidents::Open => !closed,
                Incidents::One(number) => last == number,
            };
            if meant {
                sealed.push(SealedIncident { id, closed, record: row.get(3)? });
            }
            Ok(())
        })?;
        Ok((last, sealed))
    }

    fn open_incidents(
        &self,
        sealed: Vec<SealedIncident>,
    ) -> Result<Vec<IncidentRecord>, StoreError> {
        let open = |SealedIncident { id, closed, record }| {
            let record = self.columns.open_text("incidents", "record", id, &record)?;
            Ok(IncidentRecord { number: id as u64, closed, record })
        };
        sealed.into_iter().map(open).collect()
    }
}

struct SealedIncident {
    id: i64,
    closed: bool,
    record: Vec<u8>,
}

impl std::fmt::Debug for IncidentRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("IncidentRecord(hidden)")
    }
}
