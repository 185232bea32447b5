//! Which files and folders are marked, and what a change says about them.
//!
//! # Invariants
//!
//! - Whatever comes into a watched folder is marked, too, as soon as it is told; until then the
//!   mark of the folder asks about it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::fstat;

use super::records::{Event, Handle};
use super::system;
use crate::access::{Action, Plan};

/// The group that is asked, and the one that is told where the file system can.
pub(super) struct Groups {
    pub(super) asked: OwnedFd,
    pub(super) told: Option<OwnedFd>,
}

/// What is marked.
#[derive(Default)]
pub(super) struct Files {
    root: PathBuf,
    /// Names within the keep by device and number.
    by_number: BTreeMap<(u64, u64), String>,
    by_handle: BTreeMap<Handle, Tracked>,
    /// Folders of single files: only those files are looked at.
    single: Vec<PathBuf>,
}

struct Tracked {
    /// Where it was when it was marked.
    path: PathBuf,
    /// How many names it had when it was last looked at.
    names: u64,
}

impl Files {
    /// Marks all that the plan names and that is there.
    pub(super) fn mark(plan: &Plan, groups: &mut Groups) -> io::Result<Self> {
        let single = plan.files.iter().map(|file| plan.root.join(file)).collect();
        let mut files = Self { root: plan.root.clone(), single, ..Self::default() };
        for tree in &plan.trees {
            files.mark_tree(&plan.root.join(tree), groups, 0)?;
        }
        for file in files.single.clone() {
            if file.is_file() {
                files.mark_file(&file, groups)?;
            }
            if let Some(folder) = file.parent().filter(|folder| folder.is_dir()) {
                files.mark_told(folder, FOLDER_TOLD, groups);
            }
        }
        if files.by_handle.is_empty() {
            // The file system has no handles, and would tell nothing.
            groups.told = None;
        }
        Ok(files)
    }

    /// The name of a marked file within the keep.
    pub(super) fn by_number(&self, device: u64, number: u64) -> Option<String> {
        self.by_number.get(&(device, number)).cloned()
    }

    fn mark_tree(&mut self, path: &Path, groups: &Groups, depth: usize) -> io::Result<()> {
        let Ok(metadata) = fs::symlink_metadata(path) else { return Ok(()) };
        if metadata.is_file() {
            return self.mark_file(path, groups);
        }
        if !metadata.is_dir() || depth > DEPTH_MAX {
            return Ok(());
        }
        // What is made in it is told before its content is looked through: nothing falls between.
        self.mark_told(path, FOLDER_TOLD, groups);
        gone_is_fine(system::mark(
            groups.asked.as_fd(),
            FILE_ASKED | libc::FAN_EVENT_ON_CHILD,
            path,
        ))?;
        for entry in fs::read_dir(path).into_iter().flatten().flatten() {
            self.mark_tree(&entry.path(), groups, depth + 1)?;
        }
        Ok(())
    }

    fn mark_file(&mut self, path: &Path, groups: &Groups) -> io::Result<()> {
        gone_is_fine(system::mark(groups.asked.as_fd(), FILE_ASKED, path))?;
        self.mark_told(path, libc::FAN_ATTRIB, groups);
        if let Ok(metadata) = fs::symlink_metadata(path) {
            self.by_number.insert((metadata.dev(), metadata.ino()), self.name(path));
        }
        Ok(())
    }

    fn mark_told(&mut self, path: &Path, mask: u64, groups: &Groups) {
        let Some(told) = &groups.told else { return };
        let Ok((kind, bytes)) = system::handle_of(path) else { return };
        if system::mark(told.as_fd(), mask, path).is_ok() {
            let names = fs::symlink_metadata(path).map_or(1, |metadata| metadata.nlink());
            let tracked = Tracked { path: path.to_path_buf(), names };
            self.by_handle.insert(Handle { kind, bytes }, tracked);
        }
    }

    /// What an open file is called, as far as the kernel knows.
    pub(super) fn name_of(&self, file: &OwnedFd) -> String {
        let link = format!("/proc/self/fd/{}", file.as_raw_fd());
        self.name(&fs::read_link(link).unwrap_or_default())
    }

    /// What an event says was done, by names within the keep; marks what is new.
    pub(super) fn changes(
        &mut self,
        event: &Event,
        groups: &Groups,
        mount: BorrowedFd<'_>,
    ) -> Vec<(String, Action)> {
        let mut changes = Vec::new();
        for (bit, action) in ENTRY_BITS {
            if event.mask & bit == 0 {
                continue;
            }
            for path in self.entries(event) {
                if matches!(action, Action::Create | Action::Rename) {
                    // What cannot be marked is still asked about by the mark of its folder.
                    let _ = self.mark_tree(&path, groups, 0);
                }
                changes.push((self.name(&path), *action));
            }
        }
        if event.mask & libc::FAN_ATTRIB != 0 {
            changes.extend(self.attribute(event, mount));
        }
        changes
    }

    /// The paths that an event is about: names within marked folders.
    fn entries(&self, event: &Event) -> Vec<PathBuf> {
        let paths = event.names.iter().filter_map(|name| {
            let folder = self.by_handle.get(&name.handle)?;
            let entry = name.name.as_deref().filter(|name| !matches!(*name, b"" | b"."))?;
            Some(folder.path.join(std::ffi::OsStr::from_bytes(entry)))
        });
        paths.filter(|path| self.is_watched(path)).collect()
    }

    /// Single files are in folders in which nothing else is of interest.
    fn is_watched(&self, path: &Path) -> bool {
        let among_single = self.single.iter().any(|single| single.parent() == path.parent());
        !among_single || self.single.iter().any(|single| single == path)
    }

    /// A file whose attributes changed: the number of its names is one of them.
    fn attribute(&mut self, event: &Event, mount: BorrowedFd<'_>) -> Option<(String, Action)> {
        let own = event
            .names
            .iter()
            .filter(|name| name.name.as_deref().is_none_or(|entry| matches!(entry, b"" | b".")));
        let handle = own.map(|name| &name.handle).find(|it| self.by_handle.contains_key(it))?;
        let opened = system::open_handle(mount, handle.kind, &handle.bytes);
        let names = opened.ok().and_then(|file| fstat(&file).ok()).map_or(0, |stat| stat.st_nlink);
        let tracked = self.by_handle.get_mut(handle)?;
        let before = std::mem::replace(&mut tracked.names, names);
        let (path, is_folder) = (tracked.path.clone(), tracked.path.is_dir());
        let action = match names {
            // Its folder has told of that.
            0 => return None,
            _ if is_folder => Action::Attribute,
            more if more > before => Action::Link,
            fewer if fewer < before => Action::Delete,
            _ => Action::Attribute,
        };
        self.is_watched(&path).then(|| (self.name(&path), action))
    }

    fn name(&self, path: &Path) -> String {
        path.strip_prefix(&self.root).unwrap_or(path).to_string_lossy().into_owned()
    }
}

/// What is gone before it is marked needs no mark.
fn gone_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// What whoever does it waits for, and writing, which is told.
const FILE_ASKED: u64 =
    libc::FAN_OPEN_PERM | libc::FAN_OPEN_EXEC_PERM | libc::FAN_ACCESS_PERM | libc::FAN_MODIFY;

/// What is told of a folder.
const FOLDER_TOLD: u64 = libc::FAN_CREATE
    | libc::FAN_DELETE
    | libc::FAN_MOVED_FROM
    | libc::FAN_MOVED_TO
    | libc::FAN_ATTRIB
    | libc::FAN_ONDIR;

/// What is told of an entry in a folder, and what it means.
const ENTRY_BITS: &[(u64, Action)] = &[
    (libc::FAN_CREATE, Action::Create),
    (libc::FAN_MOVED_FROM, Action::Rename),
    (libc::FAN_MOVED_TO, Action::Rename),
    (libc::FAN_DELETE, Action::Delete),
];

/// How deep folders of a keep go, with room: whoever nests more does not want to be seen, and is
/// still asked about by the mark of the folder.
const DEPTH_MAX: usize = 16;
