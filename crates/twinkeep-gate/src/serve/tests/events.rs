//! Live events over the wire: durable when answered, known to the twin, once, and nobody else's.

use serde_json::{Value, json};
use twinkeep_app::{Caller, NewApiKeyRequest, Scope};

use super::{Answer, Served, TestKeep, new_key, settings};
use crate::testing::all_at_once;

/// Sends events, with extra header lines.
async fn post(served: &Served, key: &str, lines: &str, body: &Value) -> Answer {
    let body = body.to_string();
    let lines = format!(
        "X-Api-Key: {key}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{lines}",
        body.len()
    );
    served.send("POST", "/api/v1/events", &lines, &body).await
}

fn event(subject: &str, hours: f64, value: f64) -> Value {
    json!({"subject": subject, "time": hours, "code": "HR", "value": value})
}

#[tokio::test]
async fn an_event_changes_the_twin_and_its_forecast_at_once() {
    let keep = TestKeep::filled();
    let served = Served::open(&keep, settings());
    let list = served.get("/api/v1/twins?limit=1").await.json();
    let subject = list["twins"][0]["subject"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/twins/{subject}/forecast");
    let before = (served.get(&path).await.json(), list["twins"][0]["event_count"].as_u64());
    let events = [event(&subject, 47.75, 180.0), event(&subject, 47.8, 9999.0)];
    let answer = post(&served, &served.key, "", &json!({ "events": events })).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(
        answer.json(),
        json!({
            "received": 2, "accepted": 1, "missing": 0, "quarantined": 1,
            "refused": [{"index": 1, "reason": "implausible-value", "field": "value"}],
        })
    );
    let twin = served.get(&format!("/api/v1/twins/{subject}")).await.json();
    assert_eq!(twin["event_count"].as_u64(), before.1.map(|count| count + 1));
    let rate = twin["variables"].as_array().unwrap().iter().find(|it| it["code"] == "HR").unwrap();
    assert_eq!(rate["last"], 180.0);
    assert_ne!(served.get(&path).await.json(), before.0);
    let entries = keep.ledger();
    let entry = entries.iter().rev().find(|line| line.action == "events.received").unwrap();
    assert_eq!(entry.details["accepted"], 1);
    // Somebody new is a twin at once.
    let new = post(&served, &served.key, "", &json!({"events": [event("n-1", 1.0, 80.0)]})).await;
    assert_eq!(new.json()["accepted"], 1);
    assert_eq!(served.get("/api/v1/twins/n-1").await.status, 200);
}

#[tokio::test]
async fn a_request_that_is_repeated_is_answered_again_and_stores_nothing() {
    let keep = TestKeep::empty();
    let served = Served::open(&keep, settings());
    let line = "Idempotency-Key: 8e03978e-40d5-43e8-bc93-6894a57f9324\r\n";
    let body = json!({"events": [event("n-1", 1.0, 80.0)]});
    let first = post(&served, &served.key, line, &body).await;
    assert_eq!(first.json()["accepted"], 1);
    let again = post(&served, &served.key, line, &body).await;
    assert_eq!((again.status, again.json()), (200, first.json()));
    let other = json!({"events": [event("n-1", 2.0, 80.0)]});
    let other = post(&served, &served.key, line, &other).await;
    assert_eq!((other.status, other.code().as_str()), (422, "idempotency-key-reused"));
    // Without the name, the same event is there already.
    let bare = post(&served, &served.key, "", &body).await.json();
    assert_eq!(bare["refused"], json!([{"index": 0, "reason": "duplicate"}]));
    // Another caller's names are its own.
    let key = new_key(&keep, &[Scope::WriteEvents]);
    let theirs = post(&served, &key, line, &json!({"events": [event("n-1", 3.0, 80.0)]})).await;
    assert_eq!(theirs.json()["accepted"], 1);
}

#[tokio::test]
async fn a_key_writes_for_its_own_site_and_scope_only() {
    let keep = TestKeep::empty();
    let served = Served::open(&keep, settings());
    let caller = Caller::operator();
    let scopes = [Scope::WriteEvents];
    let made = |site| {
        let report = {
            let request =
                NewApiKeyRequest { name: "ward", scopes: &scopes, roles: &[], days: 1, site };
            twinkeep_app::new_api_key(&keep.app, &caller, request)
        };
        report.unwrap().key.unwrap()
    };
    let (north, south) = (made(Some("north")), made(Some("south")));
    let body = json!({"events": [event("7", 1.0, 80.0)]});
    assert_eq!(post(&served, &north, "", &body).await.json()["accepted"], 1);
    // The same number at another site is another person, not a duplicate.
    assert_eq!(post(&served, &south, "", &body).await.json()["accepted"], 1);
    let foreign = json!({"site": "north", "events": [event("7", 2.0, 80.0)]});
    let refused = post(&served, &south, "", &foreign).await;
    assert_eq!((refused.status, refused.code().as_str()), (403, "site-foreign"));
    let twins = served.get("/api/v1/twins").await.json();
    let twins = twins["twins"].as_array().unwrap();
    assert_eq!(twins.len(), 2);
    for twin in twins {
        let subject = twin["subject"].as_str().unwrap();
        let body = json!({"events": [event(subject, 5.0, 80.0)]});
        let statuses = [&north, &south].map(|key| post(&served, key, "", &body));
        let [north, south] = statuses;
        let statuses = (north.await.status, south.await.status);
        assert!(matches!(statuses, (200, 404) | (404, 200)), "{statuses:?}");
    }
    let reader = new_key(&keep, &[Scope::ReadTwins]);
    let refused = post(&served, &reader, "", &body).await;
    assert_eq!((refused.status, refused.code().as_str()), (403, "scope-missing"));
}

#[tokio::test]
async fn hostile_bodies_store_nothing_and_repeat_nothing() {
    let keep = TestKeep::empty();
    let served = Served::open(&keep, settings());
    let marked = "zq-person-4711";
    let bodies = [
        (json!({"events": []}), 422),
        (json!({"events": [event("", 1.0, 80.0)]}), 200),
        (json!({"events": [{"subject": marked, "code": "HR", "value": 80}]}), 200),
        (json!({"events": [{"subject": marked, "code": marked, "time": 1, "value": 80}]}), 200),
        (
            json!({"events": [{"subject": marked, "code": "HR", "time": 1, "value": 80, "unit": marked}]}),
            200,
        ),
        (json!({"events": [{"subject": marked, "code": "HR", "time": 1}]}), 200),
        (json!({"events": [event(&"9".repeat(5000), 1.0, 80.0)]}), 200),
        (json!({"events": [event("a\u{0}b", 1.0, 80.0)]}), 200),
        (json!({"events": [event("sub-0000000000000001", 1.0, 80.0)]}), 404),
        (json!({"site": "../x", "events": [event(marked, 1.0, 80.0)]}), 403),
        (json!({"events": vec![event(marked, 1.0, 80.0); 101]}), 422),
    ];
    for (body, status) in bodies {
        let answer = post(&served, &served.key, "", &body).await;
        assert_eq!(answer.status, status, "{body} {answer:?}");
        assert!(!answer.body.contains(marked), "{answer:?}");
        assert!(status != 200 || answer.json()["accepted"] == 0, "{body} {answer:?}");
    }
    // Who was only said to have nothing recorded has no event.
    let twins = served.get("/api/v1/twins").await.json();
    assert!(twins["twins"].as_array().unwrap().iter().all(|twin| twin["event_count"] == 0));
    let reopened = keep.reopen();
    let rows = twinkeep_app::show_refused_events(&reopened, &Caller::operator(), true, 100);
    let rows = rows.unwrap();
    assert!(rows.iter().any(|row| row.raw.as_ref().unwrap().contains(marked)));
    let text = keep.ledger().iter().map(|line| format!("{line:?}")).collect::<String>();
    assert!(!text.contains(marked));
}

#[tokio::test]
async fn events_of_many_clients_at_once_are_all_there() {
    let keep = TestKeep::empty();
    let served = Served::open(&keep, settings());
    let posts = (0..64).map(|client| {
        let body =
            json!({"events": [event(&format!("n-{}", client % 8), f64::from(client), 80.0)]});
        let (served, key) = (&served, served.key.clone());
        async move { post(served, &key, "", &body).await.json()["accepted"] == 1 }
    });
    let done = all_at_once(posts).await;
    assert!(done.into_iter().all(|accepted| accepted));
    let twins = served.get("/api/v1/twins").await.json();
    let counts: Vec<_> = twins["twins"]
        .as_array()
        .unwrap()
        .iter()
        .map(|twin| twin["event_count"].as_u64())
        .collect();
    assert_eq!(counts, [Some(8); 8]);
}
