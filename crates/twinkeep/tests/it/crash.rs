//! Kills the program with SIGKILL at random moments of an ingest, and looks at what is left.
//!
//! `make test` does it at a few points; `make crash` at 200, with larger feeds.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::harness::{Place, write};

/// What no file of a keep may show.
const MARKER: &str = "ZZCRASHED";

/// Rows of one stay in one feed.
const ROWS: u32 = 120;

fn number(name: &str, default: u32) -> u32 {
    env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// Writes and seals feed `number`: the same people in each, at other minutes.
fn seal_feed(place: &Place, number: u32, stays: u32) -> String {
    let folder = format!("feed-{number}");
    fs::create_dir(place.path(&folder)).unwrap();
    for stay in 0..stays {
        let mut text = format!("Time,Parameter,Value\n00:00,RecordID,{MARKER}{stay}\n");
        for row in 0..ROWS {
            let minute = row * 24 + number % 24;
            let rate = 60 + (stay + number / 24) % 60;
            writeln!(text, "{:02}:{:02},HR,{rate}", minute / 60, minute % 60).unwrap();
        }
        write(&place.path(&format!("{folder}/{MARKER}{stay}.txt")), text.as_bytes());
    }
    place.seal(&folder).done();
    fs::remove_dir_all(place.path(&folder)).unwrap();
    format!("{folder}.sealed")
}

/// Starts an ingest and kills it after `delay`.
fn ingest_and_kill(place: &Place, feed: &str, delay: Duration) {
    let mut command = place.command(&["ingest", feed, "--quiet"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(delay);
    let _ = child.kill();
    child.wait().unwrap();
}

/// The feeds that are there; each is whole.
fn feed_count(place: &Place, stays: u32) -> usize {
    let feeds = place.run(&["feed", "list"]).lines();
    for (feed, sequence) in feeds.iter().zip(1..) {
        assert_eq!(feed["sequence"], sequence);
        assert_eq!(feed["accepted"], stays * (ROWS + 1));
        assert_eq!(feed["quarantined"], 0);
    }
    let unfinished = |file: &PathBuf| file.extension().is_some_and(|name| name == "part");
    let left: Vec<PathBuf> = place.files("keep/store").into_iter().filter(unfinished).collect();
    assert!(left.is_empty(), "opening removes what a killed ingest left: {left:?}");
    feeds.len()
}

#[test]
fn after_a_kill_at_any_point_every_event_is_there_once() {
    let points = number("TWINKEEP_CRASH_POINTS", 25);
    let stays = number("TWINKEEP_CRASH_STAYS", 30);
    let place = Place::with_keep();
    let first = seal_feed(&place, 0, stays);
    let started = Instant::now();
    place.run(&["ingest", &first]).done();
    let duration = started.elapsed();
    let mut there = feed_count(&place, stays);
    let mut feed = seal_feed(&place, 1, stays);
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    for _ in 0..points {
        // xorshift64: the same points each time, as far as a clock allows.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let share = (random % 1000) as f64 / 1000.0;
        ingest_and_kill(&place, &feed, duration.mul_f64(1.1 * share));
        let now = feed_count(&place, stays);
        assert!(now == there || now == there + 1);
        if now == there + 1 {
            feed = seal_feed(&place, now as u32, stays);
        }
        there = now;
    }
    println!("{points} kills, {} of them after the feed was there", there - 1);
    place.run(&["ingest", &feed]).done();
    let feeds = feed_count(&place, stays);
    assert_eq!(feeds, there + 1);
    let twins = place.run(&["twin", "list", "--limit", "100000"]).done();
    let twins = twins["twins"].as_array().unwrap();
    assert_eq!(twins.len(), stays as usize);
    for twin in twins.iter().take(5) {
        let shown = place.run(&["twin", "show", twin["subject"].as_str().unwrap()]).done();
        assert_eq!(shown["event_count"], feeds as u64 * u64::from(ROWS));
    }
    let events: u64 = twins.iter().map(|twin| twin["event_count"].as_u64().unwrap()).sum();
    assert_eq!(events, feeds as u64 * u64::from(stays * ROWS));
    assert_eq!(place.run(&["ingest", &feed]).refused(), "feed-replayed");
    place.run(&["ledger", "verify"]).done();
    for file in place.files("keep").into_iter().chain(place.files("state")) {
        let bytes = fs::read(&file).unwrap();
        let shown = bytes.windows(MARKER.len()).any(|window| window == MARKER.as_bytes());
        assert!(!shown, "{} shows a person", file.display());
    }
}
