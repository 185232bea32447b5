//! Why a request to an upstream got no answer of it.

use axum::http::StatusCode;
use axum::http::header::{HeaderName, HeaderValue};

use crate::refusal::Refusal;

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nobody takes the connection.
    Unreachable,
    /// It is not whom it should be, or does not speak TLS.
    Tls,
    /// It took too long.
    Slow,
    /// It said what is no answer, or broke off before it.
    Answer,
    /// The client's body broke off.
    Body,
    /// The client did not go on with its body.
    BodySlow,
    /// The process that connects is gone.
    Courier,
}

impl Fault {
    const ALL: [Self; 7] = [
        Self::Unreachable,
        Self::Tls,
        Self::Slow,
        Self::Answer,
        Self::Body,
        Self::BodySlow,
        Self::Courier,
    ];

    /// The permanent name, in answers, in the ledger, and between the processes.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Unreachable => "upstream-unreachable",
            Self::Tls => "upstream-tls",
            Self::Slow => "upstream-slow",
            Self::Answer => "upstream-answer",
            Self::Body => "body-broken",
            Self::BodySlow => "body-slow",
            Self::Courier => "upstream-courier",
        }
    }

    /// Reads a name.
    pub(crate) fn parse(value: &HeaderValue) -> Self {
        let named = |fault: &Self| value.as_bytes() == fault.code().as_bytes();
        Self::ALL.into_iter().find(named).unwrap_or(Self::Answer)
    }

    /// Returns whether it speaks against the upstream: nobody opens its breaker by being slow.
    pub(crate) fn is_upstreams(self) -> bool {
        !matches!(self, Self::Body | Self::BodySlow | Self::Courier)
    }

    /// Returns whether the same request may be made again, if it changes nothing: the upstream gave
    /// no answer, and has not been slow.
    pub(crate) fn is_worth_another(self) -> bool {
        matches!(self, Self::Unreachable | Self::Answer | Self::Courier)
    }

    /// What the client is told.
    pub(crate) fn refusal(self) -> Refusal {
        let (status, message) = match self {
            Self::Unreachable => (StatusCode::BAD_GATEWAY, "the model server cannot be reached"),
            Self::Tls => {
                (StatusCode::BAD_GATEWAY, "the model server did not prove that it is the right one")
            }
            Self::Slow => (StatusCode::GATEWAY_TIMEOUT, "the model server took too long"),
            Self::Answer => {
                (StatusCode::BAD_GATEWAY, "the model server gave no answer that can be passed on")
            }
            Self::Body => (StatusCode::BAD_REQUEST, "the body ended early, or is malformed"),
            Self::BodySlow => (StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time"),
            Self::Courier => {
                (StatusCode::SERVICE_UNAVAILABLE, "the way to the model server is interrupted")
            }
        };
        Refusal::new(status, self.code(), message)
    }
}

/// On an answer of the courier: there is none of the upstream, and why.
pub(crate) const FAULT: HeaderName = HeaderName::from_static("twinkeep-fault");

/// On a request to the courier: for which upstream.
pub(crate) const UPSTREAM: HeaderName = HeaderName::from_static("twinkeep-upstream");
