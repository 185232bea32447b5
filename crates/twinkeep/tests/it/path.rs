//! The main path, on made-up patients: sealed feed in, calibrated forecast out.

use std::fs;

use crate::harness::Place;

#[test]
fn a_sealed_feed_becomes_a_forecast() {
    let place = Place::with_keep();
    let made = place.synth("feed.tar.gz", 300, 25, 42);
    place.seal("feed.tar.gz").done();
    let report = place.run(&["ingest", "feed.tar.gz.sealed"]).done();
    let count = |name: &str| report[name].as_u64().unwrap();
    assert_eq!(count("read"), made["rows"].as_u64().unwrap());
    assert_eq!(count("read"), count("accepted") + count("missing") + count("quarantined"));
    assert_eq!(count("quarantined"), made["poisoned"].as_u64().unwrap());
    assert_eq!(report["subjects"], 300);

    let trained = place.run(&["train"]).done();
    let evaluation = &trained["evaluation"];
    assert!(evaluation["mase_median"].as_f64().unwrap() < 1.0, "{evaluation}");
    let coverage = evaluation["coverage_90_mean"].as_f64().unwrap();
    assert!((0.83..=0.97).contains(&coverage), "{coverage}");
    let version = trained["version"].as_str().unwrap();
    place.run(&["model", "release", version, "--reason", "test"]).done();

    let list = place.run(&["twin", "list", "--limit", "3"]).done();
    let subject = list["twins"][0]["subject"].as_str().unwrap();
    assert!(list["next"].is_string());
    let answer = place.run(&["twin", "forecast", subject]).done();
    let heart_rate =
        answer["targets"].as_array().unwrap().iter().find(|target| target["code"] == "HR").unwrap();
    let points = heart_rate["points"].as_array().unwrap();
    assert_eq!(points.len(), 24);
    for point in points {
        let quantiles = ["q05", "q10", "q25", "q50", "q75", "q90", "q95"];
        let values = quantiles.map(|name| point[name].as_f64().unwrap());
        assert!(values.windows(2).all(|pair| pair[0] <= pair[1]), "{point}");
    }

    let args = ["twin", "forecast", subject, "--target", "HR", "--svg", "hr.svg"];
    let drawn = place.show(&args);
    assert_eq!(drawn.code, 0, "{}", drawn.stderr);
    assert!(10 < drawn.stdout.lines().count(), "{}", drawn.stdout);
    assert!(fs::read_to_string(place.path("hr.svg")).unwrap().starts_with("<svg"));
}

/// What a twin says about hour 24 must not depend on what happened after it.
#[test]
fn a_forecast_at_a_past_moment_looks_at_nothing_later() {
    let (place, _) = Place::with_model();
    let list = place.run(&["twin", "list", "--limit", "1"]).done();
    let subject = list["twins"][0]["subject"].as_str().unwrap().to_owned();
    let early = place.run(&["twin", "forecast", &subject, "--at", "12"]).done();
    let late = place.run(&["twin", "forecast", &subject]).done();
    assert_ne!(early["prediction_time"], late["prediction_time"]);
    for target in early["targets"].as_array().unwrap() {
        if let Some(age) = target["last"]["age_hours"].as_f64() {
            assert!(0.0 <= age, "{} was seen before it happened", target["code"]);
        }
    }
}

fn one_stay(place: &Place, folder: &str, age: u32) {
    fs::create_dir(place.path(folder)).unwrap();
    let text = format!("Time,Parameter,Value\n00:00,RecordID,4711\n00:00,Age,{age}\n00:10,HR,80\n");
    crate::harness::write(&place.path(&format!("{folder}/4711.txt")), text.as_bytes());
}

#[test]
fn a_twin_is_found_by_the_name_that_its_source_uses() {
    let place = Place::with_keep();
    one_stay(&place, "stays", 61);
    place.run(&["ingest", "stays"]).done();
    let twin = place.run(&["twin", "show", "4711"]).done();
    let subject = twin["subject"].as_str().unwrap();
    assert!(subject.starts_with("sub-"));
    assert_eq!(place.run(&["twin", "show", subject]).done(), twin);
    assert_eq!(place.run(&["twin", "show", "local/4711"]).done(), twin);
    assert_eq!(place.run(&["twin", "show", "4712"]).refused(), "subject-unknown");
}

#[test]
fn the_same_record_number_at_two_sites_is_two_people() {
    let place = Place::with_keep();
    one_stay(&place, "north", 61);
    one_stay(&place, "south", 34);
    place.run(&["ingest", "north", "--site", "north"]).done();
    place.run(&["ingest", "south", "--site", "south"]).done();
    let list = place.run(&["twin", "list"]).done();
    assert_eq!(list["twins"].as_array().unwrap().len(), 2);
    assert_eq!(place.run(&["twin", "show", "4711"]).refused(), "subject-ambiguous");
    let north = place.run(&["twin", "show", "north/4711"]).done();
    assert_eq!(north["variables"][0]["last"], 61.0);
}

#[test]
fn a_sender_cannot_choose_the_site_of_another() {
    let place = Place::with_keep();
    fs::create_dir(place.path("mallory")).unwrap();
    let new = ["identity", "new", "hospital", "--dir", "mallory", "--key-file", "mallory.kek"];
    place.run(&new).done();
    let add = ["sender", "add", "mallory/hospital.identity.pub"];
    assert_eq!(place.run(&add).refused(), "site-taken");
    assert_eq!(place.run(&["sender", "list"]).lines().len(), 1);
    place.run(&[&add[..], &["--site", "other"]].concat()).done();
    assert_eq!(place.run(&["sender", "list"]).lines()[1]["site"], "other");
}
