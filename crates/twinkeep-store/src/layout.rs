//! Names of the files of a store, relative to its folder. They are also part of what binds a
//! file's encryption to its place.

use std::path::{Path, PathBuf};

use twinkeep_domain::Split;
use twinkeep_vault::digest::to_hex;
use twinkeep_vault::random_bytes;

pub(crate) const CATALOG: &str = "catalog.sqlite";
pub(crate) const EVENTS: &str = "events";
pub(crate) const QUARANTINE: &str = "quarantine";
/// Held by whoever adds a feed or clears garbage.
pub(crate) const WRITER_LOCK: &str = "writer.lock";
pub(crate) const PARQUET_SUFFIX: &str = ".parquet";

/// Returns a name for a new shard; never one that was used before.
pub(crate) fn shard_file(split: Split, feed: i64, number: usize) -> String {
    let unique: [u8; 4] = random_bytes();
    let unique = to_hex(&unique);
    format!("{EVENTS}/{}/{feed:06}-{number:03}-{unique}{PARQUET_SUFFIX}", split.name())
}

/// Returns a name for the refused rows of a feed; never one that was used before.
pub(crate) fn quarantine_file(feed: i64) -> String {
    let unique: [u8; 4] = random_bytes();
    format!("{QUARANTINE}/{feed:06}-{}{PARQUET_SUFFIX}", to_hex(&unique))
}

/// Returns all folders with files that the catalog names.
pub(crate) fn data_folders() -> Vec<String> {
    let splits = Split::ALL.iter().map(|split| format!("{EVENTS}/{}", split.name()));
    splits.chain([QUARANTINE.to_owned()]).collect()
}

pub(crate) fn path(dir: &Path, name: &str) -> PathBuf {
    dir.join(name)
}
