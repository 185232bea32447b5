//! Credentials that are forged, and what the refusals give away.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};
use twinkeep_vault::digest::sha256;

use crate::Finding;
use crate::target::{Answer, Target};

/// Shows each of them; fewer than would have an address shut out.
pub(crate) fn run(target: &Target) -> Vec<Finding> {
    let none = target.ask(&target.request("GET", &target.path, ""));
    let refused = matches!(none.status, 401 | 403);
    let mut found = vec![Finding::new("credential", "none", refused, none.said())];
    if !refused {
        return found;
    }
    let mut telling = Vec::new();
    let mut judge = |attack, line: String| {
        let answer = target.ask(&target.request("GET", &target.path, &line));
        let held = matches!(answer.status, 400 | 401 | 403);
        if answer.status == none.status && said(&answer) != said(&none) {
            telling.push(attack);
        }
        found.push(Finding::new("credential", attack, held, answer.said()));
    };
    for (attack, token) in forged(target) {
        judge(attack, format!("Authorization: Bearer {token}\r\n"));
    }
    judge("two at a time", "Authorization: Bearer a\r\nX-Api-Key: b\r\n".to_owned());
    judge("a header of a proxy", "X-Client-Cert: a\r\nX-SSL-Client-Verify: SUCCESS\r\n".to_owned());
    let saw = if telling.is_empty() { "one answer for all".to_owned() } else { telling.join(", ") };
    found.push(Finding::new(
        "answer",
        "which part of a credential failed",
        telling.is_empty(),
        saw,
    ));
    if let Some(credential) = &target.credential {
        let line = format!("Authorization: Bearer {credential}\r\n");
        let answer = target.ask(&target.request("GET", &target.path, &line));
        let attack = "the true one, after all of them";
        let held = (200..300).contains(&answer.status);
        found.push(Finding::new("credential", attack, held, answer.said()));
    }
    found
}

/// What is made of a credential that holds, or of nothing.
fn forged(target: &Target) -> Vec<(&'static str, String)> {
    let credential = target.credential.as_deref();
    let later = target.now_seconds + 3_600;
    let claims = credential.and_then(claims).unwrap_or_else(|| made_up(later));
    let none = |alg: &str| format!("{}.", signed(&json!({ "alg": alg, "typ": "JWT" }), &claims));
    let hmac = |head: Value, key: &[u8]| {
        let text = signed(&head, &claims);
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(hmac_sha256(key, text.as_bytes())))
    };
    let symmetric = json!({ "alg": "HS256", "typ": "JWT" });
    let path = json!({ "alg": "HS256", "kid": "../../../../dev/null" });
    let own = json!({ "alg": "HS256", "jwk": { "kty": "oct", "k": "AAAA" } });
    let mut list = vec![
        ("alg none", none("none")),
        ("alg nOnE", none("nOnE")),
        ("a symmetric algorithm with an empty key", hmac(symmetric, b"")),
        ("a key named by a path", hmac(path, b"")),
        ("a key that the token brings along", hmac(own, &[0, 0, 0])),
    ];
    match credential {
        Some(token) if token.split('.').count() == 3 => {
            let (text, signature) = token.rsplit_once('.').unwrap_or((token, ""));
            let mut other = claims.clone();
            other.insert("exp".to_owned(), json!(later));
            let (head, _) = text.split_once('.').unwrap_or((text, ""));
            let other = URL_SAFE_NO_PAD.encode(Value::from(other).to_string());
            list.push(("a token without its signature", format!("{text}.")));
            list.push(("a token with a changed signature", flipped(token)));
            list.push(("a token with another end", format!("{head}.{other}.{signature}")));
            // A verifier that takes what it has for a shared secret takes the public key for one.
            let confused = signed(&json!({ "alg": "HS256", "typ": "at+jwt" }), &claims);
            let mac = hmac_sha256(text.as_bytes(), confused.as_bytes());
            let mac = URL_SAFE_NO_PAD.encode(mac);
            list.push(("a token under another algorithm", format!("{confused}.{mac}")));
        }
        Some(key) => {
            list.push(("a key with one character changed", flipped(key)));
            list.push(("the beginning of a key", key.chars().take(key.len() / 2).collect()));
        }
        None => list.push(("a key that is made up", format!("tk_{}", "a".repeat(40)))),
    }
    list
}

/// The same with another character ten from its end: a bit of the last one may mean nothing.
fn flipped(text: &str) -> String {
    let at = text.len().saturating_sub(10);
    let change = |(index, c): (usize, char)| match (index == at, c) {
        (false, c) => c,
        (true, 'a') => 'b',
        (true, _) => 'a',
    };
    text.char_indices().map(change).collect()
}

fn claims(token: &str) -> Option<Map<String, Value>> {
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    serde_json::from_slice(&payload).ok()
}

fn made_up(later: i64) -> Map<String, Value> {
    let claims = json!({
        "iss": "https://issuer.invalid", "aud": "twinkeep", "sub": "root",
        "exp": later, "scope": "twins:read",
    });
    claims.as_object().cloned().unwrap_or_default()
}

fn signed(head: &Value, claims: &Map<String, Value>) -> String {
    let encode = |value: String| URL_SAFE_NO_PAD.encode(value);
    format!("{}.{}", encode(head.to_string()), encode(Value::from(claims.clone()).to_string()))
}

/// HMAC (RFC 2104) with a key of any length, as a verifier that is confused would make it.
fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut block = [0; 64];
    let short = if key.len() <= 64 { key.to_vec() } else { sha256(key).to_vec() };
    block[..short.len()].copy_from_slice(&short);
    let pad = |with: u8, rest: &[u8]| sha256(&[&block.map(|byte| byte ^ with)[..], rest].concat());
    pad(0x5c, &pad(0x36, message))
}

/// What an answer says, less what is different each time.
fn said(answer: &Answer) -> (u16, String) {
    let mut body = answer.body.clone();
    if let Ok(mut value) = serde_json::from_str::<Value>(&body) {
        forget(&mut value);
        body = value.to_string();
    }
    (answer.status, body)
}

/// Takes the numbers of requests out.
fn forget(value: &mut Value) {
    if let Value::Object(fields) = value {
        fields.retain(|name, _| !matches!(name.as_str(), "request_id" | "instance"));
        fields.values_mut().for_each(forget);
    }
}
