//! Collects whose files are, and who may do what with them; it opens none of them.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use rustix::io::Errno;

use crate::facts::file::{File, FileKind};

/// No folder is followed further down.
const DEPTH_MAX: usize = 64;

/// What is known about one file or folder. A link is not followed.
pub fn file(path: &Path) -> io::Result<File> {
    let metadata = fs::symlink_metadata(path)?;
    let of = metadata.file_type();
    let kind = if of.is_file() {
        FileKind::File
    } else if of.is_dir() {
        FileKind::Folder
    } else if of.is_symlink() {
        FileKind::Link
    } else {
        debug_assert!(
            of.is_fifo() || of.is_socket() || of.is_char_device() || of.is_block_device()
        );
        FileKind::Special
    };
    Ok(File {
        path: path.to_string_lossy().into_owned(),
        kind,
        mode: metadata.mode() & 0o7777,
        uid: metadata.uid(),
        gid: metadata.gid(),
        acl: access_list(path, kind),
    })
}

/// Whether something has an access-control list beyond its mode, or hands one down to what is made
/// in it; `None` if nobody could tell.
fn access_list(path: &Path, kind: FileKind) -> Option<bool> {
    if kind == FileKind::Link {
        // A link has no rights of its own.
        return Some(false);
    }
    let mut names = vec!["system.posix_acl_access"];
    if kind == FileKind::Folder {
        names.push("system.posix_acl_default");
    }
    for name in names {
        match rustix::fs::lgetxattr(path, name, &mut [0_u8; 64][..]) {
            Ok(0) | Err(Errno::NODATA | Errno::OPNOTSUPP) => {}
            Ok(_) | Err(Errno::RANGE) => return Some(true),
            Err(_) => return None,
        }
    }
    Some(false)
}

/// Walks a folder in the order of names and hands over everything in it, itself first, without
/// following links or leaving its file system. Returns whether there was more than so many.
pub fn walk(root: &Path, count_max: u64, seen: &mut dyn FnMut(File, &Path)) -> io::Result<bool> {
    let device = fs::symlink_metadata(root)?.dev();
    let mut waiting = vec![(root.to_path_buf(), 0)];
    let mut count = 0;
    let mut cut = false;
    while let Some((path, depth)) = waiting.pop() {
        if count == count_max {
            return Ok(true);
        }
        let found = match file(&path) {
            Ok(found) => found,
            // What went away meanwhile is not there.
            Err(error) if error.kind() == io::ErrorKind::NotFound && depth != 0 => continue,
            Err(error) => return Err(error),
        };
        count += 1;
        let folder = found.kind == FileKind::Folder;
        seen(found, &path);
        if !folder || fs::symlink_metadata(&path).is_ok_and(|it| it.dev() != device) {
            continue;
        }
        if depth == DEPTH_MAX {
            cut = true;
            continue;
        }
        let mut inner: Vec<_> =
            fs::read_dir(&path)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
        inner.sort_by(|a, b| b.cmp(a));
        waiting.extend(inner.into_iter().map(|path| (path, depth + 1)));
    }
    Ok(cut)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::{file, walk};
    use crate::facts::file::FileKind;

    #[test]
    fn everything_is_seen_once_and_links_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("b");
        fs::create_dir(&inner).unwrap();
        fs::File::create(inner.join("file")).unwrap();
        fs::set_permissions(inner.join("file"), fs::Permissions::from_mode(0o640)).unwrap();
        symlink(folder.path(), inner.join("link")).unwrap();
        let mut seen = Vec::new();
        let mut see = |file: crate::facts::file::File, _: &_| seen.push((file.kind, file.mode));
        assert!(!walk(folder.path(), 100, &mut see).unwrap());
        let kinds: Vec<FileKind> = seen.iter().map(|it| it.0).collect();
        assert_eq!(kinds, [FileKind::Folder, FileKind::Folder, FileKind::File, FileKind::Link]);
        assert_eq!(seen[2].1, 0o640);
        assert!(walk(folder.path(), 2, &mut |_, _| {}).unwrap());
    }

    #[test]
    fn an_access_list_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::File::create(&path).unwrap();
        assert_eq!(file(&path).unwrap().acl, Some(false));
        // Version 2; the owner, user 12345, the group, the mask, and all others.
        let entry = |tag: u16, rights: u16, id: u32| {
            [&tag.to_le_bytes()[..], &rights.to_le_bytes(), &id.to_le_bytes()].concat()
        };
        let none = u32::MAX;
        let list = [
            2_u32.to_le_bytes().to_vec(),
            entry(1, 6, none),
            entry(2, 4, 12345),
            entry(4, 0, none),
            entry(16, 4, none),
            entry(32, 0, none),
        ]
        .concat();
        let name = "system.posix_acl_access";
        let flags = rustix::fs::XattrFlags::empty();
        if rustix::fs::setxattr(&path, name, &list, flags).is_ok() {
            assert_eq!(file(&path).unwrap().acl, Some(true));
        }
    }
}
