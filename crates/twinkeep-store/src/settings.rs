//! Settings that the program keeps for itself: small texts by name, not sealed.

use rusqlite::OptionalExtension as _;

use crate::error::catalog;
use crate::{Store, StoreError};

impl Store {
    /// Returns a setting, or `None` if it was never set.
    pub fn setting(&self, name: &str) -> Result<Option<String>, StoreError> {
        self.connection()
            .query_row("SELECT value FROM settings WHERE name = ?1", [name], |row| row.get(0))
            .optional()
            .map_err(catalog("read a setting"))
    }

    /// Sets a setting. Nothing about a person, and no secret: it is stored as it is.
    pub fn set_setting(&self, name: &str, value: &str) -> Result<(), StoreError> {
        self.connection()
            .execute(
                "INSERT INTO settings (name, value) VALUES (?1, ?2)
                ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                (name, value),
            )
            .map_err(catalog("write a setting"))?;
        Ok(())
    }
}
