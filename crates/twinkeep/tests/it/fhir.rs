//! Health records as FHIR delivers them: read, forecast, and de-identified.

use std::path::{Path, PathBuf};

use crate::harness::{Place, write};

const EXPORT: &str = concat!(
    r#"{"resourceType":"Patient","id":"p1","birthDate":"1951-02-03","gender":"female","name":[{"family":"Przybylski","given":["Ngozi"]}]}"#,
    "\n",
    r#"{"resourceType":"Organization","id":"o1","name":"North Shore"}"#,
    "\n",
    r#"{"resourceType":"Observation","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"8867-4"}]},"subject":{"reference":"Patient/p1"},"effectiveDateTime":"2020-05-06T07:08:09Z","valueQuantity":{"value":1.5,"code":"Hz"}}"#,
    "\n",
    r#"{"resourceType":"Observation","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"8867-4"}]},"subject":{"reference":"Patient/p1"},"effectiveDateTime":"2020-05-07T07:08:09Z","valueQuantity":{"value":900,"code":"/min"}}"#,
    "\n",
    // "Ngozi Przybylski, MRN 84-22-19, was seen on 5/6/2020."
    r#"{"resourceType":"DocumentReference","status":"current","subject":{"reference":"Patient/p1"},"date":"2020-05-06T07:08:09Z","type":{"coding":[{"system":"http://loinc.org","code":"34117-2"}]},"content":[{"attachment":{"contentType":"text/plain","data":"TmdvemkgUHJ6eWJ5bHNraSwgTVJOIDg0LTIyLTE5LCB3YXMgc2VlbiBvbiA1LzYvMjAyMC4="}}]}"#,
    "\n",
);

fn keep_of(pack: &str) -> Place {
    let place = Place::empty();
    place.run(&["init", "keep", "--pack", pack, "--key-file", "keep.kek"]).done();
    write(&place.path("export.ndjson"), EXPORT.as_bytes());
    place
}

#[test]
fn an_export_is_accounted_for_row_by_row_and_kind_by_kind() {
    let place = keep_of("ehr");
    let report = place.run(&["ingest", "export.ndjson"]).done();
    assert_eq!(report["read"], 6);
    assert_eq!(report["accepted"], 5);
    assert_eq!(report["reasons"]["implausible-value"], 1);
    assert_eq!(report["passed_over"]["Organization"], 1);
    assert!(report.get("removed").is_none());
    let list = place.run(&["twin", "list"]).done();
    assert_eq!(list["twins"].as_array().unwrap().len(), 1);
    let shown = keep_of("ehr").show(&["ingest", "export.ndjson"]);
    assert!(shown.stdout.contains("passed over"), "{}", shown.stdout);
}

#[test]
fn a_de_identified_feed_says_how_much_was_taken_out_and_keeps_none_of_it() {
    let place = keep_of("ehr");
    let report = place.run(&["ingest", "export.ndjson", "--deidentify", "safe-harbor"]).done();
    assert_eq!(report["accepted"], 5);
    assert_eq!(report["removed"]["name"], 2);
    assert_eq!(report["removed"]["record-number"], 1);
    let refused = place.run(&["feed", "quarantine", "feed-1", "--reveal"]);
    assert_eq!(refused.code, 0);
    assert!(!refused.stdout.contains("2020-05-07"), "{}", refused.stdout);
    assert!(!refused.stdout.contains("export.ndjson"), "{}", refused.stdout);
    let ledger = place.run(&["ledger", "show"]);
    assert!(ledger.stdout.contains("safe-harbor"), "{}", ledger.stdout);
}

#[test]
fn the_rule_of_a_keep_holds_for_every_feed() {
    let place = keep_of("ehr");
    let path = place.path("keep/twinkeep.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let text = text.replace("[intake]\n", "");
    write(&path, format!("{text}\n[intake]\ndeidentify = \"safe-harbor\"\n").as_bytes());
    let report = place.run(&["ingest", "export.ndjson"]).done();
    assert_eq!(report["removed"]["name"], 2);
    write(&path, format!("{text}\n[intake]\ndeidentify = \"safe\"\n").as_bytes());
    assert_eq!(place.run(&["ingest", "export.ndjson"]).refused(), "config-syntax");
}

fn data() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let root = std::env::var_os("TWINKEEP_DATA").map_or(beside, PathBuf::from);
    root.join("synthea-fhir-r4/ndjson-293-patients.tar.gz").canonicalize().ok()
}

#[test]
fn made_up_outpatients_are_read_and_forecast() {
    let Some(archive) = data() else {
        println!("skipped: the Synthea export is not here; set TWINKEEP_DATA");
        return;
    };
    let place = Place::empty();
    place.run(&["init", "keep", "--pack", "ehr", "--key-file", "keep.kek"]).done();
    let report = place.run(&["ingest", archive.to_str().unwrap()]).done();
    let count = |name: &str| report[name].as_u64().unwrap();
    assert_eq!(count("read"), count("accepted") + count("missing") + count("quarantined"));
    assert_eq!((count("read"), count("subjects")), (82_236, 293));
    assert_eq!(report["passed_over"]["CarePlan"], 848);
    let trained = place.run(&["train"]).done();
    let evaluation = &trained["evaluation"];
    println!(
        "median MASE {}, coverage {}",
        evaluation["mase_median"], evaluation["coverage_90_mean"]
    );
    assert!(0 < evaluation["value_count"].as_u64().unwrap());
    let version = trained["version"].as_str().unwrap();
    place.run(&["model", "release", version, "--reason", "test"]).done();
    let list = place.run(&["twin", "list"]).done();
    let forecast = list["twins"].as_array().unwrap().iter().find_map(|twin| {
        let ran = place.run(&["twin", "forecast", twin["subject"].as_str()?, "--target", "SysBP"]);
        (ran.code == 0).then(|| ran.done())
    });
    assert!(forecast.is_some());
}
