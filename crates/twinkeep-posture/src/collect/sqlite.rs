//! Finds database files of SQLite under a folder, and reads which tables they have, not what is in
//! them.
//!
//! # Invariants
//!
//! - No link is followed, no special file is opened, and other file systems are not entered.
//! - What was not looked at is a fact, with the reason.

use std::fs;
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use super::CollectError;
use crate::facts::Known;
use crate::facts::file::{File, FileKind};
use crate::facts::sqlite::{Database, NotRead, PersonalTable, Sqlite};
use crate::parse::sqlite_schema::{self, MAGIC, Pages};
use crate::phi;

/// Looks for databases under a folder, or at one file.
pub fn collect(root: &Path) -> Result<Sqlite, CollectError> {
    let metadata = fs::symlink_metadata(root)
        .map_err(|source| CollectError::Read { path: root.display().to_string(), source })?;
    let mut facts = Sqlite { root: root.display().to_string(), ..Sqlite::default() };
    let mut folders: Vec<PathBuf> = Vec::new();
    if metadata.is_dir() {
        folders.push(root.to_path_buf());
    } else if metadata.is_file() {
        look(root, &mut facts);
    } else {
        let why = io::Error::other("it is a link or no regular file; name what it leads to");
        missed(&mut facts, root, &why);
    }
    let mut count = 0_u64;
    while let Some(folder) = folders.pop() {
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) => {
                missed(&mut facts, &folder, &error);
                continue;
            }
        };
        for entry in entries {
            let found = entry.and_then(|entry| Ok((entry.path(), entry.metadata()?)));
            let (path, metadata_of) = match found {
                Ok(found) => found,
                Err(error) => {
                    missed(&mut facts, &folder, &error);
                    continue;
                }
            };
            count += 1;
            if metadata_of.is_dir() && metadata_of.dev() != metadata.dev() {
                let why = io::Error::other("another file system is mounted here; scan it itself");
                missed(&mut facts, &path, &why);
            } else if metadata_of.is_dir() {
                folders.push(path);
            } else if metadata_of.is_file() && metadata_of.len() >= HEADER_LEN {
                look(&path, &mut facts);
            }
        }
        if count > FILES_MAX {
            let why = io::Error::other("there are more files than are looked at; scan its folders");
            missed(&mut facts, root, &why);
            break;
        }
    }
    facts.databases.sort_by(|one, other| one.file.path.cmp(&other.file.path));
    facts.not_checked.sort();
    Ok(facts)
}

fn missed(facts: &mut Sqlite, path: &Path, why: &io::Error) {
    let path = path.display().to_string();
    facts.not_checked.push(NotRead { path, why: why.to_string() });
}

/// Looks at one file, and keeps it if it is a database.
fn look(path: &Path, facts: &mut Sqlite) {
    let (file, metadata) = match open(path) {
        Ok(opened) => opened,
        Err(error) => return missed(facts, path, &error),
    };
    let mut magic = [0; MAGIC.len()];
    match file.read_exact_at(&mut magic, 0) {
        Ok(()) if magic == *MAGIC => {}
        Ok(()) => return,
        Err(error) => return missed(facts, path, &error),
    }
    let personal = |table: sqlite_schema::Table| {
        let kinds = phi::kinds_of_headers(&table.columns);
        (!kinds.is_empty()).then_some(PersonalTable { name: table.name, kinds })
    };
    let (tables, unread_rows) = match sqlite_schema::read(&mut FilePages(file)) {
        Ok(schema) => {
            let personal = schema.tables.into_iter().filter_map(personal).collect();
            (Known::Seen(personal), schema.unread_rows)
        }
        Err(error) => (Known::Unknown(error.to_string()), 0),
    };
    let has_log = fs::symlink_metadata(beside(path, LOG)).is_ok_and(|log| log.len() > 0);
    let beside = look_beside(path, facts);
    let file = file_of(path, &metadata);
    facts.databases.push(Database { file, tables, unread_rows, has_log, beside });
}

/// Looks at what SQLite keeps beside a database: pages of it are in there, too.
fn look_beside(database: &Path, facts: &mut Sqlite) -> Vec<File> {
    let mut found = Vec::new();
    for suffix in [LOG, LOG_INDEX, ROLLBACK_JOURNAL] {
        let path = beside(database, suffix);
        match fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_file() => found.push(file_of(&path, &metadata)),
            Ok(_) => missed(facts, &path, &io::Error::other("it is a link or no regular file")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => missed(facts, &path, &error),
        }
    }
    found
}

fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

fn file_of(path: &Path, metadata: &fs::Metadata) -> File {
    File {
        path: path.display().to_string(),
        kind: FileKind::File,
        mode: metadata.mode() & 0o7777,
        uid: metadata.uid(),
        gid: metadata.gid(),
        acl: None,
    }
}

fn open(path: &Path) -> io::Result<(fs::File, fs::Metadata)> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = fs::File::from(rustix::fs::open(path, flags, Mode::empty())?);
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is no regular file any more"));
    }
    Ok((file, metadata))
}

/// Pages of a file.
struct FilePages(fs::File);

impl Pages for FilePages {
    fn read(&mut self, position: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        let mut filled = 0;
        while filled < length {
            match self.0.read_at(&mut bytes[filled..], position + filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        bytes.truncate(filled);
        Ok(bytes)
    }
}

/// What SQLite adds to the name of a database.
const LOG: &str = "-wal";
const LOG_INDEX: &str = "-shm";
const ROLLBACK_JOURNAL: &str = "-journal";

/// The header of a database file; a shorter file is none.
const HEADER_LEN: u64 = 100;

/// A scan of a whole machine sees a few million.
const FILES_MAX: u64 = 20_000_000;

#[cfg(test)]
mod tests;
