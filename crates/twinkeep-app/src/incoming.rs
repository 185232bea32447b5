//! `incoming/`: sealed feeds that were pushed, from their first byte until they are stored.
//!
//! A feed lies there as ciphertext, under the name of its sender's key and its number: `.upload`
//! while it arrives, `.sealed` once it is whole, and `.report` when it is known what became of it.
//! Whoever writes a file holds its lock, in whichever process, so that nobody writes it twice.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use twinkeep_domain::Timestamp;
use twinkeep_vault::digest::Sha256;
use twinkeep_vault::files::{PRIVATE_FILE, create_private_dir, sync_dir};
use twinkeep_vault::sealed_feed::SEQUENCE_MAX;

use crate::AppError;

/// Which feed: its sender's key and its number among the sender's feeds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FeedAddress {
    sender: String,
    sequence: u64,
}

impl FeedAddress {
    /// Takes a key's name and a number; `None` if they cannot be.
    pub fn new(sender: &str, sequence: u64) -> Option<Self> {
        let hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let valid = sender.len() == KEY_ID_LEN && sender.bytes().all(hex);
        let sequence = (1..=SEQUENCE_MAX).contains(&sequence).then_some(sequence);
        Some(Self { sender: valid.then(|| sender.to_owned())?, sequence: sequence? })
    }

    /// Returns the name of the sender's key.
    pub fn sender(&self) -> &str {
        &self.sender
    }

    /// Returns the number.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Reads the name of a file.
    fn parse(stem: &str) -> Option<Self> {
        let (sender, sequence) = stem.split_once('-')?;
        Self::new(sender, sequence.parse().ok()?)
    }
}

/// The folder.
pub(crate) struct Incoming {
    dir: PathBuf,
}

/// A file that arrives. Nobody else writes it while this lives.
pub(crate) struct Arriving {
    file: File,
    path: PathBuf,
    pub(crate) offset: u64,
}

impl Incoming {
    /// Takes the folder, and makes it if it is missing.
    pub(crate) fn open(dir: PathBuf) -> Result<Self, AppError> {
        create_private_dir(&dir).map_err(|error| failed("make", &dir, error))?;
        Ok(Self { dir })
    }

    pub(crate) fn sealed(&self, address: &FeedAddress) -> PathBuf {
        self.path(address, SEALED)
    }

    pub(crate) fn report(&self, address: &FeedAddress) -> PathBuf {
        self.path(address, REPORT)
    }

    /// Returns how many bytes have arrived; `None` if none ever did.
    pub(crate) fn arrived(&self, address: &FeedAddress) -> Option<u64> {
        let metadata = fs::symlink_metadata(self.path(address, UPLOAD)).ok()?;
        metadata.is_file().then_some(metadata.len())
    }

    /// Opens the file of a feed that arrives; refused while somebody else writes it.
    pub(crate) fn arrive(&self, address: &FeedAddress) -> Result<Arriving, AppError> {
        let path = self.path(address, UPLOAD);
        let cannot = |error| failed("open", &path, error);
        if self.arrived(address).is_none() && UPLOAD_COUNT_MAX <= self.list(UPLOAD)?.len() {
            let attempt = "too many feeds arrive at the same time";
            return Err(AppError::environment("incoming-full", attempt));
        }
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(PRIVATE_FILE)
            .open(&path)
            .map_err(cannot)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(AppError::refused("feed-busy", "this feed is being received already"));
            }
            Err(TryLockError::Error(error)) => return Err(cannot(error)),
        }
        // Whoever held the lock may have renamed the file: then this is not the one of the name.
        if self.arrived(address).is_none() {
            return Err(AppError::refused("feed-busy", "this feed has just been received"));
        }
        let offset = file.seek(SeekFrom::End(0)).map_err(cannot)?;
        Ok(Arriving { file, path, offset })
    }

    /// Forgets what has arrived of a feed.
    pub(crate) fn forget(&self, address: &FeedAddress) -> Result<(), AppError> {
        for suffix in [UPLOAD, SEALED] {
            let path = self.path(address, suffix);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(failed("remove", &path, error));
                }
                _ => {}
            }
        }
        sync_dir(&self.dir).map_err(|error| failed("sync", &self.dir, error))
    }

    /// Returns the feeds that are whole and wait to be stored, in order.
    pub(crate) fn waiting(&self) -> Result<Vec<FeedAddress>, AppError> {
        self.list(SEALED)
    }

    /// Removes what nobody came back for.
    pub(crate) fn clean(&self, now: Timestamp) -> Result<(), AppError> {
        for (suffix, hours) in [(UPLOAD, UPLOAD_KEPT_HOURS), (REPORT, REPORT_KEPT_HOURS)] {
            for address in self.list(suffix)? {
                let path = self.path(&address, suffix);
                let modified = fs::symlink_metadata(&path).and_then(|it| it.modified()).ok();
                let since = modified.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
                let micros = since.and_then(|since| i64::try_from(since.as_micros()).ok());
                let old = micros
                    .is_some_and(|micros| hours < now.hours_since(Timestamp::from_micros(micros)));
                // Only of an old one: whoever writes a new one now must not find it locked.
                let idle = || File::open(&path).is_ok_and(|file| file.try_lock().is_ok());
                if old && idle() {
                    fs::remove_file(&path).map_err(|error| failed("remove", &path, error))?;
                }
            }
        }
        Ok(())
    }

    fn list(&self, suffix: &str) -> Result<Vec<FeedAddress>, AppError> {
        let cannot = |error| failed("read", &self.dir, error);
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.dir).map_err(cannot)? {
            let name = entry.map_err(cannot)?.file_name();
            let stem = name.to_str().and_then(|name| name.strip_suffix(suffix));
            found.extend(stem.and_then(FeedAddress::parse));
        }
        found.sort();
        Ok(found)
    }

    fn path(&self, FeedAddress { sender, sequence }: &FeedAddress, suffix: &str) -> PathBuf {
        self.dir.join(format!("{sender}-{sequence:016}{suffix}"))
    }
}

impl Arriving {
    /// Appends bytes.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), AppError> {
        self.file.write_all(bytes).map_err(|error| failed("write", &self.path, error))?;
        self.offset += bytes.len() as u64;
        Ok(())
    }

    /// Makes what has arrived durable.
    pub(crate) fn sync(&self) -> Result<(), AppError> {
        self.file.sync_data().map_err(|error| failed("write", &self.path, error))
    }

    /// Goes back to an earlier length: what came after it was not what it should be.
    pub(crate) fn truncate(&mut self, length: u64) -> Result<(), AppError> {
        let cannot = |error| failed("write", &self.path, error);
        self.file.set_len(length).map_err(cannot)?;
        self.file.seek(SeekFrom::Start(length)).map_err(cannot)?;
        self.offset = length;
        Ok(())
    }

    /// Returns the SHA-256 of everything that has arrived.
    pub(crate) fn digest(&mut self) -> Result<[u8; 32], AppError> {
        let cannot = |error| failed("read", &self.path, error);
        self.file.seek(SeekFrom::Start(0)).map_err(cannot)?;
        digest_all(&mut self.file).map_err(cannot)
    }

    /// The feed is whole: it waits to be stored from now on, and survives a crash.
    pub(crate) fn complete(self) -> Result<PathBuf, AppError> {
        let sealed = self.path.with_extension(&SEALED[1..]);
        let cannot = |error| failed("keep", &self.path, error);
        self.file.sync_all().map_err(cannot)?;
        fs::rename(&self.path, &sealed).map_err(cannot)?;
        sync_dir(sealed.parent().unwrap_or(Path::new("."))).map_err(cannot)?;
        Ok(sealed)
    }
}

/// Returns the SHA-256 of a file.
pub(crate) fn digest_of(path: &Path) -> io::Result<[u8; 32]> {
    digest_all(&mut File::open(path)?)
}

fn digest_all(file: &mut File) -> io::Result<[u8; 32]> {
    let mut digest = Sha256::default();
    let mut buffer = vec![0; BUFFER_LEN];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(digest.finish()),
            count => digest.update(&buffer[..count]),
        }
    }
}

fn failed(action: &str, path: &Path, error: io::Error) -> AppError {
    let full = matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    );
    let code = if full { "disk-full" } else { "incoming-file" };
    AppError::environment(code, format!("cannot {action} `{}`", path.display())).because(error)
}

const UPLOAD: &str = ".upload";
const SEALED: &str = ".sealed";
const REPORT: &str = ".report";

/// 16 bytes in hexadecimal.
const KEY_ID_LEN: usize = 32;

/// More senders than deliver at the same hour; bounds what abandoned ones leave on the disk.
const UPLOAD_COUNT_MAX: usize = 64;

/// A sender that was cut off comes back within a day.
const UPLOAD_KEPT_HOURS: f64 = 24.0;

/// After a month the catalog's counts are enough.
const REPORT_KEPT_HOURS: f64 = 24.0 * 30.0;

const BUFFER_LEN: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use twinkeep_domain::Timestamp;

    use super::{FeedAddress, Incoming};

    fn address(sequence: u64) -> FeedAddress {
        FeedAddress::new(&"ab".repeat(16), sequence).unwrap()
    }

    #[test]
    fn an_address_is_never_a_path() {
        for sender in
            ["", "../../../../../../../../../../etc", "AB", &"g".repeat(32), &"a".repeat(33)]
        {
            assert_eq!(FeedAddress::new(sender, 1), None, "{sender}");
        }
        assert_eq!(FeedAddress::new(&"a".repeat(32), 0), None);
        assert_eq!(FeedAddress::new(&"a".repeat(32), 1 << 53), None);
    }

    #[test]
    fn a_feed_arrives_in_parts_and_once() {
        let dir = tempfile::tempdir().unwrap();
        let incoming = Incoming::open(dir.path().join("incoming")).unwrap();
        let mut first = incoming.arrive(&address(1)).unwrap();
        first.write(b"abc").unwrap();
        let second = incoming.arrive(&address(1));
        assert_eq!(second.err().unwrap().code(), "feed-busy");
        drop(first);
        assert_eq!(incoming.arrived(&address(1)), Some(3));
        let mut again = incoming.arrive(&address(1)).unwrap();
        assert_eq!(again.offset, 3);
        again.write(b"XX").unwrap();
        again.truncate(3).unwrap();
        again.write(b"def").unwrap();
        assert_eq!(again.digest().unwrap(), twinkeep_vault::digest::sha256(b"abcdef"));
        let path = again.complete().unwrap();
        assert_eq!(std::fs::read(path).unwrap(), b"abcdef");
        assert_eq!(incoming.waiting().unwrap(), [address(1)]);
        assert_eq!(incoming.arrived(&address(1)), None);
        incoming.forget(&address(1)).unwrap();
        assert_eq!(incoming.waiting().unwrap(), []);
    }

    #[test]
    fn what_nobody_came_back_for_goes_unless_it_is_being_written() {
        let dir = tempfile::tempdir().unwrap();
        let incoming = Incoming::open(dir.path().to_path_buf()).unwrap();
        let held = incoming.arrive(&address(1)).unwrap();
        drop(incoming.arrive(&address(2)).unwrap());
        let later = Timestamp::from_micros(4_000_000_000_000_000);
        incoming.clean(Timestamp::RELATIVE_ORIGIN).unwrap();
        assert_eq!(incoming.arrived(&address(2)), Some(0));
        incoming.clean(later).unwrap();
        assert_eq!(incoming.arrived(&address(2)), None);
        assert_eq!(incoming.arrived(&address(1)), Some(0));
        drop(held);
    }
}
