//! Feeds that are held, and the rights of a person, over the wire.

use serde_json::{Value, json};
use twinkeep_app::{Caller, Dates, IngestRequest, Scope};

use super::keep::write_feed;
use super::{Answer, Served, TestKeep, new_key, settings};

async fn send(served: &Served, key: &str, method: &str, path: &str, body: &Value) -> Answer {
    let body = body.to_string();
    let lines = format!(
        "X-Api-Key: {key}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n",
        body.len()
    );
    served.send(method, path, &lines, &body).await
}

/// Ingests three people's stays, and holds them.
fn hold(keep: &TestKeep, name: &str, stays: std::ops::Range<u32>) -> String {
    let feed = keep.root.parent().unwrap().join(name);
    write_feed(&feed, stays);
    let request = IngestRequest {
        feed: &feed,
        allow_gap: false,
        site: None,
        dates: Dates::Real,
        mapping: None,
        hold: true,
        deidentify: None,
    };
    let caller = Caller::operator();
    twinkeep_app::ingest_feed(&keep.app, &caller, request, &mut |_| ()).unwrap();
    twinkeep_app::list_feeds(&keep.app, &caller).unwrap().last().unwrap().id.clone()
}

#[tokio::test]
async fn a_held_feed_is_looked_at_and_decided_about_with_a_reason() {
    let keep = TestKeep::empty();
    let served = Served::open(&keep, settings());
    let (first, second) = (hold(&keep, "first", 0..3), hold(&keep, "second", 3..6));
    let list = served.get("/api/v1/feeds").await.json();
    let states: Vec<&Value> =
        list["feeds"].as_array().unwrap().iter().map(|feed| &feed["state"]).collect();
    assert_eq!(states, ["held", "held"]);
    let shown = served.get(&format!("/api/v1/feeds/{first}")).await.json();
    assert_eq!((&shown["feed"], &shown["subjects"]), (&json!(first), &json!(3)));
    let path = format!("/api/v1/feeds/{first}/release");
    let reason = json!({"reason": "checked with the ward"});
    // A reason is asked for, and the right to decide.
    for body in [json!({}), json!({"reason": ""}), json!({"reason": "x", "more": 1})] {
        assert_eq!(send(&served, &served.key, "POST", &path, &body).await.status, 422, "{body}");
    }
    let reader = new_key(&keep, &[Scope::ReadFeeds, Scope::ReadTwins, Scope::WriteFeeds]);
    let refused = send(&served, &reader, "POST", &path, &reason).await;
    assert_eq!((refused.status, refused.code().as_str()), (403, "scope-missing"));
    assert_eq!(served.get("/api/v1/twins").await.json()["twins"], json!([]));
    let released = send(&served, &served.key, "POST", &path, &reason).await;
    assert_eq!((released.status, &released.json()["state"]), (200, &json!("admitted")));
    assert_eq!(served.get("/api/v1/twins").await.json()["twins"].as_array().unwrap().len(), 3);
    let again = send(&served, &served.key, "POST", &path, &reason).await;
    assert_eq!((again.status, again.code().as_str()), (409, "store-refused"));
    let path = format!("/api/v1/feeds/{second}/reject");
    let rejected = send(&served, &served.key, "POST", &path, &reason).await;
    assert_eq!((rejected.status, &rejected.json()["state"]), (200, &json!("rejected")));
    for path in ["/api/v1/feeds/feed-9", "/api/v1/feeds/x"] {
        let unknown = served.get(path).await;
        assert_eq!((unknown.status, unknown.code().as_str()), (404, "feed-unknown"), "{path}");
    }
    let actions: Vec<String> = keep.ledger().into_iter().map(|line| line.action).collect();
    for action in ["feeds.listed", "feed.shown", "feed.releasing", "feed.released", "feed.rejected"]
    {
        assert!(actions.iter().any(|found| found == action), "{action}");
    }
    // What was said is with the feed, and not in the ledger.
    let text = keep.ledger().iter().map(|line| format!("{line:?}")).collect::<String>();
    assert!(!text.contains("checked with the ward"));
    let list = served.get("/api/v1/feeds").await.json();
    assert_eq!(list["feeds"][0]["decision"], "checked with the ward");
}

#[tokio::test]
async fn a_person_gets_everything_is_erased_with_proof_and_is_gone() {
    let keep = TestKeep::filled();
    let served = Served::open(&keep, settings());
    let list = served.get("/api/v1/twins?limit=2").await.json();
    let name = |at: usize| list["twins"][at]["subject"].as_str().unwrap().to_owned();
    let (subject, other) = (name(0), name(1));
    let path = format!("/api/v1/subjects/{subject}");
    let document = served.get(&format!("{path}/export")).await;
    assert_eq!(document.status, 200, "{document:?}");
    let document = document.json();
    let count = served.get(&format!("/api/v1/twins/{subject}")).await.json()["event_count"].clone();
    assert_eq!(document["events"].as_array().unwrap().len() as u64, count.as_u64().unwrap());
    assert_eq!(document["person"]["subject"], subject.as_str());
    assert!(document["person"]["identifier"].as_str().unwrap().starts_with("10"));
    let unknown = served.get("/api/v1/subjects/sub-0000000000000001/export").await;
    assert_eq!((unknown.status, unknown.code().as_str()), (404, "subject-unknown"));

    let body = json!({"confirm": subject, "reason": "asked in writing"});
    let reader = new_key(&keep, &[Scope::ReadTwins, Scope::DecideFeeds]);
    for (method, path) in [("GET", format!("{path}/export")), ("DELETE", path.clone())] {
        let refused = send(&served, &reader, method, &path, &body).await;
        assert_eq!((refused.status, refused.code().as_str()), (403, "scope-missing"), "{method}");
    }
    let wrong = json!({"confirm": other, "reason": "asked in writing"});
    let wrong = send(&served, &served.key, "DELETE", &path, &wrong).await;
    assert_eq!((wrong.status, wrong.code().as_str()), (422, "erase-confirm"));
    assert_eq!(served.get(&format!("/api/v1/twins/{subject}")).await.status, 200);

    let erased = send(&served, &served.key, "DELETE", &path, &body).await;
    assert_eq!(erased.status, 200, "{erased:?}");
    let erased = erased.json();
    assert_eq!(erased["report"]["events"], count);
    assert_eq!(served.get(&format!("/api/v1/twins/{subject}")).await.status, 404);
    assert_eq!(served.get(&format!("/api/v1/twins/{other}")).await.status, 200);
    // The proof holds with nothing but the keep's public key.
    let proof = keep.root.parent().unwrap().join("proof.json");
    std::io::Write::write_all(
        &mut std::fs::File::create(&proof).unwrap(),
        erased["proof"].to_string().as_bytes(),
    )
    .unwrap();
    let proven = twinkeep_app::verify_erasure(&keep.root, &proof).unwrap();
    assert_eq!(erased["report"]["reference"], proven.subject_reference.as_str());
    // Asked once more, the statement comes again and nothing is erased twice.
    let again = send(&served, &served.key, "DELETE", &path, &body).await;
    assert_eq!(
        (again.status, &again.json()["report"]["reference"]),
        (200, &erased["report"]["reference"])
    );
    let entries = keep.ledger();
    let text = entries.iter().map(|line| format!("{line:?}")).collect::<String>();
    assert!(!text.contains(&subject) && !text.contains("asked in writing"));
}
