//! Sealing keys: what the content key of a feed is wrapped to (HPKE, RFC 9180).
//!
//! X-Wing joins ML-KEM-768 and X25519, so that a feed recorded today stays closed to a quantum
//! computer of tomorrow. X25519 alone is for recipients that have nothing better.
//!
//! # Invariants
//!
//! - A public key that exists here was parsed by the library that will use it.
//! - A wrapped key opens only with the same `info`, which names the feed, the sender, and the
//!   recipient.

use std::fmt;

use hpke::aead::AesGcm256;
use hpke::kdf::HkdfSha256;
use hpke::kem::{X25519HkdfSha256, XWing};
use hpke::{Deserializable, OpModeR, OpModeS, Serializable, single_shot_open, single_shot_seal};

use crate::digest::{sha256, to_hex};
use crate::{SecretBytes, SecretKey};

/// A key encapsulation mechanism, by its number in the IANA registry of HPKE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kem {
    /// X-Wing: ML-KEM-768 with X25519, safe as long as one of the two is.
    XWing,
    /// X25519 with HKDF-SHA-256: not safe against quantum computers.
    X25519,
}

/// The public half of a sealing key.
#[derive(Clone, PartialEq, Eq)]
pub struct KemPublicKey {
    kem: Kem,
    bytes: Vec<u8>,
}

/// The private half of a sealing key.
pub(crate) struct KemPrivateKey {
    secret: SecretKey,
    public: KemPublicKey,
}

/// A content key that one recipient can unwrap.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct WrappedKey {
    pub(crate) encapsulated: Vec<u8>,
    pub(crate) sealed: Vec<u8>,
}

impl Kem {
    /// All mechanisms, the preferred one first.
    pub const ALL: [Self; 2] = [Self::XWing, Self::X25519];

    /// Returns the number in the IANA registry "HPKE KEM Identifiers".
    pub fn id(self) -> u16 {
        match self {
            Self::XWing => 0x647a,
            Self::X25519 => 0x0020,
        }
    }

    /// Finds a mechanism by its number.
    pub fn from_id(id: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|kem| kem.id() == id)
    }
}

impl KemPublicKey {
    /// Takes the bytes of a public key; `None` unless they are one.
    pub fn from_bytes(kem: Kem, bytes: &[u8]) -> Option<Self> {
        let valid = match kem {
            Kem::XWing => <XWing as hpke::Kem>::PublicKey::from_bytes(bytes).is_ok(),
            Kem::X25519 => <X25519HkdfSha256 as hpke::Kem>::PublicKey::from_bytes(bytes).is_ok(),
        };
        valid.then(|| Self { kem, bytes: bytes.to_vec() })
    }

    /// Returns the mechanism.
    pub fn kem(&self) -> Kem {
        self.kem
    }

    /// Returns the bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the name of the key: hexadecimal SHA-256 of mechanism and bytes, 32 digits.
    pub fn key_id(&self) -> String {
        to_hex(&self.digest()[..16])
    }

    /// Returns SHA-256 of mechanism and bytes.
    pub(crate) fn digest(&self) -> [u8; 32] {
        sha256(&[&self.kem.id().to_be_bytes(), &self.bytes[..]].concat())
    }

    /// Wraps a key so that only the holder of the private half gets it.
    ///
    /// `None` if the public key is one that gives every sender the same secret.
    pub(crate) fn wrap(&self, info: &[u8], key: &SecretKey) -> Option<WrappedKey> {
        match self.kem {
            Kem::XWing => wrap::<XWing>(&self.bytes, info, key),
            Kem::X25519 => wrap::<X25519HkdfSha256>(&self.bytes, info, key),
        }
    }
}

impl fmt::Debug for KemPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KemPublicKey({:?}, {})", self.kem, self.key_id())
    }
}

impl KemPrivateKey {
    /// Makes a new key; `None` only if the library refuses 32 random bytes.
    pub(crate) fn generate(kem: Kem) -> Option<Self> {
        // Any 32 bytes are a private key: an X-Wing seed, or an X25519 scalar before clamping.
        Self::from_secret(kem, SecretKey::random())
    }

    /// Takes over the 32 bytes of a private key.
    pub(crate) fn from_secret(kem: Kem, secret: SecretKey) -> Option<Self> {
        let bytes = match kem {
            Kem::XWing => public_half::<XWing>(secret.expose())?,
            Kem::X25519 => public_half::<X25519HkdfSha256>(secret.expose())?,
        };
        Some(Self { secret, public: KemPublicKey { kem, bytes } })
    }

    /// Returns the 32 bytes, for wrapping them.
    pub(crate) fn expose(&self) -> &[u8; 32] {
        self.secret.expose()
    }

    /// Returns the public half.
    pub(crate) fn public_key(&self) -> &KemPublicKey {
        &self.public
    }

    /// Unwraps a key; `None` if it was wrapped to another key, for another use, or changed.
    pub(crate) fn unwrap(&self, info: &[u8], wrapped: &WrappedKey) -> Option<SecretKey> {
        match self.public.kem {
            Kem::XWing => unwrap::<XWing>(self.secret.expose(), info, wrapped),
            Kem::X25519 => unwrap::<X25519HkdfSha256>(self.secret.expose(), info, wrapped),
        }
    }
}

fn public_half<K: hpke::Kem>(secret: &[u8]) -> Option<Vec<u8>> {
    let private = K::PrivateKey::from_bytes(secret).ok()?;
    Some(K::sk_to_pk(&private).to_bytes().to_vec())
}

fn wrap<K: hpke::Kem>(public: &[u8], info: &[u8], key: &SecretKey) -> Option<WrappedKey> {
    let public = K::PublicKey::from_bytes(public).ok()?;
    let (encapsulated, sealed) = single_shot_seal::<AesGcm256, HkdfSha256, K>(
        &OpModeS::Base,
        &public,
        info,
        key.expose(),
        b"",
    )
    .ok()?;
    Some(WrappedKey { encapsulated: encapsulated.to_bytes().to_vec(), sealed })
}

fn unwrap<K: hpke::Kem>(secret: &[u8], info: &[u8], wrapped: &WrappedKey) -> Option<SecretKey> {
    let private = K::PrivateKey::from_bytes(secret).ok()?;
    let encapsulated = K::EncappedKey::from_bytes(&wrapped.encapsulated).ok()?;
    let opened = single_shot_open::<AesGcm256, HkdfSha256, K>(
        &OpModeR::Base,
        &private,
        &encapsulated,
        info,
        &wrapped.sealed,
        b"",
    );
    SecretKey::from_slice(SecretBytes::new(opened.ok()?).expose())
}

/// HKDF-SHA-256 in the IANA registry "HPKE KDF Identifiers".
pub(crate) const KDF_ID: u16 = 0x0001;

/// AES-256-GCM in the IANA registry "HPKE AEAD Identifiers".
pub(crate) const AEAD_ID: u16 = 0x0002;
