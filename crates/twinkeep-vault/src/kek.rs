//! The key-encryption key (KEK): the one secret that opens a keep.
//!
//! It comes from a passphrase (Argon2id, RFC 9106) or a key file, or a device or service wraps it
//! that never gives out the key it wraps with: a PKCS#11 token, a transit engine, a cloud's key
//! management. The keep stores how to get it, and a check value that tells a wrong secret from
//! damaged data; never the KEK itself.
//!
//! # Invariants
//!
//! - A descriptor in a keep never chooses whom to ask: address, module, and credentials come from
//!   whoever opens the keep. Who can write to a keep could otherwise have the credentials sent to
//!   himself, or a library of his loaded.

mod key_file;
mod passphrase;

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::digest::{equal_in_constant_time, from_hex, hmac_sha256, to_hex};
use crate::{SecretBytes, SecretKey, random_bytes};
use key_file::KeyFile;
use passphrase::{PASSPHRASE_LEN_MIN, Passphrase};

/// Something that a KEK can be had from.
pub trait KekProvider: fmt::Debug {
    /// Returns its permanent name in descriptors, such as `argon2id` or `pkcs11`.
    fn method(&self) -> &'static str;

    /// Makes the KEK of a new keep. May create a key where the KEK will be wrapped; asking again
    /// makes another KEK.
    fn create(&self) -> Result<(SecretKey, KekDescriptor), KekError>;

    /// Gets the KEK that a descriptor describes. Does not compare it with the check value.
    fn derive(&self, descriptor: &KekDescriptor) -> Result<SecretKey, KekError>;
}

/// Wraps a KEK, bound to a context.
pub type WrapKek<'a> = dyn FnMut(&SecretKey, &[u8]) -> Result<Vec<u8>, KekError> + 'a;

/// Unwraps what [`WrapKek`] wrapped, in the same context.
pub type UnwrapKek<'a> = dyn FnMut(&[u8], &[u8]) -> Result<SecretBytes, KekError> + 'a;

/// Where the secret comes from.
#[derive(Debug)]
pub enum KekSource {
    /// A passphrase that was read from a prompt, a file, or a descriptor.
    Passphrase(SecretBytes),
    /// A file with 64 hexadecimal digits, readable by its owner only.
    KeyFile(PathBuf),
    /// A device or service.
    Provider(Box<dyn KekProvider + Send + Sync>),
    /// The KEK itself, put together from recovery shares: opens a keep, and makes none.
    Recovered(SecretKey),
}

/// How to get from a secret to the KEK, and how to tell that it is the right one.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KekDescriptor {
    /// `argon2id`, `key-file`, or the name of a device or service.
    pub method: String,
    /// Hexadecimal salt.
    pub salt: String,
    /// Argon2id memory in KiB; 0 otherwise.
    pub memory_kib: u32,
    /// Argon2id passes; 0 otherwise.
    pub passes: u32,
    /// The KEK under a key of the device or service, in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wrapped: Option<String>,
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
    #[error("the passphrase, key file, or wrapping key does not open this keep")]
    Wrong,
    /// The keep was made with another kind of secret.
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
    /// A device or service could not be asked, or refused.
    #[error("{provider} did not {attempt}")]
    Provider {
        /// Who was asked.
        provider: &'static str,
        /// For what.
        attempt: &'static str,
        /// What it said.
        source: Box<dyn Error + Send + Sync>,
    },
}

impl KekSource {
    /// Makes the KEK of a new keep. A key file that does not exist is created.
    pub fn create(&self) -> Result<(SecretKey, KekDescriptor), KekError> {
        self.ask(&mut |provider| {
            let (kek, mut descriptor) = provider.create()?;
            descriptor.check = to_hex(&check_value(&kek));
            Ok((kek, descriptor))
        })
    }

    /// Gets the KEK of an existing keep and checks that it is the right one.
    pub fn open(&self, descriptor: &KekDescriptor) -> Result<SecretKey, KekError> {
        let recovered = match self {
            Self::Recovered(kek) => Some(kek.clone()),
            _ => None,
        };
        let derive = || {
            self.ask(&mut |provider| {
                let (expected, given) = (title(&descriptor.method)?, title(provider.method())?);
                if descriptor.method != provider.method() {
                    return Err(KekError::OtherMethod { expected, given });
                }
                provider.derive(descriptor)
            })
        };
        let kek = recovered.map_or_else(derive, Ok)?;
        let check = from_hex(&descriptor.check).ok_or(KekError::Descriptor)?;
        if equal_in_constant_time(&check, &check_value(&kek)) {
            Ok(kek)
        } else {
            Err(KekError::Wrong)
        }
    }

    fn ask<T>(
        &self,
        question: &mut dyn FnMut(&dyn KekProvider) -> Result<T, KekError>,
    ) -> Result<T, KekError> {
        match self {
            Self::Passphrase(passphrase) => question(&Passphrase(passphrase)),
            Self::KeyFile(path) => question(&KeyFile(path)),
            Self::Provider(provider) => question(provider.as_ref()),
            Self::Recovered(_) => {
                let (expected, given) = ("a lasting secret", "recovery shares");
                Err(KekError::OtherMethod { expected, given })
            }
        }
    }
}

impl KekDescriptor {
    /// Describes a KEK of this method, with a new salt and no check value yet.
    fn new(method: &str) -> Self {
        Self {
            method: method.to_owned(),
            salt: to_hex(&random_bytes::<16>()),
            memory_kib: 0,
            passes: 0,
            wrapped: None,
            check: String::new(),
        }
    }

    /// Makes a random KEK and has `wrap` wrap it, bound to a context.
    ///
    /// `wrap` gets the KEK and the context, and returns what only the same device or service can
    /// turn back into the KEK, with the same context.
    pub fn wrapping(method: &str, wrap: &mut WrapKek<'_>) -> Result<(SecretKey, Self), KekError> {
        let mut descriptor = Self::new(method);
        let kek = SecretKey::random();
        let wrapped = wrap(&kek, &descriptor.context()?)?;
        descriptor.wrapped = Some(STANDARD.encode(wrapped));
        Ok((kek, descriptor))
    }

    /// Has `unwrap` unwrap what [`KekDescriptor::wrapping`] described.
    pub fn unwrapping(&self, unwrap: &mut UnwrapKek<'_>) -> Result<SecretKey, KekError> {
        let wrapped = self.wrapped.as_deref().ok_or(KekError::Descriptor)?;
        let wrapped = STANDARD.decode(wrapped).map_err(|_| KekError::Descriptor)?;
        let kek = unwrap(&wrapped, &self.context()?)?;
        SecretKey::from_slice(kek.expose()).ok_or(KekError::Wrong)
    }

    /// What a wrapped KEK is bound to: one wrapped key does not pass for another's.
    fn context(&self) -> Result<Vec<u8>, KekError> {
        let salt = from_hex(&self.salt).ok_or(KekError::Descriptor)?;
        Ok(format!("twinkeep/v1/kek/{}", to_hex(&salt)).into_bytes())
    }
}

/// What people call a method; refused if this version does not know it.
fn title(method: &str) -> Result<&'static str, KekError> {
    let known = METHODS.iter().find(|(name, _)| *name == method);
    known.map(|&(_, title)| title).ok_or(KekError::Descriptor)
}

fn check_value(kek: &SecretKey) -> [u8; 32] {
    hmac_sha256(kek, b"twinkeep/v1/kek-check")
}

/// Every method, and what people call it.
const METHODS: &[(&str, &str)] = &[
    (passphrase::METHOD, "a passphrase"),
    (key_file::METHOD, "a key file"),
    ("pkcs11", "a PKCS#11 token"),
    ("transit", "a transit engine"),
    ("aws-kms", "AWS KMS"),
];

#[cfg(test)]
mod tests;
