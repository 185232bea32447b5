//! The public key of a ledger, as it lies in a file: `public/ledger.pub`, or a C2SP verifier key.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use twinkeep_ledger::{COSIGNATURE_TYPE, key_id};
use twinkeep_vault::digest::{from_hex, to_hex};
use twinkeep_vault::files::read_bounded;
use twinkeep_vault::sign::VerifyingKey;

use crate::AppError;

/// The public key of a ledger, and the ledger's name if the file says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LedgerKey {
    pub(crate) origin: Option<String>,
    pub(crate) key: VerifyingKey,
}

impl LedgerKey {
    /// Reads a file.
    pub(crate) fn read(path: &Path) -> Result<Self, AppError> {
        let attempt = || format!("`{}` is not the public key of a ledger", path.display());
        let bytes = read_bounded(path, KEY_FILE_SIZE_MAX)
            .map_err(|error| AppError::usage("ledger-key", attempt()).because(error))?;
        let text = std::str::from_utf8(&bytes).ok().map(str::trim);
        text.and_then(Self::parse).ok_or_else(|| {
            AppError::usage("ledger-key", attempt())
                .hint("it is `public/ledger.pub` of a keep, or what `twinkeep ledger key` prints")
        })
    }

    fn parse(text: &str) -> Option<Self> {
        if let Some(bytes) = from_hex(text) {
            let key = VerifyingKey::from_bytes(bytes.try_into().ok()?);
            return Some(Self { origin: None, key });
        }
        let (origin, key) = parse_vkey(text, ED25519_TYPE)?;
        Some(Self { origin: Some(origin), key })
    }
}

/// Reads the public key of a witness from a file: its name, and the key.
pub(crate) fn read_witness_key(path: &Path) -> Result<(String, VerifyingKey), AppError> {
    let attempt = || format!("`{}` is not the public key of a witness", path.display());
    let bytes = read_bounded(path, KEY_FILE_SIZE_MAX)
        .map_err(|error| AppError::usage("witness-key", attempt()).because(error))?;
    let text = std::str::from_utf8(&bytes).unwrap_or_default().trim();
    parse_vkey(text, COSIGNATURE_TYPE).ok_or_else(|| {
        AppError::usage("witness-key", attempt())
            .hint("it is what `twinkeep witness key` prints where the witness is")
    })
}

/// Writes a key as C2SP signed-note does: `<name>+<hash>+<base64 of type and key>`.
pub(crate) fn vkey(name: &str, kind: u8, key: &VerifyingKey) -> String {
    let bytes = [&[kind][..], key.as_bytes()].concat();
    format!("{name}+{}+{}", to_hex(&key_id(name, kind, key)), STANDARD.encode(bytes))
}

/// Reads such a key; its hash must be right, so that a typing error is found.
pub(crate) fn parse_vkey(text: &str, wanted: u8) -> Option<(String, VerifyingKey)> {
    let (name, rest) = text.split_once('+')?;
    let (hash, encoded) = rest.split_once('+')?;
    let bytes = STANDARD.decode(encoded).ok()?;
    let (kind, key) = bytes.split_first()?;
    let key = VerifyingKey::from_bytes(key.try_into().ok()?);
    let right = *kind == wanted
        && twinkeep_ledger::origin_valid(name)
        && from_hex(hash)? == key_id(name, wanted, &key);
    right.then(|| (name.to_owned(), key))
}

/// Ed25519 in C2SP signed-note.
pub(crate) const ED25519_TYPE: u8 = 0x01;

/// A name of 512 bytes and a key, and much room.
const KEY_FILE_SIZE_MAX: u64 = 4096;

#[cfg(test)]
mod tests {
    use twinkeep_vault::digest::to_hex;
    use twinkeep_vault::sign::VerifyingKey;

    use super::{ED25519_TYPE, LedgerKey, parse_vkey, vkey};

    #[test]
    fn a_key_is_read_in_both_forms_and_a_typing_error_is_found() {
        let key = VerifyingKey::from_bytes([7; 32]);
        let hex = LedgerKey::parse(&to_hex(&[7; 32])).unwrap();
        assert_eq!(hex, LedgerKey { origin: None, key });
        let text = vkey("keep.example/ledger", ED25519_TYPE, &key);
        let read = LedgerKey::parse(&text).unwrap();
        assert_eq!(read, LedgerKey { origin: Some("keep.example/ledger".into()), key });
        assert_eq!(LedgerKey::parse(&text.replace("ledger", "lodger")), None);
        assert_eq!(LedgerKey::parse(&text[..text.len() - 4]), None);
        assert_eq!(LedgerKey::parse(""), None);
        assert_eq!(parse_vkey(&text, 4), None);
    }
}
