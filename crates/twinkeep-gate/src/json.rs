//! Reads a request's body as JSON, within limits, and without repeating any of it.
//!
//! # Invariants
//!
//! - The size is checked before and while reading; the time is bounded.
//! - A message names a line and a column, never a value or a name from the body.
//! - Unknown and duplicate fields are refused (by the wire types): a typing error must not turn
//!   into a default.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use crate::refusal::Refusal;

#[cfg(test)]
mod tests;

/// How large a body may be, and how long it may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BodyLimits {
    pub(crate) size_max: usize,
    pub(crate) time: Duration,
}

/// Reads a body that must be JSON.
pub(crate) async fn read<T: DeserializeOwned>(
    request: Request<Body>,
    limits: BodyLimits,
) -> Result<T, Refusal> {
    require_type(request.headers(), "application/json")?;
    let bytes = read_bytes(request, limits).await?;
    parse(&bytes)
}

/// Reads a whole body of any type.
pub(crate) async fn read_bytes(
    request: Request<Body>,
    limits: BodyLimits,
) -> Result<Bytes, Refusal> {
    let announced = request.headers().get(CONTENT_LENGTH);
    let announced = announced.and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| limits.size_max < length) {
        return Err(too_large());
    }
    let body = Limited::new(request.into_body(), limits.size_max).collect();
    match tokio::time::timeout(limits.time, body).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => {
            let message = "the body ended early, or its chunks are malformed";
            Err(Refusal::new(StatusCode::BAD_REQUEST, "body-broken", message))
        }
        Err(_) => {
            let message = "the body did not arrive in time";
            Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, "body-slow", message))
        }
    }
}

/// Refuses a body that says it is something else.
pub(crate) fn require_type(headers: &HeaderMap, expected: &str) -> Result<(), Refusal> {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = value.and_then(|value| value.split(';').next()).map(str::trim);
    if essence.is_some_and(|essence| essence.eq_ignore_ascii_case(expected)) {
        return Ok(());
    }
    let message = format!("the body must be `{expected}`, and its `Content-Type` must say so");
    Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "media-type", &message))
}

/// Parses JSON: an object. The library would take a list in place of one, field by field.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refusal> {
    let parsed = serde_json::from_slice(bytes);
    if parsed.is_ok() && bytes.trim_ascii_start().first() != Some(&b'{') {
        return Err(Refusal::unprocessable("json-shape", "the body is a JSON object"));
    }
    parsed.map_err(|error| {
        // The library's own message can hold values of the body.
        let (line, column) = (error.line(), error.column());
        match error.classify() {
            Category::Data => {
                let message = format!(
                    "the body has a field that this route does not take, lacks one, or has one of \
                     the wrong kind: line {line}, column {column}"
                );
                Refusal::unprocessable("json-shape", &message)
            }
            _ => {
                let message = format!("the body is not JSON: line {line}, column {column}");
                Refusal::new(StatusCode::BAD_REQUEST, "json-syntax", &message)
            }
        }
    })
}

fn too_large() -> Refusal {
    let message = "the body is larger than this gate takes";
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "body-size", message)
}
