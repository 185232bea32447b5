//! Why a change could not be planned, made, or taken back.

use std::io;

/// Why a change could not be planned, made, or taken back.
#[derive(Debug, thiserror::Error)]
pub enum FixError {
    /// The system refused.
    #[error("{action} `{path}`: {source}")]
    System {
        /// What was attempted.
        action: &'static str,
        /// On what.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// Somebody changed it since.
    #[error(
        "changing `{path}`: it is no longer as it was when the plan was made; \
         scan and plan again"
    )]
    Changed {
        /// What was to be changed.
        path: String,
    },
    /// The changed file would not have worked.
    #[error("changing `{path}`: {says}; it is as it was before")]
    Refused {
        /// What was to be changed.
        path: String,
        /// What the program said that reads it.
        says: String,
    },
    /// A file is no plan or journal.
    #[error("reading `{path}`: line {line} is not what it should be; make it again")]
    Malformed {
        /// The file.
        path: String,
        /// The line, from 1.
        line: usize,
    },
    /// A journal was begun with another plan.
    #[error("applying a plan: `{path}` is the journal of another plan; name another file")]
    OtherJournal {
        /// The journal.
        path: String,
    },
    /// The other system refused.
    #[error("changing `{target}`: {says}")]
    Remote {
        /// What was to be changed.
        target: String,
        /// What it said, with a hint.
        says: String,
    },
}

impl FixError {
    /// Its permanent code.
    pub fn code(&self) -> &'static str {
        match self {
            FixError::System { .. } => "fix-system",
            FixError::Changed { .. } => "fix-changed",
            FixError::Refused { .. } => "fix-refused",
            FixError::Malformed { .. } => "fix-malformed",
            FixError::OtherJournal { .. } => "fix-other-journal",
            FixError::Remote { .. } => "fix-remote",
        }
    }
}
