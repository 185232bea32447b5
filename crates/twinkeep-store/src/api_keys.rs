//! API keys: only keyed digests of them are here, so a stolen disk lets nobody in.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use rusqlite::Connection;
use twinkeep_domain::Timestamp;
use twinkeep_vault::Purpose;
use twinkeep_vault::digest::hmac_sha256;

use crate::catalog::time;
use crate::error::catalog;
use crate::rows::API_KEYS;
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

/// All keys by their names, as of the last change of the catalog: verifying every row at each request
/// would cost the more, the more keys there are.
#[derive(Default)]
pub(crate) struct KnownKeys(Mutex<KeysAsOf>);

#[derive(Default)]
struct KeysAsOf {
    /// How many changes had been found; 0 before all was read.
    changes: u64,
    keys: BTreeMap<[u8; 32], ApiKeyRecord>,
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
        self.change(&[&API_KEYS], |transaction| {
            let added = transaction
                .execute(
                    "INSERT INTO api_keys
                    (id, name, digest, scopes, created_at, expires_at, revoked_at, last_used_at)
                    VALUES (?1, ?2, ?3, ?4, ?5, ?6, NULL, NULL) ON CONFLICT DO NOTHING",
                    (
                        key.id,
                        key.name,
                        self.key_name(&key.digest),
                        key.scopes.join(" "),
                        key.created_at.micros(),
                        key.expires_at.map(Timestamp::micros),
                    ),
                )
                .map_err(catalog("add the API key"))?;
            match added {
                0 => Err(StoreError::Refused { what: "API key", state: "already known" }),
                _ => self.rows.seal(transaction, &API_KEYS, &key.id),
            }
        })
    }

    /// Returns all API keys, live or not, by id.
    pub fn api_keys(&self) -> Result<Vec<ApiKeyRecord>, StoreError> {
        let mut found = Vec::new();
        self.read(|connection| {
            self.rows.scan(connection, &API_KEYS, &mut |row| {
                found.push(record(row)?);
                Ok(())
            })
        })?;
        Ok(found)
    }

    /// Returns the API key with this digest, live or not: ask [`ApiKeyRecord::is_live`].
    ///
    /// When it was used last may be as of an earlier look; all else is as it is now.
    pub fn api_key_by_digest(&self, digest: &[u8; 32]) -> Result<Option<ApiKeyRecord>, StoreError> {
        let name = self.key_name(digest);
        let changes = self.versions.now(&self.rows, |now| now.changes)?;
        let mut known = self.known_keys.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.changes != changes {
            // Until all of it is verified, nobody is known.
            *known = KeysAsOf::default();
            let mut keys = BTreeMap::new();
            self.read(|connection| {
                self.rows.scan(connection, &API_KEYS, &mut |row| {
                    keys.insert(row.get::<_, [u8; 32]>(3)?, record(row)?);
                    Ok(())
                })
            })?;
            *known = KeysAsOf { changes, keys };
        }
        // Names are MACs under a key that stays here: how long it takes to find one tells nothing.
        Ok(known.keys.get(&name).cloned())
    }

    /// Revokes an API key.
    pub fn revoke_api_key(&self, id: &str, revoked_at: Timestamp) -> Result<(), StoreError> {
        self.change(&[&API_KEYS], |transaction| {
            let update = "UPDATE api_keys SET revoked_at = coalesce(revoked_at, ?2) WHERE id = ?1";
            change_api_key(transaction, update, id, revoked_at)?;
            self.rows.seal(transaction, &API_KEYS, &id)
        })
    }

    /// Lets an API key end at this time.
    pub fn expire_api_key(&self, id: &str, expires_at: Timestamp) -> Result<(), StoreError> {
        self.change(&[&API_KEYS], |transaction| {
            let update = "UPDATE api_keys SET expires_at = ?2 WHERE id = ?1";
            change_api_key(transaction, update, id, expires_at)?;
            self.rows.seal(transaction, &API_KEYS, &id)
        })
    }

    /// Notes that an API key was used. One transaction, made durable: not for every request.
    pub fn touch_api_key(&self, id: &str, used_at: Timestamp) -> Result<(), StoreError> {
        let update = "UPDATE api_keys SET last_used_at = ?2 WHERE id = ?1";
        change_api_key(&self.connection(), update, id, used_at)
    }

    /// The keep's own name for a key: who writes the catalog cannot add one of their own, and who
    /// reads it cannot test a guess.
    fn key_name(&self, digest: &[u8; 32]) -> [u8; 32] {
        hmac_sha256(&self.root.derive(Purpose::CatalogColumn, b"api_keys/digest"), digest)
    }
}

fn change_api_key(
    connection: &Connection,
    update: &str,
    id: &str,
    at: Timestamp,
) -> Result<(), StoreError> {
    let changed =
        connection.execute(update, (id, at.micros())).map_err(catalog("change the API key"))?;
    match changed {
        0 => Err(StoreError::Refused { what: "API key", state: "not known" }),
        _ => Ok(()),
    }
}

fn record(row: &rusqlite::Row<'_>) -> rusqlite::Result<ApiKeyRecord> {
    let scopes: String = row.get(4)?;
    Ok(ApiKeyRecord {
        id: row.get(1)?,
        name: row.get(2)?,
        scopes: scopes.split_ascii_whitespace().map(str::to_owned).collect(),
        created_at: Timestamp::from_micros(row.get(5)?),
        expires_at: time(row.get(6)?),
        revoked_at: time(row.get(7)?),
        last_used_at: time(row.get(8)?),
    })
}
