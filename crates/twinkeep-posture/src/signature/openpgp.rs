//! Certificates of OpenPGP, and signatures that their keys made (RFC 9580).
//!
//! A subkey counts only if the primary key says that it may sign, and the subkey says that it
//! belongs to the primary key. Web of trust does not count at all: who is on the list is trusted.

use super::key::PublicKey;
use super::packet::{
    Key, PRIMARY_KEY, Packet, SIGNATURE, SUBKEY, Signature, USER_ID, framed, packets,
};
use super::{KeyBits, Keys, Scheme, Verified, armor};

/// A certificate: a primary key, and the keys below it that may sign.
#[derive(Clone, Debug)]
pub struct Certificate {
    fingerprint: String,
    bits: KeyBits,
    revoked: bool,
    expires_s: Option<i64>,
    signers: Vec<Signer>,
}

#[derive(Clone, Debug)]
struct Signer {
    key: Key,
    expires_s: Option<i64>,
    revoked: bool,
}

impl Certificate {
    /// Reads a certificate as `gpg --export` writes it; none if its primary key cannot be used.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let packets = packets(bytes)?;
        let [(PRIMARY_KEY, primary), rest @ ..] = &packets[..] else { return None };
        if rest.iter().any(|(tag, _)| *tag == PRIMARY_KEY) {
            return None;
        }
        let primary = Key::read(primary)?;
        let mut certificate = Self {
            fingerprint: hex(&primary.fingerprint),
            bits: primary.public.bits(),
            revoked: false,
            expires_s: None,
            signers: Vec::new(),
        };
        let first_subkey = rest.iter().position(|(tag, _)| *tag == SUBKEY).unwrap_or(rest.len());
        let (own, below) = rest.split_at(first_subkey);
        certificate.add_primary(&primary, own)?;
        let mut below = below;
        while let [(SUBKEY, body), rest @ ..] = below {
            let end = rest.iter().position(|(tag, _)| *tag == SUBKEY).unwrap_or(rest.len());
            let (signatures, after) = rest.split_at(end);
            if let Some(key) = Key::read(body) {
                certificate.add_subkey(&primary, key, signatures)?;
            }
            below = after;
        }
        Some(certificate)
    }

    /// Returns the fingerprint of the primary key, in capitals, as `gpg` shows it.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Returns how strong the primary key is.
    pub fn bits(&self) -> KeyBits {
        self.bits
    }

    /// What the primary key says of itself, directly or together with a name.
    fn add_primary(&mut self, primary: &Key, own: &[Packet<'_>]) -> Option<()> {
        let base = framed(&primary.body)?;
        let mut name: Option<&[u8]> = None;
        let mut latest: Option<(i64, Option<i64>, bool)> = None;
        for (tag, body) in own {
            if *tag == USER_ID {
                name = Some(body);
            }
            let Some(signature) = (*tag == SIGNATURE).then(|| Signature::read(body)).flatten()
            else {
                continue;
            };
            let what = match (signature.kind, name) {
                (0x20 | 0x1f, _) => base.clone(),
                (0x10..=0x13, Some(name)) => {
                    let length = u32::try_from(name.len()).ok()?.to_be_bytes();
                    [&base, &[0xb4][..], &length, name].concat()
                }
                _ => continue,
            };
            if signature.has_unknown_critical() || !signature.holds(&primary.public, &what) {
                continue;
            }
            if signature.kind == 0x20 {
                self.revoked = true;
                continue;
            }
            let made_s = signature.made_s()?;
            if latest.is_none_or(|(other_s, ..)| other_s <= made_s) {
                let expires_s = lifetime(&signature).map(|it| primary.created_s + it);
                latest = Some((made_s, expires_s, may_sign(&signature).unwrap_or(true)));
            }
        }
        // A key that says nothing of itself is not one that anybody uses.
        let (_, expires_s, may_sign) = latest?;
        self.expires_s = expires_s;
        if may_sign {
            self.signers.push(Signer { key: primary.clone(), expires_s, revoked: false });
        }
        Some(())
    }

    fn add_subkey(&mut self, primary: &Key, key: Key, signatures: &[Packet<'_>]) -> Option<()> {
        let what = [framed(&primary.body)?, framed(&key.body)?].concat();
        let mut latest: Option<(i64, Option<i64>)> = None;
        let mut revoked = false;
        for (tag, body) in signatures {
            let Some(signature) = (*tag == SIGNATURE).then(|| Signature::read(body)).flatten()
            else {
                continue;
            };
            if signature.has_unknown_critical() || !signature.holds(&primary.public, &what) {
                continue;
            }
            match signature.kind {
                0x28 => revoked = true,
                0x18 if may_sign(&signature) == Some(true)
                    && belongs(&signature, &key.public, &what) =>
                {
                    let made_s = signature.made_s()?;
                    if latest.is_none_or(|(other_s, _)| other_s <= made_s) {
                        latest = Some((made_s, lifetime(&signature).map(|it| key.created_s + it)));
                    }
                }
                _ => {}
            }
        }
        if let Some((_, expires_s)) = latest {
            self.signers.push(Signer { key, expires_s, revoked });
        }
        Some(())
    }
}

/// Verifies a signature over bytes, with the certificate that the signature names.
pub(super) fn verify(text: &[u8], message: &[u8], keys: &Keys, at_s: i64) -> Verified {
    let kinds = ["PGP SIGNATURE", "PGP MESSAGE"];
    let Some(bytes) = kinds.iter().find_map(|kind| armor::block(text, kind)) else {
        return Verified::Bad("its armor is broken");
    };
    let Some(packets) = packets(&bytes) else { return Verified::Bad("it is cut short") };
    let [(SIGNATURE, body)] = packets[..] else {
        return Verified::Bad("it is not one signature");
    };
    let Some(signature) = Signature::read(body) else {
        return Verified::Unsupported("it is of another version than 4");
    };
    if signature.kind != 0 {
        return Verified::Unsupported("it is not one over bytes");
    }
    if signature.hash().is_none() {
        return Verified::Bad("its digest is not one that counts");
    }
    if signature.has_unknown_critical() {
        return Verified::Bad("it has a critical part that is not known");
    }
    // The fingerprint, or the last eight bytes of it.
    let named = signature.hint(33).and_then(|field| field.get(1..)).or_else(|| signature.hint(16));
    let Some(named) = named.filter(|named| 8 <= named.len()) else {
        return Verified::Bad("it does not name its key");
    };
    let signers = keys.certificates.iter().flat_map(|certificate| {
        certificate.signers.iter().map(move |signer| (certificate, signer))
    });
    let mut known = false;
    for (certificate, signer) in signers.filter(|(_, it)| it.key.fingerprint.ends_with(named)) {
        known = true;
        if signature.holds(&signer.key.public, message) {
            return Verified::Good {
                scheme: Scheme::Openpgp,
                key: certificate.fingerprint.clone(),
                reservation: reservation(certificate, signer, &signature, at_s),
            };
        }
    }
    if known {
        return Verified::Bad("it is not of what is signed");
    }
    Verified::UnknownKey(hex(named))
}

/// Why a key should not have made a signature when it was made.
fn reservation(
    certificate: &Certificate,
    signer: &Signer,
    signature: &Signature<'_>,
    at_s: i64,
) -> Option<&'static str> {
    let made_s = signature.made_s().unwrap_or(at_s);
    let ends = [certificate.expires_s, signer.expires_s].into_iter().flatten();
    let lived = signer.key.created_s <= made_s && ends.into_iter().all(|end_s| made_s < end_s);
    if certificate.revoked || signer.revoked {
        Some("its key was revoked")
    } else if signature.signed_field(3).is_some_and(|field| {
        let life_s = field.try_into().map_or(0, u32::from_be_bytes);
        life_s != 0 && made_s + i64::from(life_s) < at_s
    }) {
        Some("it has expired")
    } else if !lived {
        Some("its key had expired, or was not yet made")
    } else {
        None
    }
}

/// How many seconds a key lives from its making; none if without end.
fn lifetime(signature: &Signature<'_>) -> Option<i64> {
    let seconds = u32::from_be_bytes(signature.signed_field(9)?.try_into().ok()?);
    (seconds != 0).then(|| i64::from(seconds))
}

/// Whether the flags of a key say that it may sign; none if there are no flags.
fn may_sign(signature: &Signature<'_>) -> Option<bool> {
    let flags = signature.signed_field(27)?;
    Some(flags.first().is_some_and(|flags| flags & 2 != 0))
}

/// Whether a subkey says itself that it belongs to the primary key.
fn belongs(binding: &Signature<'_>, subkey: &PublicKey, what: &[u8]) -> bool {
    let back = binding.hint(32).and_then(Signature::read);
    back.is_some_and(|back| back.kind == 0x19 && back.holds(subkey, what))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}
