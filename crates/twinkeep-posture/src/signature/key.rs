//! Public keys of all schemes, and what verifies with them.

use aws_lc_rs::digest;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA384_ASN1, ECDSA_P256_SHA512_ASN1, ECDSA_P384_SHA256_ASN1,
    ECDSA_P384_SHA384_ASN1, ECDSA_P384_SHA512_ASN1, ECDSA_P521_SHA256_ASN1, ECDSA_P521_SHA384_ASN1,
    ECDSA_P521_SHA512_ASN1, ED25519, EcdsaVerificationAlgorithm, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RsaPublicKeyComponents,
    UnparsedPublicKey,
};

use super::KeyBits;

/// A public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PublicKey {
    Ed25519([u8; 32]),
    /// A curve, and a point on it, uncompressed.
    Ecdsa(Curve, Vec<u8>),
    /// Modulus and exponent, without leading zeros.
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Curve {
    P256,
    P384,
    P521,
}

/// A digest that still counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    pub(super) fn digest(self, bytes: &[u8]) -> Vec<u8> {
        let algorithm = match self {
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        };
        digest::digest(algorithm, bytes).as_ref().to_vec()
    }
}

impl PublicKey {
    pub(super) fn bits(&self) -> KeyBits {
        match self {
            Self::Rsa { n, .. } => {
                let top = n.first().map_or(0, |byte| byte.leading_zeros());
                KeyBits::Rsa(u32::try_from(n.len() * 8).unwrap_or(u32::MAX).saturating_sub(top))
            }
            Self::Ed25519(_) | Self::Ecdsa(..) => KeyBits::Curve,
        }
    }

    /// Whether an Ed25519 key made a signature of 64 bytes over a message.
    pub(super) fn verifies_ed25519(&self, message: &[u8], signature: &[u8]) -> bool {
        let Self::Ed25519(key) = self else { return false };
        UnparsedPublicKey::new(&ED25519, key).verify(message, signature).is_ok()
    }

    /// Whether an RSA key made a signature (PKCS #1 1.5) over a message.
    pub(super) fn verifies_rsa(&self, hash: Hash, message: &[u8], signature: &[u8]) -> bool {
        let Self::Rsa { n, e } = self else { return false };
        let parameters = match hash {
            Hash::Sha256 => &RSA_PKCS1_2048_8192_SHA256,
            Hash::Sha384 => &RSA_PKCS1_2048_8192_SHA384,
            Hash::Sha512 => &RSA_PKCS1_2048_8192_SHA512,
        };
        // A number has no leading zeros, and a signature is as long as the modulus.
        let Some(zeros) = n.len().checked_sub(signature.len()) else { return false };
        let padded = [&vec![0; zeros][..], signature].concat();
        RsaPublicKeyComponents { n, e }.verify(parameters, message, &padded).is_ok()
    }

    /// Whether an ECDSA key made a signature of two numbers over a message.
    pub(super) fn verifies_ecdsa(&self, hash: Hash, message: &[u8], numbers: [&[u8]; 2]) -> bool {
        let Self::Ecdsa(curve, point) = self else { return false };
        let algorithm: &'static EcdsaVerificationAlgorithm = match (curve, hash) {
            (Curve::P256, Hash::Sha256) => &ECDSA_P256_SHA256_ASN1,
            (Curve::P256, Hash::Sha384) => &ECDSA_P256_SHA384_ASN1,
            (Curve::P256, Hash::Sha512) => &ECDSA_P256_SHA512_ASN1,
            (Curve::P384, Hash::Sha256) => &ECDSA_P384_SHA256_ASN1,
            (Curve::P384, Hash::Sha384) => &ECDSA_P384_SHA384_ASN1,
            (Curve::P384, Hash::Sha512) => &ECDSA_P384_SHA512_ASN1,
            (Curve::P521, Hash::Sha256) => &ECDSA_P521_SHA256_ASN1,
            (Curve::P521, Hash::Sha384) => &ECDSA_P521_SHA384_ASN1,
            (Curve::P521, Hash::Sha512) => &ECDSA_P521_SHA512_ASN1,
        };
        let Some(der) = der_of(numbers) else { return false };
        UnparsedPublicKey::new(algorithm, point).verify(message, &der).is_ok()
    }
}

/// Two numbers as a sequence in DER (RFC 3279, 2.2.3); none if they are longer than any curve's.
fn der_of(numbers: [&[u8]; 2]) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    for number in numbers {
        let zeros = number.iter().take_while(|byte| **byte == 0).count();
        let mut number = number[zeros..].to_vec();
        if number.first().is_none_or(|byte| 0x80 <= *byte) {
            number.insert(0, 0);
        }
        let length = u8::try_from(number.len()).ok().filter(|length| *length <= NUMBER_LEN_MAX)?;
        content.extend([2, length]);
        content.extend(number);
    }
    let length = u8::try_from(content.len()).ok()?;
    let head = if length < 0x80 { vec![0x30, length] } else { vec![0x30, 0x81, length] };
    Some([head, content].concat())
}

/// A number of P-521, and the zero before it.
const NUMBER_LEN_MAX: u8 = 67;
