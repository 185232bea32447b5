//! Heads of handshakes that offer something old and nothing else (RFC 5246, RFC 6101).

use crate::facts::tls::Offer;

/// The first message of a client that offers this.
pub(super) fn hello(offer: Offer, host: &str) -> Vec<u8> {
    let (version, suites) = match offer {
        Offer::Ssl3 => (0x0300_u16, LEGACY),
        Offer::Tls10 => (0x0301, LEGACY),
        Offer::Tls11 => (0x0302, LEGACY),
        Offer::BrokenCiphers => (0x0303, BROKEN),
        Offer::NoAuthentication => (0x0303, ANONYMOUS),
        Offer::NoForwardSecrecy => (0x0303, STATIC),
    };
    let mut body = version.to_be_bytes().to_vec();
    // What is random elsewhere need not be here: no keys come of it.
    body.extend([0x5a; 32]);
    body.push(0);
    body.extend(long(&suites.iter().flat_map(|suite| suite.to_be_bytes()).collect::<Vec<_>>()));
    body.extend([1, 0]);
    if offer != Offer::Ssl3 {
        body.extend(long(&extensions(host)));
    }
    let length = u32::try_from(body.len()).unwrap_or(0).to_be_bytes();
    let message = [&[1][..], &length[1..], &body].concat();
    // The version of the record is the oldest one, for servers that look at it.
    let record_version = version.min(0x0301).to_be_bytes();
    [&[0x16][..], &record_version, &long(&message)].concat()
}

/// Whether the first bytes of an answer take the offer.
pub(super) fn taken(offer: Offer, head: &[u8]) -> Option<bool> {
    let wanted: u16 = match offer {
        Offer::Ssl3 => 0x0300,
        Offer::Tls10 => 0x0301,
        Offer::Tls11 => 0x0302,
        Offer::BrokenCiphers | Offer::NoAuthentication | Offer::NoForwardSecrecy => 0x0303,
    };
    match head {
        // An alert.
        [0x15, ..] => Some(false),
        // The server's own hello, with the version that it takes.
        [0x16, _, _, _, _, 2, _, _, _, major, minor, ..] => {
            Some(u16::from_be_bytes([*major, *minor]) == wanted)
        }
        _ => None,
    }
}

fn extensions(host: &str) -> Vec<u8> {
    let mut extensions = Vec::new();
    let mut add = |kind: u16, content: &[u8]| {
        extensions.extend(kind.to_be_bytes());
        extensions.extend(long(content));
    };
    // A name, and never an address (RFC 6066, 3).
    if host.parse::<std::net::IpAddr>().is_err() {
        add(0, &long(&[&[0][..], &long(host.as_bytes())].concat()));
    }
    // Groups, forms of points, and signatures that everybody knew at the time.
    add(10, &long(&[0, 23, 0, 24, 0, 25, 0, 29]));
    add(11, &[1, 0]);
    add(13, &long(&[4, 1, 4, 3, 5, 1, 5, 3, 6, 1, 6, 3, 8, 4, 8, 5, 2, 1, 2, 3]));
    extensions
}

/// Bytes with their length before them.
fn long(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap_or(0).to_be_bytes();
    [&length[..], bytes].concat()
}

/// What servers of old versions may take.
const LEGACY: &[u16] = &[
    0xc014, 0xc013, 0xc00a, 0xc009, 0x0039, 0x0033, 0x0035, 0x002f, 0xc012, 0x0016, 0x000a, 0x0005,
    0x0004,
];

/// RC4, 3DES, single DES, export ciphers, and none at all.
const BROKEN: &[u16] = &[
    0x0001, 0x0002, 0x003b, 0x0003, 0x0004, 0x0005, 0x0006, 0x0008, 0x0009, 0x000a, 0x0012, 0x0013,
    0x0014, 0x0015, 0x0016, 0x0062, 0x0064, 0xc001, 0xc002, 0xc003, 0xc006, 0xc007, 0xc008, 0xc00b,
    0xc00c, 0xc00d, 0xc010, 0xc011, 0xc012,
];

/// Nobody proves who they are.
const ANONYMOUS: &[u16] = &[
    0x0018, 0x001b, 0x0034, 0x003a, 0x006c, 0x006d, 0x00a6, 0x00a7, 0xc015, 0xc016, 0xc017, 0xc018,
    0xc019,
];

/// Keys are encrypted to the key of the certificate.
const STATIC: &[u16] = &[0x002f, 0x0035, 0x003c, 0x003d, 0x009c, 0x009d, 0x0041, 0x0084];
