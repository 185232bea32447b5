//! What is known about a keep: its files, keys, models, certificates, settings, and ledger.

use serde::{Deserialize, Serialize};

use super::file::File;

/// A keep.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keep {
    /// Where it is.
    pub root: String,
    /// When this was looked at, in microseconds since 1970.
    pub taken_us: i64,
    /// Who runs the keep.
    pub owner_uid: u32,
    /// Every file and folder of it but those that anybody may see.
    pub files: Vec<File>,
}
