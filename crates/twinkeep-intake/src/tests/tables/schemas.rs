//! Shipped mappings on made-up rows in the public schemas, and tables as Parquet.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{
    ArrayRef, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use parquet::arrow::ArrowWriter;

use super::super::{real_data, take_mapped, tar};
use super::{check, event, events, write};
use crate::Source;
use crate::csv::{Dialect, Record, Records};

/// The first columns of eICU's tables; the others are not read.
const EICU: [(&str, &str); 4] = [
    (
        "patient.csv",
        "patientunitstayid,patienthealthsystemstayid,gender,age,ethnicity,hospitalid,wardid,apacheadmissiondx,admissionheight,hospitaladmittime24,hospitaladmitoffset,hospitaladmitsource,hospitaldischargeyear,hospitaldischargetime24,hospitaldischargeoffset,hospitaldischargelocation,hospitaldischargestatus,unittype,unitadmittime24,unitadmitsource,unitvisitnumber,unitstaytype,admissionweight,dischargeweight,unitdischargetime24,unitdischargeoffset,unitdischargelocation,unitdischargestatus,uniquepid\n\
         141168,128919,Female,> 89,Caucasian,59,91,Rhythm,152.4,15:54:00,-30,Direct Admit,2015,03:50:00,3596,Death,Expired,Med-Surg ICU,15:54:00,Direct Admit,1,admit,84.3,85.8,03:50:00,3596,Death,Expired,002-34851\n",
    ),
    (
        "vitalPeriodic.csv",
        "vitalperiodicid,patientunitstayid,observationoffset,temperature,sao2,heartrate,respiration,cvp,etco2,systemicsystolic,systemicdiastolic,systemicmean,pasystolic,padiastolic,pamean,st1,st2,st3,icp\n\
         37642770,141168,119,,93,140,,,,,,,,,,,,,\n",
    ),
    (
        "vitalAperiodic.csv",
        "vitalaperiodicid,patientunitstayid,observationoffset,noninvasivesystolic,noninvasivediastolic,noninvasivemean,paop,cardiacoutput,cardiacinput,svr,svri,pvr,pvri\n\
         4157121,141168,5,110,70,80,,,,,,,\n",
    ),
    (
        "lab.csv",
        "labid,patientunitstayid,labresultoffset,labtypeid,labname,labresult,labresulttext,labmeasurenamesystem,labmeasurenameinterface,labresultrevisedoffset\n\
         52307161,141168,516,1,potassium,4.2,4.2,mmol/L,mmol/L,526\n\
         50814182,141168,516,1,PT - INR,2.5,2.5,ratio,,526\n",
    ),
];

#[test]
fn eicu_goes_by_the_codes_of_the_pack_and_minutes_from_admission() {
    let files: Vec<(&str, &[u8])> =
        EICU.iter().map(|(name, text)| (*name, text.as_bytes())).collect();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("eicu.tar");
    write(&path, &tar(&files));
    let (reports, _) = check(&path, None);
    let tables: Vec<_> = reports.iter().map(|report| report.table.as_deref().unwrap()).collect();
    assert_eq!(tables, ["patient", "vitalperiodic", "vitalaperiodic", "lab"]);
    assert!(reports.iter().all(|report| report.refused.is_empty()), "{reports:?}");
    let found = events(&take_mapped(Source::Path(&path), None).unwrap());
    for expected in [
        ("Age".to_owned(), None, 90.0),
        ("Gender".to_owned(), None, 0.0),
        ("Height".to_owned(), None, 152.4),
        event("Weight", "2000-01-01T00:00:00Z", 84.3),
        event("HR", "2000-01-01T01:59:00Z", 140.0),
        event("SaO2", "2000-01-01T01:59:00Z", 93.0),
        event("NIMAP", "2000-01-01T00:05:00Z", 80.0),
        event("K", "2000-01-01T08:36:00Z", 4.2),
    ] {
        assert!(found.contains(&expected), "{expected:?} is not in {found:?}");
    }
}

#[test]
fn meds_columns_as_text_are_read_and_what_has_no_time_holds_at_all_times() {
    let text = "subject_id,time,code,numeric_value\n1,,Age,60\n1,2020-01-01T00:00:00,HR,80\n";
    let intake = super::read(None, "events.csv", text).unwrap();
    let expected = [("Age".to_owned(), None, 60.0), event("HR", "2020-01-01T00:00:00Z", 80.0)];
    assert_eq!(events(&intake), expected);
}

#[test]
fn numbers_dates_and_times_of_parquet_are_read_as_text_would_be() {
    let folder = tempfile::tempdir().unwrap();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("PERSON_ID", Arc::new(Int64Array::from(vec![1, 2]))),
        ("measurement_id", Arc::new(Float64Array::from(vec![1.0, 2.0]))),
        ("measurement_concept_id", Arc::new(Int64Array::from(vec![Some(3027018), None]))),
        ("measurement_source_value", Arc::new(StringArray::from(vec!["8867-4", "HR"]))),
        ("measurement_source_concept_id", Arc::new(Int64Array::from(vec![0, 0]))),
        ("measurement_date", Arc::new(Date32Array::from(vec![18_262, 18_263]))),
        (
            "measurement_datetime",
            Arc::new(TimestampMicrosecondArray::from(vec![Some(1_577_840_400_000_000), None])),
        ),
        ("value_as_number", Arc::new(Float64Array::from(vec![80.0, 81.5]))),
        ("value_as_concept_id", Arc::new(Int64Array::from(vec![0, 0]))),
        ("unit_concept_id", Arc::new(Int64Array::from(vec![0, 0]))),
        ("unit_source_value", Arc::new(StringArray::from(vec![None::<&str>, None]))),
    ];
    write_parquet(&folder.path().join("measurement.parquet"), columns);
    // Without CONCEPT the source's own word is taken, and the pack knows one of them.
    let intake = take_mapped(Source::Path(folder.path()), None).unwrap();
    assert_eq!(events(&intake), [event("HR", "2020-01-02T00:00:00Z", 81.5)]);
    let raw = intake.quarantined[0].raw.expose();
    let expected = "1,1,3027018,8867-4,0,2020-01-01,2020-01-01T01:00:00,80,0,0,";
    assert_eq!(String::from_utf8_lossy(raw), expected);
}

fn write_parquet(path: &Path, columns: Vec<(&str, ArrayRef)>) {
    let table = RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, column)| (name, column, true)),
    );
    let table = table.unwrap();
    let mut writer =
        ArrowWriter::try_new(File::create(path).unwrap(), table.schema(), None).unwrap();
    writer.write(&table).unwrap();
    writer.close().unwrap();
}

/// Reads the same data set as CSV and, with every column as text, as Parquet.
#[test]
fn omop_as_parquet_gives_what_its_csv_gives() {
    let Some(data) = real_data() else { return };
    let archive = data.join("synthea-omop-5.4/synthea27nj-omop-5.4-csv.tar.gz");
    let (of_csv, counts_of_csv) = check(&archive, None);
    let folder = tempfile::tempdir().unwrap();
    let file = File::open(archive).unwrap();
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(file));
    for entry in archive.entries().unwrap() {
        let entry = entry.unwrap();
        let name = entry.path().unwrap().file_name().unwrap().to_string_lossy().to_lowercase();
        if let Some(table) = name.strip_suffix(".csv") {
            let mut records = Records::open(Box::new(entry), &Dialect::STANDARD).unwrap();
            let mut record = Record::default();
            let mut rows: Vec<Vec<String>> = Vec::new();
            while records.next(&mut record).unwrap() {
                let field = |at| String::from_utf8(record.field(at).to_vec()).unwrap();
                rows.push((0..record.len()).map(field).collect());
            }
            let column = |at: usize| -> ArrayRef {
                let texts =
                    rows[1..].iter().map(|row| Some(row[at].as_str()).filter(|t| !t.is_empty()));
                Arc::new(texts.collect::<StringArray>())
            };
            let columns = rows[0].iter().enumerate().map(|(at, name)| (name.as_str(), column(at)));
            write_parquet(&folder.path().join(format!("{table}.parquet")), columns.collect());
        }
    }
    let (of_parquet, counts_of_parquet) = check(folder.path(), None);
    let by_table = |reports: &[crate::TableReport]| -> std::collections::BTreeMap<_, _> {
        let line = |report: &crate::TableReport| {
            (report.table.clone(), (report.rows, report.events, report.missing))
        };
        reports.iter().map(line).collect()
    };
    assert_eq!(by_table(&of_parquet), by_table(&of_csv));
    assert_eq!(counts_of_parquet, counts_of_csv);
}
