//! Settings that the program keeps for itself: small texts by name, not sealed.

use rusqlite::{Connection, OptionalExtension as _, Transaction};

use crate::error::catalog;
use crate::rows::SETTINGS;
use crate::{Store, StoreError};

impl Store {
    /// Returns a setting, or `None` if it was never set.
    pub fn setting(&self, name: &str) -> Result<Option<String>, StoreError> {
        self.read(|connection| self.setting_on(connection, name))
    }

    /// Returns the settings whose names begin so, by name.
    pub fn settings_below(&self, begin: &str) -> Result<Vec<(String, String)>, StoreError> {
        let mut found: Vec<(String, String)> = Vec::new();
        self.read(|connection| {
            self.rows.scan(connection, &SETTINGS, &mut |row| {
                let name: String = row.get(1)?;
                if name.starts_with(begin) {
                    found.push((name, row.get(2)?));
                }
                Ok(())
            })
        })?;
        Ok(found)
    }

    pub(crate) fn setting_on(
        &self,
        connection: &Connection,
        name: &str,
    ) -> Result<Option<String>, StoreError> {
        let mut found = None;
        self.rows.scan(connection, &SETTINGS, &mut |row| {
            if row.get::<_, String>(1)? == name {
                found = Some(row.get(2)?);
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// Sets a setting. Nothing about a person, and no secret: it is stored as it is.
    pub fn set_setting(&self, name: &str, value: &str) -> Result<(), StoreError> {
        self.change(&[&SETTINGS], |transaction| self.write_setting(transaction, name, value))
    }

    /// Replaces a setting by what `change` makes of it, in one transaction: nobody changes it
    /// between. Where `change` returns nothing, it stays as it is.
    pub fn change_setting(
        &self,
        name: &str,
        change: &mut dyn FnMut(Option<String>) -> Option<String>,
    ) -> Result<(), StoreError> {
        self.change_if(&mut self.connection(), &[&SETTINGS], |transaction| {
            let known = self.setting_on(transaction, name)?;
            let Some(text) = change(known) else { return Ok(false) };
            self.write_setting(transaction, name, &text)?;
            Ok(true)
        })
    }

    /// Removes settings, by name and value: what somebody changed since it was read stays.
    pub fn remove_settings(&self, old: &[(String, String)]) -> Result<(), StoreError> {
        self.change(&[&SETTINGS], |transaction| {
            for (name, value) in old {
                transaction
                    .execute("DELETE FROM settings WHERE name = ?1 AND value = ?2", (name, value))
                    .map_err(catalog("remove a setting"))?;
            }
            Ok(())
        })
    }

    /// Adds a line to a setting that has one value a line, unless it is there.
    ///
    /// Callers that come at the same time lose nothing, and only the first writes to the disk.
    pub fn add_to_setting(&self, name: &str, line: &str) -> Result<(), StoreError> {
        self.change_if(&mut self.connection(), &[&SETTINGS], |transaction| {
            let known = transaction
                .query_row("SELECT value FROM settings WHERE name = ?1", [name], |row| row.get(0))
                .optional()
                .map_err(catalog("read a setting"))?;
            let mut text: String = known.unwrap_or_default();
            if text.lines().any(|known| known == line) {
                return Ok(false);
            }
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(line);
            self.write_setting(transaction, name, &text)?;
            Ok(true)
        })
    }

    /// Writes a setting. The caller authenticates `settings`.
    pub(crate) fn write_setting(
        &self,
        transaction: &Transaction<'_>,
        name: &str,
        value: &str,
    ) -> Result<(), StoreError> {
        transaction
            .execute(
                "INSERT INTO settings (name, value) VALUES (?1, ?2)
                ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                (name, value),
            )
            .map_err(catalog("write a setting"))?;
        self.rows.seal(transaction, &SETTINGS, &name)
    }
}
