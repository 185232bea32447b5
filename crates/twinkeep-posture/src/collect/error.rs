//! Why facts could not be collected at all.
//!
//! What is missing in part is a fact itself: a rule then says that it could not check.

use std::io;

/// Why facts could not be collected.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// A file or folder could not be read.
    #[error("collecting facts from `{path}`: {source}; run the scan as a user who may read it")]
    Read {
        /// What could not be read.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// Something is not what it should be.
    #[error("collecting facts from `{what}`: {why}")]
    Unexpected {
        /// What was looked at.
        what: String,
        /// What is wrong, with a hint.
        why: String,
    },
    /// Another system could not be asked.
    #[error("collecting facts from `{target}`: {why}")]
    Unreachable {
        /// What was asked.
        target: String,
        /// What went wrong, with a hint.
        why: String,
    },
}

impl CollectError {
    /// Its permanent code.
    pub fn code(&self) -> &'static str {
        match self {
            CollectError::Read { .. } => "collect-read",
            CollectError::Unexpected { .. } => "collect-unexpected",
            CollectError::Unreachable { .. } => "collect-unreachable",
        }
    }
}
