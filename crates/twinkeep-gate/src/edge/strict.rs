//! The rules of [`super::head`] for HTTP/2, which its library does not have.
//!
//! As with HTTP/1.1, a refused request is replaced by a marker request, so that it is answered in
//! its turn, with the headers, the error envelope, and the audit entry of any other answer.

use axum::body::Body;
use axum::http::header::{ACCEPT, HOST, HeaderValue};
use axum::http::{Method, Request};

use super::filter::REFUSAL_HEADER;
use super::head::{self, HeadRefusal};

/// Returns the request if it can be read in one way only, and a marker request otherwise.
pub(super) fn checked(mut request: Request<Body>) -> Request<Body> {
    let Err(refusal) = check(&request) else { return request };
    let mut marker = Request::new(Body::empty());
    if request.method() == Method::HEAD {
        *marker.method_mut() = Method::HEAD;
    }
    if let Some(accept) = request.headers_mut().remove(ACCEPT) {
        marker.headers_mut().insert(ACCEPT, accept);
    }
    marker.headers_mut().insert(REFUSAL_HEADER, HeaderValue::from_static(refusal.code()));
    marker
}

fn check(request: &Request<Body>) -> Result<(), HeadRefusal> {
    if request.method() == Method::CONNECT {
        return Err(HeadRefusal::RequestLine);
    }
    let authority = request.uri().authority().ok_or(HeadRefusal::Host)?.as_str();
    let mut hosts = request.headers().get_all(HOST).iter();
    let host_agrees = hosts.all(|host| host.as_bytes().eq_ignore_ascii_case(authority.as_bytes()));
    if !head::is_host(authority.as_bytes()) || !host_agrees {
        return Err(HeadRefusal::Host);
    }
    for name in request.headers().keys() {
        head::check_name(name.as_str().as_bytes())?;
    }
    Ok(())
}
