//! `GET /openapi.json`: what the API is, for programs (OpenAPI 3.1).

use axum::body::Body;
use axum::http::Response;
use axum::http::header::{CONTENT_TYPE, HeaderValue};

/// Answers with the committed document.
pub(crate) async fn document() -> Response<Body> {
    let mut response = Response::new(Body::from(DOCUMENT));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}

/// A test compares it with the routes and with real answers.
pub(crate) const DOCUMENT: &str = include_str!("../../openapi.json");
