//! Keys around the keep's key that lie elsewhere: SoftHSM, AWS KMS as moto plays it, and a transit
//! engine; and the rotation from one to another.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use twinkeep_vault::{Purpose, SecretKey, open, seal};

use crate::harness::{Place, Ran, peer, ran, write_private};
use crate::peers::free_port;

/// Runs the program with more in its environment.
fn run(place: &Place, args: &[&str], variables: &[(&str, &str)]) -> Ran {
    ran(&place.command(args).arg("--json").envs(variables.iter().copied()).output().unwrap())
}

// --- PKCS#11 -------------------------------------------------------------------------------

const MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";

struct SoftHsm {
    config: String,
}

impl SoftHsm {
    fn start(place: &Place) -> Option<Self> {
        peer("softhsm2-util")?;
        std::fs::create_dir(place.path("tokens")).unwrap();
        let text = format!("directories.tokendir = {}\n", place.path("tokens").display());
        write_private(&place.path("softhsm2.conf"), text.as_bytes());
        write_private(&place.path("pin"), b"4711\n");
        let hsm = Self { config: place.path("softhsm2.conf").display().to_string() };
        let made = Command::new("softhsm2-util")
            .args([
                "--init-token",
                "--free",
                "--label",
                "The HSM",
                "--so-pin",
                "0815",
                "--pin",
                "4711",
            ])
            .env("SOFTHSM2_CONF", &hsm.config)
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        Some(hsm)
    }

    fn variables(&self) -> [(&str, &str); 1] {
        [("SOFTHSM2_CONF", &self.config)]
    }
}

fn uri(object: &str) -> String {
    format!("pkcs11:token=The%20HSM;object={object}?module-path={MODULE}")
}

#[test]
fn a_token_holds_the_key_of_a_keep_and_never_gives_it_out() {
    let place = Place::empty();
    let Some(hsm) = SoftHsm::start(&place) else { return };
    let uri = uri("keep");
    let with = |args: &[&str]| {
        let args = [args, &["--kek-uri", &uri, "--passphrase-file", "pin"]].concat();
        run(&place, &args, &hsm.variables())
    };
    with(&["init", "keep"]).done();
    with(&["twin", "list"]).lines();

    write_private(&place.path("pin"), b"9999\n");
    assert_eq!(with(&["twin", "list"]).refused(), "kek-provider");
    write_private(&place.path("pin"), b"4711\n");

    let other = self::uri("other");
    let args = ["twin", "list", "--kek-uri", &other, "--passphrase-file", "pin"];
    assert_eq!(run(&place, &args, &hsm.variables()).refused(), "kek-provider", "no such key");
    let args = ["init", "second", "--kek-uri", &other, "--passphrase-file", "pin"];
    run(&place, &args, &hsm.variables()).done();
    let args = ["--keep", "second", "twin", "list", "--kek-uri", &uri, "--passphrase-file", "pin"];
    assert_eq!(run(&place, &args, &hsm.variables()).refused(), "kek-wrong");
    let args = ["twin", "list", "--passphrase-file", "pin"];
    assert_eq!(run(&place, &args, &hsm.variables()).refused(), "kek-method");
}

#[test]
fn a_pin_in_a_uri_is_refused() {
    let place = Place::empty();
    let uri = format!("{}&pin-value=4711", uri("keep"));
    let refused = run(&place, &["init", "keep", "--kek-uri", &uri], &[]);
    assert_eq!((refused.refused().as_str(), refused.code), ("kek-uri", 2));
    assert!(!refused.stderr.contains("4711"), "{}", refused.stderr);
}

// --- AWS KMS -------------------------------------------------------------------------------

/// A server that is killed when the test ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn wait_for(port: u16) {
    let start = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(start.elapsed() < Duration::from_secs(120), "the peer does not answer");
        thread::sleep(Duration::from_millis(50));
    }
}

/// Asks moto for a new key, as the AWS console would.
fn make_kms_key(port: u16) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let authorization = "AWS4-HMAC-SHA256 Credential=test/20260101/eu-central-1/kms/aws4_request, \
                         SignedHeaders=host, Signature=00";
    write!(
        stream,
        "POST / HTTP/1.1\r\nHost: kms.eu-central-1.amazonaws.com\r\nAuthorization: {authorization}\r\n\
         X-Amz-Target: TrentService.CreateKey\r\nContent-Type: application/x-amz-json-1.1\r\n\
         Content-Length: 2\r\nConnection: close\r\n\r\n{{}}"
    )
    .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let body: Value = serde_json::from_str(text.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    body["KeyMetadata"]["KeyId"].as_str().unwrap().to_owned()
}

#[test]
fn aws_kms_holds_the_key_of_a_keep() {
    let place = Place::empty();
    let Some(moto) = peer("moto_server") else { return };
    let port = free_port();
    let server = Command::new(moto)
        .args(["-H", "127.0.0.1", "-p", &port.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let _server = Running(server);
    wait_for(port);
    let endpoint = format!("http://127.0.0.1:{port}");
    let variables = [
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ENDPOINT_URL_KMS", endpoint.as_str()),
    ];
    let (one, two) = (make_kms_key(port), make_kms_key(port));
    let one = format!("aws-kms:arn:aws:kms:eu-central-1:123456789012:key/{one}");
    let two = format!("aws-kms:{two}");
    run(&place, &["init", "keep", "--kek-uri", &one], &variables).done();
    run(&place, &["twin", "list", "--kek-uri", &one], &variables).lines();

    // moto does not compare the key that is named with that of the ciphertext, as KMS does; a
    // ciphertext that was altered is refused by both.
    let path = place.path("keep/keep.json");
    let mut keep: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    keep["kek"]["salt"] = json!("00000000000000000000000000000000");
    crate::harness::write(&path, &serde_json::to_vec(&keep).unwrap());
    let moved = run(&place, &["twin", "list", "--kek-uri", &one], &variables).refused();
    assert!(["kek-wrong", "kek-provider"].contains(&moved.as_str()), "{moved}: another context");

    let missing = run(&place, &["init", "other", "--kek-uri", &two], &variables[..1]);
    assert_eq!((missing.refused().as_str(), missing.code), ("kek-credentials", 2));
    let elsewhere = [&variables[..3], &[("AWS_ENDPOINT_URL", "http://kms.example")]].concat();
    let plain = run(&place, &["init", "other", "--kek-uri", &two], &elsewhere);
    assert_eq!((plain.refused().as_str(), plain.code), ("kek-uri", 2));
}

// --- Transit -------------------------------------------------------------------------------

/// Speaks the part of the transit API that is used, with real encryption and a token.
struct TransitServer {
    port: u16,
    seen: Arc<Mutex<Vec<String>>>,
}

impl TransitServer {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let paths = Arc::clone(&seen);
        thread::spawn(move || {
            let key = SecretKey::random();
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                answer(stream, &key, &paths);
            }
        });
        Self { port, seen }
    }
}

fn answer(mut stream: TcpStream, key: &SecretKey, seen: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if line.trim().is_empty() {
            break;
        }
        lines.push(line.trim().to_ascii_lowercase());
    }
    let length = lines.iter().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    reader.read_exact(&mut body).unwrap();
    seen.lock().unwrap().push(lines[0].clone());
    let (status, body) = if lines.contains(&"x-vault-token: s.token".to_owned()) {
        transit(key, &lines[0], &serde_json::from_slice(&body).unwrap())
    } else {
        (403, json!({"errors": ["permission denied"]}))
    };
    let body = body.to_string();
    write!(
        stream,
        "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
}

fn transit(key: &SecretKey, line: &str, body: &Value) -> (u16, Value) {
    let bytes = |name: &str| STANDARD.decode(body[name].as_str().unwrap()).unwrap();
    let context = bytes("associated_data");
    if line.starts_with("post /v1/transit/encrypt/keep ") {
        let sealed = seal(key, Purpose::PrivateKey, &context, &bytes("plaintext"));
        let ciphertext = format!("vault:v1:{}", STANDARD.encode(sealed));
        return (200, json!({"data": {"ciphertext": ciphertext, "key_version": 1}}));
    }
    assert!(line.starts_with("post /v1/transit/decrypt/keep "), "{line}");
    let sealed = body["ciphertext"].as_str().unwrap().strip_prefix("vault:v1:").unwrap();
    match open(key, Purpose::PrivateKey, &context, &STANDARD.decode(sealed).unwrap()) {
        Ok(plain) => (200, json!({"data": {"plaintext": STANDARD.encode(plain.expose())}})),
        Err(_) => (400, json!({"errors": ["cipher: message authentication failed"]})),
    }
}

#[test]
fn a_transit_engine_holds_the_key_of_a_keep() {
    let place = Place::empty();
    let server = TransitServer::start();
    let uri = format!("transit:http://127.0.0.1:{}/transit/keep", server.port);
    let token = [("VAULT_TOKEN", "s.token")];
    run(&place, &["init", "keep", "--kek-uri", &uri], &token).done();
    run(&place, &["twin", "list", "--kek-uri", &uri], &token).lines();
    // A token comes from a file too, for those who keep none in the environment.
    write_private(&place.path("token"), b"s.token\n");
    let by_file = ["twin", "list", "--kek-uri", &uri, "--passphrase-file", "token"];
    run(&place, &by_file, &[]).lines();
    assert_eq!(server.seen.lock().unwrap().len(), 3);

    let denied = run(&place, &["twin", "list", "--kek-uri", &uri], &[("VAULT_TOKEN", "s.guess")]);
    assert_eq!((denied.refused().as_str(), denied.code), ("kek-provider", 3));
    assert!(!denied.stderr.contains("s.guess"), "{}", denied.stderr);

    // The keep says neither whom to ask nor how: who can write to it learns no token.
    let keep = std::fs::read_to_string(place.path("keep/keep.json")).unwrap();
    let config = std::fs::read_to_string(place.path("keep/twinkeep.toml")).unwrap();
    // The digits alone may be in a salt.
    let address = format!(":{}", server.port);
    assert!(!format!("{keep}{config}").contains(&address), "{keep}{config}");

    let other = TransitServer::start();
    let uri = format!("transit:http://127.0.0.1:{}/transit/keep", other.port);
    assert_eq!(run(&place, &["twin", "list", "--kek-uri", &uri], &token).refused(), "kek-wrong");
    for wrong in ["transit:http://10.0.0.1/transit/keep", "transit:127.0.0.1", "vault:x"] {
        let refused = run(&place, &["twin", "list", "--kek-uri", wrong], &token);
        assert_eq!((refused.refused().as_str(), refused.code), ("kek-uri", 2), "{wrong}");
    }
}

// --- Rotation ------------------------------------------------------------------------------

#[test]
fn a_keep_moves_from_a_key_file_to_a_passphrase_and_on_to_a_service() {
    let place = Place::with_patients(30);
    let twins = place.run(&["twin", "list"]).lines();
    write_private(&place.path("pass"), b"correct horse battery\n");
    let rotated = place.run(&["key", "rotate", "--kek", "--new-passphrase-file", "pass"]).done();
    assert_eq!((&rotated["from"], &rotated["to"]), (&json!("key-file"), &json!("argon2id")));

    let old = place.run(&["twin", "list", "--key-file", "keep.kek"]);
    assert_eq!(old.refused(), "kek-method");
    assert_eq!(place.run(&["twin", "list", "--passphrase-file", "pass"]).lines(), twins);

    let server = TransitServer::start();
    let uri = format!("transit:http://127.0.0.1:{}/transit/keep", server.port);
    let token = [("VAULT_TOKEN", "s.token")];
    let args =
        ["key", "rotate", "--kek", "--passphrase-file", "pass", "--new-kek-uri", uri.as_str()];
    run(&place, &args, &token).done();
    assert_eq!(run(&place, &["twin", "list", "--kek-uri", &uri], &token).lines(), twins);
    assert_eq!(place.run(&["twin", "list", "--passphrase-file", "pass"]).refused(), "kek-method");
    place.run(&["ledger", "verify"]).done();
}
