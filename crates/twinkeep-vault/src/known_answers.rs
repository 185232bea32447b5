//! The primitives under all of this against the vectors of Project Wycheproof: answers that are
//! known, and attacks that were seen on other implementations.
//!
//! What Wycheproof does not ask about has its answers in `conformance/known-answers`: of NIST's
//! ACVP, of RFC 9106, of the authors of BLAKE3, and of the draft of X-Wing.
//!
//! Cobblestone, which is ours, has its vectors beside it. What a library does is asked of the
//! library in the version that the formats use.

use std::path::PathBuf;

use argon2::{Algorithm, Argon2, ParamsBuilder, Version};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::{hkdf, hmac};
use hpke::{Deserializable as _, Serializable as _};
use ml_kem::kem::Decapsulate as _;
use serde_json::Value;
use x_wing::{Encapsulate as _, Kem as _, KeyExport as _, XWingKem};

use crate::digest::{Sha256, from_hex, sha256, to_hex};
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

/// Reads answers that lie in the repository.
fn answers(name: &str) -> Value {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../conformance/known-answers");
    serde_json::from_str(&std::fs::read_to_string(folder.join(name)).unwrap()).unwrap()
}

/// The bytes of a vector, as what a library takes for chance.
struct Given(Vec<u8>);

impl rand_core::TryRng for Given {
    type Error = std::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        rand_core::utils::next_word_via_fill(self)
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        rand_core::utils::next_word_via_fill(self)
    }

    fn try_fill_bytes(&mut self, into: &mut [u8]) -> Result<(), Self::Error> {
        into.copy_from_slice(&self.0.drain(..into.len()).collect::<Vec<_>>());
        Ok(())
    }
}

impl rand_core::TryCryptoRng for Given {}

#[test]
fn x_wing_gives_the_known_keys_ciphertexts_and_secrets() {
    let file = answers("x-wing.json");
    let tests = file["tests"].as_array().unwrap();
    assert_eq!(tests.len(), 3);
    for test in tests {
        let (private, public) = XWingKem::generate_keypair_from_rng(&mut Given(hex(&test["seed"])));
        assert_eq!(sha256(&public.to_bytes()).as_slice(), hex(&test["pkSha256"]));
        let (ciphertext, secret) = public.encapsulate_with_rng(&mut Given(hex(&test["eseed"])));
        assert_eq!(sha256(&ciphertext).as_slice(), hex(&test["ctSha256"]));
        assert_eq!(secret.as_slice(), hex(&test["ss"]));
        assert_eq!(private.decapsulate(&ciphertext), secret);
        // HPKE reads the same private key, and finds the same public one.
        let ours = <hpke::kem::XWing as hpke::Kem>::PrivateKey::from_bytes(&hex(&test["seed"]));
        let ours = <hpke::kem::XWing as hpke::Kem>::sk_to_pk(&ours.unwrap());
        assert_eq!(ours.to_bytes().as_slice(), public.to_bytes().as_slice());
    }
}

fn hex(value: &Value) -> Vec<u8> {
    from_hex(value.as_str().unwrap()).unwrap()
}

#[test]
fn sha_256_gives_the_known_digests_at_once_and_in_parts() {
    let file = answers("sha2-256.json");
    let tests = file["tests"].as_array().unwrap();
    assert!(!tests.is_empty());
    for test in tests {
        let (message, digest) = (hex(&test["msg"]), hex(&test["md"]));
        assert_eq!(sha256(&message).as_slice(), digest, "{}", test["tcId"]);
        for size in [1, 63, 64, 65] {
            let mut hasher = Sha256::default();
            message.chunks(size).for_each(|part| hasher.update(part));
            assert_eq!(hasher.finish().as_slice(), digest, "{} in {size}", test["tcId"]);
        }
    }
}

#[test]
fn blake3_gives_the_known_digests() {
    let file = answers("blake3.json");
    let cases = file["cases"].as_array().unwrap();
    assert!(10 <= cases.len());
    for case in cases {
        let length = usize::try_from(case["input_len"].as_u64().unwrap()).unwrap();
        let input: Vec<u8> = (0..=250).cycle().take(length).collect();
        let found = blake3::hash(&input);
        assert_eq!(to_hex(found.as_bytes()), case["hash"].as_str().unwrap(), "{length} bytes");
    }
}

#[test]
fn argon2id_gives_the_known_tag() {
    let case = answers("argon2id.json");
    let number = |name: &str| u32::try_from(case[name].as_u64().unwrap()).unwrap();
    let params = ParamsBuilder::new()
        .m_cost(number("memory_kib"))
        .t_cost(number("passes"))
        .p_cost(number("lanes"))
        .data(argon2::AssociatedData::new(&hex(&case["associated_data"])).unwrap())
        .build()
        .unwrap();
    let secret = hex(&case["secret"]);
    let argon =
        Argon2::new_with_secret(&secret, Algorithm::Argon2id, Version::V0x13, params).unwrap();
    let mut tag = [0; 32];
    argon.hash_password_into(&hex(&case["password"]), &hex(&case["salt"]), &mut tag).unwrap();
    assert_eq!(to_hex(&tag), case["tag"].as_str().unwrap());
}
