//! Signatures of OpenSSH (`PROTOCOL.sshsig`), and its public keys (RFC 4253, 5656, 8332, 8709).

use aws_lc_rs::digest::{SHA256, digest};

use super::key::{Curve, Hash, PublicKey};
use super::{Scheme, Verified, armor, ssh_fingerprint};

/// Verifies a signature. The key is in it; whether that key may sign is the caller's question.
pub(super) fn verify(text: &[u8], message: &[u8]) -> Verified {
    let Some(bytes) = armor::block(text, "SSH SIGNATURE") else {
        return Verified::Bad("its armor is broken");
    };
    parsed(&bytes, message).unwrap_or(Verified::Bad("it is cut short"))
}

fn parsed(bytes: &[u8], message: &[u8]) -> Option<Verified> {
    let mut reader = Reader { bytes };
    if reader.take(6)? != b"SSHSIG" || reader.number()? != 1 {
        return Some(Verified::Unsupported("it is of another version of OpenSSH's signatures"));
    }
    let key_blob = reader.string()?;
    let namespace = reader.string()?;
    let reserved = reader.string()?;
    let hash_name = reader.string()?;
    let signature = reader.string()?;
    if !reader.bytes.is_empty() {
        return Some(Verified::Bad("something follows it"));
    }
    if namespace != b"git" {
        return Some(Verified::Bad("it was made for another purpose than git"));
    }
    let hash = match hash_name {
        b"sha256" => Hash::Sha256,
        b"sha512" => Hash::Sha512,
        _ => return Some(Verified::Bad("its digest is not one that counts")),
    };
    let Some(key) = parse_key(key_blob) else {
        return Some(Verified::Unsupported("its key is of a kind that is not known here"));
    };
    let mut signed = b"SSHSIG".to_vec();
    for part in [namespace, reserved, hash_name, &hash.digest(message)] {
        signed.extend(u32::try_from(part.len()).ok()?.to_be_bytes());
        signed.extend_from_slice(part);
    }
    if !signature_holds(&key, key_blob, signature, &signed)? {
        return Some(Verified::Bad("it is not of what is signed"));
    }
    let key = ssh_fingerprint(key_blob);
    Some(Verified::Good { scheme: Scheme::Ssh, key, reservation: None })
}

/// Whether a signature is the key's. The kind of the signature must be that of the key.
fn signature_holds(key: &PublicKey, blob: &[u8], signature: &[u8], signed: &[u8]) -> Option<bool> {
    let mut reader = Reader { bytes: signature };
    let kind = reader.string()?;
    let value = reader.string()?;
    let key_kind = Reader { bytes: blob }.string()?;
    Some(match (key_kind, kind) {
        (b"ssh-ed25519", b"ssh-ed25519") => key.verifies_ed25519(signed, value),
        (b"ssh-rsa", b"rsa-sha2-256") => key.verifies_rsa(Hash::Sha256, signed, value),
        (b"ssh-rsa", b"rsa-sha2-512") => key.verifies_rsa(Hash::Sha512, signed, value),
        (b"sk-ssh-ed25519@openssh.com", b"sk-ssh-ed25519@openssh.com") => {
            key.verifies_ed25519(&touched(blob, reader.bytes, signed)?, value)
        }
        (b"sk-ecdsa-sha2-nistp256@openssh.com", b"sk-ecdsa-sha2-nistp256@openssh.com") => {
            let signed = touched(blob, reader.bytes, signed)?;
            let mut numbers = Reader { bytes: value };
            key.verifies_ecdsa(Hash::Sha256, &signed, [numbers.string()?, numbers.string()?])
        }
        (one, other) if one == other && one.starts_with(b"ecdsa-sha2-") => {
            let hash = match one {
                b"ecdsa-sha2-nistp256" => Hash::Sha256,
                b"ecdsa-sha2-nistp384" => Hash::Sha384,
                _ => Hash::Sha512,
            };
            let mut numbers = Reader { bytes: value };
            key.verifies_ecdsa(hash, signed, [numbers.string()?, numbers.string()?])
        }
        _ => false,
    })
}

/// What a security key signs (`PROTOCOL.u2f`); none if nobody touched it.
fn touched(blob: &[u8], tail: &[u8], signed: &[u8]) -> Option<Vec<u8>> {
    let mut key = Reader { bytes: blob };
    let kind = key.string()?;
    if kind.starts_with(b"sk-ecdsa") {
        key.string()?;
    }
    key.string()?;
    let application = key.string()?;
    let [flags, counter @ ..] = tail else { return None };
    if counter.len() != 4 || flags & USER_PRESENT == 0 {
        return None;
    }
    let (application, message) = (digest(&SHA256, application), digest(&SHA256, signed));
    Some([application.as_ref(), &[*flags], counter, message.as_ref()].concat())
}

/// Reads a public key.
pub(super) fn parse_key(blob: &[u8]) -> Option<PublicKey> {
    let mut reader = Reader { bytes: blob };
    match reader.string()? {
        b"ssh-ed25519" | b"sk-ssh-ed25519@openssh.com" => {
            Some(PublicKey::Ed25519(reader.string()?.try_into().ok()?))
        }
        b"ssh-rsa" => {
            let e = positive(reader.string()?)?;
            let n = positive(reader.string()?)?;
            Some(PublicKey::Rsa { n, e })
        }
        kind if kind.starts_with(b"ecdsa-sha2-") || kind.starts_with(b"sk-ecdsa-sha2-") => {
            let curve = match reader.string()? {
                b"nistp256" => Curve::P256,
                b"nistp384" => Curve::P384,
                b"nistp521" => Curve::P521,
                _ => return None,
            };
            Some(PublicKey::Ecdsa(curve, reader.string()?.to_vec()))
        }
        _ => None,
    }
}

/// A number without its leading zero.
fn positive(number: &[u8]) -> Option<Vec<u8>> {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    (zeros < number.len()).then(|| number[zeros..].to_vec())
}

/// Strings with their lengths (RFC 4251, 5).
struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(length)?;
        self.bytes = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    fn string(&mut self) -> Option<&'a [u8]> {
        let length = self.number()?;
        self.take(usize::try_from(length).ok()?)
    }
}

/// The flag that somebody touched a security key.
const USER_PRESENT: u8 = 1;
