//! Bundles: what is in them, and that the same answer gets the same one.

use serde_json::json;
use twinkeep_intake::pack_file::shipped_pack;

use super::{fhir_bundle, number};
use crate::answer::{
    CompetingAnswer, ForecastAnswer, NOTICE, PointAnswer, ProbabilityAnswer, TargetAnswer,
};

fn target(code: &str, kind: &'static str, unit: &str) -> TargetAnswer {
    TargetAnswer {
        code: code.to_owned(),
        title: "Title".to_owned(),
        kind,
        unit: unit.to_owned(),
        basis: "trees",
        window_hours: None,
        before: None,
        last: None,
        points: Vec::new(),
        probabilities: Vec::new(),
        label: None,
    }
}

fn answer() -> ForecastAnswer {
    let point = PointAnswer {
        horizon_hours: 6.0,
        mean: 36.9,
        q025: None,
        q05: Some(36.1),
        q10: None,
        q25: None,
        q50: 36.8,
        q75: None,
        q90: None,
        q95: Some(37.7),
        q975: None,
    };
    let competing = vec![CompetingAnswer { code: "DISCHARGE//*".to_owned(), probability: 0.5 }];
    let probability = ProbabilityAnswer { horizon_hours: 168.0, probability: 0.031, competing };
    ForecastAnswer {
        subject: None,
        prediction_time: "2000-01-02T00:00:00Z".to_owned(),
        looks_back: false,
        coarse: false,
        labels_only: false,
        model: "m-1".to_owned(),
        pack: "icu@6".to_owned(),
        targets: vec![
            TargetAnswer { points: vec![point], ..target("Temp", "value", "Cel") },
            TargetAnswer { probabilities: vec![probability], ..target("DEATH", "event", "1") },
            target("HR", "value", "/min"),
        ],
        notice: NOTICE,
        receipt: None,
    }
}

#[test]
fn a_value_is_an_observation_in_the_future_and_an_event_a_risk() {
    let pack = shipped_pack("icu").unwrap();
    let bundle = fhir_bundle(&pack, &answer());
    let entries = bundle["entry"].as_array().unwrap();
    assert_eq!(entries.len(), 3, "what has no forecast is left out: {bundle}");
    let observation = &entries[1]["resource"];
    assert_eq!(observation["effectiveDateTime"], "2000-01-02T06:00:00Z");
    assert_eq!(observation["code"]["coding"][0]["system"], "http://loinc.org");
    assert_eq!(observation["valueQuantity"]["value"], json!(36.8));
    assert_eq!(observation["component"].as_array().unwrap().len(), 3, "mean and two quantiles");
    assert_eq!(observation["device"]["reference"], entries[0]["fullUrl"]);
    assert_eq!(observation["meta"]["tag"][0]["code"], "forecast");
    let risk = &entries[2]["resource"];
    assert_eq!(risk["prediction"][0]["probabilityDecimal"], json!(0.031));
    assert_eq!(risk["prediction"][0]["whenPeriod"]["end"], "2000-01-09T00:00:00Z");
    assert_eq!(risk["prediction"][1]["outcome"]["text"], "DISCHARGE//* comes first");
    assert_eq!(risk["subject"]["display"], "the history in the request");
    assert_eq!(fhir_bundle(&pack, &answer()), bundle, "the same answer, the same addresses");
}

#[test]
fn a_decimal_has_the_digits_that_were_answered() {
    assert_eq!(number(36.9).to_string(), "36.9");
    assert_eq!(number(0.001_234_6).to_string(), "0.0012346");
    assert_eq!(number(f32::NAN), serde_json::Value::Null);
}
