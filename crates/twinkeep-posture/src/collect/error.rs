//! Why facts could not be collected at all.
//!
//! What is missing in part is a fact itself: a rule then says that it could not check.

use std::io;

/// Why facts could not be collected.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// A file or folder could not be read.
    #[error("collecting facts from `{path}`: {source}{}", remedy(.source))]
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

/// What helps against what the system said, where that is known.
fn remedy(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::NotFound => "; is the name right?",
        io::ErrorKind::PermissionDenied => "; run the scan as a user who may read it",
        _ => "",
    }
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

#[cfg(test)]
mod tests {
    use super::{CollectError, io};

    #[test]
    fn another_user_is_asked_for_only_where_that_helps() {
        let error = |kind: io::ErrorKind| {
            let path = "facts.json".to_owned();
            CollectError::Read { path, source: kind.into() }.to_string()
        };
        assert!(error(io::ErrorKind::NotFound).ends_with("; is the name right?"));
        assert!(error(io::ErrorKind::PermissionDenied).ends_with("a user who may read it"));
        assert!(!error(io::ErrorKind::InvalidData).contains("user"));
    }
}
