//! The primitives under all of this against the vectors of Project Wycheproof: answers that are
//! known, and attacks that were seen on other implementations.
//!
//! Cobblestone, which is ours, has its vectors beside it. What a library does is asked of the
//! library in the version that the formats use.

use std::path::PathBuf;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::{hkdf, hmac};
use ml_kem::kem::Decapsulate as _;
use serde_json::Value;

use crate::digest::from_hex;
use crate::ecdsa;
use crate::sign::VerifyingKey;

/// A test with the group it is in.
struct Case<'a> {
    group: &'a Value,
    test: &'a Value,
}

impl Case<'_> {
    fn bytes(&self, name: &str) -> Vec<u8> {
        from_hex(self.test[name].as_str().unwrap()).unwrap()
    }

    fn number(&self, name: &str) -> u64 {
        self.group[name].as_u64().unwrap()
    }
}

/// Asks about every case of a file; `holds` says whether it is taken, or `None` if it is of a kind
/// that no format uses. Returns how many were asked.
fn ask(name: &str, mut holds: impl FnMut(&Case<'_>) -> Option<bool>) -> usize {
    let Some(text) = read(name) else { return skipped() };
    let file: Value = serde_json::from_str(&text).unwrap();
    let mut asked = 0;
    for group in file["testGroups"].as_array().unwrap() {
        for test in group["tests"].as_array().unwrap() {
            let Some(found) = holds(&Case { group, test }) else { continue };
            asked += 1;
            let (id, comment) = (&test["tcId"], &test["comment"]);
            match test["result"].as_str().unwrap() {
                "valid" => assert!(found, "{name} {id}: {comment}"),
                "invalid" => assert!(!found, "{name} {id}: {comment}"),
                // Implementations may differ; what matters is that this one does not fall over.
                _ => {}
            }
        }
    }
    assert!(30 <= asked, "{name}: only {asked} cases were asked");
    asked
}

#[expect(clippy::print_stdout, reason = "a skipped test says so")]
fn skipped() -> usize {
    println!("skipped: the Wycheproof vectors are not here (set TWINKEEP_DATA)");
    0
}

fn read(name: &str) -> Option<String> {
    let data = std::env::var_os("TWINKEEP_DATA").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
        PathBuf::from,
    );
    std::fs::read_to_string(data.join(format!("vectors/wycheproof/{name}_test.json"))).ok()
}

#[test]
fn aes_256_gcm_opens_what_it_should_and_nothing_else() {
    ask("aes_gcm", |case| {
        let sizes = ["keySize", "ivSize", "tagSize"].map(|name| case.number(name));
        if sizes != [256, 96, 128] {
            return None;
        }
        let key = UnboundKey::new(&AES_256_GCM, &case.bytes("key")).unwrap();
        let key = LessSafeKey::new(key);
        let nonce = || Nonce::try_assume_unique_for_key(&case.bytes("iv")).unwrap();
        let mut sealed = [case.bytes("ct"), case.bytes("tag")].concat();
        let opened = key.open_in_place(nonce(), Aad::from(case.bytes("aad")), &mut sealed);
        let right = opened.is_ok_and(|opened| opened == case.bytes("msg"));
        let mut again = case.bytes("msg");
        key.seal_in_place_append_tag(nonce(), Aad::from(case.bytes("aad")), &mut again).unwrap();
        assert_eq!(right, again == [case.bytes("ct"), case.bytes("tag")].concat());
        Some(right)
    });
}

#[test]
fn ed25519_takes_no_signature_that_was_bent() {
    ask("ed25519", |case| {
        let key = from_hex(case.group["publicKey"]["pk"].as_str().unwrap()).unwrap();
        let key = VerifyingKey::from_bytes(key.try_into().unwrap());
        Some(key.verify(&case.bytes("msg"), &case.bytes("sig")).is_ok())
    });
}

#[test]
fn ecdsa_takes_no_signature_that_was_bent_on_any_curve() {
    for name in ["ecdsa_secp256r1_sha256", "ecdsa_secp384r1_sha384", "ecdsa_secp521r1_sha512"] {
        ask(name, |case| {
            let pem = case.group["publicKeyPem"].as_str().unwrap();
            Some(ecdsa::verify(pem, &case.bytes("msg"), &case.bytes("sig")).is_ok())
        });
    }
}

#[test]
fn hmac_sha_256_gives_the_known_tags() {
    ask("hmac_sha256", |case| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &case.bytes("key"));
        let (tag, length) = (hmac::sign(&key, &case.bytes("msg")), case.number("tagSize") / 8);
        Some(tag.as_ref()[..usize::try_from(length).unwrap()] == case.bytes("tag"))
    });
}

struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

#[test]
fn hkdf_sha_256_gives_the_known_keys() {
    ask("hkdf_sha256", |case| {
        let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, &case.bytes("salt"));
        let length = usize::try_from(case.test["size"].as_u64().unwrap()).unwrap();
        let (info, mut found) = (case.bytes("info"), vec![0; length]);
        let info = [&info[..]];
        let secret = salt.extract(&case.bytes("ikm"));
        let filled = secret.expand(&info, Length(length)).and_then(|okm| okm.fill(&mut found));
        Some(filled.is_ok() && found == case.bytes("okm"))
    });
}

#[test]
fn x25519_agrees_on_the_known_secrets() {
    ask("x25519", |case| {
        let private: [u8; 32] = case.bytes("private").try_into().unwrap();
        let public: [u8; 32] = case.bytes("public").try_into().unwrap();
        let found = x25519_dalek::x25519(private, public);
        assert_eq!(found.as_slice(), case.bytes("shared"), "{}", case.test["tcId"]);
        Some(true)
    });
}

#[test]
fn ml_kem_768_gives_the_known_secrets_and_says_nothing_of_wrong_ones() {
    ask("mlkem_768", |case| {
        let Ok(seed) = case.bytes("seed").as_slice().try_into() else { return Some(false) };
        let key = ml_kem::ml_kem_768::DecapsulationKey::from_seed(seed);
        let ciphertext = case.bytes("c");
        let Ok(ciphertext) = ciphertext.as_slice().try_into() else { return Some(false) };
        Some(key.decapsulate(&ciphertext).as_slice() == case.bytes("K"))
    });
}
