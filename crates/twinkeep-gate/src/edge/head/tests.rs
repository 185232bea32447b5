//! Heads that clients send, and heads that attackers send.

use super::{Framing, HeadRefusal, check};

fn with(lines: &str) -> Result<Framing, HeadRefusal> {
    check(format!("POST /predict HTTP/1.1\r\nHost: keep.example:8443\r\n{lines}\r\n").as_bytes())
}

#[test]
fn what_clients_really_send_is_accepted() {
    assert_eq!(with(""), Ok(Framing::None));
    assert_eq!(with("Content-Length: 12\r\n"), Ok(Framing::Sized(12)));
    assert_eq!(with("Content-Length:12\r\n"), Ok(Framing::Sized(12)));
    assert_eq!(with("content-length:  \t12 \t\r\n"), Ok(Framing::Sized(12)));
    assert_eq!(with("Transfer-Encoding: Chunked\r\n"), Ok(Framing::Chunked));
    assert_eq!(with("Expect: 100-continue\r\nContent-Length: 3\r\n"), Ok(Framing::Sized(3)));
    assert_eq!(with("User-Agent: caf\u{e9}\r\nX-Empty:\r\n"), Ok(Framing::None));
    assert_eq!(with("sentry_trace: 1\r\n"), Ok(Framing::None));
    for line in ["GET /?a=%20b&c HTTP/1.1", "GET https://a:1/x HTTP/1.1"] {
        assert_eq!(check(format!("{line}\r\nHost: A:1\r\n\r\n").as_bytes()), Ok(Framing::None));
    }
}

#[test]
fn ambiguous_lengths_are_refused() {
    let length = Err(HeadRefusal::Length);
    assert_eq!(with("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n"), length);
    assert_eq!(with("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n"), length);
    assert_eq!(with("Content-Length: 3\r\nContent-Length: 3\r\n"), length);
    assert_eq!(with("Content-Length: 3\r\nContent-Length: 4\r\n"), length);
    assert_eq!(with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), length);
    for value in ["+3", "-1", "0x3", "3, 3", "3 3", "'3'", "", "3.0", "18446744073709551616"] {
        assert_eq!(with(&format!("Content-Length: {value}\r\n")), length, "{value}");
    }
}

#[test]
fn other_transfer_codings_are_refused() {
    for value in ["xchunked", "chunked, identity", "identity", "gzip, chunked", "\"chunked\"", ""] {
        let line = format!("Transfer-Encoding: {value}\r\n");
        assert_eq!(with(&line), Err(HeadRefusal::TransferCoding), "{value}");
    }
    assert_eq!(with("Transfer-Encoding : chunked\r\n"), Err(HeadRefusal::HeaderLine));
    assert_eq!(with("transfer_encoding: chunked\r\n"), Err(HeadRefusal::HeaderName));
}

#[test]
fn exactly_one_host_is_needed() {
    let host = Err(HeadRefusal::Host);
    assert_eq!(check(b"GET / HTTP/1.1\r\n\r\n"), host);
    assert_eq!(with("Host: keep.example:8443\r\n"), host);
    for value in ["", "a b", "a@b", "a/b", "a,b", "a:b:c", "http://a", "\u{e9}"] {
        let head = format!("GET / HTTP/1.1\r\nHost: {value}\r\n\r\n");
        assert_eq!(check(head.as_bytes()), host, "{value}");
    }
}

#[test]
fn a_target_elsewhere_is_refused() {
    for target in [
        "https://other.example/",
        "http://a/",
        "ftp://a/",
        "*",
        "a",
        "a:443",
        "//",
        "/a#b",
        "/a\\b",
        "/\u{e9}",
        "",
    ] {
        let result = check(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
        if target == "//" {
            // Not ambiguous here; the canonical path is checked where paths are routed.
            assert_eq!(result, Ok(Framing::None));
        } else {
            assert_eq!(result, Err(HeadRefusal::Target), "{target}");
        }
    }
}

#[test]
fn the_request_line_has_one_form() {
    let refused = [
        ("GET / HTTP/1.0", HeadRefusal::Version),
        ("GET / HTTP/2.0", HeadRefusal::Version),
        ("GET / http/1.1", HeadRefusal::RequestLine),
        ("GET  / HTTP/1.1", HeadRefusal::RequestLine),
        ("GET / HTTP/1.1 ", HeadRefusal::RequestLine),
        (" GET / HTTP/1.1", HeadRefusal::RequestLine),
        ("GET /", HeadRefusal::RequestLine),
        ("get / HTTP/1.1", HeadRefusal::RequestLine),
        ("G\tET / HTTP/1.1", HeadRefusal::RequestLine),
        ("CONNECT a:443 HTTP/1.1", HeadRefusal::RequestLine),
        ("ABCDEFGHIJKLMNOPQRST / HTTP/1.1", HeadRefusal::RequestLine),
        ("", HeadRefusal::RequestLine),
    ];
    for (line, refusal) in refused {
        let head = format!("{line}\r\nHost: a\r\n\r\n");
        assert_eq!(check(head.as_bytes()), Err(refusal), "{line:?}");
    }
}

#[test]
fn header_lines_have_one_form() {
    let line = Err(HeadRefusal::HeaderLine);
    for text in [
        "X-Fold: a\r\n b\r\n",
        " X: a\r\n",
        "\tX: a\r\n",
        "X : a\r\n",
        "X\r\n",
        ": a\r\n",
        "X\u{e9}: a\r\n",
        "X(: a\r\n",
        "X: a\u{7f}b\r\n",
        "X: a\u{1}b\r\n",
        "X: a\u{c}\r\n",
    ] {
        assert_eq!(with(text), line, "{text:?}");
    }
    for text in ["X: a\rb\r\n", "X: a\0b\r\n", "X: a\nY: b\r\n"] {
        assert_eq!(with(text), Err(HeadRefusal::LineEnd), "{text:?}");
    }
}

#[test]
fn names_that_shadow_ours_are_refused() {
    for name in ["X_Api_Key", "x-api_key", "Content_Length", "X_Real_IP", "twinkeep-refusal"] {
        assert_eq!(with(&format!("{name}: 1\r\n")), Err(HeadRefusal::HeaderName), "{name}");
    }
}

#[test]
fn other_expectations_and_too_many_headers_are_refused() {
    assert_eq!(with("Expect: 200-ok\r\n"), Err(HeadRefusal::Expectation));
    assert_eq!(with(&"X: 1\r\n".repeat(63)), Ok(Framing::None));
    assert_eq!(with(&"X: 1\r\n".repeat(64)), Err(HeadRefusal::Size));
}
