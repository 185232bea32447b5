//! What came in since, compared with what a version was made from.

use std::process::Command;

use serde_json::Value;

use crate::harness::{Place, write};

/// Ingests made-up stays of another hospital, of whom the keep knows nobody; their lines may be
/// changed before. A feed that departs from what is known is held, and is released here.
fn ingest(
    place: &Place,
    (site, seed): (&str, u64),
    change: &dyn Fn(&str) -> Option<String>,
) -> String {
    place.synth("now.tar.gz", 120, 0, seed);
    let tar = |args: &[&str]| {
        let status = Command::new("tar").current_dir(place.folder()).args(args).status().unwrap();
        assert!(status.success());
    };
    tar(&["xzf", "now.tar.gz"]);
    for file in place.files("synth") {
        let text = std::fs::read_to_string(&file).unwrap();
        let lines: Vec<String> = text.lines().filter_map(change).collect();
        write(&file, (lines.join("\n") + "\n").as_bytes());
    }
    tar(&["czf", "changed.tar.gz", "synth"]);
    let ran = place.run(&["ingest", "changed.tar.gz", "--site", site]);
    let report: Value = serde_json::from_str(ran.stdout.lines().next().unwrap()).unwrap();
    let feed = report["feed"].as_str().unwrap().to_owned();
    if ran.code != 0 {
        assert_eq!(ran.refused(), "feed-held");
        place.run(&["feed", "release", &feed, "--reason", "test"]).done();
    }
    feed
}

fn series<'a>(report: &'a Value, about: &str, code: &str) -> &'a Value {
    let all = report["series"].as_array().unwrap();
    let same = |it: &&Value| it["finding"]["about"] == about && it["finding"]["code"] == code;
    &all.iter().find(same).unwrap()["finding"]
}

#[test]
fn what_came_since_is_compared_with_the_baseline_and_drift_is_an_alarm() {
    let (place, version) = Place::with_model();
    let nobody = place.run(&["drift"]).done();
    assert_eq!((&nobody["verdict"], &nobody["people"]), (&"too-few".into(), &0.into()));
    assert!(place.files("keep/models").iter().any(|file| file.ends_with("baseline.json")));

    let same = ingest(&place, ("elsewhere", 7), &|line| Some(line.to_owned()));
    let report = place.run(&["drift", "--source", &same]);
    let found: Value = serde_json::from_str(report.stdout.lines().next().unwrap()).unwrap();
    assert_eq!(report.code == 1, found["verdict"] == "alarm", "{found}");
    assert_eq!((&found["people"], &found["known_before"]), (&120.into(), &0.into()), "{found}");
    for line in found["series"].as_array().unwrap() {
        // What depends on who is held out is left out here: that is another one in each keep.
        if line["finding"]["about"] == "input" {
            assert_ne!(line["finding"]["verdict"], "alarm", "{line}");
        }
    }

    // Another device for the heart rate, and no temperature any more.
    let changed = ingest(&place, ("changed", 8), &|line| {
        let fields: Vec<&str> = line.split(',').collect();
        match fields[..] {
            [_, "Temp", _] => None,
            [time, "HR", value] => {
                let value: f64 = value.parse().unwrap();
                Some(format!("{time},HR,{}", (value + 25.0).round()))
            }
            _ => Some(line.to_owned()),
        }
    });
    let report = place.run(&["drift", "--source", &changed, "--model", &version]);
    assert_eq!(report.code, 1);
    assert_eq!(report.refused(), "drift-alarm");
    let found: Value = serde_json::from_str(report.stdout.lines().next().unwrap()).unwrap();
    assert_eq!(found["feeds"], serde_json::json!([changed]));
    assert_eq!(series(&found, "input", "HR")["verdict"], "alarm", "{found}");
    assert_eq!(series(&found, "input", "Temp")["missing"][1], 1.0);
    assert_ne!(series(&found, "input", "Temp")["verdict"], "steady", "{found}");

    let text = place.show(&["drift", "--source", &changed, "--all"]).stdout;
    assert!(text.contains("ALARM") && text.contains(&format!("of {changed}, compared")), "{text}");
    let entries = place.run(&["ledger", "show", "--limit", "20"]).lines();
    assert!(entries.iter().any(|entry| entry["action"] == "drift.checked"));
    let mut incidents = place.run(&["incident", "list"]).lines();
    // The panel may have doubted the feed, too.
    incidents.retain(|incident| incident["detector"] == "drift");
    assert_eq!(incidents.len(), 1, "an alarm is an incident, and another one is the same");
    assert_eq!(incidents[0]["target"]["name"], version.as_str());
    assert_eq!(incidents[0]["count"], 2);

    let learned = place.run(&["drift", "--source", "feed-1"]);
    assert_eq!(learned.refused(), "drift-feed");
    assert_eq!(place.run(&["drift", "--since", "yesterday"]).refused(), "drift-since");
    let later = place.run(&["drift", "--since", "2100-01-01T00:00:00Z"]).done();
    assert_eq!(later["people"], 0);
    write(&place.path("keep/drift.toml"), b"false_discovery_rate = 2");
    assert_eq!(place.run(&["drift"]).refused(), "drift-parameters");
}
