//! Why nothing was done on the host.

use std::io;

/// Why an action on the host cannot be planned, done, or undone.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// It would cut off those who look after the host.
    #[error("{what} is what operators come in by, and is never cut")]
    Guarded {
        /// What it is.
        what: String,
    },
    /// A program that it takes is not installed.
    #[error("`{program}` is not installed")]
    Missing {
        /// Which.
        program: &'static str,
    },
    /// It takes privileges that this process does not have.
    #[error("`{program}` says that this is not permitted")]
    NotPermitted {
        /// Which.
        program: &'static str,
    },
    /// A program failed.
    #[error("`{program}` failed: {says}")]
    Failed {
        /// Which.
        program: &'static str,
        /// The first line of what it said.
        says: String,
    },
    /// A program did not come to an end.
    #[error("`{program}` did not end in time")]
    TimedOut {
        /// Which.
        program: &'static str,
    },
    /// There is no such service, or it does not run.
    #[error("`{service}` is not a service that runs here")]
    NoService {
        /// Which.
        service: String,
    },
    /// It cannot be undone.
    #[error("`{service}` cannot be started again: nothing says how")]
    NoWayBack {
        /// Which.
        service: String,
    },
    /// The system refused something.
    #[error("cannot {attempt}")]
    System {
        /// What was attempted.
        attempt: String,
        /// What the system said.
        source: io::Error,
    },
}

impl HostError {
    /// The permanent name of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Guarded { .. } => "host-guarded",
            Self::Missing { .. } => "host-missing",
            Self::NotPermitted { .. } => "host-not-permitted",
            Self::Failed { .. } => "host-failed",
            Self::TimedOut { .. } => "host-timed-out",
            Self::NoService { .. } => "host-no-service",
            Self::NoWayBack { .. } => "host-no-way-back",
            Self::System { .. } => "host-system",
        }
    }

    pub(super) fn system(attempt: impl Into<String>, source: impl Into<io::Error>) -> Self {
        Self::System { attempt: attempt.into(), source: source.into() }
    }
}
