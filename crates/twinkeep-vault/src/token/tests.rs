//! Tokens that must be refused, one reason each; and Project Wycheproof's vectors.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::{SignedToken, TOKEN_LEN_MAX, TokenAlgorithm, TokenError, TokenKeys};
use crate::sign::SigningKey;

const ALL: [TokenAlgorithm; 9] = TokenAlgorithm::ALL;

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn issuer() -> (SigningKey, TokenKeys) {
    let key = SigningKey::from_seed(&[7; 32]).unwrap();
    let set = json!({"keys": [entry(&key, "one")]});
    (key, TokenKeys::parse(set.to_string().as_bytes()).unwrap())
}

fn entry(key: &SigningKey, kid: &str) -> Value {
    let x = encode(key.verifying_key().as_bytes());
    json!({"kty": "OKP", "crv": "Ed25519", "kid": kid, "use": "sig", "alg": "EdDSA", "x": x})
}

fn token(key: &SigningKey, head: &Value) -> String {
    let signed = format!("{}.{}", encode(head.to_string().as_bytes()), encode(b"{\"iss\":\"i\"}"));
    format!("{signed}.{}", encode(&key.sign(signed.as_bytes())))
}

fn refused(text: &str, keys: &TokenKeys, pinned: &[TokenAlgorithm]) -> TokenError {
    SignedToken::parse(text).and_then(|token| token.verify(keys, pinned)).unwrap_err()
}

#[test]
fn a_token_of_the_issuer_opens_and_no_bit_of_it_may_change() {
    let (key, keys) = issuer();
    let text = token(&key, &json!({"alg": "EdDSA", "kid": "one", "typ": "at+jwt"}));
    let opened = SignedToken::parse(&text).unwrap().verify(&keys, &[TokenAlgorithm::EdDsa]);
    assert_eq!(opened.unwrap(), b"{\"iss\":\"i\"}");
    assert_eq!(SignedToken::parse(&text).unwrap().claimed_issuer().unwrap(), "i");
    for index in 0..text.len() {
        let mut bytes = text.clone().into_bytes();
        bytes[index] = if bytes[index] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(bytes).unwrap();
        let opened = SignedToken::parse(&changed).and_then(|token| token.verify(&keys, &ALL));
        assert!(opened.is_err(), "byte {index}");
    }
    for end in 0..text.len() {
        let cut = SignedToken::parse(&text[..end]).and_then(|token| token.verify(&keys, &ALL));
        assert!(cut.is_err(), "cut at {end}");
    }
}

#[test]
fn a_head_cannot_choose_what_it_is_verified_by() {
    let (key, keys) = issuer();
    let sign = |head: Value| token(&key, &head);
    let check = |head: Value| refused(&sign(head), &keys, &[TokenAlgorithm::EdDsa]);
    for name in ["none", "None", "HS256", "eddsa", "ES256", "RS256", ""] {
        assert_eq!(check(json!({"alg": name, "kid": "one"})), TokenError::Algorithm, "{name}");
    }
    assert_eq!(check(json!({"alg": "EdDSA", "kid": "two"})), TokenError::Key);
    let extended = json!({"alg": "EdDSA", "kid": "one", "crit": ["exp"], "exp": 1});
    assert_eq!(check(extended), TokenError::Head);
    for typ in ["logout+jwt", "dpop+jwt", "id+jwt"] {
        assert_eq!(check(json!({"alg": "EdDSA", "kid": "one", "typ": typ})), TokenError::Head);
    }
    // An algorithm that the key can do, and its issuer is not pinned to.
    let text = sign(json!({"alg": "EdDSA", "kid": "one"}));
    assert_eq!(refused(&text, &keys, &[TokenAlgorithm::Es256]), TokenError::Algorithm);
    // A key of their own inside the token.
    let own = SigningKey::from_seed(&[9; 32]).unwrap();
    let head = json!({"alg": "EdDSA", "jwk": entry(&own, "one"), "jku": "https://evil.example"});
    assert_eq!(refused(&token(&own, &head), &keys, &ALL), TokenError::Signature);
}

#[test]
fn without_a_name_there_must_be_one_key_only() {
    let (key, keys) = issuer();
    let text = token(&key, &json!({"alg": "EdDSA"}));
    assert!(SignedToken::parse(&text).unwrap().verify(&keys, &ALL).is_ok());
    let other = SigningKey::from_seed(&[9; 32]).unwrap();
    let set = json!({"keys": [entry(&key, "one"), entry(&other, "two")]});
    let keys = TokenKeys::parse(set.to_string().as_bytes()).unwrap();
    assert_eq!(refused(&text, &keys, &ALL), TokenError::Key);
    // The one that was named does not verify it, though another would.
    let text = token(&key, &json!({"alg": "EdDSA", "kid": "two"}));
    assert_eq!(refused(&text, &keys, &ALL), TokenError::Signature);
}

#[test]
fn what_is_no_token_is_refused() {
    let (key, keys) = issuer();
    let good = token(&key, &json!({"alg": "EdDSA", "kid": "one"}));
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let long = format!("{}.a.b", "a".repeat(TOKEN_LEN_MAX));
    for text in [
        "",
        ".",
        "..",
        "a.b",
        "a.b.c.d",
        &format!("{signed}."),
        &format!("{signed}.{signature}="),
        &long,
    ] {
        assert_eq!(refused(text, &keys, &ALL), TokenError::Shape, "{text:.40}");
    }
    let twice = format!("{}.{}", encode(br#"{"alg":"EdDSA","alg":"EdDSA"}"#), encode(b"{}"));
    let twice = format!("{twice}.{}", encode(&key.sign(twice.as_bytes())));
    assert_eq!(refused(&twice, &keys, &ALL), TokenError::Shape);
}

#[test]
fn a_set_with_a_secret_or_one_name_twice_is_refused() {
    let (key, _) = issuer();
    let parse = |set: Value| TokenKeys::parse(set.to_string().as_bytes());
    let mut private = entry(&key, "one");
    private["d"] = json!("AAAA");
    for keys in [
        json!([private]),
        json!([{"kty": "oct", "kid": "s", "k": "AAAA"}]),
        json!([entry(&key, "one"), entry(&key, "one")]),
    ] {
        assert_eq!(parse(json!({"keys": keys})).unwrap_err(), TokenError::KeySet, "{keys}");
    }
    for text in ["", "{}", "[]", "{\"keys\":{}}", "{\"keys\":[{}]}"] {
        assert!(TokenKeys::parse(text.as_bytes()).is_err(), "{text}");
    }
    let mut encrypting = entry(&key, "one");
    encrypting["use"] = json!("enc");
    let mut foreign = entry(&key, "two");
    foreign["alg"] = json!("ES256");
    let unused = json!([encrypting, foreign, {"kty": "AKP", "alg": "ML-DSA-44", "pub": "AA"}]);
    assert!(parse(json!({"keys": unused})).unwrap().is_empty());
}

#[test]
fn keys_with_and_without_a_name_are_counted() {
    let (key, keys) = issuer();
    assert_eq!((keys.len(), keys.is_empty()), (1, false));
    let other = SigningKey::from_seed(&[9; 32]).unwrap();
    let mut nameless = entry(&other, "");
    nameless.as_object_mut().unwrap().remove("kid");
    let set = json!({"keys": [entry(&key, "one"), nameless]});
    let keys = TokenKeys::parse(set.to_string().as_bytes()).unwrap();
    assert_eq!(keys.len(), 2);
    assert!(keys.knows(None) && keys.knows(Some("one")) && !keys.knows(Some("two")));
}

/// The public vectors; `None`, and a word about it, where they are not.
fn vectors(file: &str) -> Option<Value> {
    let path = std::env::var_os("TWINKEEP_DATA").map_or_else(
        || std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
        std::path::PathBuf::from,
    );
    match std::fs::read(path.join("vectors/wycheproof").join(file)) {
        Ok(bytes) => Some(serde_json::from_slice(&bytes).unwrap()),
        Err(_) => {
            #[expect(clippy::print_stdout, reason = "a test that is skipped says so")]
            {
                println!("skipped: no {file} among the shared data");
            }
            None
        }
    }
}

fn opens(keys: &Value, text: &str, pinned: &[TokenAlgorithm]) -> bool {
    let keys = TokenKeys::parse(keys.to_string().as_bytes());
    keys.and_then(|keys| SignedToken::parse(text)?.verify(&keys, pinned)).is_ok()
}

#[test]
fn wycheproof_signatures_are_judged_as_their_authors_do() {
    let Some(file) = vectors("json_web_signature_test.json") else { return };
    let (mut accepted, mut refused) = (0, 0);
    let mut stricter = Vec::new();
    for group in file["testGroups"].as_array().unwrap() {
        // Symmetric keys: nothing of theirs may open, valid or not.
        let (public, symmetric) = match group.get("public") {
            Some(public) => (public.clone(), false),
            None => (group["private"].clone(), true),
        };
        for test in group["tests"].as_array().unwrap() {
            let text = test["jws"].as_str().unwrap();
            let opened = opens(&json!({"keys": [public]}), text, &ALL);
            let valid = test["result"] == "valid" && !symmetric;
            if valid && !opened {
                stricter.push(test["tcId"].as_u64().unwrap());
            }
            assert!(valid || !opened, "{} {} is invalid", test["tcId"], test["comment"]);
            if opened { accepted += 1 } else { refused += 1 }
        }
    }
    assert_eq!(stricter, STRICTER, "valid ones that are refused");
    assert!(30 < accepted && 300 < refused, "{accepted} accepted, {refused} refused");
}

#[test]
fn wycheproof_key_sets_are_judged_as_their_authors_do() {
    let Some(file) = vectors("json_web_key_test.json") else { return };
    let mut refused = 0;
    for group in file["testGroups"].as_array().unwrap() {
        let public = group.get("public").unwrap_or(&group["private"]);
        for test in group["tests"].as_array().unwrap() {
            let opened = opens(public, test["jws"].as_str().unwrap(), &ALL);
            let (id, valid) = (test["tcId"].as_u64().unwrap(), test["result"] == "valid");
            assert!(valid || !opened, "{id} {} is invalid", test["comment"]);
            refused += usize::from(!opened);
        }
    }
    assert!(10 < refused, "{refused}");
}

/// Valid vectors that are refused all the same: an algorithm that is not spoken here (ES512), and a
/// key that says it is for another one.
const STRICTER: [u64; 4] = [346, 347, 350, 351];
