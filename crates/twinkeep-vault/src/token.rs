//! Access tokens: the signature of a JSON Web Token (RFC 7515), and the keys of whoever issues them
//! (RFC 7517).
//!
//! A token says in its head by which algorithm and with which key it claims to be signed. Neither
//! is believed: the caller names the algorithms that an issuer uses, and a key does only what its
//! own entry in the issuer's set permits. What the claims mean is not judged here.
//!
//! # Invariants
//!
//! - Public keys only: there is no `none`, no HMAC, and a set that shows a private key is refused.
//! - A named key is the one that verifies, or nothing does; no key is found inside a token.
//! - A payload leaves here only after its signature held.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::crypto::verify;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;

#[cfg(test)]
mod tests;

/// An algorithm that an issuer may be pinned to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TokenAlgorithm {
    /// Ed25519 (RFC 8037).
    EdDsa,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// RSA PKCS#1 v1.5 with SHA-256.
    Rs256,
    /// RSA PKCS#1 v1.5 with SHA-384.
    Rs384,
    /// RSA PKCS#1 v1.5 with SHA-512.
    Rs512,
    /// RSA-PSS with SHA-256.
    Ps256,
    /// RSA-PSS with SHA-384.
    Ps384,
    /// RSA-PSS with SHA-512.
    Ps512,
}

impl TokenAlgorithm {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::EdDsa,
        Self::Es256,
        Self::Es384,
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
    ];

    /// Returns the name in RFC 7518 and RFC 8037.
    pub fn name(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
        }
    }

    /// Reads a name, as it is written there and not otherwise.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }

    fn family(self) -> Family {
        match self {
            Self::EdDsa => Family::Ed25519,
            Self::Es256 => Family::P256,
            Self::Es384 => Family::P384,
            _ => Family::Rsa,
        }
    }

    fn library(self) -> Algorithm {
        match self {
            Self::EdDsa => Algorithm::EdDSA,
            Self::Es256 => Algorithm::ES256,
            Self::Es384 => Algorithm::ES384,
            Self::Rs256 => Algorithm::RS256,
            Self::Rs384 => Algorithm::RS384,
            Self::Rs512 => Algorithm::RS512,
            Self::Ps256 => Algorithm::PS256,
            Self::Ps384 => Algorithm::PS384,
            Self::Ps512 => Algorithm::PS512,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Ed25519,
    P256,
    P384,
    Rsa,
}

/// Why a token or a set of keys was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is not three parts of base64url with a JSON head, or it is too long.
    #[error("the token is not a signed JSON Web Token")]
    Shape,
    /// Its head asks for something that must be understood and is not.
    #[error("the head of the token asks for what is not understood")]
    Head,
    /// It names no algorithm that its issuer is pinned to.
    #[error("the algorithm of the token is not one of its issuer's")]
    Algorithm,
    /// It names no key of its issuer, or one that does not do this.
    #[error("the token names no key of its issuer")]
    Key,
    /// The signature does not hold.
    #[error("the signature of the token does not hold")]
    Signature,
    /// The set of keys is not one.
    #[error("this is no set of public keys (RFC 7517)")]
    KeySet,
}

impl TokenError {
    /// The permanent name of this error.
    pub fn code(self) -> &'static str {
        match self {
            Self::Shape => "token-shape",
            Self::Head => "token-head",
            Self::Algorithm => "token-algorithm",
            Self::Key => "token-key",
            Self::Signature => "token-signature",
            Self::KeySet => "key-set",
        }
    }
}

/// A token whose signature is not verified yet: nothing of its payload can be had from it.
#[derive(Clone, Copy)]
pub struct SignedToken<'a> {
    signed: &'a str,
    signature: &'a str,
    payload: &'a str,
    head: &'a str,
}

/// What a token claims in its head.
#[derive(Debug, Deserialize)]
struct Head {
    alg: String,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default)]
    typ: Option<String>,
    /// Extensions that must be understood: none is.
    #[serde(default)]
    crit: Option<serde::de::IgnoredAny>,
}

impl<'a> SignedToken<'a> {
    /// Takes a token in the compact form.
    pub fn parse(text: &'a str) -> Result<Self, TokenError> {
        if TOKEN_LEN_MAX < text.len() {
            return Err(TokenError::Shape);
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(TokenError::Shape)?;
        let (head, payload) = signed.split_once('.').ok_or(TokenError::Shape)?;
        if payload.contains('.') || signature.is_empty() {
            return Err(TokenError::Shape);
        }
        Ok(Self { signed, signature, payload, head })
    }

    /// Returns what the payload claims to come from, to find whose keys to verify it with. Nothing
    /// else may rest on it.
    pub fn claimed_issuer(&self) -> Result<String, TokenError> {
        #[derive(Deserialize)]
        struct Claimed {
            iss: String,
        }
        let payload = decode(self.payload)?;
        let claimed: Claimed = serde_json::from_slice(&payload).map_err(|_| TokenError::Shape)?;
        Ok(claimed.iss)
    }

    /// Verifies the signature by one of the issuer's algorithms and one of its keys; returns the
    /// payload.
    pub fn verify(
        &self,
        keys: &TokenKeys,
        pinned: &[TokenAlgorithm],
    ) -> Result<Vec<u8>, TokenError> {
        let head: Head =
            serde_json::from_slice(&decode(self.head)?).map_err(|_| TokenError::Shape)?;
        if head.crit.is_some() || !head.typ.as_deref().is_none_or(is_known_type) {
            return Err(TokenError::Head);
        }
        let algorithm = TokenAlgorithm::parse(&head.alg)
            .filter(|algorithm| pinned.contains(algorithm))
            .ok_or(TokenError::Algorithm)?;
        let key = keys.find(head.kid.as_deref(), algorithm).ok_or(TokenError::Key)?;
        decode(self.signature)?;
        let holds = verify(self.signature, self.signed.as_bytes(), &key.key, algorithm.library());
        match holds {
            Ok(true) => decode(self.payload),
            _ => Err(TokenError::Signature),
        }
    }
}

/// RFC 9068, 4 and RFC 8725, 3.11: an access token says so, or says nothing. An ID token and a
/// logout token are neither.
fn is_known_type(typ: &str) -> bool {
    let typ = typ.to_ascii_lowercase();
    matches!(typ.as_str(), "at+jwt" | "application/at+jwt" | "jwt")
}

fn decode(part: &str) -> Result<Vec<u8>, TokenError> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Shape)
}

/// The public keys of one issuer.
pub struct TokenKeys {
    named: BTreeMap<String, TokenKey>,
    nameless: Vec<TokenKey>,
}

struct TokenKey {
    family: Family,
    /// The one algorithm that the key is for, if its entry says so.
    algorithm: Option<TokenAlgorithm>,
    key: DecodingKey,
}

impl TokenKey {
    fn does(&self, algorithm: TokenAlgorithm) -> bool {
        self.family == algorithm.family() && self.algorithm.is_none_or(|only| only == algorithm)
    }
}

impl TokenKeys {
    /// Takes a JSON Web Key Set. Keys for something else, or of a kind that is not used here, are
    /// passed over; a set with a private or a symmetric key, or with one name twice, is refused.
    pub fn parse(text: &[u8]) -> Result<Self, TokenError> {
        if KEY_SET_LEN_MAX < text.len() {
            return Err(TokenError::KeySet);
        }
        let set: KeySetWire = serde_json::from_slice(text).map_err(|_| TokenError::KeySet)?;
        if KEY_COUNT_MAX < set.keys.len() {
            return Err(TokenError::KeySet);
        }
        let mut keys = Self { named: BTreeMap::new(), nameless: Vec::new() };
        for wire in set.keys {
            if wire.is_secret() {
                return Err(TokenError::KeySet);
            }
            let name = wire.kid.clone();
            let Some(key) = wire.key() else { continue };
            match name {
                None => keys.nameless.push(key),
                Some(name) => {
                    if keys.named.insert(name, key).is_some() {
                        return Err(TokenError::KeySet);
                    }
                }
            }
        }
        Ok(keys)
    }

    /// Returns how many keys can verify something.
    pub fn len(&self) -> usize {
        self.named.len() + self.nameless.len()
    }

    /// Returns whether nothing can be verified with it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns whether a key of this name is known, or, without a name, whether one has none.
    pub fn knows(&self, kid: Option<&str>) -> bool {
        kid.map_or(!self.nameless.is_empty(), |kid| self.named.contains_key(kid))
    }

    /// A named key is never replaced by another one. Without a name there must be one key only
    /// that fits.
    fn find(&self, kid: Option<&str>, algorithm: TokenAlgorithm) -> Option<&TokenKey> {
        if let Some(kid) = kid {
            return self.named.get(kid).filter(|key| key.does(algorithm));
        }
        let all = self.named.values().chain(&self.nameless);
        let mut fitting = all.filter(|key| key.does(algorithm));
        let found = fitting.next()?;
        fitting.next().is_none().then_some(found)
    }
}

impl fmt::Debug for TokenKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenKeys({})", self.len())
    }
}

#[derive(Deserialize)]
struct KeySetWire {
    keys: Vec<KeyWire>,
}

#[derive(Deserialize)]
struct KeyWire {
    kty: String,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default)]
    alg: Option<String>,
    #[serde(default, rename = "use")]
    used: Option<String>,
    #[serde(default)]
    key_ops: Option<Vec<String>>,
    #[serde(default)]
    crv: Option<String>,
    #[serde(default)]
    n: Option<String>,
    #[serde(default)]
    e: Option<String>,
    #[serde(default)]
    x: Option<String>,
    #[serde(default)]
    y: Option<String>,
    /// Of a private key.
    #[serde(default)]
    d: Option<serde::de::IgnoredAny>,
    /// Of a symmetric key.
    #[serde(default)]
    k: Option<serde::de::IgnoredAny>,
}

impl KeyWire {
    /// Whoever publishes a secret has lost it, and whatever it signed.
    fn is_secret(&self) -> bool {
        self.kty == "oct" || self.d.is_some() || self.k.is_some()
    }

    fn key(&self) -> Option<TokenKey> {
        let signs = self.used.as_deref().is_none_or(|used| used == "sig");
        let verifies = self.key_ops.as_ref().is_none_or(|ops| ops.iter().any(|op| op == "verify"));
        if !signs || !verifies {
            return None;
        }
        let algorithm = match &self.alg {
            Some(name) => Some(TokenAlgorithm::parse(name)?),
            None => None,
        };
        let (family, key) = self.material()?;
        if algorithm.is_some_and(|algorithm| algorithm.family() != family) {
            return None;
        }
        Some(TokenKey { family, algorithm, key })
    }

    fn material(&self) -> Option<(Family, DecodingKey)> {
        match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => {
                let (n, e) = (self.n.as_ref()?, self.e.as_ref()?);
                let (n, e) = (decode(n).ok()?, decode(e).ok()?);
                is_sound_rsa(&n, &e)
                    .then(|| (Family::Rsa, DecodingKey::from_rsa_raw_components(&n, &e)))
            }
            ("EC", Some("P-256")) => self.point(Family::P256, 32),
            ("EC", Some("P-384")) => self.point(Family::P384, 48),
            ("OKP", Some("Ed25519")) => {
                let x = self.x.as_ref()?;
                let sized = decode(x).ok()?.len() == 32;
                let key = DecodingKey::from_ed_components(x).ok()?;
                sized.then_some((Family::Ed25519, key))
            }
            _ => None,
        }
    }

    fn point(&self, family: Family, size: usize) -> Option<(Family, DecodingKey)> {
        let (x, y) = (self.x.as_ref()?, self.y.as_ref()?);
        let sized = decode(x).ok()?.len() == size && decode(y).ok()?.len() == size;
        let key = DecodingKey::from_ec_components(x, y).ok()?;
        sized.then_some((family, key))
    }
}

/// NIST SP 800-131A: 2,048 bits and more; an odd exponent of at least 65,537 that fits 32 bits, as
/// everybody uses it.
fn is_sound_rsa(n: &[u8], e: &[u8]) -> bool {
    let significant = n.iter().position(|&byte| byte != 0).map_or(0, |zeros| n.len() - zeros);
    let exponent = (1..=4)
        .contains(&e.len())
        .then(|| e.iter().fold(0_u64, |number, &byte| number << 8 | u64::from(byte)));
    (RSA_LEN_MIN..=RSA_LEN_MAX).contains(&significant)
        && exponent.is_some_and(|e| 65_537 <= e && e % 2 == 1)
        && !is_roca(n)
}

/// Returns whether a modulus is of the chips whose keys can be factored (CVE-2017-15361): modulo each
/// of these primes it is a power of 65,537, which others are with a chance of one in 130 million.
fn is_roca(n: &[u8]) -> bool {
    ROCA_PRIMES.iter().all(|&prime| {
        let rest = n.iter().fold(0, |rest, &byte| (rest << 8 | u32::from(byte)) % prime);
        let next = |power: &u32| Some(power * 65_537 % prime);
        let mut powers = std::iter::successors(Some(1), next).take(prime as usize);
        powers.any(|power| power == rest)
    })
}

/// Longest token, in bytes: the edge takes no longer head.
pub const TOKEN_LEN_MAX: usize = 8 << 10;

/// Largest set of keys, in bytes: a few certificates beside each key.
pub const KEY_SET_LEN_MAX: usize = 64 << 10;

/// Providers publish two or three keys, those of many tenants a few dozen.
const KEY_COUNT_MAX: usize = 100;

const ROCA_PRIMES: [u32; 17] =
    [11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157];

/// 2,048 bits.
const RSA_LEN_MIN: usize = 256;

/// 8,192 bits: beyond, a verification takes milliseconds.
const RSA_LEN_MAX: usize = 1024;
