//! `twinkeep scan` of object stores and databases: a real moto, a real PostgreSQL, real files.

use std::fs;
use std::io::Write as _;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{Place, Ran, peer, ran, write};
use crate::peers::{Authority, PASSWORD, Postgres, free_port};
use crate::serve::Server;

/// Runs a command in its place with variables.
fn run(place: &Place, args: &[&str], variables: &[(&str, &str)]) -> Ran {
    ran(&place.command(args).envs(variables.iter().copied()).output().unwrap())
}

/// Scans into a file, and returns the rules with this outcome.
fn rules(place: &Place, target: &str, outcome: &str, variables: &[(&str, &str)]) -> Vec<String> {
    let args = ["scan", target, "--format", "json", "--out", "report.json"];
    run(place, &args, variables);
    let report: Value =
        serde_json::from_slice(&fs::read(place.path("report.json")).unwrap()).unwrap();
    let findings = report["findings"].as_array().unwrap().iter();
    let mut rules: Vec<String> = findings
        .filter(|finding| finding["outcome"] == outcome)
        .map(|finding| finding["rule"].as_str().unwrap().to_owned())
        .collect();
    rules.sort();
    rules.dedup();
    rules
}

#[test]
fn a_postgresql_server_is_scanned_over_verified_tls() {
    let authority = Authority::new(30);
    let Some(server) = Postgres::start(&authority) else { return };
    let place = Place::empty();
    authority.write(&place.path("ca.pem"));
    server.sql("ward", "CREATE TABLE visits (id int, patient_name text, ssn text)");
    server.sql("ward", "GRANT SELECT ON visits TO PUBLIC");
    let ca = place.path("ca.pem").display().to_string();
    let variables = [("PGPASSWORD", PASSWORD), ("PGSSLROOTCERT", ca.as_str())];
    let target = server.url("localhost");
    let failed = rules(&place, &target, "fail", &variables);
    assert_eq!(failed, ["pg-log-connections", "pg-public-tables", "pg-row-security"]);
    let passed = rules(&place, &target, "pass", &variables);
    assert_eq!(passed, ["pg-passwords", "pg-powerful-roles", "pg-tls"]);
    let unknown = rules(&place, &target, "not-checked", &variables);
    // What only a superuser may see is not known, and that is said.
    for rule in ["pg-tls-version", "pg-trust"] {
        assert!(unknown.contains(&rule.to_owned()), "{unknown:?}");
    }
    // The authority must be the one that is trusted.
    let refused = run(&place, &["scan", &target, "--json"], &variables[..1]);
    assert_eq!(refused.code, 3, "{}", refused.stdout);
}

#[test]
fn a_postgresql_server_is_repaired_by_a_plan_and_given_back() {
    let authority = Authority::new(30);
    let Some(server) = Postgres::start(&authority) else { return };
    let place = Place::empty();
    let file = server.socket_dir().join("data/pg_hba.conf");
    let line = "host ward twin 10.0.0.0/8 md5 # the ward\n";
    let mut rules_file = fs::OpenOptions::new().append(true).open(&file).unwrap();
    rules_file.write_all(line.as_bytes()).unwrap();
    server.set("password_encryption", "md5");
    let dir = server.socket_dir().display().to_string().replace('/', "%2F");
    let url = format!("postgres://admin@{dir}:{}/ward", server.port);
    let before = fs::read_to_string(&file).unwrap();

    let planned = place.run(&["scan", "plan", &url, "--out", "plan"]).done();
    assert_eq!(planned["changes"].as_array().unwrap().len(), 4, "{planned}");
    // A password goes to no server that a file names.
    assert_eq!(place.run(&["scan", "apply", "plan"]).refused(), "scan-server");
    let other = format!("postgres://admin@{dir}:{}/postgres", server.port);
    let refused = place.run(&["scan", "apply", "plan", "--server", &other]);
    assert_eq!(refused.refused(), "fix-remote");
    let apply = ["scan", "apply", "plan", "--server", &url];
    place.run(&apply).done();
    place.run(&apply).done();
    let passed = rules(&place, &url, "pass", &[]);
    for rule in ["pg-hba-method", "pg-hba-tls", "pg-log-connections", "pg-passwords"] {
        assert!(passed.contains(&rule.to_owned()), "{rule}: {passed:?}");
    }
    let after = fs::read_to_string(&file).unwrap();
    assert!(after.ends_with("hostssl ward twin 10.0.0.0/8 scram-sha-256 # the ward\n"), "{after}");
    let back = ["scan", "rollback", "plan.journal", "--server", &url];
    place.run(&back).done();
    assert_eq!(fs::read_to_string(&file).unwrap(), before);
    let failed = rules(&place, &url, "fail", &[]);
    for rule in ["pg-hba-method", "pg-hba-tls", "pg-log-connections", "pg-passwords"] {
        assert!(failed.contains(&rule.to_owned()), "{rule}: {failed:?}");
    }
}

#[test]
fn database_files_of_people_are_found() {
    let place = Place::empty();
    let program = "import sqlite3\nc = sqlite3.connect('cache.bin')\n\
        c.execute('CREATE TABLE visits(id INTEGER, patient_name TEXT, ssn TEXT)')\nc.commit()";
    let made = Command::new("python3").args(["-c", program]).current_dir(place.folder()).status();
    assert!(made.unwrap().success());
    let failed = rules(&place, "sqlite:.", "fail", &[]);
    assert!(failed.contains(&"sqlite-plaintext".to_owned()), "{failed:?}");
}

/// A server that is killed when the test ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn buckets_are_closed_by_a_plan_and_given_back() {
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
    let begun = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(begun.elapsed() < Duration::from_secs(120), "moto does not start");
        thread::sleep(Duration::from_millis(50));
    }
    let endpoint = format!("http://127.0.0.1:{port}");
    let made = Command::new("curl")
        .args(["-sf", "-X", "PUT", "-H", "x-amz-acl: public-read"])
        .args(["-H", "Authorization: AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=00"])
        .arg(format!("{endpoint}/records"))
        .status();
    assert!(made.unwrap().success());
    let variables = [
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ENDPOINT_URL", endpoint.as_str()),
    ];
    let public = "s3-public-access".to_owned();
    assert!(rules(&place, "s3", "fail", &variables).contains(&public));
    run(&place, &["scan", "plan", "s3", "--out", "plan", "--json"], &variables).done();
    run(&place, &["scan", "apply", "plan", "--json"], &variables).done();
    let closed = rules(&place, "s3", "pass", &variables);
    for rule in ["s3-encryption", "s3-public-access", "s3-public-block", "s3-tls-only"] {
        assert!(closed.contains(&rule.to_owned()), "{closed:?}");
    }
    run(&place, &["scan", "rollback", "plan.journal", "--json"], &variables).done();
    assert!(rules(&place, "s3", "fail", &variables).contains(&public));
}

#[test]
fn the_gate_of_a_keep_is_asked_what_it_speaks() {
    let place = Place::with_keep();
    let server = Server::start(&place);
    let address = server.base().trim_start_matches("https://").to_owned();
    let target = format!("tls:{address}/");
    let ca = place.path("keep/public/ca.pem").display().to_string();
    let scanned =
        |outcome: &str, ca: &str| rules(&place, &target, outcome, &[("PGSSLROOTCERT", ca)]);
    let passed = scanned("pass", &ca);
    for rule in ["tls-certificate", "tls-expiry", "tls-headers", "tls-old", "tls-version"] {
        assert!(passed.contains(&rule.to_owned()), "{rule}: {passed:?}");
    }
    // Nobody else knows its authority.
    let unknown = place.run(&["scan", &target, "--format", "json", "--out", "report.json"]);
    assert_eq!(unknown.refused(), "scan-findings");
}

#[test]
fn a_foreign_model_is_looked_into_and_its_signature_verified() {
    let place = Place::empty();
    fs::create_dir(place.path("model")).unwrap();
    write(&place.path("model/config.json"), b"{\"layers\": 2}");
    let failing = || rules(&place, "model:model", "fail", &[]);
    assert_eq!(failing(), ["model-signature"], "nobody signed it");
    let openssl = |args: &[&str]| {
        let made = Command::new("openssl").args(args).current_dir(place.folder()).output().unwrap();
        assert!(made.status.success(), "{made:?}");
    };
    openssl(&["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "signer.key"]);
    openssl(&["ec", "-in", "signer.key", "-pubout", "-out", "signer.pub"]);
    fs::set_permissions(place.path("signer.key"), fs::Permissions::from_mode(0o600)).unwrap();
    place.run(&["model", "sign", "model", "--private-key", "signer.key"]).done();
    let signed = ["scan", "model:model", "--model-key", "signer.pub"];
    assert_eq!(place.run(&signed).code, 0);
    // A pickle that runs a program when it is loaded.
    let program = "import os, pickle\n\
        class Model:\n    def __reduce__(self): return (os.system, ('true',))\n\
        pickle.dump(Model(), open('model/weights.pkl', 'wb'))";
    let made = Command::new("python3").args(["-c", program]).current_dir(place.folder()).status();
    assert!(made.unwrap().success());
    let failed = failing();
    assert!(failed.contains(&"model-code".to_owned()), "{failed:?}");
    assert_eq!(place.run(&signed).code, 1, "a file was added after it was signed");
}

#[test]
fn a_workstation_is_judged_by_what_its_collector_wrote_down() {
    let place = Place::empty();
    let collector = place.show(&["scan", "--collector"]).stdout;
    assert!(collector.contains("ConvertTo-Json"), "{collector}");
    write(&place.path("facts.json"), b"{\"format\": \"windows/9\"}");
    assert_eq!(place.run(&["scan", "windows:facts.json"]).refused(), "collect-unexpected");
    let none = place.run(&["scan", "scripts", "sqlite:.", "--out", "."]);
    assert_eq!(none.refused(), "scan-scripts");
}
