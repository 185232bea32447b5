//! What a person can ask for: everything that is kept about them, and that it goes.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::harness::{Place, write};

const REASON: [&str; 2] = ["--reason", "asked by letter"];

fn stay(place: &Place, folder: &str, record: u32, rows: &str) {
    let _ = fs::create_dir(place.path(folder));
    let text = format!("Time,Parameter,Value\n00:00,RecordID,{record}\n00:00,Age,61\n{rows}");
    write(&place.path(&format!("{folder}/{record}.txt")), text.as_bytes());
}

/// Two people, each with an event that is refused.
fn with_two_people() -> Place {
    let place = Place::with_keep();
    stay(&place, "stays", 4711, "00:10,HR,80\n00:20,HR,88717.25\n");
    stay(&place, "stays", 4712, "00:10,HR,90\n00:20,HR,99717.25\n");
    place.run(&["ingest", "stays"]).done();
    place
}

fn read(place: &Place, name: &str) -> Value {
    serde_json::from_slice(&fs::read(place.path(name)).unwrap()).unwrap()
}

fn erase(place: &Place, subject: &str) -> Value {
    let args = ["subject", "erase", subject, "--confirm", subject, "--proof", "proof.json"];
    place.run(&[&args[..], &REASON].concat()).done()
}

#[test]
fn a_person_gets_everything_that_is_kept_about_them_and_nothing_else() {
    let place = with_two_people();
    let report = place.run(&["subject", "export", "4711", "--out", "mine"]).done();
    assert_eq!((&report["events"], &report["refused_rows"]), (&2.into(), &1.into()));
    let events = read(&place, "mine/events.json");
    let values: Vec<_> = events.as_array().unwrap().iter().map(|it| &it["numeric_value"]).collect();
    assert_eq!(values, [61.0, 80.0]);
    let person = read(&place, "mine/person.json");
    assert_eq!((&person["site"], &person["identifier"]), (&"local".into(), &"4711".into()));
    assert_eq!(person["feeds"].as_array().unwrap().len(), 1);
    assert!(person["refused_rows"][0]["as_read"].as_str().unwrap().contains("88717.25"));
    assert!(!person.to_string().contains("99717.25"));
    let asked = person["ledger"].as_array().unwrap().iter().map(|it| &it["action"]);
    assert!(asked.into_iter().any(|action| action == "subject.exported"), "{person}");
    for file in place.files("mine") {
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let again = place.run(&["subject", "export", "4711", "--out", "mine"]);
    assert_eq!(again.refused(), "export-exists");
    let nobody = place.run(&["subject", "export", "4799", "--out", "other"]);
    assert_eq!(nobody.refused(), "subject-unknown");
    assert!(!place.path("other").exists());
}

#[test]
fn an_erased_person_is_gone_everywhere_and_a_proof_says_so() {
    let place = with_two_people();
    let report = erase(&place, "local/4711");
    assert_eq!((&report["events"], &report["refused_rows"]), (&2.into(), &1.into()));
    assert_eq!(place.run(&["twin", "show", "4711"]).refused(), "subject-unknown");
    assert_eq!(place.run(&["twin", "show", "local/4711"]).refused(), "subject-unknown");
    assert_eq!(place.run(&["twin", "show", "4712"]).done()["event_count"], 2);
    let refused = place.run(&["feed", "quarantine", "feed-1", "--reveal"]).done().to_string();
    assert!(refused.contains("99717.25") && !refused.contains("88717.25"), "{refused}");
    assert!(!refused.contains("4711"), "{refused}");

    let proof = place.run(&["subject", "verify-erasure", "proof.json"]).done();
    assert_eq!(proof["subject_reference"], report["reference"]);
    assert_eq!(proof["reason"], "asked by letter");
    // Four digits alone are in a digest or a signature now and then.
    let text = read(&place, "proof.json");
    let payload = STANDARD.decode(text["payload"].as_str().unwrap()).unwrap();
    let payload = String::from_utf8(payload).unwrap();
    assert!(!payload.contains("/4711") && !payload.contains("\"4711"), "{payload}");
    // Asked once more, it says the same, and erases nothing.
    let again = erase(&place, "local/4711");
    assert_eq!((&again["reference"], &again["events"]), (&report["reference"], &report["events"]));
    place.run(&["ledger", "verify"]).done();
}

#[test]
fn a_proof_that_was_changed_or_is_of_another_keep_proves_nothing() {
    let place = with_two_people();
    erase(&place, "4711");
    place.copy("proof.json", "changed.json");
    for bit in (0..4000).step_by(97) {
        place.flip(&place.path("changed.json"), bit);
        let verified = place.run(&["subject", "verify-erasure", "changed.json"]);
        assert_eq!(verified.refused(), "erasure-invalid", "bit {bit}");
        place.flip(&place.path("changed.json"), bit);
    }
    place.run(&["init", "other", "--pack", "icu", "--key-file", "other.kek"]).done();
    let verified = place.run(&["--keep", "other", "subject", "verify-erasure", "proof.json"]);
    assert_eq!(verified.refused(), "erasure-invalid");
}

#[test]
fn an_erasure_must_be_confirmed_and_name_somebody() {
    let place = with_two_people();
    let erase = |subject: &str, confirm: &str| {
        let args = ["subject", "erase", subject, "--confirm", confirm];
        place.run(&[&args[..], &REASON].concat()).refused()
    };
    assert_eq!(erase("4711", "4712"), "erase-confirm");
    assert_eq!(erase("4799", "4799"), "subject-unknown");
    assert_eq!(erase("sub-0000000000000001", "sub-0000000000000001"), "subject-unknown");
    place.run(&["twin", "show", "4711"]).done();
}

#[test]
fn nothing_about_an_erased_person_is_kept_when_their_records_come_again() {
    let place = with_two_people();
    erase(&place, "4711");
    stay(&place, "again", 4711, "00:30,HR,82\n00:40,HR,77717.25\n");
    stay(&place, "again", 4713, "00:30,HR,83\n");
    let report = place.run(&["ingest", "again"]).done();
    let count = |name: &str| report[name].as_u64().unwrap();
    assert_eq!(count("read"), count("accepted") + count("missing") + count("quarantined"));
    assert_eq!(place.run(&["twin", "list"]).done()["twins"].as_array().unwrap().len(), 2);
    let refused = place.run(&["feed", "quarantine", "feed-2", "--reveal"]).done();
    let text = refused.to_string();
    assert!(!text.contains("4711") && !text.contains("77717"), "{text}");
    assert!(text.contains("erased-subject"), "{text}");
}

/// Whoever copied the folder, and gets the secret later, must not read what was erased since.
#[test]
fn a_copy_of_the_data_with_the_present_keyring_does_not_show_who_was_erased() {
    let place = with_two_people();
    place.copy("keep", "copy");
    fs::remove_file(place.path("copy/store/keyring")).unwrap();
    erase(&place, "4711");
    fs::copy(place.path("keep/store/keyring"), place.path("copy/store/keyring")).unwrap();
    let shown = |subject: &str| {
        let args = ["--keep", "copy", "--key-file", "keep.kek", "twin", "show", subject];
        let mut command = place.command(&args);
        let ran = command.env("XDG_STATE_HOME", place.path("elsewhere")).output().unwrap();
        (ran.status.code(), String::from_utf8_lossy(&ran.stderr).into_owned())
    };
    let (code, text) = shown("local/4711");
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("destroyed"), "{text}");
}

#[test]
fn an_older_keyring_under_the_keep_is_refused() {
    let place = with_two_people();
    fs::copy(place.path("keep/store/keyring"), place.path("older")).unwrap();
    erase(&place, "4711");
    fs::copy(place.path("older"), place.path("keep/store/keyring")).unwrap();
    assert_eq!(place.run(&["twin", "list"]).refused(), "keyring-rolled-back");
}

#[test]
fn models_that_may_have_learned_from_an_erased_person_are_marked_and_not_released() {
    let (place, version) = Place::with_version();
    let version = version.as_str();
    let list = place.run(&["twin", "list", "--limit", "1"]).done();
    let subject = list["twins"][0]["subject"].as_str().unwrap();
    let report = erase(&place, subject);
    assert_eq!(report["models"][0], version);
    assert_eq!(place.run(&["model", "list"]).lines()[0]["erased_since"], 1);
    let shown = place.run(&["model", "show", version]).done();
    assert!(shown["marks"][0].as_str().unwrap().contains("was erased"), "{shown}");
    let released = place.run(&["model", "release", version, "--reason", "test"]);
    assert_eq!(released.refused(), "model-marked");
    let trained = place.run(&["train"]).done();
    let version = trained["version"].as_str().unwrap();
    place.run(&["model", "release", version, "--reason", "test"]).done();
}
