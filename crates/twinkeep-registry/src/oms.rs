//! OpenSSF Model Signing v1.0: one signature over all files of a folder.
//!
//! The files are listed with their SHA-256 digests in an in-toto statement; the statement is
//! signed in a DSSE envelope; the envelope lies in a Sigstore bundle. This is the *key* method
//! with ECDSA P-256 and the *files* serialization: one digest a file.
//!
//! # Invariants
//!
//! - The bytes that were signed are the bytes that are read: a payload is never written again
//!   before it is checked.
//! - A file that is not in the statement is refused, and so is a link.

use std::collections::BTreeMap;
use std::path::Path;

use twinkeep_vault::ecdsa::EcdsaKey;

mod bundle;
mod dsse;
mod folder;
mod statement;

#[cfg(test)]
mod tests;

pub use bundle::Bundle;
pub(crate) use dsse::{disclose, enclose, pae};
pub(crate) use folder::NO_FOLLOW;
pub use statement::Statement;

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
    /// The signature was made by another key or over other bytes.
    #[error("the signature was not made by this key over this statement")]
    Signature,
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

/// Signs all files of `dir`; `signature_file` is the name the bundle will have in it.
///
/// Returns the bundle; the caller writes it.
pub fn sign_folder(
    dir: &Path,
    name: &str,
    signature_file: &str,
    key: &EcdsaKey,
) -> Result<Bundle, OmsError> {
    let ignored = vec![signature_file.to_owned()];
    let digests = folder::digests(dir, &ignored)?;
    Bundle::sign(&Statement::new(name, digests, ignored)?, key)
}

/// Checks that `bundle` was signed by the holder of `public_pem`, and that `dir` has exactly the
/// files it lists, apart from those that the statement itself ignores and the signature.
pub fn verify_folder(
    dir: &Path,
    signature_file: &str,
    bundle: &[u8],
    public_pem: &str,
) -> Result<Statement, OmsError> {
    let statement = Bundle::parse(bundle)?.verify(public_pem)?;
    let mut ignored = statement.ignored().to_vec();
    ignored.push(signature_file.to_owned());
    statement.compare(&folder::digests(dir, &ignored)?)?;
    Ok(statement)
}
