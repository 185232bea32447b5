//! Why the files of a keep cannot be watched.

use std::io;

/// Why the files of a keep cannot be watched.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// To refuse others, the system must ask the watch; it does so only for whoever may administer
    /// it.
    #[error("to refuse others the files of the keep takes the privilege CAP_SYS_ADMIN")]
    NotPermitted {
        /// What the system said.
        source: io::Error,
    },
    /// A file or folder cannot be watched.
    #[error("cannot watch `{name}` of the keep")]
    Mark {
        /// Which one, within the keep.
        name: String,
        /// What the system said.
        source: io::Error,
    },
    /// The system does not tell what happens any more.
    #[error("cannot read what happens to the files of the keep")]
    Read {
        /// What the system said.
        source: io::Error,
    },
}

impl AccessError {
    /// The name of this error in replies and in the docs. Never changes.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotPermitted { .. } => "watch-not-permitted",
            Self::Mark { .. } => "watch-mark",
            Self::Read { .. } => "watch-read",
        }
    }
}
