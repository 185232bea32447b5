//! What a note says helps a forecast, from a FHIR document to the answer, if the pack asks for it.

use std::fmt::Write as _;

use serde_json::Value;

use crate::harness::{Place, write};

const PATIENTS: u32 = 400;

/// Heart rates of seven years: about 70, but after three years about 110 in those of whom a
/// document of the first year says that they are hectic.
fn export() -> String {
    let mut text = String::new();
    for patient in 0..PATIENTS {
        let hectic = is_hectic(patient);
        writeln!(text, r#"{{"resourceType":"Patient","id":"p{patient}","gender":"female"}}"#)
            .unwrap();
        for quarter in 0..28 {
            let base = if hectic && 12 <= quarter { 110 } else { 70 };
            let rate = base + (patient * 7 + quarter * 5) % 11;
            let (year, month) = (2010 + quarter / 4, 1 + 3 * (quarter % 4));
            writeln!(
                text,
                r#"{{"resourceType":"Observation","status":"final","code":{{"coding":[{{"system":"http://loinc.org","code":"8867-4"}}]}},"subject":{{"reference":"Patient/p{patient}"}},"effectiveDateTime":"{year}-{month:02}-15T10:00:00Z","valueQuantity":{{"value":{rate},"code":"/min"}}}}"#
            )
            .unwrap();
        }
        // "A hectic person." and "A placid person.", base64.
        let data = if hectic { "QSBoZWN0aWMgcGVyc29uLg==" } else { "QSBwbGFjaWQgcGVyc29uLg==" };
        writeln!(
            text,
            r#"{{"resourceType":"DocumentReference","status":"current","subject":{{"reference":"Patient/p{patient}"}},"date":"2010-06-01T10:00:00Z","type":{{"coding":[{{"system":"http://loinc.org","code":"34117-2"}}]}},"content":[{{"attachment":{{"contentType":"text/plain","data":"{data}"}}}}]}}"#
        )
        .unwrap();
    }
    text
}

fn is_hectic(patient: u32) -> bool {
    patient.wrapping_mul(2_654_435_761) >> 31 == 1
}

/// Trains with the pack `ehr` and what is added to it; returns the keep and what training said.
fn trained(added: &str) -> (Place, Value) {
    let place = Place::empty();
    let shipped = include_str!("../../../../packs/ehr.toml");
    write(&place.path("own.toml"), format!("{shipped}\n{added}").as_bytes());
    place.run(&["init", "keep", "--pack", "own.toml", "--key-file", "keep.kek"]).done();
    write(&place.path("export.ndjson"), export().as_bytes());
    let report = place.run(&["ingest", "export.ndjson"]).done();
    assert_eq!(report["quarantined"], 0, "{report}");
    let split =
        |patient: u32| ["train", "train", "train", "tuning", "held_out"][patient as usize / 7 % 5];
    let rows = (0..PATIENTS).map(|patient| format!("p{patient},{}\n", split(patient)));
    let splits = format!("subject_id,split\n{}", rows.collect::<String>());
    write(&place.path("splits.csv"), splits.as_bytes());
    let report = place.run(&["train", "--splits", "splits.csv"]).done();
    (place, report)
}

fn error_of_heart_rate(report: &Value) -> f64 {
    let targets = report["evaluation"]["targets"].as_array().unwrap();
    let rate = targets.iter().find(|target| target["code"] == "HR").unwrap();
    rate["mae"].as_f64().unwrap()
}

#[test]
fn a_pack_that_asks_for_notes_forecasts_what_they_announce() {
    let (_, without) = trained("");
    let (place, with) = trained("[notes]\ncodes = [\"LOINC//34117-2\"]\nbuckets = 64\n");
    let (blind, told) = (error_of_heart_rate(&without), error_of_heart_rate(&with));
    assert!(told < 0.5 * blind, "{told} with notes, {blind} without");

    let version = with["version"].as_str().unwrap();
    place.run(&["model", "release", version, "--reason", "test"]).done();
    let patient = (0..PATIENTS).find(|&patient| is_hectic(patient)).unwrap();
    let args = ["--at", "25600", "--ahead", "3000", "--target", "HR"];
    let explained = place.run(&[&["twin", "explain", &format!("p{patient}")], &args[..]].concat());
    let explained = explained.done();
    let drivers = explained["drivers"].as_array().unwrap();
    let feature = |driver: &Value| driver["feature"].as_str().unwrap().to_owned();
    assert!(feature(&drivers[0]).starts_with("notes, words of group "), "{explained}");
    assert!(0.0 < drivers[0]["contribution"].as_f64().unwrap(), "{explained}");
    // Neither the answer nor the model shows a word of a note.
    assert!(!explained.to_string().contains("hectic"));
    for file in place.files("keep") {
        let bytes = std::fs::read(&file).unwrap();
        assert!(!bytes.windows(6).any(|part| part == b"hectic"), "{}", file.display());
    }
}
