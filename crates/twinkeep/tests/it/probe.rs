//! Probing through the real server: answers get coarser, then labels, then nothing, and come back.

use serde_json::{Value, json};

use crate::harness::{Place, write};
use crate::serve::{Answer, Server, key, ready};

/// Variables with what a sick person may have.
const RANGES: [(&str, f64, f64); 14] = [
    ("HR", 20.0, 280.0),
    ("Temp", 30.0, 42.0),
    ("SysABP", 40.0, 280.0),
    ("DiasABP", 20.0, 180.0),
    ("MAP", 30.0, 190.0),
    ("GCS", 3.0, 15.0),
    ("Glucose", 30.0, 900.0),
    ("K", 2.0, 9.0),
    ("Na", 110.0, 180.0),
    ("pH", 6.9, 7.7),
    ("PaO2", 30.0, 480.0),
    ("PaCO2", 10.0, 120.0),
    ("HCT", 12.0, 60.0),
    ("BUN", 2.0, 180.0),
];

fn fast(place: Place) -> Place {
    let path = place.path("keep/twinkeep.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let text = text.replace("rate_per_second = 5", "rate_per_second = 1000");
    write(&path, text.as_bytes());
    place
}

/// Values of nobody, drawn by a sequence that fills ranges evenly.
fn nobody(number: usize) -> Value {
    let draw = |at: usize, low: f64, high: f64| {
        let share = (0.618_034 * (number * 31 + at * 17 + at * at) as f64).fract();
        (low + share * (high - low)).round().clamp(low, high)
    };
    let events = RANGES.iter().enumerate().flat_map(|(at, &(code, low, high))| {
        let low_high = if code == "pH" { (7.0, 7.0) } else { (low, high) };
        [0.0, 3.0, 6.0].map(move |time| {
            let value = draw(at * 3 + time as usize, low_high.0, low_high.1);
            json!({ "time": time, "code": code, "value": value })
        })
    });
    json!({ "events": events.collect::<Vec<_>>(), "horizons_hours": [6] })
}

fn ask(server: &Server<'_>, header: &str, number: usize) -> Answer {
    server.call("/predict", &["-H", header, "--json", &nobody(number).to_string()])
}

/// Asks until the answer is as wanted; returns after how many questions.
#[track_caller]
fn until(server: &Server<'_>, header: &str, from: usize, wanted: fn(&Answer) -> bool) -> usize {
    for number in from..from + 150 {
        if wanted(&ask(server, header, number)) {
            return number;
        }
    }
    panic!("150 questions, and nobody noticed");
}

#[test]
fn whoever_asks_about_nobody_gets_less_and_less_until_somebody_clears_it() {
    let place = fast(ready());
    let (header, id) = key(&place, &["--scope", "predict", "--scope", "twins:read"]);
    let (other, _) = key(&place, &["--scope", "predict"]);
    let caller = format!("key:{id}");
    assert!(place.run(&["probe", "list"]).lines().is_empty());
    assert_eq!(place.run(&["probe", "show", &caller]).refused(), "probe-unknown");
    let server = Server::start(&place);
    let first = ask(&server, &header, 0);
    assert_eq!(first.status, 200, "{}", first.body);
    assert!(first.json().get("coarse").is_none());

    let coarse = until(&server, &header, 1, |answer| answer.json()["coarse"] == true);
    let labels = until(&server, &header, coarse, |answer| answer.json()["labels_only"] == true);
    let answer = ask(&server, &header, 0).json();
    let targets = answer["targets"].as_array().unwrap();
    assert!(targets.iter().all(|target| target["points"].as_array().unwrap().is_empty()));
    let words = ["up", "down", "same"];
    let known = |target: &Value| words.contains(&target["label"].as_str().unwrap_or_default());
    assert!(targets.iter().any(known), "{answer}");
    let refused = until(&server, &header, labels, |answer| answer.status == 403);
    assert_eq!(ask(&server, &header, refused).json()["code"], "probing");
    // Others are not held by it.
    assert_eq!(ask(&server, &other, 0).status, 200);

    let lines = place.run(&["probe", "list"]).lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!((&lines[0]["caller"], &lines[0]["tier"]), (&json!(caller), &json!("refused")));
    let shown = place.run(&["probe", "show", &caller]).done();
    let alarms = shown["alarms"].as_array().unwrap();
    assert_eq!(alarms.len(), 3, "{shown}");
    assert!(alarms.iter().all(|alarm| alarm["evidence"].as_str().unwrap().starts_with("sha256:")));
    let entries = place.run(&["ledger", "search", "--action", "probing.detected"]).lines();
    assert_eq!(entries.len(), 3, "{entries:?}");

    // It outlives the process, and a successor of the key has it, too.
    drop(server);
    let next = place.run(&["key", "rotate", &id]).done();
    let next = format!("Authorization: Bearer {}", next["key"].as_str().unwrap());
    let server = Server::start(&place);
    assert_eq!(ask(&server, &header, 0).status, 403);
    assert_eq!(ask(&server, &next, 0).status, 403);
    place.run(&["probe", "clear", &caller]).done();
    let full = until(&server, &header, 0, |answer| answer.status == 200);
    assert!(full < 150);
    assert!(place.run(&["probe", "list"]).lines().is_empty());
    assert_eq!(place.run(&["probe", "clear", &caller]).refused(), "probe-unknown");
    place.run(&["ledger", "verify"]).done();
}

/// Asks a server until a caller's answers are coarse, and stops it.
fn until_coarse(place: &Place, header: &str) {
    let server = Server::start(place);
    until(&server, header, 0, |answer| answer.json()["coarse"] == true);
}

#[test]
fn coarse_answers_are_marked_for_whoever_got_them_and_for_nobody_else() {
    let place = fast(ready());
    let [(header, id), (other, other_id)] = [0, 1].map(|_| key(&place, &["--scope", "predict"]));
    assert_eq!(place.run(&["probe", "questions", "--count", "0"]).refused(), "mark-questions");
    let questions = place.run(&["probe", "questions", "--count", "60"]).stdout;
    assert_eq!(questions, place.run(&["probe", "questions", "--count", "60"]).stdout);
    write(&place.path("questions.ndjson"), questions.as_bytes());
    write(&place.path("answers.ndjson"), "null\n".repeat(60).as_bytes());
    let test = ["probe", "mark", "questions.ndjson", "answers.ndjson"];
    assert_eq!(place.run(&test).refused(), "mark-nobody");
    let caller = format!("key:{id}");
    let named = [&test[..], &["--caller", &caller]].concat();
    assert_eq!(place.run(&named).refused(), "mark-too-few");
    until_coarse(&place, &header);
    until_coarse(&place, &other);
    let (full, _) = key(&place, &["--scope", "predict"]);

    // From here on nobody is followed, so that answers stay as they are: coarse.
    let parameters = include_str!("../../../twinkeep-watch/src/probe/probe.toml");
    let parameters = parameters.replace("enabled = true", "enabled = false");
    write(&place.path("keep/probe.toml"), parameters.as_bytes());
    let server = Server::start(&place);
    let ask = |header: &str, question: &str| {
        let answer = server.call("/predict", &["-H", header, "--json", question]);
        assert_eq!(answer.status, 200, "{}", answer.body);
        let answer = answer.json();
        assert_eq!(answer["coarse"], true, "{answer}");
        answer["targets"].to_string()
    };
    let targets: Vec<String> = questions.lines().map(|question| ask(&header, question)).collect();
    let first = questions.lines().next().unwrap();
    assert_eq!(ask(&header, first), targets[0]);
    assert_ne!(ask(&other, first), targets[0]);
    let itself = questions.lines().map(|question| {
        let answer = server.call("/predict", &["-H", &full, "--json", question]).json();
        format!("{{\"targets\":{}}}\n", answer["targets"])
    });
    let itself: String = itself.collect();
    drop(server);
    let answers: Vec<String> =
        targets.iter().map(|targets| format!("{{\"targets\":{targets}}}\n")).collect();
    write(&place.path("answers.ndjson"), answers.concat().as_bytes());
    let found = place.run(&test).done();
    let lines = found["callers"].as_array().unwrap();
    assert_eq!(lines.len(), 2, "{found}");
    let of = |id: &str| lines.iter().find(|line| line["caller"] == format!("key:{id}")).unwrap();
    assert_eq!(of(&id)["verdict"], "marked", "{found}");
    assert_eq!(of(&other_id)["verdict"], "not-shown", "{found}");
    assert!(place.show(&test).stdout.contains("marked"));
    let entries = place.run(&["ledger", "search", "--action", "probe.mark-tested"]).lines();
    assert_eq!(entries.len(), 4, "{entries:?}");

    // A name that nobody has is not acquitted, and neither is the version itself.
    let nobody = place.run(&[&test[..], &["--caller", "key:nobody"]].concat()).done();
    assert_eq!(nobody["callers"][0]["known"], false, "{nobody}");
    write(&place.path("answers.ndjson"), itself.as_bytes());
    let found = place.run(&test).done();
    assert_eq!(found["same"], found["compared"], "{found}");
    assert!(place.show(&test).stdout.contains("to the last digit"));

    // A line too few, and one that ends early.
    write(&place.path("answers.ndjson"), answers[1..].concat().as_bytes());
    assert_eq!(place.run(&test).refused(), "mark-counts");
    let cut = &answers.concat()[..answers[0].len() + 9];
    write(&place.path("answers.ndjson"), cut.as_bytes());
    assert_eq!(place.run(&test).refused(), "mark-answers");
}

#[test]
fn limits_come_from_the_version_and_parameters_are_checked() {
    let place = ready();
    let limits = place.run(&["probe", "limits"]).done();
    assert!(100 <= limits["inputs_a_day"].as_u64().unwrap(), "{limits}");
    let own = place.path("keep/probe.toml");
    write(&own, b"enabled = true\n");
    assert_eq!(place.run(&["probe", "limits"]).refused(), "probe-parameters");
    let shipped = include_str!("../../../twinkeep-watch/src/probe/probe.toml");
    write(&own, shipped.replace("inputs_a_day = 0", "inputs_a_day = 7").as_bytes());
    assert_eq!(place.run(&["probe", "limits"]).done()["inputs_a_day"], 7);
    let version = place.run(&["model", "list"]).lines();
    assert!(!version.is_empty());
    assert!(place.files("keep/models").iter().any(|file| file.ends_with("probe.json")));
    assert!(place.files("keep/models").iter().any(|file| file.ends_with("canaries.json")));
}

#[test]
fn a_storm_of_wrong_keys_is_in_the_ledger_as_one() {
    let place = fast(ready());
    let server = Server::start(&place);
    for number in 0..40 {
        let header = format!("Authorization: Bearer tk_{number:060}");
        let status = server.call("/api/v1/twins", &["-H", &header]).status;
        assert!([401, 429].contains(&status), "{status}");
    }
    let begun = std::time::Instant::now();
    loop {
        let found = place.run(&["ledger", "search", "--action", "access.unusual"]).lines();
        if !found.is_empty() {
            assert_eq!(found.len(), 1, "{found:?}");
            break;
        }
        assert!(begun.elapsed().as_secs() < 120, "nobody noticed");
        std::thread::sleep(std::time::Duration::from_millis(500));
    }
    drop(server);
}
