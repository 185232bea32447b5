//! `/admin/v1/certificates`: certificates of clients, as `twinkeep cert` has them.
//!
//! None is issued here: whoever holds one certificate must not make others of it.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::Response;
use serde::Serialize;
use twinkeep_app::{Caller, CertificateReport, list_certificates, revoke_certificate};

use super::{done, read};
use crate::gate::Gate;
use crate::refusal::Refusal;

#[derive(Serialize)]
struct CertificateList {
    certificates: Vec<CertificateReport>,
}

/// Lists the certificates.
pub(super) async fn list(State(gate): State<Arc<Gate>>) -> Result<Response<Body>, Refusal> {
    read(&gate, |app| Ok(CertificateList { certificates: list_certificates(app)? })).await
}

/// Revokes a certificate, at once; also the one that is shown.
pub(super) async fn revoke(
    State(gate): State<Arc<Gate>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Response<Body>, Refusal> {
    done(&gate, move |app| revoke_certificate(app, &caller, &id)).await
}
