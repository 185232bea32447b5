//! A file of events for whatever collects logs on this host: one JSON object a line.
//!
//! A line is written whole or not at all, and is on the disk when it counts as delivered. What a
//! crash left of a line is cut off before the next one, so that every line parses.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use twinkeep_vault::files::sync_dir;

use super::AlertError;

/// A file that is appended to, and begun anew when it is full.
#[derive(Clone, Debug)]
pub struct EventsFile {
    path: PathBuf,
    size_max: u64,
}

impl EventsFile {
    /// Takes a path, and how large the file may become; the one before is kept as `PATH.1`.
    pub fn new(path: &Path, size_max: u64) -> Self {
        Self { path: path.to_path_buf(), size_max }
    }

    /// Appends a line, durably.
    pub fn deliver(&self, line: &[u8]) -> Result<(), AlertError> {
        self.append(line)
            .map_err(|source| AlertError::File { path: self.path.display().to_string(), source })
    }

    fn append(&self, line: &[u8]) -> io::Result<()> {
        let mut file = self.open()?;
        // Another process of the same keep may append as well.
        flock(&file, FlockOperation::LockExclusive)?;
        let mut size = whole_lines(&mut file)?;
        let new = line.len() as u64 + 1;
        if size != 0 && self.size_max < size + new {
            fs::rename(&self.path, self.full())?;
            file = self.open()?;
            flock(&file, FlockOperation::LockExclusive)?;
            size = 0;
        }
        let text = [line, b"\n"].concat();
        if let Err(error) = file.write_all(&text).and_then(|()| file.sync_data()) {
            // What was written of it goes, so that the next line is one.
            let _ = file.set_len(size);
            return Err(error);
        }
        match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => sync_dir(parent),
            _ => sync_dir(Path::new(".")),
        }
    }

    fn open(&self) -> io::Result<File> {
        if fs::symlink_metadata(&self.path).is_ok_and(|found| !found.is_file()) {
            let message = "the target is not a regular file";
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, message));
        }
        OpenOptions::new().read(true).append(true).create(true).mode(0o640).open(&self.path)
    }

    fn full(&self) -> PathBuf {
        let mut name = self.path.as_os_str().to_os_string();
        name.push(".1");
        PathBuf::from(name)
    }
}

/// Cuts off what is behind the last line; returns how long the file is then.
fn whole_lines(file: &mut File) -> io::Result<u64> {
    let size = file.metadata()?.len();
    let mut kept = size;
    let mut last = [0];
    while 0 < kept {
        file.seek(SeekFrom::Start(kept - 1))?;
        file.read_exact(&mut last)?;
        if last == *b"\n" {
            break;
        }
        kept -= 1;
        if PART_LEN_MAX < size - kept {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the file is not one of lines"));
        }
    }
    if kept != size {
        file.set_len(kept)?;
    }
    Ok(kept)
}

/// More than a line of ours has: what has none for so long is somebody else's file.
const PART_LEN_MAX: u64 = 64 << 10;

#[cfg(test)]
mod tests {
    use std::fs;

    use super::EventsFile;

    #[test]
    fn every_line_is_whole_and_a_full_file_is_begun_anew() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events.jsonl");
        // What a crash left.
        fs::File::create(&path).unwrap();
        let file = EventsFile::new(&path, 40);
        file.deliver(b"{\"a\":1}").unwrap();
        let mut left = fs::read(&path).unwrap();
        left.extend(b"{\"b\":");
        fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(0).unwrap();
        std::io::Write::write_all(&mut fs::File::create(&path).unwrap(), &left).unwrap();
        file.deliver(b"{\"c\":3}").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "{\"a\":1}\n{\"c\":3}\n");
        file.deliver(&[b'x'; 30]).unwrap();
        let old = fs::read_to_string(dir.path().join("events.jsonl.1")).unwrap();
        assert_eq!(old, "{\"a\":1}\n{\"c\":3}\n");
        assert_eq!(fs::read(&path).unwrap().len(), 31);
        // A line that is larger than the file may be is still told.
        file.deliver(&[b'y'; 100]).unwrap();
        assert_eq!(fs::read(&path).unwrap().len(), 101);
    }

    #[test]
    fn only_a_regular_file_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink("/dev/null", &link).unwrap();
        for path in [link.as_path(), dir.path()] {
            assert_eq!(EventsFile::new(path, 40).deliver(b"{}").unwrap_err().code(), "alert-file");
        }
    }
}
