//! The in-toto statement: which files there are, and their digests.

use serde::{Deserialize, Serialize};
use twinkeep_vault::digest::{Sha256, from_hex, to_hex};

use super::{Digests, OmsError};

/// What was signed: files and their digests.
#[derive(Debug)]
pub struct Statement {
    name: String,
    files: Digests,
    digest: [u8; 32],
    ignored: Vec<String>,
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
    #[serde(default)]
    ignore_paths: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct WireResource {
    name: String,
    algorithm: String,
    digest: String,
}

impl Statement {
    /// States the digests of files; there must be at least one.
    pub fn new(name: &str, files: Digests, ignored: Vec<String>) -> Result<Self, OmsError> {
        if files.is_empty() {
            return Err(OmsError::Folder { problem: "it has no files" });
        }
        let digest = root_digest(files.values());
        Ok(Self { name: name.to_owned(), files, digest, ignored })
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

    /// Checks that the files that are there are those that were signed.
    pub fn compare(&self, found: &Digests) -> Result<(), OmsError> {
        for (name, digest) in &self.files {
            match found.get(name) {
                None => return Err(OmsError::Missing { name: name.clone() }),
                Some(other) if other != digest => {
                    return Err(OmsError::Changed { name: name.clone() });
                }
                Some(_) => {}
            }
        }
        match found.keys().find(|name| !self.files.contains_key(*name)) {
            Some(name) => Err(OmsError::Unsigned { name: name.clone() }),
            None => Ok(()),
        }
    }

    pub(super) fn encode(&self) -> Result<Vec<u8>, OmsError> {
        let resource = |(name, digest): (&String, &[u8; 32])| WireResource {
            name: name.clone(),
            algorithm: HASH_TYPE.to_owned(),
            digest: to_hex(digest),
        };
        let predicate = WirePredicate {
            serialization: WireSerialization {
                method: METHOD.to_owned(),
                hash_type: HASH_TYPE.to_owned(),
                allow_symlinks: false,
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

    pub(super) fn parse(payload: &[u8]) -> Result<Self, OmsError> {
        let wire: WireStatement =
            serde_json::from_slice(payload).map_err(|_| malformed("it is not a statement"))?;
        if wire.kind != STATEMENT_TYPE || wire.predicate_type != PREDICATE_TYPE {
            return Err(malformed("it is not a statement about a model"));
        }
        let [subject] = wire.subject.as_slice() else {
            return Err(malformed("it does not have exactly one subject"));
        };
        let predicate = wire.predicate;
        check_serialization(&predicate.serialization)?;
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
        Ok(Self { digest, ..Self::new(&subject.name, files, ignored)? })
    }
}

fn root_digest<'a>(digests: impl IntoIterator<Item = &'a [u8; 32]>) -> [u8; 32] {
    let mut hasher = Sha256::default();
    for digest in digests {
        hasher.update(digest);
    }
    hasher.finish()
}

fn check_serialization(serialization: &WireSerialization) -> Result<(), OmsError> {
    let unsupported = |feature| Err(OmsError::Unsupported { feature });
    if serialization.method != METHOD {
        return unsupported("a serialization other than files");
    }
    if serialization.hash_type != HASH_TYPE {
        return unsupported("a digest other than SHA-256");
    }
    if serialization.allow_symlinks {
        return unsupported("symbolic links");
    }
    Ok(())
}

fn parse_resource(resource: &WireResource) -> Result<[u8; 32], OmsError> {
    if resource.algorithm != HASH_TYPE {
        return Err(OmsError::Unsupported { feature: "a digest other than SHA-256" });
    }
    if !path_valid(&resource.name) {
        return Err(malformed("the path of a file leaves the folder"));
    }
    from_hex(&resource.digest)
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
const METHOD: &str = "files";
const HASH_TYPE: &str = "sha256";
