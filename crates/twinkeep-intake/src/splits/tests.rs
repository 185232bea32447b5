//! Given splits: the two forms, and what is wrong with a file, by row.

use std::fs::File;
use std::io::Write as _;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int32Array, Int64Array, LargeStringArray, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use twinkeep_domain::Split;

use super::{SplitRow, SplitsError, read_splits};

fn read(bytes: &[u8]) -> Result<Vec<SplitRow>, SplitsError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("splits");
    File::create(&path).unwrap().write_all(bytes).unwrap();
    read_splits(&path)
}

fn table(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes
}

fn said(rows: &[SplitRow]) -> Vec<(u64, &str, Split)> {
    rows.iter().map(|row| (row.row, row.subject.reveal(), row.split)).collect()
}

const EXPECTED: [(u64, &str, Split); 3] =
    [(1, "7", Split::Train), (2, "8", Split::Tuning), (3, "9", Split::HeldOut)];

#[test]
fn both_forms_say_the_same() {
    // A line is counted with the header, columns may be in any order, and others are passed over.
    let text = read(b"split,x,subject_id\r\ntrain,,7\ntuning,1, 8\n\nheld_out,2,\"9\"").unwrap();
    let lines: Vec<_> = said(&text).iter().map(|row| row.0).collect();
    assert_eq!(lines, [2, 3, 5]);
    let rows = said(&text);
    for (row, expected) in rows.iter().zip(EXPECTED) {
        assert_eq!((row.1, row.2), (expected.1, expected.2));
    }
    let names = || Arc::new(StringArray::from(vec!["train", "tuning", "held_out"])) as ArrayRef;
    let large = Arc::new(LargeStringArray::from(vec!["train", "tuning", "held_out"])) as ArrayRef;
    let long = Arc::new(Int64Array::from(vec![7, 8, 9])) as ArrayRef;
    let short = Arc::new(Int32Array::from(vec![7, 8, 9])) as ArrayRef;
    let texts = Arc::new(StringArray::from(vec!["7", "8", "9"])) as ArrayRef;
    for (subjects, splits) in [(long, names()), (short, names()), (texts, large)] {
        let bytes = table(vec![("subject_id", subjects), ("split", splits)]);
        assert_eq!(said(&read(&bytes).unwrap()), EXPECTED);
    }
}

#[test]
fn what_is_wrong_is_told_by_row_and_never_by_identifier() {
    let cases: [(&[u8], &str, &str); 8] = [
        (
            b"",
            "splits-column",
            "the file needs a column `subject_id` with a name in the first line",
        ),
        (b"7,train\n", "splits-column", "the file needs a column `subject_id`"),
        (b"subject_id\n7\n", "splits-column", "the file needs a column `split`"),
        (b"subject_id,split\n", "splits-empty", "the file has no rows"),
        (b"subject_id,split\n7,train\n8,test\n", "splits-unknown", "row 3: `split` is none of"),
        (b"subject_id,split\n7,train\n,tuning\n", "splits-row", "row 3: `subject_id` cannot"),
        (b"subject_id,split\n7\xff,train\n", "splits-row", "row 2: `subject_id` cannot"),
        (b"PAR1 and then nothing", "splits-parquet", "the file is damaged Parquet"),
    ];
    for (bytes, code, message) in cases {
        let error = read(bytes).unwrap_err();
        assert_eq!(error.code(), code);
        assert!(error.to_string().starts_with(message), "{error}");
    }
    let nobody = Arc::new(Int64Array::from(vec![Some(7), None])) as ArrayRef;
    let splits = Arc::new(StringArray::from(vec!["train", "train"])) as ArrayRef;
    let missing = table(vec![("subject_id", nobody), ("split", Arc::clone(&splits))]);
    assert_eq!(read(&missing).unwrap_err().to_string(), "row 2: `subject_id` cannot be read");
    let wrong = table(vec![
        ("subject_id", Arc::clone(&splits)),
        ("split", Arc::new(Int64Array::from(vec![1, 2]))),
    ]);
    assert_eq!(read(&wrong).unwrap_err().code(), "splits-column");
}

#[test]
fn no_damage_to_a_table_does_more_than_refuse_it() {
    let subjects = Arc::new(Int64Array::from((0..200).collect::<Vec<_>>())) as ArrayRef;
    let splits = Arc::new(StringArray::from(vec!["train"; 200])) as ArrayRef;
    let whole = table(vec![("subject_id", subjects), ("split", splits)]);
    for at in (0..whole.len()).step_by(7) {
        let mut flipped = whole.clone();
        flipped[at] ^= 0x40;
        let _ = read(&flipped);
        assert!(read(&whole[..at]).is_err(), "cut at {at}");
    }
}
