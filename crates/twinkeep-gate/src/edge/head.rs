//! What the head of an HTTP/1.1 request may look like (RFC 9112, and stricter).
//!
//! Request smuggling lives where two parsers disagree. Whatever two parsers could read in two
//! ways is refused here, before hyper sees it: both lengths, a length twice, a bare LF, a missing
//! host. The rules are a superset of hyper's, so that hyper never answers an error of its own.

use axum::http::header::HeaderValue;
use axum::http::uri::Authority;
use axum::http::{Method, Uri};

#[cfg(test)]
mod tests;

/// How the body that follows a head is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// There is none.
    None,
    /// By this many bytes.
    Sized(u64),
    /// By chunks.
    Chunked,
}

/// Why a head was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeadRefusal {
    /// A line ends in LF alone, or holds a CR alone or a NUL.
    LineEnd,
    /// The first line is not `METHOD SP target SP HTTP/1.1`.
    RequestLine,
    /// Not HTTP/1.1.
    Version,
    /// The target is neither a path nor an address of this very host.
    Target,
    /// A header line is not `name: value`.
    HeaderLine,
    /// A header's name could pass for another's, or is ours.
    HeaderName,
    /// No host, two, or not a host.
    Host,
    /// Two lengths, both kinds of length, or not a length.
    Length,
    /// A transfer coding other than `chunked`.
    TransferCoding,
    /// An expectation other than `100-continue`.
    Expectation,
    /// Too many bytes or lines.
    Size,
}

impl HeadRefusal {
    /// All of them: what the marker request of [`super::filter`] can name.
    pub(crate) const ALL: [Self; 11] = [
        Self::LineEnd,
        Self::RequestLine,
        Self::Version,
        Self::Target,
        Self::HeaderLine,
        Self::HeaderName,
        Self::Host,
        Self::Length,
        Self::TransferCoding,
        Self::Expectation,
        Self::Size,
    ];

    /// The permanent name of this refusal in answers and in the ledger.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::LineEnd => "http-line-end",
            Self::RequestLine => "http-request-line",
            Self::Version => "http-version",
            Self::Target => "http-target",
            Self::HeaderLine => "http-header-line",
            Self::HeaderName => "http-header-name",
            Self::Host => "http-host",
            Self::Length => "http-length",
            Self::TransferCoding => "http-transfer-coding",
            Self::Expectation => "http-expectation",
            Self::Size => "http-head-size",
        }
    }

    /// Says what is wrong, for the client.
    pub(crate) fn message(self) -> &'static str {
        match self {
            Self::LineEnd => "a line of the request's head does not end in CR LF",
            Self::RequestLine => "the request line is not a method, a target, and a version",
            Self::Version => "only HTTP/1.1 and HTTP/2 are spoken here",
            Self::Target => "the target is neither a path nor an address of this host",
            Self::HeaderLine => "a header line is not a name, a colon, and a value",
            Self::HeaderName => "a header has a reserved or ambiguous name",
            Self::Host => "the request needs exactly one valid host",
            Self::Length => "the length of the body is ambiguous",
            Self::TransferCoding => "the only transfer coding here is chunked",
            Self::Expectation => "the only expectation here is 100-continue",
            Self::Size => "the request's head is too large",
        }
    }

    /// Returns the HTTP status.
    pub(crate) fn status(self) -> u16 {
        match self {
            Self::Version => 505,
            Self::Expectation => 417,
            Self::Size => 431,
            Self::TransferCoding => 501,
            _ => 400,
        }
    }
}

/// Checks a whole head, its final empty line included, and returns how the body is delimited.
pub(crate) fn check(head: &[u8]) -> Result<Framing, HeadRefusal> {
    let head = head.strip_suffix(b"\r\n\r\n").ok_or(HeadRefusal::LineEnd)?;
    let mut lines = split_lines(head)?.into_iter();
    let authority = check_request_line(lines.next().unwrap_or_default())?;
    let mut fields = Fields::default();
    for (index, line) in lines.enumerate() {
        if HEADER_COUNT_MAX <= index {
            return Err(HeadRefusal::Size);
        }
        fields.take(line)?;
    }
    fields.finish(authority)
}

/// Splits at CR LF and refuses every other line break.
fn split_lines(head: &[u8]) -> Result<Vec<&[u8]>, HeadRefusal> {
    let lines = head.split(|&byte| byte == b'\n').collect::<Vec<_>>();
    let last = lines.len() - 1;
    let strip = |(index, line): (usize, &'_ [u8])| -> Option<usize> {
        let length = if index == last { line.len() } else { line.strip_suffix(b"\r")?.len() };
        let clean = !line[..length].iter().any(|byte| matches!(byte, b'\r' | b'\0'));
        clean.then_some(length)
    };
    let lengths = lines.iter().copied().enumerate().map(strip).collect::<Option<Vec<_>>>();
    let lengths = lengths.ok_or(HeadRefusal::LineEnd)?;
    Ok(lines.into_iter().zip(lengths).map(|(line, length)| &line[..length]).collect())
}

/// Checks the first line; returns the authority of an absolute target.
fn check_request_line(line: &[u8]) -> Result<Option<Vec<u8>>, HeadRefusal> {
    let parts: Vec<&[u8]> = line.split(|&byte| byte == b' ').collect();
    let [method, target, version] = parts[..] else {
        return Err(HeadRefusal::RequestLine);
    };
    let known = method.len() <= METHOD_LEN_MAX
        && method.iter().all(u8::is_ascii_uppercase)
        && Method::from_bytes(method).is_ok_and(|method| method != Method::CONNECT);
    if !known {
        return Err(HeadRefusal::RequestLine);
    }
    if version != b"HTTP/1.1" {
        let http = version.starts_with(b"HTTP/");
        return Err(if http { HeadRefusal::Version } else { HeadRefusal::RequestLine });
    }
    let plain = |byte: &u8| byte.is_ascii_graphic() && !b"#\"<>\\^`{|}".contains(byte);
    let uri = Uri::try_from(target).map_err(|_| HeadRefusal::Target)?;
    if !target.iter().all(plain) {
        return Err(HeadRefusal::Target);
    }
    if target.starts_with(b"/") {
        return Ok(None);
    }
    match (uri.scheme_str(), uri.authority()) {
        (Some("https"), Some(authority)) => Ok(Some(authority.as_str().as_bytes().to_vec())),
        _ => Err(HeadRefusal::Target),
    }
}

/// What the header lines said so far.
#[derive(Default)]
struct Fields {
    host: Option<Vec<u8>>,
    length: Option<u64>,
    chunked: bool,
}

impl Fields {
    fn take(&mut self, line: &[u8]) -> Result<(), HeadRefusal> {
        let colon = line.iter().position(|&byte| byte == b':').ok_or(HeadRefusal::HeaderLine)?;
        let (name, value) = (&line[..colon], trim_blank(&line[colon + 1..]));
        // A space before the colon or at the start of the line (obs-fold) is not a name's byte.
        if name.is_empty() || !name.iter().all(|&byte| is_token(byte)) {
            return Err(HeadRefusal::HeaderLine);
        }
        if HeaderValue::from_bytes(value).is_err() {
            return Err(HeadRefusal::HeaderLine);
        }
        let name = name.to_ascii_lowercase();
        check_name(&name)?;
        match name.as_slice() {
            b"host" => self.take_host(value),
            b"content-length" => self.take_length(value),
            b"transfer-encoding" => self.take_coding(value),
            b"expect" if !value.eq_ignore_ascii_case(b"100-continue") => {
                Err(HeadRefusal::Expectation)
            }
            _ => Ok(()),
        }
    }

    fn take_host(&mut self, value: &[u8]) -> Result<(), HeadRefusal> {
        if self.host.is_some() || !is_host(value) {
            return Err(HeadRefusal::Host);
        }
        self.host = Some(value.to_ascii_lowercase());
        Ok(())
    }

    fn take_length(&mut self, value: &[u8]) -> Result<(), HeadRefusal> {
        let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
        let length = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
        match length {
            Some(length) if digits && self.length.is_none() => {
                self.length = Some(length);
                Ok(())
            }
            _ => Err(HeadRefusal::Length),
        }
    }

    fn take_coding(&mut self, value: &[u8]) -> Result<(), HeadRefusal> {
        if !value.eq_ignore_ascii_case(b"chunked") {
            return Err(HeadRefusal::TransferCoding);
        }
        if self.chunked {
            return Err(HeadRefusal::Length);
        }
        self.chunked = true;
        Ok(())
    }

    fn finish(self, authority: Option<Vec<u8>>) -> Result<Framing, HeadRefusal> {
        let host = self.host.ok_or(HeadRefusal::Host)?;
        if authority.is_some_and(|authority| authority.to_ascii_lowercase() != host) {
            return Err(HeadRefusal::Target);
        }
        match (self.length, self.chunked) {
            (Some(_), true) => Err(HeadRefusal::Length),
            (None, true) => Ok(Framing::Chunked),
            (Some(0) | None, false) => Ok(Framing::None),
            (Some(length), false) => Ok(Framing::Sized(length)),
        }
    }
}

/// Refuses a name that is ours, or that a gateway behind us could read as one that we check.
pub(crate) fn check_name(name: &[u8]) -> Result<(), HeadRefusal> {
    let dashed: Vec<u8> = name.iter().map(|&byte| if byte == b'_' { b'-' } else { byte }).collect();
    let shadows = dashed != name && SHADOWED.contains(&dashed.as_slice());
    if shadows || dashed.starts_with(RESERVED_PREFIX) {
        return Err(HeadRefusal::HeaderName);
    }
    Ok(())
}

/// Returns whether `value` is a host with an optional port, and nothing cleverer.
pub(crate) fn is_host(value: &[u8]) -> bool {
    let allowed = |byte: &u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':' | b'[' | b']')
    };
    !value.is_empty()
        && value.len() <= HOST_LEN_MAX
        && value.iter().all(allowed)
        && Authority::try_from(value).is_ok()
}

/// Strips spaces and tabs, and no other white space (RFC 9110, 5.5).
fn trim_blank(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// The bytes of a token (RFC 9110, 5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Headers that we act on: an alias with `_` would pass us and arrive at a CGI as the real one.
const SHADOWED: &[&[u8]] = &[
    b"authorization",
    b"connection",
    b"content-length",
    b"content-type",
    b"forwarded",
    b"proxy-authorization",
    b"sec-fetch-site",
    b"transfer-encoding",
    b"x-api-key",
    b"x-forwarded-for",
    b"x-forwarded-host",
    b"x-forwarded-proto",
    b"x-real-ip",
];

/// Headers that only the gate itself may write.
const RESERVED_PREFIX: &[u8] = b"twinkeep-";

/// `OPTIONS` has 7; the longest registered method has 17 (`UPDATEREDIRECTREF`).
const METHOD_LEN_MAX: usize = 17;

/// Browsers send about 15, well-meant proxies add 10.
const HEADER_COUNT_MAX: usize = 64;

/// A DNS name has at most 253 bytes (RFC 1035), a port 5, and a colon.
const HOST_LEN_MAX: usize = 259;
