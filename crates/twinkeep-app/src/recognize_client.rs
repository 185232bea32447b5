//! Use case: recognize who sends a request, by all that they show: a certificate in the handshake, an
//! API key or an access token in a header.
//!
//! # Invariants
//!
//! - Whatever is shown holds, or the request is refused: a revoked certificate is not mended by a
//!   key that holds. One that no authority here vouches for says nothing, and goes with a token
//!   that is bound to it (RFC 8705, 2.2) or with a key.
//! - A key or a token in a header says who it is; a certificate alone does, where there is neither.
//! - Where certificates are required, a key or a token alone opens nothing.

use serde::Serialize;

use crate::{App, AppError, Caller, ClientCertificateMode, Scope};

/// What a certificate is taken for.
#[derive(Debug, Serialize)]
pub struct CertificateCheck {
    /// What the ledger calls who shows it.
    pub caller: String,
    /// What it may do.
    pub scopes: Vec<&'static str>,
    /// Its roles.
    pub roles: Vec<String>,
}

/// Says what the gate would take a client's chain of certificates (DER, leaf first) for.
pub fn check_certificate(app: &App, chain: &[Vec<u8>]) -> Result<CertificateCheck, AppError> {
    crate::read_client_cas(app, &mut crate::ClientCaWatch::default())?;
    let chain: Vec<&[u8]> = chain.iter().map(Vec::as_slice).collect();
    let Caller { id, scopes, roles, .. } = app.judge_certificate(&chain)?;
    Ok(CertificateCheck {
        caller: id,
        scopes: scopes.into_iter().map(Scope::name).collect(),
        roles,
    })
}

impl App {
    /// Recognizes who shows a credential in a header, or a chain of certificates (DER, leaf first),
    /// or both. `None` if they show nothing.
    pub fn recognize_client(
        &self,
        credential: Option<&str>,
        chain: &[&[u8]],
    ) -> Result<Option<Caller>, AppError> {
        let required = self.settings.gate.client_certificates == ClientCertificateMode::Required;
        let judged = (!chain.is_empty()).then(|| self.judge_certificate(chain));
        let Some(credential) = credential else { return judged.transpose() };
        match judged {
            Some(Err(error)) if required || !is_foreign(&error) => return Err(error),
            None if required => {
                let attempt = "this gate asks for a client certificate";
                return Err(AppError::refused("certificate-missing", attempt));
            }
            _ => {}
        }
        self.recognize_with(credential, chain.first().copied()).map(Some)
    }

    /// Recognizes an operator who is elsewhere, by a certificate of the keep's own authority: nobody
    /// else's word makes an operator.
    pub fn recognize_operator(&self, chain: &[&[u8]]) -> Result<Caller, AppError> {
        let caller = self.judge_certificate(chain)?;
        if caller.id.contains('/') {
            let attempt = "the client certificate is not of the keep's own authority";
            return Err(AppError::refused("certificate-foreign", attempt));
        }
        Ok(caller)
    }

    /// Refuses whoever shows no certificate that holds, where one is required.
    pub fn admit_client(&self, chain: &[&[u8]]) -> Result<(), AppError> {
        match self.settings.gate.client_certificates {
            ClientCertificateMode::Required => self.judge_certificate(chain).map(drop),
            _ => Ok(()),
        }
    }
}

/// No authority here vouches for it: it is somebody else's business.
fn is_foreign(error: &AppError) -> bool {
    error.code() == "certificate-untrusted"
}
