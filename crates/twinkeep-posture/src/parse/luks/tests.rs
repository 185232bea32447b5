//! Tests on real headers, which `cryptsetup` makes.

use std::fs;
use std::path::Path;

use super::{Header, LuksError, parse};
use crate::collect::host::testing::cryptsetup;

/// Makes a volume in a file, and returns its first bytes.
fn volume(folder: &Path, name: &str, options: &[&str]) -> Option<Vec<u8>> {
    let path = folder.join(name);
    fs::File::create(&path).unwrap().set_len(20 << 20).unwrap();
    let quick = ["luksFormat", "--batch-mode", "--pbkdf-force-iterations", "1000"];
    let path_text = path.to_str().unwrap();
    cryptsetup(&[&quick[..], options, &[path_text, "-"]].concat())?;
    Some(fs::read(&path).unwrap()[..4 << 20].to_vec())
}

#[test]
fn headers_of_both_versions_are_read_and_a_detached_one_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let uuid = "0f3c1b9e-52a6-4f7c-9d30-6a1f6d1b7c42";
    let of = |name: &str, options: &[&str]| volume(folder.path(), name, options);
    let Some(first) = of("first", &["--type", "luks1", "--uuid", uuid]) else { return };
    let second = ["--type", "luks2", "--pbkdf", "pbkdf2", "--uuid", uuid];
    let second = of("second", &second).unwrap();
    for (version, bytes) in [(1, &first), (2, &second)] {
        let cipher = Some("aes-xts-plain64".to_owned());
        let expected = Header { version, uuid: uuid.to_owned(), ciphers: vec![cipher] };
        let found = parse(bytes).unwrap();
        assert!(found.encrypts());
        assert_eq!(found, expected);
    }
    let header = folder.path().join("header");
    let apart = ["--type", "luks2", "--pbkdf", "pbkdf2", "--header", header.to_str().unwrap()];
    assert_eq!(parse(&of("apart", &apart).unwrap()), Err(LuksError::NoHeader));
    assert_eq!(parse(&fs::read(&header).unwrap()).unwrap().version, 2);

    // Cut off anywhere, it is none.
    for length in (0..16_384).step_by(61) {
        assert!(parse(&second[..length]).is_err(), "{length}");
    }
    assert!(parse(&second[..16_384]).is_ok());
    // Bytes 480 to 511 belong to checksums that are longer than this one.
    for at in (0..480).chain((512..4_700).step_by(7)) {
        let mut turned = second.clone();
        turned[at] ^= 0xff;
        assert!(parse(&turned).is_err(), "byte {at}");
        let mut turned = first.clone();
        turned[at] ^= 0xff;
        let _ = parse(&turned);
    }
}

#[test]
fn a_cipher_that_changes_nothing_encrypts_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut bytes) = volume(folder.path(), "volume", &["--type", "luks1"]) else { return };
    assert!(parse(&bytes).unwrap().encrypts());
    // `cryptsetup` writes such a header only with the device mapper; it differs in these fields.
    bytes[8..72].fill(0);
    bytes[8..19].copy_from_slice(b"cipher_null");
    bytes[40..43].copy_from_slice(b"ecb");
    let found = parse(&bytes).unwrap();
    assert_eq!((found.encrypts(), found.version), (false, 1));
}
