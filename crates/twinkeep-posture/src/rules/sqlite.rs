//! Rules about database files of SQLite.

pub(super) mod modes;
pub(super) mod plaintext;
