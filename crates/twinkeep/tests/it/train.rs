//! A training that is cut off goes on where it was, and ends with the same weights.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{Place, write};

/// Parts of unfinished trainings that are on the disk.
fn parts(place: &Place) -> usize {
    let files = if place.path("keep/training").is_dir() {
        place.files("keep/training")
    } else {
        Vec::new()
    };
    let is_part = |name: &str| name.starts_with("part-") && !name.contains('.');
    files.iter().filter(|file| is_part(&file.file_name().unwrap().to_string_lossy())).count()
}

/// Starts a training, and returns once it has learned two targets.
fn begun(place: &Place, args: &[&str]) -> Child {
    let mut command = place.command(args);
    let mut child =
        command.arg("--json").stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let began = Instant::now();
    while parts(place) < 2 {
        assert!(began.elapsed() < Duration::from_secs(120), "no target was learned in time");
        assert!(child.try_wait().unwrap().is_none(), "the training ended too soon");
        std::thread::sleep(Duration::from_millis(5));
    }
    child
}

/// Trains and kills the program once it has learned a target or more; returns how many it left.
fn cut_off(place: &Place, args: &[&str]) -> usize {
    // With one thread and a dozen targets there is a lot of time between the first and the last.
    let mut child = begun(place, args);
    child.kill().unwrap();
    child.wait().unwrap();
    parts(place)
}

fn weights(report: &Value) -> &str {
    report["weights_sha256"].as_str().unwrap()
}

#[test]
fn a_training_that_was_killed_goes_on_to_the_same_weights() {
    let place = Place::with_few_targets(240);
    let args = ["train", "--threads", "1"];
    let whole = place.run(&args).done();
    assert_eq!(whole["resumed_targets"], 0);
    assert_eq!(parts(&place), 0, "nothing is left of a training that ended");

    let left = cut_off(&place, &args);
    // One file is damaged, another changed places: both targets are learned again.
    let damaged = place
        .files("keep/training")
        .into_iter()
        .find(|file| file.file_name().unwrap().to_string_lossy().starts_with("part-"));
    place.flip(&damaged.unwrap(), 4_001);
    let resumed = place.run(&["train", "--threads", "2"]).done();
    assert_eq!(resumed["resumed_targets"], left - 1);
    assert_eq!(resumed["started_over"], Value::Array(vec![]));
    assert_eq!(weights(&resumed), weights(&whole));
    assert_eq!(resumed["evaluation"], whole["evaluation"]);
    assert_eq!(parts(&place), 0);

    let left = cut_off(&place, &args);
    assert!(0 < left);
    let anew = place.run(&["train", "--start-over"]).done();
    assert_eq!((&anew["resumed_targets"], weights(&anew)), (&Value::from(0), weights(&whole)));
}

#[test]
fn a_training_of_something_else_starts_over_and_says_why() {
    let place = Place::with_few_targets(240);
    let args = ["train", "--threads", "1"];
    cut_off(&place, &args);
    let report = place.run(&["train", "--seed", "7"]).done();
    assert_eq!(report["resumed_targets"], 0);
    assert_eq!(report["started_over"], serde_json::json!(["configuration"]));
    assert_eq!(parts(&place), 0, "the other training's parts are deleted");

    cut_off(&place, &args);
    place.synth("more.tar.gz", 20, 0, 43);
    place.seal("more.tar.gz").done();
    place.run(&["ingest", "more.tar.gz.sealed"]).done();
    let shown = place.show(&args);
    assert_eq!(shown.code, 0, "{}", shown.stderr);
    assert!(shown.stderr.contains("started over"), "{}", shown.stderr);
    assert!(shown.stderr.contains("differs in data"), "{}", shown.stderr);
}

#[test]
fn an_erasure_takes_what_an_unfinished_training_learned_along() {
    let place = Place::with_few_targets(240);
    cut_off(&place, &["train", "--threads", "1"]);
    let twins = place.run(&["twin", "list", "--limit", "1"]).done();
    let subject = twins["twins"][0]["subject"].as_str().unwrap().to_owned();
    let erase = ["subject", "erase", &subject, "--confirm", &subject, "--reason", "asked for it"];
    place.run(&erase).done();
    assert_eq!(parts(&place), 0);
    let report = place.run(&["train"]).done();
    assert_eq!(report["resumed_targets"], 0);
}

#[test]
fn the_same_training_does_not_run_twice_at_once() {
    let place = Place::with_few_targets(240);
    let args = ["train", "--threads", "1"];
    let mut child = begun(&place, &args);
    assert_eq!(place.run(&["train", "--threads", "2"]).refused(), "train-running");
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(0 < place.run(&args).done()["resumed_targets"].as_u64().unwrap());
}

#[test]
fn what_was_learned_while_a_person_was_erased_is_not_kept() {
    let place = Place::with_patients(400);
    // A machine whose disk is slow may erase too late; then the training of the next seed is asked.
    for seed in 1..=5 {
        let seed = seed.to_string();
        let child = begun(&place, &["train", "--threads", "1", "--seed", &seed]);
        let twins = place.run(&["twin", "list", "--limit", "1"]).done();
        let subject = twins["twins"][0]["subject"].as_str().unwrap().to_owned();
        let erase = ["subject", "erase", &subject, "--confirm", &subject, "--reason", "asked"];
        place.run(&erase).done();
        let models = place.run(&["model", "list"]).lines().len();
        let output = child.wait_with_output().unwrap();
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(said.contains("train-erased"), "{said}");
            assert_eq!(place.run(&["model", "list"]).lines().len(), models);
            return;
        }
    }
    panic!("no training was still running when the erasure was done");
}

#[test]
fn the_record_says_what_a_training_depends_on() {
    let place = Place::with_few_targets(240);
    let report = place.run(&["train", "--seed", "5"]).done();
    let version = report["version"].as_str().unwrap();
    let record = place.path(&format!("keep/models/{version}/training.json"));
    let record: Value = serde_json::from_slice(&std::fs::read(record).unwrap()).unwrap();
    assert_eq!(record["configuration"]["seed"], 5);
    assert!(record["configuration"].get("threads").is_none(), "threads do not matter");
    for digest in ["pack_sha256", "data_sha256", "weights_sha256"] {
        assert_eq!(record[digest].as_str().unwrap().len(), 64, "{digest}");
    }
    assert_eq!(record["program"]["sha256"].as_str().unwrap().len(), 64);
    // A stranger's file in the folder harms nothing.
    std::fs::create_dir(place.path("keep/training")).unwrap_or_default();
    write(&place.path("keep/training/stray"), b"stray");
    let again = place.run(&["train", "--seed", "5"]).done();
    assert_eq!(weights(&again), weights(&report));
}
