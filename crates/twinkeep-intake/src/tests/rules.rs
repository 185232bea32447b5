//! The rules of a pack, applied to rows as they come: open code lists, units, texts, the future.

use proptest::prelude::*;
use twinkeep_domain::{Pack, SourceSubject, Timestamp};
use twinkeep_vault::{Pseudonymizer, SecretKey};

use super::{NOW, options, reasons, take_bytes};
use crate::pack_file::{parse_pack, shipped_text};
use crate::{Dates, Judgement, Origin, ParsedRow, Portion, QuarantinedRow, ReadOptions, read_rows};

fn open_pack() -> Pack {
    let text = shipped_text("icu").unwrap();
    parse_pack(&text.replace("other = \"refuse\"", "other = \"keep\"")).unwrap()
}

fn closed_pack() -> Pack {
    parse_pack(shipped_text("icu").unwrap()).unwrap()
}

/// A row of one patient, an hour ago.
fn row(name: &str, value: &str, unit: Option<&str>) -> ParsedRow {
    ParsedRow {
        subject: SourceSubject::new("p1").unwrap(),
        time: Some(NOW.plus_hours(-1.0)),
        name: name.into(),
        value: value.into(),
        unit: unit.map(Into::into),
        text: None,
    }
}

type Kept = Vec<(String, Option<f32>, Option<String>)>;

/// Reads rows; returns what was kept and what was refused.
fn read_by(options: &ReadOptions<'_>, rows: &[ParsedRow]) -> (Kept, Vec<QuarantinedRow>) {
    let (mut kept, mut refused) = (Kept::new(), Vec::new());
    let mut take = |portion: Portion| {
        let events = portion.screened.events();
        kept.extend(events.rows.iter().map(|row| {
            let code = events.codes()[row.code as usize].to_string();
            (code, row.value, row.text.as_deref().map(str::to_owned))
        }));
        refused.extend(portion.quarantined);
        Ok(())
    };
    let mut rows =
        (1..).zip(rows).map(|(row, parsed)| (Origin { file: "f".into(), row }, parsed.clone()));
    let summary = read_rows("rows", &mut rows, options, &mut |_| (), &mut take).unwrap();
    let counts = summary.counts;
    assert_eq!(counts.accepted + counts.missing + counts.quarantined, counts.read);
    assert_eq!(counts.quarantined, refused.len() as u64);
    (kept, refused)
}

fn read(pack: &Pack, rows: &[ParsedRow]) -> (Kept, Vec<(&'static str, &'static str)>) {
    let pseudonyms = Pseudonymizer::new(&SecretKey::random());
    let spool = std::env::temp_dir();
    let options = ReadOptions { dates: Dates::Real, ..options(pack, &pseudonyms, &spool) };
    let (kept, refused) = read_by(&options, rows);
    let why = refused.iter().map(|row| (row.reason.code(), row.field.unwrap_or("")));
    (kept, why.collect())
}

#[test]
fn an_open_pack_keeps_other_codes_as_they_are() {
    let mut note = row("NOTE//discharge", "", None);
    note.text = Some("went home".into());
    let rows = [
        row("SNOMED//38341003", "", None),
        row("LOINC//2085-9", "52", Some("mg/dL")),
        row("LAB//51237//", "1.1", None),
        row("URINE//color", "yellow", None),
        row("LOINC//8867-4", "1.5", Some("Hz")),
        note,
        row("bad\u{7}code", "1", None),
        row("X", "1e999", None),
        row("LAB//220045//mmHg", "80", None),
    ];
    let (kept, refused) = read(&open_pack(), &rows);
    let mut expected: Kept = vec![
        ("HR".into(), Some(90.0), None),
        ("SNOMED//38341003".into(), None, None),
        ("LOINC//2085-9//mg/dL".into(), Some(52.0), None),
        ("LAB//51237//".into(), Some(1.1), None),
        ("URINE//color".into(), None, Some("yellow".into())),
        ("NOTE//discharge".into(), None, Some("went home".into())),
        ("X".into(), None, Some("1e999".into())),
        ("LAB//220045//mmHg".into(), Some(80.0), None),
    ];
    let mut kept = kept;
    kept.sort_by(|left, right| left.0.cmp(&right.0));
    expected.sort_by(|left, right| left.0.cmp(&right.0));
    assert_eq!(kept, expected);
    assert_eq!(refused, [("unknown-code", "code")]);
}

#[test]
fn a_closed_pack_refuses_them_but_for_those_it_accepts() {
    let rows = [row("SNOMED//38341003", "", None), row("MEDS_BIRTH", "", None)];
    let (kept, refused) = read(&closed_pack(), &rows);
    assert_eq!(kept, [("MEDS_BIRTH".to_owned(), None, None)]);
    assert_eq!(refused, [("unknown-code", "code")]);
}

#[test]
fn a_unit_is_converted_or_refused_by_its_name() {
    let rows = [
        row("Glucose", "5.5", Some("mmol/L")),
        row("Na", "140", Some("mEq/L")),
        row("Temp", "98.6", Some("[degF]")),
        row("Temp", "36", Some("  ")),
        row("Temp", "37", Some("mm[Hg]")),
        row("Glucose", "90", Some("%")),
    ];
    let (kept, refused) = read(&closed_pack(), &rows);
    let about = |code: &str| {
        kept.iter()
            .filter(|row| row.0 == code)
            .map(|row| row.1.unwrap().round())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        (about("Glucose"), about("Na"), about("Temp")),
        (vec![99.0], vec![140.0], vec![37.0, 36.0])
    );
    assert_eq!(refused, [("unknown-unit", "unit"); 2]);
}

#[test]
fn a_text_or_a_name_may_stand_for_a_number() {
    let mut female = row("Gender", "", None);
    female.text = Some("Female".into());
    let of = |row: ParsedRow| read(&closed_pack(), &[row]);
    assert_eq!(of(row("Gender", "M", None)).0, [("Gender".to_owned(), Some(1.0), None)]);
    assert_eq!(of(female).0, [("Gender".to_owned(), Some(0.0), None)]);
    assert_eq!(of(row("GENDER//F", "", None)).0, [("Gender".to_owned(), Some(0.0), None)]);
    assert_eq!(of(row("Gender", "unclear", None)).1, [("unknown-value", "value")]);
    assert_eq!(of(row("ICUType", "2.5", None)).1, [("unknown-value", "value")]);
    assert_eq!(of(row("HR", "fast", None)).1, [("not-a-number", "value")]);
}

#[test]
fn nothing_has_happened_in_the_future_unless_dates_are_shifted() {
    let at = |hours| ParsedRow { time: Some(NOW.plus_hours(hours)), ..row("HR", "80", None) };
    let (kept, refused) = read(&closed_pack(), &[at(23.0), at(25.0)]);
    assert_eq!((kept.len(), refused), (1, vec![("future-time", "time")]));
    let pseudonyms = Pseudonymizer::new(&SecretKey::random());
    let (pack, spool) = (closed_pack(), std::env::temp_dir());
    let options = options(&pack, &pseudonyms, &spool);
    assert_eq!(read_by(&options, &[at(23.0), at(1e6)]).0.len(), 2);
}

#[test]
fn a_refused_row_can_be_screened_again_by_another_pack_or_accepted_by_a_person() {
    let pseudonyms = Pseudonymizer::new(&SecretKey::random());
    let (closed, open, spool) = (closed_pack(), open_pack(), std::env::temp_dir());
    let by_closed = ReadOptions { dates: Dates::Real, ..options(&closed, &pseudonyms, &spool) };
    let rows = [
        row("SNOMED//38341003", "", None),
        row("HR", "301.5", None),
        row("HR", "6", Some("Hz")),
        ParsedRow { time: Some(NOW.plus_hours(99.0)), ..row("HR", "80", None) },
        row("SysABP", "70", None),
        row("DiasABP", "90", Some("mmHg")),
        row("HR", "80", None),
        row("HR", "80", None),
        row("HR", "fast", None),
    ];
    let (kept, refused) = read_by(&by_closed, &rows);
    assert_eq!((kept.len(), refused.len()), (1, 8));
    // What comes back is what went in, also for rows that were refused beside others.
    let again: Vec<ParsedRow> = refused.iter().map(|row| row.parsed.clone().unwrap()).collect();
    for row in &refused {
        assert_eq!(row.parsed.as_ref().unwrap(), &rows[row.origin.row as usize - 1]);
    }
    let by_open = ReadOptions { pack: &open, ..by_closed };
    assert_eq!(read_by(&by_open, &again).0.len(), 2, "a known code, and one without its twin");
    let by_person = ReadOptions { judgement: Judgement::ByAPerson, ..by_closed };
    let (kept, refused) = read_by(&by_person, &again);
    assert_eq!(kept.len(), 6);
    let why: Vec<_> =
        refused.iter().map(|row| (row.reason.code(), row.reason.is_judgement())).collect();
    assert_eq!(why, [("unknown-code", false), ("not-a-number", false)]);
}

#[test]
fn rows_that_contradict_each_other_are_refused_with_their_place() {
    let stay = "Time,Parameter,Value\n00:00,RecordID,1\n00:01,SysABP,70\n00:01,DiasABP,90\n\
        00:02,HR,80\n01:02,HR,250\n02:02,HR,81\n";
    let intake = take_bytes("text/csv", stay.as_bytes()).unwrap();
    assert_eq!(reasons(&intake), [(("contradiction", ""), 2), (("rate-of-change", ""), 1)].into());
    let mut rows: Vec<_> = intake.quarantined.iter().map(|row| row.origin.row).collect();
    rows.sort_unstable();
    assert_eq!(rows, [3, 4, 6]);
}

proptest! {
    #[test]
    fn any_rows_are_accounted_for(
        rows in prop::collection::vec(
            ("(HR|Gender|LAB//220045//.{0,3}|MEDS_BIRTH|.{0,6})", "(-?[0-9]{1,4}|.{0,5})",
             prop::option::of("(bpm|Hz|%|.{0,6})"), prop::option::of(any::<i64>()), prop::option::of(".{0,8}")),
            1..30),
        open in any::<bool>(),
    ) {
        let pack = if open { open_pack() } else { closed_pack() };
        let rows: Vec<ParsedRow> = rows.into_iter().map(|(name, value, unit, micros, text)| ParsedRow {
            time: micros.map(Timestamp::from_micros),
            text: text.map(Into::into),
            ..row(&name, &value, unit.as_deref())
        }).collect();
        // The sum is checked where they are read.
        let (kept, refused) = read(&pack, &rows);
        prop_assert!(kept.len() + refused.len() <= rows.len());
    }
}
