//! Tests of identities: what is written reads back, and nothing altered does.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::{Identity, IdentityError, Kem, KemPrivateKey, PublicIdentity};
use crate::files::{PRIVATE_FILE, write_atomic};
use crate::{KekSource, SecretBytes, SecretKey};

fn passphrase(text: &str) -> KekSource {
    KekSource::Passphrase(SecretBytes::new(text.as_bytes().to_vec()))
}

#[test]
fn a_public_identity_reads_back() {
    for kems in [&Kem::ALL[..], &[Kem::X25519], &[Kem::XWing]] {
        let identity = Identity::generate_with("Ward 7", kems).unwrap();
        let text = identity.public().to_text();
        let read = PublicIdentity::from_text(&text).unwrap();
        assert_eq!(&read, identity.public());
        assert_eq!(read.fingerprint(), identity.public().fingerprint());
        assert_eq!(read.fingerprint().len(), 24);
    }
}

#[test]
fn every_changed_character_of_a_public_file_is_refused_or_changes_nothing() {
    let identity = Identity::generate("Ward 7").unwrap();
    let text = identity.public().to_text();
    for index in 0..text.len() {
        let mut bytes = text.clone().into_bytes();
        bytes[index] ^= 1;
        let Ok(changed) = String::from_utf8(bytes) else { continue };
        if let Ok(read) = PublicIdentity::from_text(&changed) {
            // White space is not signed, and says nothing.
            assert_eq!(&read, identity.public(), "character {index}");
        }
    }
}

#[test]
fn a_sealing_key_cannot_be_removed_or_exchanged() {
    let identity = Identity::generate("Ward 7").unwrap();
    let other = Identity::generate("Ward 7").unwrap();
    let mut value: serde_json::Value = serde_json::from_str(&identity.public().to_text()).unwrap();
    let of_other: serde_json::Value = serde_json::from_str(&other.public().to_text()).unwrap();
    let good = value["xwing"].take();
    let removed = PublicIdentity::from_text(&value.to_string());
    assert_eq!(removed.unwrap_err().code(), "identity-altered");
    value["xwing"] = of_other["xwing"].clone();
    let exchanged = PublicIdentity::from_text(&value.to_string());
    assert_eq!(exchanged.unwrap_err().code(), "identity-altered");
    value["xwing"] = good;
    value["extra"] = 1.into();
    let extended = PublicIdentity::from_text(&value.to_string());
    assert_eq!(extended.unwrap_err().code(), "identity-malformed");
}

#[test]
fn names_that_could_mislead_are_refused() {
    for name in ["", " x", "a\u{202e}b", "a\nb", "-rf", "a/b", &"x".repeat(65)] {
        assert_eq!(Identity::generate(name).unwrap_err().code(), "identity-name");
    }
    assert!(Identity::generate_with("x", &[]).is_err());
}

#[test]
fn private_bytes_open_with_their_key_only() {
    let kek = SecretKey::random();
    let identity = Identity::generate("Ward 7").unwrap();
    let bytes = identity.to_bytes(&kek);
    let opened = Identity::from_bytes(&bytes, &kek).unwrap();
    assert_eq!(opened.public(), identity.public());
    assert_eq!(opened.signing().expose_seed(), identity.signing().expose_seed());
    let wrong = Identity::from_bytes(&bytes, &SecretKey::random());
    assert_eq!(wrong.unwrap_err().code(), "identity-unwrap");
    for index in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[index] ^= 1;
        if let Ok(read) = Identity::from_bytes(&changed, &kek) {
            assert_eq!(read.public(), identity.public(), "byte {index}");
        }
    }
}

#[test]
fn private_keys_do_not_open_under_another_public_half() {
    let kek = SecretKey::random();
    let (one, other) = (Identity::generate("a").unwrap(), Identity::generate("b").unwrap());
    let mut mixed: serde_json::Value = serde_json::from_slice(&one.to_bytes(&kek)).unwrap();
    let of_other: serde_json::Value = serde_json::from_slice(&other.to_bytes(&kek)).unwrap();
    mixed["public"] = of_other["public"].clone();
    let refused = Identity::from_bytes(mixed.to_string().as_bytes(), &kek);
    assert_eq!(refused.unwrap_err().code(), "identity-unwrap");
}

#[test]
fn a_private_file_is_private_and_never_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sender.key");
    let source = KekSource::KeyFile(dir.path().join("kek"));
    let identity = Identity::generate("Ward 7").unwrap();
    identity.write_file(&path, &source).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(Identity::open_file(&path, &source).unwrap().public(), identity.public());
    let again = identity.write_file(&path, &source);
    assert_eq!(again.unwrap_err().code(), "identity-exists");
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    let open = Identity::open_file(&path, &source);
    assert_eq!(open.unwrap_err().code(), "identity-permissions");
}

#[test]
fn what_is_no_identity_file_is_refused_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let fifo = dir.path().join("fifo");
    mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let source = passphrase("correct horse battery");
    assert_eq!(PublicIdentity::read_file(&fifo).unwrap_err().code(), "identity-io");
    assert_eq!(Identity::open_file(&fifo, &source).unwrap_err().code(), "identity-io");
    let missing = dir.path().join("missing");
    assert_eq!(PublicIdentity::read_file(&missing).unwrap_err().code(), "identity-io");
    assert_eq!(Identity::open_file(&missing, &source).unwrap_err().code(), "identity-io");
    let long = dir.path().join("long");
    write_atomic(&long, &vec![b' '; 1 << 20], PRIVATE_FILE).unwrap();
    assert_eq!(PublicIdentity::read_file(&long).unwrap_err().code(), "identity-malformed");
    assert_eq!(Identity::open_file(&long, &source).unwrap_err().code(), "identity-malformed");
}

#[test]
fn a_private_file_opens_with_its_passphrase_only() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sender.key");
    let identity = Identity::generate("Ward 7").unwrap();
    identity.write_file(&path, &passphrase("correct horse battery")).unwrap();
    let opened = Identity::open_file(&path, &passphrase("correct horse battery")).unwrap();
    assert_eq!(opened.public(), identity.public());
    let wrong = Identity::open_file(&path, &passphrase("correct horse buttery"));
    assert!(matches!(wrong, Err(IdentityError::Kek { .. })));
    let weak = identity.write_file(&dir.path().join("weak"), &passphrase("short"));
    assert_eq!(weak.unwrap_err().code(), "identity-kek");
    assert!(!dir.path().join("weak").exists());
}

#[test]
fn a_wrapped_key_opens_for_its_recipient_and_use_only() {
    for kem in Kem::ALL {
        let recipient = KemPrivateKey::generate(kem).unwrap();
        let content = SecretKey::random();
        let wrapped = recipient.public_key().wrap(b"feed 1", &content).unwrap();
        let opened = recipient.unwrap(b"feed 1", &wrapped).unwrap();
        assert_eq!(opened.expose(), content.expose());
        assert!(recipient.unwrap(b"feed 2", &wrapped).is_none());
        assert!(KemPrivateKey::generate(kem).unwrap().unwrap(b"feed 1", &wrapped).is_none());
        for index in 0..wrapped.sealed.len() {
            let mut changed = wrapped.clone();
            changed.sealed[index] ^= 1;
            assert!(recipient.unwrap(b"feed 1", &changed).is_none());
        }
    }
}

#[test]
fn an_x25519_key_that_gives_everybody_the_same_secret_is_not_sealed_to() {
    // RFC 7748, 6.1: points of small order give an all-zero secret.
    let zero = super::KemPublicKey::from_bytes(Kem::X25519, &[0; 32]);
    let refused = zero.is_none_or(|key| key.wrap(b"", &SecretKey::random()).is_none());
    assert!(refused);
}

#[test]
fn nothing_private_is_printed() {
    let identity = Identity::generate("Ward 7").unwrap();
    let seed = crate::digest::to_hex(identity.signing().expose_seed());
    assert!(!format!("{identity:?}").contains(&seed));
    assert!(format!("{identity:?}").contains("hidden"));
}
