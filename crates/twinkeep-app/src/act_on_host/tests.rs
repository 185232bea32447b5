//! Tests of the helper: what it does is what its own configuration names.

use std::io::{BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::thread;

use serde_json::{Value, json};
use twinkeep_watch::host::Protocol;

use super::{HostHand, HostOrder, answer};
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
    for nonsense in ["", "x\n", "{}\n", "{\"answer\":\"done\",\"more\":1}\n", "[1"] {
        let (near, far) = UnixStream::pair().unwrap();
        let told = thread::spawn(move || {
            let mut far = far;
            let mut first = [0; 1];
            far.read_exact(&mut first).unwrap();
            far.write_all(nonsense.as_bytes()).unwrap();
        });
        let hand = HostHand::default();
        let from = BufReader::new(near.try_clone().unwrap());
        *hand.0.lock().unwrap() = super::Hand::Helper(Box::new(near), Box::new(from));
        let order = HostOrder::StopService { name: "x".to_owned() };
        let error = hand.ask(&settings(""), &super::Ask::Plan { order }).unwrap_err();
        assert_eq!(error.code(), "host-helper", "{nonsense}");
        told.join().unwrap();
    }
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
