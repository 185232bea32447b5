//! What a request gets that is not answered: a status, a permanent code, a sentence.
//!
//! A handler returns a [`Refusal`]; it travels as an extension of an empty response to
//! [`crate::pipeline`], which records it and renders it as JSON or as a page.

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::http::{Response, StatusCode};
use axum::response::IntoResponse;
use serde::Serialize;

use crate::edge::head::HeadRefusal;
use crate::request_id::RequestId;

/// Why a request was not answered.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    /// The HTTP status.
    pub(crate) status: StatusCode,
    /// The permanent name.
    pub(crate) code: &'static str,
    /// What is wrong, without any value of the request.
    pub(crate) message: String,
    /// Whether its audit entry is in the ledger already.
    pub(crate) recorded: bool,
    /// After how many seconds it is worth another try, if time mends it.
    pub(crate) wait_seconds: Option<u64>,
}

/// Problem details (RFC 9457 §3) with two members of ours, and one for clients of an inference
/// protocol.
#[derive(Serialize)]
struct Problem<'a> {
    #[serde(rename = "type")]
    kind: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    code: &'a str,
    request_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

impl Refusal {
    /// Names a reason.
    pub(crate) fn new(status: StatusCode, code: &'static str, message: &str) -> Self {
        Self { status, code, message: message.to_owned(), recorded: false, wait_seconds: None }
    }

    /// Nobody is known by the credentials, or there are none: the answer does not tell which.
    pub(crate) fn unauthenticated() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "unauthenticated",
            "a valid API key or access token is needed: `Authorization: Bearer ...`",
        )
    }

    /// Operators show a certificate: the answer does not tell why one was not taken.
    pub(crate) fn certificate_only() -> Self {
        let message = "a client certificate of this keep is needed here, and nothing else is taken";
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", message)
    }

    /// A page needs somebody to be signed in.
    pub(crate) fn signed_out() -> Self {
        Self::new(StatusCode::SEE_OTHER, "signed-out", "sign in at `/` first")
    }

    /// A form came from another site.
    pub(crate) fn cross_site() -> Self {
        let message = "the form was not sent from a page of this gate";
        Self::new(StatusCode::FORBIDDEN, "cross-site", message)
    }

    /// The path could be read as another one.
    pub(crate) fn path() -> Self {
        let message = "the path has an empty or dotted segment, or a character that needs none";
        Self::new(StatusCode::BAD_REQUEST, "http-path", message)
    }

    /// There is nothing under this path.
    pub(crate) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "there is nothing here")
    }

    /// The path exists, but not for this method.
    pub(crate) fn method_not_allowed() -> Self {
        let message = "this path does not take this method";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", message)
    }

    /// The client asked too often.
    pub(crate) fn rate_limited() -> Self {
        let message = "too many requests; `Retry-After` says when to come back";
        Self::new(StatusCode::TOO_MANY_REQUESTS, RATE_LIMITED, message)
    }

    /// Wrong credentials came from the client's address too often.
    pub(crate) fn locked_out() -> Self {
        let message = "too many credentials that do not hold; `Retry-After` says when to come back";
        Self::new(StatusCode::TOO_MANY_REQUESTS, LOCKED_OUT, message)
    }

    /// More requests are under way than the gate takes.
    pub(crate) fn busy() -> Self {
        let message = "too many requests are under way; try again";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", message)
    }

    /// The caller follows changes in as many places as one key may.
    pub(crate) fn too_many_streams() -> Self {
        let message = "this key follows changes in too many places at a time; end one of them";
        Self::new(StatusCode::TOO_MANY_REQUESTS, "stream-count", message)
    }

    /// The ledger could not be written, so nothing may be answered.
    pub(crate) fn unrecorded() -> Self {
        let message = "the answer could not be recorded, so it is not given";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "ledger-write", message)
    }

    /// A handler panicked.
    pub(crate) fn bug() -> Self {
        let message = "an internal error; it has been recorded under this request id";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message)
    }

    /// The head was ambiguous.
    pub(crate) fn head(refusal: HeadRefusal) -> Self {
        let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::BAD_REQUEST);
        Self::new(status, refusal.code(), refusal.message())
    }

    /// The body is not what the route takes.
    pub(crate) fn unprocessable(code: &'static str, message: &str) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, message)
    }

    /// Renders it for programs; `inference` is for those that speak the Open Inference Protocol,
    /// which has a member of its own for the sentence.
    pub(crate) fn to_json(&self, request_id: RequestId, inference: bool) -> Response<Body> {
        let problem = Problem {
            kind: format!("urn:twinkeep:problem:{}", self.code),
            title: self.status.canonical_reason().unwrap_or_default(),
            status: self.status.as_u16(),
            detail: &self.message,
            code: self.code,
            request_id: request_id.to_string(),
            error: inference.then_some(self.message.as_str()),
        };
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status;
        let json = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(CONTENT_TYPE, json);
        response
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response<Body> {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.status;
        response.extensions_mut().insert(self);
        response
    }
}

/// The code of a request from an address that is locked; such refusals are counted as well.
pub(crate) const LOCKED_OUT: &str = "locked-out";

/// The code of a request that came too often; such refusals are counted, not recorded singly.
pub(crate) const RATE_LIMITED: &str = "rate-limited";
