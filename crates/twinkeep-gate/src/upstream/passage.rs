//! What of a request reaches an upstream, and what of its answer reaches the client.
//!
//! # Invariants
//!
//! - Headers that say who somebody is come from the gate or not at all; nothing is added to what a
//!   client wrote.
//! - What is about one connection (RFC 9110, 7.6.1) goes no further than that connection.

use std::net::SocketAddr;

use axum::http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, FORWARDED, HOST, HeaderMap,
    HeaderName, HeaderValue, LOCATION, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING,
    UPGRADE, VIA,
};

use super::Upstream;

#[cfg(test)]
mod tests;

/// Takes out of a client's headers what is not for the upstream, and adds what the gate knows.
pub(super) fn outbound(headers: &mut HeaderMap, address: SocketAddr, host: Option<&str>) {
    drop_hops(headers);
    let names: Vec<HeaderName> = headers.keys().filter(|name| is_private(name)).cloned().collect();
    for name in names {
        headers.remove(name);
    }
    let ip = address.ip().to_canonical();
    let node = if ip.is_ipv6() { format!("\"[{ip}]\"") } else { ip.to_string() };
    let mut set = |name: &'static str, value: String| {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    set("x-real-ip", ip.to_string());
    set("x-forwarded-for", ip.to_string());
    set("x-forwarded-proto", "https".to_owned());
    let mut forwarded = format!("for={node};proto=https");
    if let Some(host) = host {
        set("x-forwarded-host", host.to_owned());
        forwarded.push_str(&format!(";host=\"{host}\""));
    }
    set("forwarded", forwarded);
}

/// Takes out of an upstream's headers what is not for the client, and rewrites where it points.
pub(super) fn inbound(headers: &mut HeaderMap, upstream: &Upstream) {
    drop_hops(headers);
    let ours = |name: &HeaderName| {
        let text = name.as_str();
        text.starts_with("twinkeep-") || text.starts_with("access-control-")
    };
    let names: Vec<HeaderName> = headers
        .keys()
        .filter(|name| ours(name) || NOT_FOR_CLIENTS.contains(&name.as_str()))
        .cloned()
        .collect();
    for name in names {
        headers.remove(name);
    }
    if let Some(location) = headers.remove(LOCATION)
        && let Some(location) = relocated(&location, upstream)
    {
        headers.insert(LOCATION, location);
    }
}

/// Removes what is about one connection, and what `Connection` names.
pub(crate) fn drop_hops(headers: &mut HeaderMap) {
    for name in named_by_connection(headers) {
        headers.remove(name);
    }
    for name in [CONNECTION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE, EXPECT] {
        headers.remove(name);
    }
    for name in ["keep-alive", "proxy-connection"] {
        headers.remove(name);
    }
}

/// The headers that `Connection` says are about the connection. What frames a message and says whom
/// it is for is not among them, whatever it says.
pub(crate) fn named_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    let values = headers.get_all(CONNECTION).into_iter().filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .filter_map(|name| HeaderName::try_from(name.trim()).ok())
        .filter(|name| ![HOST, CONTENT_LENGTH].contains(name))
        .filter(|name| !name.as_str().starts_with("twinkeep-"))
        .collect()
}

/// Returns whether a header is for the gate alone: credentials, what says who somebody is, what
/// some servers let override the method or the path, and names that a CGI reads as another's.
fn is_private(name: &HeaderName) -> bool {
    let text = name.as_str();
    let known = [AUTHORIZATION, PROXY_AUTHORIZATION, COOKIE, HOST, FORWARDED, VIA].contains(name);
    known
        || text.contains('_')
        || PRIVATE.contains(&text)
        || PRIVATE_PREFIXES.iter().any(|begin| text.starts_with(begin))
}

/// Where an answer sends the client, as the client would ask for it.
fn relocated(value: &HeaderValue, upstream: &Upstream) -> Option<HeaderValue> {
    let text = value.to_str().ok()?;
    let own = format!("{}://{}", upstream.plan.scheme(), upstream.plan.authority);
    let path = match text.strip_prefix(&own) {
        Some(path) => path,
        // `//host` is an address of another host.
        None if text.starts_with('/') && !text.starts_with("//") => text,
        None => return Some(value.clone()),
    };
    // What lies beside the configured path is not reached through this gate.
    let rest = path.strip_prefix(&upstream.plan.base)?;
    HeaderValue::try_from(format!("{}{rest}", upstream.config.path)).ok()
}

/// Returns whether a path can be passed on: like those of the gate's own routes, but with the
/// characters that other servers use, a `/` at the end, and escapes that cannot be read as
/// anything else.
pub(crate) fn path_forwardable(path: &str) -> bool {
    let Some(rest) = path.strip_prefix('/') else { return false };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    rest.split('/')
        .all(|segment| !matches!(segment, "" | "." | "..") && segment_plain(segment.as_bytes()))
}

fn segment_plain(mut segment: &[u8]) -> bool {
    while let [first, rest @ ..] = segment {
        segment = match (first, rest) {
            (b'%', [high, low, rest @ ..]) => {
                let digit = |byte: u8| (byte as char).to_digit(16);
                let byte = digit(*high).zip(digit(*low)).map(|(high, low)| high << 4 | low);
                // What needs no escape, separates, or controls would be read in two ways.
                let fine = |byte: u32| {
                    let plain = u8::try_from(byte).is_ok_and(|byte| {
                        byte.is_ascii_alphanumeric()
                            || byte.is_ascii_control()
                            || b"-._~/\\%;".contains(&byte)
                    });
                    !plain
                };
                if !byte.is_some_and(fine) {
                    return false;
                }
                rest
            }
            (byte, rest) if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,=:@".contains(byte) => {
                rest
            }
            _ => return false,
        };
    }
    true
}

/// For the gate, and nobody behind it.
const PRIVATE: &[&str] = &[
    "client-cert",
    "client-cert-chain",
    "x-api-key",
    "x-break-glass",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-method",
    "x-original-uri",
    "x-original-url",
    "x-purpose-of-use",
    "x-real-ip",
    "x-rewrite-url",
    "true-client-ip",
    "cf-connecting-ip",
];

/// Whole families of the same.
const PRIVATE_PREFIXES: &[&str] =
    &["twinkeep-", "x-forwarded", "x-client-", "x-ssl-", "ssl-client", "x-envoy-", "x-cluster-"];

/// What a client would take for the gate's word: sessions, challenges, other addresses of it.
const NOT_FOR_CLIENTS: &[&str] = &[
    "set-cookie",
    "set-cookie2",
    "server",
    "x-powered-by",
    "www-authenticate",
    "proxy-authenticate",
    "authentication-info",
    "proxy-authentication-info",
    "alt-svc",
    "clear-site-data",
    "public-key-pins",
    "ratelimit",
    "ratelimit-policy",
    "reporting-endpoints",
    "report-to",
    "nel",
    "service-worker-allowed",
    "sourcemap",
    "x-accel-redirect",
    "x-sendfile",
    "via",
];
