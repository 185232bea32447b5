//! Requests that two readers understand differently: what a proxy takes for one request, the server
//! behind it takes for two, or the other way round.

use crate::Finding;
use crate::target::Target;

/// What must become of a request.
#[derive(Clone, Copy)]
enum Must {
    /// It is refused for its form.
    BeRefused,
    /// What is hidden in its body is not answered.
    StayAlone,
}

/// A head with `{h}` for the host, the hidden request where `{g}` is, and what must become of it.
type Payload = (&'static str, &'static str, Must);

use Must::{BeRefused, StayAlone};

const PAYLOADS: &[Payload] = &[
    (
        "length and chunks",
        "POST / HTTP/1.1\r\nHost: {h}\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{g}",
        BeRefused,
    ),
    (
        "chunks and length",
        "POST / HTTP/1.1\r\nHost: {h}\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n{g}",
        BeRefused,
    ),
    (
        "two lengths",
        "POST / HTTP/1.1\r\nHost: {h}\r\nContent-Length: 0\r\nContent-Length: 40\r\n\r\n{g}",
        BeRefused,
    ),
    (
        "two equal lengths",
        "POST / HTTP/1.1\r\nHost: {h}\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n{g}",
        BeRefused,
    ),
    (
        "a list of lengths",
        "POST / HTTP/1.1\r\nHost: {h}\r\nContent-Length: 0, 0\r\n\r\n{g}",
        BeRefused,
    ),
    (
        "a length with a sign",
        "POST / HTTP/1.1\r\nHost: {h}\r\nContent-Length: +0\r\n\r\n{g}",
        BeRefused,
    ),
    (
        "a negative length",
        "POST / HTTP/1.1\r\nHost: {h}\r\nContent-Length: -1\r\n\r\n{g}",
        BeRefused,
    ),
    (
        "a hexadecimal length",
        "POST / HTTP/1.1\r\nHost: {h}\r\nContent-Length: 0x0\r\n\r\n{g}",
        BeRefused,
    ),
    (
        "a length beyond all numbers",
        "POST / HTTP/1.1\r\nHost: {h}\r\nContent-Length: 18446744073709551616\r\n\r\n{g}",
        BeRefused,
    ),
    ("an empty length", "POST / HTTP/1.1\r\nHost: {h}\r\nContent-Length:\r\n\r\n{g}", BeRefused),
    (
        "another coding",
        "POST / HTTP/1.1\r\nHost: {h}\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n{g}",
        BeRefused,
    ),
    (
        "chunked and identity",
        "POST / HTTP/1.1\r\nHost: {h}\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n{g}",
        BeRefused,
    ),
    (
        "chunked twice",
        "POST / HTTP/1.1\r\nHost: {h}\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{g}",
        BeRefused,
    ),
    (
        "a space before the colon",
        "POST / HTTP/1.1\r\nHost: {h}\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n{g}",
        BeRefused,
    ),
    (
        "a vertical tab before the value",
        "POST / HTTP/1.1\r\nHost: {h}\r\nTransfer-Encoding: \u{b}chunked\r\n\r\n0\r\n\r\n{g}",
        BeRefused,
    ),
    (
        "chunks in HTTP/1.0",
        "POST / HTTP/1.0\r\nHost: {h}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{g}",
        BeRefused,
    ),
    ("no host", "GET / HTTP/1.1\r\n\r\n", BeRefused),
    ("two hosts", "GET / HTTP/1.1\r\nHost: {h}\r\nHost: evil.example\r\n\r\n", BeRefused),
    ("a host with a login", "GET / HTTP/1.1\r\nHost: evil@{h}\r\n\r\n", BeRefused),
    ("a host with a path", "GET / HTTP/1.1\r\nHost: {h}/evil\r\n\r\n", BeRefused),
    (
        "another host in the request line",
        "GET https://evil.example/ HTTP/1.1\r\nHost: {h}\r\n\r\n",
        BeRefused,
    ),
    ("lines that end with LF", "GET / HTTP/1.1\nHost: {h}\n\n", BeRefused),
    ("one line that ends with LF", "GET / HTTP/1.1\r\nHost: {h}\nX: y\r\n\r\n", BeRefused),
    ("a CR in a value", "GET / HTTP/1.1\r\nHost: {h}\r\nX: a\rb\r\n\r\n", BeRefused),
    ("a NUL in a value", "GET / HTTP/1.1\r\nHost: {h}\r\nX: a\0b\r\n\r\n", BeRefused),
    ("a folded line", "GET / HTTP/1.1\r\nHost: {h}\r\nX: a\r\n b\r\n\r\n", BeRefused),
    ("a space in a name", "GET / HTTP/1.1\r\nHost: {h}\r\nX Y: a\r\n\r\n", BeRefused),
    ("a line without a name", "GET / HTTP/1.1\r\nHost: {h}\r\n: a\r\n\r\n", BeRefused),
    ("a line without a colon", "GET / HTTP/1.1\r\nHost: {h}\r\nX\r\n\r\n", BeRefused),
    ("a name with an underscore", "GET / HTTP/1.1\r\nHost: {h}\r\nX_Api_Key: a\r\n\r\n", BeRefused),
    ("HTTP/0.9", "GET /\r\n\r\n", BeRefused),
    ("HTTP/2.0 in a request line", "GET / HTTP/2.0\r\nHost: {h}\r\n\r\n", BeRefused),
    ("HTTP/1.2", "GET / HTTP/1.2\r\nHost: {h}\r\n\r\n", BeRefused),
    ("a space before the request line", " GET / HTTP/1.1\r\nHost: {h}\r\n\r\n", BeRefused),
    ("two spaces in the request line", "GET  / HTTP/1.1\r\nHost: {h}\r\n\r\n", BeRefused),
    ("a tab in the request line", "GET\t/ HTTP/1.1\r\nHost: {h}\r\n\r\n", BeRefused),
    ("a fragment in the request line", "GET /#a HTTP/1.1\r\nHost: {h}\r\n\r\n", BeRefused),
    ("a path with escaped dots", "GET /%2e%2e/healthz HTTP/1.1\r\nHost: {h}\r\n\r\n", BeRefused),
    ("a path with an escaped slash", "GET /a%2fb HTTP/1.1\r\nHost: {h}\r\n\r\n", BeRefused),
    ("a path with dots", "GET /a/../healthz HTTP/1.1\r\nHost: {h}\r\n\r\n", BeRefused),
    ("a path with two slashes", "GET //healthz HTTP/1.1\r\nHost: {h}\r\n\r\n", BeRefused),
    (
        "a chunk whose size overflows",
        "POST / HTTP/1.1\r\nHost: {h}\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000000\r\n{g}",
        StayAlone,
    ),
    (
        "a chunk whose size has a sign",
        "POST / HTTP/1.1\r\nHost: {h}\r\nTransfer-Encoding: chunked\r\n\r\n+0\r\n\r\n{g}",
        StayAlone,
    ),
    (
        "a chunk whose size is hexadecimal twice",
        "POST / HTTP/1.1\r\nHost: {h}\r\nTransfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n{g}",
        StayAlone,
    ),
    (
        "a chunk that ends with LF",
        "POST / HTTP/1.1\r\nHost: {h}\r\nTransfer-Encoding: chunked\r\n\r\n0\n\n{g}",
        StayAlone,
    ),
    (
        "a chunk that is longer than it says",
        "POST / HTTP/1.1\r\nHost: {h}\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n{g}",
        StayAlone,
    ),
    ("a body of a GET", "GET / HTTP/1.1\r\nHost: {h}\r\nContent-Length: {n}\r\n\r\n{g}", StayAlone),
];

/// Sends each of them.
pub(crate) fn run(target: &Target) -> Vec<Finding> {
    let whole = target.ask(&target.request("GET", "/", ""));
    if whole.status == 0 || is_refusal(whole.status) {
        let saw = format!("a good request got {}", whole.said());
        return vec![Finding::new("smuggling", "a request that is good", false, saw)];
    }
    PAYLOADS.iter().map(|payload| judge(target, payload)).collect()
}

fn judge(target: &Target, (attack, text, must): &Payload) -> Finding {
    let hidden = format!("GET /healthz HTTP/1.1\r\nHost: {}\r\n\r\n", target.host);
    let bytes = text
        .replace("{h}", &target.host)
        .replace("{n}", &hidden.len().to_string())
        .replace("{g}", &hidden);
    let answer = target.ask(bytes.as_bytes());
    let held = match must {
        BeRefused => answer.count <= 1 && (answer.status == 0 || is_refusal(answer.status)),
        StayAlone => answer.count <= 1,
    };
    Finding::new("smuggling", attack, held, answer.said())
}

/// Codes that speak of a request's form and not of what it asks for.
fn is_refusal(status: u16) -> bool {
    matches!(status, 400 | 411 | 413 | 414 | 417 | 431 | 501 | 505)
}
