//! The API: one file a resource. A handler reads the wire type, calls one use case, and answers.

use axum::body::Body;
use axum::http::Response;
use axum::http::header::{CONTENT_TYPE, HeaderValue};

pub(crate) mod cds_hooks;
pub(crate) mod certificates;
pub(crate) mod changes;
pub(crate) mod events;
pub(crate) mod feed_decisions;
pub(crate) mod feeds;
pub(crate) mod fhir;
pub(crate) mod health;
pub(crate) mod inference;
pub(crate) mod ledger;
pub(crate) mod models;
pub(crate) mod openapi;
pub(crate) mod predict;
pub(crate) mod subjects;
pub(crate) mod time;
pub(crate) mod twins;
pub(crate) mod upload_head;
pub(crate) mod what_follows;

/// Answers with JSON that tells nothing of a person.
fn plain_json(value: &serde_json::Value) -> Response<Body> {
    let mut response = Response::new(Body::from(value.to_string()));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}
