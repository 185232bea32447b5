//! Why an identity cannot be made, read, or opened.

use std::io;
use std::path::PathBuf;

use crate::KekError;

/// Why an identity was refused. Names of fields are in the messages, their values never.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The name is not one that can be printed and typed everywhere.
    #[error(
        "an identity's name has 1 to 64 ASCII letters, digits, spaces, or `._@-`, and starts with \
         a letter or digit"
    )]
    Name,
    /// The text is not an identity file.
    #[error("the text is not an identity file of version 1")]
    Malformed,
    /// A field cannot be read, or is not what the others say it is.
    #[error("field `{field}` of the identity file is damaged")]
    Invalid {
        /// Which one.
        field: &'static str,
    },
    /// The public part does not carry a valid signature by itself.
    #[error("the identity file was altered: its signature does not match")]
    Altered,
    /// The private part does not open.
    #[error("the private keys do not open: another secret, or the file was altered")]
    Unwrap,
    /// A private file must not be lost by writing over it.
    #[error("`{path}` exists; private keys are never overwritten")]
    Exists {
        /// Which file.
        path: PathBuf,
    },
    /// A private file can be read by others.
    #[error("private key file `{path}` can be read by others (mode bits {mode:o})")]
    Permissions {
        /// Which file.
        path: PathBuf,
        /// The bits that are too many.
        mode: u32,
    },
    /// The passphrase or key file was refused.
    #[error("the secret for the private keys was refused")]
    Kek {
        /// Why.
        source: KekError,
    },
    /// A file could not be read or written.
    #[error("cannot access identity file `{path}`")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl IdentityError {
    /// Returns the permanent name of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Name => "identity-name",
            Self::Malformed => "identity-malformed",
            Self::Invalid { .. } => "identity-invalid",
            Self::Altered => "identity-altered",
            Self::Unwrap => "identity-unwrap",
            Self::Exists { .. } => "identity-exists",
            Self::Permissions { .. } => "identity-permissions",
            Self::Kek { .. } => "identity-kek",
            Self::Io { .. } => "identity-io",
        }
    }
}
