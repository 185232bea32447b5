//! What feeds do to errors, and how versions compare with each other.

use std::process::Command;

use serde_json::Value;

use crate::harness::{Place, write};

/// Ingests made-up stays of another hospital, whose lines may be changed before; returns the feed,
/// which is released if it was held.
fn ingest(
    place: &Place,
    (site, stays, seed): (&str, u32, u64),
    change: &dyn Fn(&str) -> String,
) -> String {
    place.synth("now.tar.gz", stays, 0, seed);
    let tar = |args: &[&str]| {
        let status = Command::new("tar").current_dir(place.folder()).args(args).status().unwrap();
        assert!(status.success());
    };
    tar(&["xzf", "now.tar.gz"]);
    for file in place.files("synth") {
        let text = std::fs::read_to_string(&file).unwrap();
        let lines: Vec<String> = text.lines().map(change).collect();
        write(&file, (lines.join("\n") + "\n").as_bytes());
    }
    tar(&["czf", "changed.tar.gz", "synth"]);
    std::fs::remove_dir_all(place.path("synth")).unwrap();
    let ran = place.run(&["ingest", "changed.tar.gz", "--site", site]);
    let report: Value = serde_json::from_str(ran.stdout.lines().next().unwrap()).unwrap();
    let feed = report["feed"].as_str().unwrap().to_owned();
    if ran.code != 0 {
        assert_eq!(ran.refused(), "feed-held");
        place.run(&["feed", "release", &feed, "--reason", "test"]).done();
    }
    feed
}

/// From the second day on every heart beats faster: nothing leaves its range.
fn faster(line: &str) -> String {
    match line.split(',').collect::<Vec<_>>()[..] {
        [time, "HR", value] if "24:00" <= time => {
            let value: f64 = value.parse().unwrap();
            format!("{time},HR,{}", (value + 45.0).min(190.0))
        }
        _ => line.to_owned(),
    }
}

#[test]
fn what_cannot_be_left_out_is_said() {
    let place = Place::with_few_targets(240);
    let refused = |args: &[&str]| place.run(&[&["model", "influence"], args].concat()).refused();
    assert_eq!(refused(&[]), "influence-people", "without the only feed nothing is left");
    assert_eq!(refused(&["--only", "feed-9"]), "influence-unknown");
    assert_eq!(refused(&["--target", "Height"]), "target-unknown");
    write(&place.path("keep/poisoning.toml"), b"[influence]\nharm_min = 1\n");
    assert_eq!(refused(&[]), "poisoning-parameters");
}

#[test]
fn a_candidate_that_learned_poison_is_worse_than_the_version_in_service_on_clean_people() {
    let place = Place::with_few_targets(240);
    let train = || {
        let report = place.run(&["train"]).done();
        report["version"].as_str().unwrap().to_owned()
    };
    let first = train();
    place.run(&["model", "release", &first, "--reason", "test"]).done();
    assert_eq!(place.run(&["model", "compare", &first]).refused(), "compare-same");
    ingest(&place, ("south", 240, 8), &faster);
    let second = train();
    let ran = place.run(&["model", "compare", &second]);
    let found: Value = serde_json::from_str(ran.stdout.lines().next().unwrap()).unwrap();
    let of = |by: &str, group: &str| {
        let all = found["findings"].as_array().unwrap();
        let mean = |it: &Value| it["larger"]["mean"].as_f64().unwrap();
        all.iter().find(|it| it["by"] == by && it["group"] == group).map(mean)
    };
    let old = of("Came", "before the other version").unwrap();
    let new = of("Came", "since").unwrap();
    assert!(0.0 < old && new < old, "poison flatters on its own people: {found}");
    assert!(0.0 < found["canaries"]["shift"].as_f64().unwrap(), "{found}");
    let card = place.run(&["model", "show", &second]).done()["card"].clone();
    let beside = &card["beside_the_version_in_service"];
    assert_eq!(beside["with"], first.as_str(), "the card says so, too: {beside}");
    assert_eq!(beside["findings"], found["findings"]);
    let card = place.run(&["model", "show", &first]).done()["card"].clone();
    let why = &card["beside_the_version_in_service"]["not_compared"];
    assert_eq!(why, "no version was in service");
    // The limits are the operator's: one that is this strict refuses it, and the release does, too.
    let shipped = include_str!("../../../twinkeep-watch/src/poisoning/poisoning.toml");
    let strict = shipped
        .replace("worse_for_a_group = 0.05", "worse_for_a_group = 0.0")
        .replace("errors_for_a_group = 4.0", "errors_for_a_group = 0.0");
    write(&place.path("keep/poisoning.toml"), strict.as_bytes());
    assert_eq!(place.run(&["model", "compare", &second]).refused(), "model-worse");
    let release = ["model", "release", &second, "--reason", "test"];
    assert_eq!(place.run(&release).refused(), "model-worse");
    let lenient = strict.replace("on_worse = \"refuse\"", "on_worse = \"warn\"");
    write(&place.path("keep/poisoning.toml"), lenient.as_bytes());
    let text = place.show(&["model", "compare", &second]).stdout;
    assert!(text.contains("WORSE") && text.contains("a warning"), "{text}");
    let done = place.run(&release).done();
    assert_eq!(done["comparison"]["verdict"], "warn");
    assert!(done["checks"].as_array().unwrap().iter().any(|it| it["check"] == "warning"), "{done}");
    let mut incidents = place.run(&["incident", "list"]).lines();
    incidents.retain(|it| it["detector"] == "model-poisoning");
    assert_eq!(incidents.len(), 1, "{incidents:?}");
}
