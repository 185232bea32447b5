//! Records, whole and damaged.

use super::{Journal, Record, encode};
use crate::Checkpoint;

fn record(n: u8) -> Record {
    let base = Checkpoint { size: u64::from(n), root: [n; 32] };
    let entries = vec![vec![n; usize::from(n)], Vec::new()];
    Record { base, note: format!("note {n}\n").into_bytes(), entries }
}

fn written(records: &[Record]) -> Vec<u8> {
    let write = |record: &Record| {
        let note = std::str::from_utf8(&record.note).unwrap();
        encode(&record.base, note, &record.entries)
    };
    records.iter().flat_map(write).collect()
}

#[test]
fn records_read_back_up_to_the_zeros() {
    let records = [record(1), record(200)];
    for zeros in [0, 1, 1000] {
        let bytes = [written(&records), vec![0; zeros]].concat();
        let read = Journal::decode(&bytes);
        assert_eq!((read.records.as_slice(), read.clean), (&records[..], true));
    }
    assert!(Journal::decode(&[]).is_empty());
    assert!(Journal::decode(&[0; 64]).is_empty());
}

#[test]
fn a_record_that_is_cut_or_changed_anywhere_ends_the_journal() {
    let records = [record(1), record(30)];
    let first = written(&records[..1]).len();
    let good = written(&records);
    for length in first + 1..good.len() {
        let read = Journal::decode(&good[..length]);
        assert_eq!((read.records.len(), read.clean), (1, false), "cut to {length}");
    }
    for at in first..good.len() {
        let mut changed = [good.as_slice(), &[0; 64]].concat();
        changed[at] ^= 0x40;
        let read = Journal::decode(&changed);
        assert_eq!((read.records.len(), read.clean), (1, false), "changed at {at}");
    }
}

#[test]
fn a_length_of_its_own_choosing_reads_nothing_beyond_the_file() {
    let mut bytes = written(&[record(1)]);
    for length in [0, 1, 43, 44, u32::MAX] {
        bytes[8..12].copy_from_slice(&u32::to_be_bytes(length));
        assert!(Journal::decode(&bytes).records.is_empty());
    }
}
