//! Where a portion ends changes nothing, and a caller may stop.

use std::collections::BTreeSet;

use proptest::prelude::*;
use twinkeep_vault::{Pseudonymizer, SecretKey};

use super::{Intake, options, take_within, tar};
use crate::batch::Hands;
use crate::limits::Limits;
use crate::pack_file::shipped_pack;
use crate::source::read_within;
use crate::{IntakeError, Portion, Source, Stopped, Summary, read};

/// Reads an archive of stays in portions of about this size.
fn in_portions(stays: &[Vec<String>], portion_size_max: u64) -> Intake {
    let texts: Vec<(String, String)> = (0..)
        .zip(stays)
        .map(|(number, rows)| {
            let rows: String = rows.iter().map(|row| format!("{row}\n")).collect();
            let text = format!("Time,Parameter,Value\n00:00,RecordID,{number}\n{rows}");
            (format!("{number}.txt"), text)
        })
        .collect();
    let files: Vec<_> = texts.iter().map(|(name, text)| (name.as_str(), text.as_bytes())).collect();
    let archive = tar(&files);
    let mut bytes = archive.as_slice();
    let media_type = "application/x-tar";
    let source = Source::Stream { name: "feed", media_type, reader: &mut bytes };
    take_within(source, Limits { portion_size_max, ..Limits::STANDARD }).unwrap()
}

type Told = BTreeSet<(String, Option<i64>, String, Option<u32>, u64)>;

/// What is said about whom, and where it was.
fn told(intake: &Intake) -> Told {
    let events = intake.screened.events();
    let told = events.rows.iter().zip(&intake.origins).map(|(row, origin)| {
        (
            intake.mapping[&row.subject].reveal().to_owned(),
            row.time.map(|time| time.micros()),
            events.codes()[row.code as usize].to_string(),
            row.value.map(f32::to_bits),
            origin.row,
        )
    });
    told.collect()
}

proptest! {
    #[test]
    fn the_bound_of_a_portion_changes_nothing(
        stays in prop::collection::vec(
            prop::collection::vec("(0[0-3]:00,(HR|Age|Temp),(80|81|37|-1|x))", 0..12), 1..8),
        portion_size_max in 1_u64..4000,
    ) {
        let whole = in_portions(&stays, u64::MAX);
        prop_assert_eq!(whole.portion_count, 1);
        let parts = in_portions(&stays, portion_size_max);
        prop_assert_eq!(parts.counts.read, whole.counts.read);
        prop_assert_eq!(parts.counts.missing, whole.counts.missing);
        prop_assert_eq!(parts.digest, whole.digest);
        prop_assert_eq!(&parts.mapping, &whole.mapping);
        let (part, all) = (told(&parts), told(&whole));
        // What is there twice in two portions is for the store to find.
        prop_assert!(part.is_superset(&all));
        let without_row = |told: &Told| -> BTreeSet<_> {
            told.iter().map(|(who, when, what, value, _)| (who.clone(), *when, what.clone(), *value)).collect()
        };
        prop_assert_eq!(without_row(&part), without_row(&all));
    }
}

#[test]
fn portions_are_no_larger_than_asked_for_and_keep_a_person_together() {
    let rows: Vec<String> =
        (0..20).map(|minute| format!("00:{minute:02},HR,{}", 60 + minute)).collect();
    let stays: Vec<Vec<String>> = (0..50).map(|_| rows.clone()).collect();
    let intake = in_portions(&stays, 20_000);
    assert!((5..50).contains(&intake.portion_count), "{}", intake.portion_count);
    assert_eq!(intake.counts.accepted, 50 * 21);
    // Whoever is read when a portion is full goes into the next one, with all their rows.
    let in_order = |rows: &[_]| rows.len() == 50;
    let rows = &intake.screened.events().rows;
    let runs: Vec<_> =
        rows.chunk_by(|left, right| left.subject == right.subject).map(<[_]>::len).collect();
    assert!(in_order(&runs), "{runs:?}");
}

#[test]
fn a_caller_that_takes_no_more_ends_the_reading() {
    let pseudonyms = Pseudonymizer::new(&SecretKey::random());
    let (pack, spool) = (shipped_pack("icu").unwrap(), std::env::temp_dir());
    let options = options(&pack, &pseudonyms, &spool);
    let mut stay = &b"Time,Parameter,Value\n00:00,RecordID,1\n00:07,HR,73\n"[..];
    let source = Source::Stream { name: "feed", media_type: "text/csv", reader: &mut stay };
    let mut take = |_: Portion| Err(Stopped);
    let error = read(source, &options, &mut |_| (), &mut take).unwrap_err();
    assert_eq!(error.code(), "intake-stopped");
}

/// A source of `count` rows of one variable that differ, each of which comes twice.
fn twice(count: u32) -> Vec<u8> {
    let mut text = String::from("Time,Parameter,Value\n00:00,RecordID,1\n");
    for row in 0..count {
        let (hour, minute) = (row / 60, row % 60);
        for _ in 0..2 {
            text += &format!("{hour:02}:{minute:02},HR,{}\n", 60 + row % 40);
        }
    }
    text.into_bytes()
}

fn read_twice(
    limits: Limits,
    take: &mut (dyn FnMut(Portion) -> Result<(), Stopped> + Send),
) -> Result<Summary, IntakeError> {
    let pseudonyms = Pseudonymizer::new(&SecretKey::random());
    let (pack, spool) = (shipped_pack("icu").unwrap(), std::env::temp_dir());
    let options = options(&pack, &pseudonyms, &spool);
    let text = twice(600);
    let source =
        Source::Stream { name: "feed", media_type: "text/csv", reader: &mut text.as_slice() };
    read_within(source, &options, Hands { progress: &mut |_| (), take, table: None }, limits)
}

#[test]
fn a_caller_that_stops_in_a_later_portion_ends_the_reading_too() {
    let limits = Limits { portion_size_max: 10_000, ..Limits::STANDARD };
    let mut portion_count = 0;
    let mut take = |_: Portion| {
        portion_count += 1;
        if portion_count < 3 { Ok(()) } else { Err(Stopped) }
    };
    let error = read_twice(limits, &mut take).unwrap_err();
    assert_eq!(error.code(), "intake-stopped");
    assert_eq!(portion_count, 3);
}

#[test]
fn rows_that_are_refused_beside_others_count_towards_the_limit_of_refused_rows() {
    for portion_size_max in [10_000, u64::MAX] {
        let limits = Limits { portion_size_max, quarantined_count_max: 500, ..Limits::STANDARD };
        let error = read_twice(limits, &mut |_| Ok(())).unwrap_err();
        assert_eq!(error.code(), "intake-limit", "{error}");
        let enough = Limits { quarantined_count_max: 600, ..limits };
        let summary = read_twice(enough, &mut |_| Ok(())).unwrap();
        // Two rows that a portion's end parts are compared by the store.
        assert!((590..=600).contains(&summary.counts.quarantined));
        assert_eq!(summary.counts.accepted + summary.counts.quarantined, summary.counts.read);
    }
}
