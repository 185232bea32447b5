//! Backups as an operator takes and restores them: what was erased stays erased, and what somebody
//! changed is refused.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::harness::{Place, Ran, ran, write, write_private};
use crate::serve::Server;

/// Three people in two feeds, one of whom is the one to erase; a refused row of each.
fn with_three_people() -> Place {
    let place = Place::with_keep();
    for (feed, hour) in [("first", 1), ("second", 2)] {
        fs::create_dir(place.path(feed)).unwrap();
        for person in 4711..4714 {
            let rows = format!("0{hour}:10,HR,{}\n0{hour}:20,HR,{person}17\n", person - 4640);
            let text = format!("Time,Parameter,Value\n00:00,RecordID,{person}\n{rows}");
            write(&place.path(&format!("{feed}/{person}.txt")), text.as_bytes());
        }
        place.run(&["ingest", feed]).done();
    }
    assert_eq!(place.run(&["event", "add", "4712", "HR", "99", "--time", "9"]).code, 0);
    place
}

fn erase(place: &Place, subject: &str) -> Value {
    let args = ["subject", "erase", subject, "--confirm", subject, "--reason", "asked"];
    place.run(&args).done()
}

fn restore(place: &Place, snapshot: &str, keyring: &str, more: &[&str]) -> Ran {
    let args = ["store", "restore", snapshot, "--into", "restored", "--key-file", "keep.kek"];
    place.run(&[&args[..], &["--keyring", keyring], more].concat())
}

/// Asks the restored keep.
fn ask(place: &Place, args: &[&str]) -> Ran {
    place.run(&[&["--keep", "restored", "--key-file", "keep.kek"], args].concat())
}

fn count(place: &Place, person: &str) -> Value {
    ask(place, &["twin", "show", person]).done()["event_count"].clone()
}

/// A snapshot that was deleted, or is on a medium that is not there, is no copy.
#[test]
fn a_snapshot_counts_for_as_long_as_it_is_where_it_was_written() {
    let place = Place::with_keep();
    let found = || {
        place.run(&["scan", "keep", "--format", "json", "--out", "report.json"]);
        let report: Value =
            serde_json::from_slice(&fs::read(place.path("report.json")).unwrap()).unwrap();
        let findings = report["findings"].as_array().unwrap().iter();
        let found: Vec<&Value> = findings.filter(|it| it["rule"] == "keep-snapshot").collect();
        assert_eq!(found.len(), 1, "{found:?}");
        found[0]["outcome"].as_str().unwrap().to_owned()
    };
    assert_eq!(found(), "fail");
    fs::create_dir(place.path("medium")).unwrap();
    place.run(&["store", "snapshot", "medium/monday"]).done();
    assert_eq!(found(), "pass");
    fs::rename(place.path("medium"), place.path("elsewhere")).unwrap();
    assert_eq!(found(), "not-checked");
    fs::rename(place.path("elsewhere"), place.path("medium")).unwrap();
    assert_eq!(found(), "pass");
    fs::remove_dir_all(place.path("medium/monday")).unwrap();
    assert_eq!(found(), "fail");
}

/// What the product promises about backups.
#[test]
fn an_old_snapshot_with_the_present_keyring_has_everybody_but_who_was_erased() {
    for from_backup in [false, true] {
        let place = with_three_people();
        let taken = place.run(&["store", "snapshot", "monday"]).done();
        assert_eq!(taken["keyring_generation"], 1);
        assert!(!place.files("monday").iter().any(|path| path.ends_with("keyring")));
        erase(&place, "4711");
        let keyring = match from_backup {
            true => {
                let copied = place.run(&["keyring", "backup", "backup"]).done();
                assert_eq!(copied["generation"], 2);
                assert!(0 < copied["files"].as_u64().unwrap());
                "backup"
            }
            false => "keep/store/keyring",
        };
        place.copy("keep/ledger", "ledger");
        if from_backup {
            fs::remove_dir_all(place.path("keep")).unwrap();
        }
        let report = restore(&place, "monday", keyring, &["--ledger", "ledger"]).done();
        assert_eq!(report["erased_subjects"], 1);
        assert_eq!((&report["lost_files"], &report["lost_ledger_entries"]), (&0.into(), &0.into()));
        assert_eq!(ask(&place, &["twin", "show", "local/4711"]).refused(), "subject-unknown");
        assert_eq!((count(&place, "4712"), count(&place, "4713")), (3.into(), 2.into()));
        let refused = ask(&place, &["feed", "quarantine", "feed-1", "--reveal"]).done().to_string();
        assert!(refused.contains("471217") && !refused.contains("4711"), "{refused}");
        // The keep goes on: what is theirs is refused again, what is others' is taken.
        let again = ask(&place, &["event", "add", "4711", "HR", "80", "--time", "5"]);
        assert_eq!(again.refused(), "event-refused");
        assert_eq!(ask(&place, &["event", "add", "4713", "HR", "80", "--time", "5"]).code, 0);
        let compacted = ask(&place, &["store", "compact"]).done();
        assert_eq!(compacted["live_events"], 2);
        assert_eq!((count(&place, "4712"), count(&place, "4713")), (3.into(), 3.into()));
        let verified = ask(&place, &["ledger", "verify"]).done();
        let from = (verified["entries"].as_u64().unwrap() - 20).to_string();
        let shown = ask(&place, &["ledger", "show", "--from", &from, "--limit", "20"]).lines();
        assert!(shown.iter().any(|line| line["action"] == "keep.restored"));
        if !from_backup {
            // There is one keep of this name on this machine, and it is the restored one.
            assert_ne!(place.run(&["twin", "list"]).code, 0);
        }
    }
}

#[test]
fn a_keyring_from_before_an_erasure_is_refused() {
    let place = with_three_people();
    place.run(&["store", "snapshot", "monday"]).done();
    place.run(&["keyring", "backup", "old"]).done();
    fs::copy(place.path("keep/store/keyring"), place.path("raw")).unwrap();
    erase(&place, "4711");
    place.run(&["store", "snapshot", "tuesday"]).done();
    for keyring in ["old", "raw"] {
        for snapshot in ["monday", "tuesday"] {
            let refused = restore(&place, snapshot, keyring, &["--ledger", "keep/ledger"]);
            assert_eq!(refused.refused(), "keyring-rolled-back");
        }
        // A machine that has seen nothing knows it from the newer snapshot.
        let args = ["store", "restore", "tuesday", "--into", "restored", "--key-file", "keep.kek"];
        let mut command = place.command(&[&args[..], &["--keyring", keyring, "--json"]].concat());
        let refused =
            ran(&command.env("XDG_STATE_HOME", place.path("elsewhere")).output().unwrap());
        assert_eq!(refused.refused(), "keyring-rolled-back");
    }
    assert!(!place.path("restored").exists());
}

#[test]
fn a_snapshot_that_was_changed_in_any_part_is_refused() {
    let place = with_three_people();
    place.run(&["store", "snapshot", "monday"]).done();
    place.copy("keep/ledger", "ledger");
    let refused = |place: &Place| {
        let ran = restore(place, "monday", "keep/store/keyring", &["--ledger", "ledger"]);
        assert!(!place.path("restored").exists());
        let parts = fs::read_dir(place.path("")).unwrap();
        let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name();
        assert!(!parts.map(name).any(|it| it.to_string_lossy().ends_with(".part")));
        ran.refused()
    };
    let known = ["snapshot-changed", "snapshot-forged", "keep-damaged", "key-damaged", "kek-wrong"];
    for (number, file) in place.files("monday").into_iter().enumerate() {
        if fs::metadata(&file).unwrap().len() == 0 {
            continue;
        }
        place.flip(&file, 1000 * number + 13);
        let code = refused(&place);
        assert!(known.contains(&code.as_str()) || code.starts_with("con"), "{code}: {file:?}");
        place.flip(&file, 1000 * number + 13);
    }
    let shard = shard_of(&place);
    let aside = place.path("aside");
    fs::rename(&shard, &aside).unwrap();
    assert_eq!(refused(&place), "snapshot-changed");
    std::os::unix::fs::symlink(&aside, &shard).unwrap();
    assert_eq!(refused(&place), "snapshot-changed");
    fs::remove_file(&shard).unwrap();
    fs::rename(&aside, &shard).unwrap();
    let manifest = fs::read(place.path("monday/snapshot.json")).unwrap();
    fs::remove_file(place.path("monday/snapshot.json")).unwrap();
    assert_eq!(refused(&place), "snapshot-read");
    // The manifest of another keep, however genuine.
    place.run(&["init", "other", "--pack", "icu", "--key-file", "keep.kek"]).done();
    place
        .run(&["--keep", "other", "--key-file", "keep.kek", "store", "snapshot", "foreign"])
        .done();
    let foreign = fs::read(place.path("foreign/snapshot.json")).unwrap();
    write_private(&place.path("monday/snapshot.json"), &foreign);
    assert_eq!(refused(&place), "snapshot-forged");
    write_private(&place.path("monday/snapshot.json"), &manifest);
    // What somebody put there besides is not taken along.
    write_private(&place.path("monday/store/keyring"), b"planted");
    write_private(&place.path("monday/models/state.json.bak"), b"planted");
    restore(&place, "monday", "keep/store/keyring", &["--ledger", "ledger"]).done();
    assert!(!place.path("restored/models/state.json.bak").exists());
    assert_eq!(count(&place, "4711"), 2);
}

fn shard_of(place: &Place) -> PathBuf {
    let files = place.files("monday/store/events").into_iter();
    files.into_iter().find(|file| file.extension().is_some_and(|it| it == "parquet")).unwrap()
}

#[test]
fn a_ledger_that_went_back_must_be_given_up_in_words() {
    let place = with_three_people();
    place.run(&["store", "snapshot", "monday"]).done();
    place.run(&["twin", "list"]).done();
    let keyring = "keep/store/keyring";
    assert_eq!(restore(&place, "monday", keyring, &[]).refused(), "restore-ledger-older");
    let report = restore(&place, "monday", keyring, &["--ledger-lost"]).done();
    assert!(2 <= report["lost_ledger_entries"].as_u64().unwrap());
    assert_eq!(count(&place, "4711"), 2);
    assert_eq!(restore(&place, "monday", keyring, &["--ledger-lost"]).refused(), "keep-exists");
    let aside = place.files("state").into_iter();
    assert!(aside.into_iter().any(|file| file.to_string_lossy().ends_with(".before-restore")));
    ask(&place, &["ledger", "verify"]).done();
}

/// A rehearsal must not make the keep in use look like an older one.
#[test]
fn a_snapshot_is_taken_and_rehearsed_while_a_server_runs_and_models_come_along() {
    let (place, version) = Place::with_model();
    let server = Server::start(&place);
    place.run(&["store", "snapshot", "monday"]).done();
    let elsewhere = |args: &[&str]| {
        let mut command = place.command(&[args, &["--key-file", "keep.kek", "--json"]].concat());
        ran(&command.env("XDG_STATE_HOME", place.path("elsewhere")).output().unwrap())
    };
    let keyring = "keep/store/keyring";
    elsewhere(&["store", "restore", "monday", "--into", "rehearsal", "--keyring", keyring]).done();
    let rehearsed = ["--keep", "rehearsal"];
    elsewhere(&[&rehearsed[..], &["model", "verify", version.as_str()]].concat()).done();
    let list = elsewhere(&[&rehearsed[..], &["twin", "list", "--limit", "1"]].concat()).done();
    let twin = list["twins"][0]["subject"].as_str().unwrap();
    let there = elsewhere(&[&rehearsed[..], &["twin", "forecast", twin]].concat()).done();
    let here = place.run(&["twin", "forecast", twin]).done();
    assert_eq!(there["targets"], here["targets"]);
    assert_eq!(server.stop(), Some(0));
    place.run(&["twin", "list"]).done();
    let status = place.run(&["store", "status"]).done();
    assert_eq!(
        elsewhere(&[&rehearsed[..], &["store", "status"]].concat()).done()["events"],
        status["events"]
    );
    // A folder that has something in it is not written to.
    assert_eq!(place.run(&["store", "snapshot", "monday"]).refused(), "export-exists");
}

#[test]
fn a_lost_keyring_is_put_back_but_no_older_one() {
    let place = with_three_people();
    place.run(&["keyring", "backup", "old"]).done();
    let present = ["keyring", "restore", "old", "--key-file", "keep.kek"];
    assert_eq!(place.run(&present).refused(), "keyring-present");
    erase(&place, "4711");
    place.run(&["keyring", "backup", "new"]).done();
    let keyring = place.path("keep/store/keyring");
    fs::remove_file(&keyring).unwrap();
    assert_eq!(place.run(&["twin", "list"]).refused(), "keyring");
    assert_eq!(place.run(&present).refused(), "keyring-rolled-back");
    // Somebody who does not know of the command copies the backup there.
    let copied = fs::read(place.path("new")).unwrap();
    for damage in [None, Some(&b"not a keyring"[..]), Some(&copied[..])] {
        let _ = fs::remove_file(&keyring);
        if let Some(bytes) = damage {
            write_private(&keyring, bytes);
        }
        place.run(&["keyring", "restore", "new", "--key-file", "keep.kek"]).done();
        assert_eq!(place.run(&["twin", "show", "4712"]).done()["event_count"], 3);
    }
    let ledger = place.run(&["ledger", "show", "--limit", "200"]).lines();
    assert_eq!(ledger.iter().filter(|line| line["action"] == "keyring.restored").count(), 3);
}
