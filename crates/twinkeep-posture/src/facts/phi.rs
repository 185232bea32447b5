//! What is known about files under a folder: which hold data of people, and whether those can be
//! read. Kinds and counts only; no value of a file is here.

use serde::{Deserialize, Serialize};

use super::file::File;

/// The files under a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Phi {
    /// The folder, or the one file.
    pub root: String,
    /// How many files were looked into.
    pub file_count: u64,
    /// Files that are encrypted, or hold something of people.
    pub files: Vec<PhiFile>,
    /// What was not looked into, and why.
    pub not_checked: Vec<NotChecked>,
}

/// A file that is encrypted, or holds something of people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PhiFile {
    /// Its path, mode, and owner.
    pub file: File,
    /// What it is: `table`, `json`, `parquet`, `encrypted`, and others.
    pub format: String,
    /// What it holds.
    pub content: Content,
    /// What was found, by place.
    pub places: Vec<Place>,
    /// The nearest folder above it that is under version control.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
}

/// What a file holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Content {
    /// It is encrypted.
    Encrypted {
        /// By what.
        by: String,
    },
    /// Data that leads to single people.
    Personal,
    /// Data that leads to single people when its columns are put together.
    Combined,
}

/// Something of people at a place of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// The column or key.
    pub field: String,
    /// The kind: `name`, `ssn`, and others.
    pub kind: String,
    /// How many values are of it.
    pub rows: u64,
    /// Of how many.
    pub of: u64,
}

/// What was not looked into.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotChecked {
    /// Its path.
    pub path: String,
    /// Why not.
    pub why: String,
}
