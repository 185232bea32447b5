//! A folder into which others put feeds.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::harness::Place;

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
        assert!(start.elapsed() < Duration::from_secs(60), "{what} did not happen");
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
    std::thread::sleep(Duration::from_secs(3));
    assert!(place.files("drop/done").is_empty(), "a feed was taken although one is missing");
    put(1);
    until("all three were stored", || place.files("drop/done").len() == 3);
    assert!(place.files("drop/refused").is_empty());
    assert_eq!(place.run(&["feed", "list"]).lines().len(), 3);
    // Once more is a replay.
    put(2);
    until("the replay was refused", || place.files("drop/refused").len() == 2);
    let reason = fs::read_to_string(&place.files("drop/refused")[1]).unwrap();
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
