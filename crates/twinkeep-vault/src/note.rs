//! Signed notes: a text that people can read, with an Ed25519 signature under it.
//!
//! The form is that of C2SP signed-note: the text ends with a line break; then comes an empty
//! line; then one line a signature, which names the key, with four bytes of its hash before the
//! signature itself.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::digest::Sha256;
use crate::sign::{SigningKey, VerifyingKey};

#[cfg(test)]
mod tests;

/// Why a note does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// It is not of this form, or was cut short.
    #[error("it is no signed note, or was cut short")]
    Malformed,
    /// Nobody of those who may sign it did.
    #[error("it is not signed by a key that is accepted")]
    Unknown,
    /// A signature by an accepted key is over another text.
    #[error("its signature does not hold")]
    Forged,
}

/// Signs a text. `name` names the key: no spaces and no `+`; `text` ends with a line break and
/// holds no empty line at its end.
pub(crate) fn sign_note(name: &str, text: &str, key: &SigningKey) -> String {
    let mut signature = key_hash(name, &key.verifying_key()).to_vec();
    signature.extend_from_slice(&key.sign(text.as_bytes()));
    format!("{text}\n{SIGNATURE_PREFIX}{name} {}\n", STANDARD.encode(signature))
}

/// Returns the text of a note that one of `keys` signed, and which of them.
///
/// Signatures of other keys are passed over; one by a key that is given must hold.
pub(crate) fn open_note<'n>(
    note: &'n str,
    keys: &[(String, VerifyingKey)],
) -> Result<(&'n str, usize), NoteError> {
    let split = note.rfind("\n\n").ok_or(NoteError::Malformed)?;
    let (text, signatures) = (&note[..=split], &note[split + 2..]);
    if signatures.is_empty() || !signatures.ends_with('\n') {
        return Err(NoteError::Malformed);
    }
    let mut signer = None;
    for line in signatures.lines() {
        let (name, hash, signature) = parse_signature(line).ok_or(NoteError::Malformed)?;
        let known =
            keys.iter().position(|(known, key)| known == name && key_hash(name, key) == hash);
        if let Some(index) = known {
            let held = keys[index].1.verify(text.as_bytes(), &signature);
            held.map_err(|_| NoteError::Forged)?;
            signer = signer.or(Some(index));
        }
    }
    signer.map(|index| (text, index)).ok_or(NoteError::Unknown)
}

fn parse_signature(line: &str) -> Option<(&str, [u8; 4], Vec<u8>)> {
    let (name, encoded) = line.strip_prefix(SIGNATURE_PREFIX)?.split_once(' ')?;
    let bytes = STANDARD.decode(encoded).ok()?;
    let (hash, signature) = bytes.split_first_chunk::<4>()?;
    Some((name, *hash, signature.to_vec()))
}

/// C2SP signed-note: the first four bytes of the hash of name, newline, type, and key.
fn key_hash(name: &str, key: &VerifyingKey) -> [u8; 4] {
    let mut hasher = Sha256::default();
    hasher.update(name.as_bytes());
    hasher.update(b"\n");
    hasher.update(&[ED25519_TYPE]);
    hasher.update(key.as_bytes());
    let [a, b, c, d, ..] = hasher.finish();
    [a, b, c, d]
}

/// An em dash and a space; fixed by the format.
const SIGNATURE_PREFIX: &str = "\u{2014} ";

/// Ed25519 in C2SP signed-note.
const ED25519_TYPE: u8 = 0x01;
