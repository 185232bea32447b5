//! Tests of the helper: what it does is what its own configuration names.

use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use twinkeep_watch::host::Protocol;

use super::helper::{Helper, LINE_LEN_MAX, Limits, answer_asks};
use super::{Answer, Ask, HostOrder, answer, refused};
use crate::{Config, Settings};

fn settings(text: &str) -> Settings {
    Config::parse(text).unwrap().check(&PathBuf::from("/keep")).unwrap()
}

fn ask(settings: &Settings, ask: Value, within: Option<&str>) -> Value {
    let ask = serde_json::from_value(ask).unwrap();
    serde_json::to_value(answer(settings, &ask, within.map(std::path::Path::new))).unwrap()
}

#[test]
fn nothing_is_done_that_the_configuration_does_not_name() {
    let nothing = settings("");
    let port = json!({ "order": "drop-port", "port": 9999, "protocol": "tcp" });
    let service = |name: &str| json!({ "order": "stop-service", "name": name });
    for order in [&port, &service("nginx")] {
        for kind in ["plan", "apply", "undo"] {
            let mut asked = json!({ "ask": kind, "order": order });
            if kind != "plan" {
                asked["before"] = json!({});
            }
            assert_eq!(ask(&nothing, asked, None)["code"], "host-off");
        }
    }
    let some = settings("[[host.service]]\nname = \"own\"\npid_file = \"/nonexistent/own.pid\"\n");
    let plan = |order: Value| ask(&some, json!({ "ask": "plan", "order": order }), None);
    assert_eq!(plan(service("other"))["code"], "host-off");
    assert_eq!(plan(port)["code"], "host-off");
    assert_eq!(plan(service("own"))["code"], "host-no-service");
}

#[test]
fn the_port_of_operators_is_guarded_whatever_the_configuration_permits() {
    let of = |text: &str, port: u16| {
        let order = json!({ "order": "drop-port", "port": port, "protocol": "tcp" });
        let settings = settings(&format!("[host]\ndrop_ports = true\nkeep_ports = [5432]\n{text}"));
        ask(&settings, json!({ "ask": "plan", "order": order }), None)["code"].clone()
    };
    let own = "[gate]\nadmin_listen = \"127.0.0.1:9443\"\n";
    for (text, port) in [(own, 9443), ("", 8443), (own, 5432), (own, 22)] {
        assert_eq!(of(text, port), "host-guarded", "{port}");
    }
}

#[test]
fn whoever_asks_the_helper_learns_of_files_of_the_keep_only() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("open");
    let _open = std::fs::File::create(&path).unwrap();
    let look = json!({ "ask": "look", "files": [path] });
    let seen = |within: Option<&str>| {
        let evidence = ask(&settings(""), look.clone(), within)["evidence"].clone();
        evidence["open"].as_array().unwrap().len()
    };
    assert_eq!(seen(None), 1);
    assert_eq!(seen(dir.path().to_str()), 1);
    assert_eq!(seen(Some("/keep")), 0);
}

#[test]
fn a_helper_that_is_gone_or_talks_nonsense_is_an_error_and_not_a_panic() {
    for nonsense in ["", "x\n", "{}\n", "{\"answer\":\"done\"}\n", MORE, OTHER, "[1"] {
        let (near, far) = UnixStream::pair().unwrap();
        let told = thread::spawn(move || {
            let mut far = far;
            let mut first = [0; 1];
            far.read_exact(&mut first).unwrap();
            far.write_all(nonsense.as_bytes()).unwrap();
        });
        let helper = Helper::start(pipes(near), Limits::default());
        assert_eq!(helper.ask(plan()).unwrap_err().code(), "host-helper", "{nonsense}");
        // It is asked nothing again.
        assert_eq!(helper.ask(look()).unwrap_err().code(), "host-helper", "{nonsense}");
        told.join().unwrap();
    }
}

const MORE: &str = "{\"number\":1,\"answer\":{\"answer\":\"done\",\"more\":1}}\n";

const OTHER: &str = "{\"number\":7,\"answer\":{\"answer\":\"done\"}}\n";

fn pipes(near: UnixStream) -> super::HostPipes {
    (Box::new(near.try_clone().unwrap()), Box::new(near))
}

fn plan() -> Ask {
    Ask::Plan { order: HostOrder::StopService { name: "x".to_owned() } }
}

fn look() -> Ask {
    Ask::Look { files: Vec::new() }
}

fn line(from: &mut impl BufRead) -> Value {
    let mut line = String::new();
    from.read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap()
}

#[test]
fn an_answer_that_is_too_long_or_late_is_taken_for_no_other() {
    let (near, mut far) = UnixStream::pair().unwrap();
    let helper = Helper::start(pipes(near), Limits::default());
    let told = thread::spawn(move || {
        let mut from = BufReader::new(far.try_clone().unwrap());
        line(&mut from);
        let long = vec![b' '; usize::try_from(LINE_LEN_MAX).unwrap()];
        // Whoever does not listen any more closes it.
        let _ = far.write_all(&[&long, OTHER.as_bytes()].concat());
    });
    assert_eq!(helper.ask(plan()).unwrap_err().code(), "host-helper");
    drop(helper);
    told.join().unwrap();

    let (near, far) = UnixStream::pair().unwrap();
    let long = Duration::from_secs(120);
    let limits = Limits { look: Duration::ZERO, plan: long, act: Duration::ZERO };
    let helper = Helper::start(pipes(near), limits);
    let mut from = BufReader::new(far.try_clone().unwrap());
    // Who only looks waits no longer, and does not make others wait: it may come back.
    assert_eq!(helper.ask(look()).unwrap_err().code(), "host-helper");
    assert_eq!(line(&mut from)["number"], 1);
    assert_eq!(helper.ask(look()).unwrap_err().code(), "host-helper");
    let told = thread::spawn(move || {
        assert_eq!(
            line(&mut from),
            json!({ "number": 2, "ask": serde_json::to_value(plan()).unwrap() })
        );
        for (number, code) in [(1, "host-off"), (2, "host-guarded")] {
            let answer = json!({ "answer": "refused", "code": code, "says": "" });
            let answered = json!({ "number": number, "answer": answer });
            writeln!(&far, "{answered}").unwrap();
        }
        (from, far)
    });
    match helper.ask(plan()).unwrap() {
        Answer::Refused { code, .. } => assert_eq!(code, "host-guarded"),
        other => panic!("{other:?}"),
    }
    let (mut from, far) = told.join().unwrap();
    // What is done and takes too long is the end of it.
    let order = HostOrder::StopService { name: "x".to_owned() };
    let apply = Ask::Apply { order, before: Default::default() };
    assert_eq!(helper.ask(apply).unwrap_err().code(), "host-helper");
    assert_eq!(line(&mut from)["number"], 3);
    writeln!(&far, "{}", json!({ "number": 3, "answer": { "answer": "done" } })).unwrap();
    assert_eq!(helper.ask(plan()).unwrap_err().code(), "host-helper");
    drop(helper);
    // Whoever reads answers waits for this end, as this one waits for it.
    far.shutdown(Shutdown::Write).unwrap();
    let mut rest = String::new();
    from.read_to_string(&mut rest).unwrap_or_default();
    assert_eq!(rest, "", "nothing was asked again");
}

#[test]
fn who_only_looks_does_not_wait_for_what_takes_long() {
    let (near, far) = UnixStream::pair().unwrap();
    let (go, wait) = channel::<()>();
    let wait = Mutex::new(wait);
    let helping = thread::spawn(move || {
        let (mut from, mut to) = (BufReader::new(far.try_clone().unwrap()), far);
        answer_asks(&mut from, &mut to, &|ask| match ask {
            Ask::Apply { .. } => {
                let _ = wait.lock().unwrap().recv();
                Answer::Done {}
            }
            _ => refused("host-off", ""),
        })
        .unwrap();
    });
    let helper = Helper::start(pipes(near.try_clone().unwrap()), Limits::default());
    thread::scope(|scope| {
        let acts = scope.spawn(|| {
            let order = HostOrder::StopService { name: "x".to_owned() };
            helper.ask(Ask::Apply { order, before: Default::default() })
        });
        assert!(matches!(helper.ask(look()).unwrap(), Answer::Refused { .. }));
        go.send(()).unwrap();
        assert!(matches!(acts.join().unwrap().unwrap(), Answer::Done {}));
    });
    near.shutdown(Shutdown::Both).unwrap();
    helping.join().unwrap();
}

#[test]
fn a_port_is_named_by_protocol_and_number() {
    let expected = HostOrder::DropPort { port: 8443, protocol: Protocol::Tcp };
    assert_eq!(HostOrder::drop_port("tcp/8443"), Some(expected));
    for wrong in
        ["", "8443", "tcp/08443", "tcp/+8443", "tcp/0", "tcp/65536", "sctp/1", "tcp/ 1", "tcp/1/2"]
    {
        assert_eq!(HostOrder::drop_port(wrong), None, "{wrong}");
    }
}
