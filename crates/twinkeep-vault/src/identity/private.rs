//! The private half of an identity at rest: wrapped under a key-encryption key.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::public::{PUBLIC_LEN_MAX, PublicWire, read_limited};
use super::{Identity, IdentityError, Kem, PublicIdentity};
use crate::files::{PRIVATE_FILE, open_to_others, write_atomic};
use crate::{
    KekDescriptor, KekSource, Purpose, SecretBytes, SecretKey, open as open_envelope,
    seal as seal_envelope,
};

/// The JSON form; see `docs/formats/identity.md`.
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct PrivateWire {
    format: String,
    version: u32,
    /// How to get the key that opens this file; null where the owner of the file knows.
    kek: Option<KekDescriptor>,
    public: PublicWire,
    wrapped: String,
}

impl Identity {
    /// Wraps the private keys under `kek`, bound to the name and the public keys.
    pub fn to_bytes(&self, kek: &SecretKey) -> Vec<u8> {
        self.encode(kek, None)
    }

    /// Opens what [`Identity::to_bytes`] wrapped under the same key.
    pub fn from_bytes(bytes: &[u8], kek: &SecretKey) -> Result<Self, IdentityError> {
        Self::unwrap(parse(bytes)?, kek)
    }

    /// Writes a private file that `source` opens. An existing file is never overwritten.
    ///
    /// A key file that does not exist is created.
    pub fn write_file(&self, path: &Path, source: &KekSource) -> Result<(), IdentityError> {
        if path.symlink_metadata().is_ok() {
            return Err(IdentityError::Exists { path: path.to_path_buf() });
        }
        let (kek, descriptor) = source.create().map_err(|source| IdentityError::Kek { source })?;
        let bytes = self.encode(&kek, Some(descriptor));
        write_atomic(path, &bytes, PRIVATE_FILE)
            .map_err(|source| IdentityError::Io { path: path.to_path_buf(), source })
    }

    /// Opens a private file that [`Identity::write_file`] wrote.
    pub fn open_file(path: &Path, source: &KekSource) -> Result<Self, IdentityError> {
        let mode = open_to_others(path)
            .map_err(|source| IdentityError::Io { path: path.to_path_buf(), source })?;
        if mode != 0 {
            return Err(IdentityError::Permissions { path: path.to_path_buf(), mode });
        }
        let wire = parse(&read_limited(path, PRIVATE_LEN_MAX)?)?;
        let descriptor = wire.kek.as_ref().ok_or(IdentityError::Invalid { field: "kek" })?;
        let kek = source.open(descriptor).map_err(|source| IdentityError::Kek { source })?;
        Self::unwrap(wire, &kek)
    }

    fn encode(&self, kek: &SecretKey, descriptor: Option<KekDescriptor>) -> Vec<u8> {
        let mut secrets = Vec::with_capacity(96);
        secrets.extend_from_slice(self.signing.expose_seed());
        for key in &self.sealing {
            secrets.extend_from_slice(key.expose());
        }
        let secrets = SecretBytes::new(secrets);
        let context = self.public.signed_bytes();
        let wrapped = seal_envelope(kek, Purpose::PrivateKey, &context, secrets.expose());
        let wire = PrivateWire {
            format: FORMAT.to_owned(),
            version: VERSION,
            kek: descriptor,
            public: self.public.to_wire(),
            wrapped: STANDARD.encode(wrapped),
        };
        // A struct of strings and numbers always serializes.
        let mut text = serde_json::to_vec_pretty(&wire).unwrap_or_default();
        text.push(b'\n');
        text
    }

    fn unwrap(wire: PrivateWire, kek: &SecretKey) -> Result<Self, IdentityError> {
        let public = PublicIdentity::from_wire(wire.public)?;
        let wrapped = STANDARD
            .decode(wire.wrapped)
            .map_err(|_| IdentityError::Invalid { field: "wrapped" })?;
        let secrets = open_envelope(kek, Purpose::PrivateKey, &public.signed_bytes(), &wrapped)
            .map_err(|_| IdentityError::Unwrap)?;
        let mut keys = secrets.expose().chunks_exact(32).filter_map(SecretKey::from_slice);
        let broken = || IdentityError::Invalid { field: "wrapped" };
        let signing = keys.next().ok_or_else(broken)?;
        let kems: Vec<Kem> = Kem::ALL
            .into_iter()
            .filter(|kem| match kem {
                Kem::XWing => public.xwing().is_some(),
                Kem::X25519 => public.x25519().is_some(),
            })
            .collect();
        if secrets.expose().len() != 32 * (1 + kems.len()) {
            return Err(broken());
        }
        let identity =
            Self::from_secrets(public.name(), &signing, kems.into_iter().zip(keys).collect())?;
        // INVARIANT: the private keys are those of the public half (Ed25519 signs the same
        // bytes the same way, so the whole half can be compared).
        if identity.public == public { Ok(identity) } else { Err(broken()) }
    }
}

fn parse(bytes: &[u8]) -> Result<PrivateWire, IdentityError> {
    if bytes.len() > PRIVATE_LEN_MAX {
        return Err(IdentityError::Malformed);
    }
    let wire: PrivateWire = serde_json::from_slice(bytes).map_err(|_| IdentityError::Malformed)?;
    if wire.format != FORMAT || wire.version != VERSION {
        return Err(IdentityError::Malformed);
    }
    Ok(wire)
}

const FORMAT: &str = "twinkeep-private-identity";
const VERSION: u32 = 1;

/// Largest private file, in bytes: a public part and a few hundred bytes more.
const PRIVATE_LEN_MAX: usize = 2 * PUBLIC_LEN_MAX;
