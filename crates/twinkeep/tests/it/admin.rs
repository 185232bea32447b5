//! What an operator does from elsewhere, through the real server and its processes.

use std::process::{Command, Output};

use serde_json::Value;

use crate::harness::{Place, write};
use crate::isolation::{launcher, status, until};
use crate::serve::Server;

/// Calls the listener for operators; nothing but the answer's status and body comes back.
fn operate(
    server: &Server<'_>,
    place: &Place,
    name: Option<&str>,
    method: &str,
    path: &str,
    body: &str,
) -> (u32, String) {
    let output = call(server, place, name, method, path, body);
    let text = String::from_utf8(output.stdout).unwrap();
    let (body, status) = text.rsplit_once('\n').unwrap();
    (status.parse().unwrap(), body.to_owned())
}

fn call(
    server: &Server<'_>,
    place: &Place,
    name: Option<&str>,
    method: &str,
    path: &str,
    body: &str,
) -> Output {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--max-time", "120", "--write-out", "\n%{http_code}", "-X", method])
        .arg("--cacert")
        .arg(place.path("keep/public/ca.pem"));
    if let Some(name) = name {
        curl.arg("--cert").arg(place.path(&format!("{name}.pem")));
        curl.arg("--key").arg(place.path(&format!("{name}.key")));
    }
    if !body.is_empty() {
        curl.args(["-H", "Content-Type: application/json", "--data-binary", body]);
    }
    let address = server.started()["admin"].as_str().unwrap();
    curl.arg(format!("https://{address}/admin/v1/{path}")).output().unwrap()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| panic!("{text}"))
}

fn with_admin(place: &Place, isolation: &str) {
    let path = place.path("keep/twinkeep.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let gate = format!("[gate]\nadmin_listen = \"127.0.0.1:0\"\nisolation = \"{isolation}\"\n");
    let text = text.replace("isolation = \"on\"\n", "").replace("[gate]\n", &gate);
    assert_eq!(text.matches("admin_listen").count(), 1);
    write(&path, text.as_bytes());
}

/// How many edges a launcher has started.
fn edges(launcher: u32) -> usize {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let children = numbers.filter(|&it| status(it, "PPid") == Some(launcher.to_string()));
    let command = |it: u32| std::fs::read(format!("/proc/{it}/cmdline")).unwrap_or_default();
    children.filter(|&it| command(it).windows(10).any(|part| part == b"serve-edge")).count()
}

#[test]
fn an_operator_elsewhere_has_a_listener_a_process_and_routes_of_their_own() {
    let (place, version) = Place::with_model();
    with_admin(&place, "on");
    let issue = |name: &str, scope: &str| {
        place.run(&["cert", "issue", name, "--scope", scope, "--out", "."]).done()
    };
    let operator = issue("operator", "admin");
    issue("ward", "twins:read");
    assert_eq!(place.run(&["key", "new", "x", "--scope", "admin"]).refused(), "key-scope");
    let server = Server::start(&place);
    let isolation = &server.started()["isolation"];
    assert_eq!(isolation["admin"], isolation["edge"]);
    let launcher = launcher(&server);
    until("no process of their own", || (edges(launcher) == 2).then_some(()));

    let ask = |name, method, path, body| operate(&server, &place, name, method, path, body);
    let (status, body) = ask(Some("operator"), "GET", "status", "");
    assert_eq!(status, 200, "{body}");
    assert_eq!(json(&body)["model_in_service"], version);
    assert_eq!(json(&body)["certificate"]["renewed"], true);
    // Nobody without a certificate gets through the handshake; one without the scope, no further.
    let none = call(&server, &place, None, "GET", "status", "");
    assert!(!none.status.success() && none.stdout.ends_with(b"\n000"));
    assert_eq!(ask(Some("ward"), "GET", "status", "").0, 403);
    let public = ["--cert".to_owned(), place.path("operator.pem").display().to_string()];
    let public: Vec<&str> = public.iter().map(String::as_str).collect();
    let key = place.path("operator.key").display().to_string();
    let public = [&public[..], &["--key", &key]].concat();
    assert_eq!(server.call("/admin/v1/status", &public).status, 404);

    // The certificate of the gate, made anew and shown without a restart.
    let pem = place.path("keep/public/server.pem");
    let before = std::fs::read(&pem).unwrap();
    std::fs::remove_file(&pem).unwrap();
    assert_eq!(ask(Some("operator"), "POST", "reload", "").0, 200);
    assert_ne!(std::fs::read(&pem).unwrap(), before);
    let pinned = ["--cacert".to_owned(), pem.display().to_string()];
    until("it is not shown", || server.answers("/healthz", &pinned).then_some(()));

    let quarantine = format!("models/{version}/quarantine");
    let (status, body) = ask(Some("operator"), "POST", &quarantine, r#"{"reason":"test"}"#);
    assert_eq!((status, &json(&body)["state"]), (200, &Value::from("quarantined")), "{body}");
    let id = operator["id"].as_str().unwrap();
    place.run(&["cert", "revoke", id]).done();
    assert_eq!(ask(Some("operator"), "GET", "status", "").0, 401);
    assert_eq!(server.stop(), Some(0));
    let lines = place.run(&["ledger", "show", "--limit", "60"]).lines();
    let actor = format!("cert:{id}");
    for action in ["admin.read", "gate.certified", "model.quarantined"] {
        let found = lines.iter().any(|line| line["action"] == action && line["actor"] == *actor);
        assert!(found, "{action}: {lines:#?}");
    }
}

#[test]
fn operators_are_served_in_one_process_too() {
    let place = Place::with_keep();
    with_admin(&place, "danger-off");
    place.run(&["cert", "issue", "operator", "--scope", "admin", "--out", "."]).done();
    let server = Server::start(&place);
    let (status, body) = operate(&server, &place, Some("operator"), "GET", "keys", "");
    assert_eq!((status, json(&body)), (200, serde_json::json!({ "keys": [] })));
    assert_eq!(server.stop(), Some(0));
}
