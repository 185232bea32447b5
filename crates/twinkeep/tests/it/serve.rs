//! The gate as an application meets it: a real server, called with curl.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use serde_json::Value;

use crate::harness::{Place, write};

/// A running server; stopped when dropped.
pub(crate) struct Server<'a> {
    child: Child,
    place: &'a Place,
    base: String,
    started: Value,
}

impl Drop for Server<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What curl saw.
pub(crate) struct Answer {
    pub(crate) status: u32,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{}", self.body))
    }
}

impl<'a> Server<'a> {
    pub(crate) fn start(place: &'a Place) -> Self {
        let mut child = place
            .command(&["serve", "--listen", "127.0.0.1:0", "--json"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let started: Value = serde_json::from_str(&line).unwrap();
        let address = started["listening"].as_str().unwrap();
        let base = format!("https://{address}");
        Self { child, place, base, started }
    }

    pub(crate) fn call(&self, path: &str, args: &[&str]) -> Answer {
        let output = Command::new("curl")
            .args(["--silent", "--show-error", "--include", "--max-time", "120", "--cacert"])
            .arg(self.place.path("keep/public/ca.pem"))
            .args(args)
            .arg(format!("{}{path}", self.base))
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| {
            panic!("no answer: {}", String::from_utf8_lossy(&output.stderr));
        });
        let status = head.split_whitespace().nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
    }

    /// Returns whether a client of its own mind gets an answer.
    pub(crate) fn answers(&self, path: &str, args: &[String]) -> bool {
        let mut client = Command::new("curl");
        client.args(["--silent", "--fail", "--max-time", "120", "--output", "/dev/null"]);
        client.args(args).arg(format!("{}{path}", self.base)).status().unwrap().success()
    }

    /// Writes an answer to a file, as it is.
    pub(crate) fn save(&self, path: &str, header: &str, file: &std::path::Path) {
        let status = Command::new("curl")
            .args(["--silent", "--show-error", "--fail", "--max-time", "120", "-H", header])
            .arg("--cacert")
            .arg(self.place.path("keep/public/ca.pem"))
            .arg("--output")
            .arg(file)
            .arg(format!("{}{path}", self.base))
            .status();
        assert!(status.unwrap().success(), "{path}");
    }

    /// Where it is.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// What it said when it was there.
    pub(crate) fn started(&self) -> &Value {
        &self.started
    }

    /// The number of its process.
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn stop(mut self) -> Option<i32> {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        self.child.wait().unwrap().code()
    }
}

/// A keep with a model in service.
pub(crate) fn ready() -> Place {
    Place::with_model().0
}

/// A key of the API: its header, and its id.
pub(crate) fn key(place: &Place, scope: &[&str]) -> (String, String) {
    let args = [&["key", "new", "test"], scope].concat();
    let made = place.run(&args).done();
    let header = format!("Authorization: Bearer {}", made["key"].as_str().unwrap());
    (header, made["id"].as_str().unwrap().to_owned())
}

#[test]
fn the_gate_answers_whom_it_knows_and_records_everything() {
    let place = ready();
    let (header, id) = key(&place, &[]);
    let before = place.run(&["ledger", "verify"]).done()["entries"].as_u64().unwrap();
    let server = Server::start(&place);
    assert_eq!(server.call("/healthz", &[]).status, 200);
    assert_eq!(server.call("/api/v1/twins", &[]).status, 401);
    assert_eq!(server.call("/api/v1/twins", &["-H", "Authorization: Bearer tk_no"]).status, 401);

    let list = server.call("/api/v1/twins?limit=2", &["-H", &header]);
    assert_eq!(list.status, 200, "{}", list.body);
    for header in [
        "x-frame-options: deny",
        "x-content-type-options: nosniff",
        "strict-transport-security:",
        "content-security-policy:",
    ] {
        assert!(list.head.contains(header), "{header} is missing: {}", list.head);
    }
    assert!(!list.head.contains("\nserver:"), "{}", list.head);
    let list = list.json();
    let twin = list["twins"][0]["subject"].as_str().unwrap();
    let forecast = server.call(&format!("/api/v1/twins/{twin}/forecast"), &["-H", &header]);
    assert_eq!(forecast.status, 200, "{}", forecast.body);
    assert_eq!(forecast.json()["targets"].as_array().unwrap().len(), 37);

    let history = r#"{"events":[{"time":0,"code":"Age","value":60},{"time":1,"code":"HR","value":88},
        {"time":2,"code":"HR","value":90},{"time":3,"code":"Temp","value":37},
        {"time":4,"code":"HR","value":91},{"time":4,"code":"MAP","value":80},
        {"time":5,"code":"HR","value":89}],"horizons_hours":[1,6]}"#;
    for path in ["/predict", "/api/v1/predict"] {
        let answer = server.call(path, &["-H", &header, "--json", history]);
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert!(answer.body.contains("\"horizon_hours\":6"), "{}", answer.body);
    }
    let hostile = r#"{"events":[{"time":0,"code":"HR","value":1e999}]}"#;
    let refused = server.call("/predict", &["-H", &header, "--json", hostile]);
    assert!((400..500).contains(&refused.status), "{}", refused.body);
    assert!(refused.json()["code"].is_string());

    place.run(&["key", "revoke", &id]).done();
    assert_eq!(server.call("/api/v1/twins", &["-H", &header]).status, 401);
    assert!(server.call("/", &[]).body.contains("<html"));
    assert_eq!(server.stop(), Some(0));

    place.run(&["ledger", "verify"]).done();
    let from = before.to_string();
    let lines = place.run(&["ledger", "show", "--from", &from, "--limit", "100"]).lines();
    let count = |action: &str| lines.iter().filter(|line| line["action"] == *action).count();
    assert_eq!(count("twins.listed"), 1);
    assert_eq!(count("twin.forecast"), 1);
    assert_eq!(count("predict"), 2 + usize::from(refused.status == 422));
    let refused = lines.iter().filter(|line| line["outcome"] != "success").count();
    assert!(4 <= refused, "{lines:#?}");
}

#[test]
fn a_client_that_asks_too_often_is_told_when_to_come_back() {
    let place = Place::with_patients(60);
    // One a second: a machine that takes seconds for all of them still has some to refuse.
    let path = place.path("keep/twinkeep.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let text = text.replace("rate_per_second = 5\n", "rate_per_second = 1\n");
    write(&path, text.as_bytes());
    let (header, _) = key(&place, &["--scope", "twins:read"]);
    let server = Server::start(&place);
    let url = format!("{}/api/v1/twins?limit=1", server.base);
    // 40 requests at once: nginx's `1r/s burst=10` lets 11 of them through.
    let mut args = vec!["-H", &header, "--http1.1", "--parallel", "--parallel-immediate"];
    args.extend(std::iter::repeat_n(url.as_str(), 39));
    let begin = Instant::now();
    let seen = server.call("/api/v1/twins?limit=1", &args);
    let all = format!("{}\r\n\r\n{}", seen.head, seen.body).to_ascii_lowercase();
    let answered = all.matches("http/1.1 200").count();
    let refused = all.matches("http/1.1 429").count();
    assert_eq!(answered + refused, 40, "{all}");
    let most = 11 + begin.elapsed().as_secs() as usize + 1;
    assert!((11..=most).contains(&answered), "{answered} were answered");
    assert!(0 < refused, "nobody was refused");
    assert!(all.contains("retry-after:"), "{all}");
}

#[test]
fn a_key_does_what_its_scope_says() {
    let place = Place::with_patients(60);
    let (header, _) = key(&place, &["--scope", "predict"]);
    let server = Server::start(&place);
    assert_eq!(server.call("/api/v1/twins", &["-H", &header]).status, 403);
}
