//! A NATS server, as the command line names it, and what is said when it cannot be used.

use std::path::Path;

use twinkeep_connect::{ClientCertificate, NatsError, NatsLogin, NatsRequest, NatsUrl};

use crate::AppError;

/// Which server, and how to reach and trust it.
#[derive(Clone, Copy, Debug)]
pub struct NatsServer<'a> {
    /// Where it is: `tls://HOST:PORT`, or `nats://HOST:PORT` without TLS.
    pub url: &'a str,
    /// The authorities to trust; without it, those of the system.
    pub ca: Option<&'a Path>,
    /// What proves to the server who we are.
    pub client: Option<&'a ClientCertificate>,
    /// How to log in.
    pub login: NatsLogin<'a>,
    /// Speak without TLS to another machine too.
    pub danger_no_tls: bool,
}

impl NatsServer<'_> {
    pub(crate) fn parse_url(&self) -> Result<NatsUrl, AppError> {
        NatsUrl::parse(self.url).map_err(refuse_nats)
    }

    pub(crate) fn request<'b>(&'b self, url: &'b NatsUrl) -> NatsRequest<'b> {
        let Self { ca, client, login, danger_no_tls, .. } = *self;
        NatsRequest { url, ca, client, login, danger_no_tls }
    }
}

/// Says why the server cannot be used, and what to do about it.
pub(crate) fn refuse_nats(error: NatsError) -> AppError {
    let (code, hint, attempt) = (error.code(), error.hint(), "the message stream cannot be used");
    let refused = match &error {
        error if error.may_pass() => AppError::environment(code, attempt),
        NatsError::Tls { .. } | NatsError::Login { .. } | NatsError::TooLarge { .. } => {
            AppError::refused(code, attempt)
        }
        _ => AppError::usage(code, attempt),
    };
    let refused = refused.because(error);
    match hint {
        Some(hint) => refused.hint(hint),
        None => refused,
    }
}
