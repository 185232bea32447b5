//! The signature of a handshake, made in the worker for the edge.
//!
//! The edge's TLS library asks for a signature in the middle of a handshake and waits; so this is a
//! blocking question over a socket of its own, which needs nothing of the asking process's runtime.
//!
//! # Invariants
//!
//! - The worker signs the one message that a server signs in TLS 1.3 and nothing else: a key that
//!   signed anything on demand could be used to pose as the keep elsewhere.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustls::sign::{Signer, SigningKey};
use rustls::{Error, SignatureAlgorithm, SignatureScheme};

use super::channel;

/// The schemes of TLS 1.3 for which the worker's key can sign, best first, as their numbers.
pub(super) fn schemes(key: &dyn SigningKey) -> Vec<u16> {
    let can = |scheme: &SignatureScheme| key.choose_scheme(&[*scheme]).is_some();
    SCHEMES.into_iter().filter(can).map(u16::from).collect()
}

/// Answers an edge's questions until it is gone.
pub(super) fn answer(socket: &OwnedFd, key: &dyn SigningKey) {
    let mut question = [0; QUESTION_SIZE_MAX];
    while let Ok((count @ 1.., _)) = channel::receive(socket.as_fd(), &mut question) {
        let reply = sign(&question[..count], key);
        if channel::send(socket.as_fd(), &reply, &[]).is_err() {
            return;
        }
    }
}

/// The reply to a question: its number, and the signature unless it was refused.
fn sign(question: &[u8], key: &dyn SigningKey) -> Vec<u8> {
    let Some((number, rest)) = question.split_first_chunk::<4>() else { return Vec::new() };
    let signature = rest.split_first_chunk::<2>().and_then(|(scheme, message)| {
        let scheme = SignatureScheme::from(u16::from_be_bytes(*scheme));
        let signer = key.choose_scheme(&[scheme]).filter(|_| is_handshake(message))?;
        signer.sign(message).ok()
    });
    [&number[..], &signature.unwrap_or_default()].concat()
}

/// Returns whether this is what a server signs in TLS 1.3 (RFC 8446, 4.4.3): blanks, a label, and
/// the digest of the handshake.
fn is_handshake(message: &[u8]) -> bool {
    let digest = message.strip_prefix(&[b' '; 64]).and_then(|rest| rest.strip_prefix(LABEL));
    digest.is_some_and(|digest| matches!(digest.len(), 32 | 48))
}

/// The worker's key as the edge has it: where to ask.
#[derive(Debug)]
pub(super) struct DistantKey {
    schemes: Vec<SignatureScheme>,
    line: Arc<Line>,
}

#[derive(Debug)]
struct Line {
    socket: OwnedFd,
    /// The number of the last question. One at a time: a signature takes microseconds.
    last: Mutex<u32>,
}

#[derive(Debug)]
struct DistantSigner {
    scheme: SignatureScheme,
    line: Arc<Line>,
}

impl DistantKey {
    /// A key that signs by asking over `socket`.
    pub(super) fn new(socket: OwnedFd, schemes: &[u16]) -> io::Result<Self> {
        for timeout in [Timeout::Recv, Timeout::Send] {
            set_socket_timeout(&socket, timeout, Some(PATIENCE))?;
        }
        let schemes = schemes.iter().map(|&scheme| SignatureScheme::from(scheme)).collect();
        Ok(Self { schemes, line: Arc::new(Line { socket, last: Mutex::default() }) })
    }

    /// The same line, for a key that signs by other schemes.
    pub(super) fn with_schemes(&self, schemes: &[u16]) -> Self {
        let schemes = schemes.iter().map(|&scheme| SignatureScheme::from(scheme)).collect();
        Self { schemes, line: Arc::clone(&self.line) }
    }
}

impl SigningKey for DistantKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let scheme = *self.schemes.iter().find(|scheme| offered.contains(scheme))?;
        Some(Box::new(DistantSigner { scheme, line: Arc::clone(&self.line) }))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        match self.schemes.first() {
            Some(SignatureScheme::ED25519) => SignatureAlgorithm::ED25519,
            Some(
                SignatureScheme::RSA_PSS_SHA256
                | SignatureScheme::RSA_PSS_SHA384
                | SignatureScheme::RSA_PSS_SHA512,
            ) => SignatureAlgorithm::RSA,
            _ => SignatureAlgorithm::ECDSA,
        }
    }
}

impl Signer for DistantSigner {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        self.line.ask(self.scheme, message).map_err(|_| Error::General(NO_SIGNATURE.to_owned()))
    }

    fn scheme(&self) -> SignatureScheme {
        self.scheme
    }
}

impl Line {
    fn ask(&self, scheme: SignatureScheme, message: &[u8]) -> io::Result<Vec<u8>> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = last.wrapping_add(1);
        let number = last.to_be_bytes();
        let question = [&number[..], &u16::from(scheme).to_be_bytes(), message].concat();
        channel::send(self.socket.as_fd(), &question, &[])?;
        let mut reply = [0; REPLY_SIZE_MAX];
        loop {
            let (count, _) = channel::receive(self.socket.as_fd(), &mut reply)?;
            match reply[..count].split_first_chunk::<4>() {
                Some((found, signature)) if *found == number && !signature.is_empty() => {
                    return Ok(signature.to_vec());
                }
                // The late reply to a question that nobody waits for any more.
                Some((found, _)) if *found != number => {}
                _ => return Err(io::ErrorKind::PermissionDenied.into()),
            }
        }
    }
}

/// What TLS 1.3 may sign with, best first.
const SCHEMES: [SignatureScheme; 7] = [
    SignatureScheme::ED25519,
    SignatureScheme::ECDSA_NISTP256_SHA256,
    SignatureScheme::ECDSA_NISTP384_SHA384,
    SignatureScheme::ECDSA_NISTP521_SHA512,
    SignatureScheme::RSA_PSS_SHA256,
    SignatureScheme::RSA_PSS_SHA384,
    SignatureScheme::RSA_PSS_SHA512,
];

const LABEL: &[u8] = b"TLS 1.3, server CertificateVerify\0";

/// Number, scheme, blanks, label, and the longest digest, with room to see that it is longer.
const QUESTION_SIZE_MAX: usize = 4 + 2 + 64 + 34 + 64;

/// A signature of RSA with 8,192 bits, and the number.
const REPLY_SIZE_MAX: usize = 4 + 1024;

/// Longer than a signature takes on a machine that is busy, shorter than a handshake may take.
const PATIENCE: Duration = Duration::from_secs(5);

const NO_SIGNATURE: &str = "the worker did not sign the handshake";

#[cfg(test)]
mod tests {
    use rustls::SignatureScheme;
    use rustls::crypto::aws_lc_rs::sign::any_supported_type;
    use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
    use rustls::sign::SigningKey as _;

    use super::{DistantKey, answer, channel, schemes, sign};
    use crate::testing::self_signed;

    fn key() -> std::sync::Arc<dyn rustls::sign::SigningKey> {
        let material = self_signed().0;
        let key = PrivatePkcs8KeyDer::from(material.key_pkcs8.expose());
        any_supported_type(&PrivateKeyDer::from(key)).unwrap()
    }

    fn handshake(digest: usize) -> Vec<u8> {
        [&[b' '; 64][..], b"TLS 1.3, server CertificateVerify\0", &vec![7; digest]].concat()
    }

    #[test]
    fn handshakes_are_signed_from_afar_and_nothing_else_is() {
        let key = key();
        let known = schemes(&*key);
        assert_eq!(known, [u16::from(SignatureScheme::ECDSA_NISTP256_SHA256)]);
        let (near, far) = channel::messages().unwrap();
        let worker = std::thread::spawn(move || answer(&far, &*key));
        let distant = DistantKey::new(near, &known).unwrap();
        let offered = [SignatureScheme::ED25519, SignatureScheme::ECDSA_NISTP256_SHA256];
        let signer = distant.choose_scheme(&offered).unwrap();
        assert!(distant.choose_scheme(&offered[..1]).is_none());
        for _ in 0..3 {
            assert!(64 < signer.sign(&handshake(32)).unwrap().len());
            assert!(signer.sign(b"pay 1,000,000").is_err());
            let client = handshake(32).replace_server_by_client();
            assert!(signer.sign(&client).is_err());
            assert!(signer.sign(&handshake(31)).is_err());
            assert!(signer.sign(&handshake(64)).is_err());
        }
        drop((signer, distant));
        worker.join().unwrap();
    }

    #[test]
    fn a_question_that_is_cut_short_is_no_question() {
        let key = key();
        let whole = [&[0, 0, 0, 9, 4, 3][..], &handshake(48)].concat();
        assert!(4 < sign(&whole, &*key).len());
        for length in 0..whole.len() - 16 {
            assert!(sign(&whole[..length], &*key).len() <= 4, "{length}");
        }
    }

    trait Replace {
        fn replace_server_by_client(self) -> Self;
    }

    impl Replace for Vec<u8> {
        fn replace_server_by_client(mut self) -> Self {
            self[64 + 9..64 + 15].copy_from_slice(b"client");
            self
        }
    }
}
