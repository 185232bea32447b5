//! The public half of an identity, and its text form.

use std::io;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{IdentityError, Kem, KemPublicKey, speakable};
use crate::files::{PUBLIC_FILE, read_bounded, write_atomic};
use crate::sign::{SigningKey, VerifyingKey};

/// A name with its public keys, signed by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicIdentity {
    name: String,
    signing: VerifyingKey,
    xwing: Option<KemPublicKey>,
    x25519: Option<KemPublicKey>,
    signature: [u8; 64],
}

/// The JSON form; see `docs/formats/identity.md`.
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PublicWire {
    format: String,
    version: u32,
    name: String,
    signing: String,
    xwing: Option<String>,
    x25519: Option<String>,
    signature: String,
}

impl PublicIdentity {
    /// Puts together and signs the public half.
    pub(super) fn sign(
        name: &str,
        key: &SigningKey,
        sealing: Vec<KemPublicKey>,
    ) -> Result<Self, IdentityError> {
        let find = |kem| sealing.iter().find(|key| key.kem() == kem).cloned();
        let mut public = Self {
            name: name.to_owned(),
            signing: key.verifying_key(),
            xwing: find(Kem::XWing),
            x25519: find(Kem::X25519),
            signature: [0; 64],
        };
        public.check_fields()?;
        public.signature = key.sign(&public.signed_bytes());
        Ok(public)
    }

    /// Returns the name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the key that checks this identity's signatures.
    pub fn signing(&self) -> &VerifyingKey {
        &self.signing
    }

    /// Returns the X-Wing key.
    pub fn xwing(&self) -> Option<&KemPublicKey> {
        self.xwing.as_ref()
    }

    /// Returns the X25519 key.
    pub fn x25519(&self) -> Option<&KemPublicKey> {
        self.x25519.as_ref()
    }

    /// Returns the key that feeds to this identity are sealed to: X-Wing where there is one.
    pub fn sealing(&self) -> Option<&KemPublicKey> {
        self.xwing.as_ref().or(self.x25519.as_ref())
    }

    /// Returns the name of the signing key, which also names the identity.
    pub fn key_id(&self) -> String {
        self.signing.key_id()
    }

    /// Returns 20 characters that two people compare over the phone. They cover every field.
    pub fn fingerprint(&self) -> String {
        speakable(&self.signed_bytes())
    }

    /// Returns the text form.
    pub fn to_text(&self) -> String {
        // A struct of strings and numbers always serializes.
        let mut text = serde_json::to_string_pretty(&self.to_wire()).unwrap_or_default();
        text.push('\n');
        text
    }

    /// Reads the text form and checks its signature.
    pub fn from_text(text: &str) -> Result<Self, IdentityError> {
        if text.len() > PUBLIC_LEN_MAX {
            return Err(IdentityError::Malformed);
        }
        let wire = serde_json::from_str(text).map_err(|_| IdentityError::Malformed)?;
        Self::from_wire(wire)
    }

    /// Writes the text form to a file that everybody may read.
    pub fn write_file(&self, path: &Path) -> Result<(), IdentityError> {
        write_atomic(path, self.to_text().as_bytes(), PUBLIC_FILE)
            .map_err(|source| IdentityError::Io { path: path.to_path_buf(), source })
    }

    /// Reads a public file and checks its signature.
    pub fn read_file(path: &Path) -> Result<Self, IdentityError> {
        let bytes = read_limited(path, PUBLIC_LEN_MAX)?;
        let text = String::from_utf8(bytes).map_err(|_| IdentityError::Malformed)?;
        Self::from_text(&text)
    }

    pub(super) fn to_wire(&self) -> PublicWire {
        let encode = |key: &KemPublicKey| STANDARD.encode(key.as_bytes());
        PublicWire {
            format: FORMAT.to_owned(),
            version: VERSION,
            name: self.name.clone(),
            signing: STANDARD.encode(self.signing.as_bytes()),
            xwing: self.xwing.as_ref().map(encode),
            x25519: self.x25519.as_ref().map(encode),
            signature: STANDARD.encode(self.signature),
        }
    }

    pub(super) fn from_wire(wire: PublicWire) -> Result<Self, IdentityError> {
        if wire.format != FORMAT || wire.version != VERSION {
            return Err(IdentityError::Malformed);
        }
        let public = Self {
            name: wire.name,
            signing: VerifyingKey::from_bytes(decode("signing", &wire.signing)?),
            xwing: decode_kem(Kem::XWing, "xwing", wire.xwing.as_deref())?,
            x25519: decode_kem(Kem::X25519, "x25519", wire.x25519.as_deref())?,
            signature: decode("signature", &wire.signature)?,
        };
        public.check_fields()?;
        public
            .signing
            .verify(&public.signed_bytes(), &public.signature)
            .map_err(|_| IdentityError::Altered)?;
        Ok(public)
    }

    /// What the signature and the fingerprint cover, with the length before each field.
    pub(super) fn signed_bytes(&self) -> Vec<u8> {
        let mut bytes = DOMAIN.to_vec();
        let fields = [
            self.name.as_bytes(),
            self.signing.as_bytes(),
            self.xwing.as_ref().map_or(&[], KemPublicKey::as_bytes),
            self.x25519.as_ref().map_or(&[], KemPublicKey::as_bytes),
        ];
        for field in fields {
            bytes.extend_from_slice(&(field.len() as u32).to_be_bytes());
            bytes.extend_from_slice(field);
        }
        bytes
    }

    fn check_fields(&self) -> Result<(), IdentityError> {
        let mut characters = self.name.chars();
        let starts_well = characters.next().is_some_and(|first| first.is_ascii_alphanumeric());
        let goes_on_well = characters
            .all(|character| character.is_ascii_alphanumeric() || " ._@-".contains(character));
        if !starts_well || !goes_on_well || self.name.len() > NAME_LEN_MAX {
            return Err(IdentityError::Name);
        }
        if self.sealing().is_none() {
            return Err(IdentityError::Invalid { field: "xwing" });
        }
        Ok(())
    }
}

/// Reads a file of at most `limit` bytes; no identity file has more.
pub(super) fn read_limited(path: &Path, limit: usize) -> Result<Vec<u8>, IdentityError> {
    read_bounded(path, limit as u64).map_err(|source| match source.kind() {
        io::ErrorKind::FileTooLarge => IdentityError::Malformed,
        _ => IdentityError::Io { path: path.to_path_buf(), source },
    })
}

fn decode<const N: usize>(field: &'static str, text: &str) -> Result<[u8; N], IdentityError> {
    let bytes = STANDARD.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or(IdentityError::Invalid { field })
}

fn decode_kem(
    kem: Kem,
    field: &'static str,
    text: Option<&str>,
) -> Result<Option<KemPublicKey>, IdentityError> {
    let Some(text) = text else { return Ok(None) };
    let key = STANDARD.decode(text).ok().and_then(|bytes| KemPublicKey::from_bytes(kem, &bytes));
    key.map(Some).ok_or(IdentityError::Invalid { field })
}

const FORMAT: &str = "twinkeep-identity";
const VERSION: u32 = 1;

/// Keeps this signature apart from every other signature by the same key.
const DOMAIN: &[u8] = b"twinkeep/v1/identity\0";

/// Longest name, in bytes: an e-mail address or the name of a ward fits.
const NAME_LEN_MAX: usize = 64;

/// Largest public file, in bytes: with both keys it has about 2,000.
pub(super) const PUBLIC_LEN_MAX: usize = 16 * 1024;
