//! Facts about database files of SQLite under a folder: which hold tables of people. Names of
//! tables and kinds of data only; no row is in here.

use serde::{Deserialize, Serialize};

use super::Known;
use super::file::File;

/// The database files under a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sqlite {
    /// The folder, or the one file.
    pub root: String,
    /// The database files, by path.
    pub databases: Vec<Database>,
    /// What could not be looked at, and why.
    pub not_checked: Vec<NotRead>,
}

/// A database file that is not encrypted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// Its path, mode, and owner.
    pub file: File,
    /// Its tables whose columns are called as data of people are.
    pub tables: Known<Vec<PersonalTable>>,
    /// How many rows of its schema could not be read: nobody knows which tables they are.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unread_rows: u64,
    /// Whether changes lie in a write-ahead log beside it, which was not read.
    pub has_log: bool,
    /// What SQLite keeps beside it: the write-ahead log with its index, and the rollback journal.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub beside: Vec<File>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_zero(value: &u64) -> bool {
    *value == 0
}

/// A table whose columns are called as data of people are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PersonalTable {
    /// Its name.
    pub name: String,
    /// The kinds of data that its columns are called after.
    pub kinds: Vec<String>,
}

/// What could not be looked at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotRead {
    /// Its path.
    pub path: String,
    /// Why not.
    pub why: String,
}
