//! The journal: batches that are durable before their tiles are.
//!
//! A batch is one record, written into a file whose blocks are there already: making it durable
//! takes one sync of data, where the tiles, their names, and the checkpoint take several, one
//! after another. The record holds all that the batch adds: its entries, and the signed checkpoint
//! over them. From it, the tiles are finished after a crash; once they are durable themselves, the
//! journal is filled with zeros again.
//!
//! There are two, which take turns: while one is being emptied, the other takes records. Their
//! records are one history: the one goes on where the other ends, or the other is being emptied.
//!
//! # Format
//!
//! Records follow each other from the first byte; the rest of the file is zeros.
//!
//! | bytes | content |
//! |---|---|
//! | 8 | `twkjrnl1` |
//! | 4 | length of the body, big-endian |
//! | 8, 32 | size and root of the tree before the batch |
//! | 4, … | length of the signed checkpoint, and itself |
//! | … | the entries, each as two bytes of length and itself |
//! | 32 | SHA-256 of all that |
//!
//! # Invariants
//!
//! - A record counts when it is whole, follows from the one before it, and its entries lead to the
//!   root that its checkpoint signs.
//! - The journals never end before the checkpoint on disk, unless they are just being emptied.

use std::path::Path;

use twinkeep_vault::digest::sha256;
use twinkeep_vault::sign::VerifyingKey;

use crate::disk::read_limited;
use crate::edge::{Edge, TileFile};
use crate::tile::{TileId, decode_all_entries, push_entry};
use crate::view::Tiles;
use crate::{Checkpoint, LedgerError, SignedCheckpoint};

#[cfg(test)]
mod tests;

/// One batch.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// The tree before it.
    pub(crate) base: Checkpoint,
    /// The signed checkpoint after it.
    pub(crate) note: Vec<u8>,
    pub(crate) entries: Vec<Vec<u8>>,
}

/// What a journal holds.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    pub(crate) records: Vec<Record>,
    /// Whether nothing but zeros follows the records.
    pub(crate) clean: bool,
    /// Length of the file; `None` if there is none.
    pub(crate) length: Option<u64>,
}

/// Both journals of a ledger.
#[derive(Debug, Default)]
pub(crate) struct Journals([Journal; 2]);

/// What journals make of the tiles before them.
#[derive(Debug)]
pub(crate) struct Replayed {
    pub(crate) edge: Edge,
    /// The partial tiles before the first record.
    pub(crate) base: Vec<TileId>,
    /// The states between the records, from before the first to after the last.
    pub(crate) ends: Vec<Checkpoint>,
    /// The files of the tree that the records made or changed.
    pub(crate) files: Vec<TileFile>,
}

impl Journal {
    fn read(path: &Path) -> Result<Self, LedgerError> {
        match read_limited(path, JOURNAL_SIZE_MAX) {
            Ok(bytes) => Ok(Self { length: Some(bytes.len() as u64), ..Self::decode(&bytes) }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Ok(Self { clean: true, ..Self::default() })
            }
            Err(error) => Err(LedgerError::io("read the ledger's journal", error)),
        }
    }

    pub(crate) fn decode(bytes: &[u8]) -> Self {
        let mut rest = bytes;
        let mut records = Vec::new();
        while let Some((record, after)) = decode(rest) {
            records.push(record);
            rest = after;
        }
        Self { records, clean: rest.iter().all(|byte| *byte == 0), length: None }
    }

    /// Returns whether there is nothing in it at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.records.is_empty() && self.clean
    }

    fn end(
        &self,
        origin: &str,
        key: &VerifyingKey,
    ) -> Result<Option<SignedCheckpoint>, LedgerError> {
        let last = self.records.last();
        last.map(|last| SignedCheckpoint::parse(&last.note, origin, key)).transpose()
    }
}

impl Journals {
    /// Reads the journals of the ledger in `dir`; a missing one is empty.
    pub(crate) fn read(dir: &Path) -> Result<Self, LedgerError> {
        let [one, other] = JOURNAL_FILES.map(|name| Journal::read(&dir.join(name)));
        Ok(Self([one?, other?]))
    }

    /// Returns them with the names of their files.
    pub(crate) fn named(&self) -> impl Iterator<Item = (&'static str, &Journal)> {
        JOURNAL_FILES.into_iter().zip(&self.0)
    }

    /// Returns whether there is nothing in them at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.iter().all(Journal::is_empty)
    }

    /// Returns the history that they hold: the journal that goes farthest, and before it the other,
    /// if that leads up to it. Where it does not, it is being emptied, and its tiles are durable.
    pub(crate) fn history(
        &self,
        origin: &str,
        key: &VerifyingKey,
    ) -> Result<History<'_>, LedgerError> {
        let [one, other] = &self.0;
        let ends = (one.end(origin, key)?, other.end(origin, key)?);
        let size = |end: &Option<SignedCheckpoint>| end.as_ref().map(|end| end.checkpoint.size);
        // `None` is less than any size.
        let (old, old_end, new, end) = match size(&ends.0) <= size(&ends.1) {
            true => (one, ends.0, other, ends.1),
            false => (other, ends.1, one, ends.0),
        };
        let goes_on = |end: &SignedCheckpoint| {
            new.records.first().is_some_and(|first| first.base == end.checkpoint)
        };
        let leads_up = old_end.as_ref().is_some_and(goes_on);
        let before: &[Record] = if leads_up { &old.records } else { &[] };
        let records = before.iter().chain(&new.records).collect();
        Ok(History { records, end, whole: leads_up || old.is_empty() })
    }

    /// Checks every byte of the journals against the checkpoint beside them.
    pub(crate) fn check(
        &self,
        dir: &Path,
        origin: &str,
        signed: &SignedCheckpoint,
        key: &VerifyingKey,
    ) -> Result<(), LedgerError> {
        for (name, journal) in self.named() {
            if !journal.clean {
                return Err(broken(name, "cut short or changed"));
            }
        }
        let history = self.history(origin, key)?;
        if !history.whole {
            return Err(broken(JOURNAL_FILE, "not one history with the other journal"));
        }
        let Some(replayed) = history.replay(dir, origin, key)? else { return Ok(()) };
        let size = signed.checkpoint.size;
        if replayed.ends.last().is_some_and(|last| last.size < size) {
            return Err(broken(JOURNAL_FILE, "older than the checkpoint"));
        }
        let agrees = replayed.ends.contains(&signed.checkpoint);
        if agrees { Ok(()) } else { Err(LedgerError::Rewritten { size }) }
    }
}

/// What the journals hold, in order.
#[derive(Debug)]
pub(crate) struct History<'a> {
    records: Vec<&'a Record>,
    /// The checkpoint that it ends with; `None` if it has no records.
    pub(crate) end: Option<SignedCheckpoint>,
    /// Whether it is all that they hold.
    pub(crate) whole: bool,
}

impl History<'_> {
    /// Grows the tree from the tiles before the first record, and checks each record on the way;
    /// `None` if there is none.
    pub(crate) fn replay(
        &self,
        dir: &Path,
        origin: &str,
        key: &VerifyingKey,
    ) -> Result<Option<Replayed>, LedgerError> {
        let Some(first) = self.records.first() else { return Ok(None) };
        let mut edge = Edge::load(&mut Tiles::new(dir, first.base.size), &first.base)?;
        let base = edge.partial_ids();
        let (mut ends, mut files) = (vec![first.base], Vec::new());
        for record in &self.records {
            if record.base != edge.checkpoint() {
                return Err(broken(JOURNAL_FILE, "not one history"));
            }
            files.extend(edge.append(&record.entries));
            files.retain(|file| !file.id.is_partial());
            let signed = SignedCheckpoint::parse(&record.note, origin, key)?;
            if signed.checkpoint != edge.checkpoint() {
                return Err(broken(JOURNAL_FILE, "not what its checkpoints sign"));
            }
            ends.push(signed.checkpoint);
        }
        files.extend(edge.partial_files());
        files.retain(|file| !base.contains(&file.id));
        Ok(Some(Replayed { edge, base, ends, files }))
    }
}

/// Writes a batch as a record.
pub(crate) fn encode(base: &Checkpoint, note: &str, entries: &[Vec<u8>]) -> Vec<u8> {
    let length: usize = entries.iter().map(|entry| 2 + entry.len()).sum();
    let body = 8 + 32 + 4 + note.len() + length;
    let mut record = Vec::with_capacity(HEAD_LEN + body + DIGEST_LEN);
    record.extend_from_slice(MAGIC);
    // A record that does not fit the journal is never written; a larger one has no length.
    record.extend_from_slice(&u32::try_from(body).unwrap_or(u32::MAX).to_be_bytes());
    record.extend_from_slice(&base.size.to_be_bytes());
    record.extend_from_slice(&base.root);
    record.extend_from_slice(&(note.len() as u32).to_be_bytes());
    record.extend_from_slice(note.as_bytes());
    for entry in entries {
        push_entry(&mut record, entry);
    }
    let digest = sha256(&record);
    record.extend_from_slice(&digest);
    record
}

/// Reads the first record, and returns what follows it.
fn decode(bytes: &[u8]) -> Option<(Record, &[u8])> {
    let length = bytes.strip_prefix(MAGIC)?.first_chunk::<4>()?;
    let end = HEAD_LEN.checked_add(u32::from_be_bytes(*length) as usize)?;
    let (checked, after) = bytes.split_at_checked(end)?;
    let (digest, after) = after.split_first_chunk::<DIGEST_LEN>()?;
    if sha256(checked) != *digest {
        return None;
    }
    let (size, body) = checked.get(HEAD_LEN..)?.split_first_chunk::<8>()?;
    let (root, body) = body.split_first_chunk::<32>()?;
    let (length, body) = body.split_first_chunk::<4>()?;
    let (note, entries) = body.split_at_checked(u32::from_be_bytes(*length) as usize)?;
    let base = Checkpoint { size: u64::from_be_bytes(*size), root: *root };
    let entries = decode_all_entries(entries)?;
    Some((Record { base, note: note.to_vec(), entries }, after))
}

fn broken(name: &str, problem: &'static str) -> LedgerError {
    LedgerError::Tile { path: name.to_owned(), problem }
}

/// Names the journals in the ledger's folder.
pub const JOURNAL_FILES: [&str; 2] = [JOURNAL_FILE, "journal-2"];

const JOURNAL_FILE: &str = "journal";

/// Begins each record.
const MAGIC: &[u8; 8] = b"twkjrnl1";

const HEAD_LEN: usize = MAGIC.len() + 4;

const DIGEST_LEN: usize = 32;

/// Largest journal that is read: far more than any version of this program makes.
const JOURNAL_SIZE_MAX: u64 = 64 << 20;
