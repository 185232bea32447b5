//! What happens within a window, from invoices to the answer: spend, visits, return, churn.

use std::fmt::Write as _;

use serde_json::Value;

use crate::harness::{Place, write};

/// Invoices of a year: half of the customers buy about weekly, the others about monthly, and one
/// in three stops for good at some time.
fn invoices(customers: u32) -> String {
    let mut text = String::from(
        "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n",
    );
    for customer in 0..customers {
        let often = if customer % 2 == 0 { 15 } else { 4 };
        let until = if customer % 3 == 0 { 30 + draw(customer, 999) % 120 } else { 336 };
        for day in 0..until {
            if day == 0 || draw(customer, day) % 100 < often {
                let date = format!("2011-{:02}-{:02} 10:00:00", 1 + day / 28, 1 + day % 28);
                let number = customer * 1_000 + day;
                let quantity = 1 + draw(customer, day + 2_000) % 20;
                writeln!(text, "{number},S1,thing,{quantity},{date},2.5,{customer},UK").unwrap();
            }
        }
    }
    text
}

/// A number that looks random and is always the same.
fn draw(customer: u32, day: u32) -> u32 {
    let mut bits = u64::from(customer) << 32 | u64::from(day);
    for _ in 0..3 {
        bits = (bits ^ (bits >> 31)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
    (bits >> 40) as u32
}

/// A keep with invoices, a version in service, and what training said.
fn shop() -> (Place, Value) {
    let place = Place::empty();
    place.run(&["init", "keep", "--pack", "audience", "--key-file", "keep.kek"]).done();
    write(&place.path("invoices.csv"), invoices(500).as_bytes());
    place.run(&["ingest", "invoices.csv"]).done();
    // The keep's own split is by a key of its own: another one each time.
    let split =
        |customer: u32| ["train", "train", "train", "tuning", "held_out"][customer as usize % 5];
    let lines = (0..500).map(|customer| format!("{customer},{}\n", split(customer)));
    let splits = format!("subject_id,split\n{}", lines.collect::<String>());
    write(&place.path("splits.csv"), splits.as_bytes());
    let trained = place.run(&["train", "--splits", "splits.csv"]).done();
    let version = trained["version"].as_str().unwrap();
    place.run(&["model", "release", version, "--reason", "test"]).done();
    (place, trained)
}

fn of<'a>(list: &'a Value, code: &str) -> &'a Value {
    let found = list.as_array().unwrap().iter().find(|entry| entry["code"] == code);
    found.unwrap_or_else(|| panic!("no {code} in {list}"))
}

#[test]
fn spend_visits_return_and_churn_are_forecast_and_measured() {
    let (place, trained) = shop();
    let windows = &trained["evaluation"]["windows"];
    for code in ["Spend4w", "Visits4w"] {
        let total = &of(windows, code)["total"];
        let number = |name: &str| total[name].as_f64().unwrap_or_else(|| panic!("{name}: {total}"));
        assert!(number("mase") < 1.0, "better than the window before: {total}");
        assert!(0.8 < number("coverage_90") && 0.0 < number("usual_mae"), "{total}");
        assert!(0.0 < number("variance_ratio") && total["seasonal_count"] == 0);
    }
    for code in ["Return4w", "Churn13w"] {
        let last = of(windows, code)["events"].as_array().unwrap().last().unwrap();
        let number = |name: &str| last[name].as_f64().unwrap_or_else(|| panic!("{name}: {last}"));
        assert!(0.6 < number("auc"), "{last}");
        assert!(number("brier") < number("base_brier"), "{last}");
        assert!((number("base_rate") - number("probability_mean")).abs() < 0.12, "{last}");
    }
    answers(&place);
    let measured = place.run(&["evaluate", "--cut", "75d", "--splits", "splits.csv"]).done();
    assert!(of(&measured["evaluation"]["windows"], "Spend4w")["total"]["mae"].is_f64());
    let version = trained["version"].as_str().unwrap();
    let shown = place.run(&["model", "show", version]).done();
    assert_eq!(of(&shown["card"]["output"]["window_targets"], "Return4w")["kind"], "event");
    assert!(of(&shown["evaluation"]["windows"], "Return4w")["events"].is_array());
}

/// Asks for a customer, in JSON and in words.
fn answers(place: &Place) {
    let list = place.run(&["twin", "list"]).done();
    let twins = list["twins"].as_array().unwrap();
    let most = twins.iter().max_by_key(|twin| twin["event_count"].as_u64().unwrap()).unwrap();
    let subject = most["subject"].as_str().unwrap();
    let answer = place.run(&["twin", "forecast", subject]).done();
    let targets = &answer["targets"];
    assert_eq!(of(targets, "PurchaseAmount")["kind"], "value");
    let spend = of(targets, "Spend4w");
    assert_eq!(
        (&spend["kind"], &spend["window_hours"]),
        (&Value::from("sum"), &Value::from(672.0))
    );
    let point = &spend["points"][0];
    assert!(0.0 < point["mean"].as_f64().unwrap() && 0.0 < spend["before"].as_f64().unwrap());
    assert!(point["q05"].as_f64().unwrap() <= point["q95"].as_f64().unwrap());
    let visits = &of(targets, "Visits4w")["points"][0];
    assert_eq!(visits["q50"].as_f64().unwrap().fract(), 0.0, "visits are whole");
    let chances = |code: &str| -> Vec<f64> {
        let points = of(targets, code)["probabilities"].as_array().unwrap();
        points.iter().map(|point| point["probability"].as_f64().unwrap()).collect()
    };
    let (back, lost) = (chances("Return4w"), chances("Churn13w"));
    assert!(back.len() == 4 && back.is_sorted() && back[3] <= 1.0, "{back:?}");
    assert!(lost.len() == 3 && lost.is_sorted_by(|one, next| one >= next), "{lost:?}");
    let words = place.show(&["twin", "forecast", subject]);
    assert!(words.stdout.contains("Amount spent within four weeks (Spend4w, "), "{}", words.stdout);
    assert!(words.stdout.contains("Within 28 days:"), "{}", words.stdout);
    assert!(words.stdout.contains("% within 28 days"), "{}", words.stdout);
    let chart = place.show(&["twin", "forecast", subject, "--target", "Spend4w"]).stdout;
    assert!(chart.contains("within 28 days") && chart.contains("nine of ten"), "{chart}");
    let svg = ["twin", "forecast", subject, "--target", "Return4w", "--svg", "return.svg"];
    place.run(&svg).done();
    let drawn = std::fs::read_to_string(place.path("return.svg")).unwrap();
    assert!(drawn.starts_with("<svg") && drawn.contains("within 28 days"), "{drawn}");
    explained(place, subject, targets);
}

/// The parts of a window's forecast add up to what was answered, on the scale that they are told on.
fn explained(place: &Place, subject: &str, targets: &Value) {
    let explain = |target: &str| {
        let all = ["--drivers", "1000"];
        place.run(&[&["twin", "explain", subject, "--target", target], &all[..]].concat()).done()
    };
    for (target, scale) in
        [("Spend4w", "log-mean"), ("Visits4w", "log-mean"), ("Return4w", "log-odds")]
    {
        let why = explain(target);
        assert_eq!(why["scale"], scale, "{why}");
        let number = |name: &str| why[name].as_f64().unwrap();
        let drivers = why["drivers"].as_array().unwrap().iter();
        let drivers: f64 = drivers.map(|one| one["contribution"].as_f64().unwrap()).sum();
        let told = number("usual_change") + drivers + number("others") + number("adjusted");
        assert!((told - number("margin")).abs() < 0.01, "{why}");
        if scale == "log-mean" {
            let said = of(targets, target)["points"][0]["mean"].as_f64().unwrap();
            assert!((number("margin").exp() / said - 1.0).abs() < 0.01, "{why}");
        } else {
            let last = of(targets, target)["probabilities"].as_array().unwrap().last().unwrap();
            assert_eq!(why["probability"], last["probability"]);
            assert_eq!(why["horizon_hours"], last["horizon_hours"]);
        }
    }
    let soon = place.show(&["twin", "explain", subject, "--target", "Return4w", "--ahead", "24"]);
    assert!(soon.stdout.contains("odds of the event against nothing"), "{}", soon.stdout);
    let far = ["twin", "explain", subject, "--target", "Return4w", "--ahead", "9999"];
    assert_eq!(place.run(&far).refused(), "horizons");
}

#[test]
fn a_pack_that_asks_nonsense_is_refused_with_the_line_and_the_key() {
    let place = Place::empty();
    let shipped = include_str!("../../../../packs/audience.toml");
    let cases = [
        ("distinct = \"day\"", "distinct = \"day\"\nonce = true", "`once` means nothing"),
        ("window = \"13w\"", "window = \"13 weeks\"", "`window` must be a number above 0"),
        ("absent = true", "absent = true\nonce = true", "`absent` and `once` do not go together"),
    ];
    for (right, wrong, said) in cases {
        assert!(shipped.contains(right), "{right}");
        write(&place.path("own.toml"), shipped.replacen(right, wrong, 1).as_bytes());
        let init = place.run(&["init", "keep", "--pack", "own.toml", "--key-file", "keep.kek"]);
        init.refused();
        assert!(init.stderr.contains(said), "{}", init.stderr);
    }
}
