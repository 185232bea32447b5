//! Proofs that hold without the ledger: C2SP tlog-proof@v1, one entry and the way to a signed root.
//!
//! ```text
//! c2sp.org/tlog-proof@v1
//! extra <the entry, base64>
//! index <index of the entry>
//! <hash, base64>
//! …
//!
//! <the signed checkpoint>
//! ```
//!
//! The format leaves `extra` to the application; ours is the entry itself, so that the file and a
//! public key are all that a verifier needs. Nothing in it is believed before it hashes to a leaf
//! that leads to the signed root.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use twinkeep_vault::sign::VerifyingKey;

use crate::checkpoint::parse_decimal;
use crate::tree::{Hash, leaf_hash, verify_inclusion};
use crate::{LedgerError, SignedCheckpoint, stated_origin};

#[cfg(test)]
mod tests;

/// An entry with the proof that a ledger holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The entry.
    pub entry: Vec<u8>,
    /// Its index.
    pub index: u64,
    /// The hashes from the entry to the root, lowest first.
    pub hashes: Vec<Hash>,
    /// The signed checkpoint, verbatim.
    pub note: String,
}

impl Proof {
    /// Returns the proof as text.
    pub fn encode(&self) -> String {
        let extra = STANDARD.encode(&self.entry);
        let mut text = format!("{MAGIC}\nextra {extra}\nindex {}\n", self.index);
        for hash in &self.hashes {
            text.push_str(&STANDARD.encode(hash));
            text.push('\n');
        }
        text.push('\n');
        text.push_str(&self.note);
        text
    }

    /// Reads a proof; says nothing yet about whether it holds.
    pub fn parse(bytes: &[u8]) -> Result<Self, LedgerError> {
        if PROOF_SIZE_MAX < bytes.len() {
            return Err(malformed("it is too long"));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| malformed("it is not UTF-8"))?;
        let cut = malformed("it was cut short");
        let (head, note) = text.split_once("\n\n").ok_or(cut.clone())?;
        let mut lines = head.split('\n');
        if lines.next() != Some(MAGIC) {
            return Err(malformed("its first line is another one"));
        }
        let entry = lines.next().and_then(|line| line.strip_prefix("extra "));
        let entry = entry.ok_or(malformed("it does not carry the entry"))?;
        let entry = STANDARD.decode(entry).map_err(|_| malformed("its entry is not base64"))?;
        let index = lines.next().and_then(|line| line.strip_prefix("index "));
        let index = index.and_then(parse_decimal).ok_or(malformed("its index is malformed"))?;
        let hash = |line: &str| STANDARD.decode(line).ok()?.try_into().ok();
        let hashes: Option<Vec<Hash>> = lines.map(hash).collect();
        let hashes = hashes.ok_or(malformed("one of its hashes is malformed"))?;
        if note.is_empty() {
            return Err(cut);
        }
        Ok(Self { entry, index, hashes, note: note.to_owned() })
    }

    /// Checks that a ledger of this key holds the entry. `origin` is the ledger's name, or `None`
    /// for the one that the checkpoint states: the key has signed it.
    pub fn verify(
        &self,
        origin: Option<&str>,
        key: &VerifyingKey,
    ) -> Result<SignedCheckpoint, LedgerError> {
        let note = self.note.as_bytes();
        let origin = origin.or_else(|| stated_origin(note)).unwrap_or_default();
        let signed = SignedCheckpoint::parse(note, origin, key)?;
        let (leaf, state) = (leaf_hash(&self.entry), signed.checkpoint);
        verify_inclusion(&leaf, self.index, state.size, &state.root, &self.hashes)
            .map_err(|_| LedgerError::Proof { index: self.index })?;
        Ok(signed)
    }
}

fn malformed(reason: &'static str) -> LedgerError {
    LedgerError::ProofFormat { reason }
}

/// The first line; fixed by the format.
const MAGIC: &str = "c2sp.org/tlog-proof@v1";

/// Largest proof, in bytes: the largest entry in base64, 64 hashes, and a note with cosignatures.
const PROOF_SIZE_MAX: usize = 128 * 1024;
