//! Nothing is answered, and nobody refused, without a trace.

use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt as _;

use super::{Served, TestKeep, api, settings};
use crate::testing::{PATIENCE, all_at_once, read_to_close};
use crate::{GateSettings, Rate};

#[tokio::test]
async fn every_answer_and_every_refusal_is_in_the_ledger_without_values() {
    let keep = TestKeep::empty();
    let mut served = Served::open(&keep, settings());
    let before = keep.ledger().len();
    assert_eq!(served.get("/api/v1/twins").await.status, 200);
    assert_eq!(served.predict(&api::history(24).to_string()).await.status, 503);
    let unknown = served.send("GET", "/api/v1/twins/SECRET", "", "").await;
    let missing = served.get("/nothing/SECRET").await;
    let shape = served.predict(r#"{"events":"SECRET"}"#).await;
    let bare = served.client.raw(b"GET /SECRET HTTP/1.1\nHost: a\n\n").await;
    assert!(bare.starts_with("HTTP/1.1 400"), "{bare}");
    let lines = keep.ledger().split_off(before);
    let actions: Vec<&str> = lines.iter().map(|line| line.action.as_str()).collect();
    let refused = "request.refused";
    assert_eq!(actions, ["twins.listed", "predict", refused, refused, refused, refused]);
    let outcomes: Vec<&str> = lines.iter().map(|line| line.outcome.as_str()).collect();
    let codes =
        ["success", "model-none", "unauthenticated", "not-found", "json-shape", "http-line-end"];
    assert_eq!(outcomes, codes);
    assert_eq!(lines[2].details["route"], "/api/v1/twins/{id}");
    assert_eq!(lines[2].actor, "anonymous");
    assert!(lines[4].actor.starts_with("key:"));
    for answer in [unknown, missing, shape] {
        let id = answer.json()["request_id"].as_str().unwrap().to_owned();
        assert_eq!(keep.entries_about(&id).len(), 1);
    }
    let everything = serde_json::to_string(&lines).unwrap();
    assert!(!everything.contains("SECRET") && !everything.contains("127.0.0.1"), "{everything}");
    served.close();
    keep.verify_ledger();
}

#[tokio::test]
async fn a_flood_of_refusals_is_counted_and_does_not_fill_the_ledger() {
    let keep = TestKeep::empty();
    let address_rate = Rate { per_second: 1, burst: 2 };
    let mut served = Served::open(&keep, GateSettings { address_rate, ..settings() });
    let before = keep.ledger().len();
    let request = "GET /api/v1/twins HTTP/1.1\r\nHost: a\r\n\r\n".repeat(29);
    let close = "GET /api/v1/twins HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let all = request + close;
    // Several at once: the allowance must not fill up again while one entry is written.
    let text = all_at_once((0..10).map(|_| served.client.raw(all.as_bytes()))).await.concat();
    let refused = text.matches("HTTP/1.1 429").count();
    assert!(250 < refused, "{refused}");
    // One more that never became a request.
    let mut nonsense = served.client.connect_tcp().await;
    nonsense.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    nonsense.flush().await.unwrap();
    read_to_close(&mut nonsense).await;
    served.close();
    let lines = keep.ledger().split_off(before);
    assert!(lines.len() < 50, "{} entries for 300 requests", lines.len());
    let counted = lines.last().unwrap();
    assert_eq!(counted.action, "gate.counted");
    let single = lines.iter().filter(|line| line.outcome == "rate-limited").count();
    assert_eq!(single, 1);
    assert_eq!(counted.details["rate-limited"], refused - single);
    assert_eq!(counted.details["tls-failed"], 1);
}

#[tokio::test]
async fn counts_are_recorded_once_per_interval() {
    let keep = TestKeep::empty();
    let report_interval = Duration::from_millis(300);
    let served = Served::open(&keep, GateSettings { report_interval, ..settings() });
    let before = keep.ledger().len();
    for _ in 0..5 {
        served.send("GET", "/healthz", "", "").await;
    }
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let lines = keep.ledger().split_off(before);
        let counted = |line: &twinkeep_app::LedgerLine| {
            line.details.get("assets-answered").and_then(serde_json::Value::as_u64).unwrap_or(0)
        };
        if lines.iter().map(counted).sum::<u64>() == 5 {
            assert!(lines.iter().all(|line| line.action == "gate.counted"));
            return;
        }
    }
    panic!("the counts never came");
}

#[tokio::test]
async fn what_cannot_be_recorded_is_not_answered() {
    let keep = TestKeep::empty();
    let served = Served::open(&keep, settings());
    assert_eq!(served.get("/api/v1/twins").await.status, 200);
    std::fs::rename(keep.root.join("ledger"), keep.root.join("elsewhere")).unwrap();
    for answer in [
        served.get("/api/v1/twins").await,
        served.predict(&api::history(24).to_string()).await,
        served.predict("{").await,
        served.send("GET", "/api/v1/twins", "", "").await,
    ] {
        assert_eq!((answer.status, answer.code().as_str()), (503, "ledger-write"), "{answer:?}");
    }
}

/// The system itself says that there is no room: what replaces the checkpoint is a full device.
#[tokio::test]
async fn a_full_disk_answers_nobody_and_serving_goes_on_once_there_is_room() {
    let keep = TestKeep::empty();
    let mut served = Served::open(&keep, settings());
    assert_eq!(served.get("/api/v1/twins").await.status, 200);
    let full = keep.root.join("ledger/checkpoint.part");
    std::os::unix::fs::symlink("/dev/full", &full).unwrap();
    for answer in [
        served.get("/api/v1/twins").await,
        served.get("/api/v1/twins").await,
        served.predict("{").await,
    ] {
        assert_eq!((answer.status, answer.code().as_str()), (503, "ledger-write"), "{answer:?}");
    }
    std::fs::remove_file(&full).unwrap();
    assert_eq!(served.get("/api/v1/twins").await.status, 200);
    served.close();
    keep.verify_ledger();
}
