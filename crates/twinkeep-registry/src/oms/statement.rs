//! The in-toto statement: which files there are, and their digests.

use std::num::NonZero;

use serde::{Deserialize, Serialize};
use twinkeep_vault::digest::{Sha256, from_hex, to_hex};

use super::{Digests, OmsError};

/// What was signed: files and their digests.
#[derive(Debug)]
pub struct Statement {
    name: String,
    files: Digests,
    digest: [u8; 32],
    serialization: Serialization,
    ignored: Vec<String>,
}

/// How a model becomes a list of digests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Serialization {
    /// Bytes that have a digest of their own; `None` for one digest a file.
    pub shard_size: Option<NonZero<u64>>,
    /// Whether links within the model are followed.
    pub allow_symlinks: bool,
}

#[derive(Serialize, Deserialize)]
struct WireStatement {
    #[serde(rename = "_type")]
    kind: String,
    subject: Vec<WireSubject>,
    #[serde(rename = "predicateType")]
    predicate_type: String,
    predicate: WirePredicate,
}

#[derive(Serialize, Deserialize)]
struct WireSubject {
    name: String,
    digest: WireDigest,
}

#[derive(Serialize, Deserialize)]
struct WireDigest {
    sha256: String,
}

#[derive(Serialize, Deserialize)]
struct WirePredicate {
    serialization: WireSerialization,
    resources: Vec<WireResource>,
}

#[derive(Serialize, Deserialize)]
struct WireSerialization {
    method: String,
    hash_type: String,
    #[serde(default)]
    allow_symlinks: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    shard_size: Option<NonZero<u64>>,
    #[serde(default)]
    ignore_paths: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct WireResource {
    name: String,
    algorithm: String,
    digest: String,
}

#[derive(Deserialize)]
struct WireKind {
    #[serde(rename = "_type")]
    kind: String,
    #[serde(rename = "predicateType")]
    predicate_type: String,
}

#[derive(Deserialize)]
struct WireLegacy {
    subject: Vec<WireLegacySubject>,
}

#[derive(Deserialize)]
struct WireLegacySubject {
    name: String,
    digest: WireDigest,
    annotations: WireLegacyAnnotations,
}

#[derive(Deserialize)]
struct WireLegacyAnnotations {
    actual_hash_algorithm: String,
}

impl Statement {
    /// States the digests of files; there must be at least one.
    pub fn new(name: &str, files: Digests, ignored: Vec<String>) -> Result<Self, OmsError> {
        Self::of(name, files, ignored, Serialization::default())
    }

    /// States the digests of what a serialization made of files; there must be at least one.
    pub(super) fn of(
        name: &str,
        files: Digests,
        ignored: Vec<String>,
        serialization: Serialization,
    ) -> Result<Self, OmsError> {
        if files.is_empty() {
            return Err(OmsError::Folder { problem: "it has no files" });
        }
        let digest = root_digest(files.values());
        Ok(Self { name: name.to_owned(), files, digest, serialization, ignored })
    }

    /// Returns the digest of the whole: SHA-256 of the digests of all files, in the order in which
    /// they are listed.
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// Returns the files and their digests.
    pub fn files(&self) -> &Digests {
        &self.files
    }

    /// Returns the paths that the signer left out.
    pub fn ignored(&self) -> &[String] {
        &self.ignored
    }

    /// Returns how the files became digests.
    pub fn serialization(&self) -> Serialization {
        self.serialization
    }

    /// Returns whether it is about one file that it does not name, as older signers wrote it.
    pub(crate) fn is_of_nameless_file(&self) -> bool {
        self.files.len() == 1 && self.files.contains_key(NAMELESS)
    }

    /// Checks that the files that are there are those that were signed.
    pub fn compare(&self, found: &Digests) -> Result<(), OmsError> {
        self.compare_signed(found)?;
        match found.keys().find(|name| !self.files.contains_key(*name)) {
            Some(name) => Err(OmsError::Unsigned { name: name.clone() }),
            None => Ok(()),
        }
    }

    /// Checks that the files that were signed are there, whatever else is.
    pub(super) fn compare_signed(&self, found: &Digests) -> Result<(), OmsError> {
        for (name, digest) in &self.files {
            match found.get(name) {
                None => return Err(OmsError::Missing { name: name.clone() }),
                Some(other) if other != digest => {
                    return Err(OmsError::Changed { name: name.clone() });
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    pub(super) fn encode(&self) -> Result<Vec<u8>, OmsError> {
        let resource = |(name, digest): (&String, &[u8; 32])| WireResource {
            name: name.clone(),
            algorithm: HASH_TYPE.to_owned(),
            digest: to_hex(digest),
        };
        let predicate = WirePredicate {
            serialization: WireSerialization {
                method: self.method().to_owned(),
                hash_type: HASH_TYPE.to_owned(),
                allow_symlinks: self.serialization.allow_symlinks,
                shard_size: self.serialization.shard_size,
                ignore_paths: self.ignored.clone(),
            },
            resources: self.files.iter().map(resource).collect(),
        };
        let statement = WireStatement {
            kind: STATEMENT_TYPE.to_owned(),
            subject: vec![WireSubject {
                name: self.name.clone(),
                digest: WireDigest { sha256: to_hex(&self.digest()) },
            }],
            predicate_type: PREDICATE_TYPE.to_owned(),
            predicate,
        };
        serde_json::to_vec(&statement).map_err(|_| malformed("it cannot be written"))
    }

    fn method(&self) -> &'static str {
        if self.serialization.shard_size.is_some() { SHARDS } else { FILES }
    }

    pub(super) fn parse(payload: &[u8]) -> Result<Self, OmsError> {
        if is_legacy(payload)? {
            return Self::parse_legacy(payload);
        }
        let wire: WireStatement =
            serde_json::from_slice(payload).map_err(|_| malformed("it is not a statement"))?;
        if wire.kind != STATEMENT_TYPE || wire.predicate_type != PREDICATE_TYPE {
            return Err(malformed("it is not a statement about a model"));
        }
        let [subject] = wire.subject.as_slice() else {
            return Err(malformed("it does not have exactly one subject"));
        };
        let predicate = wire.predicate;
        let serialization = read_serialization(&predicate.serialization)?;
        let mut files = Digests::new();
        let mut listed = Vec::new();
        for resource in predicate.resources {
            let digest = parse_resource(&resource)?;
            listed.push(digest);
            if files.insert(resource.name, digest).is_some() {
                return Err(malformed("a file is listed twice"));
            }
        }
        // The specification sorts names by code point, as `new` does; the reference client sorts
        // them part by part, so that `a/b` comes before `a.b`. Both verify by the listed order.
        let digest = root_digest(&listed);
        if to_hex(&digest) != subject.digest.sha256 {
            return Err(malformed("its subject is not the digest of its files"));
        }
        let ignored = predicate.serialization.ignore_paths;
        Ok(Self { digest, ..Self::of(&subject.name, files, ignored, serialization)? })
    }

    /// Reads the statement of releases before 1.0: each file is a subject.
    pub(super) fn parse_legacy(payload: &[u8]) -> Result<Self, OmsError> {
        if !is_legacy(payload)? {
            return Err(malformed("it is not a statement of that time"));
        }
        let wire: WireLegacy =
            serde_json::from_slice(payload).map_err(|_| malformed("it is not a statement"))?;
        let mut files = Digests::new();
        for subject in wire.subject {
            if subject.annotations.actual_hash_algorithm != LEGACY_HASH_TYPE {
                return Err(OmsError::Unsupported { feature: "a digest other than SHA-256" });
            }
            let digest = parse_digest(&subject.name, &subject.digest.sha256)?;
            if files.insert(subject.name, digest).is_some() {
                return Err(malformed("a file is listed twice"));
            }
        }
        Self::new("", files, Vec::new())
    }
}

fn is_legacy(payload: &[u8]) -> Result<bool, OmsError> {
    let kind: WireKind =
        serde_json::from_slice(payload).map_err(|_| malformed("it is not a statement"))?;
    Ok(kind.kind == STATEMENT_TYPE && kind.predicate_type == LEGACY_PREDICATE_TYPE)
}

fn root_digest<'a>(digests: impl IntoIterator<Item = &'a [u8; 32]>) -> [u8; 32] {
    let mut hasher = Sha256::default();
    for digest in digests {
        hasher.update(digest);
    }
    hasher.finish()
}

fn read_serialization(wire: &WireSerialization) -> Result<Serialization, OmsError> {
    if wire.hash_type != HASH_TYPE {
        return Err(OmsError::Unsupported { feature: "a digest other than SHA-256" });
    }
    let allow_symlinks = wire.allow_symlinks;
    match (wire.method.as_str(), wire.shard_size) {
        (FILES, None) => Ok(Serialization { shard_size: None, allow_symlinks }),
        (SHARDS, Some(size)) => Ok(Serialization { shard_size: Some(size), allow_symlinks }),
        (FILES | SHARDS, _) => Err(malformed("its shards have no size, or its files have one")),
        _ => Err(OmsError::Unsupported { feature: "a serialization other than files and shards" }),
    }
}

fn parse_resource(resource: &WireResource) -> Result<[u8; 32], OmsError> {
    if resource.algorithm != HASH_TYPE {
        return Err(OmsError::Unsupported { feature: "a digest other than SHA-256" });
    }
    parse_digest(&resource.name, &resource.digest)
}

fn parse_digest(name: &str, digest: &str) -> Result<[u8; 32], OmsError> {
    if name != NAMELESS && !path_valid(name) {
        return Err(malformed("the path of a file leaves the folder"));
    }
    from_hex(digest)
        .and_then(|digest| digest.try_into().ok())
        .ok_or(malformed("a digest is malformed"))
}

/// Returns whether a path stays in its folder.
fn path_valid(path: &str) -> bool {
    !path.contains(['\\', '\0'])
        && path.split('/').all(|part| !part.is_empty() && part != "." && part != "..")
}

fn malformed(problem: &'static str) -> OmsError {
    OmsError::Malformed { problem }
}

const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
const PREDICATE_TYPE: &str = "https://model_signing/signature/v1.0";
const FILES: &str = "files";
const SHARDS: &str = "shards";
const HASH_TYPE: &str = "sha256";

/// Releases before 1.0.
const LEGACY_PREDICATE_TYPE: &str = "https://model_signing/Digests/v0.1";
const LEGACY_HASH_TYPE: &str = "file-sha256";

/// What older signers call the file if the model is one file.
const NAMELESS: &str = ".";
