//! Packets of OpenPGP (RFC 9580, 4 and 5): keys and signatures of version 4.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

use super::key::{Curve, Hash, PublicKey};

/// A packet: its tag, and its body.
pub(super) type Packet<'a> = (u8, &'a [u8]);

pub(super) const SIGNATURE: u8 = 2;
pub(super) const PRIMARY_KEY: u8 = 6;
pub(super) const USER_ID: u8 = 13;
pub(super) const SUBKEY: u8 = 14;

/// Takes bytes apart into packets; none if they are not in order. Bodies in parts, which only
/// literal data has, are not.
pub(super) fn packets(mut bytes: &[u8]) -> Option<Vec<Packet<'_>>> {
    let mut packets = Vec::new();
    while let [head, rest @ ..] = bytes {
        if head & 0x80 == 0 || PACKET_COUNT_MAX == packets.len() {
            return None;
        }
        let (tag, length, rest) = if head & 0x40 != 0 {
            let (length, rest) = new_length(rest)?;
            (head & 0x3f, length, rest)
        } else {
            let (length, rest) = match (head & 3, rest) {
                (0, [a, rest @ ..]) => (usize::from(*a), rest),
                (1, [a, b, rest @ ..]) => (usize::from(u16::from_be_bytes([*a, *b])), rest),
                (2, [a, b, c, d, rest @ ..]) => {
                    (usize::try_from(u32::from_be_bytes([*a, *b, *c, *d])).ok()?, rest)
                }
                _ => return None,
            };
            (head >> 2 & 0x0f, length, rest)
        };
        let (body, rest) = rest.split_at_checked(length)?;
        packets.push((tag, body));
        bytes = rest;
    }
    Some(packets)
}

fn new_length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    match bytes {
        [a @ ..=191, rest @ ..] => Some((usize::from(*a), rest)),
        [a @ 192..=223, b, rest @ ..] => {
            Some(((usize::from(*a) - 192) * 256 + usize::from(*b) + 192, rest))
        }
        [255, a, b, c, d, rest @ ..] => {
            Some((usize::try_from(u32::from_be_bytes([*a, *b, *c, *d])).ok()?, rest))
        }
        _ => None,
    }
}

/// A key of version 4.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub body: Vec<u8>,
    pub fingerprint: [u8; 20],
    pub created_s: i64,
    pub public: PublicKey,
}

impl Key {
    /// Reads the body of a key packet; none if it is of another version or algorithm.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let [4, a, b, c, d, algorithm, material @ ..] = body else { return None };
        let public = match algorithm {
            1 | 3 => {
                let (n, rest) = number(material)?;
                let (e, _) = number(rest)?;
                PublicKey::Rsa { n: n.to_vec(), e: e.to_vec() }
            }
            19 | 22 => {
                let [length, rest @ ..] = material else { return None };
                let (curve, rest) = rest.split_at_checked(usize::from(*length))?;
                let (point, _) = number(rest)?;
                match (algorithm, curve) {
                    (22, ED25519_OID) => {
                        PublicKey::Ed25519(point.strip_prefix(&[0x40])?.try_into().ok()?)
                    }
                    (19, P256_OID) => PublicKey::Ecdsa(Curve::P256, point.to_vec()),
                    (19, P384_OID) => PublicKey::Ecdsa(Curve::P384, point.to_vec()),
                    (19, P521_OID) => PublicKey::Ecdsa(Curve::P521, point.to_vec()),
                    _ => return None,
                }
            }
            27 => PublicKey::Ed25519(material.try_into().ok()?),
            _ => return None,
        };
        // The fingerprint of version 4 is SHA-1 by definition. Two keys with one fingerprint would
        // have to be made by one who is on the list anyway.
        let fingerprint = digest(&SHA1_FOR_LEGACY_USE_ONLY, &framed(body)?);
        Some(Self {
            body: body.to_vec(),
            fingerprint: fingerprint.as_ref().try_into().ok()?,
            created_s: i64::from(u32::from_be_bytes([*a, *b, *c, *d])),
            public,
        })
    }
}

/// A key as it is hashed: with a tag and its length before it.
pub(super) fn framed(body: &[u8]) -> Option<Vec<u8>> {
    let length = u16::try_from(body.len()).ok()?.to_be_bytes();
    Some([&[0x99], &length[..], body].concat())
}

/// A signature of version 4.
#[derive(Clone, Debug)]
pub(super) struct Signature<'a> {
    pub kind: u8,
    algorithm: u8,
    hash: u8,
    hashed: &'a [u8],
    /// Everything that is hashed after the message.
    trailer: &'a [u8],
    value: &'a [u8],
    unhashed: &'a [u8],
}

impl<'a> Signature<'a> {
    pub(super) fn read(body: &'a [u8]) -> Option<Self> {
        let [4, kind, algorithm, hash, a, b, rest @ ..] = body else { return None };
        let length = usize::from(u16::from_be_bytes([*a, *b]));
        let (hashed, rest) = rest.split_at_checked(length)?;
        let [a, b, rest @ ..] = rest else { return None };
        let (unhashed, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([*a, *b])))?;
        // Two bytes of the digest follow, which say nothing that the signature does not.
        let value = rest.get(2..)?;
        let trailer = &body[..6 + length];
        Some(Self {
            kind: *kind,
            algorithm: *algorithm,
            hash: *hash,
            hashed,
            trailer,
            value,
            unhashed,
        })
    }

    /// The digest, if it is one that still counts.
    pub(super) fn hash(&self) -> Option<Hash> {
        match self.hash {
            8 => Some(Hash::Sha256),
            9 => Some(Hash::Sha384),
            10 => Some(Hash::Sha512),
            _ => None,
        }
    }

    /// Whether a key made this signature over what is given, in whatever way it was put together.
    pub(super) fn holds(&self, key: &PublicKey, what: &[u8]) -> bool {
        self.check(key, what).unwrap_or(false)
    }

    fn check(&self, key: &PublicKey, what: &[u8]) -> Option<bool> {
        let hash = self.hash()?;
        let length = u32::try_from(self.trailer.len()).ok()?.to_be_bytes();
        let message = [what, self.trailer, &[4, 0xff], &length].concat();
        Some(match self.algorithm {
            1 | 3 => key.verifies_rsa(hash, &message, number(self.value)?.0),
            19 => {
                let (r, rest) = number(self.value)?;
                key.verifies_ecdsa(hash, &message, [r, number(rest)?.0])
            }
            22 => {
                let (r, rest) = number(self.value)?;
                let (s, _) = number(rest)?;
                let mut both = [0; 64];
                both.get_mut(32_usize.checked_sub(r.len())?..32)?.copy_from_slice(r);
                both.get_mut(64_usize.checked_sub(s.len())?..)?.copy_from_slice(s);
                key.verifies_ed25519(&hash.digest(&message), &both)
            }
            27 => key.verifies_ed25519(&hash.digest(&message), self.value),
            _ => false,
        })
    }

    /// A field that is signed.
    pub(super) fn signed_field(&self, kind: u8) -> Option<&'a [u8]> {
        fields(self.hashed)?.into_iter().find(|field| field.0 == kind).map(|field| field.1)
    }

    /// A field that is only a hint.
    pub(super) fn hint(&self, kind: u8) -> Option<&'a [u8]> {
        let hinted = || fields(self.unhashed)?.into_iter().find(|field| field.0 == kind);
        self.signed_field(kind).or_else(|| hinted().map(|field| field.1))
    }

    /// When it says that it was made.
    pub(super) fn made_s(&self) -> Option<i64> {
        Some(i64::from(u32::from_be_bytes(self.signed_field(2)?.try_into().ok()?)))
    }

    /// Whether a critical field is not known here: such a signature does not count (5.2.3.7).
    pub(super) fn has_unknown_critical(&self) -> bool {
        let known = |kind: u8| matches!(kind, 2 | 3 | 9 | 16 | 20..=23 | 25..=35);
        critical(self.hashed).is_none_or(|kinds| !kinds.into_iter().all(known))
    }
}

/// Fields of a signature, by kind.
fn fields(bytes: &[u8]) -> Option<Vec<(u8, &[u8])>> {
    walk(bytes)?.into_iter().map(|(kind, value)| Some((kind & 0x7f, value))).collect()
}

/// The kinds of fields that are critical.
fn critical(bytes: &[u8]) -> Option<Vec<u8>> {
    let all = walk(bytes)?;
    Some(all.into_iter().filter(|(kind, _)| 0x80 <= *kind).map(|(kind, _)| kind & 0x7f).collect())
}

fn walk(mut bytes: &[u8]) -> Option<Vec<(u8, &[u8])>> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let (length, rest) = new_length(bytes)?;
        let (field, rest) = rest.split_at_checked(length)?;
        let [kind, value @ ..] = field else { return None };
        fields.push((*kind, value));
        bytes = rest;
    }
    Some(fields)
}

/// A number with its length in bits before it.
fn number(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let [a, b, rest @ ..] = bytes else { return None };
    rest.split_at_checked(usize::from(u16::from_be_bytes([*a, *b])).div_ceil(8))
}

const ED25519_OID: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0xda, 0x47, 0x0f, 0x01];
const P256_OID: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const P384_OID: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
const P521_OID: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x23];

/// Certificates with thousands of signatures exist; this is an attack.
const PACKET_COUNT_MAX: usize = 10_000;
