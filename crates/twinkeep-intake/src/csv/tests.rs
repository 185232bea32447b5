//! Records are cut as RFC 4180 says, with the right line numbers, whatever the bytes.

use std::io::Cursor;

use proptest::prelude::*;

use super::{Delimiter, Dialect, Flaw, KEPT_LEN, RECORD_LEN_MAX, Record, Records, Unfinished};

/// Reads all records: line, flaw, fields.
fn read(bytes: &[u8], dialect: &Dialect) -> Vec<(u64, Option<Flaw>, Vec<String>)> {
    let mut records = Records::open(Box::new(Cursor::new(bytes.to_vec())), dialect).unwrap();
    let mut record = Record::default();
    let mut all = Vec::new();
    while records.next(&mut record).unwrap() {
        let field = |index| String::from_utf8_lossy(record.field(index)).into_owned();
        all.push((record.line, record.flaw, (0..record.len()).map(field).collect()));
    }
    all
}

fn fields(bytes: &[u8], dialect: &Dialect) -> Vec<Vec<String>> {
    read(bytes, dialect).into_iter().map(|(_, _, fields)| fields).collect()
}

#[test]
fn the_line_of_a_record_is_right_although_fields_hold_line_breaks() {
    let text = b"a,b\r\n\r\n1,\"x\r\ny\"\n\n\n2,\"\"\"z\"\"\"\r\n";
    let found = read(text, &Dialect::STANDARD);
    let lines: Vec<u64> = found.iter().map(|(line, ..)| *line).collect();
    assert_eq!(lines, [1, 3, 7]);
    assert_eq!(found[1].2, ["1", "x\r\ny"]);
    assert_eq!(found[2].2, ["2", "\"z\""]);
}

#[test]
fn a_last_row_without_line_end_is_told_from_a_whole_one() {
    let flaws = |text: &[u8], dialect| -> Vec<_> {
        read(text, dialect).into_iter().map(|(_, flaw, _)| flaw).collect()
    };
    let standard = &Dialect::STANDARD;
    assert_eq!(flaws(b"a,b\n1,2", standard), [None, Some(Flaw::Unfinished)]);
    assert_eq!(flaws(b"a,b\n1,2\r", standard), [None, None]);
    // An open quote swallows the line end.
    assert_eq!(flaws(b"a,b\n1,\"2\n", standard), [None, Some(Flaw::Unfinished)]);
    let keep = &Dialect { unfinished: Unfinished::Keep, ..Dialect::STANDARD };
    assert_eq!(flaws(b"a,b\n1,2", keep), [None, None]);
}

#[test]
fn an_open_quote_does_not_swallow_a_file_into_memory() {
    let mut text = b"a,b\n1,\"".to_vec();
    text.resize(3 * RECORD_LEN_MAX, b'x');
    text.extend_from_slice(b"\"\n2,3\n");
    let found = read(&text, &Dialect::STANDARD);
    assert_eq!(found.len(), 3);
    assert_eq!(found[1].1, Some(Flaw::TooLong));
    assert_eq!(found[1].2[0].len(), KEPT_LEN);
    assert_eq!(found[2].2, ["2", "3"]);
    let many = [b"a\n".as_slice(), &vec![b','; 100_000], b"\nb\n"].concat();
    let dialect = Dialect { delimiter: Delimiter::Byte(b','), ..Dialect::STANDARD };
    let found = read(&many, &dialect);
    assert_eq!(found[1].1, Some(Flaw::TooLong));
    assert_eq!(found[2].2, ["b"]);
}

#[test]
fn other_encodings_are_read_and_what_is_not_text_is_found() {
    let utf16: Vec<u8> =
        "\u{feff}naïve,Öl\r\n1,2\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(fields(&utf16, &Dialect::STANDARD)[0], ["naïve", "Öl"]);
    assert_eq!(fields(b"\xef\xbb\xbfa,b\n", &Dialect::STANDARD)[0], ["a", "b"]);
    let windows = Dialect { encoding: Some(encoding_rs::WINDOWS_1252), ..Dialect::STANDARD };
    assert_eq!(fields(b"M\xfcnster,\x80\n", &windows)[0], ["Münster", "€"]);
    // The mark at the beginning counts for more than what the mapping says.
    assert_eq!(fields(&utf16, &windows)[0], ["naïve", "Öl"]);
    let mut broken = utf16;
    broken.extend_from_slice(&[0x00, 0xd8, b'\n', 0x00, b'3', 0x00, b'\n', 0x00]);
    let flaws: Vec<_> =
        read(&broken, &Dialect::STANDARD).into_iter().map(|(_, flaw, _)| flaw).collect();
    assert_eq!(flaws, [None, None, Some(Flaw::NotText), None]);
}

#[test]
fn the_delimiter_is_the_one_that_the_first_line_has_most_of() {
    for (text, expected) in [
        ("a;b,c;d\n", vec!["a", "b,c", "d"]),
        ("a\tb \"quoted\"\tc\n", vec!["a", "b \"quoted\"", "c"]),
        ("a\t\"b\tc\n", vec!["a", "\"b", "c"]),
        ("a|b|c\n", vec!["a", "b", "c"]),
        ("a\n", vec!["a"]),
    ] {
        assert_eq!(fields(text.as_bytes(), &Dialect::STANDARD)[0], expected, "{text}");
    }
}

#[test]
fn numbers_with_a_decimal_comma_become_numbers() {
    let german = Dialect { decimal: b',', thousands: Some(b'.'), ..Dialect::STANDARD };
    assert_eq!(german.number("1.234,5").unwrap(), "1234.5");
    let comma = Dialect { decimal: b',', ..Dialect::STANDARD };
    assert_eq!(comma.number("-1,5e3").unwrap(), "-1.5e3");
    assert_eq!(comma.number("1.234"), None);
    assert_eq!(Dialect::STANDARD.number("1.5").unwrap(), "1.5");
}

#[test]
fn what_goes_to_quarantine_reads_back_as_it_came() {
    let record = Record::of(&["a", "b,c", "d\"e", "f\ng", ""], 1);
    let mut raw = record.raw();
    raw.push(b'\n');
    assert_eq!(fields(&raw, &Dialect::STANDARD)[0], ["a", "b,c", "d\"e", "f\ng", ""]);
}

proptest! {
    #[test]
    fn any_bytes_end_and_lines_never_go_back(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        for encoding in [None, Some(encoding_rs::UTF_16BE), Some(encoding_rs::SHIFT_JIS)] {
            let found = read(&bytes, &Dialect { encoding, ..Dialect::STANDARD });
            prop_assert!(found.windows(2).all(|two| two[0].0 <= two[1].0));
            prop_assert!(found.len() <= bytes.len());
        }
    }

    #[test]
    fn any_fields_read_back(rows in prop::collection::vec(prop::collection::vec("[a-c,\"\n\r ü]{0,6}", 2..5), 1..10)) {
        let mut text = Vec::new();
        for row in &rows {
            let fields: Vec<&str> = row.iter().map(String::as_str).collect();
            text.extend(Record::of(&fields, 0).raw());
            text.push(b'\n');
        }
        let dialect = Dialect { delimiter: Delimiter::Byte(b','), ..Dialect::STANDARD };
        prop_assert_eq!(fields(&text, &dialect), rows);
    }
}
