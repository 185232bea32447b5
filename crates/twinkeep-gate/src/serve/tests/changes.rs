//! Following changes over the wire: everything once, whoever is cut off, and nothing to a key that
//! was revoked.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt as _;
use hyper::client::conn::http2::handshake;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use twinkeep_app::{
    Caller, EraseRequest, FollowRequest, Scope, compact_store, erase_subject, follow_changes,
};

use super::{Served, TestKeep, new_key, settings};
use crate::GateSettings;
use crate::gate::Gate;
use crate::streams::{self, Streams};
use crate::testing::{PATIENCE, read_to_close};

/// A stream of changes, as a client reads it.
struct Stream {
    connection: TlsStream<TcpStream>,
    head: String,
    text: String,
}

/// One message.
#[derive(Debug, PartialEq)]
struct Message {
    id: String,
    event: String,
    data: Value,
}

impl Stream {
    async fn open(served: &Served, key: &str, path: &str, lines: &str) -> Self {
        let mut connection = served.client.connect("http/1.1").await;
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nX-Api-Key: {key}\r\n{lines}\r\n");
        connection.write_all(request.as_bytes()).await.unwrap();
        connection.flush().await.unwrap();
        let mut stream = Self { connection, head: String::new(), text: String::new() };
        stream.head = stream.read_until("\r\n\r\n").await;
        stream
    }

    /// Opens a stream, and reads that it is ready.
    async fn ready(served: &Served, path: &str, lines: &str) -> (Self, String) {
        let mut stream = Self::open(served, &served.key, path, lines).await;
        assert!(stream.head.contains("content-type: text/event-stream\r\n"), "{}", stream.head);
        let first = stream.message().await;
        assert_eq!((first.event.as_str(), &first.data), ("ready", &json!({})));
        (stream, first.id)
    }

    /// Reads until a text has come, and returns everything up to it.
    async fn read_until(&mut self, end: &str) -> String {
        loop {
            if let Some(at) = self.text.find(end) {
                return self.text.drain(..at + end.len()).collect();
            }
            let mut chunk = [0; 4096];
            let read = tokio::time::timeout(PATIENCE, self.connection.read(&mut chunk)).await;
            let count = read.expect("something comes").unwrap();
            assert_ne!(count, 0, "the stream ended: {}", self.text);
            self.text.push_str(std::str::from_utf8(&chunk[..count]).unwrap());
        }
    }

    /// Reads the next message, and passes over comments.
    async fn message(&mut self) -> Message {
        loop {
            let text = self.read_until("\n\n").await;
            let field = |name: &str| {
                let line = text.lines().find_map(|line| line.strip_prefix(name));
                line.unwrap_or_default().to_owned()
            };
            let event = field("event: ");
            if !event.is_empty() {
                let data = serde_json::from_str(&field("data: ")).unwrap();
                return Message { id: field("id: "), event, data };
            }
        }
    }
}

/// Records one heart rate.
async fn record(served: &Served, subject: &str, hours: f64) {
    let event = json!({"subject": subject, "time": hours, "code": "HR", "value": 71.25});
    let body = json!({ "events": [event] }).to_string();
    let lines = format!(
        "X-Api-Key: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n",
        served.key,
        body.len()
    );
    let answer = served.send("POST", "/api/v1/events", &lines, &body).await;
    assert_eq!(answer.json()["accepted"], 1, "{answer:?}");
}

async fn subjects(served: &Served) -> Vec<String> {
    let twins = served.get("/api/v1/twins").await.json();
    let twins = twins["twins"].as_array().unwrap().iter();
    twins.map(|twin| twin["subject"].as_str().unwrap().to_owned()).collect()
}

/// The reasons of all streams that were closed.
fn closed(keep: &TestKeep) -> Vec<String> {
    let ledger = keep.ledger();
    let closed = ledger.iter().filter(|line| line.action == "changes.closed");
    closed.map(|line| line.details["reason"].as_str().unwrap().to_owned()).collect()
}

/// Waits until a stream was closed for a reason.
async fn closed_because(keep: &TestKeep, reason: &str) {
    let all = async {
        while !closed(keep).iter().any(|found| found == reason) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, all).await.expect("the stream is closed in the ledger");
}

#[tokio::test]
async fn a_live_event_reaches_who_follows_the_twin_and_who_follows_all() {
    let keep = TestKeep::filled();
    let served = Served::open(&keep, settings());
    let people = subjects(&served).await;
    let (path, other) = (
        format!("/api/v1/twins/{}/changes", people[0]),
        format!("/api/v1/twins/{}/changes", people[1]),
    );
    let (mut one, start) = Stream::ready(&served, &format!("{path}?forecast=true"), "").await;
    let (mut two, _) = Stream::ready(&served, &other, "").await;
    let (mut all, _) = Stream::ready(&served, "/api/v1/changes", "").await;
    record(&served, &people[0], 47.75).await;
    let told = one.message().await;
    assert_ne!(told.id, start);
    let count =
        served.get(&format!("/api/v1/twins/{}", people[0])).await.json()["event_count"].clone();
    assert_eq!(told.data["event_count"], count);
    let forecast = served.get(&format!("/api/v1/twins/{}/forecast", people[0])).await.json();
    assert_eq!(told.data["forecast"], forecast);
    let change = |subject: &str, time: &str, count: &Value| {
        json!({
            "subject": subject, "event_count": count,
            "events": [{"code": "HR", "time": time}],
        })
    };
    let first = all.message().await;
    assert_eq!(first.data, change(&people[0], "2000-01-02T23:45:00Z", &count));
    record(&served, &people[1], 47.8).await;
    let second = all.message().await;
    assert_eq!(second.data["subject"], people[1].as_str());
    // Of the other one, nothing but what is about it, and no value anywhere.
    let only = two.message().await;
    assert_eq!(only.data, second.data);
    for message in [&first, &second, &only] {
        assert!(!message.data.to_string().contains("71.25"), "{message:?}");
    }
    let ledger = keep.ledger();
    let told = |line: &&twinkeep_app::LedgerLine| line.action == "changes.told";
    assert_eq!(ledger.iter().filter(told).count(), 4);
    // What is told of one person is recorded as about them, whoever is followed.
    assert!(ledger.iter().filter(told).all(|line| line.subject.is_some()));
    let opened = ledger.iter().filter(|line| line.action == "changes.followed");
    assert_eq!(opened.filter(|line| line.subject.is_some()).count(), 2);
}

#[tokio::test]
async fn who_was_cut_off_goes_on_where_the_last_message_ended_also_after_a_restart() {
    let keep = TestKeep::empty();
    let mut served = Served::open(&keep, settings());
    let (mut stream, start) = Stream::ready(&served, "/api/v1/changes", "").await;
    let mut seen = Vec::new();
    for hours in 0..5_u8 {
        record(&served, "n-1", f64::from(hours)).await;
        let message = stream.message().await;
        assert_eq!(message.event, "change");
        seen.push(message);
    }
    drop(stream);
    for hours in 5..9_u8 {
        record(&served, "n-2", f64::from(hours)).await;
    }
    let key = served.key.clone();
    served.close();
    let mut served = Served::open(&keep, settings());
    served.key = key;
    // The header says more than the address, as in a browser that connects again.
    let path = format!("/api/v1/changes?after={start}");
    let line = format!("Last-Event-ID: {}\r\n", seen[2].id);
    let (mut stream, ready) = Stream::ready(&served, &path, &line).await;
    assert_eq!(ready, seen[2].id);
    // Events of one twin that wait come together: the times tell that none is missing or double.
    let mut times = Vec::new();
    while times.len() < 6 {
        let message = stream.message().await;
        let events = message.data["events"].as_array().unwrap().clone();
        times.extend(events.iter().map(|event| event["time"].as_str().unwrap().to_owned()));
    }
    let expected: Vec<String> = (3..9).map(|hour| format!("2000-01-01T0{hour}:00:00Z")).collect();
    assert_eq!(times, expected);
    let (mut stream, _) = Stream::ready(&served, &path, "").await;
    let first = stream.message().await;
    assert_eq!(first.data["events"].as_array().unwrap().len(), 5, "{first:?}");
    record(&served, "n-3", 1.0).await;
    let (rest, new) = (stream.message().await, stream.message().await);
    assert_eq!(rest.data["events"].as_array().unwrap().len(), 4, "{rest:?}");
    assert_eq!(new.data["events"].as_array().unwrap().len(), 1, "{new:?}");
}

#[tokio::test]
async fn what_is_not_kept_any_more_is_said_to_be_gone_and_the_stream_goes_on() {
    let keep = TestKeep::empty();
    let served = Served::open(&keep, settings());
    let (mut follower, start) = Stream::ready(&served, "/api/v1/changes", "").await;
    record(&served, "n-1", 1.0).await;
    let last = follower.message().await;
    compact_store(&keep.app, &Caller::operator(), &mut |_| ()).unwrap();
    let line = format!("Last-Event-ID: {start}\r\n");
    let (mut late, _) = Stream::ready(&served, "/api/v1/changes", &line).await;
    let gone = late.message().await;
    assert_eq!((gone.event.as_str(), &gone.id), ("gone", &last.id));
    assert!(gone.data["message"].as_str().unwrap().contains("read the twins again"));
    record(&served, "n-1", 2.0).await;
    // Who had seen everything misses nothing, and hears nothing of the move into files.
    let (of_late, of_follower) = (late.message().await, follower.message().await);
    assert_eq!(of_late, of_follower);
    assert_eq!(of_late.data["event_count"], 2);
    for id in ["x", "1", "1-1-1", "99999999999999999999-0", "-1-0"] {
        let lines = format!("X-Api-Key: {}\r\nLast-Event-ID: {id}\r\n", served.key);
        let answer = served.send("GET", "/api/v1/changes", &lines, "").await;
        assert_eq!((answer.status, answer.code().as_str()), (422, "change-id"), "{id}");
    }
    let future = Stream::ready(&served, "/api/v1/changes?after=999-0", "").await.0.message().await;
    assert_eq!(future.event, "gone");
}

#[tokio::test]
async fn a_stream_ends_when_its_key_is_revoked_and_every_end_is_in_the_ledger() {
    let keep = TestKeep::empty();
    let mut served = Served::open(&keep, settings());
    let key = new_key(&keep, &[Scope::ReadTwins]);
    let mut revoked = Stream::open(&served, &key, "/api/v1/changes", "").await;
    assert_eq!(revoked.message().await.event, "ready");
    let (mut other, _) = Stream::ready(&served, "/api/v1/changes", "").await;
    let id = keep.app.authenticate(&key).unwrap().id;
    let id = id.strip_prefix("key:").unwrap();
    // By another process, as the command line does it.
    twinkeep_app::revoke_api_key(&keep.reopen(), &Caller::operator(), id).unwrap();
    let end = revoked.message().await;
    assert_eq!((end.event.as_str(), &end.data["reason"]), ("end", &json!("key-revoked")));
    closed_because(&keep, "key-revoked").await;
    record(&served, "n-1", 1.0).await;
    assert_eq!(other.message().await.event, "change");
    // Nobody without the scope follows.
    let blind = new_key(&keep, &[Scope::Predict]);
    let lines = format!("X-Api-Key: {blind}\r\n");
    let answer = served.send("GET", "/api/v1/changes", &lines, "").await;
    assert_eq!((answer.status, answer.code().as_str()), (403, "scope-missing"));
    let unknown = served.get("/api/v1/twins/n-9/changes").await;
    assert_eq!((unknown.status, unknown.code().as_str()), (404, "subject-unknown"));
    drop(revoked);
    let (left, _) = Stream::ready(&served, "/api/v1/twins/n-1/changes", "").await;
    drop(left);
    closed_because(&keep, "client-left").await;
    served.close();
    let rest = read_to_close(&mut other.connection).await;
    assert!((other.text + &rest).contains("{\"reason\":\"gate-closed\"}"));
    let ledger = keep.ledger();
    let count = |action: &str| ledger.iter().filter(|line| line.action == action).count();
    let refused =
        ledger.iter().filter(|line| line.action == "changes.followed" && line.outcome != "success");
    assert_eq!(count("changes.followed") - refused.count(), count("changes.closed"));
    assert_eq!(closed(&keep).len(), 3);
}

#[tokio::test]
async fn a_stream_about_a_person_ends_when_they_are_erased() {
    let keep = TestKeep::empty();
    let served = Served::open(&keep, settings());
    record(&served, "n-1", 1.0).await;
    let (mut stream, _) = Stream::ready(&served, "/api/v1/twins/n-1/changes", "").await;
    let (mut all, start) = Stream::ready(&served, "/api/v1/changes", "").await;
    let subject = "local/n-1";
    let request = EraseRequest { subject, confirm: subject, reason: "asked to" };
    erase_subject(&keep.reopen(), &Caller::operator(), request).unwrap();
    let end = stream.message().await;
    assert_eq!((end.event.as_str(), &end.data["reason"]), ("end", &json!("subject-erased")));
    closed_because(&keep, "subject-erased").await;
    // Who follows all goes on, and nobody is told of the person any more.
    record(&served, "n-2", 1.0).await;
    assert_eq!(all.message().await.event, "change");
    let path = format!("/api/v1/changes?after={start}");
    let (mut late, _) = Stream::ready(&served, &path, "").await;
    assert_eq!(late.message().await.data["event_count"], 1);
    let gone = served.get("/api/v1/twins/n-1/changes").await;
    assert_eq!((gone.status, gone.code().as_str()), (404, "subject-unknown"));
}

#[tokio::test]
async fn a_stream_outlives_the_time_of_a_request_and_gives_signs_of_life() {
    let keep = TestKeep::empty();
    let settings = GateSettings {
        // Long enough for the entries of a slow disk, and shorter than the signs of life take.
        request_time: Duration::from_secs(8),
        idle_time: Duration::from_secs(8),
        heartbeat: Duration::from_millis(900),
        ..settings()
    };
    let served = Served::open(&keep, settings);
    let (mut stream, _) = Stream::ready(&served, "/api/v1/changes", "").await;
    for _ in 0..12 {
        stream.read_until(": here\n\n").await;
    }
    record(&served, "n-1", 1.0).await;
    assert_eq!(stream.message().await.event, "change");
}

#[tokio::test]
async fn a_key_follows_in_a_few_places_and_a_place_is_given_back() {
    let keep = TestKeep::empty();
    let served = Served::open(&keep, settings());
    let mut streams = Vec::new();
    for _ in 0..16 {
        streams.push(Stream::ready(&served, "/api/v1/changes", "").await);
    }
    let answer = served.get("/api/v1/changes").await;
    assert_eq!((answer.status, answer.code().as_str()), (429, "stream-count"));
    // Somebody else is not affected, and neither is anything else of this one.
    let other = new_key(&keep, &Scope::WITHOUT_CERTIFICATE);
    assert_eq!(
        Stream::open(&served, &other, "/api/v1/changes", "").await.message().await.event,
        "ready"
    );
    assert_eq!(served.get("/api/v1/twins").await.status, 200);
    drop(streams.pop());
    closed_because(&keep, "client-left").await;
    let again = async {
        while served.get("/api/v1/twins/x/changes").await.status != 404 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, again).await.expect("the place is given back");
}

#[tokio::test]
async fn who_does_not_read_is_let_go_and_goes_on_from_there() {
    let keep = TestKeep::empty();
    let settings = GateSettings {
        heartbeat: Duration::from_millis(1),
        request_arrival_time: Duration::from_millis(50),
        ..settings()
    };
    let gate = Arc::new(Gate::new(Arc::clone(&keep.app), settings));
    let key = new_key(&keep, &Scope::WITHOUT_CERTIFICATE);
    let caller = keep.app.authenticate(&key).unwrap();
    let watching = tokio::spawn(streams::watch(Arc::clone(&gate)));
    let follower = follow_changes(&keep.app, &caller, &FollowRequest::default()).unwrap();
    let id = follower.id();
    let place = Streams::admit(&gate, &caller.id).map_err(|refusal| refusal.code).unwrap();
    let body = streams::start(place, follower);
    closed_because(&keep, "client-slow").await;
    // What waits in memory is little, and ends.
    let waiting = body.collect().await.unwrap().to_bytes();
    assert!(waiting.len() < 200, "{}", waiting.len());
    assert!(waiting.starts_with(format!("retry: 2000\n\nid: {id}\nevent: ready").as_bytes()));
    watching.abort();
}

#[tokio::test]
async fn streams_share_a_connection_over_http_2_with_other_requests() {
    let keep = TestKeep::empty();
    let served = Served::open(&keep, settings());
    let stream = served.client.connect("h2").await;
    let io = TokioIo::new(stream);
    let (mut sender, connection) = handshake::<_, _, Body>(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    let get = |path: &str| {
        Request::get(format!("https://localhost{path}"))
            .header("x-api-key", &served.key)
            .body(Body::empty())
            .unwrap()
    };
    let mut bodies = Vec::new();
    for _ in 0..3 {
        let response = sender.send_request(get("/api/v1/changes")).await.unwrap();
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        bodies.push(response.into_body());
    }
    let response = sender.send_request(get("/api/v1/twins")).await.unwrap();
    assert_eq!(response.status(), 200);
    record(&served, "n-1", 1.0).await;
    for body in &mut bodies {
        let mut text = String::new();
        while !text.contains("event: change") {
            let frame = tokio::time::timeout(PATIENCE, body.frame()).await.expect("it comes");
            let data = frame.unwrap().unwrap().into_data().unwrap();
            text.push_str(std::str::from_utf8(&data).unwrap());
        }
    }
}
