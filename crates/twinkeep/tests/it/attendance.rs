//! Attendance of announced events, from a table to the answer.

use std::fmt::Write as _;

use serde_json::Value;

use crate::harness::{Place, write};

const CUSTOMERS: u32 = 500;

/// An event takes place every four weeks. Half of the customers are told of each, 26 days before it;
/// of those the keen come nearly always, the others hardly ever; and nobody comes untold.
fn table() -> String {
    let mut text = String::from("subject_id,time,code,numeric_value\n");
    let mut row = |customer: u32, day: u32, code: &str, value: u32| {
        let (month, date) = (1 + day / 28, 1 + day % 28);
        writeln!(text, "{customer},2011-{month:02}-{date:02}T10:00:00,{code},{value}").unwrap();
    };
    for customer in 0..CUSTOMERS {
        for day in (0..320).step_by(8) {
            if draw(customer, day).is_multiple_of(2) || day == 0 {
                row(customer, day, "PurchaseAmount", 10 + draw(customer, day) % 40);
            }
        }
        for event in (52..320).step_by(28) {
            let told = draw(customer, 1_000 + event).is_multiple_of(2);
            let odds = if is_keen(customer) { 90 } else { 4 };
            if told {
                row(customer, event - 26, "EventAnnounced", 26);
                if draw(customer, 2_000 + event) % 100 < odds {
                    row(customer, event, "EventAttended", 1);
                }
            }
        }
    }
    text
}

fn is_keen(customer: u32) -> bool {
    draw(customer, 9_999).is_multiple_of(2)
}

/// A number that looks random and is always the same.
fn draw(customer: u32, day: u32) -> u32 {
    let mut bits = u64::from(customer) << 32 | u64::from(day);
    for _ in 0..3 {
        bits = (bits ^ (bits >> 31)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
    (bits >> 40) as u32
}

#[test]
fn who_was_told_of_an_event_and_usually_comes_is_expected_there() {
    let place = Place::empty();
    place.run(&["init", "keep", "--pack", "audience", "--key-file", "keep.kek"]).done();
    write(&place.path("events.csv"), table().as_bytes());
    let report = place.run(&["ingest", "events.csv", "--mapping", "meds-csv"]).done();
    assert_eq!(report["quarantined"], 0, "{report}");
    let split = |customer: u32| {
        ["train", "train", "train", "tuning", "held_out"][customer as usize / 3 % 5]
    };
    let lines = (0..CUSTOMERS).map(|customer| format!("{customer},{}\n", split(customer)));
    let splits = format!("subject_id,split\n{}", lines.collect::<String>());
    write(&place.path("splits.csv"), splits.as_bytes());
    let trained = place.run(&["train", "--splits", "splits.csv"]).done();
    let windows = trained["evaluation"]["windows"].as_array().unwrap();
    let attend = windows.iter().find(|window| window["code"] == "Attend4w").unwrap();
    // On day 90 everybody who was told of the event of day 108 knows it.
    let last = attend["events"].as_array().unwrap().last().unwrap();
    assert!(0.75 < last["auc"].as_f64().unwrap(), "{last}");
    assert!(last["brier"].as_f64().unwrap() < last["base_brier"].as_f64().unwrap(), "{last}");

    let version = trained["version"].as_str().unwrap();
    place.run(&["model", "release", version, "--reason", "test"]).done();
    // Two days after the announcement of the event of day 164: told and keen, told and not, not told.
    let probability = |keen: bool, told: bool| -> f64 {
        let fits = |&customer: &u32| {
            is_keen(customer) == keen && (draw(customer, 1_164).is_multiple_of(2)) == told
        };
        let mean = |many: Vec<f64>| many.iter().sum::<f64>() / many.len() as f64;
        mean(
            (0..CUSTOMERS)
                .filter(fits)
                .take(10)
                .map(|customer| attends(&place, customer))
                .collect(),
        )
    };
    let (keen, cool, untold) =
        (probability(true, true), probability(false, true), probability(true, false));
    // Not all who are keen were told of an event before, so that it could be known.
    assert!(0.45 < keen, "told and keen: {keen}");
    assert!(cool < 0.5 * keen, "{keen}, and of those who are not keen {cool}");
    assert!(untold < keen - 0.1, "{keen}, and of those who were not told {untold}");
}

/// Returns the probability that a customer is there within four weeks from day 140.
fn attends(place: &Place, customer: u32) -> f64 {
    let hours = (140 * 24).to_string();
    let answer = place.run(&["twin", "forecast", &customer.to_string(), "--at", &hours]).done();
    let targets = answer["targets"].as_array().unwrap();
    let attend = targets.iter().find(|target| target["code"] == "Attend4w").unwrap();
    let points: Vec<&Value> = attend["probabilities"].as_array().unwrap().iter().collect();
    points.last().unwrap()["probability"].as_f64().unwrap()
}
