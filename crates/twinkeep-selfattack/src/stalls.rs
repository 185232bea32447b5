//! Connections that are held open without working. Each must be closed in time, whatever the client
//! pretends to be waiting for.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::thread;
use std::time::Instant;

use crate::Finding;
use crate::floods::{PREFACE, SETTINGS, frame, head_of};
use crate::target::{Stream, Target, is_pause};

/// A way to hold a connection open.
type Stall = (&'static str, fn(&Target) -> Option<Held>);

const STALLS: &[Stall] = &[
    ("TCP without a byte", |target| target.tcp().ok().map(Held::Tcp)),
    ("half a TLS handshake", |target| {
        let mut stream = target.tcp().ok()?;
        stream.write_all(&[22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3]).ok()?;
        Some(Held::Tcp(stream))
    }),
    ("TLS without a request", |target| target.tls(b"http/1.1").ok().map(Held::silent)),
    ("half a head", |target| said(target, b"http/1.1", b"GET / HTTP/1.1\r\nHost: ")),
    ("a head that drips", |target| {
        let begun = said(target, b"http/1.1", b"GET / HTTP/1.1\r\nHost: a\r\nX: ")?;
        Some(begun.dripping(b"x"))
    }),
    ("a body that never comes", |target| said(target, b"http/1.1", &post(target))),
    ("a body that drips", |target| Some(said(target, b"http/1.1", &post(target))?.dripping(b" "))),
    ("half an HTTP/2 preface", |target| said(target, b"h2", &PREFACE[..10])),
    ("HTTP/2 without a request", |target| {
        said(target, b"h2", &[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat())
    }),
    ("HTTP/2 with pings and no request", |target| {
        let begun = said(target, b"h2", &[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat())?;
        Some(begun.dripping(&frame(PING, 0, 0, &[0; 8])))
    }),
    ("an HTTP/2 stream that never ends", |target| {
        // A head without END_STREAM, and no body.
        let head = frame(HEADERS, END_HEADERS, 1, &head_of(target, POST, "/predict"));
        said(target, b"h2", &[PREFACE, &frame(SETTINGS, 0, 0, &[]), &head].concat())
    }),
    ("an HTTP/2 answer that is not read", |target| {
        // A window of no bytes (RFC 9113, 6.5.2).
        let none = frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]);
        let head = frame(HEADERS, END_HEADERS | END_STREAM, 1, &head_of(target, GET, "/"));
        said(target, b"h2", &[PREFACE, &none, &head].concat())
    }),
];

/// A connection that is held.
enum Held {
    Tcp(TcpStream),
    /// And what is sent again and again.
    Tls(Box<Stream>, Vec<u8>),
}

impl Held {
    fn silent(stream: Stream) -> Self {
        Self::Tls(Box::new(stream), Vec::new())
    }

    fn dripping(self, drip: &[u8]) -> Self {
        match self {
            Self::Tls(stream, _) => Self::Tls(stream, drip.to_vec()),
            tcp => tcp,
        }
    }

    /// Returns whether the other side has closed it by now.
    fn is_closed(&mut self) -> bool {
        let mut buffer = [0; 4096];
        let read = match self {
            Self::Tcp(stream) => stream.read(&mut buffer),
            Self::Tls(stream, drip) => {
                if !drip.is_empty()
                    && let Err(error) = stream.write_all(drip).and_then(|()| stream.flush())
                    && !is_pause(&error)
                {
                    return true;
                }
                stream.read(&mut buffer)
            }
        };
        match read {
            Ok(count) => count == 0,
            Err(error) => !is_pause(&error),
        }
    }
}

/// Holds all of them at the same time.
pub(crate) fn run(target: &Target) -> Vec<Finding> {
    thread::scope(|scope| {
        let running: Vec<_> =
            STALLS.iter().map(|stall| scope.spawn(|| hold(target, stall))).collect();
        running.into_iter().filter_map(|held| held.join().ok()).collect()
    })
}

fn hold(target: &Target, (attack, begin): &Stall) -> Finding {
    let started = Instant::now();
    let finding = |held, saw: String| Finding::new("stall", attack, held, saw);
    let Some(mut held) = begin(target) else { return finding(true, "not let in".to_owned()) };
    while started.elapsed() < target.patience {
        if held.is_closed() {
            return finding(true, format!("closed after {} s", started.elapsed().as_secs()));
        }
    }
    finding(false, format!("open after {} s", target.patience.as_secs()))
}

fn said(target: &Target, protocol: &[u8], bytes: &[u8]) -> Option<Held> {
    let mut stream = target.tls(protocol).ok()?;
    stream.write_all(bytes).and_then(|()| stream.flush()).ok()?;
    Some(Held::silent(stream))
}

fn post(target: &Target) -> Vec<u8> {
    let credential = target.credential.as_deref().unwrap_or_default();
    format!(
        "POST /predict HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {credential}\r\n\
         Content-Type: application/json\r\nContent-Length: 100000\r\n\r\n{{",
        target.host
    )
    .into_bytes()
}

const HEADERS: u8 = 1;
const PING: u8 = 6;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// `:method` in the static table of RFC 7541.
const GET: u8 = 0x82;
const POST: u8 = 0x83;
