//! Files that nobody changes, renames, or deletes, not even root, until a flag is taken from them
//! (`chattr +i`). It takes CAP_LINUX_IMMUTABLE, and a file system that has the flag.
//!
//! # Invariants
//!
//! - Only folders and plain files below a folder, of whom the folder is, and under no other name:
//!   whoever may write there cannot have a file of somebody else made immutable, by a link or a path
//!   that leads out.

use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, FileType, IFlags, Mode, OFlags, ResolveFlags, StatxAttributes, StatxFlags, fstat,
    ioctl_getflags, ioctl_setflags, open, openat2, statx,
};
use rustix::io::Errno;

use super::HostError;

/// Whether a file can be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changes {
    /// By nobody.
    Refused,
    /// By whoever its mode permits.
    Permitted,
}

/// Sets or takes the flag of a file or folder, which is named relative to `folder`.
pub fn set_changes(folder: &Path, file: &Path, changes: Changes) -> Result<(), HostError> {
    let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    let read = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let folder =
        open(folder, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).map_err(failed)?;
    let file = openat2(&folder, file, read, Mode::empty(), beneath).map_err(failed)?;
    let (of_folder, found) = (fstat(&folder).map_err(failed)?, fstat(&file).map_err(failed)?);
    let fits = match FileType::from_raw_mode(found.st_mode) {
        FileType::RegularFile => found.st_nlink == 1,
        FileType::Directory => found.st_ino != of_folder.st_ino,
        _ => false,
    };
    if !fits || found.st_uid != of_folder.st_uid {
        return Err(HostError::system(
            "change the flags of what is no file of the keep",
            Errno::PERM,
        ));
    }
    let mut flags = ioctl_getflags(&file).map_err(failed)?;
    let known = flags;
    flags.set(IFlags::IMMUTABLE, changes == Changes::Refused);
    match flags == known {
        true => Ok(()),
        false => ioctl_setflags(&file, flags).map_err(failed),
    }
}

/// Returns whether nobody changes a file. Takes no right to it.
pub fn is_immutable(file: &Path) -> bool {
    let found = statx(CWD, file, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BASIC_STATS);
    found.is_ok_and(|found| found.stx_attributes.contains(StatxAttributes::IMMUTABLE))
}

fn failed(error: Errno) -> HostError {
    match error {
        Errno::PERM | Errno::ACCESS => HostError::NotPermitted { program: CHATTR },
        Errno::NOTTY | Errno::OPNOTSUPP => HostError::Failed {
            program: CHATTR,
            says: "the file system has no flag for it".to_owned(),
        },
        error => HostError::system("change the flags of a file", error),
    }
}

/// What a person would do it with.
const CHATTR: &str = "chattr";
