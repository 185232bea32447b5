//! A data set that leaves the keep: in the public schemas of MEDS, and the same when it comes back.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::harness::Place;

/// Checks a data set with the public package `meds` and prints what is in it, one event a line.
const CHECK: &str = r#"
import json, pathlib, sys
import pyarrow.parquet as pq
from meds import (DataSchema, CodeMetadataSchema, SubjectSplitSchema, DatasetMetadataSchema,
    code_metadata_filepath, subject_splits_filepath, dataset_metadata_filepath, data_subdirectory)
root = pathlib.Path(sys.argv[1])
seen, codes = {}, set()
for path in sorted((root / data_subdirectory).rglob("*.parquet")):
    table = pq.read_table(path)
    DataSchema.validate(table)
    last = None
    for row in table.to_pylist():
        subject, time = row["subject_id"], row["time"]
        if last is None or last[0] != subject:
            assert subject not in seen, "a subject is in one place"
            seen[subject] = path
        else:
            assert last[1] is None or (time is not None and last[1] <= time), "sorted by time"
        last = (subject, time)
        codes.add(row["code"])
        print(json.dumps([subject, str(time), row["code"], row["numeric_value"], row["text_value"]]))
table = pq.read_table(root / code_metadata_filepath)
CodeMetadataSchema.validate(table)
assert codes == set(table["code"].to_pylist())
table = pq.read_table(root / subject_splits_filepath)
SubjectSplitSchema.validate(table)
assert set(table["subject_id"].to_pylist()) == set(seen)
DatasetMetadataSchema.validate(json.loads((root / dataset_metadata_filepath).read_text()))
"#;

/// Returns a Python that has the package; fails where it is missing and must not be.
fn python() -> Option<String> {
    let python = std::env::var("TWINKEEP_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let has = Command::new(&python).args(["-c", "import meds"]).output();
    if has.is_ok_and(|output| output.status.success()) {
        return Some(python);
    }
    assert!(std::env::var_os("CI").is_none(), "the Python package `meds` is missing");
    None
}

/// Returns the events of a data set as sorted lines; nothing without Python.
fn events(folder: &Path) -> Option<Vec<String>> {
    let Some(python) = python() else {
        println!("skipped: needs Python with the package `meds` (TWINKEEP_PYTHON)");
        return None;
    };
    let output = Command::new(python).args(["-c", CHECK]).arg(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    Some(lines)
}

#[test]
fn an_export_has_everybody_in_the_public_schemas() {
    let place = Place::with_patients(60);
    let report = place.run(&["export", "meds", "out"]).done();
    assert_eq!(report["subjects"], 60);
    assert_eq!(place.run(&["export", "meds", "out"]).refused(), "export-exists");
    let split = place.run(&["export", "meds", "split", "--split"]).done();
    assert_eq!(split["events"], report["events"]);
    assert!(place.path("split/data/train/0.parquet").exists());
    let about: Value =
        serde_json::from_slice(&fs::read(place.path("out/metadata/dataset.json")).unwrap())
            .unwrap();
    assert_eq!(about["meds_version"], "0.4.1");
    let (Some(whole), Some(parts)) = (events(&place.path("out")), events(&place.path("split")))
    else {
        return;
    };
    assert_eq!(whole.len() as u64, report["events"].as_u64().unwrap());
    assert_eq!(whole, parts);
}

/// Out of one keep, into another, and out again: the same events under the same numbers.
fn check_round_trip(source: &Path) {
    let place = Place::empty();
    for keep in ["one", "two"] {
        let key = format!("{keep}.kek");
        place.run(&["init", keep, "--pack", "ehr", "--key-file", &key]).done();
    }
    let source = source.to_str().unwrap();
    place.run(&["--keep", "one", "ingest", source, "--site", "clinic"]).done();
    let export = |keep: &str, out: &str| {
        place.run(&["--keep", keep, "export", "meds", out, "--keep-ids"]).done()
    };
    let first = export("one", "first");
    let report = place.run(&["--keep", "two", "ingest", "first/data", "--site", "clinic"]).done();
    assert_eq!((&report["quarantined"], &report["missing"]), (&0.into(), &0.into()), "{report}");
    let second = export("two", "second");
    assert_eq!(first["events"], second["events"]);
    assert_eq!(first["subjects"], second["subjects"]);
    if let (Some(first), Some(second)) =
        (events(&place.path("first")), events(&place.path("second")))
    {
        assert!(!first.is_empty() && first == second);
    }
}

#[test]
fn real_events_come_back_as_they_went() {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data");
    let data = std::env::var("TWINKEEP_DATA").unwrap_or_else(|_| beside.to_owned());
    let path = Path::new(&data).join("mimic-iv-demo-meds/meds_schema_events.parquet");
    if !path.exists() {
        println!("skipped: the MIMIC-IV demo is not here");
        return;
    }
    check_round_trip(&path);
}

#[test]
fn numbers_of_sources_are_kept_on_request_only() {
    let place = Place::with_patients(20);
    let report = place.run(&["export", "meds", "out", "--keep-ids"]).done();
    assert_eq!(report["subjects"], 20);
    let Some(named) = events(&place.path("out")) else { return };
    place.run(&["export", "meds", "hidden"]).done();
    let hidden = events(&place.path("hidden")).unwrap();
    let subjects = |lines: &[String]| -> std::collections::BTreeSet<i64> {
        let subject = |line: &String| serde_json::from_str::<Value>(line).unwrap()[0].as_i64();
        lines.iter().filter_map(subject).collect()
    };
    assert!(subjects(&named).is_disjoint(&subjects(&hidden)));
}
