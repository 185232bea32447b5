//! The shipped mappings on the data sets that they are for.

use std::collections::{BTreeMap, BTreeSet};

use super::super::{real_data, take_mapped};
use super::check;
use crate::{Source, TableReport};

/// Returns the reports by table.
fn by_table(reports: &[TableReport]) -> BTreeMap<&str, &TableReport> {
    reports.iter().filter_map(|report| Some((report.table.as_deref()?, report))).collect()
}

fn rows(reports: &[TableReport]) -> BTreeMap<&str, u64> {
    by_table(reports).into_iter().map(|(table, report)| (table, report.rows)).collect()
}

fn refused(reports: &[TableReport]) -> BTreeMap<(&str, &str, &str), u64> {
    let all = reports.iter().flat_map(|report| {
        let table = report.table.as_deref().unwrap_or("");
        report
            .refused
            .iter()
            .map(move |((reason, field), count)| ((table, *reason, *field), *count))
    });
    all.collect()
}

#[test]
fn mimic_iv_is_read_to_the_last_row() {
    let Some(data) = real_data() else { return };
    let (reports, _) = check(&data.join("mimic-iv-demo/mimic-iv-demo-2.2.tar"), None);
    assert_eq!(
        rows(&reports),
        BTreeMap::from([
            ("admissions", 275),
            ("datetimeevents", 15_280),
            ("diagnoses_icd", 4_506),
            ("drgcodes", 454),
            ("emar", 35_835),
            ("hcpcsevents", 61),
            ("icustays", 140),
            ("ingredientevents", 25_728),
            ("inputevents", 20_404),
            ("labevents", 107_727),
            ("microbiologyevents", 2_899),
            ("omr", 2_964),
            ("outputevents", 9_362),
            ("patients", 100),
            ("pharmacy", 15_306),
            ("prescriptions", 18_087),
            ("procedureevents", 1_468),
            ("procedures_icd", 722),
            ("services", 319),
            ("transfers", 1_190),
        ])
    );
    assert_eq!(refused(&reports), BTreeMap::new());
}

#[test]
fn mimic_iv_as_tables_has_the_events_of_its_meds_edition() {
    let Some(data) = real_data() else { return };
    let tables = take_mapped(Source::Path(&data.join("mimic-iv-demo/mimic-iv-demo-2.2.tar")), None);
    let charted = data.join("mimic-iv-demo/chartevents-numeric-from-meds.csv.gz");
    let charted = take_mapped(Source::Path(&charted), None).unwrap();
    let meds = data.join("mimic-iv-demo-meds/meds_schema_events.parquet");
    let meds = events(&take_mapped(Source::Path(&meds), None).unwrap());
    let mut all = events(&tables.unwrap());
    all.extend(events(&charted));
    all.retain(|(_, _, code, _)| code != "Age");
    assert!(100_000 < meds.len(), "{}", meds.len());
    let missing = meds.difference(&all).count();
    let more = all.difference(&meds).count();
    assert_eq!((missing, more), (0, 0), "of {}", meds.len());
}

/// Subject, time, code, and value in single precision: what two editions have in common.
fn events(intake: &super::super::Intake) -> BTreeSet<(i64, Option<i64>, String, u32)> {
    let events = intake.screened.events();
    let rows = events.rows.iter().map(|row| {
        let code = events.codes()[row.code as usize].to_string();
        let value = row.value.unwrap_or_default() + 0.0;
        (row.subject.reveal(), row.time.map(|time| time.micros()), code, value.to_bits())
    });
    rows.collect()
}

#[test]
fn mimic_iii_is_read_to_the_last_row() {
    let Some(data) = real_data() else { return };
    let path = data.join("mimic-iii-demo/mimic-iii-demo-1.4-csv.tar.gz");
    let (reports, _) = check(&path, None);
    assert_eq!(
        rows(&reports),
        BTreeMap::from([
            ("admissions", 129),
            ("chartevents", 758_355),
            ("cptevents", 1_579),
            ("datetimeevents", 15_551),
            ("diagnoses_icd", 1_761),
            ("drgcodes", 297),
            ("icustays", 136),
            ("inputevents_cv", 34_799),
            ("inputevents_mv", 13_224),
            ("labevents", 76_074),
            ("microbiologyevents", 2_003),
            ("outputevents", 11_320),
            ("patients", 100),
            ("prescriptions", 10_398),
            ("procedureevents_mv", 753),
            ("procedures_icd", 506),
            ("services", 163),
            ("transfers", 524),
        ])
    );
    assert_eq!(refused(&reports), BTreeMap::new());
}

#[test]
fn online_retail_is_read_to_the_last_line() {
    let Some(data) = real_data() else { return };
    let path = data.join("online-retail/online_retail_2010-12_2011-09.csv.gz");
    let (reports, _) = check(&path, None);
    assert_eq!(rows(&reports), BTreeMap::from([("invoice lines", 370_931)]));
    assert_eq!(refused(&reports), BTreeMap::new());
}

#[test]
fn omop_is_read_to_the_last_row() {
    let Some(data) = real_data() else { return };
    let path = data.join("synthea-omop-5.4/synthea27nj-omop-5.4-csv.tar.gz");
    let (reports, _) = check(&path, None);
    let rows = rows(&reports);
    let expected = [
        ("condition_occurrence", 470),
        ("death", 3),
        ("device_exposure", 1),
        ("drug_exposure", 883),
        ("measurement", 10_040),
        ("note", 0),
        ("observation", 8_099),
        ("person", 28),
        ("procedure_occurrence", 1_649),
        ("specimen", 0),
        ("visit_detail", 1_791),
        ("visit_occurrence", 1_791),
    ];
    assert_eq!(rows, BTreeMap::from(expected));
    assert_eq!(refused(&reports), BTreeMap::new());
}
