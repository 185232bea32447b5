//! A folder into which others put feeds.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{Place, peer};
use crate::send::{serve_with, status_of};

struct Watching(Child);

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn watching(place: &Place) -> Watching {
    let mut command = place.command(&["receive", "folder", "drop", "--json"]);
    Watching(command.stdout(Stdio::null()).spawn().unwrap())
}

/// Three sealed feeds in order, and the folder.
fn ready() -> Place {
    let place = Place::with_keep();
    for number in 1..=3 {
        let name = format!("{number}.tar.gz");
        place.synth(&name, 5, 0, number);
        place.seal(&name).done();
    }
    fs::create_dir(place.path("drop")).unwrap();
    place
}

#[track_caller]
fn until(what: &str, done: impl Fn() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(120), "{what} did not happen");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn feeds_are_taken_in_order_whatever_the_order_in_which_they_come() {
    let place = ready();
    let _watching = watching(&place);
    let put = |number: u32| {
        let from = place.path(&format!("{number}.tar.gz.sealed"));
        fs::copy(from, place.path(&format!("drop/{number}.part"))).unwrap();
        let name = format!("drop/{}-{number}.sealed", 9 - number);
        fs::rename(place.path(&format!("drop/{number}.part")), place.path(&name)).unwrap();
    };
    put(3);
    put(2);
    until("the folder was opened", || place.path("drop/done").is_dir());
    std::thread::sleep(Duration::from_secs(3));
    assert!(place.files("drop/done").is_empty(), "a feed was taken although one is missing");
    put(1);
    until("all three were stored", || place.files("drop/done").len() == 3);
    assert!(place.files("drop/refused").is_empty());
    assert_eq!(place.run(&["feed", "list"]).lines().len(), 3);
    // Once more is a replay.
    put(2);
    // Under another name until it is whole.
    let reason = place.path("drop/refused/7-2.sealed.reason.txt");
    until("the replay was refused", || reason.exists());
    assert_eq!(place.files("drop/refused").len(), 2);
    let reason = fs::read_to_string(&reason).unwrap();
    assert!(reason.starts_with("feed-replayed"), "{reason}");
}

#[test]
fn what_is_no_sealed_feed_is_refused_and_what_is_not_whole_is_left_alone() {
    let place = ready();
    let drop = place.path("drop");
    fs::copy(place.path("1.tar.gz"), drop.join("plain.tar.gz")).unwrap();
    symlink(place.path("1.tar.gz.sealed"), drop.join("link.sealed")).unwrap();
    assert!(Command::new("mkfifo").arg(drop.join("pipe")).status().unwrap().success());
    fs::copy(place.path("1.tar.gz.sealed"), drop.join("copying.part")).unwrap();
    let whole = fs::read(place.path("1.tar.gz.sealed")).unwrap();
    crate::harness::write(&drop.join("half.sealed"), &whole[..whole.len() / 2]);
    fs::create_dir(drop.join("folder")).unwrap();
    std::thread::sleep(Duration::from_millis(2500));
    let lines = place.run(&["receive", "folder", "drop", "--once"]).lines();
    let mut refused: Vec<_> = lines
        .iter()
        .map(|line| (line["file"].as_str().unwrap(), line["code"].as_str().unwrap()))
        .collect();
    refused.sort_unstable();
    assert_eq!(
        refused,
        [
            ("link.sealed", "folder-not-a-file"),
            ("pipe", "folder-not-a-file"),
            ("plain.tar.gz", "folder-plain"),
        ]
    );
    assert!(drop.join("half.sealed").exists() && drop.join("copying.part").exists());
    assert!(place.run(&["feed", "list"]).lines().is_empty());
    // The rest of it comes, and it is taken.
    crate::harness::write(&drop.join("half.sealed"), &whole);
    std::thread::sleep(Duration::from_millis(2500));
    let lines = place.run(&["receive", "folder", "drop", "--once"]).lines();
    assert_eq!(lines[0]["outcome"], "stored");
}

#[test]
fn plain_files_are_taken_where_the_operator_says_so_and_a_restart_takes_nothing_twice() {
    let place = ready();
    let drop = place.path("drop");
    fs::copy(place.path("1.tar.gz"), drop.join("a.tar.gz")).unwrap();
    std::thread::sleep(Duration::from_millis(2500));
    let once = ["receive", "folder", "drop", "--once", "--plain", "--site", "ward"];
    assert_eq!(place.run(&once).lines()[0]["outcome"], "stored");
    // As after a crash between storing and moving.
    fs::rename(drop.join("done/a.tar.gz"), drop.join("a.tar.gz")).unwrap();
    assert_eq!(place.run(&once).lines()[0]["code"], "feed-already-ingested");
    assert_eq!(place.run(&["feed", "list"]).lines().len(), 1);
}

/// How many feeds were taken out of the folder and stored.
fn stored(place: &Place) -> usize {
    fs::read_dir(place.path("drop/done")).map_or(0, Iterator::count)
}

/// Puts a feed into the folder as a careful sender does: under another name first.
fn put(place: &Place, number: u32, folder: &str) {
    let part = place.path(&format!("{folder}/{number}.part"));
    fs::copy(place.path(&format!("{number}.tar.gz.sealed")), &part).unwrap();
    fs::rename(part, place.path(&format!("{folder}/{number}.sealed"))).unwrap();
}

#[test]
fn the_server_takes_feeds_out_of_its_drop_folder_and_says_when_it_cannot() {
    if peer("curl").is_none() {
        return;
    }
    let place = ready();
    let config = place.path("keep/twinkeep.toml");
    let text = fs::read_to_string(&config).unwrap();
    assert!(!text.contains("[intake]\ndeidentify"), "{text}");
    let text = text.replace("[intake]\n", "") + "\n[intake]\ndrop_folder = \"../drop\"\n";
    crate::harness::write(&config, text.as_bytes());
    put(&place, 1, "drop");
    let gate = serve_with(&place, &[]);
    let state = || status_of(&place, &gate)["drop_folder"].as_str().unwrap().to_owned();
    until("the first was stored", || stored(&place) == 1);
    until("the folder is watched", || state() == "watching");
    put(&place, 2, "drop");
    until("the second was stored", || stored(&place) == 2);
    // The folder goes away as when a disk is not mounted, and comes back with a feed in it.
    fs::rename(place.path("drop"), place.path("away")).unwrap();
    put(&place, 3, "away");
    until("the gate says so", || state() == "failing");
    assert_eq!(status_of(&place, &gate)["status"], "degraded");
    fs::rename(place.path("away"), place.path("drop")).unwrap();
    until("the third was stored", || stored(&place) == 3);
    until("the folder is watched", || state() == "watching");
    assert_eq!(gate.stop(), Some(0));
    assert_eq!(place.run(&["feed", "list"]).lines().len(), 3);
    let lines = place.run(&["ledger", "show", "--limit", "1000"]).lines();
    let watched: Vec<&Value> =
        lines.iter().filter(|line| line["action"] == "folder.watched").collect();
    let outcomes: Vec<&str> =
        watched.iter().map(|line| line["outcome"].as_str().unwrap()).collect();
    assert_eq!((outcomes[0], outcomes[2..].to_vec()), ("success", vec!["success"]), "{watched:#?}");
    assert!(outcomes[1].starts_with("folder-"), "{watched:#?}");
    let by_itself = |line: &&Value| line["action"] == "feed.ingested" && line["actor"] == "system";
    assert_eq!(lines.iter().filter(by_itself).count(), 3);
}

#[test]
fn a_server_without_a_drop_folder_says_that_too() {
    if peer("curl").is_none() {
        return;
    }
    let place = ready();
    let gate = serve_with(&place, &[]);
    let expected = serde_json::json!({
        "status": "ready", "drop_folder": "none", "stream": "none", "files": "none"
    });
    assert_eq!(status_of(&place, &gate), expected);
    drop(gate);
    let gate = serve_with(&place, &["--drop-folder", "drop"]);
    put(&place, 1, "drop");
    until("it was stored", || stored(&place) == 1);
    assert_eq!(gate.stop(), Some(0));
}

/// Ten heart rates of one person in a year to come, as a sealed feed.
fn seal_future(place: &Place, name: &str, person: u32) {
    let mut text = "subject_id,time,code,numeric_value\n".to_owned();
    for hour in 0..10 {
        text.push_str(&format!("{person},2150-03-04T{hour:02}:00:00Z,HR,80\n"));
    }
    crate::harness::write(&place.path(name), text.as_bytes());
    place.seal(name).done();
}

#[test]
fn a_sender_whose_dates_are_shifted_is_known_for_that_however_its_feeds_come() {
    let place = ready();
    for number in 1..=3 {
        seal_future(&place, &format!("f{number}.csv"), number);
    }
    let list = || place.run(&["sender", "list"]).lines()[0].clone();
    assert_eq!(list()["dates_shifted"], false);
    let first = place.run(&["ingest", "--allow-gap", "f1.csv.sealed"]).done();
    assert_eq!((&first["accepted"], &first["reasons"]["future-time"]), (&0.into(), &10.into()));
    let key = list()["key_id"].as_str().unwrap().to_owned();
    place.run(&["sender", "dates", &key, "shifted"]).done();
    assert_eq!(list()["dates_shifted"], true);
    fs::copy(place.path("f2.csv.sealed"), place.path("drop/f2.sealed")).unwrap();
    std::thread::sleep(Duration::from_millis(2500));
    let taken = place.run(&["receive", "folder", "drop", "--once"]).lines();
    assert_eq!(taken[0]["outcome"], "stored");
    let feeds = place.run(&["feed", "list"]).lines();
    assert_eq!(feeds[1]["accepted"], 10, "{feeds:?}");
    // What was refused before is taken as it is meant now, too.
    let again = place.run(&["feed", "replay", "feed-1"]).done();
    assert_eq!(again["accepted"], 10, "{again}");
    place.run(&["sender", "dates", &key, "real"]).done();
    let third = place.run(&["ingest", "f3.csv.sealed"]).done();
    assert_eq!(third["accepted"], 0);
    assert_eq!(place.run(&["sender", "dates", "nobody", "real"]).refused(), "sender-unknown");
}

#[test]
fn a_sender_is_added_with_the_dates_that_it_has() {
    let place = Place::empty();
    place.run(&["init", "keep", "--pack", "icu", "--key-file", "keep.kek"]).done();
    place.run(&["identity", "new", "hospital", "--key-file", "hospital.kek"]).done();
    let added = place.run(&["sender", "add", "hospital.identity.pub", "--dates-shifted"]).done();
    assert_eq!(added["dates_shifted"], true);
    seal_future(&place, "feed.csv", 1);
    assert_eq!(place.run(&["ingest", "feed.csv.sealed"]).done()["accepted"], 10);
}
