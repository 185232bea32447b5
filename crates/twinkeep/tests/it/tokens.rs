//! Access tokens of a real OpenID provider, from its start to its end, through the real server.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{Place, peer, write};
use crate::serve::Server;

/// The OpenID provider; stopped when dropped.
struct Provider {
    child: Child,
    lines: BufReader<ChildStdout>,
    url: String,
}

impl Drop for Provider {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Provider {
    fn start() -> Option<Self> {
        let node = peer("node")?;
        let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let library = here.join("../../target/peers/idp/node_modules/oidc-provider/lib/index.js");
        if !library.exists() {
            assert!(std::env::var_os("CI").is_none(), ".ci/peers.sh installs the OpenID provider");
            println!("skipped: no OpenID provider in target/peers");
            return None;
        }
        let mut child = Command::new(node)
            .arg(here.join("tests/it/idp.mjs"))
            .arg(library.canonicalize().unwrap())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        let mut provider = Self { child, lines, url: String::new() };
        provider.url = format!("http://127.0.0.1:{}", provider.line());
        Some(provider)
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    /// Gives it new keys, and no others.
    fn rotate(&mut self) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-HUP", &id]).status().unwrap().success());
        // It speaks of other things as well.
        while self.line() != "rotated" {
            assert!(self.child.try_wait().unwrap().is_none(), "the provider is gone");
        }
    }

    /// The header with a new token for a resource of this name.
    fn token(&self, resource: &str, scope: &str) -> String {
        let output = Command::new("curl")
            .args(["--silent", "--max-time", "120"])
            .args(["--user", "charts:not-a-secret-but-long-enough-for-it"])
            .args(["--data", "grant_type=client_credentials"])
            .args(["--data-urlencode", &format!("scope={scope}")])
            .args(["--data-urlencode", &format!("resource=https://{resource}")])
            .arg(format!("{}/token", self.url))
            .output()
            .unwrap();
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        let token = answer["access_token"].as_str().unwrap_or_else(|| panic!("{answer}"));
        format!("Authorization: Bearer {token}")
    }
}

/// A keep that believes the provider.
fn place(provider: &Provider) -> Place {
    let place = Place::with_patients(60);
    let path = place.path("keep/twinkeep.toml");
    let mut text = std::fs::read_to_string(&path).unwrap();
    text = text.replace("rate_per_second = 5", "rate_per_second = 1000");
    text.push_str(&format!(
        "\n[[issuer]]\nname = \"clinic\"\nurl = \"{}\"\nalgorithms = [\"ES256\", \"EdDSA\"]\n\
         audience = [\"https://keep.example/ES256\", \"https://keep.example/EdDSA\",\n\
         \"https://keep.example/RS256\"]\n",
        provider.url
    ));
    write(&path, text.as_bytes());
    place
}

/// Calls until the answer has this status: keys are fetched beside what is asked.
fn until(server: &Server<'_>, header: &str, status: u32) {
    let begin = Instant::now();
    loop {
        let answer = server.call("/api/v1/twins?limit=1", &["-H", header]);
        if answer.status == status {
            return;
        }
        assert!(begin.elapsed() < Duration::from_secs(120), "{}: {}", answer.status, answer.body);
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn tokens_of_an_openid_provider_do_what_their_scopes_say() {
    let Some(provider) = Provider::start() else { return };
    let place = place(&provider);
    let server = Server::start(&place);
    let ask = |header: &str, path: &str| server.call(path, &["-H", header]).status;
    until(&server, &provider.token("keep.example/ES256", "system/Observation.rs"), 200);
    let reader = provider.token("keep.example/EdDSA", "twins:read");
    assert_eq!(ask(&reader, "/api/v1/twins?limit=1"), 200);
    assert_eq!(ask(&reader, "/api/v1/feeds"), 403);
    assert_eq!(ask(&provider.token("keep.example/ES256", "openid"), "/api/v1/twins"), 403);
    // An algorithm that the issuer is not pinned to, and somebody else's token.
    assert_eq!(ask(&provider.token("keep.example/RS256", "twins:read"), "/api/v1/twins"), 401);
    assert_eq!(ask(&provider.token("else.example/ES256", "twins:read"), "/api/v1/twins"), 401);
    // One character of the signature.
    let (head, tail) = reader.split_at(reader.len() - 20);
    let other = if tail.starts_with('A') { 'B' } else { 'A' };
    let forged = format!("{head}{other}{}", &tail[1..]);
    let refused = server.call("/api/v1/twins", &["-H", &forged]);
    assert_eq!(refused.status, 401);
    assert!(!refused.body.contains("signature") && !refused.body.contains("clinic"), "no reasons");

    let mut check = place.command(&["token", "check", "-", "--json"]);
    let mut check = check.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let token = reader.rsplit(' ').next().unwrap();
    check.stdin.take().unwrap().write_all(token.as_bytes()).unwrap();
    let checked: Value = serde_json::from_slice(&check.wait_with_output().unwrap().stdout).unwrap();
    let caller = checked["caller"].as_str().unwrap();
    assert!(caller.starts_with("token:clinic/") && !caller.contains("charts"), "{caller}");

    place.run(&["token", "revoke", "clinic", "--subject", "charts"]).done();
    assert_eq!(ask(&reader, "/api/v1/twins"), 401);
    place.run(&["token", "allow", "clinic", "--subject", "charts"]).done();
    assert_eq!(ask(&reader, "/api/v1/twins"), 200);
    assert_eq!(server.stop(), Some(0));

    let lines = place.run(&["ledger", "show", "--limit", "200"]).lines();
    let reason = |code: &str| lines.iter().any(|line| line.to_string().contains(code));
    for code in ["token-algorithm", "token-audience", "token-signature", "token-revoked", caller] {
        assert!(reason(code), "{code}: {lines:#?}");
    }
    assert!(!reason("charts"), "the provider's name of somebody is in the ledger");
}

#[test]
fn a_provider_may_change_its_keys_and_be_down() {
    let Some(mut provider) = Provider::start() else { return };
    let place = place(&provider);
    let server = Server::start(&place);
    let old = provider.token("keep.example/ES256", "twins:read");
    until(&server, &old, 200);
    provider.rotate();
    let new = provider.token("keep.example/ES256", "twins:read");
    until(&server, &new, 200);
    until(&server, &old, 401);
    assert_eq!(place.run(&["issuer", "list"]).lines()[0]["believed"], true);
    // The keys are in the keep: a start while the provider is down believes it still.
    drop(provider);
    assert_eq!(server.stop(), Some(0));
    let server = Server::start(&place);
    until(&server, &new, 200);
    assert_eq!(place.run(&["issuer", "refresh", "clinic"]).refused(), "issuer-unreachable");
}
