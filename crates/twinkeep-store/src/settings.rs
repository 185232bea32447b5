//! Settings that the program keeps for itself: small texts by name, not sealed.

use crate::error::catalog;
use crate::rows::SETTINGS;
use crate::{Store, StoreError};

impl Store {
    /// Returns a setting, or `None` if it was never set.
    pub fn setting(&self, name: &str) -> Result<Option<String>, StoreError> {
        let mut found = None;
        self.read(|connection| {
            self.rows.scan(connection, &SETTINGS, &mut |row| {
                if row.get::<_, String>(1)? == name {
                    found = Some(row.get(2)?);
                }
                Ok(())
            })
        })?;
        Ok(found)
    }

    /// Sets a setting. Nothing about a person, and no secret: it is stored as it is.
    pub fn set_setting(&self, name: &str, value: &str) -> Result<(), StoreError> {
        self.change(&[&SETTINGS], |transaction| {
            transaction
                .execute(
                    "INSERT INTO settings (name, value) VALUES (?1, ?2)
                    ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                    (name, value),
                )
                .map_err(catalog("write a setting"))?;
            self.rows.seal(transaction, &SETTINGS, &name)
        })
    }
}
