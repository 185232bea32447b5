//! Senders: whose sealed feeds are taken, and how far each has come.

use rusqlite::OptionalExtension as _;
use twinkeep_domain::Timestamp;

use crate::catalog::time;
use crate::error::catalog;
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
    /// Adds a sender; refused if its key is known, revoked or not.
    pub fn add_sender(
        &self,
        key_id: &str,
        identity: &str,
        added_at: Timestamp,
    ) -> Result<(), StoreError> {
        let added = self
            .connection()
            .execute(
                "INSERT INTO senders (key_id, identity, added_at) VALUES (?1, ?2, ?3)
                ON CONFLICT (key_id) DO NOTHING",
                (key_id, identity, added_at.micros()),
            )
            .map_err(catalog("add the sender"))?;
        match added {
            0 => Err(StoreError::Refused { what: "sender", state: "already known" }),
            _ => Ok(()),
        }
    }

    /// Revokes a sender: no further feed of it is taken.
    pub fn revoke_sender(&self, key_id: &str, revoked_at: Timestamp) -> Result<(), StoreError> {
        let changed = self
            .connection()
            .execute(
                "UPDATE senders SET revoked_at = coalesce(revoked_at, ?2) WHERE key_id = ?1",
                (key_id, revoked_at.micros()),
            )
            .map_err(catalog("revoke the sender"))?;
        match changed {
            0 => Err(StoreError::Refused { what: "sender", state: "not known" }),
            _ => Ok(()),
        }
    }

    /// Returns all senders, in the order in which they were added.
    pub fn senders(&self) -> Result<Vec<SenderRecord>, StoreError> {
        let cannot = catalog("list the senders");
        let connection = self.connection();
        let mut statement = connection
            .prepare(&format!("SELECT {COLUMNS} FROM senders ORDER BY id"))
            .map_err(&cannot)?;
        let rows = statement.query_map([], record).map_err(&cannot)?;
        rows.collect::<Result<_, _>>().map_err(cannot)
    }

    /// Returns the sender with this key.
    pub fn sender(&self, key_id: &str) -> Result<Option<SenderRecord>, StoreError> {
        self.connection()
            .query_row(
                &format!("SELECT {COLUMNS} FROM senders WHERE key_id = ?1"),
                [key_id],
                record,
            )
            .optional()
            .map_err(catalog("look up the sender"))
    }
}

fn record(row: &rusqlite::Row<'_>) -> rusqlite::Result<SenderRecord> {
    Ok(SenderRecord {
        key_id: row.get(0)?,
        identity: row.get(1)?,
        added_at: Timestamp::from_micros(row.get(2)?),
        revoked_at: time(row.get(3)?),
        last_sequence: row.get::<_, Option<i64>>(4)?.map(|sequence| sequence as u64),
        last_manifest: row.get(5)?,
    })
}

const COLUMNS: &str = "key_id, identity, added_at, revoked_at, last_sequence, last_manifest";
