//! The real data sets, where they are at hand.

use super::{real_data, reasons, take};
use crate::Source;

#[test]
fn every_row_of_physionet_2012_is_accounted_for() {
    let Some(folder) = real_data() else { return };
    let intake = take(Source::Path(&folder.join("physionet2012/set-a.tar.gz"))).unwrap();
    assert_eq!(intake.counts.read, 1_757_980);
    assert_eq!(intake.mapping.len(), 4000);
    // Each stay has one row that names it, and no event.
    let events = intake.screened.events();
    assert_eq!(events.rows.len() as u64, intake.counts.accepted - 4000);
    // Impossible values are in one row of 700; what the rules between rows refuse beside them
    // must be rare, because most of this set is right.
    let reasons = reasons(&intake);
    let count = |reason, field| reasons.get(&(reason, field)).copied().unwrap_or(0) as u64;
    let impossible = count("implausible-value", "Value");
    let between = count("rate-of-change", "") + count("contradiction", "");
    assert_eq!(impossible + between, intake.counts.quarantined, "{reasons:?}");
    assert!(impossible * 500 < intake.counts.read, "{reasons:?}");
    assert!(0 < between && between * 1000 < intake.counts.accepted, "{reasons:?}");
}

#[test]
fn every_row_of_the_mimic_iv_demo_is_accounted_for() {
    let Some(folder) = real_data() else { return };
    let path = folder.join("mimic-iv-demo-meds/meds_schema_events.parquet");
    let intake = take(Source::Path(&path)).unwrap();
    assert_eq!(intake.counts.read, 916_166);
    // Most of its codes are drugs, diagnoses, and charted texts, which the pack does not know.
    let reasons = reasons(&intake);
    assert!(800_000 < reasons[&("unknown-code", "code")], "{reasons:?}");
    let events = intake.screened.events();
    let of = |name| {
        let code = events.codes().iter().position(|code| code.as_str() == name).unwrap() as u32;
        events.rows.iter().filter(move |event| event.code == code)
    };
    assert!(13_000 < of("HR").count());
    let warm = of("Temp").filter(|event| (34.0..42.0).contains(&event.value.unwrap())).count();
    assert!(of("Temp").count() * 98 < warm * 100, "Fahrenheit is converted");
}
