//! The main job on 4,000 real stays: PhysioNet / Computing in Cardiology Challenge 2012, set a.
//!
//! The data are found through `TWINKEEP_DATA` or beside the repository; where they are absent, the
//! test says so, and `path.rs` proves the same on made-up patients.

use std::path::{Path, PathBuf};

use crate::harness::Place;

fn data() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let root = std::env::var_os("TWINKEEP_DATA").map_or(beside, PathBuf::from);
    let archive = root.join("physionet2012/set-a.tar.gz");
    archive.canonicalize().ok()
}

#[test]
fn four_thousand_real_stays_are_accounted_for_and_forecast() {
    let Some(archive) = data() else {
        println!(
            "skipped: PhysioNet 2012 is not here; set TWINKEEP_DATA to the folder of data sets"
        );
        return;
    };
    let place = Place::with_keep();
    let report = place.run(&["ingest", archive.to_str().unwrap()]).done();
    let count = |name: &str| report[name].as_u64().unwrap();
    assert_eq!(count("read"), 1_757_980);
    assert_eq!(count("read"), count("accepted") + count("missing") + count("quarantined"));
    assert_eq!(count("subjects"), 4_000);
    assert!(count("quarantined") < 20_000, "screening refuses too much: {report}");

    let trained = place.run(&["train"]).done();
    let evaluation = &trained["evaluation"];
    let mase = evaluation["mase_median"].as_f64().unwrap();
    assert!(mase < 0.90, "median MASE {mase}");
    let coverage = evaluation["coverage_90_mean"].as_f64().unwrap();
    // Who is held out is chance: over keeps, coverage varies by half a point, an error by two.
    assert!((0.86..=0.94).contains(&coverage), "90 % intervals cover {coverage}");
    for target in evaluation["targets"].as_array().unwrap() {
        if 200 <= target["value_count"].as_u64().unwrap() {
            let mase = target["mase"].as_f64().unwrap();
            assert!(mase <= 1.1, "{} is worse than carry-forward: {mase}", target["code"]);
        }
    }
    println!("median MASE {mase:.3}, 90 % intervals cover {:.1} %", 100.0 * coverage);
}
