//! What is known about an address that answers over TLS: its versions, its certificate, and the
//! headers of one answer. Values of cookies are not here.

use serde::{Deserialize, Serialize};

/// An address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// Host and port.
    pub address: String,
    /// When it was asked, in seconds since 1970.
    pub asked_s: i64,
    /// What a handshake with all that is good today came to; `None` if none came about.
    pub handshake: Option<Handshake>,
    /// Why none came about, as far as that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_handshake: Option<NoHandshake>,
    /// What became of each attempt with something old.
    pub attempts: Vec<Attempt>,
    /// The answer to one request; `None` if there was none.
    pub answer: Option<Answer>,
}

/// Why no handshake came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoHandshake {
    /// Nobody answered in time.
    Silent,
    /// The server refused with an alert: its number (RFC 8446, 6).
    Alert(u8),
    /// What came was no TLS, or the other side hung up.
    Other,
}

/// A handshake.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Handshake {
    /// The version, as `TLSv1.3`.
    pub version: String,
    /// The group of the key exchange, as `X25519MLKEM768`.
    pub group: Option<String>,
    /// Why the certificate is not believed; `None` if it is.
    pub distrust: Option<String>,
    /// The certificate; `None` if it could not be read.
    pub certificate: Option<Certificate>,
}

/// A certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// From when on it holds, in seconds since 1970.
    pub not_before_s: i64,
    /// Until when.
    pub not_after_s: i64,
    /// How long the modulus is, if its key is one of RSA.
    pub rsa_bits: Option<u64>,
    /// Whether SHA-1 or MD5 is in its signature.
    pub weak_digest: bool,
}

/// An attempt with something old.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attempt {
    /// What was offered.
    pub offer: Offer,
    /// Whether it was taken; `None` if the answer was none of the two.
    pub taken: Option<bool>,
}

/// Something old that is offered, and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Offer {
    /// SSL 3.0.
    Ssl3,
    /// TLS 1.0.
    Tls10,
    /// TLS 1.1.
    Tls11,
    /// TLS 1.2 with RC4, 3DES, export ciphers, or no encryption.
    BrokenCiphers,
    /// TLS 1.2 without authentication.
    NoAuthentication,
    /// TLS 1.2 with a key exchange that a stolen key opens later.
    NoForwardSecrecy,
}

impl Offer {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::Ssl3,
        Self::Tls10,
        Self::Tls11,
        Self::BrokenCiphers,
        Self::NoAuthentication,
        Self::NoForwardSecrecy,
    ];

    /// What it is, in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Ssl3 => "SSL 3.0",
            Self::Tls10 => "TLS 1.0",
            Self::Tls11 => "TLS 1.1",
            Self::BrokenCiphers => "RC4, 3DES, export ciphers, or no encryption",
            Self::NoAuthentication => "ciphers without authentication",
            Self::NoForwardSecrecy => "a key exchange without forward secrecy",
        }
    }
}

/// An answer to one request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Headers that rules ask about, with small letters; of cookies, what follows the value.
    pub headers: Vec<Header>,
}

/// A header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}
