//! Why a stream cannot be used, or a message was not taken.

use std::error::Error;

use crate::TlsError;

/// Why a stream cannot be used, or a message was not taken.
///
/// What a server says is about subjects, streams, and limits; it never sees what is in a message.
#[derive(Debug, thiserror::Error)]
pub enum NatsError {
    /// The address cannot be used.
    #[error("the address of the NATS server {problem}")]
    Url {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A name of a stream or consumer, or a subject, cannot be one.
    #[error("the name of the {what} is empty, or has a character that it may not have")]
    Name {
        /// `stream`, `consumer`, `subject`.
        what: &'static str,
    },
    /// The login would go over the network in the clear.
    #[error("`{place}` is another machine, and the connection would have no TLS")]
    Plaintext {
        /// Which server.
        place: String,
    },
    /// The server is not trusted, or TLS cannot be prepared.
    #[error("cannot speak TLS to `{place}`")]
    Tls {
        /// Which server.
        place: String,
        /// Why.
        source: TlsError,
    },
    /// The credentials cannot be used.
    #[error("the password or credentials file {problem}")]
    Credentials {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The server does not let us in.
    #[error("`{place}` refused the login")]
    Login {
        /// Which server.
        place: String,
    },
    /// The server does not answer.
    #[error("cannot reach `{place}`")]
    Unreachable {
        /// Which server.
        place: String,
        /// What the library said; none if it took too long.
        source: Option<Box<dyn Error + Send + Sync>>,
    },
    /// The server was there, and an answer did not come.
    #[error("`{place}` did not answer{}", complaint.as_ref().map(|text| format!(": {text}")).unwrap_or_default())]
    Silent {
        /// Which server.
        place: String,
        /// What it complained of last.
        complaint: Option<String>,
    },
    /// The server answered with an error.
    #[error("`{place}` answered: {said}")]
    Answer {
        /// Which server.
        place: String,
        /// What it said.
        said: String,
    },
    /// There is no such stream.
    #[error("there is no stream `{stream}`")]
    NoStream {
        /// Which.
        stream: String,
    },
    /// The consumer is there, and would lose messages or take others.
    #[error("the consumer `{consumer}` cannot be used: {problem}")]
    Consumer {
        /// Which.
        consumer: String,
        /// Why.
        problem: &'static str,
    },
    /// No stream takes messages of this subject.
    #[error("no stream takes the subject `{subject}`")]
    NoTaker {
        /// Which.
        subject: String,
    },
    /// The message is larger than the server or the stream takes.
    #[error("the feed has {size} bytes, and {limit}")]
    TooLarge {
        /// Its size.
        size: usize,
        /// Who takes how many, as a clause.
        limit: String,
    },
}

impl NatsError {
    /// The permanent name of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Url { .. } => "nats-url",
            Self::Name { .. } => "nats-name",
            Self::Plaintext { .. } => "nats-plaintext",
            Self::Tls { source, .. } => source.code(),
            Self::Credentials { .. } => "nats-credentials",
            Self::Login { .. } => "nats-login",
            Self::Unreachable { .. } => "nats-unreachable",
            Self::Silent { .. } => "nats-silent",
            Self::Answer { .. } => "nats-answer",
            Self::NoStream { .. } => "nats-no-stream",
            Self::Consumer { .. } => "nats-consumer",
            Self::NoTaker { .. } => "nats-no-taker",
            Self::TooLarge { .. } => "nats-too-large",
        }
    }

    /// The next step, where it is known.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Url { .. } => Some("write `tls://HOST:PORT`; the login goes into files"),
            Self::Plaintext { .. } => Some(
                "use `tls://`; with `--danger-no-tls` whoever listens learns the login, though no feed",
            ),
            Self::Tls { source, .. } => source.hint(),
            Self::Login { .. } => {
                Some("pass `--credentials FILE`, or `--user NAME --password-file FILE`")
            }
            Self::Silent { .. } => {
                Some("is JetStream on, and may this user use its stream and consumer?")
            }
            Self::NoStream { .. } | Self::NoTaker { .. } => Some(
                "the operator of the NATS server makes streams, such as with `nats stream add`",
            ),
            Self::Consumer { .. } => Some("choose another name with `--consumer`; it is made anew"),
            Self::TooLarge { .. } => {
                Some("push large feeds over HTTPS: `twinkeep send --to https://…`")
            }
            _ => None,
        }
    }

    /// Returns whether it is the machine or the network, and may be well later.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Silent { .. } | Self::Answer { .. })
    }
}
