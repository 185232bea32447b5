//! What feeds do to errors, and how versions compare with each other.

use std::process::Command;

use serde_json::{Value, json};

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
    raised(line, 45.0)
}

fn raised(line: &str, by: f64) -> String {
    match line.split(',').collect::<Vec<_>>()[..] {
        [time, "HR", value] if "24:00" <= time => {
            let value: f64 = value.parse().unwrap();
            format!("{time},HR,{}", (value + by).min(290.0))
        }
        _ => line.to_owned(),
    }
}

#[test]
fn a_feed_that_makes_forecasts_worse_is_found_and_told_and_one_that_does_not_is_not() {
    let place = Place::with_few_targets(140);
    let clean = ingest(&place, ("north", 140, 7), &|line| line.to_owned());
    // So few people have come until now that no panel looks at rows.
    let poisoned = ingest(&place, ("south", 200, 8), &|line| raised(line, 110.0));
    ingest(&place, ("east", 300, 11), &|line| line.to_owned());
    let of_poison = |wanted: &str| {
        let mut incidents = place.run(&["incident", "list"]).lines();
        incidents.retain(|it| it["detector"] == "feed-poisoning");
        incidents.retain(|it| it["target"]["name"] == wanted);
        incidents.len()
    };
    let ask = |feed: &str| place.run(&["model", "influence", "--target", "HR", "--only", feed]);
    // By the shipped parameters one report in a hundred may have a false alarm.
    let shipped = include_str!("../../../twinkeep-watch/src/poisoning/poisoning.toml");
    let sure = shipped.replace("harm_min = 0.02", "harm_min = 0.1");
    write(&place.path("keep/poisoning.toml"), sure.as_bytes());
    let before = ask(&clean).done();
    assert_eq!((&before["trainings"], of_poison(&clean)), (&6.into(), 0), "{before}");
    assert_ne!(before["sources"][0]["targets"][0]["verdict"], "harms", "{before}");

    // How surely poison is found is what the benchmark tells; this test is about what follows.
    let lenient = shipped
        .replace("false_discovery_rate = 0.01", "false_discovery_rate = 0.5")
        .replace("harm_min = 0.02", "harm_min = 0.005");
    write(&place.path("keep/poisoning.toml"), lenient.as_bytes());
    let ran = ask(&poisoned);
    assert_eq!(ran.refused(), "influence-harm");
    let report: Value = serde_json::from_str(ran.stdout.lines().next().unwrap()).unwrap();
    let found = &report["sources"][0];
    assert_eq!((&found["name"], &found["targets"][0]["code"]), (&json!(poisoned), &json!("HR")));
    assert_eq!(found["targets"][0]["verdict"], "harms", "{report}");
    assert_eq!(of_poison(&poisoned), 1);
    let entries = place.run(&["ledger", "show", "--limit", "40"]).lines();
    let told: Vec<_> = entries.iter().filter(|it| it["action"] == "feed.influence").collect();
    assert_eq!(told[1]["details"]["harms_of"], format!("{poisoned} harms HR"), "{told:?}");
    // What chance may do as well holds nothing: the feed still teaches.
    assert_eq!(ask(&poisoned).refused(), "influence-harm");
    assert_eq!(of_poison(&poisoned), 1, "the same finding is the same incident");
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
