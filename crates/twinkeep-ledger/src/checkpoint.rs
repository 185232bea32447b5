//! Checkpoints: the size and the root hash of the tree, as a signed note.
//!
//! The text is C2SP tlog-checkpoint, the signature C2SP signed-note with Ed25519 (type 0x01):
//!
//! ```text
//! <origin>
//! <size>
//! <root, base64>
//!
//! — <origin> <base64 of 4 bytes of key id and the signature>
//! ```

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use twinkeep_vault::digest::Sha256;
use twinkeep_vault::sign::{SigningKey, VerifyingKey};

use crate::LedgerError;
use crate::tree::{Hash, empty_root};

#[cfg(test)]
mod tests;

/// The state of a ledger: how many entries, and the hash that commits to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// How many entries are covered.
    pub size: u64,
    /// The root of the tree over them.
    pub root: Hash,
}

/// A checkpoint with its signature, as it lies on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedCheckpoint {
    /// What it states.
    pub checkpoint: Checkpoint,
    /// The signed note.
    pub note: String,
}

impl Checkpoint {
    /// Returns the state of a ledger without entries.
    pub fn empty() -> Self {
        Self { size: 0, root: empty_root() }
    }

    /// Signs this state.
    pub fn sign(&self, origin: &str, key: &SigningKey) -> SignedCheckpoint {
        let text = format!("{origin}\n{}\n{}\n", self.size, STANDARD.encode(self.root));
        let mut signature = key_hash(origin, &key.verifying_key()).to_vec();
        signature.extend_from_slice(&key.sign(text.as_bytes()));
        let note = format!("{text}\n{SIGNATURE_PREFIX}{origin} {}\n", STANDARD.encode(signature));
        SignedCheckpoint { checkpoint: *self, note }
    }
}

impl SignedCheckpoint {
    /// Reads a signed note and checks that `key` signed it for `origin`.
    ///
    /// Signatures of other keys (witnesses) are passed over; one by this name and key must hold.
    pub fn parse(note: &[u8], origin: &str, key: &VerifyingKey) -> Result<Self, LedgerError> {
        let note = std::str::from_utf8(note).map_err(|_| refuse("it is not UTF-8"))?;
        if note.len() > NOTE_SIZE_MAX {
            return Err(refuse("it is too long"));
        }
        let (text, signatures) = split_note(note).ok_or(refuse("it has no signature"))?;
        let checkpoint = parse_text(text, origin)?;
        let wanted = key_hash(origin, key);
        let mut signed = false;
        if !signatures.ends_with('\n') {
            return Err(refuse("it was cut short"));
        }
        for line in signatures.lines() {
            let (name, id, signature) =
                parse_signature(line).ok_or(refuse("a signature line is malformed"))?;
            if name == origin && id == wanted {
                key.verify(text.as_bytes(), &signature)
                    .map_err(|_| refuse("its signature does not hold"))?;
                signed = true;
            }
        }
        if signed {
            Ok(Self { checkpoint, note: note.to_owned() })
        } else {
            Err(refuse("it is not signed by the ledger's key"))
        }
    }
}

/// Returns whether `origin` can name a ledger: what a signed note takes as the name of a key.
pub fn origin_valid(origin: &str) -> bool {
    !origin.is_empty()
        && origin.len() <= ORIGIN_LEN_MAX
        && !origin.contains(|c: char| c.is_whitespace() || c.is_control() || c == '+')
}

/// Returns the name of the ledger that a note says it is of; nobody has checked that.
pub fn stated_origin(note: &[u8]) -> Option<&str> {
    let line = note.split(|&byte| byte == b'\n').next()?;
    std::str::from_utf8(line).ok().filter(|origin| origin_valid(origin))
}

fn parse_text(text: &str, origin: &str) -> Result<Checkpoint, LedgerError> {
    let mut lines = text.split('\n');
    if lines.next() != Some(origin) {
        return Err(refuse("it is of another ledger"));
    }
    let size = lines.next().and_then(parse_decimal).ok_or(refuse("its size is malformed"))?;
    let root = lines.next().and_then(|line| STANDARD.decode(line).ok());
    let root: Hash =
        root.and_then(|root| root.try_into().ok()).ok_or(refuse("its root is malformed"))?;
    if size == 0 && root != empty_root() {
        return Err(refuse("its root is not that of an empty ledger"));
    }
    // Extension lines may follow: they are signed, and mean nothing to us.
    Ok(Checkpoint { size, root })
}

/// Reads a number that has exactly one spelling.
pub(crate) fn parse_decimal(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let canonical = text == "0" || !text.starts_with('0');
    (digits && canonical).then(|| text.parse().ok())?
}

/// Parts a note into its text, with the line break at its end, and its signatures.
pub(crate) fn split_note(note: &str) -> Option<(&str, &str)> {
    note.rfind("\n\n").map(|at| (&note[..=at], &note[at + 2..]))
}

pub(crate) fn parse_signature(line: &str) -> Option<(&str, [u8; 4], Vec<u8>)> {
    let (name, encoded) = line.strip_prefix(SIGNATURE_PREFIX)?.split_once(' ')?;
    let bytes = STANDARD.decode(encoded).ok()?;
    let (id, signature) = bytes.split_first_chunk::<4>()?;
    Some((name, *id, signature.to_vec()))
}

fn key_hash(origin: &str, key: &VerifyingKey) -> [u8; 4] {
    key_id(origin, ED25519_TYPE, key)
}

/// Returns the id of a key in a signed note (C2SP): the first four bytes of the hash of its name,
/// a newline, the type of its signatures, and itself.
pub fn key_id(name: &str, kind: u8, key: &VerifyingKey) -> [u8; 4] {
    let mut hasher = Sha256::default();
    hasher.update(name.as_bytes());
    hasher.update(b"\n");
    hasher.update(&[kind]);
    hasher.update(key.as_bytes());
    let digest = hasher.finish();
    [digest[0], digest[1], digest[2], digest[3]]
}

fn refuse(reason: &'static str) -> LedgerError {
    LedgerError::Checkpoint { reason }
}

/// An em dash and a space; fixed by the format.
const SIGNATURE_PREFIX: &str = "\u{2014} ";

/// Ed25519 in C2SP signed-note.
const ED25519_TYPE: u8 = 0x01;

/// Longest origin, in bytes: a host name has at most 253, and a path may follow.
const ORIGIN_LEN_MAX: usize = 512;

/// Largest checkpoint, in bytes: sixteen cosignatures need 4 KiB.
const NOTE_SIZE_MAX: usize = 64 * 1024;
