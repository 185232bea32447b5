//! Public data sets: what is de-identified has nobody in it, and what is synthetic has everybody.

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;

use super::super::{Limits, Verdict, inspect, verdict};

/// Looks into a data set; `None` where it is not there.
fn judged(name: &str) -> Option<Verdict> {
    let root = std::env::var_os("TWINKEEP_DATA").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
        PathBuf::from,
    );
    let Ok(file) = File::open(root.join(name)) else {
        let _ = writeln!(std::io::stderr(), "skipped: {name} is not there; set TWINKEEP_DATA");
        return None;
    };
    let limits = Limits {
        bytes_max: 1 << 30,
        unpacked_max: 1 << 30,
        rows_enough: Some(100),
        latest_year: 2026,
    };
    let inspection = inspect(&file, file.metadata().unwrap().len(), limits).unwrap();
    Some(verdict(&inspection.places))
}

#[test]
fn data_that_was_de_identified_has_nobody_in_it() {
    for name in [
        "mimic-iii-demo/mimic-iii-demo-1.4-csv.tar.gz",
        "mimic-iv-demo/mimic-iv-demo-2.2.tar",
        "mimic-iv-demo-meds/mimic_iv_demo_meds_events.parquet",
        "physionet2019-sample/training_setA-sample.tar.gz",
        "online-retail/online_retail_2010-12_2011-09.csv.gz",
        "online-shoppers/online_shoppers_intention.csv.gz",
    ] {
        assert_eq!(judged(name).unwrap_or(Verdict::Nothing), Verdict::Nothing, "{name}");
    }
}

#[test]
fn synthetic_records_have_people_in_them() {
    for name in [
        "synthea-fhir-r4/bundles-12-patients.tar.gz",
        "synthea-fhir-r4/ndjson-293-patients.tar.gz",
        "synthea-fhir-r4/bulk-export-10-patients-partial.tar.gz",
    ] {
        assert_eq!(judged(name).unwrap_or(Verdict::Personal), Verdict::Personal, "{name}");
    }
    // OMOP has birth dates and sexes, and no names.
    let omop = judged("synthea-omop-5.4/synthea27nj-omop-5.4-csv.tar.gz");
    assert_eq!(omop.unwrap_or(Verdict::Combined), Verdict::Combined);
}
