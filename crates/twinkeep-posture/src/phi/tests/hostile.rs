//! Files that were made to break whoever looks into them.

use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::super::{Kind, Limits, State, Verdict, verdict};
use super::{ALL, HEADER, archive, look, look_with, noise, people};

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

/// A bomb of 64 MiB in 64 KiB: looked at up to the bound, and never said to be clean.
#[test]
fn a_bomb_is_not_unpacked_beyond_the_bound() {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    std::io::copy(&mut std::io::repeat(b'a').take(64 << 20), &mut gzip).unwrap();
    let bomb = gzip.finish().unwrap();
    let limits = Limits { bytes_max: 8 << 20, ..ALL };
    for bytes in [bomb.clone(), archive(&[("bomb.gz", &bomb), ("zeros", &[b'0'; 1 << 20])])] {
        let inspection = look_with(&bytes, limits);
        assert!(matches!(inspection.state, State::NotChecked(_)), "{inspection:?}");
        assert!(inspection.bytes <= 10 << 20, "{}", inspection.bytes);
    }
}

/// Gigabytes that come out of one layer and are nothing in the next one: empty blocks of gzip.
#[test]
fn what_is_unpacked_between_layers_counts() {
    let empty = {
        let mut stored = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
        for _ in 0..(1 << 20) {
            stored.extend([0, 0, 0, 0xff, 0xff]);
        }
        stored.extend([1, 0, 0, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0]);
        stored
    };
    let bomb = gzipped(&empty);
    assert!(bomb.len() < empty.len() / 20);
    let limits = Limits { unpacked_max: 1 << 20, ..ALL };
    for bytes in [bomb.clone(), archive(&[("bomb.gz", &bomb)])] {
        let inspection = look_with(&bytes, limits);
        assert!(matches!(inspection.state, State::NotChecked(_)), "{inspection:?}");
    }
    // What was found before counts, and what is not packed is no bomb.
    let table = people(60, HEADER, ',');
    let filled = [table.as_bytes(), "x,y\n".repeat(1 << 20).as_bytes()].concat();
    assert_eq!(verdict(&look_with(&gzipped(&filled), limits).places), Verdict::Personal);
    let clean = "a,b\n".repeat(1 << 20);
    assert_eq!(look_with(clean.as_bytes(), limits).state, State::Readable);
}

/// No line, no quote, and no string ever ends; memory does not grow with the file.
#[test]
fn what_never_ends_is_looked_at_in_pieces() {
    for start in ["", "\"", "a,b\n\"", "{\"key\": \"", "[[[[[[[[", "id,ssn\n"] {
        let mut bytes = start.as_bytes().to_vec();
        bytes.extend(std::iter::repeat_n(b"and so on, ", 1 << 18).flatten());
        bytes.extend(b" SSN: 212-12-1234 MRN: 4471123\n");
        let inspection = look(&bytes);
        assert_eq!(inspection.bytes, bytes.len() as u64, "{start:?}");
    }
    let deep = "{\"a\":".repeat(200_000);
    assert_eq!(look(deep.as_bytes()).state, State::Readable);
    let keys: String =
        (0..50_000).map(|at| format!("{{\"key{at}\": \"212-12-1234\"}}\n")).collect();
    assert_eq!(verdict(&look(keys.as_bytes()).places), Verdict::Personal);
}

/// Cut anywhere, a file is looked at or said to be broken; nothing panics, and nothing hangs.
#[test]
fn files_that_are_cut_anywhere_are_survived() {
    let table = people(30, HEADER, ',');
    let files = [
        gzipped(table.as_bytes()),
        {
            let mut tape = tar::Builder::new(Vec::new());
            let mut header = tar::Header::new_gnu();
            header.set_size(table.len() as u64);
            tape.append_data(&mut header, "people.csv", table.as_bytes()).unwrap();
            tape.into_inner().unwrap()
        },
        archive(&[("people.csv", table.as_bytes()), ("more.gz", &gzipped(b"x"))]),
        [b"PAR1", &noise(300)[..], &[200, 0, 0, 0], b"PAR1"].concat(),
        br#"{"name": {"family": "Okafor\", "given": ["Ma\\", "x"]}, "n": -1.5e9}"#.to_vec(),
    ];
    for file in files {
        for length in 0..file.len().min(1200) {
            look(&file[..length]);
            let mut changed = file.clone();
            changed[length] ^= 0xff;
            look(&changed);
        }
    }
}

#[test]
fn broken_compression_is_not_clean() {
    let whole = gzipped(people(4000, "", ',').as_bytes());
    let broken = [&whole[..40], &noise(4096)].concat();
    assert!(matches!(look(&broken).state, State::NotChecked(_)));
}

#[test]
fn bytes_that_are_no_text_do_not_hide_columns() {
    let mut bytes = HEADER.as_bytes().to_vec();
    for line in people(60, "", ',').lines() {
        bytes.extend(line.as_bytes());
        bytes.extend([0xff, 0xc3, 0x28, b'\r', b'\n']);
    }
    let inspection = look(&bytes);
    assert!(inspection.places.iter().any(|place| place.found.kind == Kind::Ssn));
    assert_eq!(verdict(&inspection.places), Verdict::Personal);
}

/// A head of one format, and a table behind it.
#[test]
fn a_table_within_another_kind_of_file_is_found_by_its_forms() {
    let bytes = [&[0_u8, 1, 2, 3][..], people(300, HEADER, ',').as_bytes()].concat();
    assert_eq!(verdict(&look(&bytes).places), Verdict::Personal);
}

/// Values that are nearly numbers of people: no validator panics on any of them.
#[test]
fn lines_of_random_marks_and_digits_are_survived() {
    let alphabet = b"0123456789012345678901234567890123456789.-/: @()+#,;\tAZaz\"{}\\PID|";
    let random = noise(1 << 20);
    let line: Vec<u8> =
        random.iter().map(|it| alphabet[usize::from(*it) % alphabet.len()]).collect();
    for width in [9, 13, 17, 36, 200] {
        for start in ["", "{\"a\": 1}\n", "a,b\n1,2\n", "MSH|\r"] {
            let lines: Vec<&[u8]> = line.chunks(width).take(4_000).collect();
            look(&[start.as_bytes(), &lines.join(&b'\n')].concat());
        }
    }
}
