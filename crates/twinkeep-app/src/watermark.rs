//! How far the catalog, the registry, and the keyring have come, remembered outside of them.
//!
//! A catalog that is put back from an older copy is authentic: revoked keys live again in it, and
//! feeds can be replayed; a keyring that is put back opens what was erased. So the highest numbers that were seen lie in the keep beside the catalog
//! and in the user's state folder, under a MAC of the keep, and an older catalog or registry does
//! not open. (`anchor` does the same for the ledger, which is signed and can be checked without a
//! secret.)

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Mutex;

use serde::{Deserialize, Serialize};
use twinkeep_vault::digest::{equal_in_constant_time, from_hex, hmac_sha256, to_hex};
use twinkeep_vault::files::{PRIVATE_FILE, create_private_dir, write_atomic};
use twinkeep_vault::{Purpose, SecretKey};

use crate::AppError;
use crate::locking::lock;

/// The numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Marks {
    /// The catalog's epoch.
    pub(crate) catalog: u64,
    /// The number of the registry's state.
    pub(crate) registry: u64,
    /// The keyring's generation.
    pub(crate) keyring: u64,
}

impl Marks {
    /// Returns the higher of each number.
    fn max(self, other: Self) -> Self {
        Self {
            catalog: self.catalog.max(other.catalog),
            registry: self.registry.max(other.registry),
            keyring: self.keyring.max(other.keyring),
        }
    }
}

/// Where they are remembered.
pub(crate) struct Watermark {
    paths: Vec<PathBuf>,
    key: SecretKey,
    highest: Mutex<Marks>,
    /// Held by whoever writes the files.
    writing: Mutex<()>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    version: u32,
    catalog: u64,
    registry: u64,
    keyring: u64,
    mac: String,
}

impl Watermark {
    /// Reads what is remembered; files that do not exist remember nothing yet.
    pub(crate) fn read(paths: Vec<PathBuf>, root: &SecretKey) -> Result<Self, AppError> {
        let key = root.derive(Purpose::Watermark, b"");
        let highest = Mutex::new(read_all(&paths, &key)?);
        Ok(Self { paths, key, highest, writing: Mutex::default() })
    }

    /// Returns the highest numbers that were seen.
    pub(crate) fn highest(&self) -> Marks {
        *lock(&self.highest)
    }

    /// Remembers higher numbers, if `seen` returns such.
    ///
    /// Of many that come at the same time one writes, and the newest numbers of all: the others
    /// find theirs remembered when their turn comes.
    pub(crate) fn raise(&self, seen: &dyn Fn() -> Result<Marks, AppError>) -> Result<(), AppError> {
        let own = seen()?;
        if self.remembers(own) {
            return Ok(());
        }
        let _turn = lock(&self.writing);
        if self.remembers(own) {
            return Ok(());
        }
        // Another process may have come further since: nothing is ever lowered.
        let raised = self.highest().max(seen()?).max(read_all(&self.paths, &self.key)?);
        let text = render(&self.key, raised);
        for path in &self.paths {
            let made = path.parent().map_or(Ok(()), create_private_dir);
            made.and_then(|()| write_atomic(path, text.as_bytes(), PRIVATE_FILE)).map_err(
                |error| {
                    let attempt = format!("cannot write `{}`", path.display());
                    AppError::environment("watermark-write", attempt).because(error)
                },
            )?;
        }
        *lock(&self.highest) = raised;
        Ok(())
    }

    fn remembers(&self, marks: Marks) -> bool {
        let highest = self.highest();
        highest.max(marks) == highest
    }
}

/// Returns the highest numbers in any of the files.
fn read_all(paths: &[PathBuf], key: &SecretKey) -> Result<Marks, AppError> {
    let mut highest = Marks::default();
    for path in paths {
        let text = match fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => {
                let attempt = format!("cannot read `{}`", path.display());
                return Err(AppError::environment("watermark-read", attempt).because(error));
            }
        };
        let marks = parse(key, &text).ok_or_else(|| {
            let attempt = format!("`{}` was not written by this keep", path.display());
            AppError::refused("watermark-damaged", attempt)
                .hint("find out who changed it before you remove it")
        })?;
        highest = highest.max(marks);
    }
    Ok(highest)
}

fn mac(key: &SecretKey, marks: Marks) -> [u8; 32] {
    let Marks { catalog, registry, keyring } = marks;
    let text = format!("{VERSION}\n{catalog}\n{registry}\n{keyring}\n");
    hmac_sha256(key, text.as_bytes())
}

fn render(key: &SecretKey, marks: Marks) -> String {
    let wire = Wire {
        version: VERSION,
        catalog: marks.catalog,
        registry: marks.registry,
        keyring: marks.keyring,
        mac: to_hex(&mac(key, marks)),
    };
    serde_json::to_string(&wire).unwrap_or_default()
}

fn parse(key: &SecretKey, text: &[u8]) -> Option<Marks> {
    let wire: Wire = serde_json::from_slice(text).ok()?;
    let Wire { catalog, registry, keyring, .. } = wire;
    let marks = Marks { catalog, registry, keyring };
    let genuine = equal_in_constant_time(&from_hex(&wire.mac)?, &mac(key, marks));
    (wire.version == VERSION && genuine).then_some(marks)
}

const VERSION: u32 = 2;

#[cfg(test)]
mod tests {
    use twinkeep_vault::SecretKey;

    use super::{Marks, Watermark};

    fn raise(watermark: &Watermark, marks: Marks) {
        watermark.raise(&|| Ok(marks)).unwrap();
    }

    /// A server that has run for days must not undo what a command remembered meanwhile.
    #[test]
    fn a_process_that_fell_behind_lowers_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let root = SecretKey::random();
        let open = || Watermark::read(vec![dir.path().join("a")], &root).unwrap();
        let (server, command) = (open(), open());
        raise(&command, Marks { catalog: 4, registry: 3, keyring: 2 });
        raise(&server, Marks { catalog: 5, registry: 0, keyring: 1 });
        assert_eq!(open().highest(), Marks { catalog: 5, registry: 3, keyring: 2 });
    }

    #[test]
    fn the_highest_numbers_are_remembered_and_cannot_be_forged() {
        let dir = tempfile::tempdir().unwrap();
        let root = SecretKey::random();
        let paths = || vec![dir.path().join("a"), dir.path().join("deep/b")];
        let watermark = Watermark::read(paths(), &root).unwrap();
        raise(&watermark, Marks { catalog: 7, registry: 2, keyring: 1 });
        raise(&watermark, Marks { catalog: 5, registry: 3, keyring: 1 });
        let again = Watermark::read(paths(), &root).unwrap();
        assert_eq!(again.highest(), Marks { catalog: 7, registry: 3, keyring: 1 });
        std::fs::remove_file(dir.path().join("a")).unwrap();
        assert_eq!(Watermark::read(paths(), &root).unwrap().highest().catalog, 7);
        let other = Watermark::read(paths(), &SecretKey::random());
        assert_eq!(other.err().unwrap().code(), "watermark-damaged");
    }
}
