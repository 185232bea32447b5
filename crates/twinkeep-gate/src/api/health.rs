//! `GET /healthz`: whether the gate answers at all.

use axum::body::Body;
use axum::http::Response;
use axum::http::header::{CONTENT_TYPE, HeaderValue};

/// Answers that it does; it looks at nothing, so that it cannot be used to load the keep.
pub(crate) async fn healthz() -> Response<Body> {
    let mut response = Response::new(Body::from("{\"status\":\"ok\"}"));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}
