//! Tests of files: replaced whole, read within a bound, and never mistaken for a device or pipe.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::{
    PRIVATE_FILE, PUBLIC_FILE, PendingFile, copy_file, digest_bounded, digest_file, open_to_others,
    read_bounded, read_secret_bounded, write_atomic,
};

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

/// Reads a file in both ways, which must agree.
fn read_both(path: &Path, size_max: u64) -> Result<Vec<u8>, ErrorKind> {
    let bytes = read_bounded(path, size_max).map_err(|error| error.kind());
    let secret = read_secret_bounded(path, size_max).map_err(|error| error.kind());
    assert_eq!(secret.map(|secret| secret.expose().to_vec()), bytes);
    bytes
}

#[test]
fn a_file_is_read_up_to_its_bound_and_refused_above_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    for size in [0, 1, 31, 32, 33, 4096, 100_000] {
        let bytes = vec![7; size];
        write_atomic(&path, &bytes, PRIVATE_FILE).unwrap();
        let size = size as u64;
        assert_eq!(read_both(&path, size).unwrap(), bytes);
        assert_eq!(read_both(&path, size + 1).unwrap(), bytes);
        if let Some(less) = size.checked_sub(1) {
            assert_eq!(read_both(&path, less), Err(ErrorKind::FileTooLarge), "{size}");
        }
    }
    assert_eq!(read_bounded(&path, u64::MAX).unwrap().len(), 100_000);
    let impossible = read_secret_bounded(&path, u64::MAX).unwrap_err();
    assert_eq!(impossible.kind(), ErrorKind::InvalidInput);
    assert_eq!(read_both(&dir.path().join("none"), 9), Err(ErrorKind::NotFound));
}

#[test]
fn a_file_that_says_it_is_empty_is_bounded_too() {
    // A regular file of which the system says that it has no bytes, and it has some.
    let path = Path::new("/proc/self/status");
    assert_eq!(fs::metadata(path).unwrap().len(), 0);
    assert_eq!(read_both(path, 16), Err(ErrorKind::FileTooLarge));
    assert!(!read_bounded(path, 1 << 20).unwrap().is_empty());
}

#[test]
fn what_is_not_a_regular_file_is_refused_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let fifo = dir.path().join("fifo");
    make_fifo(&fifo);
    let link = dir.path().join("link");
    symlink(&fifo, &link).unwrap();
    for path in [&fifo, &link, dir.path(), Path::new("/dev/zero")] {
        assert_eq!(read_both(path, 1 << 20), Err(ErrorKind::InvalidInput), "{path:?}");
    }
    let file = dir.path().join("file");
    write_atomic(&file, b"mounted", PRIVATE_FILE).unwrap();
    let mounted = dir.path().join("mounted");
    symlink(&file, &mounted).unwrap();
    assert_eq!(read_both(&mounted, 7).unwrap(), b"mounted", "secrets are often mounted as links");
}

#[test]
fn what_its_owner_closed_is_read_for_a_moment_and_stays_closed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("closed");
    write_atomic(&path, b"abc", 0o600).unwrap();
    let digest = digest_file(&path).unwrap();
    assert_eq!(digest_bounded(&path, 3).unwrap(), digest);
    assert_eq!(digest_bounded(&path, 2).unwrap_err().kind(), ErrorKind::FileTooLarge);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    assert_eq!(digest_file(&path).unwrap(), digest);
    let copy = dir.path().join("copy");
    assert_eq!(copy_file(&path, &copy, 0o600).unwrap(), digest);
    assert_eq!(fs::read(&copy).unwrap(), b"abc");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0);
}
