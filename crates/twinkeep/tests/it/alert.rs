//! Telling people: a webhook that verifies as others do, a mail server with TLS and a login, rsyslog
//! over its three ways, and a file of OCSF events; and what becomes of what was not delivered.

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::harness::{Place, Ran, peer, write, write_private};
use crate::incident::{drill, steps};
use crate::isolation::until;
use crate::peers::{Authority, free_port};
use crate::serve::Server;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Somebody who is told; gone when dropped.
struct Told {
    child: Child,
    port: u16,
}

impl Drop for Told {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn peers_file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/peers").join(path)
}

/// Python with the packages of the peers, if it is there.
fn python(module: &str) -> Option<Command> {
    let own = peers_file("bin/python3");
    let program = if own.exists() { own } else { peer("python3")?.into() };
    let known = Command::new(&program).args(["-c", &format!("import {module}")]).output().unwrap();
    if !known.status.success() {
        assert!(
            std::env::var_os("CI").is_none(),
            "`{module}` is missing: .ci/peers.sh installs it"
        );
        println!("skipped: the Python package `{module}` is not installed");
        return None;
    }
    let mut command = Command::new(program);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/alerted.py"));
    command.env("PYTHONDONTWRITEBYTECODE", "1").stdin(Stdio::null());
    Some(command)
}

impl Told {
    fn start(place: &Place, port: u16, module: &str, kind: &str, more: &[&str]) -> Option<Self> {
        let mut command = python(module)?;
        command.args([kind, &port.to_string()]);
        for file in ["told.pem", "told.key", "got.jsonl"] {
            command.arg(place.path(file));
        }
        let child = command.args(more).stdout(Stdio::null()).spawn().unwrap();
        let told = Self { child, port };
        until("it listens", || TcpStream::connect(("127.0.0.1", port)).ok());
        Some(told)
    }

    fn webhook(place: &Place, port: u16, statuses: &str) -> Option<Self> {
        Self::start(place, port, "standardwebhooks", "webhook", &[SECRET, statuses])
    }

    fn mail(place: &Place, more: &[&str]) -> Option<Self> {
        let args = [&["keep", "correct horse"], more].concat();
        Self::start(place, free_port(), "aiosmtpd", "mail", &args)
    }
}

/// A keep, and a certificate for whoever is told.
fn place() -> Place {
    let place = Place::with_keep();
    let authority = Authority::new(1);
    authority.write(&place.path("told-ca.pem"));
    let (certificate, key) = authority.issue("localhost", 0);
    write(&place.path("told.pem"), certificate.as_bytes());
    write_private(&place.path("told.key"), key.as_bytes());
    write_private(&place.path("hook.secret"), format!("{SECRET}\n").as_bytes());
    write_private(&place.path("mail.password"), b"correct horse\n");
    place
}

/// Replaces what `twinkeep.toml` says of alerts.
fn configure(place: &Place, alerts: &str) {
    let path = place.path("keep/twinkeep.toml");
    let text = fs::read_to_string(&path).unwrap();
    let kept = text.split("# alerts\n").next().unwrap().to_owned();
    let folder = place.folder().display();
    let alerts = alerts.replace("{here}", &folder.to_string());
    write(&path, format!("{kept}# alerts\n{alerts}").as_bytes());
}

fn hook(port: u16, more: &str) -> String {
    format!(
        "[[alert]]\nname = \"hook\"\nkind = \"webhook\"\nurl = \"https://localhost:{port}/told?x=1\"\n\
         ca = \"{{here}}/told-ca.pem\"\nsecret_file = \"{{here}}/hook.secret\"\n{more}\n"
    )
}

fn got(place: &Place) -> Vec<Value> {
    let text = fs::read_to_string(place.path("got.jsonl")).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What became of one alert that was tried.
fn one(ran: &Ran) -> Value {
    serde_json::from_str(ran.stdout.lines().next().unwrap_or_else(|| panic!("{}", ran.stderr)))
        .unwrap()
}

#[test]
fn a_webhook_is_signed_tried_again_under_one_id_and_put_aside_when_it_is_over() {
    let place = place();
    let port = free_port();
    let Some(told) = Told::webhook(&place, port, "500,302,204,410,200") else { return };
    configure(&place, &hook(port, "allow_private = true"));
    let first = place.run(&["alert", "test", "hook"]);
    assert_eq!(first.refused(), "alert-undelivered");
    assert_eq!(
        (&one(&first)["state"], &one(&first)["code"]),
        (&"waiting".into(), &"alert-refused".into())
    );
    let second = place.run(&["alert", "send"]);
    assert_eq!(second.refused(), "alert-undelivered", "a redirect is not delivery");
    assert_eq!(place.run(&["alert", "list"]).lines()[0]["waiting"], 1);
    assert_eq!(place.run(&["alert", "send"]).done()["state"], "delivered");
    assert_eq!(place.run(&["alert", "send"]).lines(), Vec::<Value>::new());

    let requests = got(&place);
    assert_eq!(requests.len(), 3);
    for request in &requests {
        assert_eq!(request["verified"], true, "{request}");
        assert_eq!(request["path"], "/told?x=1");
        assert_eq!(request["headers"]["webhook-id"], requests[0]["headers"]["webhook-id"]);
        assert_eq!(request["body"]["class_uid"], 2004);
        assert_eq!(request["body"]["metadata"]["uid"], request["headers"]["webhook-id"]);
    }

    // Gone for good: nobody tries it again until somebody says so.
    assert_eq!(one(&place.run(&["alert", "test"]))["state"], "dead");
    let dead = place.run(&["alert", "dead"]).lines();
    assert_eq!(dead.len(), 1);
    let id = dead[0]["id"].as_str().unwrap();
    assert_eq!(place.run(&["alert", "retry", "msg_0"]).refused(), "alert-unknown");
    assert_eq!(place.run(&["alert", "retry", id]).done()["state"], "waiting");
    assert_eq!(place.run(&["alert", "send"]).done()["id"], id);
    assert!(place.run(&["alert", "dead"]).lines().is_empty());
    drop(told);

    let actions: Vec<String> = place
        .run(&["ledger", "show"])
        .lines()
        .iter()
        .filter_map(|entry| entry["action"].as_str().map(str::to_owned))
        .filter(|action| action.starts_with("alert."))
        .collect();
    let expected = ["queued", "delayed", "delivered", "queued", "dead", "retried", "delivered"];
    assert_eq!(actions, expected.map(|action| format!("alert.{action}")));
}

#[test]
fn a_webhook_goes_nowhere_else_and_a_changed_secret_holds_at_once() {
    let place = place();
    let port = free_port();
    let Some(_told) = Told::webhook(&place, port, "200") else { return };
    let refused_with = |alerts: &str| {
        configure(&place, alerts);
        one(&place.run(&["alert", "test"]))["code"].as_str().unwrap().to_owned()
    };
    let private = hook(port, "attempts = 1");
    configure(&place, &private);
    assert_eq!(place.run(&["alert", "test"]).refused(), "config-value");
    // What gives away the secrets of machines is never told anything, whatever is permitted.
    let metadata = hook(port, "allow_private = true").replace("localhost", "169.254.169.254");
    configure(&place, &metadata);
    assert_eq!(place.run(&["alert", "test"]).refused(), "config-value");
    // A name that leads inside.
    let named = private.replace("localhost", "ip6-localhost");
    assert!(
        ["alert-private-address", "alert-unreachable"].contains(&refused_with(&named).as_str())
    );
    let fine = hook(port, "allow_private = true\nattempts = 1");
    let untrusted = fine.replace("ca = \"{here}/told-ca.pem\"\n", "");
    assert_eq!(refused_with(&untrusted), "alert-unreachable");
    assert_eq!(refused_with(&fine.replace("hook.secret", "told.pem")), "alert-secret");
    assert!(got(&place).is_empty());

    // While the secret is changed, both sign; afterwards the new one alone, which this receiver does
    // not know.
    write_private(&place.path("new.secret"), b"whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    let changing =
        fine.replace("hook.secret", "new.secret") + "secret_file_before = \"{here}/hook.secret\"\n";
    configure(&place, &changing);
    place.run(&["alert", "test"]).done();
    configure(&place, &fine.replace("hook.secret", "new.secret"));
    place.run(&["alert", "test"]).done();
    let verified: Vec<Value> = got(&place).iter().map(|it| it["verified"].clone()).collect();
    assert_eq!(verified, [Value::Bool(true), Value::Bool(false)]);
}

#[test]
fn what_waits_is_sealed_and_what_was_changed_is_put_aside() {
    let place = place();
    configure(&place, &hook(free_port(), "allow_private = true"));
    assert_eq!(one(&place.run(&["alert", "test"]))["code"], "alert-unreachable");
    let files = place.files("keep/alerts");
    assert_eq!(files.len(), 1);
    let bytes = fs::read(&files[0]).unwrap();
    assert!(!bytes.windows(5).any(|part| part == b"drill"), "it is not sealed");
    // Somebody who can write there can have it not delivered, which is told, and nothing else.
    place.flip(&files[0], 801);
    write(&files[0].with_file_name("half.alert.0a0b.part"), b"half");
    write(&files[0].with_file_name("00000000000000000001.0..msg_forged.alert"), b"forged");
    let states: Vec<Value> = place
        .run(&["alert", "send"])
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(states.len(), 2);
    assert!(states.iter().all(|it| it["state"] == "dead" && it["code"] == "alert-damaged"));

    // What cannot be read now is no damage: it waits, and goes its way once it can be read.
    assert_eq!(one(&place.run(&["alert", "test"]))["state"], "waiting");
    let [alert] = &waiting(&place)[..] else { panic!("one waits") };
    fs::rename(alert, place.path("aside")).unwrap();
    fs::create_dir(alert).unwrap();
    let unreadable = one(&place.run(&["alert", "send"]));
    let told = (&unreadable["state"], &unreadable["code"], &unreadable["attempts"]);
    assert_eq!(told, (&"waiting".into(), &"alert-outbox".into(), &1.into()));
    let folder = place.path("keep/alerts");
    let entries = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let place_of = entries.filter(|it| it.is_dir() && !it.ends_with("dead")).last().unwrap();
    fs::remove_dir(&place_of).unwrap();
    fs::rename(place.path("aside"), &place_of).unwrap();
    let tried = one(&place.run(&["alert", "send"]));
    let told = (&tried["id"], &tried["code"], &tried["attempts"]);
    assert_eq!(told, (&unreadable["id"], &"alert-unreachable".into(), &2.into()));
    fs::remove_file(&waiting(&place)[0]).unwrap();

    // A way of telling that is gone takes its alerts with it.
    assert_eq!(one(&place.run(&["alert", "test"]))["state"], "waiting");
    configure(&place, "");
    assert_eq!(one(&place.run(&["alert", "send"]))["code"], "alert-no-channel");
    assert_eq!(place.run(&["alert", "test"]).refused(), "alert-no-channel");
}

/// Files of alerts that wait.
fn waiting(place: &Place) -> Vec<PathBuf> {
    let files = place.files("keep/alerts").into_iter();
    let waits = |file: &PathBuf| {
        !file.parent().unwrap().ends_with("dead")
            && file.extension().is_some_and(|it| it == "alert")
    };
    files.filter(waits).collect()
}

#[test]
fn whoever_was_told_of_an_incident_is_told_once_that_it_is_closed() {
    let place = place();
    let file = "[[alert]]\nname = \"file\"\nkind = \"ocsf-file\"\nfile = \"events.jsonl\"\n";
    configure(&place, file);
    place.run(&["incident", "drill"]).done();
    for _ in 0..2 {
        place.run(&["incident", "close", "inc-1", "--reason", "an exercise"]).done();
        place.run(&["alert", "send"]);
    }
    let text = fs::read_to_string(place.path("keep/events.jsonl")).unwrap();
    let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let stages: Vec<&Value> = events.iter().map(|it| &it["unmapped"]["stage"]).collect();
    assert_eq!(stages, ["noticed", "closed"], "{text}");
    assert_eq!((&events[1]["activity_id"], &events[1]["status"]), (&3.into(), &"Resolved".into()));
}

#[test]
fn mail_goes_by_tls_with_a_login_or_not_at_all() {
    let place = place();
    let mail = |told: &Told, more: &str| {
        let port = told.port;
        configure(
            &place,
            &format!(
                "[[alert]]\nname = \"mail\"\nkind = \"email\"\nserver = \"localhost:{port}\"\n\
                 from = \"keep@hospital.example\"\nto = [\"oncall@hospital.example\", \
                 \"ciso@hospital.example\"]\nca = \"{{here}}/told-ca.pem\"\n{more}\n"
            ),
        );
        place.run(&["alert", "test"])
    };
    let login = "user = \"keep\"\npassword_file = \"{here}/mail.password\"\n";
    let Some(told) = Told::mail(&place, &["STARTTLS"]) else { return };
    mail(&told, login).done();
    assert_eq!(one(&mail(&told, ""))["code"], "alert-refused", "without a login");
    let untrusted = mail(&told, &format!("{login}tls = \"danger-plaintext\""));
    assert_eq!(untrusted.refused(), "config-value", "no password in the clear");
    let implicit = Told::mail(&place, &["IMPLICIT"]).unwrap();
    mail(&implicit, &format!("{login}tls = \"implicit\"")).done();
    let plain = Told::mail(&place, &["PLAIN"]).unwrap();
    assert_eq!(one(&mail(&plain, login))["code"], "alert-unreachable", "STARTTLS is not offered");
    mail(&plain, "tls = \"danger-plaintext\"").done();
    let full = Told::mail(&place, &["PLAIN", "552 full"]).unwrap();
    assert_eq!(one(&mail(&full, "tls = \"danger-plaintext\""))["state"], "dead");

    let mails = got(&place);
    let tls: Vec<bool> = mails.iter().map(|mail| mail["tls"].as_bool().unwrap()).collect();
    assert_eq!(tls, [true, true, false]);
    assert_eq!(mails[0]["user"], "keep");
    assert_eq!(
        mails[0]["to"],
        serde_json::json!(["oncall@hospital.example", "ciso@hospital.example"])
    );
    let text = mails[0]["text"].as_str().unwrap();
    assert!(text.contains("\nSubject: [twinkeep] a test of this way of telling"), "{text}");
    assert!(text.contains("\nAuto-Submitted: auto-generated"), "{text}");
}

/// Starts rsyslogd with one listener for each way; returns it and the ports for UDP, TCP, and TLS.
fn rsyslog(place: &Place) -> Option<(Told, [u16; 3])> {
    let root = peers_file("rsyslog");
    let program = root.join("usr/sbin/rsyslogd");
    let program = if program.exists() { program } else { crate::peers::find("rsyslogd")? };
    let modules = root.join("usr/lib/x86_64-linux-gnu/rsyslog");
    let ports = [free_port(), free_port(), free_port()];
    let [udp, tcp, tls] = ports;
    let here = place.folder().display();
    let listener = |name: &str, port: u16, driver: &str| {
        format!("input(type=\"im{name}\" port=\"{port}\" address=\"127.0.0.1\" {driver})\n")
    };
    let driver = format!(
        "streamdriver.name=\"ossl\" streamdriver.mode=\"1\" streamdriver.authmode=\"anon\" \
         streamdriver.cafile=\"{here}/told-ca.pem\" streamdriver.certfile=\"{here}/told.pem\" \
         streamdriver.keyfile=\"{here}/told.key\""
    );
    let config = format!(
        "global(workDirectory=\"{here}\")\nmodule(load=\"imudp\")\nmodule(load=\"imtcp\")\n{}{}{}\
         template(name=\"all\" type=\"string\" string=\"%pri%|%protocol-version%|%hostname%|%app-name%|\
         %msgid%|%structured-data%|%timereported:::date-rfc3339%|%msg%\\n\")\n\
         action(type=\"omfile\" file=\"{here}/syslog.txt\" template=\"all\")\n",
        listener("udp", udp, ""),
        listener("tcp", tcp, ""),
        listener("tcp", tls, &driver),
    );
    write(&place.path("rsyslog.conf"), config.as_bytes());
    let mut command = Command::new(program);
    command.arg("-n").arg("-f").arg(place.path("rsyslog.conf"));
    command.arg("-i").arg(place.path("rsyslog.pid")).arg("-M").arg(modules);
    command.env("LD_LIBRARY_PATH", root.join("usr/lib/x86_64-linux-gnu"));
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    let told = Told { child, port: tcp };
    until("rsyslogd listens", || TcpStream::connect(("127.0.0.1", tcp)).ok());
    until("rsyslogd listens with TLS", || TcpStream::connect(("127.0.0.1", tls)).ok());
    Some((told, ports))
}

#[test]
fn rsyslog_understands_what_is_told_over_each_of_its_ways() {
    let place = place();
    let Some((_told, ports)) = rsyslog(&place) else { return };
    let ways = ["udp", "tcp", "tls"];
    let alerts = ways.iter().zip(ports).map(|(way, port)| {
        let ca = if *way == "tls" { "ca = \"{here}/told-ca.pem\"\n" } else { "" };
        format!(
            "[[alert]]\nname = \"{way}\"\nkind = \"syslog\"\nserver = \"{way}://localhost:{port}\"\n\
             {ca}"
        )
    });
    configure(&place, &alerts.collect::<String>());
    for way in ways {
        assert_eq!(place.run(&["alert", "test", way]).done()["state"], "delivered");
    }
    let lines = until("all three arrive", || {
        let text = fs::read_to_string(place.path("syslog.txt")).unwrap_or_default();
        let lines: Vec<String> =
            text.lines().filter(|line| line.contains("|twinkeep|")).map(str::to_owned).collect();
        (lines.len() == 3).then_some(lines)
    });
    for line in lines {
        let fields: Vec<&str> = line.split('|').collect();
        assert_eq!(fields[..5], ["110", "1", "localhost", "twinkeep", "test"], "{line}");
        assert!(fields[5].starts_with("[alert@32473 id=\"msg_"), "{line}");
        assert!(fields[5].contains("detector=\"drill\" target=\"keep\""), "{line}");
        assert_eq!(fields[7], "a test of this way of telling: nothing is wrong", "{line}");
    }
    // Whom nobody vouches for gets nothing.
    configure(
        &place,
        &format!(
            "[[alert]]\nname = \"tls\"\nkind = \"syslog\"\nserver = \"tls://localhost:{}\"\n",
            ports[2]
        ),
    );
    assert_eq!(one(&place.run(&["alert", "test"]))["code"], "alert-unreachable");
}

#[test]
fn the_server_delivers_what_waits_and_the_file_of_events_is_ocsf() {
    let place = place();
    let port = free_port();
    let file =
        "[[alert]]\nname = \"file\"\nkind = \"ocsf-file\"\nfile = \"{here}/events/all.jsonl\"\n";
    fs::create_dir(place.path("events")).unwrap();
    configure(&place, &(hook(port, "allow_private = true") + file));
    let states: Vec<Value> = place
        .run(&["alert", "test"])
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let state_of = |name: &str| states.iter().find(|it| it["to"] == name).unwrap()["state"].clone();
    assert_eq!((state_of("file"), state_of("hook")), ("delivered".into(), "waiting".into()));
    let events = fs::read_to_string(place.path("events/all.jsonl")).unwrap();
    assert_eq!(events.lines().count(), 1);

    let Some(_told) = Told::webhook(&place, port, "200") else { return };
    let server = Server::start(&place);
    until("the server delivers it", || got(&place).first().cloned());
    until("it is gone from the outbox", || (place.files("keep/alerts").is_empty()).then_some(()));
    assert_eq!(server.stop(), Some(0));
    let Some(mut python) = python("py_ocsf_models") else { return };
    let output = python.arg("ocsf").arg(place.path("events/all.jsonl")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.stdout, b"valid\n");
}

#[test]
fn an_outbox_that_is_full_keeps_no_incident_from_being_contained_and_closed() {
    let place = Place::with_keep();
    configure(
        &place,
        "[[alert]]\nname = \"file\"\nkind = \"ocsf-file\"\nfile = \"{here}/events.jsonl\"\n\
         severity = \"low\"\n",
    );
    let outbox = place.path("keep/alerts");
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&outbox).unwrap();
    for number in 0..10_000 {
        let name = format!("{number:020}.0..msg_{number}.alert");
        fs::File::create(outbox.join(name)).unwrap();
    }
    // Not even where the playbook says that everything is undone if a step fails.
    let shown = place.run(&["incident", "playbook", "show", "access"]).done();
    let text = shown["toml"].as_str().unwrap().to_owned();
    let text = text.replace("\"notify\"", "\"notify\"\non_failure = \"undo\"");
    write(&place.path("access.toml"), text.as_bytes());
    place.run(&["incident", "playbook", "import", "access.toml"]).done();
    let incident = drill(&place, &["--as", "extraction", "--identity", "key:0123456789abcdef"]);
    let expected = ["done preserve-evidence", "done suspend-identity", "failed notify alerts-full"];
    assert_eq!(steps(&incident), expected, "{incident}");
    assert_eq!(incident["state"], "contained");
    let says = incident["steps"][2]["says"].as_str().unwrap();
    assert!(says.contains("1 of 1 alerts found no room"), "{says}");
    let closed = place.run(&["incident", "close", "inc-1", "--reason", "a drill"]).done();
    assert_eq!(closed["state"], "closed");
    assert!(closed["notes"][1]["text"].as_str().unwrap().contains("alerts-full"), "{closed}");
    let list = place.run(&["alert", "list"]).lines();
    assert_eq!((&list[0]["name"], &list[0]["not_sent"]), (&"file".into(), &2.into()), "{list:?}");
    assert!(list[0]["not_sent_last"].is_string());
    assert_eq!(place.run(&["alert", "test"]).refused(), "alerts-full");
    let lines = place.run(&["ledger", "show", "--limit", "100"]).lines();
    let lost: Vec<&Value> = lines.iter().filter(|it| it["action"] == "alert.not-sent").collect();
    assert_eq!(lost.len(), 3);
    assert_eq!(
        (&lost[0]["details"]["incident"], &lost[0]["details"]["to"]),
        (&"inc-1".into(), &"file".into())
    );
    assert!(lines.iter().all(|it| it["action"] != "alert.queued"));
    // With room again, nothing of that comes by itself: it was said that it does not.
    drill(&place, &["--as", "extraction", "--identity", "key:fedcba9876543210"]);
    fs::remove_dir_all(&outbox).unwrap();
    let tested = one(&place.run(&["alert", "test"]));
    assert_eq!(tested["state"], "delivered", "{tested}");
    assert_eq!(fs::read_to_string(place.path("events.jsonl")).unwrap().lines().count(), 1);
    // Whoever asks for it tells people now.
    let told = place.run(&["incident", "resume", "inc-2"]).done();
    let expected = [&expected[..], &["done notify"]].concat();
    assert_eq!(steps(&told), expected, "{told}");
}
