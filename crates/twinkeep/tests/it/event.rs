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
fn what_changed_is_told_from_where_the_last_look_ended() {
    let place = Place::with_patients(60);
    let look = |args: &[&str]| place.run(&[&["twin", "changes", "--once"], args].concat()).lines();
    let told = look(&["--after", "0-0"]);
    assert_eq!(told[1]["event"], "feed");
    assert_eq!(told[1]["data"]["feed"], "feed-1");
    let id = told[1]["id"].as_str().unwrap();
    assert_eq!(look(&["--after", id]).len(), 1);
    place.run(&["event", "add", "4711", "HR", "80", "--time", "1"]).done();
    place.run(&["event", "add", "4712", "HR", "80", "--time", "2"]).done();
    let told = look(&["--after", id]);
    assert_eq!(told.len(), 3, "{told:?}");
    assert_eq!(told[1]["data"]["events"][0]["code"], "HR");
    let one = look(&["4712", "--after", id, "--forecast"]);
    assert_eq!(one.len(), 2, "{one:?}");
    assert_eq!(one[1]["data"]["subject"], told[2]["data"]["subject"]);
    assert_eq!(one[1]["data"]["no_forecast"], "model-none");
    // Once live events are in files, who has not seen them is told to begin anew.
    place.run(&["store", "compact"]).done();
    assert_eq!(look(&["--after", id])[1]["event"], "gone");
    let seen = told[2]["id"].as_str().unwrap();
    assert_eq!(look(&["--after", seen]).len(), 1);
    assert_eq!(place.run(&["twin", "changes", "--once", "--after", "x"]).refused(), "change-id");
}

#[test]
fn a_twin_is_shown_as_it_was_and_its_events_are_read_by_pages() {
    let place = Place::with_patients(60);
    let list = place.run(&["twin", "list", "--limit", "1"]).done();
    let twin = list["twins"][0]["subject"].as_str().unwrap();
    let now = place.run(&["twin", "show", twin]).done();
    let then = place.run(&["twin", "show", twin, "--at", "6"]).done();
    assert!(then["event_count"].as_u64() < now["event_count"].as_u64(), "{then}");
    let at = then["at"].as_str().unwrap();
    assert_eq!(place.run(&["twin", "show", twin, "--at", at]).done(), then);
    assert_eq!(place.run(&["twin", "show", twin, "--at=-1"]).refused(), "at-hours");
    assert_eq!(place.run(&["twin", "show", twin, "--at", "noon"]).code, 2);
    let first = place.run(&["twin", "history", twin, "--to", at, "--limit", "3"]).done();
    assert_eq!(first["events"].as_array().unwrap().len(), 3);
    let next = first["next"].as_str().unwrap();
    let rest = ["twin", "history", twin, "--to", at, "--limit", "5000", "--after", next];
    let rest = place.run(&rest).done();
    let read = 3 + rest["events"].as_array().unwrap().len();
    assert_eq!(then["event_count"].as_u64(), Some(read as u64));
    let rates = place.run(&["twin", "history", twin, "--code", "HR"]).done();
    assert!(rates["events"].as_array().unwrap().iter().all(|event| event["code"] == "HR"));
}

#[test]
fn an_event_of_somebody_new_makes_a_twin() {
    let place = Place::with_keep();
    place.run(&["event", "add", "4711", "HR", "80"]).done();
    assert_eq!(place.run(&["twin", "show", "4711"]).done()["event_count"], 1);
    assert_eq!(place.run(&["event", "add", "4711", "HR", "x"]).code, 2);
    // The same person, as other commands name them; of another site, nobody is made.
    place.run(&["event", "add", "local/4711", "HR", "81", "--time", "2"]).done();
    assert_eq!(place.run(&["twin", "show", "4711"]).done()["event_count"], 2);
    let foreign = place.run(&["event", "add", "local/4711", "HR", "80", "--site", "hospital"]);
    assert_eq!(foreign.refused(), "site-foreign");
    let wrong = place.run(&["event", "add", "4711", "HR", "80", "--time", "noon"]);
    assert_eq!(wrong.refused(), "event-time");
    let unit = place.run(&["event", "add", "4711", "HR", "80", "--unit", "parsec"]);
    assert_eq!(unit.refused(), "event-refused");
}
