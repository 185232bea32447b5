//! Cosignatures: a witness states that a checkpoint continues all that it has seen of a ledger.
//!
//! C2SP tlog-cosignature with Ed25519 (type 0x04): a further signature line of the checkpoint, over
//! the time and the checkpoint's text. What a witness is sent is C2SP tlog-witness: the size that it
//! has seen, the proof that the new checkpoint continues it, and the new checkpoint.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use twinkeep_vault::sign::{SigningKey, VerifyingKey};

use crate::checkpoint::{key_id, parse_decimal, parse_signature, split_note};
use crate::tree::Hash;
use crate::{LedgerError, SignedCheckpoint};

#[cfg(test)]
mod tests;

/// What a witness is sent (C2SP tlog-witness, `add-checkpoint`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WitnessRequest {
    /// How many entries the ledger had when the witness last saw it.
    pub old_size: u64,
    /// The proof that the checkpoint continues that.
    pub hashes: Vec<Hash>,
    /// The new checkpoint, verbatim.
    pub note: String,
}

impl WitnessRequest {
    /// Returns the request as text.
    pub fn encode(&self) -> String {
        let mut text = format!("old {}\n", self.old_size);
        for hash in &self.hashes {
            text.push_str(&STANDARD.encode(hash));
            text.push('\n');
        }
        format!("{text}\n{}", self.note)
    }

    /// Reads a request; says nothing yet about whether it holds.
    pub fn parse(bytes: &[u8]) -> Result<Self, LedgerError> {
        let malformed = |reason| LedgerError::ProofFormat { reason };
        if REQUEST_SIZE_MAX < bytes.len() {
            return Err(malformed("it is too long"));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| malformed("it is not UTF-8"))?;
        let (head, note) = text.split_once("\n\n").ok_or(malformed("it was cut short"))?;
        let mut lines = head.split('\n');
        let old_size = lines.next().and_then(|line| line.strip_prefix("old "));
        let old_size =
            old_size.and_then(parse_decimal).ok_or(malformed("its old size is malformed"))?;
        let hash = |line: &str| STANDARD.decode(line).ok()?.try_into().ok();
        let hashes: Option<Vec<Hash>> = lines.map(hash).collect();
        let hashes = hashes.filter(|hashes| hashes.len() <= HASH_COUNT_MAX);
        let hashes = hashes.ok_or(malformed("one of its hashes is malformed"))?;
        Ok(Self { old_size, hashes, note: note.to_owned() })
    }
}

/// Cosigns a checkpoint; returns the signature line. `seconds` is the time, since 1970.
pub fn cosign(signed: &SignedCheckpoint, name: &str, key: &SigningKey, seconds: u64) -> String {
    let text = split_note(&signed.note).map(|(text, _)| text).unwrap_or_default();
    let mut bytes = key_id(name, COSIGNATURE_TYPE, &key.verifying_key()).to_vec();
    bytes.extend_from_slice(&seconds.to_be_bytes());
    bytes.extend_from_slice(&key.sign(message(seconds, text).as_bytes()));
    format!("\u{2014} {name} {}\n", STANDARD.encode(bytes))
}

/// Returns when a witness cosigned a checkpoint (seconds since 1970); `None` if it did not, or if
/// a signature under its name and key does not hold.
pub fn cosigned_at(note: &str, name: &str, key: &VerifyingKey) -> Option<u64> {
    let (text, signatures) = split_note(note)?;
    let wanted = key_id(name, COSIGNATURE_TYPE, key);
    let mut newest = None;
    for line in signatures.lines() {
        let (found, id, signature) = parse_signature(line)?;
        if found == name && id == wanted {
            let (time, signature) = signature.split_first_chunk::<8>()?;
            let seconds = u64::from_be_bytes(*time);
            key.verify(message(seconds, text).as_bytes(), signature).ok()?;
            newest = newest.max(Some(seconds));
        }
    }
    newest
}

fn message(seconds: u64, text: &str) -> String {
    format!("cosignature/v1\ntime {seconds}\n{text}")
}

/// Ed25519 cosignatures in C2SP signed-note.
pub const COSIGNATURE_TYPE: u8 = 0x04;

/// Fixed by the format: a tree of 2^63 leaves needs no more.
const HASH_COUNT_MAX: usize = 63;

/// Largest request, in bytes: 63 hashes and the largest checkpoint.
const REQUEST_SIZE_MAX: usize = 72 * 1024;
