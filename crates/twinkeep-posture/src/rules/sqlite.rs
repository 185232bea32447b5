//! Rules about database files of SQLite.

pub(crate) mod modes;
pub(super) mod plaintext;
