//! Walks a tree and looks into its files for data of people.
//!
//! # Invariants
//!
//! - No link is followed and no special file is opened, so that a tree cannot lead out of itself.
//! - Other file systems that are mounted within the tree are passed over and said to be.
//! - Everything that was not looked into is a fact, with the reason.

use std::collections::BTreeSet;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use super::CollectError;
use crate::facts::file::{File, FileKind};
use crate::facts::phi::{Content, NotChecked, Phi, PhiFile, Place};
use crate::phi::{Limits, State, Verdict, inspect, verdict};

#[cfg(test)]
mod tests;

/// How far to look.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How far to look into each file.
    pub limits: Limits,
    /// Whether to go into file systems that are mounted within the tree.
    pub mounts: Mounts,
}

/// What to do at the root of another file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mounts {
    /// Pass it over, and say so.
    PassOver,
    /// Go in.
    Enter,
}

impl Options {
    /// The usual bounds: a verdict on each file, of at most 16 GiB of it, with at most 1 GiB
    /// unpacked. The year is that of the scan.
    pub fn verdicts(latest_year: u16) -> Self {
        let limits = Limits {
            bytes_max: BYTES_MAX,
            unpacked_max: UNPACKED_MAX,
            rows_enough: Some(ROWS_ENOUGH),
            latest_year,
        };
        Self { limits, mounts: Mounts::PassOver }
    }

    /// With another bound for what is unpacked of one file.
    #[must_use]
    pub fn unpacking(mut self, unpacked_max: u64) -> Self {
        self.limits.unpacked_max = unpacked_max;
        self
    }
}

/// Looks into every file under a folder, or into one file.
pub fn collect(root: &Path, options: Options) -> Result<Phi, CollectError> {
    let metadata = fs::symlink_metadata(root)
        .map_err(|source| CollectError::Read { path: root.display().to_string(), source })?;
    let mut walk = Walk {
        options,
        device: metadata.dev(),
        seen: BTreeSet::new(),
        facts: Phi { root: root.display().to_string(), ..Phi::default() },
    };
    let mut folders = Vec::new();
    if metadata.is_dir() || metadata.is_file() {
        walk.entry(root, &metadata, &mut folders);
    } else {
        walk.skip(root, "it is a link or no regular file; name what it leads to");
    }
    while let Some((folder, repository)) = folders.pop() {
        walk.folder(&folder, repository, &mut folders);
    }
    walk.facts.files.sort_by(|one, other| one.file.path.cmp(&other.file.path));
    walk.facts.not_checked.sort();
    Ok(walk.facts)
}

/// A folder to be looked into, and the repository that it is in.
type Pending = (PathBuf, Option<PathBuf>);

struct Walk {
    options: Options,
    device: u64,
    /// Files with several names are looked into once.
    seen: BTreeSet<(u64, u64)>,
    facts: Phi,
}

impl Walk {
    fn folder(&mut self, folder: &Path, above: Option<PathBuf>, folders: &mut Vec<Pending>) {
        let names = fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let mut names = match names {
            Ok(names) => names.iter().map(fs::DirEntry::path).collect::<Vec<_>>(),
            Err(error) => return self.skip(folder, reason(&error)),
        };
        names.sort();
        let is_repository =
            names.iter().any(|path| path.file_name().is_some_and(|it| it == ".git"));
        let repository = if is_repository { Some(folder.to_path_buf()) } else { above };
        for path in names {
            match fs::symlink_metadata(&path) {
                Ok(metadata) => {
                    let first = folders.len();
                    let file = self.entry(&path, &metadata, folders);
                    for (_, of) in &mut folders[first..] {
                        of.clone_from(&repository);
                    }
                    if let (Some(file), Some(repository)) = (file, &repository) {
                        let at = self.facts.files.get_mut(file);
                        if let Some(found) = at {
                            found.repository = Some(repository.display().to_string());
                        }
                    }
                }
                Err(error) => self.skip(&path, reason(&error)),
            }
        }
    }

    /// Looks at one name. Returns which of the files it is now, if it is one to be told of.
    fn entry(
        &mut self,
        path: &Path,
        metadata: &Metadata,
        folders: &mut Vec<Pending>,
    ) -> Option<usize> {
        let kind = metadata.file_type();
        if kind.is_symlink() {
            return None;
        }
        if kind.is_dir() {
            if metadata.dev() != self.device && self.options.mounts == Mounts::PassOver {
                self.skip(path, "another file system is mounted here");
            } else if DEPTH_MAX < path.components().count() {
                self.skip(path, "it is too deep");
            } else {
                folders.push((path.to_path_buf(), None));
            }
            return None;
        }
        if !kind.is_file() {
            return None;
        }
        if metadata.nlink() > 1 && !self.seen.insert((metadata.dev(), metadata.ino())) {
            return None;
        }
        if self.facts.files.len() + self.facts.not_checked.len() == FACT_COUNT_MAX {
            self.skip(path, "there are too many files to tell of; scan parts of the tree");
        }
        if FACT_COUNT_MAX <= self.facts.files.len() + self.facts.not_checked.len() {
            return None;
        }
        self.file(path, metadata)
    }

    fn file(&mut self, path: &Path, metadata: &Metadata) -> Option<usize> {
        let opened = open(path);
        let inspected = opened.and_then(|file| {
            let opened = file.metadata()?;
            // Between the look at the name and the opening, somebody may have put another there.
            if !opened.is_file() || opened.ino() != metadata.ino() {
                return Err(io::Error::from(io::ErrorKind::NotFound));
            }
            let inspection = inspect(&file, opened.len(), self.options.limits)?;
            Ok((inspection, acl(&file)))
        });
        let (inspection, acl) = match inspected {
            Ok(found) => found,
            Err(error) => {
                self.skip(path, reason(&error));
                return None;
            }
        };
        self.facts.file_count += 1;
        let content = match (inspection.state, verdict(&inspection.places)) {
            (State::Encrypted(by), _) => Content::Encrypted { by: by.to_owned() },
            (_, Verdict::Personal) => Content::Personal,
            (State::NotChecked(why), _) => {
                self.skip(path, why);
                return None;
            }
            (_, Verdict::Combined) => Content::Combined,
            (_, Verdict::Nothing) => return None,
        };
        let places = inspection.places.into_iter().map(|place| Place {
            field: place.field,
            kind: place.found.kind.code().to_owned(),
            rows: place.found.rows,
            of: place.found.of,
        });
        self.facts.files.push(PhiFile {
            file: File {
                path: path.display().to_string(),
                kind: FileKind::File,
                mode: metadata.mode() & 0o7777,
                uid: metadata.uid(),
                gid: metadata.gid(),
                acl,
            },
            format: inspection.format.to_owned(),
            content,
            places: places.collect(),
            repository: None,
        });
        Some(self.facts.files.len() - 1)
    }

    fn skip(&mut self, path: &Path, why: &str) {
        let path = path.display().to_string();
        self.facts.not_checked.push(NotChecked { path, why: why.to_owned() });
    }
}

/// Opens a file for reading: no link, no waiting for a pipe, no change of its time of access.
fn open(path: &Path) -> io::Result<fs::File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    // Only the owner may leave the time of access as it is.
    let opened = rustix::fs::open(path, flags | OFlags::NOATIME, Mode::empty())
        .or_else(|_| rustix::fs::open(path, flags, Mode::empty()))?;
    Ok(fs::File::from(opened))
}

/// Whether a file has an access-control list; `None` if the system would not say.
fn acl(file: &fs::File) -> Option<bool> {
    let mut room = [0_u8; 0];
    match rustix::fs::fgetxattr(file, "system.posix_acl_access", &mut room[..]) {
        Ok(length) => Some(0 < length),
        Err(rustix::io::Errno::NODATA | rustix::io::Errno::NOTSUP) => Some(false),
        Err(_) => None,
    }
}

fn reason(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "it may not be read; scan as its owner",
        io::ErrorKind::NotFound => "it went away during the scan",
        _ => "it could not be read",
    }
}

/// As much of each file is looked at.
const BYTES_MAX: u64 = 16 << 30;

/// As much is unpacked of each file: exports of a year have less, and a bomb has more.
const UNPACKED_MAX: u64 = 1 << 30;

/// As many rows are proof enough.
const ROWS_ENOUGH: u64 = 100;

/// Deeper folders are made by programs that went wrong, or on purpose.
const DEPTH_MAX: usize = 512;

/// As many facts fit into memory and a report.
const FACT_COUNT_MAX: usize = 1_000_000;
