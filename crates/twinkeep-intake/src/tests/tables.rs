//! Tables that a mapping explains.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use proptest::prelude::*;
use twinkeep_vault::{Pseudonymizer, SecretKey};

use super::{Intake, reasons, take_mapped, tar};
use crate::limits::Limits;
use crate::mapping::{Mapping, parse_mapping, shipped_mapping};
use crate::pack_file::shipped_pack;
use crate::{IntakeError, ReadOptions, Source, TableReport, check_mapping};

mod data_sets;
mod schemas;

/// A hospital's own export: pulse and pressure side by side, times of Berlin, decimal commas.
const WIDE: &str = r#"
format = 1
name = "wide"
title = "Wide"
version = 1
zone = "Europe/Berlin"
subject = ["{patient|integer}"]
missing = ["n/a"]

[dialect]
delimiter = ";"
decimal = ","

[[table]]
name = "vitals"
files = ["vitals*"]
columns = ["patient", "pulse"]
optional = ["kelvin"]

[[table.event]]
columns = { pulse = "HR", temp = "Temp" }
time = [{ columns = ["day", "clock"], formats = ["%d.%m.%Y %H:%M"] }]

[[table.event]]
only = [{ column = "unit", is = ["ward 3"] }, { column = "pulse", above = 100 }]
code = ["Weight"]
time = [{ column = "day", formats = ["%d.%m.%Y"], at = "12:00:00" }]
value = { constant = 70 }
"#;

fn mapping(text: &str) -> Mapping {
    parse_mapping(text).unwrap()
}

fn read(mapping: Option<&Mapping>, name: &str, text: &str) -> Result<Intake, IntakeError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    write(&path, text.as_bytes());
    take_mapped(Source::Path(&path), mapping)
}

fn write(path: &Path, bytes: &[u8]) {
    use std::io::Write as _;
    fs::File::create(path).unwrap().write_all(bytes).unwrap();
}

/// Returns code, time, and value of each event that has one, in the order of the portion.
fn events(intake: &Intake) -> Vec<(String, Option<String>, f32)> {
    let events = intake.screened.events();
    let rows = events.rows.iter().filter(|row| row.value.is_some()).map(|row| {
        let time = row
            .time
            .map(|time| jiff::Timestamp::from_microsecond(time.micros()).unwrap().to_string());
        (events.codes()[row.code as usize].to_string(), time, row.value.unwrap())
    });
    rows.collect()
}

fn event(code: &str, time: &str, value: f32) -> (String, Option<String>, f32) {
    (code.to_owned(), Some(time.to_owned()), value)
}

#[test]
fn a_wide_table_gives_an_event_for_each_cell() {
    let text = "patient;day;clock;pulse;temp;unit\n\
                7.0;01.07.2021;12:00;80;37,5;ward 3\n\
                7;01.12.2021;12:00;n/a;;ward 1\n\
                7;02.12.2021;12:00;101;;ward 3\n";
    let intake = read(Some(&mapping(WIDE)), "x.csv", text).unwrap();
    assert_eq!(
        events(&intake),
        [
            event("HR", "2021-07-01T10:00:00Z", 80.0),
            event("Temp", "2021-07-01T10:00:00Z", 37.5),
            event("HR", "2021-12-02T11:00:00Z", 101.0),
            event("Weight", "2021-12-02T11:00:00Z", 70.0),
        ]
    );
    // Six cells, of which three are empty, and one event of the other kind.
    assert_eq!((intake.counts.read, intake.counts.missing), (7, 3));
    assert_eq!(intake.mapping.len(), 1);
}

#[test]
fn each_wrong_field_has_its_reason_and_the_row_is_kept_as_it_came() {
    let text = "patient;day;clock;pulse;temp;unit\n\
                ;01.07.2021;12:00;80;;a\n\
                7;31.02.2021;12:00;80;;a\n\
                7;01.07.2021;;80;;a\n\
                7;01.07.2021;12:00;1.234;;a\n\
                7;01.07.2021;12:00;x;;a\n\
                7;01.07.2021;12:00;80\n\
                7;01.07.2021;13:00;80;;\"a\nb\n";
    let intake = read(Some(&mapping(WIDE)), "x.csv", text).unwrap();
    assert_eq!(
        reasons(&intake),
        BTreeMap::from([
            (("subject-missing", "subject"), 2),
            (("bad-time", "time"), 4),
            (("not-a-number", "value"), 2),
            (("malformed-row", ""), 1),
            (("unfinished-row", ""), 1),
        ])
    );
    let rows: Vec<u64> = intake.quarantined.iter().map(|row| row.origin.row).collect();
    assert_eq!(rows, [2, 2, 3, 3, 4, 4, 5, 6, 7, 8]);
    assert_eq!(intake.quarantined[6].raw.expose(), b"7,01.07.2021,12:00,1.234,,a");
}

#[test]
fn rows_of_one_invoice_are_one_event() {
    let retail = shipped_mapping("online-retail").unwrap();
    let text = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n\
                1,a,x,2,12/1/2010 8:26,2.5,17850.0,UK\n\
                1,b,\"x, y\",1,12/1/2010 8:26,1,17850.0,UK\n\
                2,a,x,1,2010-07-01 08:26:00,1,17850.0,UK\n\
                2,a,x,1,2010-07-01 08:26:00,1,,UK\n\
                C3,a,x,-2,2010-12-02 08:26:00,2.5,17850.0,UK\n\
                4,a,x,one,2010-12-03 08:26:00,2.5,17850.0,UK\n";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.csv");
    write(&path, text.as_bytes());
    let (reports, counts) = check(&path, Some(&retail));
    assert_eq!(reports.len(), 1);
    let report = &reports[0];
    assert_eq!((report.rows, report.events, report.missing), (6, 8, 2));
    assert_eq!(report.unused, ["StockCode", "Description", "Country"]);
    assert_eq!(counts.read, 10);
}

#[test]
fn a_table_of_no_shipped_mapping_is_refused_with_the_names_of_its_columns() {
    let error = read(None, "x.csv", "Patient,When,Pulse\n7,2020-01-01,80\n").unwrap_err();
    assert_eq!(error.code(), "intake-no-mapping");
    assert!(error.to_string().ends_with("Patient, When, Pulse"), "{error}");
    // Without a header, the first row is about a person and must not be shown.
    let error = read(None, "x.csv", "7,John Smith,80\n8,Jane Doe,81\n").unwrap_err();
    assert!(!error.to_string().contains("John"), "{error}");
    let error = read(None, "x.csv", "John Smith,Pulse,80\nJane Doe,Pulse,81\n").unwrap_err();
    assert!(!error.to_string().contains("John"), "{error}");
}

#[test]
fn a_file_that_no_table_is_for_is_refused_and_not_skipped() {
    let files: [(&str, &[u8]); 3] = [
        ("a/vitals.csv", b"patient;day;clock;pulse;temp;unit\n7;01.07.2021;12:00;80;37;a\n"),
        ("a/other.csv", b"name;secret\nJohn;1\n"),
        ("a/empty.csv", b""),
    ];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.tar");
    write(&path, &tar(&files));
    let intake = take_mapped(Source::Path(&path), Some(&mapping(WIDE))).unwrap();
    assert_eq!(reasons(&intake), BTreeMap::from([(("unknown-table", ""), 2)]));
    assert_eq!(intake.quarantined[0].raw.expose(), b"name;secret");
    assert_eq!(intake.counts.read, 4);
}

#[test]
fn a_table_may_refer_to_another_one_wherever_it_lies() {
    let admissions = "subject_id,hadm_id,admittime,dischtime,deathtime,admission_type,admit_provider_id,admission_location,discharge_location,insurance,language,marital_status,race,edregtime,edouttime,hospital_expire_flag\n\
                      1,20,2196-02-24 14:38:00,2196-03-04 14:02:00,,URGENT,P,X,Y,M,E,S,B,,,0\n";
    let diagnoses =
        "subject_id,hadm_id,seq_num,icd_code,icd_version\n1,20,1,4139,9\n1,21,1,4139,9\n";
    let files =
        [("diagnoses_icd.csv", diagnoses.as_bytes()), ("z/ADMISSIONS.csv", admissions.as_bytes())];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.tar");
    write(&path, &tar(&files));
    let (reports, _) = check(&path, None);
    let tables: Vec<_> = reports.iter().map(|report| report.table.as_deref().unwrap()).collect();
    assert_eq!(tables, ["diagnoses_icd", "admissions"]);
    assert_eq!(reports[0].events, 1);
    assert_eq!(reports[0].refused, BTreeMap::from([(("bad-time", "time"), 1)]));
    assert_eq!(reports[1].events, 2);
}

/// Reads by a mapping without keeping anything.
fn check(path: &Path, mapping: Option<&Mapping>) -> (Vec<TableReport>, crate::Counts) {
    let pack = shipped_pack("icu").unwrap();
    let pseudonyms = Pseudonymizer::new(&SecretKey::from_slice(&[7; 32]).unwrap());
    let spool = std::env::temp_dir();
    let options = ReadOptions { mapping, ..super::options(&pack, &pseudonyms, &spool) };
    let mut reports = Vec::new();
    let summary =
        check_mapping(path, &options, &mut |_| (), &mut |report| reports.push(report)).unwrap();
    let counts = summary.counts;
    assert_eq!(counts.accepted + counts.missing + counts.quarantined, counts.read);
    let told = |report: &TableReport| {
        let refused = report.refused.values().sum::<u64>() + u64::from(report.table.is_none());
        report.events + report.missing + refused
    };
    let told: u64 = reports.iter().map(told).sum();
    // What comes before the first table of an unnamed data set may be refused as something else.
    let before = counts.read - told;
    assert!(if mapping.is_some() { before == 0 } else { before < 5 }, "{before}");
    (reports, counts)
}

proptest! {
    #[test]
    fn any_bytes_are_accounted_for(bytes in prop::collection::vec(any::<u8>(), 0..500)) {
        let mut text = b"patient;day;clock;pulse;temp;unit\n".to_vec();
        text.extend(bytes);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.csv");
        write(&path, &text);
        // `take_mapped` holds that the counts add up.
        if let Err(error) = take_mapped(Source::Path(&path), Some(&mapping(WIDE))) {
            prop_assert_eq!(error.code(), "intake-empty");
        }
    }

    #[test]
    fn any_rows_are_accounted_for(
        rows in prop::collection::vec(
            ("[0-9]{0,2}", "(0[1-9]\\.0[1-9]\\.2021|)", "(1[0-9]:00|)", "(n/a|[0-9]{1,3}|x|)", "(3[0-9],[0-9]|)", "(ward 3|)"),
            1..30,
        )
    ) {
        let mut text = "patient;day;clock;pulse;temp;unit\n".to_owned();
        for (patient, day, clock, pulse, temp, unit) in &rows {
            text += &format!("{patient};{day};{clock};{pulse};{temp};{unit}\n");
        }
        let intake = read(Some(&mapping(WIDE)), "x.csv", &text).unwrap();
        let weights = rows.iter().filter(|row| {
            row.5 == "ward 3" && row.3.parse::<u32>().is_ok_and(|pulse| 100 < pulse)
        });
        // Each row has two cells, and those of ward 3 with a fast pulse one event more.
        prop_assert_eq!(intake.counts.read, (2 * rows.len() + weights.count()) as u64);
    }

    /// However invoices are torn apart and mixed, no amount is lost and none is counted twice.
    #[test]
    fn sums_lose_nothing(
        rows in prop::collection::vec((0..4_u32, prop::option::of(0..3_u32), -2..5_i32, any::<bool>()), 1..40)
    ) {
        let mut text =
            "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n".to_owned();
        let (mut bought, mut nobody) = (0, 0);
        for (invoice, customer, quantity, cancels) in &rows {
            let letter = if *cancels { "C" } else { "" };
            let who = customer.map(|customer| customer.to_string()).unwrap_or_default();
            text += &format!("{letter}{invoice},s,,{quantity},2011-01-0{} 10:00:00,2,{who},UK\n", 1 + invoice);
            if customer.is_some() && !cancels && 0 < *quantity {
                bought += 2 * quantity;
            }
            nobody += u64::from(customer.is_none() || (!cancels && *quantity <= 0));
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shop.csv");
        write(&path, text.as_bytes());
        let retail = shipped_mapping("online-retail").unwrap();
        let pack = shipped_pack("audience").unwrap();
        let intake =
            super::take_all(Source::Path(&path), &pack, Limits::STANDARD, Some(&retail), false).unwrap();
        // What is said twice of one moment is refused as a duplicate, with its value.
        let repeated = intake.quarantined.iter().filter_map(|row| row.parsed.as_ref());
        let repeated = repeated.filter(|row| &*row.name == "PurchaseAmount");
        let repeated: f32 = repeated.map(|row| row.value.parse::<f32>().unwrap()).sum();
        let stored = events(&intake).into_iter().filter(|event| event.0 == "PurchaseAmount");
        let stored: f32 = stored.map(|event| event.2).sum();
        prop_assert_eq!(stored + repeated, bought as f32);
        prop_assert_eq!(intake.counts.missing, nobody);
    }
}
