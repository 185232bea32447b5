//! Signatures of others, verified in process: OpenSSH's and OpenPGP's, as git makes them.
//!
//! Verifying needs no secret, so that it may happen here and not in the vault; the mathematics is
//! the same library's. No program is started: `git verify-commit` starts one or two a commit, which
//! is what makes it slow.
//!
//! # Invariants
//!
//! - Bytes are anybody's: every length is checked, and nothing is read beyond what it belongs to.
//! - SHA-1, RSA below 2,048 bits, and whatever is not known here is never "good".

use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};

mod armor;
mod key;
mod openpgp;
mod packet;
mod ssh;

#[cfg(test)]
mod tests;

pub use openpgp::Certificate;

/// Who made signatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scheme {
    /// OpenSSH: `ssh-keygen -Y sign`.
    Ssh,
    /// OpenPGP: GnuPG and others.
    Openpgp,
}

/// What a signature turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verified {
    /// This key made it, over exactly these bytes.
    Good {
        /// The scheme.
        scheme: Scheme,
        /// The fingerprint of the key as it is listed: of OpenPGP, that of the whole certificate.
        key: String,
        /// Why the key should not have made it then: expired, revoked.
        reservation: Option<&'static str>,
    },
    /// It is none of these bytes, or not in order.
    Bad(&'static str),
    /// The key that it names is not among those that are known, so that nobody can tell.
    UnknownKey(String),
    /// It is of a kind that cannot be verified here.
    Unsupported(&'static str),
}

/// Keys that signatures are verified with, by their fingerprints. OpenSSH's signatures bring theirs
/// along.
#[derive(Debug, Default)]
pub struct Keys {
    /// Certificates of OpenPGP.
    pub certificates: Vec<Certificate>,
}

/// Verifies a detached signature in armor over bytes, made at this time in seconds since 1970.
pub fn verify(signature: &[u8], message: &[u8], keys: &Keys, at_s: i64) -> Verified {
    let text = signature.trim_ascii_start();
    if text.starts_with(b"-----BEGIN SSH SIGNATURE-----") {
        ssh::verify(text, message)
    } else if text.starts_with(b"-----BEGIN PGP SIGNATURE-----")
        || text.starts_with(b"-----BEGIN PGP MESSAGE-----")
    {
        openpgp::verify(text, message, keys, at_s)
    } else if text.starts_with(b"-----BEGIN SIGNED MESSAGE-----") {
        Verified::Unsupported("it is of X.509")
    } else {
        Verified::Bad("it is no signature of a known kind")
    }
}

/// Returns the fingerprint of a public key of OpenSSH, from its bytes: `SHA256:…`.
pub fn ssh_fingerprint(blob: &[u8]) -> String {
    let digest = digest::digest(&digest::SHA256, blob);
    format!("SHA256:{}", armor::base64_unpadded(digest.as_ref()))
}

/// Returns how many bits the key has if it is one of RSA, and whether the key can be used at all.
pub fn ssh_key_bits(blob: &[u8]) -> Option<KeyBits> {
    ssh::parse_key(blob).map(|key| key.bits())
}

/// How strong a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyBits {
    /// RSA, with a modulus of so many bits.
    Rsa(u32),
    /// A curve.
    Curve,
}

/// Decodes base64 with or without padding and white space.
pub fn decode_base64(text: &[u8]) -> Option<Vec<u8>> {
    armor::decode(text)
}
