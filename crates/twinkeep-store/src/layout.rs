//! Names of the files of a store, relative to its folder. They are also part of what binds a
//! file's encryption to its place.

use std::path::{Path, PathBuf};

use twinkeep_domain::Split;
use twinkeep_vault::digest::to_hex;
use twinkeep_vault::random_bytes;

pub(crate) const CATALOG: &str = "catalog.sqlite";
pub(crate) const EVENTS: &str = "events";
pub(crate) const QUARANTINE: &str = "quarantine";
/// What makes every data key; never part of a snapshot.
pub(crate) const KEYRING: &str = "keyring";
/// Held by whoever adds a feed or clears garbage.
pub(crate) const WRITER_LOCK: &str = "writer.lock";
pub(crate) const READERS_LOCK: &str = "readers.lock";
pub(crate) const PARQUET_SUFFIX: &str = ".parquet";

/// Returns a name for a new shard; never one that was used before.
pub(crate) fn shard_file(split: Split, number: u64) -> String {
    format!("{EVENTS}/{}/{}", split.name(), file_name(number))
}

/// Returns a name for refused rows; never one that was used before.
pub(crate) fn quarantine_file(number: u64) -> String {
    format!("{QUARANTINE}/{}", file_name(number))
}

/// The number chooses the key in the keyring; the random part makes the name, and with it the
/// key, new even if a crash left the number unused.
fn file_name(number: u64) -> String {
    let unique: [u8; 4] = random_bytes();
    format!("{number:08x}-{}{PARQUET_SUFFIX}", to_hex(&unique))
}

/// Returns the number in a file's name.
pub(crate) fn file_number(name: &str) -> Option<u64> {
    let (_, name) = name.rsplit_once('/')?;
    let (number, _) = name.split_once('-')?;
    u64::from_str_radix(number, 16).ok().filter(|number| *number < FILE_NUMBER_MAX)
}

/// Returns all folders with files that the catalog names.
pub(crate) fn data_folders() -> Vec<String> {
    let splits = Split::ALL.iter().map(|split| format!("{EVENTS}/{}", split.name()));
    splits.chain([QUARANTINE.to_owned()]).collect()
}

/// Far more files than a keep ever has.
const FILE_NUMBER_MAX: u64 = 1 << 48;

pub(crate) fn path(dir: &Path, name: &str) -> PathBuf {
    dir.join(name)
}
