//! MEDS Parquet: right, out of order, with the wrong columns, cut short, altered.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, Float32Array, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray, TimestampMillisecondArray,
};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;

use super::{reasons, take, take_bytes};
use crate::{Counts, Source};

const TYPE: &str = "application/vnd.apache.parquet";

fn parquet(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    let columns = columns.into_iter().map(|(name, array)| (name, array, true));
    let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

/// 2001-01-01, in microseconds.
const BASE: i64 = 978_307_200_000_000;

fn good() -> Vec<(&'static str, ArrayRef)> {
    let subject =
        Int64Array::from(vec![Some(7), Some(7), Some(7), None, Some(5), Some(5), Some(5)]);
    let time = [None, Some(2), Some(1), Some(1), Some(9), Some(9), Some(9)];
    let time: TimestampMicrosecondArray = time.iter().map(|t| t.map(|t: i64| BASE + t)).collect();
    let code = ["Age", "HR", "LAB//220045//bpm", "HR", "DRUG//X", "LAB//220045//mmHg", "HR"];
    let number = [Some(54.0), Some(80.0), Some(81.0), Some(82.0), None, Some(1.2), None];
    let text = [None, None, Some("by hand"), None, Some("a,\"b\""), None, None];
    vec![
        ("subject_id", Arc::new(subject)),
        ("time", Arc::new(time)),
        ("code", Arc::new(StringArray::from(code.to_vec()))),
        ("numeric_value", Arc::new(Float32Array::from(number.to_vec()))),
        ("text_value", Arc::new(StringArray::from(text.to_vec()))),
    ]
}

#[test]
fn events_are_screened_and_sorted_whatever_their_order() {
    let intake = take_bytes(TYPE, &parquet(good())).unwrap();
    assert_eq!(intake.counts, Counts { read: 7, accepted: 3, missing: 1, quarantined: 3 });
    let expected = [
        (("subject-missing", "subject_id"), 1),
        (("unknown-code", "code"), 1),
        (("unknown-unit", "code"), 1),
    ];
    assert_eq!(reasons(&intake), expected.into());
    let rows = &intake.screened.events().rows;
    let times: Vec<_> = rows.iter().map(|row| row.time.map(|time| time.micros() - BASE)).collect();
    assert_eq!(times, [None, Some(1), Some(2)]);
    assert_eq!(rows[1].text.as_deref(), Some("by hand"));
    // A subject of whom nothing passed but a missing value is known all the same.
    assert_eq!(intake.mapping.len(), 2);
    let raw = &intake.quarantined[1];
    let expected = format!("5,{},DRUG//X,,\"a,\"\"b\"\"\"", BASE + 9);
    assert_eq!((raw.origin.row, raw.raw.expose()), (5, expected.as_bytes()));
}

#[test]
fn impossible_numbers_and_times_are_refused() {
    let numbers = [f64::NAN, f64::INFINITY, 1e300, 80.0, 80.0, 80.0, 80.0];
    let time = [BASE, BASE, BASE, i64::MAX, i64::MIN, BASE, BASE];
    let mut columns = good();
    columns[0].1 = Arc::new(Int64Array::from(vec![i64::MIN; 7]));
    columns[1].1 = Arc::new(TimestampMicrosecondArray::from(time.to_vec()));
    columns[2].1 = Arc::new(StringArray::from(vec!["HR"; 7]));
    columns[3].1 = Arc::new(Float64Array::from(numbers.to_vec()));
    columns.truncate(4);
    let intake = take_bytes(TYPE, &parquet(columns)).unwrap();
    let expected =
        [(("bad-time", "time"), 2), (("duplicate", ""), 1), (("not-a-number", "numeric_value"), 3)];
    assert_eq!(reasons(&intake), expected.into());
    assert_eq!(intake.mapping.values().next().unwrap().reveal(), i64::MIN.to_string());
}

#[test]
fn a_series_needs_a_time_and_a_row_needs_a_code() {
    let mut columns = good();
    let nothing = TimestampMicrosecondArray::from(vec![None; 7]);
    columns[1].1 = Arc::new(nothing);
    columns[2].1 =
        Arc::new(StringArray::from(vec![Some("HR"), None, None, None, None, None, None]));
    let reasons = reasons(&take_bytes(TYPE, &parquet(columns)).unwrap());
    assert_eq!(reasons[&("bad-time", "time")], 1);
    assert_eq!(reasons[&("malformed-row", "code")], 5);
}

#[test]
fn each_wrong_column_is_named() {
    let swap = |at: usize, array: ArrayRef| {
        let mut columns = good();
        columns[at].1 = array;
        parquet(columns)
    };
    let drop = |at: usize| {
        let mut columns = good();
        columns.remove(at);
        parquet(columns)
    };
    let cases = [
        (swap(0, Arc::new(Int32Array::from(vec![1; 7]))), "`subject_id` must be int64"),
        (swap(0, Arc::new(StringArray::from(vec!["1"; 7]))), "`subject_id` must be int64"),
        (swap(1, Arc::new(TimestampMillisecondArray::from(vec![1; 7]))), "`time` must be a"),
        (swap(2, Arc::new(Int64Array::from(vec![1; 7]))), "`code` must be text"),
        (swap(3, Arc::new(StringArray::from(vec!["1"; 7]))), "`numeric_value` must be a"),
        (swap(4, Arc::new(Int64Array::from(vec![1; 7]))), "`text_value` must be text"),
        (drop(0), "`subject_id` must be int64"),
        (drop(1), "`time` must be a"),
        (drop(2), "`code` must be text"),
        (drop(3), "`numeric_value` must be a"),
    ];
    for (bytes, expected) in cases {
        let error = take_bytes(TYPE, &bytes).unwrap_err();
        assert_eq!(error.code(), "intake-column");
        assert!(error.to_string().contains(expected), "{error}");
    }
    assert!(take_bytes(TYPE, &drop(4)).is_ok(), "text is optional");
}

#[test]
fn a_table_that_is_cut_short_anywhere_is_refused() {
    let whole = parquet(good());
    for length in (1..whole.len()).step_by(3) {
        let code = take_bytes(TYPE, &whole[..length]).unwrap_err().code();
        let short = length < 4 && code == "intake-unrecognized";
        assert!(short || code == "intake-parquet", "{length}: {code}");
    }
}

#[test]
fn a_flipped_bit_never_ends_the_program() {
    let whole = parquet(good());
    let mut refused = 0;
    for at in 4..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 1 << (at % 8);
        // Plain Parquet has no digest of its own: some flips change a value. The account holds.
        refused += usize::from(take_bytes(TYPE, &changed).is_err());
    }
    assert!(whole.len() / 4 < refused, "most flips break the file: {refused} of {}", whole.len());
}

#[test]
fn a_dataset_folder_is_read_without_its_metadata() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        twinkeep_vault::files::write_atomic(&path, bytes, 0o600).unwrap();
    };
    write("data/train/0.parquet", &parquet(good()));
    write("data/held_out/0.parquet", &parquet(good()));
    write(
        "metadata/codes.parquet",
        &parquet(vec![("code", Arc::new(StringArray::from(vec!["HR"])))]),
    );
    write("metadata/dataset.json", b"{}");
    let intake = take(Source::Path(dir.path())).unwrap();
    // Both shards say the same, so the second one's events were there before.
    assert_eq!(intake.counts.read, 14);
    assert_eq!(reasons(&intake)[&("duplicate", "")], 3);
}

#[test]
fn a_dataset_is_read_from_its_data_and_not_from_what_it_says_about_itself() {
    let table = parquet(good());
    let codes: Vec<(&str, ArrayRef)> = vec![
        ("code", Arc::new(StringArray::from(vec!["HR"]))),
        ("description", Arc::new(StringArray::from(vec!["heart rate"]))),
    ];
    let codes = parquet(codes);
    let files: [(&str, &[u8]); 4] = [
        ("set/data/train/0.parquet", &table),
        ("set/metadata/codes.parquet", &codes),
        ("set/metadata/subject_splits.parquet", &codes),
        ("set/metadata/dataset.json", b"{}"),
    ];
    let counts = Counts { read: 7, accepted: 3, missing: 1, quarantined: 3 };
    let packed = take_bytes("application/x-tar", &super::tar(&files)).unwrap();
    assert_eq!(packed.counts, counts);
    let dir = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        twinkeep_vault::files::write_atomic(&path, bytes, 0o600).unwrap();
    }
    assert_eq!(take(Source::Path(&dir.path().join("set"))).unwrap().counts, counts);
}
