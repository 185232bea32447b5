//! PhysioNet text, right and wrong in every way that a file can be.

use std::fs::{self, File};
use std::io::Write as _;

use proptest::prelude::*;
use twinkeep_domain::{Event, Timestamp};
use twinkeep_vault::SecretKey;

use super::Intake;
use super::{reasons, take, take_bytes, take_within};
use crate::limits::Limits;
use crate::{Counts, Portion, Source};

const GOOD: &str = "Time,Parameter,Value\n00:00,RecordID,132539\n00:00,Age,54\n00:00,Height,-1\n\
    00:07,HR,73\n00:07,Temp,35.1\n48:00,HR,80\n";

fn read(text: &[u8]) -> Intake {
    take_bytes("text/csv", text).unwrap()
}

/// Reads a stay with these lines after its identity, and returns what was refused.
fn refused(lines: &str) -> Vec<(&'static str, &'static str)> {
    let text = format!("Time,Parameter,Value\n00:00,RecordID,1\n{lines}");
    let intake = read(text.as_bytes());
    intake.quarantined.iter().map(|row| (row.reason.code(), row.field.unwrap_or(""))).collect()
}

#[test]
fn a_good_stay_is_read_whole() {
    let intake = read(GOOD.as_bytes());
    assert_eq!(intake.counts, Counts { read: 6, accepted: 5, missing: 1, quarantined: 0 });
    let events = intake.screened.events();
    let seen: Vec<_> = events
        .rows
        .iter()
        .map(|event| {
            let hours = event.time.map(|time| time.hours_since(Timestamp::RELATIVE_ORIGIN));
            (events.codes()[event.code as usize].to_string(), hours, event.value.unwrap())
        })
        .collect();
    let at = |minutes: f64| Some(minutes / 60.0);
    let expected = [
        ("Age".to_owned(), None, 54.0),
        ("HR".to_owned(), at(7.0), 73.0),
        ("Temp".to_owned(), at(7.0), 35.1),
        ("HR".to_owned(), at(2880.0), 80.0),
    ];
    assert_eq!(seen, expected);
    assert_eq!(intake.mapping.values().next().unwrap().reveal(), "132539");
}

#[test]
fn line_ends_and_byte_order_marks_of_other_systems_are_understood() {
    let windows = format!("\u{feff}{}", GOOD.replace('\n', "\r\n"));
    assert_eq!(read(windows.as_bytes()).counts, read(GOOD.as_bytes()).counts);
}

#[test]
fn every_way_to_be_wrong_has_its_reason() {
    let cases = [
        ("00:01,HR\n", ("malformed-row", "")),
        ("00:01,HR,80,1\n", ("malformed-row", "")),
        ("\n", ("malformed-row", "")),
        ("00:01,HR,80", ("unfinished-row", "")),
        ("0:01,HR,80\n", ("bad-time", "Time")),
        ("00:60,HR,80\n", ("bad-time", "Time")),
        ("48:01,HR,80\n", ("bad-time", "Time")),
        ("-1:00,HR,80\n", ("bad-time", "Time")),
        ("99:99,HR,80\n", ("bad-time", "Time")),
        ("00:01,HRX,80\n", ("unknown-code", "Parameter")),
        ("00:01,,80\n", ("unknown-code", "Parameter")),
        ("00:01, HR,80\n", ("unknown-code", "Parameter")),
        ("00:01,HR,\n", ("not-a-number", "Value")),
        ("00:01,HR,NaN\n", ("not-a-number", "Value")),
        ("00:01,HR,inf\n", ("not-a-number", "Value")),
        ("00:01,HR,-infinity\n", ("not-a-number", "Value")),
        ("00:01,HR,1e999\n", ("not-a-number", "Value")),
        ("00:01,HR,8 0\n", ("not-a-number", "Value")),
        ("00:01,HR,80\0\n", ("not-a-number", "Value")),
        ("00:01,HR,0x50\n", ("not-a-number", "Value")),
        ("00:01,HR,١٢\n", ("not-a-number", "Value")),
        ("00:01,HR,301\n", ("implausible-value", "Value")),
        ("00:01,SysABP,49.9\n", ("implausible-value", "Value")),
        ("00:01,Age,121\n", ("implausible-value", "Value")),
        ("00:00,RecordID,1\n", ("duplicate", "")),
    ];
    for (line, expected) in cases {
        assert_eq!(refused(line), [expected], "{line:?}");
    }
}

#[test]
fn the_same_row_again_is_refused_and_another_value_is_kept() {
    assert_eq!(refused("00:01,HR,80\n00:01,HR,81\n00:01,HR,80.0\n"), [("duplicate", "")]);
    assert_eq!(refused("00:01,HR,80\n00:02,HR,80\n"), []);
    let earlier = refused("00:05,HR,80\n00:04,HR,81\n00:05,Temp,37\n");
    assert_eq!(earlier, [("out-of-order", "Time")]);
}

#[test]
fn a_stay_without_an_identity_or_with_two_is_refused_whole() {
    let without = GOOD.replace("RecordID", "RecordNo");
    let all = |reason| [((reason, "RecordID"), 6)].into();
    assert_eq!(reasons(&read(without.as_bytes())), all("subject-missing"));
    let two = GOOD.replace("00:07,HR,73", "00:07,RecordID,7");
    assert_eq!(reasons(&read(two.as_bytes())), all("subject-contradictory"));
    let empty = GOOD.replace("132539", "");
    assert_eq!(reasons(&read(empty.as_bytes())), all("subject-missing"));
    let control = GOOD.replace("132539", "13\u{7}");
    assert_eq!(reasons(&read(control.as_bytes())), all("subject-missing"));
}

#[test]
fn a_file_of_another_name_than_its_stay_is_refused_whole() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["132539.txt", "stay.txt", "999999.txt"] {
        File::create(dir.path().join(name)).unwrap().write_all(GOOD.as_bytes()).unwrap();
    }
    let intake = take(Source::Path(dir.path())).unwrap();
    // The second one says the same as the first, and the third is called after somebody else.
    let expected = [(("duplicate", ""), 4), (("subject-contradictory", "RecordID"), 6)].into();
    assert_eq!(reasons(&intake), expected);
    assert_eq!(intake.counts, Counts { read: 18, accepted: 6, missing: 2, quarantined: 10 });
    let digest = intake.digest;
    fs::rename(dir.path().join("stay.txt"), dir.path().join("stay2.txt")).unwrap();
    assert_ne!(take(Source::Path(dir.path())).unwrap().digest, digest);
}

#[test]
fn a_file_without_its_header_is_kept_whole() {
    let intake = {
        let dir = tempfile::tempdir().unwrap();
        let headless = GOOD.split_once('\n').unwrap().1;
        File::create(dir.path().join("1.txt")).unwrap().write_all(headless.as_bytes()).unwrap();
        File::create(dir.path().join("2.txt")).unwrap();
        take(Source::Path(dir.path())).unwrap()
    };
    assert_eq!(reasons(&intake), [(("missing-header", ""), 2)].into());
    assert!(intake.quarantined[0].raw.expose().starts_with(b"00:00,RecordID"));
}

#[test]
fn a_link_in_a_folder_is_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/etc/passwd", dir.path().join("1.txt")).unwrap();
    let intake = take(Source::Path(dir.path())).unwrap();
    assert_eq!(reasons(&intake), [(("not-a-file", ""), 1)].into());
    assert_eq!(intake.quarantined[0].raw.expose(), b"");
}

#[test]
fn nothing_to_read_is_an_error_and_so_is_something_else() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(take(Source::Path(dir.path())).unwrap_err().code(), "intake-empty");
    let missing = dir.path().join("missing");
    assert_eq!(take(Source::Path(&missing)).unwrap_err().code(), "intake-read");
    assert_eq!(take_bytes("text/csv", b"").unwrap_err().code(), "intake-empty");
    let header = b"Time,Parameter,Value\n";
    assert_eq!(read_error(header), "intake-empty", "no row, no identity");
    let table = take_bytes("text/csv", b"a,b,c\n1,2,3\n").unwrap_err();
    assert_eq!(table.code(), "intake-no-mapping");
    for other in [&b"a, b and c\n"[..], b"\x7fELF", b"PK\x03\x04", &[0; 600]] {
        assert_eq!(take_bytes("text/csv", other).unwrap_err().code(), "intake-unrecognized");
    }
    assert_eq!(
        take_bytes("application/x-tar", GOOD.as_bytes()).unwrap_err().code(),
        "intake-media-type"
    );
}

#[test]
fn what_a_feed_does_not_declare_its_content_decides() {
    let stay = GOOD.as_bytes();
    let archive = super::tar(&[("set-a/132539.txt", stay)]);
    for bytes in [stay, &archive, &super::gzip(stay), &super::gzip(&archive)] {
        let intake = take_bytes("application/octet-stream", bytes).unwrap();
        assert_eq!(intake.counts, read(stay).counts);
    }
    let code = |bytes| take_bytes("application/octet-stream", bytes).unwrap_err().code();
    assert_eq!(code(b"%PDF-1.7"), "intake-unrecognized");
    assert_eq!(code(b""), "intake-empty");
    assert_eq!(code(&super::gzip(b"")), "intake-empty");
}

fn read_error(text: &[u8]) -> &'static str {
    take_bytes("text/csv", text).unwrap_err().code()
}

#[test]
fn lines_and_files_have_a_limit() {
    let long = format!("00:01,HR,{}\n", "8".repeat(2000));
    assert_eq!(refused(&long), [("too-long", "")]);
    let mut source = GOOD.as_bytes();
    let small = Limits { text_file_size_max: 100, ..Limits::STANDARD };
    let stream = Source::Stream { name: "feed", media_type: "text/csv", reader: &mut source };
    assert_eq!(take_within(stream, small).unwrap_err().code(), "intake-limit");
    for limits in [
        Limits { row_count_max: 5, ..Limits::STANDARD },
        Limits { quarantined_count_max: 0, ..Limits::STANDARD },
    ] {
        let text = format!("{GOOD}\n");
        let mut source = text.as_bytes();
        let stream = Source::Stream { name: "feed", media_type: "text/csv", reader: &mut source };
        assert_eq!(take_within(stream, limits).unwrap_err().code(), "intake-limit");
    }
}

#[test]
fn no_message_shows_a_person() {
    let text = GOOD.replace("00:07,HR,73", "00:07,RecordID,999888777");
    let intake = read(text.as_bytes());
    let shown = format!("{intake:?}");
    for secret in ["132539", "999888777", "35.1", "946684"] {
        assert!(!shown.contains(secret), "{secret}");
    }
}

#[test]
fn the_row_that_says_whom_a_stay_is_about_may_come_late() {
    let late = read(b"Time,Parameter,Value\n00:10,HR,80\n00:00,RecordID,13\n00:05,HR,81\n");
    assert_eq!(late.mapping.values().next().unwrap().reveal(), "13");
    assert_eq!(reasons(&late), [(("out-of-order", "Time"), 1)].into());
    assert_eq!(late.counts, Counts { read: 3, accepted: 2, missing: 0, quarantined: 1 });
}

/// Returns whether it is known who is behind every event.
fn everybody_is_known(intake: &Intake) -> bool {
    let known = |event: &Event| intake.mapping.contains_key(&event.subject);
    intake.screened.events().rows.iter().all(known)
}

#[test]
fn a_refused_row_still_says_who_is_behind_the_events() {
    let mut source = &b"Time,Parameter,Value\n00:00,RecordID,132539\n00:10,HR,80\n"[..];
    let limits = Limits { line_len_max: 12, ..Limits::STANDARD };
    let stream = Source::Stream { name: "feed", media_type: "text/csv", reader: &mut source };
    let intake = take_within(stream, limits).unwrap();
    assert_eq!(reasons(&intake), [(("too-long", ""), 1)].into());
    assert_eq!(intake.screened.events().rows.len(), 1);
    assert!(everybody_is_known(&intake));
}

/// Lines of a stay, of which each makes some trouble somewhere.
const ROWS: [&str; 8] = [
    "00:00,RecordID,132539",
    "00:30,RecordID,132539",
    "00:00,Age,54",
    "00:00,Height,-1",
    "00:07,HR,73",
    "00:09,HR,74",
    "48:00,HR,80",
    "00:61,HR,80",
];

proptest! {
    #[test]
    fn every_event_has_its_person_in_the_mapping(
        rows in prop::sample::subsequence(&ROWS[..], 0..=ROWS.len()).prop_shuffle(),
        line_len_max in 8_usize..30,
    ) {
        let text = format!("Time,Parameter,Value\n{}\n", rows.join("\n"));
        let mut source = text.as_bytes();
        let stream = Source::Stream { name: "feed", media_type: "text/csv", reader: &mut source };
        let intake = take_within(stream, Limits { line_len_max, ..Limits::STANDARD }).unwrap();
        prop_assert!(everybody_is_known(&intake));
    }

    #[test]
    fn every_row_of_any_text_is_accounted_for(
        lines in prop::collection::vec("[0-4][0-9]:[0-6][0-9],(HR|Age|RecordID|X|),-?[0-9]{0,4}|.{0,12}", 0..40),
        end in prop::bool::ANY,
    ) {
        let mut text = format!("Time,Parameter,Value\n00:00,RecordID,7\n{}", lines.join("\n"));
        if end {
            text.push('\n');
        }
        let rows = text.split_inclusive('\n').count() as u64 - 1;
        prop_assert_eq!(read(text.as_bytes()).counts.read, rows);
    }

    #[test]
    fn any_bytes_after_the_header_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let text = [b"Time,Parameter,Value\n00:00,RecordID,7\n", bytes.as_slice()].concat();
        let intake = read(&text);
        let kept: usize = intake.quarantined.iter().map(|row| row.raw.expose().len()).sum();
        prop_assert!(kept <= bytes.len());
    }
}

#[test]
fn another_keep_gives_other_pseudonyms() {
    let pack = crate::pack_file::shipped_pack("icu").unwrap();
    let mut seen = Vec::new();
    for key in [1, 2] {
        let root = SecretKey::from_slice(&[key; 32]).unwrap();
        let pseudonyms = twinkeep_vault::Pseudonymizer::new(&root);
        let spool = std::env::temp_dir();
        let options = super::options(&pack, &pseudonyms, &spool);
        let mut source = GOOD.as_bytes();
        let stream = Source::Stream { name: "", media_type: "text/csv", reader: &mut source };
        let mut take = |portion: Portion| {
            seen.push(portion.mapping[0].0);
            Ok(())
        };
        crate::read(stream, &options, &mut |_| (), &mut take).unwrap();
    }
    assert_ne!(seen[0], seen[1]);
}
