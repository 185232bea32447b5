//! Tests of files: replaced whole, and only where there is a regular file or nothing.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{FileTypeExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::{PRIVATE_FILE, PUBLIC_FILE, PendingFile, open_to_others, write_atomic};

#[test]
fn a_file_is_replaced_whole() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    write_atomic(&path, b"one", PRIVATE_FILE).unwrap();
    write_atomic(&path, b"two", PRIVATE_FILE).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"two");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    assert_eq!(open_to_others(&path).unwrap(), 0);
}

#[test]
fn a_file_that_was_not_committed_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    let mut pending = PendingFile::create(&path, PUBLIC_FILE).unwrap();
    pending.write_all(b"half").unwrap();
    drop(pending);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

/// Makes a named pipe.
fn make_fifo(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
}

#[test]
fn what_is_not_a_regular_file_is_never_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name| dir.path().join(name);
    fs::create_dir(path("dir")).unwrap();
    make_fifo(&path("fifo"));
    let _listener = UnixListener::bind(path("socket")).unwrap();
    write_atomic(&path("file"), b"kept", PUBLIC_FILE).unwrap();
    symlink(path("file"), path("link")).unwrap();
    symlink(path("nothing"), path("dangling")).unwrap();
    let cases = [
        ("dir", "a folder"),
        ("fifo", "a named pipe"),
        ("socket", "a socket"),
        ("link", "a symbolic link"),
        ("dangling", "a symbolic link"),
    ];
    for (name, what) in cases {
        let error = write_atomic(&path(name), b"new", PUBLIC_FILE).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{name}");
        assert!(error.to_string().contains(what), "{error}");
    }
    assert!(fs::symlink_metadata(path("fifo")).unwrap().file_type().is_fifo());
    assert_eq!(fs::read(path("link")).unwrap(), b"kept");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), cases.len() + 1, "nothing is left over");
}

#[test]
fn a_device_is_never_replaced() {
    // Refused before anything is written beside it, so this is safe for root too.
    let error = PendingFile::create(Path::new("/dev/full"), PUBLIC_FILE).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert_eq!(error.to_string(), "the target is a device, not a regular file");
    assert!(fs::symlink_metadata("/dev/full").unwrap().file_type().is_char_device());
}

#[test]
fn what_appeared_in_the_meantime_is_not_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    let mut pending = PendingFile::create(&path, PUBLIC_FILE).unwrap();
    pending.write_all(b"whole").unwrap();
    make_fifo(&path);
    assert_eq!(pending.commit().unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}
