//! What goes in comes out, from anywhere; what was touched on the disk does not.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::FileExt as _;

use super::{CHUNK_LEN, SEALED_LEN, Spool, SpoolWriter};

fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 31 + at / 251) as u8).collect()
}

fn spool(bytes: &[u8]) -> Spool {
    let mut writer = SpoolWriter::create(tempfile::tempdir().unwrap().path()).unwrap();
    writer.write_all(bytes).unwrap();
    assert_eq!(writer.length(), bytes.len() as u64);
    writer.finish().unwrap()
}

fn read(spool: &Spool, start: u64, end: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    spool.reader(start, end).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[test]
fn every_part_reads_back() {
    for length in [0, 1, CHUNK_LEN - 1, CHUNK_LEN, CHUNK_LEN + 1, 3 * CHUNK_LEN + 77] {
        let bytes = bytes(length);
        let spool = spool(&bytes);
        assert_eq!(spool.length(), length as u64);
        assert!(read(&spool, 0, u64::MAX).unwrap() == bytes);
        for start in [0, 1, CHUNK_LEN - 1, CHUNK_LEN, 2 * CHUNK_LEN + 5] {
            for end in [start, start + 3, start + CHUNK_LEN, length + 9] {
                let expected = bytes.get(start..end.min(length)).unwrap_or_default();
                assert!(read(&spool, start as u64, end as u64).unwrap() == expected);
            }
        }
    }
}

#[test]
fn nothing_readable_and_no_name_is_on_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = SpoolWriter::create(folder.path()).unwrap();
    writer.write_all(&b"Jane Doe, 1970-01-01; ".repeat(10_000)).unwrap();
    let spool = writer.finish().unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    let mut raw = vec![0; spool.0.file.metadata().unwrap().len() as usize];
    spool.0.file.read_exact_at(&mut raw, 0).unwrap();
    assert!(220_000 < raw.len());
    assert!(!raw.windows(8).any(|window| window == b"Jane Doe"));
    assert!(!raw.windows(32).any(|window| window == spool.0.key.expose()));
}

#[test]
fn what_was_changed_moved_or_cut_off_is_refused() {
    let bytes = bytes(2 * CHUNK_LEN + 100);
    for at in [0, CHUNK_LEN, SEALED_LEN + 7, 2 * SEALED_LEN + 110] {
        let spool = spool(&bytes);
        let mut byte = [0];
        spool.0.file.read_exact_at(&mut byte, at as u64).unwrap();
        spool.0.file.write_all_at(&[byte[0] ^ 1], at as u64).unwrap();
        assert!(read(&spool, 0, u64::MAX).is_err(), "{at}");
    }
    let swapped = spool(&bytes);
    let mut first = vec![0; SEALED_LEN];
    swapped.0.file.read_exact_at(&mut first, 0).unwrap();
    swapped.0.file.write_all_at(&first, SEALED_LEN as u64).unwrap();
    assert!(read(&swapped, 0, CHUNK_LEN as u64).is_ok());
    assert!(read(&swapped, CHUNK_LEN as u64, u64::MAX).is_err());
    let cut = spool(&bytes);
    cut.0.file.set_len(2 * SEALED_LEN as u64).unwrap();
    assert!(read(&cut, 0, u64::MAX).is_err());
}
