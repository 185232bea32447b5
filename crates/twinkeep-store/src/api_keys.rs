//! API keys: only their digests are here, so a stolen disk lets nobody in.

use rusqlite::OptionalExtension as _;
use twinkeep_domain::Timestamp;

use crate::catalog::time;
use crate::error::catalog;
use crate::{Store, StoreError};

/// An API key that is to be added.
#[derive(Clone, Copy)]
pub struct NewApiKey<'a> {
    /// Its public name, unique.
    pub id: &'a str,
    /// What a person calls it.
    pub name: &'a str,
    /// SHA-256 of the key.
    pub digest: [u8; 32],
    /// What it may do.
    pub scopes: &'a [&'a str],
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends, if it does.
    pub expires_at: Option<Timestamp>,
}

/// An API key in the catalog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKeyRecord {
    /// Its public name, unique.
    pub id: String,
    /// What a person calls it.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends, if it does.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked, if it was.
    pub revoked_at: Option<Timestamp>,
    /// When it was used last, if it was.
    pub last_used_at: Option<Timestamp>,
}

impl ApiKeyRecord {
    /// Returns whether the key opens anything at this time.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }
}

impl Store {
    /// Adds an API key; refused if its id or digest is known.
    pub fn add_api_key(&self, key: &NewApiKey<'_>) -> Result<(), StoreError> {
        let added = self
            .connection()
            .execute(
                "INSERT INTO api_keys (id, name, digest, scopes, created_at, expires_at)
                VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
                (
                    key.id,
                    key.name,
                    key.digest,
                    key.scopes.join(" "),
                    key.created_at.micros(),
                    key.expires_at.map(Timestamp::micros),
                ),
            )
            .map_err(catalog("add the API key"))?;
        match added {
            0 => Err(StoreError::Refused { what: "API key", state: "already known" }),
            _ => Ok(()),
        }
    }

    /// Returns all API keys, live or not, by id.
    pub fn api_keys(&self) -> Result<Vec<ApiKeyRecord>, StoreError> {
        let cannot = catalog("list the API keys");
        let connection = self.connection();
        let mut statement = connection
            .prepare(&format!("SELECT {COLUMNS} FROM api_keys ORDER BY id"))
            .map_err(&cannot)?;
        let rows = statement.query_map([], record).map_err(&cannot)?;
        rows.collect::<Result<_, _>>().map_err(cannot)
    }

    /// Returns the API key with this digest, live or not: ask [`ApiKeyRecord::is_live`].
    pub fn api_key_by_digest(&self, digest: &[u8; 32]) -> Result<Option<ApiKeyRecord>, StoreError> {
        self.connection()
            .prepare_cached(&format!("SELECT {COLUMNS} FROM api_keys WHERE digest = ?1"))
            .and_then(|mut statement| statement.query_row([digest], record).optional())
            .map_err(catalog("look up the API key"))
    }

    /// Revokes an API key.
    pub fn revoke_api_key(&self, id: &str, revoked_at: Timestamp) -> Result<(), StoreError> {
        let update = "UPDATE api_keys SET revoked_at = coalesce(revoked_at, ?2) WHERE id = ?1";
        self.change_api_key(update, id, revoked_at, "revoke the API key")
    }

    /// Notes that an API key was used. One transaction, made durable: not for every request.
    pub fn touch_api_key(&self, id: &str, used_at: Timestamp) -> Result<(), StoreError> {
        let update = "UPDATE api_keys SET last_used_at = ?2 WHERE id = ?1";
        self.change_api_key(update, id, used_at, "note the use of the API key")
    }

    fn change_api_key(
        &self,
        update: &str,
        id: &str,
        at: Timestamp,
        action: &'static str,
    ) -> Result<(), StoreError> {
        let changed =
            self.connection().execute(update, (id, at.micros())).map_err(catalog(action))?;
        match changed {
            0 => Err(StoreError::Refused { what: "API key", state: "not known" }),
            _ => Ok(()),
        }
    }
}

fn record(row: &rusqlite::Row<'_>) -> rusqlite::Result<ApiKeyRecord> {
    let scopes: String = row.get(2)?;
    Ok(ApiKeyRecord {
        id: row.get(0)?,
        name: row.get(1)?,
        scopes: scopes.split_ascii_whitespace().map(str::to_owned).collect(),
        created_at: Timestamp::from_micros(row.get(3)?),
        expires_at: time(row.get(4)?),
        revoked_at: time(row.get(5)?),
        last_used_at: time(row.get(6)?),
    })
}

const COLUMNS: &str = "id, name, scopes, created_at, expires_at, revoked_at, last_used_at";
