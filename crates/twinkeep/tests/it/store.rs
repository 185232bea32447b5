//! Few files instead of many: nobody loses an event, whenever the program is killed.

use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{Place, write};
use crate::serve::Server;

/// The same people in each feed, at other hours.
fn ingest(place: &Place, feed: u32, people: u32, rows: u32) {
    let folder = format!("feed-{feed}");
    std::fs::create_dir(place.path(&folder)).unwrap();
    for person in 0..people {
        let row = |row: u32| format!("{:02}:{:02},HR,{}\n", feed, row, 60 + (person + row) % 60);
        let rows: String = (0..rows).map(row).collect();
        let id = 4700 + person;
        let text = format!("Time,Parameter,Value\n00:00,RecordID,{id}\n{rows}");
        write(&place.path(&format!("{folder}/{id}.txt")), text.as_bytes());
    }
    place.run(&["ingest", &folder]).done();
}

fn add(place: &Place, person: &str, value: &str, hour: &str) -> i32 {
    place.run(&["event", "add", person, "HR", value, "--time", hour]).code
}

fn status(place: &Place) -> Value {
    place.run(&["store", "status"]).done()
}

/// Waits until a server did what it does by itself.
fn wait(what: &str, done: impl Fn() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < Duration::from_secs(120), "{what} did not happen");
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn status_says_what_is_there_and_compaction_does_what_status_promised() {
    let place = Place::with_keep();
    for feed in 0..4 {
        ingest(&place, feed, 12, 10);
    }
    ingest(&place, 5, 2, 3);
    place.run(&["ingest", "feed-5", "--hold"]).refused();
    assert_eq!(add(&place, "4701", "133", "40"), 0);
    assert_eq!(add(&place, "4701", "13300", "41"), 1);
    let before = status(&place);
    assert_eq!((&before["events"], &before["live_events"]), (&486.into(), &1.into()));
    assert_eq!((&before["subjects"], &before["live_refused"]), (&12.into(), &1.into()));
    assert_eq!((&before["erasures"], &before["keyring_generation"]), (&0.into(), &1.into()));
    let forecast = |twin: &str| place.run(&["twin", "show", twin]).done();
    let twins = ["4700", "4701", "4702"].map(forecast);
    let due = before["compaction_replaces"].as_u64().unwrap();
    // Each of five feeds has a file for each split that it has people of: chance decides of how many.
    assert!((5..=15).contains(&due), "{due}");
    let report = place.run(&["store", "compact"]).done();
    assert_eq!((&report["live_events"], &report["live_refused"]), (&1.into(), &1.into()));
    assert_eq!(report["replaced"], due + 1, "the live event became one more file");
    let after = status(&place);
    assert_eq!((&after["events"], &after["live_events"]), (&487.into(), &0.into()));
    assert_eq!((&after["shards"], &after["compaction_replaces"]), (&report["written"], &0.into()));
    assert_eq!(["4700", "4701", "4702"].map(forecast), twins);
    let shown = place.show(&["store", "status"]);
    assert!(shown.stdout.contains("nothing to merge"), "{}", shown.stdout);
    let feeds = place.run(&["feed", "list"]).lines();
    let live = feeds.last().unwrap();
    assert_eq!((&live["accepted"], &live["quarantined"]), (&1.into(), &1.into()));
    // An event that is in a file now is known when it comes again, and nothing is left to do.
    assert_eq!(add(&place, "4701", "133", "40"), 1);
    let ledger = place.run(&["ledger", "show", "--limit", "200"]).lines();
    let done = |action: &str| ledger.iter().any(|line| line["action"] == *action);
    assert!(done("store.compacting") && done("store.compacted"));
    place.run(&["ledger", "verify"]).done();
}

/// What was refused as a live event is found by whoever asks for it, before and after it moved.
#[test]
fn a_refused_event_that_moved_into_a_file_is_exported_and_erased_with_its_person() {
    let place = Place::with_keep();
    for person in ["4711", "4712"] {
        assert_eq!(add(&place, person, "80", "1"), 0);
        assert_eq!(add(&place, person, "88717.25", "2"), 1);
    }
    assert_eq!(add(&place, "4713", "88717.25", "2"), 1);
    place.run(&["store", "compact"]).done();
    let refused = place.run(&["feed", "quarantine", "feed-1", "--reveal"]).done();
    assert_eq!(refused["reasons"]["implausible-value"], 3);
    assert!(refused.to_string().contains("4713"));
    assert_eq!(place.run(&["event", "refused"]).lines().len(), 0);
    let exported = place.run(&["subject", "export", "4711", "--out", "mine"]).done();
    assert_eq!((&exported["events"], &exported["refused_rows"]), (&1.into(), &1.into()));
    for (person, events) in [("local/4711", 1), ("local/4713", 0)] {
        let args = ["subject", "erase", person, "--confirm", person, "--reason", "asked"];
        let report = place.run(&args).done();
        assert_eq!((&report["events"], &report["refused_rows"]), (&events.into(), &1.into()));
    }
    let refused = place.run(&["feed", "quarantine", "feed-1", "--reveal"]).done().to_string();
    assert!(!refused.contains("4711") && !refused.contains("4713"), "{refused}");
    assert!(refused.contains("4712"));
    // Its fields were kept, so that it can be accepted after all.
    let args = ["feed", "replay", "feed-1", "--accept", "--because", "the device was right"];
    assert_eq!(place.run(&args).done()["accepted"], 1);
    assert_eq!(place.run(&["twin", "show", "4712"]).done()["event_count"], 2);
}

#[test]
fn a_server_moves_live_events_into_files_by_itself() {
    let place = Place::with_keep();
    let config = std::fs::read_to_string(place.path("keep/twinkeep.toml")).unwrap();
    let changed = config.replace("live_event_count = 262144", "live_event_count = 3");
    assert_ne!(config, changed);
    write(&place.path("keep/twinkeep.toml"), changed.as_bytes());
    let server = Server::start(&place);
    assert_eq!(add(&place, "4711", "80", "1"), 0);
    assert_eq!(add(&place, "4711", "81", "2"), 0);
    assert_eq!(add(&place, "4712", "82", "3"), 0);
    wait("moving live events", || status(&place)["live_events"] == 0);
    assert_eq!(status(&place)["events"], 3);
    assert_eq!(place.run(&["twin", "show", "4711"]).done()["event_count"], 2);
    assert_eq!(server.stop(), Some(0));
    let ledger = place.run(&["ledger", "show", "--limit", "200"]).lines();
    let moved = ledger.iter().find(|line| line["action"] == "live-events.folded").unwrap();
    assert_eq!(moved["actor"], "system", "{moved}");
}

#[test]
fn after_a_kill_at_any_point_of_a_compaction_every_event_is_there_once() {
    let place = Place::with_keep();
    let (feeds, people, rows) = (5, 20, 30);
    for feed in 0..feeds {
        ingest(&place, feed, people, rows);
    }
    for hour in 0..6 {
        assert_eq!(add(&place, "4711", "80", &format!("4{hour}")), 0);
    }
    let expected = u64::from(feeds * people * rows) + 6;
    let check = || {
        let status = status(&place);
        let count = |name: &str| status[name].as_u64().unwrap();
        assert_eq!(count("events") + count("live_events"), expected);
        assert_eq!(count("subjects"), u64::from(people));
        let shown = place.run(&["twin", "show", "4711"]).done();
        assert_eq!(shown["event_count"], u64::from(feeds * rows) + 6);
        let twins = place.run(&["twin", "list", "--limit", "1000"]).done();
        let twins = twins["twins"].as_array().unwrap();
        let listed: u64 = twins.iter().map(|twin| twin["event_count"].as_u64().unwrap()).sum();
        assert_eq!(listed, expected);
        count("compaction_replaces")
    };
    // How long it takes, on a copy.
    place.copy("keep", "copy");
    let started = Instant::now();
    let mut command =
        place.command(&["--keep", "copy", "--key-file", "keep.kek", "store", "compact"]);
    let done = command.env("XDG_STATE_HOME", place.path("elsewhere")).output().unwrap();
    assert!(done.status.success());
    let duration = started.elapsed();
    let mut kills = 0;
    for share in [0.2, 0.35, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1.0] {
        let mut command = place.command(&["store", "compact", "--quiet"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(duration.mul_f64(share));
        let _ = child.kill();
        kills += usize::from(!child.wait().unwrap().success());
        if check() == 0 && status(&place)["live_events"] == 0 {
            break;
        }
    }
    println!("{kills} kills");
    place.run(&["store", "compact"]).done();
    assert_eq!(check(), 0);
    assert_eq!(status(&place)["live_events"], 0);
    let files = place.files("keep/store").into_iter();
    assert!(!files.into_iter().any(|file| file.extension().is_some_and(|name| name == "part")));
    place.run(&["ledger", "verify"]).done();
}
