//! What is refused at once instead of being waited for.

use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::read;

#[test]
fn pipes_devices_and_folders_are_refused_and_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    // Each of these would never end, if it were read.
    for path in [&pipe, Path::new("/dev/zero"), Path::new("/dev/tty"), folder.path()] {
        let error = read(path, 1 << 20).unwrap_err().to_string();
        assert!(!error.is_empty(), "{}", path.display());
    }
    let error = read(&pipe, 1 << 20).unwrap_err().to_string();
    assert!(error.contains("no regular file"), "{error}");
}

#[test]
fn a_file_is_read_up_to_its_bound() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("facts.json");
    std::fs::File::create(&path).unwrap().set_len(100).unwrap();
    assert_eq!(read(&path, 100).unwrap().len(), 100);
    assert!(read(&path, 99).unwrap_err().to_string().contains("more than 99 bytes"));
    // A link to a file is that file.
    let link = folder.path().join("link.json");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    assert_eq!(read(&link, 100).unwrap().len(), 100);
}
