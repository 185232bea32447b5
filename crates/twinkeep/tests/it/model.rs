//! Model versions as a person meets them: a version that was changed is refused, quarantined, and
//! recorded.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::harness::{Place, write};

fn train(place: &Place, seed: &str) -> String {
    let report = place.run(&["train", "--seed", seed]).done();
    report["version"].as_str().unwrap().to_owned()
}

fn subject(place: &Place) -> String {
    let list = place.run(&["twin", "list", "--limit", "1"]).done();
    list["twins"][0]["subject"].as_str().unwrap().to_owned()
}

fn actions(place: &Place) -> Vec<String> {
    let lines = place.run(&["ledger", "show", "--limit", "1000"]).lines();
    lines.iter().map(|line| line["action"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn only_a_released_version_forecasts() {
    let place = Place::with_patients(240);
    let subject = subject(&place);
    assert_eq!(place.run(&["twin", "forecast", &subject]).refused(), "model-none");
    let version = train(&place, "42");
    assert_eq!(place.run(&["twin", "forecast", &subject]).refused(), "model-none");
    place.run(&["model", "release", &version, "--reason", "test"]).done();
    let answer = place.run(&["twin", "forecast", &subject]).done();
    assert_eq!(answer["model"], Value::from(version));
    assert_eq!(answer["targets"].as_array().unwrap().len(), 37);
    let why = place.run(&["twin", "explain", &subject, "--target", "HR", "--drivers", "3"]).done();
    let number = |name: &str| why[name].as_f64().unwrap();
    let drivers = why["drivers"].as_array().unwrap();
    let told: f64 = drivers.iter().map(|driver| driver["contribution"].as_f64().unwrap()).sum();
    let parts = ["carried", "usual_change", "others", "adjusted"].map(number);
    let sum = told + parts.into_iter().sum::<f64>();
    assert!((sum - number("median")).abs() < 1e-2, "{why}");
    assert!(drivers.len() <= 3, "{why}");
    assert!(0 < why["backtest"]["value_count"].as_u64().unwrap(), "{why}");
    let unknown = place.run(&["twin", "explain", &subject, "--target", "Nothing"]);
    assert_eq!(unknown.refused(), "target-unknown");
    assert!(actions(&place).contains(&"twin.explained".to_owned()));
}

#[test]
fn a_flipped_bit_in_any_file_is_refused_quarantined_and_recorded() {
    let (place, version) = Place::with_model();
    let subject = subject(&place);
    place.copy("keep", "good");
    place.copy("state", "good-state");
    let names: Vec<PathBuf> = place.files(&format!("keep/models/{version}"));
    assert!(5 <= names.len(), "{names:?}");
    let key = place.path(&format!("keep/models/{version}.key"));
    for name in names.iter().chain([&key]) {
        fs::remove_dir_all(place.path("keep")).unwrap();
        fs::remove_dir_all(place.path("state")).unwrap();
        place.copy("good", "keep");
        place.copy("good-state", "state");
        place.flip(name, 12_345);
        let forecast = place.run(&["twin", "forecast", &subject]);
        let code = forecast.refused();
        assert!(code.starts_with("model-"), "{code} for {}", name.display());
        assert_eq!(forecast.code, 1);
        let list = place.run(&["model", "list"]).lines();
        assert_eq!(list[0]["state"], "quarantined", "{}", name.display());
        assert!(actions(&place).contains(&"model.quarantined".to_owned()));
        assert_eq!(place.run(&["twin", "forecast", &subject]).refused(), "model-none");
    }
}

#[test]
fn a_version_that_is_quarantined_cannot_be_released() {
    let (place, version) = Place::with_model();
    place.flip(&place.path(&format!("keep/models/{version}/card.json")), 99);
    place.run(&["model", "verify", &version]).refused();
    let again = place.run(&["model", "release", &version, "--reason", "please"]);
    assert_eq!(again.refused(), "model-state");
}

#[test]
fn a_hand_that_edits_the_state_releases_nothing() {
    let (place, _) = Place::with_model();
    let second = train(&place, "7");
    for path in place.files("keep/models") {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        if text.contains("payload") && path.parent() == Some(place.path("keep/models").as_path()) {
            let forged = text.replacen("payload\":\"", "payload\":\"AAAA", 1);
            assert_ne!(forged, text);
            write(&path, forged.as_bytes());
        }
    }
    let release = place.run(&["model", "release", &second, "--reason", "x"]);
    assert_eq!(release.code, 1);
    assert_ne!(place.run(&["twin", "list"]).code, 0, "a keep with a forged registry stays shut");
}

#[test]
fn models_restored_from_an_older_copy_are_noticed() {
    let (place, _) = Place::with_model();
    place.copy("keep/models", "older");
    train(&place, "7");
    fs::remove_dir_all(place.path("keep/models")).unwrap();
    place.copy("older", "keep/models");
    assert_eq!(place.run(&["twin", "list"]).refused(), "registry-rolled-back");
}

#[test]
fn the_same_data_and_seed_give_the_same_weights_on_any_number_of_threads() {
    let place = Place::with_few_targets(240);
    let digest = |args: &[&str]| {
        let report = place.run(args).done();
        report["weights_sha256"].as_str().unwrap().to_owned()
    };
    let one = digest(&["train", "--threads", "1"]);
    assert_eq!(one, digest(&["train", "--threads", "3"]));
    assert_ne!(one, digest(&["train", "--seed", "43"]));
}
