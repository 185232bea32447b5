//! How far a database was read: one mark a query and column, sealed in the catalog.
//!
//! A mark is the highest value of a column, such as the time of the newest row. It is sealed: it
//! is a time or a number out of somebody's data.

use twinkeep_vault::digest::{Sha256, from_hex, to_hex};
use twinkeep_vault::{Purpose, open, seal};

use crate::{App, AppError};

/// Names a mark, without saying of what.
pub(crate) struct MarkName(String);

impl MarkName {
    /// Takes everything that makes a reading the same as another: if any of it changes, the
    /// reading starts anew.
    pub(crate) fn new(parts: &[&str]) -> Self {
        let mut digest = Sha256::default();
        for part in parts {
            digest.update(&(part.len() as u64).to_be_bytes());
            digest.update(part.as_bytes());
        }
        Self(format!("source-mark/{}", to_hex(&digest.finish()[..16])))
    }
}

impl App {
    /// Returns how far a reading came, if there was one.
    pub(crate) fn mark(&self, name: &MarkName) -> Result<Option<String>, AppError> {
        let Some(sealed) = self.store.setting(&name.0)? else { return Ok(None) };
        let opened = from_hex(&sealed).and_then(|sealed| {
            let opened = open(&self.source_marks, Purpose::SourceMark, name.0.as_bytes(), &sealed);
            String::from_utf8(opened.ok()?.expose().to_vec()).ok()
        });
        let damaged = || {
            AppError::refused("source-mark-damaged", "the catalog holds a mark that was altered")
        };
        opened.map(Some).ok_or_else(damaged)
    }

    /// Remembers how far a reading came.
    pub(crate) fn set_mark(&self, name: &MarkName, mark: &str) -> Result<(), AppError> {
        let (context, mark) = (name.0.as_bytes(), mark.as_bytes());
        let sealed = seal(&self.source_marks, Purpose::SourceMark, context, mark);
        Ok(self.store.set_setting(&name.0, &to_hex(&sealed))?)
    }
}
