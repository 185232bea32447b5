//! Runs every vector of `conformance/sealed-feed/`.
//!
//! A vector is a JSON file that says which bytes make the feed, who opens it, what that receiver
//! remembers, and what must come of it. The README there tells the fields.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::{content, generate, read_all};
use crate::SecretKey;
use crate::digest::{from_hex, to_hex};
use crate::identity::{Identity, Kem, PublicIdentity};
use crate::sealed_feed::{Expectation, FeedReader, Gaps, LastFeed};

/// One vector.
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Vector {
    pub(super) about: String,
    pub(super) expect: String,
    pub(super) recipient: String,
    pub(super) senders: Vec<String>,
    pub(super) last: Option<Last>,
    pub(super) gaps: String,
    pub(super) parts: Vec<Part>,
    pub(super) released_len: usize,
    pub(super) manifest: Option<String>,
}

/// What the receiver remembers.
#[derive(Clone, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Last {
    pub(super) sequence: u64,
    pub(super) manifest: String,
}

/// A piece of the feed: a run of bytes of a file, or bytes in hexadecimal.
#[derive(Clone, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Part {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) file: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) from: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) to: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) hex: Option<String>,
}

/// A private key that everybody knows.
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TestKey {
    pub(super) about: String,
    pub(super) name: String,
    pub(super) signing_seed: String,
    pub(super) xwing_seed: Option<String>,
    pub(super) x25519_private: String,
    pub(super) signing_key_id: String,
    pub(super) sealing_key_id: String,
}

#[test]
fn every_vector_comes_out_as_it_says() {
    if std::env::var_os("UPDATE_CONFORMANCE").is_some() {
        generate::write_all(&root());
    }
    let mut used = BTreeSet::new();
    let mut codes = BTreeSet::new();
    for folder in ["valid", "invalid"] {
        for path in files(&root().join(folder), "json") {
            let vector: Vector = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            assert_eq!(folder == "valid", vector.expect == "opens", "{}", path.display());
            check(&path, &vector, &mut used);
            codes.insert(vector.expect);
        }
    }
    for folder in ["valid", "invalid"] {
        for path in files(&root().join(folder), "sealed") {
            assert!(used.contains(&path), "{} is not used by a vector", path.display());
        }
    }
    for code in CODES {
        assert!(codes.contains(*code), "no vector shows {code}");
    }
}

fn check(path: &Path, vector: &Vector, used: &mut BTreeSet<PathBuf>) {
    let name = path.display();
    let feed = assemble(path, &vector.parts, used);
    let recipient = identity(&vector.recipient);
    let senders: Vec<PublicIdentity> =
        vector.senders.iter().map(|sender| identity(sender).public().clone()).collect();
    let last = vector.last.as_ref().map(|last| LastFeed {
        sequence: last.sequence,
        manifest: from_hex(&last.manifest).unwrap().try_into().unwrap(),
    });
    let gaps = match vector.gaps.as_str() {
        "allow" => Gaps::Allow,
        other => {
            assert_eq!(other, "refuse", "{name}");
            Gaps::Refuse
        }
    };
    let input: Box<dyn Read + Send> = Box::new(std::io::Cursor::new(feed.clone()));
    let expectation = Expectation { last, gaps };
    let (released, end) = read_all(FeedReader::open(input, &recipient, &senders, &expectation));
    match end {
        Ok(manifest) => {
            assert_eq!(vector.expect, "opens", "{name}");
            assert_eq!(vector.manifest, Some(to_hex(&manifest.digest)), "{name}");
        }
        Err(error) => assert_eq!(vector.expect, error.code(), "{name}"),
    }
    assert_eq!(released.len(), vector.released_len, "{name}");
    assert!(released == content(vector.released_len), "{name}");
}

fn assemble(path: &Path, parts: &[Part], used: &mut BTreeSet<PathBuf>) -> Vec<u8> {
    let mut feed = Vec::new();
    for part in parts {
        if let Some(hex) = &part.hex {
            feed.extend(from_hex(hex).unwrap());
        }
        if let Some(file) = &part.file {
            let file = path.parent().unwrap().join(file).canonicalize().unwrap();
            let bytes = fs::read(&file).unwrap();
            let to = part.to.unwrap_or(bytes.len());
            feed.extend_from_slice(&bytes[part.from.unwrap_or(0)..to]);
            used.insert(file);
        }
    }
    feed
}

/// Reads a test key.
pub(super) fn identity(name: &str) -> Identity {
    let path = root().join("keys").join(format!("{name}.test-key.json"));
    let key: TestKey = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let secret = |hex: &str| SecretKey::from_slice(&from_hex(hex).unwrap()).unwrap();
    let mut sealing = Vec::new();
    if let Some(xwing) = &key.xwing_seed {
        sealing.push((Kem::XWing, secret(xwing)));
    }
    sealing.push((Kem::X25519, secret(&key.x25519_private)));
    let identity = Identity::from_secrets(name, &secret(&key.signing_seed), sealing).unwrap();
    assert_eq!(identity.public().key_id(), key.signing_key_id);
    assert_eq!(identity.public().sealing().unwrap().key_id(), key.sealing_key_id);
    identity
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path().canonicalize().unwrap())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../conformance/sealed-feed")
}

/// Every way to be refused but `feed-io`, which no file can show.
const CODES: &[&str] = &[
    "feed-chunk-altered",
    "feed-forked",
    "feed-gap",
    "feed-header-altered",
    "feed-header-malformed",
    "feed-key-commitment",
    "feed-key-unwrap",
    "feed-not-sealed",
    "feed-reordered",
    "feed-replayed",
    "feed-segment-forged",
    "feed-segment-malformed",
    "feed-trailing-data",
    "feed-truncated",
    "feed-unknown-sender",
    "feed-version-unknown",
    "feed-wrong-recipient",
];
