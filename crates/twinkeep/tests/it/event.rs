//! Live events at the command line: the twin knows them at once, and they survive.

use crate::harness::Place;

#[test]
fn an_event_is_known_to_the_twin_at_once() {
    let place = Place::with_patients(60);
    let list = place.run(&["twin", "list", "--limit", "1"]).done();
    let twin = list["twins"][0]["subject"].as_str().unwrap();
    let before = place.run(&["twin", "show", twin]).done()["event_count"].as_u64().unwrap();
    let add = |value: &str| {
        let site = ["--site", "hospital", "--time", "47.9", "--unit", "/min"];
        place.run(&[&["event", "add", twin, "HR", value], &site[..]].concat())
    };
    assert_eq!(add("133").done()["accepted"], 1);
    let after = place.run(&["twin", "show", twin]).done();
    assert_eq!(after["event_count"].as_u64().unwrap(), before + 1);
    let rate = after["variables"].as_array().unwrap().iter().find(|it| it["code"] == "HR").unwrap();
    assert_eq!(rate["last"], 133.0);
    // Once more is a duplicate, and nonsense is refused; both are kept to be looked at.
    assert_eq!(add("133").refused(), "event-refused");
    assert_eq!(add("13300").refused(), "event-refused");
    let hidden = place.run(&["event", "refused"]).lines();
    let reasons: Vec<_> = hidden.iter().map(|row| row["reason"].as_str().unwrap()).collect();
    assert_eq!(reasons, ["duplicate", "implausible-value"]);
    assert!(hidden.iter().all(|row| row["raw"].is_null()));
    let shown = place.run(&["event", "refused", "--reveal"]).lines();
    assert!(shown[1]["raw"].as_str().unwrap().contains("13300"));
    place.run(&["ledger", "verify"]).done();
}

#[test]
fn an_event_of_somebody_new_makes_a_twin() {
    let place = Place::with_keep();
    place.run(&["event", "add", "4711", "HR", "80"]).done();
    assert_eq!(place.run(&["twin", "show", "4711"]).done()["event_count"], 1);
    assert_eq!(place.run(&["event", "add", "4711", "HR", "x"]).code, 2);
    let wrong = place.run(&["event", "add", "4711", "HR", "80", "--time", "noon"]);
    assert_eq!(wrong.refused(), "event-time");
    let unit = place.run(&["event", "add", "4711", "HR", "80", "--unit", "parsec"]);
    assert_eq!(unit.refused(), "event-refused");
}
