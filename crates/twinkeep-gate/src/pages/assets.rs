//! `/style.css` and `/icon.svg`: all that a page loads.

use axum::body::Body;
use axum::http::Response;
use axum::http::header::{CONTENT_TYPE, HeaderValue};

/// Answers with the style sheet.
pub(crate) async fn style() -> Response<Body> {
    asset("text/css; charset=utf-8", STYLE)
}

/// Answers with the icon.
pub(crate) async fn icon() -> Response<Body> {
    asset("image/svg+xml", ICON)
}

fn asset(kind: &'static str, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

const STYLE: &str = include_str!("style.css");

const ICON: &str = include_str!("icon.svg");
