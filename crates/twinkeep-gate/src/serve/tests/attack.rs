//! What an attacker tries beyond the edge.

use std::time::Duration;

use tokio::io::AsyncWriteExt as _;

use super::{Answer, Served, TestKeep, api, settings};
use crate::GateSettings;
use crate::testing::read_to_close;

/// Soon over, and longer than the handshake takes on a busy machine, which has the same time.
const ARRIVAL: Duration = Duration::from_secs(4);

/// Every answer, good or bad, has these.
const EXPECTED: &[(&str, &str)] = &[
    ("x-frame-options", "DENY"),
    ("x-content-type-options", "nosniff"),
    ("strict-transport-security", "max-age=63072000"),
    ("referrer-policy", "no-referrer"),
    ("cache-control", "no-store"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
];

#[tokio::test]
async fn every_answer_has_the_security_headers_and_no_banner() {
    let served = Served::open(TestKeep::shared(), settings());
    let raw =
        |text: &'static str| async { Answer::parse(&served.client.raw(text.as_bytes()).await) };
    let answers = [
        served.get("/api/v1/twins?limit=1").await,
        served.send("GET", "/", "", "").await,
        served.send("GET", "/style.css", "", "").await,
        served.send("GET", "/api/v1/twins", "", "").await,
        served.send("GET", "/nothing", "", "").await,
        served.send("PUT", "/healthz", "", "").await,
        raw("GET / HTTP/1.1\nHost: a\n\n").await,
        raw("GET / HTTP/1.0\r\nHost: a\r\n\r\n").await,
        raw("nonsense\r\n\r\n").await,
    ];
    for answer in answers {
        for (name, value) in EXPECTED {
            assert_eq!(answer.header(name), Some(*value), "{answer:?}");
        }
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; "), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.header("server"), None);
        assert_eq!(answer.header("x-powered-by"), None);
    }
}

#[tokio::test]
async fn refusals_of_the_edge_name_their_code_and_close() {
    let served = Served::open(TestKeep::shared(), settings());
    let cases = [
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "http-host"),
        ("GET / HTTP/1.0\r\nHost: a\r\n\r\n", 505, "http-version"),
        ("GET / HTTP/1.1\r\nHost: a\r\nExpect: x\r\n\r\n", 417, "http-expectation"),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
            501,
            "http-transfer-coding",
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            400,
            "http-length",
        ),
    ];
    for (text, status, code) in cases {
        let answer = Answer::parse(&served.client.raw(text.as_bytes()).await);
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{text}");
        assert_eq!(answer.header("connection"), Some("close"));
    }
    let long = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(20_000));
    let answer = Answer::parse(&served.client.raw(long.as_bytes()).await);
    assert_eq!((answer.status, answer.code().as_str()), (431, "http-head-size"));
}

#[tokio::test]
async fn bodies_that_are_too_large_too_slow_or_broken_are_refused() {
    let limits = GateSettings { body_size_max: 2000, ..settings() };
    let served = Served::open(TestKeep::shared(), limits);
    let send = async |served: &Served, rest: &str| {
        let key = &served.key;
        let text = format!(
            "POST /predict HTTP/1.1\r\nHost: a\r\nX-Api-Key: {key}\r\n\
             Content-Type: application/json\r\n{rest}"
        );
        Answer::parse(&served.client.raw(text.as_bytes()).await)
    };
    let announced = send(&served, "Content-Length: 2001\r\n\r\n").await;
    assert_eq!((announced.status, announced.code().as_str()), (413, "body-size"));
    let chunk = format!("400\r\n{}\r\n", " ".repeat(1024)).repeat(3);
    // Where all of it had come before it was refused, the connection may be kept.
    let head = "Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
    let streamed = format!("{head}{chunk}0\r\n\r\n");
    let streamed = send(&served, &streamed).await;
    assert_eq!((streamed.status, streamed.code().as_str()), (413, "body-size"));
    let broken = send(&served, "Transfer-Encoding: chunked\r\n\r\nz\r\n").await;
    assert_eq!((broken.status, broken.code().as_str()), (400, "body-broken"));
    let hasty = GateSettings { request_arrival_time: ARRIVAL, ..settings() };
    let served = Served::open(TestKeep::shared(), hasty);
    let slow = send(&served, "Content-Length: 9\r\n\r\n{").await;
    assert_eq!((slow.status, slow.code().as_str()), (408, "body-slow"));
}

#[tokio::test]
async fn a_body_that_drips_is_refused_on_time() {
    let limits = GateSettings { request_arrival_time: ARRIVAL, ..settings() };
    let served = Served::open(TestKeep::shared(), limits);
    let (mut reader, mut writer) = tokio::io::split(served.client.connect("http/1.1").await);
    let head = format!(
        "POST /predict HTTP/1.1\r\nHost: a\r\nX-Api-Key: {}\r\nContent-Type: application/json\r\n\
         Content-Length: 1000\r\n\r\n",
        served.key
    );
    writer.write_all(head.as_bytes()).await.unwrap();
    writer.flush().await.unwrap();
    let drip = tokio::spawn(async move {
        while writer.write_all(b" ").await.is_ok() && writer.flush().await.is_ok() {
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
    });
    let answer = Answer::parse(&read_to_close(&mut reader).await);
    drip.abort();
    assert_eq!((answer.status, answer.code().as_str()), (408, "body-slow"));
}

#[tokio::test]
async fn hostile_json_never_is_a_server_error() {
    let served = Served::open(TestKeep::shared(), settings());
    let mut bodies = vec![
        "[".repeat(500_000),
        "{\"events\":".repeat(50_000),
        format!("{{\"events\":[{}]}}", vec!["{}"; 100_000].join(",")),
        format!(r#"{{"events":[{{"time":0,"code":"{}","value":1}}]}}"#, "x".repeat(500_000)),
        format!(r#"{{"events":[{{"time":0,"code":"HR","value":{}}}]}}"#, "9".repeat(100_000)),
        r#"{"events":[{"time":0,"code":"HR\u0000","value":80}]}"#.to_owned(),
        r#"{"events":[{"time":0,"code":"\ud800","value":80}]}"#.to_owned(),
        r#"{"events":[{"time":-87600,"code":"HR","value":80},{"time":87600,"code":"HR","value":80}]}"#.to_owned(),
        r#"{"events":[{"time":"9999-12-31T23:59:59Z","code":"HR","value":80}],"prediction_time":"-009999-01-01T00:00:00Z"}"#.to_owned(),
        "\u{0}".repeat(1000),
    ];
    let good = api::history(24).to_string();
    for at in (0..good.len()).step_by(7) {
        bodies.push(good[..at].to_owned());
    }
    for body in bodies {
        let answer = served.predict(&body).await;
        let shown = &body[..body.len().min(80)];
        assert!(matches!(answer.status, 200 | 400 | 413 | 422), "{shown}: {answer:?}");
    }
    assert_eq!(served.predict(&good).await.status, 200);
}

#[tokio::test]
async fn who_shows_wrong_keys_is_not_heard_and_a_neighbor_is() {
    let served = Served::open(TestKeep::shared(), settings());
    let ask = async |key: &str| {
        let lines = format!("X-Api-Key: {key}\r\n");
        served.send("GET", "/api/v1/twins?limit=1", &lines, "").await
    };
    let stranger = super::new_key(TestKeep::shared(), &twinkeep_app::Scope::WITHOUT_CERTIFICATE);
    assert_eq!(ask(&served.key).await.status, 200);
    for _ in 1..crate::lockout::FAILURE_COUNT_MAX {
        assert_eq!(ask("tk_no").await.code(), "unauthenticated");
    }
    // A guess that is right looks like one that is wrong.
    for key in ["tk_no", "a.b.c", &stranger] {
        let answer = ask(key).await;
        assert_eq!((answer.status, answer.code().as_str()), (429, "locked-out"), "{answer:?}");
        let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=60).contains(&wait), "{answer:?}");
    }
    assert_eq!(ask(&served.key).await.status, 200);
    // Without a credential nothing is guessed.
    assert_eq!(served.send("GET", "/api/v1/twins", "", "").await.status, 401);
    assert_eq!(served.send("GET", "/healthz", "", "").await.status, 200);
}
