//! What is known about the files of a model from elsewhere: whether they are data only, and if not,
//! what they would do; and who signed them.

use serde::{Deserialize, Serialize};

/// A model: a folder, or one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// The folder or file.
    pub root: String,
    /// Its files.
    pub files: Vec<ModelFile>,
    /// Whether somebody who is known signed exactly these files.
    pub signature: ModelSignature,
}

/// One file of a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelFile {
    /// Its path.
    pub path: String,
    /// What it is.
    pub content: Content,
    /// Pickles in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pickles: Vec<Pickled>,
}

/// What a file is: decided by its content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Content {
    /// Data only, every byte of it.
    Checked {
        /// The format.
        format: String,
    },
    /// Another format than those that hold data only.
    Unsupported {
        /// What is missing.
        why: String,
    },
    /// A format that holds data only, and not in order.
    Unsound {
        /// What is wrong.
        why: String,
    },
    /// It could not be read.
    Unread {
        /// Why.
        why: String,
    },
}

/// A pickle, and what it would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pickled {
    /// The member of an archive that it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    /// Names that it calls and that do not rebuild data.
    pub calls: Vec<String>,
    /// Names that it imports without calling them itself.
    pub mentions: Vec<String>,
    /// Why it could not be followed to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken: Option<String>,
}

/// What became of the signature of a model (OpenSSF Model Signing).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum ModelSignature {
    /// Somebody who is known signed exactly these files.
    Verified {
        /// How it was verified: with a key, a certificate.
        by: String,
    },
    /// There is none.
    Missing,
    /// It is not of these files, or not by anybody who is known.
    Refused {
        /// Why.
        why: String,
    },
    /// Nobody looked.
    NotChecked {
        /// Why.
        why: String,
    },
}
