//! OpenSSF Model Signing v1.0: one signature over all files of a folder.
//!
//! The files are listed with their SHA-256 digests in an in-toto statement; the statement is
//! signed in a DSSE envelope; the envelope lies in a Sigstore bundle. There are the *key* and the
//! *certificate* method, with ECDSA on three curves, and the *files* and *shards* serializations.
//!
//! # Invariants
//!
//! - The bytes that were signed are the bytes that are read: a payload is never written again
//!   before it is checked.
//! - A file that is not in the statement is refused, and so is a link.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use twinkeep_vault::chain::{ChainError, Revocations};
#[cfg(test)]
use twinkeep_vault::ecdsa::EcdsaKey;

mod bundle;
mod dsse;
mod folder;
mod legacy;
mod statement;

#[cfg(test)]
mod tests;

pub use bundle::{Bundle, Signer, Trust};
pub(crate) use dsse::{disclose, enclose, pae};
pub(crate) use folder::NO_FOLLOW;
use folder::Scope;
pub use statement::{Serialization, Statement};

/// SHA-256 digests of files, by path relative to the folder, with `/`.
pub type Digests = BTreeMap<String, [u8; 32]>;

/// Why a signature over a folder does not hold.
#[derive(Debug, thiserror::Error)]
pub enum OmsError {
    /// The bundle, its envelope, or its statement does not have the shape that v1.0 asks for.
    #[error("the signature is malformed: {problem}")]
    Malformed {
        /// What is wrong.
        problem: &'static str,
    },
    /// Something that v1.0 permits and this does not do.
    #[error("the signature uses {feature}, which is not supported")]
    Unsupported {
        /// What it uses.
        feature: &'static str,
    },
    /// It is to be verified by a key and has certificates, or the other way round.
    #[error("the signature names its signer in another way than it is to be verified by")]
    Method,
    /// The certificate is not that of the key.
    #[error("the first certificate is not that of the signing key")]
    Signer,
    /// The certificate of the signer is not believed.
    #[error("the certificate of the signer does not hold")]
    Certificate {
        /// Why.
        source: ChainError,
    },
    /// The key of the signer was withdrawn.
    #[error("the key that signed it was revoked")]
    Revoked,
    /// The signature was made by another key or over other bytes.
    #[error("the signature was not made by this key over this statement")]
    Signature,
    /// Nothing shows who made it.
    #[error("{}", unproven(*signed))]
    Unproven {
        /// Whether there is a signature, which nobody was named to have made.
        signed: bool,
    },
    /// A file is not what was signed.
    #[error("file `{name}` was changed after it was signed")]
    Changed {
        /// Which one.
        name: String,
    },
    /// A file that was signed is not there.
    #[error("file `{name}` is missing")]
    Missing {
        /// Which one.
        name: String,
    },
    /// A file is there that was not signed.
    #[error("file `{name}` was not signed")]
    Unsigned {
        /// Which one.
        name: String,
    },
    /// The folder has no files, a link, or something else that cannot be signed.
    #[error("the folder cannot be signed or verified: {problem}")]
    Folder {
        /// What is wrong.
        problem: &'static str,
    },
    /// The file system failed.
    #[error("cannot read the folder")]
    Io {
        /// What the system said.
        source: std::io::Error,
    },
}

impl OmsError {
    /// The permanent name of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "model-signature-malformed",
            Self::Unsupported { .. } => "model-signature-unsupported",
            Self::Method => "model-signature-method",
            Self::Signer => "model-signer",
            Self::Certificate { source } => source.code(),
            Self::Revoked => "model-signer-revoked",
            Self::Signature => "model-signature-wrong",
            Self::Unproven { signed: true } => "model-signer-unknown",
            Self::Unproven { signed: false } => "model-unsigned",
            Self::Changed { .. } => "model-file-changed",
            Self::Missing { .. } => "model-file-missing",
            Self::Unsigned { .. } => "model-file-unsigned",
            Self::Folder { .. } => "model-folder",
            Self::Io { .. } => "model-read",
        }
    }
}

fn unproven(signed: bool) -> &'static str {
    match signed {
        true => "it is signed, and nobody was named whose signature is believed",
        false => "it is not signed",
    }
}

/// A model that is not ours: a folder or one file, and what of it counts.
#[derive(Clone, Copy)]
pub struct Model<'a> {
    /// Where it is.
    pub path: &'a Path,
    /// Files and folders that do not count, relative to a folder, with `/`.
    pub ignored: &'a [String],
    /// The signature, if it is in the folder: relative to it, with `/`.
    pub signature_file: Option<&'a str>,
}

impl Model<'_> {
    /// Returns the paths that do not count. What Git keeps beside a model is no part of it, unless
    /// it was signed.
    fn left_out(&self, stated: Option<&Statement>) -> Vec<String> {
        let mut paths: Vec<String> = self.ignored.to_vec();
        paths.extend(self.signature_file.map(str::to_owned));
        paths.extend(stated.into_iter().flat_map(|one| one.ignored().iter().cloned()));
        let signed = |path: &str| {
            let under = format!("{path}/");
            let lies = |name: &String| name == path || name.starts_with(&under);
            stated.is_some_and(|one| one.files().keys().any(lies))
        };
        paths.extend(GIT_PATHS.iter().filter(|path| !signed(path)).map(|&path| path.to_owned()));
        paths.sort();
        paths.dedup();
        paths
    }
}

/// What a verifier asks of a signature.
#[derive(Clone, Copy)]
pub struct Demand<'a> {
    /// Whom it must be from.
    pub trust: Trust<'a>,
    /// Who must not have made it.
    pub revoked: &'a Revocations,
    /// Whether files that were not signed are left alone.
    pub others: bool,
    /// Whether what releases of the reference client before 0.3 signed is taken, too.
    pub legacy: bool,
}

/// Signs a model; the caller writes the bundle. `progress` is told how many bytes were read.
pub fn sign_model(
    model: Model<'_>,
    serialization: Serialization,
    signer: Signer<'_>,
    progress: &mut dyn FnMut(u64),
) -> Result<(Bundle, Statement), OmsError> {
    let name = model.path.canonicalize().map_err(|source| OmsError::Io { source })?;
    let name = name.file_name().and_then(|name| name.to_str()).unwrap_or(UNNAMED).to_owned();
    let ignored = model.left_out(None);
    let scope = Scope { ignored: &ignored, serialization };
    let digests = folder::digests(model.path, scope, progress)?;
    let statement = Statement::of(&name, digests, ignored, serialization)?;
    Ok((Bundle::sign(&statement, signer)?, statement))
}

/// Checks that a bundle was signed by whom the verifier trusts, and that the model has exactly the
/// files it lists, apart from those that do not count.
pub fn verify_model(
    model: Model<'_>,
    bundle: &[u8],
    demand: Demand<'_>,
    progress: &mut dyn FnMut(u64),
) -> Result<Statement, OmsError> {
    let bundle = Bundle::parse(bundle)?;
    let statement = match bundle.verify(demand.trust, demand.revoked) {
        Err(OmsError::Signature) if demand.legacy => {
            bundle.verify_legacy(demand.trust, demand.revoked)?
        }
        statement => statement?,
    };
    let ignored = model.left_out(Some(&statement));
    let scope = Scope { ignored: &ignored, serialization: statement.serialization() };
    let mut found = folder::digests(model.path, scope, progress)?;
    if statement.is_of_nameless_file() && model.path.is_file() {
        found = found.into_values().map(|digest| (".".to_owned(), digest)).collect();
    }
    match demand.others {
        true => statement.compare_signed(&found)?,
        false => statement.compare(&found)?,
    }
    Ok(statement)
}

/// Lists the files that count, in the order of their names, with where each of them is.
pub(crate) fn list_files(
    model: Model<'_>,
    statement: Option<&Statement>,
) -> Result<Vec<(String, PathBuf)>, OmsError> {
    let ignored = model.left_out(statement);
    let allow_symlinks = statement.is_some_and(|one| one.serialization().allow_symlinks);
    let serialization = Serialization { shard_size: None, allow_symlinks };
    folder::list(model.path, Scope { ignored: &ignored, serialization })
}

/// Signs all files of a folder of ours; `signature_file` is the name the bundle will have in it.
///
/// Returns the bundle; the caller writes it.
#[cfg(test)]
pub(crate) fn sign_folder(
    dir: &Path,
    name: &str,
    signature_file: &str,
    key: &EcdsaKey,
) -> Result<Bundle, OmsError> {
    let ignored = vec![signature_file.to_owned()];
    let scope = Scope { ignored: &ignored, serialization: Serialization::default() };
    let digests = folder::digests(dir, scope, &mut |_| ())?;
    Bundle::sign(&Statement::new(name, digests, ignored)?, Signer::Key(key))
}

/// What Git keeps in the top folder of a model (specification, section 6.2).
const GIT_PATHS: [&str; 4] = [".git", ".gitattributes", ".github", ".gitignore"];

/// What a model is called whose folder has no name.
const UNNAMED: &str = "model";
