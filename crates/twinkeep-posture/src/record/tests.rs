//! What is missing is said in each form, and names of others do nothing.

use super::{Missing, Part, RECORD_FORMAT, Record};

const CONTROLLER: Missing = Missing { what: "who is the controller", key: "processing.controller" };

fn record(controller: &[&str]) -> Record {
    let part = Part::new("30(1)(a)", "Controller")
        .configured(CONTROLLER, controller.iter().map(|name| (*name).to_owned()))
        .says("adults", "the pack");
    Record {
        format: RECORD_FORMAT,
        title: "Adult intensive care".to_owned(),
        made: "2026-11-22T12:00:00Z".to_owned(),
        parts: vec![part],
    }
}

#[test]
fn what_nobody_configured_is_missing_in_every_form() {
    let empty = record(&[]);
    assert_eq!(empty.missing().count(), 1);
    for form in [empty.text(), empty.html(), empty.json().unwrap()] {
        assert!(form.contains("who is the controller"), "{form}");
        assert!(form.contains("processing.controller"), "{form}");
    }
    let told = record(&["St. Mary's <b>Hospital</b>\u{1b}[2J"]);
    assert_eq!(told.missing().count(), 0);
    assert!(told.html().contains("&lt;b&gt;Hospital"));
    assert!(!told.text().contains('\u{1b}'));
}

#[test]
fn titles_with_commas_stay_apart_in_every_form() {
    let titles = ["Blood urea nitrogen, serum", "Sex"].map(str::to_owned);
    let part = Part::new("30(1)(c)", "Categories").lists("2 variables", titles, "the pack");
    let record = Record { parts: vec![part], ..record(&["A"]) };
    assert!(record.text().contains("\n    - Blood urea nitrogen, serum\n    - Sex\n"));
    assert!(record.html().contains("<li>Blood urea nitrogen, serum</li><li>Sex</li>"));
    let json: serde_json::Value = serde_json::from_str(&record.json().unwrap()).unwrap();
    assert_eq!(json["parts"][0]["says"][0]["items"][0], "Blood urea nitrogen, serum");
}
