//! Tokens that an attacker, a clock, or a provider's mistake brings, judged by an open keep.

use std::cell::Cell;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tempfile::TempDir;
use twinkeep_domain::Timestamp;
use twinkeep_vault::KekSource;
use twinkeep_vault::sign::SigningKey;

use crate::{
    App, Caller, Config, InitRequest, IssuerWatch, RevokedToken, Scope, Surroundings, allow_token,
    check_token, init_keep, list_issuers, refresh_issuer, refresh_issuers, revoke_token,
    shipped_pack_text,
};

thread_local! {
    /// The time of one test, in seconds since 1970.
    static NOW: Cell<i64> = const { Cell::new(1_800_000_000) };
}

fn now() -> Timestamp {
    Timestamp::from_micros(NOW.get() * 1_000_000)
}

struct Place {
    dir: TempDir,
    root: PathBuf,
    key: SigningKey,
}

impl Place {
    /// A keep that believes two issuers, of which each has a key called `one`.
    fn new() -> (Self, App) {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("keep");
        let config = Config::parse(CONFIG).unwrap();
        let secret = KekSource::KeyFile(dir.path().join("kek"));
        let pack = shipped_pack_text("icu").unwrap();
        init_keep(&InitRequest { dir: &root, pack, secret: &secret, config, now: now() }).unwrap();
        let place = Self { dir, root, key: SigningKey::generate() };
        write_keys(&place.root.join("idp.json"), &[("one", &place.key)]);
        write_keys(&place.root.join("other.json"), &[("one", &SigningKey::generate())]);
        let app = place.open();
        refresh_issuer(&app, &Caller::operator(), "idp").unwrap();
        refresh_issuer(&app, &Caller::operator(), "other").unwrap();
        (place, app)
    }

    fn open(&self) -> App {
        let secret = KekSource::KeyFile(self.dir.path().join("kek"));
        App::open(&self.root, &secret, &Surroundings { clock: now, state_dir: None }).unwrap()
    }

    fn token(&self, claims: &Value) -> String {
        sign(&self.key, "one", claims.to_string().as_bytes())
    }
}

const CONFIG: &str = r#"
[[issuer]]
name = "idp"
url = "https://idp.example"
jwks_file = "idp.json"
algorithms = ["EdDSA"]
audience = ["keep"]

[[issuer]]
name = "other"
url = "https://other.example"
jwks_file = "other.json"
algorithms = ["EdDSA"]
audience = ["keep"]
"#;

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn write_keys(path: &Path, keys: &[(&str, &SigningKey)]) {
    use std::io::Write as _;
    let entry = |(kid, key): &(&str, &SigningKey)| {
        let x = encode(key.verifying_key().as_bytes());
        json!({"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": x})
    };
    let set = json!({"keys": keys.iter().map(entry).collect::<Vec<_>>()});
    std::fs::File::create(path).unwrap().write_all(set.to_string().as_bytes()).unwrap();
}

fn sign(key: &SigningKey, kid: &str, payload: &[u8]) -> String {
    let head = json!({"alg": "EdDSA", "kid": kid, "typ": "at+jwt"}).to_string();
    let signed = format!("{}.{}", encode(head.as_bytes()), encode(payload));
    format!("{signed}.{}", encode(&key.sign(signed.as_bytes())))
}

fn claims() -> Value {
    json!({"iss": "https://idp.example", "aud": "keep", "sub": "app-1", "jti": "t-1",
        "iat": NOW.get(), "exp": NOW.get() + 300, "scope": "openid twins:read"})
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

#[track_caller]
fn refused(app: &App, token: &str) -> &'static str {
    app.recognize(token).unwrap_err().code()
}

#[test]
fn a_token_is_its_subject_with_what_it_grants() {
    let (place, app) = Place::new();
    let caller = app.recognize(&place.token(&claims())).unwrap();
    assert!(caller.id.starts_with("token:idp/") && !caller.id.contains("app-1"), "{}", caller.id);
    assert_eq!((&caller.scopes[..], &caller.about), (&[Scope::ReadTwins][..], &None));
    let again = app.recognize(&place.token(&with("jti", json!("t-2")))).unwrap();
    assert_eq!(caller.id, again.id);
    let other = app.recognize(&place.token(&with("sub", json!("app-2")))).unwrap();
    assert_ne!(caller.id, other.id);
    let roles = with("roles", json!(["nurse", 7, ""]));
    assert_eq!(app.recognize(&place.token(&roles)).unwrap().roles, ["nurse"]);
    let audiences = with("aud", json!(["x", "keep"]));
    assert!(app.recognize(&place.token(&audiences)).is_ok());
    let report = check_token(&app, &place.token(&claims()), None).unwrap();
    assert_eq!((report.caller, report.scopes), (caller.id, vec!["twins:read"]));
}

#[test]
fn a_token_about_one_person_says_which() {
    let (place, app) = Place::new();
    let mut claims = with("scope", json!("launch/patient patient/Observation.rs"));
    assert_eq!(app.recognize(&place.token(&claims)).unwrap().scopes, []);
    claims["patient"] = json!("4711");
    let caller = app.recognize(&place.token(&claims)).unwrap();
    assert_eq!(caller.about.as_deref(), Some("local/4711"));
    assert_eq!(caller.scopes, [Scope::ReadTwins]);
}

#[test]
fn a_claim_that_is_missing_wrong_or_there_twice_is_refused() {
    let (place, app) = Place::new();
    let now = NOW.get();
    for (name, value, code) in [
        ("iss", json!("https://else.example"), "token-issuer"),
        ("iss", json!("https://idp.example/"), "token-issuer"),
        ("aud", json!("another-keep"), "token-audience"),
        ("aud", json!([]), "token-audience"),
        ("aud", json!("x keep"), "token-audience"),
        ("exp", json!(now - 31), "token-expired"),
        ("exp", json!("never"), "token-claims"),
        ("exp", json!(1e300), "token-claims"),
        ("exp", json!(-1), "token-claims"),
        ("exp", json!(now + 200_000), "token-endless"),
        ("nbf", json!(now + 60), "token-early"),
        ("iat", json!(now + 60), "token-early"),
        ("sub", json!(""), "token-subject"),
        ("sub", json!("a\nb"), "token-subject"),
        ("sub", json!("x".repeat(256)), "token-subject"),
        ("jti", json!(7), "token-claims"),
        ("cnf", json!({"x5t#S256": "AAAA"}), "token-bound"),
        ("cnf", json!({"jkt": "AAAA"}), "token-bound"),
        ("cnf", json!(null), "token-bound"),
        ("cnf", json!({}), "token-bound"),
        ("cnf", json!({"x5t#S256": encode(&[7; 32]), "jkt": "AAAA"}), "token-bound"),
        ("cnf", json!({"x5t#S256": [encode(&[7; 32])]}), "token-bound"),
    ] {
        let token = place.token(&with(name, value.clone()));
        assert_eq!(refused(&app, &token), code, "{name} = {value}");
    }
    for (name, code) in
        [("aud", "token-audience"), ("exp", "token-endless"), ("sub", "token-subject")]
    {
        let mut claims = claims();
        claims.as_object_mut().unwrap().remove(name);
        assert_eq!(refused(&app, &place.token(&claims)), code, "without {name}");
    }
    let text = claims().to_string();
    for (payload, code) in [
        (text.replacen('{', r#"{"sub":"other","#, 1), "token-claims"),
        (format!("{text}{text}"), "token-shape"),
        (format!("[{text}]"), "token-shape"),
        ("null".to_owned(), "token-shape"),
    ] {
        assert_eq!(refused(&app, &sign(&place.key, "one", payload.as_bytes())), code, "{payload}");
    }
}

#[test]
fn one_issuers_key_does_not_speak_for_another() {
    let (place, app) = Place::new();
    // Both have a key called `one`.
    let token = place.token(&with("iss", json!("https://other.example")));
    assert_eq!(refused(&app, &token), "token-signature");
    let forged = sign(&SigningKey::generate(), "one", claims().to_string().as_bytes());
    assert_eq!(refused(&app, &forged), "token-signature");
}

#[test]
fn what_was_verified_holds_until_it_expires() {
    let (place, app) = Place::new();
    let token = place.token(&claims());
    assert!(app.recognize(&token).is_ok());
    NOW.set(NOW.get() + 329);
    assert!(app.recognize(&token).is_ok());
    NOW.set(NOW.get() + 1);
    assert_eq!(refused(&app, &token), "token-expired");
}

#[test]
fn a_revocation_holds_at_once_in_every_process_and_can_be_taken_back() {
    let (place, app) = Place::new();
    let other = place.open();
    let operator = Caller::operator();
    let (one, two) = (place.token(&claims()), place.token(&with("jti", json!("t-2"))));
    for token in [&one, &two] {
        assert!(app.recognize(token).is_ok() && other.recognize(token).is_ok());
    }
    revoke_token(&other, &operator, "idp", RevokedToken::Id("t-1")).unwrap();
    assert_eq!(refused(&app, &one), "token-revoked");
    assert!(app.recognize(&two).is_ok());
    revoke_token(&other, &operator, "idp", RevokedToken::Subject("app-1")).unwrap();
    assert_eq!(refused(&app, &two), "token-revoked");
    assert_eq!(refused(&place.open(), &two), "token-revoked");
    assert!(app.recognize(&place.token(&with("sub", json!("app-2")))).is_err(), "same `jti`");
    allow_token(&other, &operator, "idp", RevokedToken::Subject("app-1")).unwrap();
    assert!(app.recognize(&two).is_ok());
    assert_eq!(refused(&app, &one), "token-revoked");
    let nothing = allow_token(&other, &operator, "idp", RevokedToken::Subject("app-1"));
    assert_eq!(nothing.unwrap_err().code(), "token-not-revoked");
}

#[test]
fn keys_rotate_and_a_missing_one_is_asked_for_with_a_pause() {
    let (place, app) = Place::new();
    let mut watch = IssuerWatch::default();
    refresh_issuers(&app, &mut watch);
    let old = place.token(&claims());
    assert!(app.recognize(&old).is_ok());
    let next = SigningKey::generate();
    let new = sign(&next, "two", claims().to_string().as_bytes());
    write_keys(&place.root.join("idp.json"), &[("two", &next)]);
    assert_eq!(refused(&app, &new), "token-key");
    // Not before the pause is over, however often it is asked for.
    refresh_issuers(&app, &mut watch);
    assert_eq!(refused(&app, &new), "token-key");
    NOW.set(NOW.get() + 10);
    refresh_issuers(&app, &mut watch);
    assert!(app.recognize(&new).is_ok());
    assert_eq!(refused(&app, &old), "token-key", "what the old key signed is gone with it");
}

#[test]
fn an_issuer_that_is_down_is_believed_for_a_day() {
    let (place, app) = Place::new();
    let mut watch = IssuerWatch::default();
    let issued = |seconds: i64| {
        NOW.set(NOW.get() + seconds);
        place.token(&claims())
    };
    std::fs::remove_file(place.root.join("idp.json")).unwrap();
    for _ in 0..3 {
        let token = issued(6 * 3600);
        refresh_issuers(&app, &mut watch);
        assert!(app.recognize(&token).is_ok());
    }
    // A start in the meantime asks nobody.
    assert!(place.open().recognize(&issued(60)).is_ok());
    let token = issued(6 * 3600);
    refresh_issuers(&app, &mut watch);
    assert_eq!(refused(&app, &token), "token-keys-missing");
    assert!(!list_issuers(&app).unwrap()[0].believed);
    write_keys(&place.root.join("idp.json"), &[("one", &place.key)]);
    NOW.set(NOW.get() + 30);
    refresh_issuers(&app, &mut watch);
    assert!(app.recognize(&token).is_ok());
    std::fs::remove_file(place.root.join("idp.json")).unwrap();
    let error = refresh_issuer(&app, &Caller::operator(), "idp").unwrap_err();
    assert_eq!(error.code(), "issuer-file");
}

#[test]
fn a_half_written_set_of_keys_changes_nothing() {
    let (place, app) = Place::new();
    let path = place.root.join("idp.json");
    let whole = std::fs::read(&path).unwrap();
    for end in [0, 1, whole.len() / 2, whole.len() - 1] {
        use std::io::Write as _;
        std::fs::File::create(&path).unwrap().write_all(&whole[..end]).unwrap();
        let error = refresh_issuer(&app, &Caller::operator(), "idp").unwrap_err();
        assert_eq!(error.code(), "issuer-keys", "{end}");
        assert!(app.recognize(&place.token(&claims())).is_ok());
    }
}

#[test]
fn a_bound_token_is_its_certificates_alone() {
    let (place, app) = Place::new();
    let (mine, other) = (&b"a certificate"[..], &b"another"[..]);
    let bound = json!({"x5t#S256": encode(&twinkeep_vault::client_chain::thumbprint(mine))});
    let token = place.token(&with("cnf", bound));
    let ask = |shown| app.recognize_with(&token, shown).map(drop).map_err(|error| error.code());
    // Once before it is remembered, and again when it is.
    for _ in 0..2 {
        assert_eq!(ask(None), Err("token-bound"));
        assert_eq!(ask(Some(other)), Err("token-bound"));
        assert_eq!(ask(Some(mine)), Ok(()));
    }
    assert_eq!(check_token(&app, &token, None).unwrap_err().code(), "token-bound");
    assert!(check_token(&app, &token, Some(mine)).is_ok());
}

#[test]
fn an_issuer_whose_tokens_must_be_bound_issues_no_others() {
    let (place, _) = Place::new();
    let path = place.root.join("twinkeep.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let bound = text.replacen("name = \"idp\"", "name = \"idp\"\nrequire_bound = true", 1);
    assert_ne!(text, bound);
    use std::io::Write as _;
    std::fs::File::create(&path).unwrap().write_all(bound.as_bytes()).unwrap();
    let app = place.open();
    assert_eq!(refused(&app, &place.token(&claims())), "token-unbound");
    let shown = b"a certificate";
    let bound = json!({"x5t#S256": encode(&twinkeep_vault::client_chain::thumbprint(shown))});
    let token = place.token(&with("cnf", bound));
    assert!(app.recognize_with(&token, Some(shown)).is_ok());
}
