//! Bad input: a clear error, the right exit code, and nothing lost.

use std::fs;

use crate::harness::{Place, write};

fn seal_as(place: &Place, who: &str, file: &str, out: &str) {
    let (identity, key) = (format!("{who}.identity"), format!("{who}.kek"));
    let to = "keep/public/keep.identity.pub";
    let args =
        ["seal", file, "--identity", &identity, "--key-file", &key, "--to", to, "--out", out];
    place.run(&args).done();
}

#[test]
fn a_feed_of_a_stranger_a_forged_feed_and_a_replay_are_refused() {
    let place = Place::with_keep();
    place.synth("feed.tar.gz", 40, 5, 1);
    place.run(&["identity", "new", "mallory", "--key-file", "mallory.kek"]).done();
    seal_as(&place, "mallory", "feed.tar.gz", "stranger.sealed");
    seal_as(&place, "hospital", "feed.tar.gz", "one.sealed");
    seal_as(&place, "hospital", "feed.tar.gz", "two.sealed");
    seal_as(&place, "hospital", "feed.tar.gz", "three.sealed");

    assert_eq!(place.run(&["ingest", "stranger.sealed"]).refused(), "feed-unknown-sender");
    fs::copy(place.path("one.sealed"), place.path("forged.sealed")).unwrap();
    place.flip(&place.path("forged.sealed"), 8 * 20_000);
    assert!(place.run(&["ingest", "forged.sealed"]).refused().starts_with("feed-"));
    assert_eq!(place.run(&["ingest", "two.sealed"]).refused(), "feed-gap");
    assert!(place.run(&["feed", "list"]).lines().is_empty(), "nothing was stored");

    place.run(&["ingest", "one.sealed"]).done();
    assert_eq!(place.run(&["ingest", "one.sealed"]).refused(), "feed-replayed");
    // The content is the same: the sequence holds, and yet nothing is stored twice.
    assert_eq!(place.run(&["ingest", "two.sealed"]).refused(), "feed-already-ingested");
    assert_eq!(place.run(&["ingest", "three.sealed"]).refused(), "feed-gap");
    assert_eq!(place.run(&["feed", "list"]).lines().len(), 1);
}

#[test]
fn a_sender_that_was_revoked_is_a_stranger() {
    let place = Place::with_keep();
    place.synth("feed.tar.gz", 30, 0, 4);
    seal_as(&place, "hospital", "feed.tar.gz", "feed.sealed");
    let senders = place.run(&["sender", "list"]).lines();
    place.run(&["sender", "revoke", senders[0]["key_id"].as_str().unwrap()]).done();
    assert_eq!(place.run(&["ingest", "feed.sealed"]).refused(), "feed-unknown-sender");
}

#[test]
fn a_single_stay_can_be_sealed_and_ingested() {
    let place = Place::with_keep();
    write(
        &place.path("stay.txt"),
        b"Time,Parameter,Value\n00:00,RecordID,7\n00:00,Age,61\n00:10,HR,80\n",
    );
    place.seal("stay.txt").done();
    assert_eq!(place.run(&["ingest", "stay.txt.sealed"]).done()["accepted"], 3);
}

#[test]
fn a_wrong_command_line_is_json_too() {
    let ran = Place::empty().run(&["twin", "lisst"]);
    assert_eq!((ran.refused().as_str(), ran.code), ("usage", 2));
}

#[test]
fn a_feed_that_was_cut_anywhere_stores_nothing() {
    let place = Place::with_keep();
    place.synth("feed.tar.gz", 30, 0, 2);
    seal_as(&place, "hospital", "feed.tar.gz", "whole.sealed");
    let whole = fs::read(place.path("whole.sealed")).unwrap();
    for cut in [0, 10, 24, 100, whole.len() / 2, whole.len() - 65, whole.len() - 1] {
        write(&place.path("cut.sealed"), &whole[..cut]);
        let ran = place.run(&["ingest", "cut.sealed"]);
        assert_eq!(ran.code, 1, "cut at {cut}: {}", ran.stderr);
    }
    assert!(place.run(&["feed", "list"]).lines().is_empty());
    place.run(&["ingest", "whole.sealed"]).done();
}

#[test]
fn open_writes_nothing_of_a_feed_that_is_not_genuine() {
    let place = Place::with_keep();
    place.run(&["identity", "new", "lab", "--key-file", "lab.kek"]).done();
    place.synth("feed.tar.gz", 30, 0, 3);
    place
        .run(&[
            "seal",
            "feed.tar.gz",
            "--identity",
            "hospital.identity",
            "--key-file",
            "hospital.kek",
            "--to",
            "lab.identity.pub",
            "--out",
            "lab.sealed",
        ])
        .done();
    let open = [
        "open",
        "lab.sealed",
        "--identity",
        "lab.identity",
        "--key-file",
        "lab.kek",
        "--from",
        "hospital.identity.pub",
        "--out",
        "opened",
    ];
    place.run(&open).done();
    let same =
        fs::read(place.path("opened")).unwrap() == fs::read(place.path("feed.tar.gz")).unwrap();
    assert!(same);
    fs::remove_file(place.path("opened")).unwrap();
    place.flip(&place.path("lab.sealed"), 8 * 30_000);
    assert!(place.run(&open).refused().starts_with("feed-"));
    assert!(!place.path("opened").exists());
}

#[test]
fn every_row_is_accounted_for_and_refused_rows_can_be_read() {
    let place = Place::with_keep();
    fs::create_dir(place.path("stays")).unwrap();
    write(
        &place.path("stays/1.txt"),
        b"Time,Parameter,Value\n00:00,RecordID,1\n00:00,Age,61\n00:00,Height,-1\n00:10,HR,80\n\
          00:10,HR,80\n00:20,HR,8000\n00:30,XX,1\nnonsense\n00:40,Temp,warm\n99:00,HR,70\n",
    );
    let report = place.run(&["ingest", "stays"]).done();
    assert_eq!(report["read"], 10);
    assert_eq!(report["accepted"], 3);
    assert_eq!(report["missing"], 1);
    assert_eq!(report["quarantined"], 6);
    let hidden = place.run(&["feed", "quarantine", "feed-1"]).done();
    assert_eq!(hidden["rows"].as_array().unwrap().len(), 6);
    assert!(hidden["rows"][0].get("raw").is_none());
    let shown = place.run(&["feed", "quarantine", "feed-1", "--reveal"]).done();
    let raw: Vec<&str> =
        shown["rows"].as_array().unwrap().iter().map(|row| row["raw"].as_str().unwrap()).collect();
    assert!(raw.contains(&"00:20,HR,8000"), "{raw:?}");
    assert!(raw.contains(&"nonsense"), "{raw:?}");
}

#[test]
fn wrong_usage_says_what_to_do() {
    let place = Place::with_keep();
    let missing = place.show(&["--keep", "nowhere", "twin", "list"]);
    assert_eq!(missing.code, 2);
    assert!(missing.stderr.contains("error: there is no keep at `nowhere`"), "{}", missing.stderr);
    assert!(missing.stderr.contains("hint: make one with `twinkeep init"), "{}", missing.stderr);

    write(&place.path("keep/twinkeep.toml"), b"[gate]\nlissten = \"127.0.0.1:1\"\n");
    let unknown = place.show(&["twin", "list", "--key-file", "keep.kek"]);
    assert_eq!(unknown.code, 2);
    assert!(unknown.stderr.contains("hint: did you mean `listen`?"), "{}", unknown.stderr);
    write(&place.path("keep/twinkeep.toml"), b"[host]\nlisten = \"127.0.0.1:1\"\n");
    let misplaced = place.show(&["twin", "list", "--key-file", "keep.kek"]);
    assert!(misplaced.stderr.contains("hint: `listen` belongs elsewhere"), "{}", misplaced.stderr);
}

#[test]
fn no_error_shows_a_value_of_a_person() {
    let place = Place::with_keep();
    write(&place.path("Smith-1961.txt"), b"Time,Parameter,Value\n00:00,RecordID,Smith-1961\n");
    let ran = place.show(&["twin", "show", "Smith-1961"]);
    assert_eq!(ran.code, 1);
    assert!(!ran.stderr.contains("Smith"), "{}", ran.stderr);
    let lines = place.run(&["ledger", "show", "--limit", "100"]);
    assert!(!lines.stdout.contains("Smith"));
}

/// Kills the program at many moments of an ingest: the feed is there once or not at all, and the
/// same command then brings it in.
#[test]
fn an_ingest_that_is_killed_leaves_the_feed_once_or_not_at_all() {
    let place = Place::with_keep();
    place.synth("feed.tar.gz", 150, 4, 5);
    seal_as(&place, "hospital", "feed.tar.gz", "feed.sealed");
    for round in 0..12_u64 {
        let mut child = place
            .command(&["ingest", "feed.sealed", "--quiet"])
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(std::time::Duration::from_millis(20 + 35 * round));
        let _ = child.kill();
        child.wait().unwrap();
        let feeds = place.run(&["feed", "list"]).lines();
        assert!(feeds.len() <= 1);
        if let Some(feed) = feeds.first() {
            let ledger = place.run(&["ledger", "show", "--limit", "1000"]).lines();
            let known = ledger.iter().any(|line| line["action"] == "feed.storing");
            assert!(known, "the ledger knows nothing of what was stored");
            let sum =
                ["accepted", "missing", "quarantined"].map(|name| feed[name].as_u64().unwrap());
            assert_eq!(feed["read"].as_u64().unwrap(), sum.iter().sum::<u64>());
            break;
        }
    }
    let last = place.run(&["ingest", "feed.sealed"]);
    assert!(last.code == 0 || last.refused() == "feed-replayed", "{}", last.stderr);
    assert_eq!(place.run(&["feed", "list"]).lines().len(), 1);
    place.run(&["ledger", "verify"]).done();
    let list = place.run(&["twin", "list", "--limit", "500"]).done();
    assert_eq!(list["twins"].as_array().unwrap().len(), 150);
}

/// A pipe that nobody writes to must not hang a command that wants a small file.
#[test]
fn a_pipe_in_place_of_a_small_file_is_refused_at_once() {
    let place = Place::with_keep();
    let made = std::process::Command::new("mkfifo").arg(place.path("pipe")).status().unwrap();
    assert!(made.success());
    for args in [
        &["twin", "list", "--passphrase-file", "pipe"][..],
        &["twin", "list", "--key-file", "pipe"],
        &["identity", "show", "pipe"],
        &["ledger", "verify", "--trusted", "pipe"],
        &["init", "other", "--pack", "pipe", "--key-file", "new.kek"],
        &["synth", "pipe", "--stays", "2"],
    ] {
        assert_ne!(place.run(args).code, 0, "{args:?}");
    }
}
