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

/// Two rates that the pack calls implausible, one that is no number, and a code it does not know.
fn with_refused_rows() -> Place {
    let place = Place::with_keep();
    let text = "Time,Parameter,Value\n00:00,RecordID,7\n00:00,Age,61\n01:00,HR,80\n\
                02:00,HR,301\n03:00,HR,305\n04:00,HR,fast\n05:00,Gossip,1\n";
    write(&place.path("feed.txt"), text.as_bytes());
    let report = place.run(&["ingest", "feed.txt"]).done();
    check_counts(&report);
    assert_eq!((&report["quarantined"], &report["events"]), (&4.into(), &2.into()));
    place
}

#[test]
fn rows_that_a_person_accepts_become_a_feed_of_their_own() {
    let place = with_refused_rows();
    let replay = ["feed", "replay", "feed-1"];
    let run = |args: &[&str]| place.run(&[&replay[..], args].concat());
    let again = run(&[]).done();
    assert_eq!((&again["read"], &again["quarantined"]), (&4.into(), &4.into()));
    assert_eq!(again["feed"], Value::Null, "the pack says the same as before");
    assert_eq!(place.run(&["feed", "list"]).lines().len(), 1);

    assert_eq!(run(&["--accept"]).refused(), "usage");
    assert_eq!(run(&["--accept", "--because", " "]).refused(), "reason");
    let because = ["--accept", "--because", "seen on the monitor by Dr. Marked"];
    let code = run(&[&because[..], &["--reason", "unknown-code"]].concat()).refused();
    assert_eq!(code, "reason-not-judgement");
    assert_eq!(run(&["--reason", "no-such"]).refused(), "reason-unknown");

    let rows = place.run(&["feed", "quarantine", "feed-1"]).done();
    let row = rows["rows"].as_array().unwrap().iter().find(|row| row["row"] == 5).unwrap();
    let number = row["number"].to_string();
    let one = run(&[&because[..], &["--row", &number]].concat()).done();
    check_counts(&one);
    assert_eq!(
        (&one["feed"], &one["accepted"], &one["events"]),
        (&"feed-2".into(), &1.into(), &1.into())
    );
    let rest = run(&because).done();
    assert_eq!(
        (&rest["feed"], &rest["read"], &rest["accepted"]),
        (&"feed-3".into(), &1.into(), &1.into())
    );
    assert_eq!(run(&because).done()["read"], 0, "a row is accepted once");

    assert_eq!(place.run(&["twin", "show", "7"]).done()["event_count"], 4);
    let lines = place.run(&["feed", "list"]).lines();
    lines.iter().for_each(check_counts);
    assert_eq!((&lines[0]["quarantined"], &lines[0]["released"]), (&4.into(), &2.into()));
    assert_eq!(lines[1]["replayed"], "feed-1");
    assert_eq!(lines[1]["decision"], "seen on the monitor by Dr. Marked");
    let rows = place.run(&["feed", "quarantine", "feed-1"]).done();
    let released = rows["rows"].as_array().unwrap().iter();
    assert_eq!(released.filter(|row| row["released"] != Value::Null).count(), 2);
    assert!(actions(&place).contains(&"feed.replayed".to_owned()));
    place.run(&["ledger", "verify"]).done();
}

#[test]
fn rows_of_a_rejected_feed_come_back_only_if_they_are_asked_for() {
    let place = Place::with_keep();
    stay(&place, "feed.txt", "7", &[80, 81, 82]);
    place.run(&["ingest", "feed.txt", "--hold"]).done();
    assert_eq!(place.run(&["feed", "replay", "feed-1"]).refused(), "feed-held");
    place.run(&["feed", "reject", "feed-1", "--reason", "by mistake"]).done();
    assert_eq!(place.run(&["feed", "replay", "feed-1"]).done()["read"], 0);
    let asked = ["feed", "replay", "feed-1", "--reason", "rejected-feed"];
    let replayed = place.run(&asked).done();
    check_counts(&replayed);
    assert_eq!((&replayed["accepted"], &replayed["events"]), (&4.into(), &4.into()));
    assert_eq!(place.run(&["twin", "show", "7"]).done()["event_count"], 4);
    // The same rows from elsewhere are duplicates now, and so are they when they come again.
    stay(&place, "again.txt", "7", &[80, 81, 82, 83]);
    assert_eq!(place.run(&["ingest", "again.txt"]).done()["reasons"]["duplicate"], 4);
    let asked = ["feed", "replay", "feed-3", "--reason", "duplicate"];
    let replayed = place.run(&asked).done();
    check_counts(&replayed);
    assert_eq!((&replayed["events"], &replayed["reasons"]["duplicate"]), (&0.into(), &4.into()));
    assert_eq!(place.run(&["twin", "show", "7"]).done()["event_count"], 5);
}

/// Writes a folder of stays, each with its own rates; `factor` is a change of the unit.
fn ward(place: &Place, folder: &str, first: u32, factor: f32) {
    std::fs::create_dir(place.path(folder)).unwrap();
    for person in first..first + 60 {
        let mut text = format!("Time,Parameter,Value\n00:00,RecordID,{person}\n");
        for hour in 0..20 {
            let weight = (55 + person * 7 % 40) as f32 * factor;
            text.push_str(&format!("{hour:02}:30,Weight,{weight}\n"));
            text.push_str(&format!("{hour:02}:30,HR,{}\n", 60 + (person + hour) % 50));
        }
        write(&place.path(&format!("{folder}/{person}.txt")), text.as_bytes());
    }
}

#[test]
fn a_feed_in_another_unit_is_held_by_itself_and_a_usual_one_is_not() {
    let place = Place::with_keep();
    for (day, first) in [("monday", 1000), ("tuesday", 2000), ("wednesday", 3000)] {
        ward(&place, day, first, 1.0);
        assert_eq!(place.run(&["ingest", day]).done()["state"], "admitted");
    }
    // Pounds: plausible values all, as far as each alone goes.
    ward(&place, "thursday", 4000, 2.2046);
    let ran = place.run(&["ingest", "thursday"]);
    assert_eq!((ran.refused().as_str(), ran.code), ("feed-held", 1));
    let report: Value = serde_json::from_str(ran.stdout.lines().next().unwrap()).unwrap();
    assert_eq!(report["state"], "held");
    let reasons = report["held_because"].to_string();
    assert!(reasons.contains("Weight"), "{reasons}");
    check_counts(&report);
    assert_eq!(place.run(&["twin", "show", "4000"]).refused(), "subject-unknown");
    // Another site has no such history.
    assert_eq!(
        place.run(&["ingest", "thursday", "--site", "south"]).refused(),
        "feed-already-ingested"
    );
    ward(&place, "friday", 5000, 1.0);
    assert_eq!(place.run(&["ingest", "friday"]).done()["state"], "admitted");
    place.run(&["feed", "release", "feed-4", "--reason", "the ward weighs in pounds"]).done();
    assert_eq!(place.run(&["twin", "show", "4000"]).done()["event_count"], 40);
}
