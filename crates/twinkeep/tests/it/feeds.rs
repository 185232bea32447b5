//! Feeds that overlap, feeds that are held, and rows that are screened again.

use serde_json::Value;

use crate::harness::{Place, write};

/// Writes a stay as PhysioNet has it: one reading of the heart rate an hour.
fn stay(place: &Place, file: &str, person: &str, rates: &[u32]) {
    let mut text = format!("Time,Parameter,Value\n00:00,RecordID,{person}\n00:00,Age,61\n");
    for (hour, rate) in rates.iter().enumerate() {
        text.push_str(&format!("{hour:02}:30,HR,{rate}\n"));
    }
    write(&place.path(file), text.as_bytes());
}

#[track_caller]
fn check_counts(report: &Value) {
    let count = |name: &str| report[name].as_u64().unwrap();
    assert_eq!(count("read"), count("accepted") + count("missing") + count("quarantined"));
}

fn actions(place: &Place) -> Vec<String> {
    let entries = place.run(&["ledger", "show", "--limit", "50"]).lines();
    entries.iter().map(|entry| entry["action"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn what_another_feed_brought_before_is_not_stored_again() {
    let place = Place::with_keep();
    stay(&place, "monday.txt", "7", &[80, 81, 82]);
    stay(&place, "tuesday.txt", "7", &[80, 81, 90, 91, 92]);
    place.run(&["ingest", "monday.txt"]).done();
    let report = place.run(&["ingest", "tuesday.txt"]).done();
    check_counts(&report);
    // Age and two rates were there; the rate of the third hour is another one.
    assert_eq!(report["reasons"]["duplicate"], 3);
    assert_eq!((&report["events"], &report["read"]), (&Value::from(3), &Value::from(7)));
    let refused = place.run(&["feed", "quarantine", "feed-2", "--reveal"]).done();
    let rows = refused["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 3);
    assert!(rows.iter().any(|row| row["raw"].as_str().unwrap().contains(",HR,81")));
    assert!(rows.iter().all(|row| row["file"] == "tuesday.txt" && row["row"] != 0));
    check_counts(&place.run(&["feed", "list"]).lines()[1]);
    assert_eq!(place.run(&["twin", "show", "7"]).done()["event_count"], 7);
}

#[test]
fn a_feed_that_is_held_is_not_used_until_it_is_released() {
    let place = Place::with_keep();
    stay(&place, "feed.txt", "7", &[80, 81, 82]);
    place.seal("feed.txt").done();
    let held = place.run(&["ingest", "feed.txt.sealed", "--hold"]).done();
    assert_eq!((&held["state"], &held["events"]), (&Value::from("held"), &Value::from(4)));
    assert!(place.run(&["twin", "list"]).done()["twins"].as_array().unwrap().is_empty());
    assert_eq!(place.run(&["twin", "show", "hospital/7"]).refused(), "subject-unknown");
    let line = place.run(&["feed", "list"]).lines().remove(0);
    assert_eq!(line["state"], "held");
    assert_eq!(line["held_because"].as_array().unwrap().len(), 1);
    assert!(place.show(&["feed", "list"]).stdout.contains("held"));

    let release = ["feed", "release", "feed-1", "--reason"];
    assert_eq!(place.run(&[&release[..], &["  "]].concat()).refused(), "reason");
    let released = place.run(&[&release[..], &["Dr. Marked saw it"]].concat()).done();
    assert_eq!((&released["state"], &released["events"]), (&"admitted".into(), &4.into()));
    assert_eq!(place.run(&["twin", "show", "hospital/7"]).done()["event_count"], 4);
    assert_eq!(place.run(&[&release[..], &["again"]].concat()).refused(), "store-refused");
    let unknown = ["feed", "release", "feed-9", "--reason", "x"];
    assert_eq!(place.run(&unknown).refused(), "feed-unknown");
    let line = place.run(&["feed", "list"]).lines().remove(0);
    assert_eq!(line["decision"], "Dr. Marked saw it");
    let actions = actions(&place);
    assert!(actions.contains(&"feed.released".to_owned()), "{actions:?}");
    for file in place.files("keep") {
        let bytes = std::fs::read(&file).unwrap();
        assert!(!bytes.windows(10).any(|window| window == b"Dr. Marked"), "{file:?}");
    }
}

#[test]
fn a_feed_that_is_rejected_is_refused_rows_for_good() {
    let place = Place::with_keep();
    stay(&place, "feed.txt", "7", &[80, 81, 82]);
    place.run(&["ingest", "feed.txt", "--hold"]).done();
    let reject = ["feed", "reject", "feed-1", "--reason", "another ward's export"];
    let rejected = place.run(&reject).done();
    assert_eq!((&rejected["state"], &rejected["refused"]), (&"rejected".into(), &4.into()));
    assert!(place.run(&["twin", "list"]).done()["twins"].as_array().unwrap().is_empty());
    let refused = place.run(&["feed", "quarantine", "feed-1", "--reveal"]).done();
    assert_eq!(refused["reasons"]["rejected-feed"], 4);
    assert!(refused["rows"][3]["raw"].as_str().unwrap().starts_with("7,"));
    check_counts(&place.run(&["feed", "list"]).lines()[0]);
    assert_eq!(place.run(&["ingest", "feed.txt"]).refused(), "feed-already-ingested");
    assert!(actions(&place).contains(&"feed.rejected".to_owned()));
}
