//! What a request proves itself with: an API key or an access token in a header, or a session in a
//! cookie.
//!
//! # Invariants
//!
//! - Two credentials in one request are refused: a gateway in front might have checked one
//!   and we the other.
//! - A key in the address is never looked at: addresses end up in logs.

use axum::http::HeaderMap;
use axum::http::StatusCode;
use axum::http::header::{AUTHORIZATION, COOKIE, HOST, ORIGIN};

use twinkeep_app::{Caller, is_purpose};

use crate::refusal::Refusal;

#[cfg(test)]
mod tests;

/// Returns the API key or access token that a request shows, if it shows one.
pub(crate) fn shown(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let bearer = one(headers, AUTHORIZATION.as_str())?;
    let plain = one(headers, "x-api-key")?;
    let bearer = match bearer {
        Some(value) => Some(bearer_token(value).ok_or_else(Refusal::unauthenticated)?),
        None => None,
    };
    match (bearer, plain) {
        (Some(_), Some(_)) => Err(ambiguous()),
        (key, None) | (None, key) => Ok(key),
    }
}

/// Returns whether more than an API key is shown: a token may have to be verified, and a glass that
/// is broken is recorded.
pub(crate) fn may_wait(headers: &HeaderMap) -> bool {
    let token = |value: &str| value.contains('.');
    headers.contains_key("x-break-glass") || shown(headers).ok().flatten().is_some_and(token)
}

/// Adds to a caller what the request says of why it asks, and of breaking the glass.
///
/// A purpose that the token names is not the request's to change.
pub(crate) fn with_purpose(mut caller: Caller, headers: &HeaderMap) -> Result<Caller, Refusal> {
    if let Some(purpose) = lone(headers, "x-purpose-of-use").map_err(|()| bad_purpose())? {
        if !is_purpose(purpose) || caller.purpose.as_ref().is_some_and(|known| known != purpose) {
            return Err(bad_purpose());
        }
        caller.purpose = Some(purpose.to_owned());
    }
    let glass = lone(headers, "x-break-glass").map(|glass| glass.map(str::trim));
    let said = |glass: &str| (1..=GLASS_LEN_MAX).contains(&glass.len());
    match glass {
        Ok(None) => {}
        Ok(Some(glass)) if said(glass) => caller.glass = Some(glass.to_owned()),
        _ => {
            let message = "`X-Break-Glass` has the reason, in ASCII, once";
            return Err(Refusal::new(StatusCode::BAD_REQUEST, "glass-reason", message));
        }
    }
    Ok(caller)
}

fn bad_purpose() -> Refusal {
    let message = "`X-Purpose-Of-Use` has one code, such as `TREAT`, and no other than the token";
    Refusal::new(StatusCode::BAD_REQUEST, "purpose-code", message)
}

/// The value of the one header of this name.
fn lone<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, ()> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| ()),
        _ => Err(()),
    }
}

/// Returns the session token in the request's cookie, if there is exactly one.
pub(crate) fn session_token(headers: &HeaderMap) -> Option<&str> {
    let pairs = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut tokens = pairs
        .flat_map(|pairs| pairs.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter_map(|(name, value)| (name == SESSION_COOKIE).then_some(value));
    let token = tokens.next()?;
    tokens.next().is_none().then_some(token)
}

/// Returns whether a form was sent from a page of this very gate.
///
/// Browsers say so in `Sec-Fetch-Site`; older ones, and programs, in `Origin`. A request that
/// says neither is refused: it costs a program one header, and closes every forgery.
pub(crate) fn same_origin(headers: &HeaderMap, authority: Option<&str>) -> bool {
    let value = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = value("sec-fetch-site") {
        return site == "same-origin";
    }
    let host = authority.or_else(|| value(HOST.as_str()));
    match (value(ORIGIN.as_str()).and_then(|origin| origin.strip_prefix("https://")), host) {
        (Some(origin), Some(host)) => origin.eq_ignore_ascii_case(host),
        _ => false,
    }
}

/// The value of the one header of this name; two are refused.
fn one<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Refusal> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(_), Some(_)) => Err(ambiguous()),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| Refusal::unauthenticated()),
    }
}

fn bearer_token(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}

fn ambiguous() -> Refusal {
    let message = "send one API key or access token, in one header";
    Refusal::new(StatusCode::BAD_REQUEST, "credentials-ambiguous", message)
}

/// A few sentences.
const GLASS_LEN_MAX: usize = 500;

/// `__Host-`: a browser takes it only over TLS, for this host alone, and for every path.
pub(crate) const SESSION_COOKIE: &str = "__Host-twinkeep";
