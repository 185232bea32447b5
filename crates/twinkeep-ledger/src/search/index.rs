//! The index of a ledger: one record a full bundle, with its times and a Bloom filter of its words.
//!
//! A record names the tree's hash over its bundle, so that an index of another history is noticed
//! and made anew from where it departs; and it has a checksum, so that a damaged one is.

use std::path::Path;

use twinkeep_vault::digest::sha256;
use twinkeep_vault::files::{PRIVATE_FILE, read_bounded, write_atomic};

use crate::search::{SearchError, decoded, words};
use crate::tile::{TILE_HEIGHT, TILE_WIDTH};
use crate::tree::Hash;
use crate::{Entry, View};

/// What is known of one full bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) first_ms: i64,
    pub(super) last_ms: i64,
    /// The hash over the bundle's 256 leaves.
    node: Hash,
    bloom: Vec<u8>,
}

/// The records of all full bundles, in order.
pub(super) struct Index(Vec<Record>);

impl Index {
    /// Reads the index, drops what does not belong to the ledger, and adds what is missing.
    pub(super) fn up_to_date(path: &Path, view: &View) -> Result<Self, SearchError> {
        let count = view.checkpoint().checkpoint.size / TILE_WIDTH;
        let mut records = read(path, count);
        let nodes = view.nodes(TILE_HEIGHT, count)?;
        let same = records.iter().zip(&nodes).take_while(|(record, node)| record.node == **node);
        let same = same.count();
        records.truncate(same);
        for (bundle, node) in nodes.iter().enumerate().skip(same) {
            let first = bundle as u64 * TILE_WIDTH;
            let entries = decoded(view, first..first + TILE_WIDTH)?;
            records.push(Record::of(*node, entries.iter().map(|found| &found.entry)));
        }
        if same < nodes.len() {
            // It speeds up the next search and no more: a folder that cannot be written is no error.
            let bytes: Vec<u8> = records.iter().flat_map(Record::encode).collect();
            let _ = write_atomic(path, &[MAGIC, &bytes].concat(), PRIVATE_FILE);
        }
        Ok(Self(records))
    }

    /// Returns what is known of a bundle; nothing of the last one, which is not full.
    pub(super) fn record(&self, bundle: u64) -> Option<&Record> {
        self.0.get(usize::try_from(bundle).ok()?)
    }
}

impl Record {
    fn of<'e>(node: Hash, entries: impl Iterator<Item = &'e Entry>) -> Self {
        let bloom = vec![0; BLOOM_SIZE];
        let mut record = Self { first_ms: i64::MAX, last_ms: i64::MIN, node, bloom };
        for entry in entries {
            record.first_ms = record.first_ms.min(entry.time_ms);
            record.last_ms = record.last_ms.max(entry.time_ms);
            for word in words(entry) {
                for bit in bits(&word) {
                    record.bloom[bit / 8] |= 1 << (bit % 8);
                }
            }
        }
        record
    }

    /// Returns whether a word may be in the bundle; if not, it is not.
    pub(super) fn may_have(&self, word: &str) -> bool {
        bits(word).iter().all(|bit| self.bloom[bit / 8] & (1 << (bit % 8)) != 0)
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(RECORD_SIZE);
        bytes.extend_from_slice(&self.first_ms.to_be_bytes());
        bytes.extend_from_slice(&self.last_ms.to_be_bytes());
        bytes.extend_from_slice(&self.node);
        bytes.extend_from_slice(&self.bloom);
        let checksum = sha256(&bytes);
        bytes.extend_from_slice(&checksum[..CHECKSUM_SIZE]);
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (content, checksum) = bytes.split_at_checked(RECORD_SIZE - CHECKSUM_SIZE)?;
        if sha256(content)[..CHECKSUM_SIZE] != *checksum {
            return None;
        }
        let (first, rest) = content.split_first_chunk()?;
        let (last, rest) = rest.split_first_chunk()?;
        let (node, bloom) = rest.split_first_chunk()?;
        Some(Self {
            first_ms: i64::from_be_bytes(*first),
            last_ms: i64::from_be_bytes(*last),
            node: *node,
            bloom: bloom.to_vec(),
        })
    }
}

/// Returns the records of a file, up to the first that is damaged; none if it is not an index.
fn read(path: &Path, count: u64) -> Vec<Record> {
    let size_max = MAGIC.len() as u64 + count.saturating_add(1) * RECORD_SIZE as u64;
    let bytes = read_bounded(path, size_max).unwrap_or_default();
    let records = bytes.strip_prefix(MAGIC).unwrap_or_default().chunks(RECORD_SIZE);
    records.map_while(Record::decode).collect()
}

/// Returns the places of a word in a filter.
fn bits(word: &str) -> [usize; BIT_COUNT] {
    let digest = sha256(word.as_bytes());
    std::array::from_fn(|at| {
        let pair = [digest[2 * at], digest[2 * at + 1]];
        usize::from(u16::from_be_bytes(pair)) % (8 * BLOOM_SIZE)
    })
}

const MAGIC: &[u8] = b"twinkeep ledger index v1\n";

/// A bundle has at most some 300 words (256 people, a few actors and actions); with 14 bits each,
/// one bundle in a thousand is read in vain.
const BLOOM_SIZE: usize = 512;

/// The best number for 14 bits a word is 9.6; fewer are nearly as good and cheaper.
const BIT_COUNT: usize = 7;

/// Finds damage, not malice: whoever can write the index can compute it.
const CHECKSUM_SIZE: usize = 8;

const RECORD_SIZE: usize = 8 + 8 + 32 + BLOOM_SIZE + CHECKSUM_SIZE;
