//! `evaluate` as a person meets it: on the keep's held-out people, and on sources that the keep
//! never saw and does not store.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::harness::{Place, write};

/// Prints what a file of predictions adds up to, by code: the public reader of Parquet, not ours.
const READ: &str = r#"
import json, sys
import pyarrow.parquet as pq
table = pq.read_table(sys.argv[1])
names = table.schema.names
assert names == ["subject_id", "time", "code", "actual", "mean", "q05", "q10", "q25", "q50", "q75",
    "q90", "q95", "carry_forward"], names
found, subjects = {}, set()
for row in table.to_pylist():
    subjects.add(str(row["subject_id"]))
    sums = found.setdefault(row["code"], [0, 0.0, 0.0, 0])
    if row["q50"] is None:
        sums[3] += 1
        continue
    quantiles = [row[name] for name in names[5:12]]
    assert quantiles == sorted(quantiles)
    sums[0] += 1
    sums[1] += abs(row["actual"] - row["q50"])
    sums[2] += abs(row["actual"] - row["carry_forward"])
kind = str(table.schema.field("subject_id").type)
print(json.dumps({"codes": found, "subjects": sorted(subjects), "kind": kind}))
"#;

/// Reads a file of predictions; `None` without Python.
fn predictions(path: &Path) -> Option<Value> {
    let python = std::env::var("TWINKEEP_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let has = Command::new(&python).args(["-c", "import pyarrow.parquet"]).output();
    if !has.is_ok_and(|output| output.status.success()) {
        assert!(std::env::var_os("CI").is_none(), "the Python package `pyarrow` is missing");
        println!("skipped: needs Python with the package `pyarrow` (TWINKEEP_PYTHON)");
        return None;
    }
    let output = Command::new(python).args(["-c", READ]).arg(path).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

fn trained(place: &Place) -> (String, Value) {
    let report = place.run(&["train"]).done();
    (report["version"].as_str().unwrap().to_owned(), report["evaluation"].clone())
}

#[test]
fn the_held_out_people_give_the_same_figures_from_the_keep_and_from_their_feed() {
    let place = Place::with_patients(240);
    let (version, trained) = trained(&place);
    assert_eq!(place.run(&["evaluate"]).refused(), "model-none");
    let own = place.run(&["evaluate", "--model", &version]).done();
    assert_eq!(own["evaluation"], trained);
    assert_eq!(own["on"], "held_out");
    // From the sealed feed itself, whoever was learned from is left out.
    let feed =
        place.run(&["evaluate", "--model", &version, "--source", "feed.tar.gz.sealed"]).done();
    assert_eq!(feed["evaluation"], trained);
    let left_out = feed["left_out_subjects"].as_u64().unwrap();
    let measured = trained["subject_count"].as_u64().unwrap();
    assert!(measured + left_out <= 240 && 150 < left_out, "{measured} and {left_out}");
    let count = |name: &str| feed["source"][name].as_u64().unwrap();
    assert_eq!(count("read"), count("accepted") + count("missing") + count("quarantined"));
    // The same file under another site is other people: nobody is known, and all are measured.
    let other = place
        .run(&["evaluate", "--model", &version, "--source", "feed.tar.gz", "--site", "elsewhere"])
        .done();
    assert_eq!(other["left_out_subjects"], 0);
    assert!(measured < other["evaluation"]["subject_count"].as_u64().unwrap());
}

#[test]
fn a_source_that_was_never_seen_is_measured_and_not_stored() {
    let (place, version) = Place::with_version();
    place.synth("other.tar.gz", 60, 5, 7);
    let before = place.run(&["feed", "list"]).stdout;
    let files = place.files("keep/store").len();
    let report = place
        .run(&[
            "evaluate",
            "--model",
            &version,
            "--source",
            "other.tar.gz",
            "--site",
            "other",
            "--predictions",
            "predictions.parquet",
            "--report",
            "report.html",
        ])
        .done();
    assert_eq!(place.run(&["feed", "list"]).stdout, before);
    assert_eq!(place.files("keep/store").len(), files);
    let actions: Vec<String> = place
        .run(&["ledger", "show", "--limit", "3"])
        .lines()
        .iter()
        .map(|line| line["action"].as_str().unwrap().to_owned())
        .collect();
    assert!(actions.contains(&"predictions.writing".to_owned()), "{actions:?}");
    assert!(actions.contains(&"model.evaluated".to_owned()), "{actions:?}");
    let page = fs::read_to_string(place.path("report.html")).unwrap();
    assert!(page.contains("default-src 'none'; style-src 'sha256-"), "{page}");
    assert!(page.contains("<svg") && !page.contains("<script") && !page.contains("style=\""));
    for file in ["report.html", "predictions.parquet"] {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(place.path(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    if let Some(found) = predictions(&place.path("predictions.parquet")) {
        compare(&place, &report["evaluation"], &found, &page);
    }
}

/// The figures follow from the rows, and the rows name people as their source does.
fn compare(place: &Place, evaluation: &Value, found: &Value, page: &str) {
    for target in evaluation["targets"].as_array().unwrap() {
        let sums = &found["codes"][target["code"].as_str().unwrap()];
        if sums.is_null() {
            assert_eq!(target["value_count"], 0);
            continue;
        }
        assert_eq!(sums[0], target["value_count"], "{target}");
        assert_eq!(sums[3], target["refused_count"], "{target}");
        let count = sums[0].as_f64().unwrap();
        for (sum, name) in [(&sums[1], "mae"), (&sums[2], "carry_forward_mae")] {
            let Some(expected) = target[name].as_f64() else { continue };
            let mean = sum.as_f64().unwrap() / count;
            assert!((mean - expected).abs() <= 1e-5 * expected.max(1e-3), "{name}: {target}");
        }
    }
    assert_eq!(found["kind"], "int64");
    let names = Command::new("tar").arg("tzf").arg(place.path("other.tar.gz")).output().unwrap();
    let names = String::from_utf8(names.stdout).unwrap();
    for subject in found["subjects"].as_array().unwrap() {
        let subject = subject.as_str().unwrap();
        assert!(names.contains(&format!("{subject}.txt")));
        assert!(!page.contains(subject), "the page names a person");
    }
}

#[test]
fn any_cut_can_be_measured_and_nonsense_is_refused() {
    let (place, version) = Place::with_version();
    let early =
        place.run(&["evaluate", "--model", &version, "--cut", "6h", "--horizon", "12h"]).done();
    assert_eq!(early["evaluation"]["cut_hours"], 6.0);
    let horizons: BTreeMap<String, f64> = early["evaluation"]["targets"][0]["horizons"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (it["from_hours"].to_string(), it["to_hours"].as_f64().unwrap()))
        .collect();
    assert_eq!(horizons.into_values().fold(0.0, f64::max), 12.0);
    assert!(0 < early["evaluation"]["value_count"].as_u64().unwrap());
    let train = place.run(&["evaluate", "--model", &version, "--split", "train"]).done();
    assert_eq!(train["on"], "train");
    let refused = |args: &[&str]| {
        let all: Vec<&str> =
            ["evaluate", "--model", &version].iter().chain(args).copied().collect();
        let ran = place.run(&all);
        assert_eq!(ran.code, 2, "{args:?}: {}", ran.stderr);
        ran.refused()
    };
    assert_eq!(refused(&["--cut", "0h"]), "evaluate-cut");
    assert_eq!(refused(&["--horizon", "0h"]), "evaluate-horizon");
    assert_eq!(refused(&["--horizon", "25h"]), "evaluate-horizon");
    assert_eq!(refused(&["--cut", "soon"]), "usage");
    assert_eq!(refused(&["--split", "test"]), "usage");
    assert_eq!(refused(&["--site", "x"]), "usage");
    let damaged = place.path("damaged.tar.gz");
    let bytes = fs::read(place.path("feed.tar.gz")).unwrap();
    write(&damaged, &bytes[..bytes.len() / 2]);
    let cut = place.run(&[
        "evaluate",
        "--model",
        &version,
        "--source",
        "damaged.tar.gz",
        "--predictions",
        "p",
    ]);
    assert_eq!(cut.code, 1, "{}", cut.stderr);
    assert!(!place.path("p").exists(), "half a source gives no predictions");
}

#[test]
fn a_version_trained_with_given_splits_is_measured_by_them_alone() {
    let place = Place::with_patients(240);
    place.run(&["export", "meds", "data"]).done();
    let splits = "data/metadata/subject_splits.parquet";
    let report = place.run(&["train", "--splits", splits]).done();
    let version = report["version"].as_str().unwrap();
    assert_eq!(place.run(&["evaluate", "--model", version]).refused(), "evaluate-splits");
    let own = place.run(&["evaluate", "--model", version, "--splits", splits]).done();
    assert_eq!(own["evaluation"], report["evaluation"]);
    let (plain, _) = trained(&place);
    let crossed = place.run(&["evaluate", "--model", &plain, "--splits", splits]);
    assert_eq!(crossed.refused(), "evaluate-splits");
    // Without the file, everybody whom the keep knows is left out of a source.
    let source = ["evaluate", "--model", version, "--source", "feed.tar.gz.sealed"];
    let feed = place.run(&source).done();
    assert_eq!(feed["evaluation"]["subject_count"], 0);
    let named = place.run(&[&source[..], &["--splits", splits]].concat()).done();
    assert_eq!(named["evaluation"], report["evaluation"]);
}
