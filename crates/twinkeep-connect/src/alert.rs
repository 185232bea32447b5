//! What leaves the keep when something is wrong: webhooks, mail, syslog, and files of events.
//!
//! One message goes one way, and was delivered or was not; whoever calls keeps it until it was, and
//! tries again. What a message says is the caller's: nothing here knows of incidents.
//!
//! # Invariants
//!
//! - No error says what was sent, nor with which secret.
//! - Nothing waits without end: every step of every protocol has a time-out.
//! - Nobody but whom the operator named gets anything: redirects are not followed, certificates are
//!   verified, and no mode prefers a check over none.

use std::error::Error;

use crate::TlsError;

mod events_file;
mod mail;
mod private;
mod syslog;
mod webhook;

pub use events_file::EventsFile;
pub use mail::{
    Mail, MailLogin, MailMessage, MailRequest, MailSecurity, is_mail_address, is_this_machine,
};
pub use syslog::{Syslog, SyslogMessage, SyslogPlace, SyslogTransport};
pub use webhook::{
    Reach, Webhook, WebhookMessage, WebhookRequest, WebhookSecret, check_webhook_url,
};

/// Why a message was not delivered.
#[derive(Debug, thiserror::Error)]
pub enum AlertError {
    /// The address is not one to which a message goes.
    #[error("`{address}` is not an address to send to: it must be {expected}")]
    Address {
        /// What was given.
        address: String,
        /// What it may be.
        expected: &'static str,
    },
    /// The secret that signs is not one.
    #[error("the secret of a webhook must be {expected}")]
    Secret {
        /// What it may be.
        expected: &'static str,
    },
    /// TLS cannot be prepared.
    #[error("cannot prepare the connection to `{host}`")]
    Tls {
        /// Who was to be reached.
        host: String,
        /// What is wrong.
        source: TlsError,
    },
    /// The connection, the handshake, or the certificate failed.
    #[error("cannot reach `{host}`")]
    Unreachable {
        /// Who was to be reached.
        host: String,
        /// What failed.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The name leads to an address of this machine or of a network of its own.
    #[error("`{host}` is at a private address, where nothing is sent unless the operator says so")]
    Private {
        /// Who was to be reached.
        host: String,
    },
    /// The other side was reached, and did not take it.
    #[error("`{host}` did not take the message: status {status}")]
    Refused {
        /// Who was reached.
        host: String,
        /// What it answered.
        status: u16,
        /// Whether it will not take this message later either.
        final_word: FinalWord,
    },
    /// The file cannot be written.
    #[error("cannot write `{path}`")]
    File {
        /// Which.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Whether somebody who refused may be asked again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FinalWord {
    /// The same message may be taken later.
    AskAgain,
    /// It never is.
    Never,
}

impl AlertError {
    /// The permanent name of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Address { .. } => "alert-address",
            Self::Secret { .. } => "alert-secret",
            Self::Tls { .. } => "alert-tls",
            Self::Unreachable { .. } => "alert-unreachable",
            Self::Private { .. } => "alert-private-address",
            Self::Refused { .. } => "alert-refused",
            Self::File { .. } => "alert-file",
        }
    }

    /// Returns whether trying the same message again is useless.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Refused { final_word: FinalWord::Never, .. })
    }

    fn unreachable(host: &str, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Unreachable { host: host.to_owned(), source: source.into() }
    }
}
