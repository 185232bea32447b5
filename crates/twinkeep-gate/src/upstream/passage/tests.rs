//! Headers and paths on their way to an upstream and back.

use std::net::SocketAddr;

use axum::http::header::{HeaderMap, HeaderName, HeaderValue};

use super::{outbound, path_forwardable};

fn headers(lines: &[(&str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&str, &str)| {
        (HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(*value).unwrap())
    };
    let mut headers = HeaderMap::new();
    for (name, value) in lines.iter().map(pair) {
        headers.append(name, value);
    }
    headers
}

fn out(lines: &[(&str, &str)], address: &str) -> Vec<String> {
    let mut headers = headers(lines);
    let address: SocketAddr = address.parse().unwrap();
    outbound(&mut headers, address, Some("keep.example:8443"));
    let mut lines: Vec<String> = headers
        .iter()
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    lines.sort();
    lines
}

#[test]
fn an_upstream_gets_what_is_for_it_and_the_gates_word_about_who_asks() {
    let lines = out(
        &[
            ("accept", "application/json"),
            ("authorization", "Bearer tk_secret"),
            ("connection", "x-hop, Keep-Alive, host, content-length"),
            ("content-length", "5"),
            ("content-type", "application/json"),
            ("cookie", "__Host-twinkeep=1"),
            ("cookie", "other=1"),
            ("expect", "100-continue"),
            ("forwarded", "for=10.0.0.1"),
            ("host", "keep.example"),
            ("keep-alive", "timeout=5"),
            ("proxy-authorization", "Basic x"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "websocket"),
            ("x-api-key", "tk_secret"),
            ("x-forwarded-client-cert", "By=spiffe://x"),
            ("x-forwarded-for", "10.0.0.1"),
            ("x-forwarded-for", "10.0.0.2"),
            ("x-hop", "1"),
            ("x-http-method-override", "DELETE"),
            ("x-kept", "1"),
            ("x-original-url", "/admin"),
            ("x-real-ip", "10.0.0.1"),
            ("x_real_ip", "10.0.0.1"),
        ],
        "192.0.2.7:4711",
    );
    assert_eq!(
        lines,
        [
            "accept: application/json",
            "content-length: 5",
            "content-type: application/json",
            "forwarded: for=192.0.2.7;proto=https;host=\"keep.example:8443\"",
            "x-forwarded-for: 192.0.2.7",
            "x-forwarded-host: keep.example:8443",
            "x-forwarded-proto: https",
            "x-kept: 1",
            "x-real-ip: 192.0.2.7",
        ]
    );
    let lines = out(&[], "[2001:db8::7]:4711").join("\n");
    assert!(lines.contains("forwarded: for=\"[2001:db8::7]\";"), "{lines}");
    assert!(lines.contains("x-real-ip: 2001:db8::7"), "{lines}");
}

#[test]
fn a_path_that_could_be_read_as_another_is_not_passed_on() {
    for path in ["/r/v1/models/half:predict", "/r/a/", "/r/a,b=c/@x", "/r/a%20b", "/r/%c3%a9"] {
        assert!(path_forwardable(path), "{path}");
    }
    for path in [
        "",
        "*",
        "r",
        "/r//a",
        "/r/./a",
        "/r/../a",
        "/r/%2e%2e/a",
        "/r/%2E/a",
        "/r/a%2fb",
        "/r/a%5cb",
        "/r/a%00",
        "/r/a%0d%0a",
        "/r/a%252e",
        "/r/a;b",
        "/r/a%3bb",
        "/r/%41",
        "/r/a%",
        "/r/a%2",
        "/r/a%zz",
        "/r/a\\b",
        "/r/a b",
        "/r/\u{e9}",
        "/r/a//",
        "//r/a",
    ] {
        assert!(!path_forwardable(path), "{path}");
    }
}
