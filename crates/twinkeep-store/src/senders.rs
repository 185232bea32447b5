//! Senders: whose sealed feeds are taken, and how far each has come.

use rusqlite::Connection;
use twinkeep_domain::Timestamp;

use crate::catalog::time;
use crate::error::catalog;
use crate::rows::{Rows, SENDERS, SETTINGS};
use crate::{Store, StoreError};

/// A sender in the catalog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SenderRecord {
    /// The name of its key.
    pub key_id: String,
    /// Its public identity, as text.
    pub identity: String,
    /// When it was added.
    pub added_at: Timestamp,
    /// When it was revoked, if it was.
    pub revoked_at: Option<Timestamp>,
    /// The number of the last feed that was ingested, if one was.
    pub last_sequence: Option<u64>,
    /// The digest of that feed's manifest.
    pub last_manifest: Option<[u8; 32]>,
}

impl Store {
    /// Adds a sender together with the settings that hold for it; if its key is known, revoked or
    /// not, that is refused, and nothing changes.
    pub fn add_sender(
        &self,
        key_id: &str,
        identity: &str,
        settings: &[(&str, &str)],
        added_at: Timestamp,
    ) -> Result<(), StoreError> {
        self.change(&[&SENDERS, &SETTINGS], |transaction| {
            for (name, value) in settings {
                self.write_setting(transaction, name, value)?;
            }
            let added = transaction
                .execute(
                    "INSERT INTO senders
                    (key_id, identity, added_at, revoked_at, last_sequence, last_manifest)
                    VALUES (?1, ?2, ?3, NULL, NULL, NULL) ON CONFLICT (key_id) DO NOTHING",
                    (key_id, identity, added_at.micros()),
                )
                .map_err(catalog("add the sender"))?;
            match added {
                0 => Err(StoreError::Refused { what: "sender", state: "already known" }),
                _ => self.rows.seal(transaction, &SENDERS, &transaction.last_insert_rowid()),
            }
        })
    }

    /// Revokes a sender: no further feed of it is taken.
    pub fn revoke_sender(&self, key_id: &str, revoked_at: Timestamp) -> Result<(), StoreError> {
        self.change(&[&SENDERS], |transaction| {
            let Some((id, _)) = find_sender(&self.rows, transaction, key_id)? else {
                return Err(StoreError::Refused { what: "sender", state: "not known" });
            };
            transaction
                .execute(
                    "UPDATE senders SET revoked_at = coalesce(revoked_at, ?2) WHERE id = ?1",
                    (id, revoked_at.micros()),
                )
                .map_err(catalog("revoke the sender"))?;
            self.rows.seal(transaction, &SENDERS, &id)
        })
    }

    /// Returns all senders, in the order in which they were added.
    pub fn senders(&self) -> Result<Vec<SenderRecord>, StoreError> {
        let mut found = Vec::new();
        self.read(|connection| {
            self.rows.scan(connection, &SENDERS, &mut |row| {
                found.push(record(row)?);
                Ok(())
            })
        })?;
        Ok(found)
    }

    /// Returns the sender with this key.
    pub fn sender(&self, key_id: &str) -> Result<Option<SenderRecord>, StoreError> {
        let found = self.read(|connection| find_sender(&self.rows, connection, key_id))?;
        Ok(found.map(|(_, sender)| sender))
    }
}

/// Returns the sender with this key, and its row.
pub(crate) fn find_sender(
    rows: &Rows,
    connection: &Connection,
    key_id: &str,
) -> Result<Option<(i64, SenderRecord)>, StoreError> {
    let mut found = None;
    rows.scan(connection, &SENDERS, &mut |row| {
        let sender = record(row)?;
        if sender.key_id == key_id {
            found = Some((row.get(1)?, sender));
        }
        Ok(())
    })?;
    Ok(found)
}

fn record(row: &rusqlite::Row<'_>) -> rusqlite::Result<SenderRecord> {
    Ok(SenderRecord {
        key_id: row.get(2)?,
        identity: row.get(3)?,
        added_at: Timestamp::from_micros(row.get(4)?),
        revoked_at: time(row.get(5)?),
        last_sequence: row.get::<_, Option<i64>>(6)?.map(|sequence| sequence as u64),
        last_manifest: row.get(7)?,
    })
}
