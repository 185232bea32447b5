//! Versions and ciphers of TLS that nobody should speak any more, asked for with hellos made by hand,
//! because no library of today would.

use std::io::{Read as _, Write as _};

use crate::Finding;
use crate::target::{Target, is_pause};

/// A version of TLS or SSL, and the ciphers that are offered with it.
struct Offer {
    attack: &'static str,
    version: [u8; 2],
    ciphers: &'static [u16],
}

/// What a server of today refuses.
const OFFERS: &[Offer] = &[
    Offer { attack: "SSL 3.0", version: [3, 0], ciphers: OLD },
    Offer { attack: "TLS 1.0", version: [3, 1], ciphers: OLD },
    Offer { attack: "TLS 1.1", version: [3, 2], ciphers: OLD },
    Offer {
        attack: "TLS 1.2 without encryption",
        version: [3, 3],
        ciphers: &[0x0001, 0x0002, 0x003b],
    },
    Offer {
        attack: "TLS 1.2 with RC4 or 3DES",
        version: [3, 3],
        ciphers: &[0x0004, 0x0005, 0x000a, 0xc011, 0xc012],
    },
    Offer {
        attack: "TLS 1.2 with export ciphers",
        version: [3, 3],
        ciphers: &[0x0003, 0x0006, 0x0008],
    },
    Offer {
        attack: "TLS 1.2 without forward secrecy",
        version: [3, 3],
        ciphers: &[0x009c, 0x009d, 0x002f, 0x0035, 0x003c],
    },
    Offer {
        attack: "TLS 1.2 with CBC",
        version: [3, 3],
        ciphers: &[0xc009, 0xc00a, 0xc013, 0xc014, 0xc023, 0xc027],
    },
];

/// What every old client offers.
const OLD: &[u16] =
    &[0xc009, 0xc00a, 0xc013, 0xc014, 0x002f, 0x0035, 0x000a, 0x0005, 0x0033, 0x0039];

/// Asks for each of them.
pub(crate) fn run(target: &Target) -> Vec<Finding> {
    let mut found: Vec<Finding> = OFFERS.iter().map(|offer| judge(target, offer)).collect();
    if let Some(roots) = &target.roots {
        let holds = target.certificate_holds(roots);
        let saw = holds.as_ref().map_or_else(ToString::to_string, |()| "TLS 1.3".to_owned());
        let attack = "somebody else in the server's place";
        found.push(Finding::new("tls", attack, holds.is_ok(), saw));
    }
    found
}

fn judge(target: &Target, offer: &Offer) -> Finding {
    let finding = |held, saw: &str| Finding::new("tls", offer.attack, held, saw);
    let Ok(mut stream) = target.tcp() else { return finding(false, "no connection") };
    if stream.write_all(&hello(&target.host, offer)).is_err() {
        return finding(true, "closed");
    }
    let mut head = [0; 6];
    let mut read = 0;
    for _ in 0..STEPS {
        match stream.read(&mut head[read..]) {
            Ok(0) => break,
            Ok(count) => read += count,
            Err(error) if is_pause(&error) => {}
            Err(_) => break,
        }
        if read == head.len() {
            break;
        }
    }
    match (read, head[0], head[5]) {
        (0, ..) => finding(true, "closed"),
        (_, ALERT, _) => finding(true, "alert"),
        (6, HANDSHAKE, SERVER_HELLO) => finding(false, "agreed"),
        _ => finding(false, "something else"),
    }
}

/// A hello of a version before 1.3 (RFC 5246, 7.4.1.2).
fn hello(host: &str, offer: &Offer) -> Vec<u8> {
    let ciphers: Vec<u8> = offer.ciphers.iter().flat_map(|cipher| cipher.to_be_bytes()).collect();
    let mut extensions = Vec::new();
    if offer.version != [3, 0] {
        let name = [&[0][..], &sized(host.as_bytes())].concat();
        extensions.extend(extension(0, &sized(&name)));
        extensions.extend(extension(10, &sized(&[0, 29, 0, 23, 0, 24])));
        extensions.extend(extension(11, &[1, 0]));
        extensions.extend(extension(13, &sized(&[4, 3, 4, 1, 5, 3, 5, 1, 6, 1, 2, 3, 2, 1])));
    }
    let mut body = offer.version.to_vec();
    body.extend([7; 32]);
    body.push(0);
    body.extend(sized(&ciphers));
    body.extend([1, 0]);
    body.extend(sized(&extensions));
    let length = body.len().to_be_bytes();
    let message = [&[1][..], &length[length.len() - 3..], &body].concat();
    [&[HANDSHAKE, 3, offer.version[1].min(1)][..], &sized(&message)].concat()
}

fn extension(kind: u8, content: &[u8]) -> Vec<u8> {
    [&[0, kind][..], &sized(content)].concat()
}

/// Content after its length in two bytes.
fn sized(content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap_or(u16::MAX).to_be_bytes();
    [&length[..], content].concat()
}

const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const SERVER_HELLO: u8 = 2;

/// Half a second each.
const STEPS: usize = 20;
