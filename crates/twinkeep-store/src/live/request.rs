//! Requests that were answered: whoever repeats one within a day gets the same answer.

use rusqlite::{Connection, OptionalExtension as _};
use twinkeep_domain::Timestamp;
use twinkeep_vault::digest::{equal_in_constant_time, hmac_sha256};
use twinkeep_vault::{Purpose, SecretBytes};

use crate::error::catalog;
use crate::rows::LIVE_REQUESTS;
use crate::{Store, StoreError};

/// What makes a repeated request the same one. The catalog keeps keyed digests of it only.
pub struct LiveRequest {
    /// Who asks, and the name that they gave to the request.
    pub name: String,
    /// Digest of what was asked.
    pub body: [u8; 32],
}

impl Store {
    /// Returns the answer that this request got before; refuses its name for another body.
    pub(super) fn answered(
        &self,
        connection: &Connection,
        request: &LiveRequest,
    ) -> Result<Option<SecretBytes>, StoreError> {
        let cannot = catalog("look up a request");
        let select =
            format!("SELECT {} FROM live_requests WHERE name = ?1", LIVE_REQUESTS.selection());
        let mut statement = connection.prepare_cached(&select).map_err(&cannot)?;
        let name = self.digest(b"name", request.name.as_bytes());
        let mut rows = statement.query([name]).map_err(&cannot)?;
        let Some(row) = rows.next().map_err(&cannot)? else { return Ok(None) };
        self.rows.check(&LIVE_REQUESTS, row)?;
        let id: i64 = row.get(1).map_err(&cannot)?;
        let body: [u8; 32] = row.get(3).map_err(&cannot)?;
        if !equal_in_constant_time(&body, &self.digest(b"body", &request.body)) {
            return Err(StoreError::RequestReused);
        }
        let answer: Vec<u8> = row.get(4).map_err(&cannot)?;
        self.columns.open("live_requests", "answer", id, &answer).map(Some)
    }

    /// Remembers the answer to a request.
    pub(super) fn remember_answer(
        &self,
        connection: &Connection,
        request: &LiveRequest,
        answer: &[u8],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let cannot = catalog("remember a request");
        let id: i64 = connection
            .query_row("SELECT coalesce(max(id), 0) + 1 FROM live_requests", [], |row| row.get(0))
            .map_err(&cannot)?;
        let answer = self.columns.seal("live_requests", "answer", id, answer);
        let name = self.digest(b"name", request.name.as_bytes());
        let body = self.digest(b"body", &request.body);
        connection
            .prepare_cached(
                "INSERT INTO live_requests (id, name, body, answer, hour)
                VALUES (?1, ?2, ?3, ?4, ?5)",
            )
            .and_then(|mut insert| insert.execute((id, name, body, answer, hour(now))))
            .map_err(cannot)?;
        self.rows.seal(connection, &LIVE_REQUESTS, &id)
    }

    /// Forgets requests that nobody repeats any more.
    pub(super) fn forget_answers(
        &self,
        connection: &Connection,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let cannot = catalog("forget requests");
        let oldest = "SELECT min(hour) FROM live_requests";
        let oldest: Option<i64> = connection
            .prepare_cached(oldest)
            .and_then(|mut select| select.query_row([], |row| row.get(0)).optional())
            .map_err(&cannot)?
            .flatten();
        let keep = hour(now) - KEPT_HOURS;
        if oldest.is_some_and(|oldest| oldest < keep) {
            connection
                .execute("DELETE FROM live_requests WHERE hour < ?1", [keep])
                .map_err(cannot)?;
        }
        Ok(())
    }

    /// Who reads the catalog cannot test a guess.
    fn digest(&self, what: &[u8], bytes: &[u8]) -> [u8; 32] {
        let context = [b"live_requests/", what].concat();
        hmac_sha256(&self.root.derive(Purpose::CatalogColumn, &context), bytes)
    }
}

/// A finer time would tell when something happened to somebody.
fn hour(time: Timestamp) -> i64 {
    time.micros().div_euclid(3_600_000_000)
}

/// Longer than any client tries again.
const KEPT_HOURS: i64 = 24;
