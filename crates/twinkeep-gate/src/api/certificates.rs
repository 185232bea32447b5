//! `GET /ca.crl`: which client certificates of the keep's own authority were revoked (RFC 5280), for
//! whoever else believes that authority. The gate itself asks its records.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::Response;
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::response::IntoResponse as _;

use crate::gate::Gate;
use crate::use_case;

/// Answers with the list, as DER.
pub(crate) async fn revocation_list(State(gate): State<Arc<Gate>>) -> Response<Body> {
    match use_case::unrecorded(&gate, twinkeep_app::revocation_list).await {
        Ok(der) => {
            let mut response = Response::new(Body::from(der));
            let kind = HeaderValue::from_static("application/pkix-crl");
            response.headers_mut().insert(CONTENT_TYPE, kind);
            response
        }
        Err(refusal) => refusal.into_response(),
    }
}
