//! Keys on three curves, and the files in which people keep them.

use aws_lc_rs::encoding::{AsDer as _, EcPrivateKeyRfc5915Der};

use super::{Curve, EcdsaKey, parse_pem_all, pem, verify};
use crate::sign::SignatureError;

#[test]
fn a_signature_holds_for_its_key_and_message_only() {
    for curve in Curve::ALL {
        let key = EcdsaKey::generate_on(curve).unwrap();
        let signature = key.sign(b"message").unwrap();
        let public = key.public_pem().unwrap();
        assert_eq!(verify(&public, b"message", &signature), Ok(()));
        assert_eq!(verify(&public, b"massage", &signature), Err(SignatureError));
        for other in Curve::ALL {
            let other = EcdsaKey::generate_on(other).unwrap().public_pem().unwrap();
            assert_eq!(verify(&other, b"message", &signature), Err(SignatureError));
        }
    }
}

#[test]
fn the_document_restores_the_key() {
    for curve in Curve::ALL {
        let key = EcdsaKey::generate_on(curve).unwrap();
        let restored = EcdsaKey::from_pkcs8(key.expose_pkcs8()).unwrap();
        assert_eq!(key.public_pem().unwrap(), restored.public_pem().unwrap());
        let text = format!("a comment\n{}", pem("PRIVATE KEY", key.expose_pkcs8()));
        let restored = EcdsaKey::from_pem(&text).unwrap();
        assert_eq!(key.public_pem().unwrap(), restored.public_pem().unwrap());
    }
}

#[test]
fn a_key_as_openssl_writes_it_is_read() {
    for curve in Curve::ALL {
        let key = EcdsaKey::generate_on(curve).unwrap();
        let private = key.pair.private_key();
        let sec1: EcPrivateKeyRfc5915Der<'_> = private.as_der().unwrap();
        let parameters = pem("EC PARAMETERS", &[6, 5, 43, 129, 4, 0, 34]);
        let text = format!("{parameters}{}", pem("EC PRIVATE KEY", sec1.as_ref()));
        let read = EcdsaKey::from_pem(&text).unwrap();
        assert_eq!(read.public_pem().unwrap(), key.public_pem().unwrap());
        let again = EcdsaKey::from_pkcs8(read.expose_pkcs8()).unwrap();
        assert_eq!(again.public_pem().unwrap(), key.public_pem().unwrap());
        assert!(EcdsaKey::from_pem(&text.replace("EC PRIVATE", "RSA PRIVATE")).is_none());
        assert!(EcdsaKey::from_pem(&text.replace("-----END", "----END")).is_none());
    }
}

#[test]
fn several_blocks_are_read_and_a_broken_one_spoils_all() {
    let two = format!("x\n{}y\n{}", pem("CERTIFICATE", b"one"), pem("CERTIFICATE", b"two"));
    let blocks = parse_pem_all("CERTIFICATE", &two).unwrap();
    assert_eq!(blocks, [b"one", b"two"]);
    assert_eq!(parse_pem_all("PUBLIC KEY", &two).unwrap(), Vec::<Vec<u8>>::new());
    assert!(parse_pem_all("CERTIFICATE", two.trim_end().trim_end_matches('-')).is_none());
}
