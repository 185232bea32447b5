//! Model servers behind the gate: real ones, over HTTP/1.1, HTTP/2, and TLS, that answer, fail, and
//! die; and a hostile one.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{Place, peer, write, write_private};
use crate::isolation::{child, launcher, until};
use crate::peers::free_port;
use crate::serve::{Server, key};

/// A model server; stopped when dropped.
struct ModelServer {
    child: Child,
    port: u16,
}

impl Drop for ModelServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What serves it: both are FastAPI underneath.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    /// HTTP/1.1 only.
    Uvicorn,
    /// HTTP/2 without TLS.
    Hypercorn,
    /// The same with TLS, by a certificate in `tls.pem` and its key in `tls.key`.
    HypercornTls,
}

impl ModelServer {
    fn start(place: &Place, by: By) -> Option<Self> {
        Self::start_at(place, by, free_port())
    }

    fn start_at(place: &Place, by: By, port: u16) -> Option<Self> {
        let name = if by == By::Uvicorn { "uvicorn" } else { "hypercorn" };
        let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let own = here.join("../../target/peers/bin").join(name);
        let program = match own.exists() {
            true => own,
            false => peer(name)?.into(),
        };
        let mut command = Command::new(program);
        let address = format!("127.0.0.1:{port}");
        match by {
            By::Uvicorn => {
                command.args(["--host", "127.0.0.1", "--port", &port.to_string()]);
                command.args(["--log-level", "critical", "--timeout-keep-alive", "5"]);
            }
            // In one process: workers of their own would outlive the one that is killed.
            By::Hypercorn => _ = command.args(["--workers", "0", "--bind", &address]),
            By::HypercornTls => {
                command.args(["--workers", "0", "--bind", &address, "--certfile"]);
                command.arg(place.path("tls.pem")).arg("--keyfile").arg(place.path("tls.key"));
            }
        }
        let child = command
            .arg("upstream:app")
            .current_dir(here.join("tests/it"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self { child, port };
        until("the model server listens", || TcpStream::connect(("127.0.0.1", port)).ok());
        Some(server)
    }

    fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Adds lines to the configuration; everybody may ask as often as they like.
fn configure(place: &Place, lines: &str) {
    let path = place.path("keep/twinkeep.toml");
    let text = fs::read_to_string(&path).unwrap();
    let text = text.replace("rate_per_second = 5\n", "rate_per_second = 100000\n");
    let text = text.replace("rate_burst = 10\n", "rate_burst = 100000\n");
    write(&path, format!("{text}\n{lines}\n").as_bytes());
}

fn upstream(name: &str, url: &str, more: &str) -> String {
    format!(
        "[[upstream]]\nname = \"{name}\"\npath = \"/models/{name}/\"\nurl = \"{url}\"\n{more}\n"
    )
}

fn user(place: &Place) -> String {
    key(place, &["--scope", "upstreams:use"]).0
}

fn code(answer: &crate::serve::Answer) -> String {
    answer.json()["code"].as_str().unwrap().to_owned()
}

#[test]
fn a_model_server_behind_the_gate_gets_requests_and_no_credentials() {
    let place = Place::with_keep();
    let Some(server) = ModelServer::start(&place, By::Uvicorn) else { return };
    // A name, so that its address is asked for inside the confinement.
    let url = format!("http://localhost:{}/", server.port);
    configure(&place, &upstream("risk", &url, "login_header = \"X-Model-Key\""));
    write_private(&place.path("login"), b"model secret\n");
    place.run(&["upstream", "login", "risk", "login"]).done();
    let header = user(&place);
    let gate = Server::start(&place);
    let ask = |path: &str, args: &[&str]| {
        gate.call(&format!("/models/risk{path}"), &[&["-H", header.as_str()], args].concat())
    };
    let rows = r#"{"instances":[[1,2],[3,4]]}"#;
    let answer = ask("/v1/models/half:predict", &["--json", rows]);
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.json()["predictions"], json!([[3], [7]]));

    let forged = ["-H", "X-Forwarded-For: 10.0.0.1", "-H", "X-Real-IP: 10.0.0.1", "-H"];
    let more = ["Cookie: a=b", "-H", "Connection: X-Hop", "-H", "X-Hop: 1", "-H", "X-Kept: 1"];
    for version in ["--http1.1", "--http2"] {
        let more = if version == "--http2" { &more[..1] } else { &more[..] };
        let args = [&[version], &forged[..], more, &["--data-binary", "hello"]].concat();
        let answer = ask("/echo?a=b%20c", &args);
        assert_eq!(answer.status, 200, "{}", answer.body);
        let seen = answer.json();
        assert_eq!(
            (&seen["method"], &seen["path"], &seen["query"], &seen["size"]),
            (&json!("POST"), &json!("/echo"), &json!("a=b%20c"), &json!(5))
        );
        let headers: Vec<(&str, &str)> = seen["headers"]
            .as_array()
            .unwrap()
            .iter()
            .map(|pair| (pair[0].as_str().unwrap(), pair[1].as_str().unwrap()))
            .collect();
        let of = |name: &str| -> Vec<&str> {
            headers.iter().filter(|(known, _)| *known == name).map(|(_, value)| *value).collect()
        };
        for name in ["authorization", "cookie", "x-hop", "connection"] {
            assert_eq!(of(name), Vec::<&str>::new(), "{headers:?}");
        }
        assert_eq!(of("x-real-ip"), ["127.0.0.1"]);
        assert_eq!(of("x-forwarded-for"), ["127.0.0.1"]);
        assert_eq!(of("x-model-key"), ["model secret"]);
        assert_eq!(of("host"), [format!("localhost:{}", server.port)]);
        for line in ["set-cookie", "access-control", "twinkeep-", "allowall"] {
            assert!(!answer.head.contains(line), "{line}: {}", answer.head);
        }
        assert!(
            answer.head.contains("x-kept: yes") && answer.head.contains("x-frame-options: deny")
        );
    }
    let moved = ask("/go", &[]);
    assert!(moved.head.contains("location: /models/risk/v1/models/half\r"), "{}", moved.head);
    let events = ask("/events?count=3", &["--no-buffer"]);
    assert_eq!(events.body.matches("data: ").count(), 3, "{}", events.body);
    assert_eq!(ask("/big?mib=20", &[]).body.len(), 20 << 20);
    refused(&place, &gate, &ask);
    assert_eq!(gate.stop(), Some(0));
    recorded(&place);
}

fn refused(place: &Place, gate: &Server<'_>, ask: &dyn Fn(&str, &[&str]) -> crate::serve::Answer) {
    assert_eq!(gate.call("/models/risk/echo", &[]).status, 401);
    let (other, _) = key(place, &[]);
    let answer = gate.call("/models/risk/echo", &["-H", &other]);
    assert_eq!((answer.status, code(&answer).as_str()), (403, "scope-missing"));
    for path in ["/a%2fb", "/a;b", "/%2e%2e/x", "/a//b"] {
        let answer = ask(path, &["--path-as-is"]);
        assert_eq!((answer.status, code(&answer).as_str()), (400, "http-path"), "{path}");
    }
    assert_eq!(ask("/echo", &["-X", "TRACE"]).status, 405);
    let policy = "permit (principal, action == Action::\"use-upstream\", resource == \
                  Upstream::\"other\");\n";
    let before = place.path("keep/policy.cedar");
    let shipped = fs::read(&before).unwrap();
    write(&before, policy.as_bytes());
    place.run(&["policy", "apply"]).done();
    let answer = ask("/echo", &[]);
    assert_eq!((answer.status, code(&answer).as_str()), (403, "policy-denied"));
    let tested = place.run(&["policy", "test", "use-upstream", "--on", "other"]).done();
    assert_eq!(tested["permitted"], true);
    write(&before, &shipped);
    place.run(&["policy", "apply"]).done();
    assert_eq!(ask("/echo", &[]).status, 200);
}

fn recorded(place: &Place) {
    place.run(&["ledger", "verify"]).done();
    let lines = place.run(&["ledger", "show", "--limit", "1000"]).lines();
    let relayed: Vec<&Value> =
        lines.iter().filter(|line| line["action"] == "upstream.relayed").collect();
    assert_eq!(relayed.len(), 7, "{relayed:#?}");
    assert!(relayed.iter().all(|line| line.to_string().contains("/models/risk/*")));
    let all = format!("{lines:?}");
    assert!(
        !all.contains("model secret") && !all.contains("half") && !all.contains("a=b"),
        "{all}"
    );
}

#[test]
fn a_model_server_that_dies_under_load_is_left_alone_and_found_again() {
    let place = Place::with_keep();
    let Some(mut server) = ModelServer::start(&place, By::Uvicorn) else { return };
    let url = format!("http://127.0.0.1:{}/", server.port);
    let more = "breaker_failures = 3\nbreaker_seconds = 1\nanswer_seconds = 5\nhealth_path = \
                \"/well\"\nhealth_seconds = 1\nunwell_after = 1000";
    configure(&place, &upstream("risk", &url, more));
    let header = user(&place);
    let gate = Server::start(&place);
    let ask = |path: &str| gate.call(&format!("/models/risk{path}"), &["-H", &header]);
    let state = || place.run(&["upstream", "list"]).lines()[0]["state"].clone();
    until("it is well", || (state()["health"] == "well").then_some(()));
    assert_eq!(ask("/echo").status, 200);
    let slow = ask("/slow?seconds=60");
    assert_eq!((slow.status, code(&slow).as_str()), (504, "upstream-slow"));
    place.run(&["upstream", "check", "risk"]).done();
    thread::scope(|scope| {
        let load = |_| {
            let ask = &ask;
            scope.spawn(move || {
                (0..30).map(|_| ask("/slow?seconds=0.05").status).collect::<Vec<_>>()
            })
        };
        let loads: Vec<_> = (0..4).map(load).collect();
        thread::sleep(Duration::from_millis(300));
        server.kill();
        let seen: Vec<u32> = loads.into_iter().flat_map(|load| load.join().unwrap()).collect();
        assert!(seen.iter().all(|status| [200, 502, 503].contains(status)), "{seen:?}");
        assert!(seen.contains(&503), "the breaker never opened: {seen:?}");
    });
    let answer = ask("/echo");
    assert!([502, 503].contains(&answer.status), "{}", answer.body);
    assert!(code(&answer).starts_with("upstream-"), "{}", answer.body);
    assert_eq!(place.run(&["upstream", "check"]).refused(), "upstream-unwell");
    let _again = ModelServer::start_at(&place, By::Uvicorn, server.port).unwrap();
    until("it is asked again", || (ask("/echo").status == 200).then_some(()));
    until("the breaker is closed", || (state()["breaker"] == "closed").then_some(()));
    assert_eq!(gate.stop(), Some(0));
    assert_eq!(state(), Value::Null);
    let lines = place.run(&["ledger", "show", "--limit", "1000"]).lines();
    let opened =
        |line: &Value| line["action"] == "upstream.state" && line.to_string().contains("\"open\"");
    assert!(lines.iter().any(opened), "{lines:#?}");
}

/// Speaks with a WebSocket through the gate; prints what it is told, a line each.
const TALK: &str = r#"
import ssl, sys
from websockets.sync.client import connect
context = ssl.create_default_context(cafile=sys.argv[2])
name, value = sys.argv[3].split(": ", 1)
big = "x" * 300000
try:
    with connect(sys.argv[1], ssl=context, additional_headers={name: value}) as socket:
        for text in ["hello", "over there", big]:
            socket.send(text)
            said = socket.recv(timeout=120)
            print(said if len(said) < 100 else len(said), flush=True)
        if len(sys.argv) < 5:
            socket.send("bye")
        for said in socket:
            print(said)
        print("closed", socket.close_code)
except Exception as error:
    print(type(error).__name__, getattr(getattr(error, "response", None), "status_code", ""))
"#;

#[test]
fn a_websocket_passes_and_ends_with_the_key_of_who_speaks() {
    let place = Place::with_keep();
    let Some(server) = ModelServer::start(&place, By::Uvicorn) else { return };
    let url = format!("http://127.0.0.1:{}/", server.port);
    let lines = [upstream("risk", &url, "websockets = true"), upstream("deaf", &url, "")];
    configure(&place, &lines.concat());
    let (header, id) = key(&place, &["--scope", "upstreams:use"]);
    let gate = Server::start(&place);
    let python = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/peers/bin/python3");
    let python = if python.exists() { python } else { "python3".into() };
    let talk = |name: &str, header: &str, more: &[&str]| {
        let url = format!("wss{}/models/{name}/talk", gate.base().strip_prefix("https").unwrap());
        let mut command = Command::new(&python);
        command.args(["-c", TALK]).arg(url).arg(place.path("keep/public/ca.pem")).arg(header);
        command.args(more).stdin(Stdio::null()).stdout(Stdio::piped());
        command
    };
    let said = |mut command: Command| {
        String::from_utf8(command.output().unwrap().stdout).unwrap().replace('\n', "|")
    };
    assert_eq!(said(talk("risk", &header, &[])), "HELLO|OVER THERE|300000|closed 1000|");
    assert_eq!(said(talk("deaf", &header, &[])), "InvalidStatus 501|");
    assert_eq!(said(talk("risk", "X-Nothing: 1", &[])), "InvalidStatus 401|");
    // One that goes on, until the key is revoked.
    let mut going = talk("risk", &header, &["stay"]).spawn().unwrap();
    let mut lines = BufReader::new(going.stdout.take().unwrap());
    let mut line = String::new();
    while !line.ends_with("300000\n") {
        assert!(0 < lines.read_line(&mut line).unwrap(), "{line}");
    }
    place.run(&["key", "revoke", &id]).done();
    let mut rest = String::new();
    lines.read_to_string(&mut rest).unwrap();
    assert!(going.wait().unwrap().success());
    assert!(rest.contains("ConnectionClosed"), "{rest}");
    // What was never a WebSocket is answered as ever.
    let upgrade = ["-H", "Connection: Upgrade", "-H", "Upgrade: websocket", "--http1.1"];
    assert_eq!(gate.call("/healthz", &upgrade).status, 200);
    assert_eq!(gate.stop(), Some(0));
    let entries = place.run(&["ledger", "show", "--limit", "1000"]).lines();
    let switched =
        |line: &&Value| line["action"] == "upstream.relayed" && line.to_string().contains("101");
    assert_eq!(entries.iter().filter(switched).count(), 2, "{entries:#?}");
    let ended = entries.iter().filter(|line| line["action"] == "upstream.ended");
    let ended: Vec<_> = ended.map(|line| (&line["details"], &line["actor"])).collect();
    let actor = Value::from(format!("key:{id}"));
    assert!(ended.len() == 2 && ended.iter().all(|(_, who)| **who == actor), "{entries:#?}");
    let text = format!("{ended:?}");
    assert!(text.contains("key-revoked") && text.contains("bytes_to_upstream"), "{text}");
}

#[test]
fn a_stream_of_events_ends_with_the_gate_and_a_slow_client_is_not_the_servers_fault() {
    let place = Place::with_keep();
    let Some(server) = ModelServer::start(&place, By::Uvicorn) else { return };
    let url = format!("http://127.0.0.1:{}/", server.port);
    // A server that a busy machine puts aside for a moment is no failure.
    let more = "answer_seconds = 4\nbreaker_failures = 1\nbreaker_seconds = 3600";
    configure(&place, &upstream("risk", &url, more));
    let header = user(&place);
    let gate = Server::start(&place);
    // Says that ten bytes come, says five, and waits.
    let script = "printf 'hello'; exec sleep 20";
    let mut slow = Command::new("sh").args(["-c", script]).stdout(Stdio::piped()).spawn().unwrap();
    let answer = Command::new("curl")
        .args(["--silent", "--http1.1", "--max-time", "120", "-T", ".", "-H", &header])
        .args(["-H", "Expect:"])
        .args(["-o", "/dev/null", "-w", "%{http_code}", "--cacert"])
        .arg(place.path("keep/public/ca.pem"))
        .arg(format!("{}/models/risk/echo", gate.base()))
        .stdin(slow.stdout.take().unwrap())
        .output()
        .unwrap();
    let _ = slow.kill();
    let _ = slow.wait();
    assert_eq!(String::from_utf8(answer.stdout).unwrap(), "408");
    assert_eq!(gate.call("/models/risk/echo", &["-H", &header]).status, 200);
    let mut events = Command::new("curl")
        .args(["--silent", "--no-buffer", "--max-time", "120", "-H", &header, "--cacert"])
        .arg(place.path("keep/public/ca.pem"))
        .arg(format!("{}/models/risk/never", gate.base()))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0; 8];
    events.stdout.take().unwrap().read_exact(&mut first).unwrap();
    assert_eq!(&first, b"data: on");
    assert_eq!(gate.stop(), Some(0));
    // It waits for no other reason than its own patience.
    let begun = Instant::now();
    events.wait().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(100), "the stream outlives the gate");
    let entries = place.run(&["ledger", "show", "--limit", "100"]).lines();
    let ended = entries.iter().filter(|line| line["action"] == "upstream.ended");
    let ended: Vec<_> = ended.map(Value::to_string).collect();
    assert!(matches!(&ended[..], [one] if one.contains("gate-closed")), "{entries:#?}");
}

#[test]
fn an_unwell_model_server_is_not_asked() {
    let place = Place::with_keep();
    let Some(server) = ModelServer::start(&place, By::Uvicorn) else { return };
    let url = format!("http://127.0.0.1:{}/", server.port);
    let more = "health_path = \"/well\"\nhealth_seconds = 1\nunwell_after = 2\nwell_after = 2";
    configure(&place, &upstream("risk", &url, more));
    let header = user(&place);
    let gate = Server::start(&place);
    let ask = || gate.call("/models/risk/echo", &["-H", &header]);
    assert_eq!(ask().status, 200);
    let set = |word: &str| {
        let mut stream = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
        let request = format!(
            "POST /well/{word} HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    };
    set("no");
    until("it is left alone", || (ask().status == 503).then_some(()));
    assert_eq!(code(&ask()), "upstream-unavailable");
    set("yes");
    until("it is asked again", || (ask().status == 200).then_some(()));
    assert_eq!(gate.stop(), Some(0));
}

#[test]
fn the_process_that_connects_may_die_and_can_reach_nothing_else() {
    let place = Place::with_keep();
    let Some(server) = ModelServer::start(&place, By::Uvicorn) else { return };
    let url = format!("http://127.0.0.1:{}/", server.port);
    // Its port is not among the first one's.
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    configure(&place, &upstream("risk", &url, ""));
    let header = user(&place);
    let gate = Server::start(&place);
    let isolation = gate.started()["isolation"].clone();
    let whole = json!({ "files": true, "network": true, "programs": true });
    if isolation["courier"] != whole {
        println!("skipped: this kernel does not confine processes: {isolation}");
    }
    let courier = || {
        let launcher = launcher(&gate);
        until("no courier", || child(launcher, "serve-courier"))
    };
    let ask = |path: &str| gate.call(&format!("/models/risk{path}"), &["-H", &header]).status;
    assert_eq!(ask("/echo"), 200);
    for _ in 0..3 {
        let old = courier();
        assert!(Command::new("kill").args(["-KILL", &old.to_string()]).status().unwrap().success());
        // A request that changes nothing is made again; one that might is not.
        assert_eq!(ask("/echo"), 200);
        assert_ne!(courier(), old);
    }
    assert_eq!(gate.call("/healthz", &[]).status, 200);
    let worker = gate.process();
    assert_eq!(gate.stop(), Some(0));
    until("the courier outlives the server", || {
        fs::metadata(format!("/proc/{worker}")).is_err().then_some(())
    });
    drop(elsewhere);
    let lines = place.run(&["ledger", "show", "--limit", "1000"]).lines();
    let again = lines.iter().any(|line| line.to_string().contains("courier-started-again"));
    assert!(again, "that the courier died is not on record");
}

#[test]
fn http2_and_tls_to_a_model_server_are_believed_by_authority_and_pin() {
    if peer("openssl").is_none() {
        return;
    }
    let place = Place::with_keep();
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"])
        .args(["-subj", "/CN=localhost", "-days", "2", "-addext", "subjectAltName=DNS:localhost"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-keyout")
        .arg(place.path("tls.key"))
        .arg("-out")
        .arg(place.path("tls.pem"))
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let script = "openssl x509 -pubkey -noout -in tls.pem | openssl pkey -pubin -outform DER | \
                  openssl dgst -sha256 -r | cut -d' ' -f1";
    let pin = Command::new("sh").args(["-c", script]).current_dir(place.path("")).output().unwrap();
    let pin = String::from_utf8(pin.stdout).unwrap().trim().to_owned();
    assert_eq!(pin.len(), 64, "{pin}");
    let Some(plain) = ModelServer::start(&place, By::Hypercorn) else { return };
    let Some(secured) = ModelServer::start(&place, By::HypercornTls) else { return };
    let (plain, secured) = (plain.port, secured.port);
    // Files of the configuration are looked for in the keep.
    let ca = "ca = \"../tls.pem\"";
    let other = "ab".repeat(32);
    let https = format!("https://localhost:{secured}/");
    let lines = [
        upstream("prior", &format!("http://127.0.0.1:{plain}/"), "protocol = \"http2\""),
        upstream("alpn", &https, ca),
        upstream("one", &https, &format!("{ca}\nprotocol = \"http1\"")),
        upstream("pinned", &https, &format!("{ca}\npin = \"sha256:{pin}\"")),
        upstream("other-key", &https, &format!("{ca}\npin = \"sha256:{other}\"")),
        upstream("other-name", &format!("https://127.0.0.1:{secured}/"), ca),
        upstream("unknown", &https, "ca = \"public/ca.pem\""),
    ];
    configure(&place, &lines.concat());
    let header = user(&place);
    let gate = Server::start(&place);
    let ask = |name: &str, args: &[&str]| {
        let args = [&["-H", header.as_str()], args].concat();
        gate.call(&format!("/models/{name}/echo"), &args)
    };
    for (name, version) in [("prior", "2"), ("alpn", "2"), ("one", "1.1"), ("pinned", "2")] {
        let answer = ask(name, &["--data-binary", "hello"]);
        assert_eq!(answer.status, 200, "{name}: {}", answer.body);
        let seen = answer.json();
        assert_eq!((&seen["http"], &seen["size"]), (&json!(version), &json!(5)), "{name}");
        assert!(!seen["headers"].to_string().contains("authorization"));
    }
    for name in ["other-key", "other-name", "unknown"] {
        let answer = ask(name, &[]);
        assert_eq!((answer.status, code(&answer).as_str()), (502, "upstream-tls"), "{name}");
    }
    assert_eq!(gate.stop(), Some(0));
}

#[test]
fn a_hostile_model_server_is_bounded() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || hostile(stream));
        }
    });
    let place = Place::with_keep();
    let more =
        "answer_seconds = 5\nidle_seconds = 1\nbreaker_failures = 1000\nbody_size_max = 1000";
    configure(&place, &upstream("risk", &format!("http://127.0.0.1:{port}/"), more));
    let header = user(&place);
    let gate = Server::start(&place);
    let ask = |path: &str, args: &[&str]| {
        let args = [&["-H", header.as_str()], args].concat();
        gate.call(&format!("/models/risk/{path}"), &args)
    };
    for path in ["headers", "line", "garbage", "two-lengths", "close", "switch"] {
        let answer = ask(path, &[]);
        assert_eq!((answer.status, code(&answer).as_str()), (502, "upstream-answer"), "{path}");
    }
    for path in ["silent", "informational"] {
        let answer = ask(path, &[]);
        assert_eq!((answer.status, code(&answer).as_str()), (504, "upstream-slow"), "{path}");
    }
    for path in ["short", "stalled"] {
        // Its beginning is passed on; that it is not whole, the client can see.
        let args = ["-H".to_owned(), header.clone(), "--cacert".to_owned()];
        let ca = place.path("keep/public/ca.pem").display().to_string();
        assert!(
            !gate.answers(&format!("/models/risk/{path}"), &[&args[..], &[ca]].concat()),
            "{path}"
        );
    }
    let large = "x".repeat(1001);
    for args in [
        &["--data-binary", large.as_str()][..],
        &["-H", "Transfer-Encoding: chunked", "--data-binary", &large],
    ] {
        let answer = ask("whole", args);
        assert_eq!((answer.status, code(&answer).as_str()), (413, "body-size"), "{}", answer.body);
    }
    assert_eq!(ask("whole", &["--data-binary", &large[1..]]).status, 200);
    assert_eq!(gate.stop(), Some(0));
}

/// Answers as its path says.
fn hostile(mut stream: TcpStream) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let (mut line, mut length, mut chunked) = (String::new(), 0, false);
    let Ok(1..) = reader.read_line(&mut line) else { return };
    loop {
        let mut header = String::new();
        if reader.read_line(&mut header).is_err() || header.trim().is_empty() {
            break;
        }
        let header = header.to_ascii_lowercase();
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        chunked |= header.starts_with("transfer-encoding: chunked");
    }
    // An answer before the body is whole would race with what is refused of the body.
    if chunked {
        let _ = std::io::copy(&mut reader, &mut std::io::sink());
    }
    let mut body = vec![0; length];
    let _ = reader.read_exact(&mut body);
    let path = line.split(' ').nth(1).unwrap().trim_start_matches('/').to_owned();
    let begin = Instant::now();
    let mut say = |text: &[u8]| stream.write_all(text).is_ok() && begin.elapsed().as_secs() < 100;
    match path.as_str() {
        "headers" => {
            say(b"HTTP/1.1 200 OK\r\n");
            while say(b"x-more: and more and more and more and more and more and more\r\n") {}
        }
        "line" => {
            say(b"HTTP/1.1 200 OK\r\nx-long: ");
            while say(&[b'x'; 4096]) {}
        }
        "garbage" => _ = say(b"220 mail.example ESMTP\r\n"),
        "two-lengths" => {
            _ = say(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab");
        }
        "switch" => {
            _ = say(
                b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
            );
        }
        "silent" => _ = stream.read(&mut [0]),
        "informational" => {
            while say(b"HTTP/1.1 103 Early Hints\r\n\r\n") {
                thread::sleep(Duration::from_millis(5));
            }
        }
        "short" => _ = say(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort"),
        "stalled" => {
            say(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort");
            let _ = stream.read(&mut [0]);
        }
        "whole" => _ = say(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok"),
        _ => {}
    }
}
