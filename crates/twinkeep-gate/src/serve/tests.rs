//! The whole gate: a real keep, a real model, a real listener, and a client that is not nice.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;
use twinkeep_app::{Caller, NewApiKeyRequest, Scope};

use super::{Front, Stopper, serve, stopper};
use crate::testing::{Client, PATIENCE, self_signed};
use crate::{GateSettings, Rate};

mod admin;
mod api;
mod attack;
mod certificates;
mod changes;
mod events;
mod handlers;
mod http2;
mod keep;
mod ledger;
mod openapi;
mod pages;
mod push;
mod rights;

use keep::TestKeep;

/// A gate that is open, and closes when dropped.
struct Served {
    client: Client,
    /// The same at the listener for operators, if there is one.
    admin: Option<Client>,
    key: String,
    stopper: Option<Stopper>,
    thread: Option<JoinHandle<()>>,
}

/// Limits that no test meets by accident.
fn settings() -> GateSettings {
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    GateSettings {
        identity_rate: Rate { per_second: 1000, burst: 1000 },
        address_rate: Rate { per_second: 1000, burst: 1000 },
        report_interval: Duration::from_secs(3600),
        // Handshakes, too, have the time of a request's arrival. All of it is over before the
        // patience of whoever waits for a connection to be closed.
        request_arrival_time: PATIENCE / 2,
        request_time: PATIENCE / 2,
        idle_time: PATIENCE / 4,
        ..GateSettings::new(listen, &twinkeep_app::GateConfig::default())
    }
}

impl Served {
    /// Opens a gate before `keep`, with a key that may do everything.
    fn open(keep: &TestKeep, settings: GateSettings) -> Self {
        let key = new_key(keep, &Scope::WITHOUT_CERTIFICATE);
        let (material, root) = self_signed();
        let (stopper, stop) = stopper();
        let (sender, receiver) = std::sync::mpsc::channel();
        let app = Arc::clone(&keep.app);
        let thread = std::thread::spawn(move || {
            let mut opened = |opened: crate::Opened| sender.send(opened).unwrap();
            serve(app, &settings, &material, Front::Within, stop, &mut opened).unwrap();
        });
        let opened = receiver.recv().unwrap();
        let admin = opened.admin.map(|address| Client::new(address, root.clone()));
        let client = Client::new(opened.address, root);
        Self { client, admin, key, stopper: Some(stopper), thread: Some(thread) }
    }

    /// Stops the gate and waits until it is closed.
    fn close(&mut self) {
        drop(self.stopper.take());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }

    async fn get(&self, path: &str) -> Answer {
        let lines = format!("Authorization: Bearer {}\r\n", self.key);
        self.send("GET", path, &lines, "").await
    }

    async fn predict(&self, body: &str) -> Answer {
        let lines = format!(
            "X-Api-Key: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n",
            self.key,
            body.len()
        );
        self.send("POST", "/predict", &lines, body).await
    }

    async fn post(&self, path: &str, body: &str, lines: &str) -> Answer {
        let lines = format!(
            "X-Api-Key: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{lines}",
            self.key,
            body.len()
        );
        self.send("POST", path, &lines, body).await
    }

    async fn send(&self, method: &str, path: &str, lines: &str, body: &str) -> Answer {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{lines}\r\n{body}"
        );
        Answer::parse(&self.client.raw(request.as_bytes()).await)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.close();
    }
}

/// Makes a key with some scopes.
fn new_key(keep: &TestKeep, scopes: &[Scope]) -> String {
    let caller = Caller::operator();
    let report = {
        let request = NewApiKeyRequest { name: "test", scopes, roles: &[], days: 1, site: None };
        twinkeep_app::new_api_key(&keep.app, &caller, request).unwrap()
    };
    report.key.unwrap()
}

/// An answer as it came over the wire.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{text:?}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Self { status, head: head.to_owned(), body: body.to_owned() }
    }

    fn header(&self, name: &str) -> Option<&str> {
        let find = |line: &&str| {
            line.split_once(": ").is_some_and(|(found, _)| found.eq_ignore_ascii_case(name))
        };
        self.head.lines().find(find)?.split_once(": ").map(|(_, value)| value)
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The code of the problem details, whose shape is checked on the way.
    fn code(&self) -> String {
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        let json = self.json();
        assert_eq!(json["status"], self.status, "{json}");
        assert_eq!(json["request_id"].as_str().unwrap().len(), 24);
        assert!(!json["detail"].as_str().unwrap().is_empty());
        let code = json["code"].as_str().unwrap();
        assert_eq!(json["type"], format!("urn:twinkeep:problem:{code}"));
        code.to_owned()
    }
}
