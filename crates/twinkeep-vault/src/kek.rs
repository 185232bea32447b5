//! The key-encryption key (KEK): the one secret that a person holds and that opens a keep.
//!
//! It comes from a passphrase (Argon2id, RFC 9106) or from a key file. It is never stored; the
//! keep stores how to get it, and a check value that tells a wrong secret from damaged data.

use std::io;
use std::path::{Path, PathBuf};

use argon2::{Algorithm, Argon2, Params, Version};

use crate::digest::{equal_in_constant_time, from_hex, hmac_sha256, to_hex};
use crate::files::{PRIVATE_FILE, open_to_others, read_secret_bounded, write_atomic};
use crate::{SecretBytes, SecretKey, random_bytes};

/// Where the secret comes from.
#[derive(Debug)]
pub enum KekSource {
    /// A passphrase that was read from a prompt, a file, or a descriptor.
    Passphrase(SecretBytes),
    /// A file with 64 hexadecimal digits, readable by its owner only.
    KeyFile(PathBuf),
}

/// How to get from a secret to the KEK, and how to tell that it is the right one.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KekDescriptor {
    /// `argon2id` or `key-file`.
    pub method: String,
    /// Hexadecimal salt.
    pub salt: String,
    /// Argon2id memory in KiB; 0 for a key file.
    pub memory_kib: u32,
    /// Argon2id passes; 0 for a key file.
    pub passes: u32,
    /// Hexadecimal HMAC of a fixed text under the KEK.
    pub check: String,
}

/// Why the KEK could not be had.
#[derive(Debug, thiserror::Error)]
pub enum KekError {
    /// The passphrase is too short to protect anything.
    #[error("the passphrase has fewer than {PASSPHRASE_LEN_MIN} characters")]
    TooShort,
    /// The secret is not the one this keep was made with.
    #[error("the passphrase or key file does not open this keep")]
    Wrong,
    /// The keep was made with the other kind of secret.
    #[error("this keep opens with {expected}, not with {given}")]
    OtherMethod {
        /// What the keep wants.
        expected: &'static str,
        /// What was given.
        given: &'static str,
    },
    /// The descriptor in the keep is not one that this version writes.
    #[error("the description of the keep's key is damaged or from another version")]
    Descriptor,
    /// The key file can be read by others.
    #[error("key file `{path}` can be read by others (mode bits {mode:o})")]
    Permissions {
        /// Which file.
        path: PathBuf,
        /// The bits that are too many.
        mode: u32,
    },
    /// The key file has no key in it.
    #[error("key file `{path}` does not hold 64 hexadecimal digits")]
    KeyFile {
        /// Which file.
        path: PathBuf,
    },
    /// The key file could not be read or written.
    #[error("cannot access key file `{path}`")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl KekSource {
    /// Makes the KEK of a new keep. A key file that does not exist is created.
    pub fn create(&self) -> Result<(SecretKey, KekDescriptor), KekError> {
        let salt: [u8; 16] = random_bytes();
        let mut descriptor = KekDescriptor {
            method: self.method().to_owned(),
            salt: to_hex(&salt),
            memory_kib: 0,
            passes: 0,
            check: String::new(),
        };
        match self {
            Self::Passphrase(passphrase) => {
                if passphrase.expose().len() < PASSPHRASE_LEN_MIN {
                    return Err(KekError::TooShort);
                }
                descriptor.memory_kib = ARGON2_MEMORY_KIB;
                descriptor.passes = ARGON2_PASSES;
            }
            Self::KeyFile(path) if !path.exists() => {
                let key = SecretKey::random();
                let text = SecretBytes::new(format!("{}\n", to_hex(key.expose())).into_bytes());
                write_atomic(path, text.expose(), PRIVATE_FILE)
                    .map_err(|source| KekError::Io { path: path.clone(), source })?;
            }
            Self::KeyFile(_) => {}
        }
        let kek = self.derive(&descriptor)?;
        descriptor.check = to_hex(&check_value(&kek));
        Ok((kek, descriptor))
    }

    /// Gets the KEK of an existing keep and checks that it is the right one.
    pub fn open(&self, descriptor: &KekDescriptor) -> Result<SecretKey, KekError> {
        let kek = self.derive(descriptor)?;
        let check = from_hex(&descriptor.check).ok_or(KekError::Descriptor)?;
        if equal_in_constant_time(&check, &check_value(&kek)) {
            Ok(kek)
        } else {
            Err(KekError::Wrong)
        }
    }

    fn method(&self) -> &'static str {
        match self {
            Self::Passphrase(_) => PASSPHRASE,
            Self::KeyFile(_) => KEY_FILE,
        }
    }

    fn derive(&self, descriptor: &KekDescriptor) -> Result<SecretKey, KekError> {
        let expected = match descriptor.method.as_str() {
            PASSPHRASE => "a passphrase",
            KEY_FILE => "a key file",
            _ => return Err(KekError::Descriptor),
        };
        let salt = from_hex(&descriptor.salt).ok_or(KekError::Descriptor)?;
        match self {
            Self::Passphrase(passphrase) if descriptor.method == PASSPHRASE => {
                derive_from_passphrase(passphrase, &salt, descriptor)
            }
            Self::KeyFile(path) if descriptor.method == KEY_FILE => read_key_file(path),
            Self::Passphrase(_) => Err(KekError::OtherMethod { expected, given: "a passphrase" }),
            Self::KeyFile(_) => Err(KekError::OtherMethod { expected, given: "a key file" }),
        }
    }
}

fn derive_from_passphrase(
    passphrase: &SecretBytes,
    salt: &[u8],
    descriptor: &KekDescriptor,
) -> Result<SecretKey, KekError> {
    // A descriptor that somebody weakened or inflated is not followed.
    let memory = ARGON2_MEMORY_KIB..=ARGON2_MEMORY_KIB_MAX;
    let passes = ARGON2_PASSES..=ARGON2_PASSES_MAX;
    if !memory.contains(&descriptor.memory_kib) || !passes.contains(&descriptor.passes) {
        return Err(KekError::Descriptor);
    }
    let params = Params::new(descriptor.memory_kib, descriptor.passes, 1, Some(32))
        .map_err(|_| KekError::Descriptor)?;
    let mut key = zeroize::Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase.expose(), salt, &mut key[..])
        .map_err(|_| KekError::Descriptor)?;
    SecretKey::from_slice(&key[..]).ok_or(KekError::Descriptor)
}

fn read_key_file(path: &Path) -> Result<SecretKey, KekError> {
    let io = |source| KekError::Io { path: path.to_path_buf(), source };
    let mode = open_to_others(path).map_err(io)?;
    if mode != 0 {
        return Err(KekError::Permissions { path: path.to_path_buf(), mode });
    }
    let broken = || KekError::KeyFile { path: path.to_path_buf() };
    let text = read_secret_bounded(path, KEY_FILE_LEN_MAX).map_err(|error| match error.kind() {
        io::ErrorKind::FileTooLarge => broken(),
        _ => io(error),
    })?;
    let text = std::str::from_utf8(text.expose()).map_err(|_| broken())?;
    let bytes = SecretBytes::new(from_hex(text.trim()).ok_or_else(broken)?);
    SecretKey::from_slice(bytes.expose()).ok_or_else(broken)
}

fn check_value(kek: &SecretKey) -> [u8; 32] {
    hmac_sha256(kek, b"twinkeep/v1/kek-check")
}

const PASSPHRASE: &str = "argon2id";
const KEY_FILE: &str = "key-file";

/// 64 digits, and whatever line ends an editor adds.
const KEY_FILE_LEN_MAX: u64 = 256;

/// Shorter ones are guessed offline in days, whatever Argon2 does.
const PASSPHRASE_LEN_MIN: usize = 12;

/// RFC 9106, 4: the second recommended option (64 MiB, 3 passes), for memory-constrained hosts.
const ARGON2_MEMORY_KIB: u32 = 64 * 1024;
const ARGON2_PASSES: u32 = 3;

/// Above these a damaged descriptor would hang the program instead of failing.
const ARGON2_MEMORY_KIB_MAX: u32 = 4 * 1024 * 1024;
const ARGON2_PASSES_MAX: u32 = 64;

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::{KekError, KekSource};
    use crate::SecretBytes;
    use crate::files::{PRIVATE_FILE, write_atomic};

    fn passphrase(text: &str) -> KekSource {
        KekSource::Passphrase(SecretBytes::new(text.as_bytes().to_vec()))
    }

    #[test]
    fn the_right_passphrase_opens_and_a_wrong_one_does_not() {
        let (kek, descriptor) = passphrase("correct horse battery").create().unwrap();
        let opened = passphrase("correct horse battery").open(&descriptor).unwrap();
        assert_eq!(kek.expose(), opened.expose());
        let wrong = passphrase("correct horse buttery").open(&descriptor);
        assert!(matches!(wrong, Err(KekError::Wrong)));
        assert!(matches!(passphrase("short").create(), Err(KekError::TooShort)));
    }

    #[test]
    fn a_weakened_descriptor_is_refused() {
        let source = passphrase("correct horse battery");
        let (_, mut descriptor) = source.create().unwrap();
        descriptor.memory_kib = 8;
        assert!(matches!(source.open(&descriptor), Err(KekError::Descriptor)));
    }

    #[test]
    fn a_key_file_is_made_private_and_refused_when_others_can_read_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("kek");
        let source = KekSource::KeyFile(path.clone());
        let (kek, descriptor) = source.create().unwrap();
        assert_eq!(source.open(&descriptor).unwrap().expose(), kek.expose());
        let wrong = passphrase("correct horse battery").open(&descriptor);
        assert!(matches!(wrong, Err(KekError::OtherMethod { .. })));
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(source.open(&descriptor), Err(KekError::Permissions { mode: 0o40, .. })));
    }

    #[test]
    fn a_key_file_that_is_no_file_or_too_long_is_refused_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let fifo = dir.path().join("fifo");
        mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let waiting = KekSource::KeyFile(fifo).create().unwrap_err();
        assert!(matches!(waiting, KekError::Io { .. }), "{waiting}");
        let long = dir.path().join("long");
        let text = format!("{}{}", "ab".repeat(32), "\n".repeat(1000));
        write_atomic(&long, text.as_bytes(), PRIVATE_FILE).unwrap();
        let refused = KekSource::KeyFile(long).create().unwrap_err();
        assert!(matches!(refused, KekError::KeyFile { .. }), "{refused}");
    }
}
