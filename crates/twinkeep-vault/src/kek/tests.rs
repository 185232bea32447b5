//! Tests of the sources of a key-encryption key.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::{KekDescriptor, KekError, KekProvider, KekSource};
use crate::files::{PRIVATE_FILE, write_atomic};
use crate::{Purpose, SecretBytes, SecretKey, open, seal};

fn passphrase(text: &str) -> KekSource {
    KekSource::Passphrase(SecretBytes::new(text.as_bytes().to_vec()))
}

#[test]
fn the_right_passphrase_opens_and_a_wrong_one_does_not() {
    let (kek, descriptor) = passphrase("correct horse battery").create().unwrap();
    let opened = passphrase("correct horse battery").open(&descriptor).unwrap();
    assert_eq!(kek.expose(), opened.expose());
    let wrong = passphrase("correct horse buttery").open(&descriptor);
    assert!(matches!(wrong, Err(KekError::Wrong)));
    assert!(matches!(passphrase("short").create(), Err(KekError::TooShort)));
}

#[test]
fn a_weakened_descriptor_is_refused() {
    let source = passphrase("correct horse battery");
    let (_, mut descriptor) = source.create().unwrap();
    descriptor.memory_kib = 8;
    assert!(matches!(source.open(&descriptor), Err(KekError::Descriptor)));
}

#[test]
fn a_key_file_is_made_private_and_refused_when_others_can_read_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("kek");
    let source = KekSource::KeyFile(path.clone());
    let (kek, descriptor) = source.create().unwrap();
    assert_eq!(source.open(&descriptor).unwrap().expose(), kek.expose());
    let wrong = passphrase("correct horse battery").open(&descriptor);
    assert!(matches!(wrong, Err(KekError::OtherMethod { .. })));
    fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    assert!(matches!(source.open(&descriptor), Err(KekError::Permissions { mode: 0o40, .. })));
}

#[test]
fn a_key_file_that_is_no_file_or_too_long_is_refused_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let fifo = dir.path().join("fifo");
    mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let waiting = KekSource::KeyFile(fifo).create().unwrap_err();
    assert!(matches!(waiting, KekError::Io { .. }), "{waiting}");
    let long = dir.path().join("long");
    let text = format!("{}{}", "ab".repeat(32), "\n".repeat(1000));
    write_atomic(&long, text.as_bytes(), PRIVATE_FILE).unwrap();
    let refused = KekSource::KeyFile(long).create().unwrap_err();
    assert!(matches!(refused, KekError::KeyFile { .. }), "{refused}");
}

/// A wrapping service of its own: shows what a provider must hold to.
#[derive(Debug)]
struct Envelope(SecretKey);

impl KekProvider for Envelope {
    fn method(&self) -> &'static str {
        "transit"
    }

    fn create(&self) -> Result<(SecretKey, KekDescriptor), KekError> {
        KekDescriptor::wrapping("transit", &mut |kek, context| {
            Ok(seal(&self.0, Purpose::PrivateKey, context, kek.expose()))
        })
    }

    fn derive(&self, descriptor: &KekDescriptor) -> Result<SecretKey, KekError> {
        descriptor.unwrapping(&mut |wrapped, context| {
            open(&self.0, Purpose::PrivateKey, context, wrapped).map_err(|_| KekError::Wrong)
        })
    }
}

#[test]
fn a_wrapped_kek_opens_with_its_wrapping_key_and_in_its_own_descriptor_only() {
    let wrapping = SecretKey::random();
    let source = KekSource::Provider(Box::new(Envelope(wrapping.clone())));
    let (kek, descriptor) = source.create().unwrap();
    assert_eq!(source.open(&descriptor).unwrap().expose(), kek.expose());

    let other = KekSource::Provider(Box::new(Envelope(SecretKey::random())));
    assert!(matches!(other.open(&descriptor), Err(KekError::Wrong)));
    let mut moved = source.create().unwrap().1;
    moved.wrapped = descriptor.wrapped.clone();
    assert!(matches!(source.open(&moved), Err(KekError::Wrong)));
    let mut bare = descriptor.clone();
    bare.wrapped = None;
    assert!(matches!(source.open(&bare), Err(KekError::Descriptor)));
    let given = passphrase("correct horse battery").open(&descriptor).unwrap_err();
    assert_eq!(given.to_string(), "this keep opens with a transit engine, not with a passphrase");
    let text = serde_json::to_string(&descriptor).unwrap();
    assert_eq!(serde_json::from_str::<KekDescriptor>(&text).unwrap(), descriptor);
}
