//! Files that other programs packed: compressed ones, and tables of Parquet as Arrow writes them.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::super::{Inspection, Kind, State, Verdict, inspect, verdict};
use super::{ALL, HEADER, archive, kinds, look, people};

/// Has a program pack bytes; none if it is not installed, which is said.
fn packed(program: &str, bytes: &[u8]) -> Option<Vec<u8>> {
    let started = Command::new(program)
        .arg("-c")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut child) = started else {
        let _ = writeln!(std::io::stderr(), "skipped: `{program}` is not installed");
        return None;
    };
    child.stdin.take().unwrap().write_all(bytes).unwrap();
    Some(child.wait_with_output().unwrap().stdout)
}

#[test]
fn tables_are_found_in_what_others_compressed() {
    let table = people(60, HEADER, ',');
    for program in ["gzip", "bzip2", "xz", "zstd"] {
        let Some(bytes) = packed(program, table.as_bytes()) else { continue };
        let twice = packed(program, &bytes).unwrap();
        for bytes in [&bytes, &twice, &archive(&[("people", &bytes)])] {
            let inspection = look(bytes);
            assert_eq!(verdict(&inspection.places), Verdict::Personal, "{program} {inspection:?}");
        }
        // What is cut off is not clean.
        let clean = packed(program, "a,b\n".repeat(50_000).as_bytes()).unwrap();
        assert_eq!(look(&clean).state, State::Readable, "{program}");
        let cut = look(&clean[..clean.len() * 2 / 3]);
        assert!(matches!(cut.state, State::NotChecked(_)), "{program} {cut:?}");
    }
}

/// Has `tar` pack a file with a gap in it.
fn taped(options: &[&str], content: &[u8]) -> Option<Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    let file = File::create(folder.path().join("people.csv")).unwrap();
    // A gap, if the file system has such.
    file.set_len(1 << 20).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, content, 1 << 20).unwrap();
    let tar = Command::new("tar").current_dir(&folder).args(options).arg("people.csv").output();
    let Ok(made) = tar else {
        let _ = writeln!(std::io::stderr(), "skipped: `tar` is not installed");
        return None;
    };
    Some(made.stdout)
}

#[test]
fn a_member_with_gaps_is_not_taken_for_an_empty_one() {
    let table = people(60, HEADER, ',');
    for options in [&["-cSf", "-"][..], &["--format=posix", "-cSf", "-"]] {
        let Some(bytes) = taped(options, table.as_bytes()) else { return };
        let inspection = look(&bytes);
        let seen = verdict(&inspection.places) == Verdict::Personal;
        assert!(seen || matches!(inspection.state, State::NotChecked(_)), "{inspection:?}");
    }
}

/// What says a long name is not read into memory, however long it is.
#[test]
fn a_long_name_on_tape_takes_no_memory() {
    let mut header = tar::Header::new_gnu();
    header.set_path("././@LongLink").unwrap();
    header.set_entry_type(tar::EntryType::GNULongName);
    header.set_size(96 << 20);
    header.set_cksum();
    let tape = [header.as_bytes().as_slice(), &vec![b'a'; 96 << 20]].concat();
    let inspection = look(&tape);
    assert!(inspection.bytes <= ALL.bytes_max + (2 << 20), "{}", inspection.bytes);
}

/// Bombs and heads that ask for gigabytes.
#[test]
fn compressed_files_do_not_take_the_memory() {
    for program in ["bzip2", "xz", "zstd"] {
        let Some(bomb) = packed(program, &vec![b'a'; 96 << 20]) else { continue };
        let inspection = look(&bomb);
        assert!(matches!(inspection.state, State::NotChecked(_)), "{program} {inspection:?}");
        assert!(inspection.bytes <= ALL.bytes_max + (2 << 20), "{}", inspection.bytes);
    }
    let heads: [&[u8]; 3] = [
        // A window of two gibibytes.
        b"\x28\xb5\x2f\xfd\x00\xa8\x01\x00\x00",
        // A dictionary of four gibibytes less one.
        b"\xfd7zXZ\0\0\x04\xe6\xd6\xb4\x46\x02\0\x21\x01\x28\0\0\0\xd7\x1c\xe2\x2f\x01\0\0\0\0",
        b"BZh9\x31\x41\x59\x26\x53\x59\xff\xff\xff\xff",
    ];
    for head in heads {
        let inspection = look(&[head, &[7; 4096]].concat());
        assert!(matches!(inspection.state, State::NotChecked(_)), "{inspection:?}");
    }
}

#[test]
fn what_cannot_be_looked_into_is_never_clean() {
    for head in ["%PDF-1.7\n", "Rar!\x1a\x07\x01\0", "ARROW1\0\0", "Obj\x01", "ORC"] {
        let inspection = look(&[head.as_bytes(), &[7; 4096]].concat());
        assert!(matches!(inspection.state, State::NotChecked(_)), "{head} {inspection:?}");
    }
}

/// A Python that has Arrow: `.ci/peers.sh` installs one.
fn arrow() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/peers/bin/python3");
    let found = [root, PathBuf::from("python3")].into_iter().find(|python| {
        let mut ask = Command::new(python);
        let asked = ask.args(["-c", "import pyarrow"]).stderr(Stdio::null()).status();
        asked.is_ok_and(|status| status.success())
    });
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none(), "pyarrow is missing: .ci/peers.sh installs it");
        let _ = writeln!(std::io::stderr(), "skipped: pyarrow is not installed");
    }
    found
}

/// Writes tables of Parquet, each with other options: `NAME.parquet`.
const WRITER: &str = r#"
import sys
import pyarrow as pa
import pyarrow.parquet as pq

folder = sys.argv[1]
count = 3000
def table(notes, numbers):
    return pa.table({
        "c1": pa.array(numbers),
        "c2": pa.array([None if i % 7 == 0 else n for i, n in enumerate(notes)]),
        "c3": pa.array([[n, "x"] for n in notes]),
        "c4": pa.array([{"inner": n} for n in notes]),
        "c5": pa.array([i * 0.5 for i in range(count)]),
    })
said = ["seen on the ward, SSN: %03d-%02d-%04d, stable" % (i % 600 + 1, i % 98 + 1, i % 9000 + 1)
        for i in range(count)]
people = table(said, ["person%d@example.org" % i for i in range(count)])
clean = table(["a part of the weather number %d of them all" % i for i in range(count)],
              ["word%d" % i for i in range(count)])
for codec in ["none", "snappy", "gzip", "zstd", "brotli", "lz4"]:
    for dictionary in [True, False]:
        for version in ["1.0", "2.0"]:
            name = f"{codec}-{dictionary}-{version}"
            how = dict(compression=codec, use_dictionary=dictionary, data_page_version=version,
                       row_group_size=1000, data_page_size=4096, write_statistics=False)
            pq.write_table(people, f"{folder}/people-{name}.parquet", **how)
            pq.write_table(clean, f"{folder}/clean-{name}.parquet", **how)
# A dictionary that becomes too large is given up for plain text in the middle of a column.
pq.write_table(people, f"{folder}/people-given-up.parquet", dictionary_pagesize_limit=2000,
               data_page_size=1000, write_statistics=False)
for encoding in ["DELTA_BYTE_ARRAY", "DELTA_LENGTH_BYTE_ARRAY"]:
    for kind, of in [("people", people), ("clean", clean)]:
        for version in ["1.0", "2.0"]:
            columns = {name: encoding for name in ["c1", "c2", "c3.list.element", "c4.inner"]}
            pq.write_table(of, f"{folder}/{kind}-{encoding}-{version}.parquet", use_dictionary=False,
                           column_encoding=columns, data_page_version=version, data_page_size=4096,
                           write_statistics=False)
digits = pa.table({"c1": pa.array([b"%011d" % i for i in range(count)], pa.binary(11))})
pq.write_table(digits, f"{folder}/unknown-encoding.parquet", use_dictionary=False,
               column_encoding={"c1": "BYTE_STREAM_SPLIT"}, write_statistics=False)
fixed = pa.table({"c1": pa.array([b"212-12-%04d" % (i + 1) for i in range(count)], pa.binary(11))})
pq.write_table(fixed, f"{folder}/people-fixed.parquet", use_dictionary=False, write_statistics=False)
# Numbers are told by the name of their column and their bounds, as in a table of text.
numbers = pa.array([212120001 + i for i in range(count)], pa.int64())
pq.write_table(pa.table({"ssn": numbers}), f"{folder}/people-numbers.parquet")
pq.write_table(pa.table({"steps": numbers}), f"{folder}/clean-numbers.parquet")
"#;

fn tables(folder: &Path) -> Option<Vec<(String, PathBuf)>> {
    let written = Command::new(arrow()?).args(["-c", WRITER]).arg(folder).output().unwrap();
    assert!(written.status.success(), "{}", String::from_utf8_lossy(&written.stderr));
    let mut files: Vec<(String, PathBuf)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), path))
        .collect();
    files.sort();
    Some(files)
}

fn look_at(path: &Path) -> Inspection {
    let file = File::open(path).unwrap();
    inspect(&file, file.metadata().unwrap().len(), ALL).unwrap()
}

#[test]
fn text_in_pages_of_parquet_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let Some(files) = tables(folder.path()) else { return };
    assert_eq!(files.len(), 61);
    for (name, path) in &files {
        let inspection = look_at(path);
        let unknown = ["brotli", "unknown"].iter().any(|it| name.contains(it));
        if unknown {
            assert!(matches!(inspection.state, State::NotChecked(_)), "{name} {inspection:?}");
        } else if name.starts_with("people") {
            assert_eq!(inspection.state, State::Readable, "{name} {inspection:?}");
            assert_eq!(verdict(&inspection.places), Verdict::Personal, "{name} {inspection:?}");
        } else {
            assert_eq!(inspection.state, State::Readable, "{name} {inspection:?}");
            assert_eq!(kinds(&inspection), [], "{name}");
        }
    }
    let plain = look_at(&folder.path().join("people-zstd-True-2.0.parquet"));
    let found = kinds(&plain);
    assert!(found.contains(&("a column", Kind::Email)), "{found:?}");
    assert!(found.contains(&("text", Kind::Ssn)), "{found:?}");
    let mails = plain.places.iter().find(|place| place.found.kind == Kind::Email).unwrap();
    assert_eq!((mails.found.rows, mails.found.of), (3000, 3000));
}

/// Changed in any one byte, a table is looked at or said not to be in order; nothing panics.
#[test]
fn broken_tables_of_parquet_are_survived() {
    let folder = tempfile::tempdir().unwrap();
    let Some(files) = tables(folder.path()) else { return };
    for (name, path) in files.iter().filter(|(name, _)| name.starts_with("clean-snappy-True")) {
        let whole = std::fs::read(path).unwrap();
        // The footer is the end, and most of what can go wrong.
        let pages = (0..whole.len()).step_by(whole.len() / 20);
        for at in pages.chain((whole.len() - 2000..whole.len()).step_by(61)) {
            let mut bytes = whole.clone();
            bytes[at] ^= 0xff;
            look(&bytes);
        }
        // Pages that are gone, with a footer that knows of them.
        let start = whole.len() / 2;
        let cut = [&whole[..4], &whole[start..]].concat();
        let inspection = look(&cut);
        assert!(matches!(inspection.state, State::NotChecked(_)), "{name} {inspection:?}");
    }
}
