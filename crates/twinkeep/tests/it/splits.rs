//! `train --splits`: given subject splits, as a person meets them.

use crate::harness::{Place, write};

/// A keep with made-up patients, and the numbers of their stays.
fn keep(stays: u32) -> (Place, Vec<String>) {
    let place = Place::with_keep_of_few_targets();
    place.synth("feed.tar.gz", stays, 0, 42);
    place.run(&["ingest", "feed.tar.gz", "--site", "north"]).done();
    let exported = place.run(&["export", "meds", "data", "--keep-ids"]).done();
    assert_eq!(exported["subjects"], u64::from(stays));
    let numbers = numbers(&place, "feed.tar.gz");
    assert_eq!(numbers.len(), stays as usize);
    (place, numbers)
}

/// Returns the numbers of the stays in an archive, in order.
pub(crate) fn numbers(place: &Place, archive: &str) -> Vec<String> {
    let names = std::process::Command::new("tar")
        .args(["tzf", place.path(archive).to_str().unwrap()])
        .output()
        .unwrap();
    let names = String::from_utf8(names.stdout).unwrap();
    let mut numbers: Vec<String> = names
        .lines()
        .filter_map(|name| name.rsplit('/').next()?.strip_suffix(".txt"))
        .map(str::to_owned)
        .collect();
    numbers.sort();
    numbers
}

/// Writes who is in which split.
pub(crate) fn csv(rows: impl Iterator<Item = (String, &'static str)>) -> String {
    let rows = rows.map(|(subject, split)| format!("{subject},{split}\n"));
    std::iter::once("subject_id,split\n".to_owned()).chain(rows).collect()
}

fn deal(numbers: &[String]) -> impl Iterator<Item = (String, &'static str)> {
    let split = |at: usize| match at % 5 {
        0..3 => "train",
        3 => "tuning",
        _ => "held_out",
    };
    numbers.iter().enumerate().map(move |(at, number)| (number.clone(), split(at)))
}

#[test]
fn given_splits_decide_who_is_learned_from() {
    let (place, numbers) = keep(120);
    write(&place.path("splits.csv"), csv(deal(&numbers)).as_bytes());
    let report = place.run(&["train", "--splits", "splits.csv"]).done();
    assert_eq!(report["train_subjects"], 72);
    assert_eq!(report["tuning_subjects"], 24);
    assert_eq!(report["evaluation"]["subject_count"], 24);
    let version = report["version"].as_str().unwrap();
    let shown = place.run(&["model", "show", version]).done();
    assert_eq!(shown["training"]["splits"]["by"], "file");
    // The same splits by other names of the same people give the same bytes.
    let named = deal(&numbers).map(|(number, split)| (format!("north/{number}"), split));
    write(&place.path("named.csv"), csv(named).as_bytes());
    let again = place.run(&["train", "--splits", "named.csv"]).done();
    assert_eq!(again["weights_sha256"], report["weights_sha256"]);
    // Other splits give others.
    let turned: Vec<String> = numbers.iter().rev().cloned().collect();
    write(&place.path("turned.csv"), csv(deal(&turned)).as_bytes());
    let other = place.run(&["train", "--splits", "turned.csv"]).done();
    assert_ne!(other["weights_sha256"], report["weights_sha256"]);
}

#[test]
fn the_splits_that_an_export_writes_are_the_keeps_own() {
    let (place, _) = keep(240);
    let report = place.run(&["train"]).done();
    for (folder, option) in [("data", "--keep-ids"), ("pseudonyms", "--split")] {
        if folder != "data" {
            place.run(&["export", "meds", folder, option]).done();
        }
        let splits = format!("{folder}/metadata/subject_splits.parquet");
        let given = place.run(&["train", "--splits", &splits]).done();
        assert_eq!(given["weights_sha256"], report["weights_sha256"], "{folder}");
    }
}

#[test]
fn what_is_wrong_with_splits_is_told_by_row() {
    let (place, numbers) = keep(40);
    let refuse = |rows: String| {
        write(&place.path("splits.csv"), rows.as_bytes());
        let ran = place.run(&["train", "--splits", "splits.csv"]);
        assert_eq!(ran.code, 2, "{}", ran.stderr);
        for number in numbers.iter().chain([&"999999999".to_owned()]) {
            assert!(
                !ran.stderr.contains(number.as_str()),
                "an identifier is shown: {}",
                ran.stderr
            );
        }
        (ran.refused(), ran.stderr)
    };
    let rows = |change: &dyn Fn(usize, &mut String, &mut &'static str)| {
        csv(deal(&numbers).enumerate().map(|(at, (mut number, mut split))| {
            change(at, &mut number, &mut split);
            (number, split)
        }))
    };
    let (code, text) = refuse(rows(&|at, number, _| {
        if at == 3 {
            *number = "999999999".to_owned()
        }
    }));
    assert_eq!(code, "splits-subject");
    assert!(text.contains("row 5"), "{text}");
    let (code, text) = refuse(rows(&|at, _, split| {
        if at == 8 {
            *split = "test"
        }
    }));
    assert_eq!(code, "splits-unknown");
    assert!(text.contains("row 10"), "{text}");
    let (code, text) = refuse(csv(deal(&numbers).skip(2)));
    assert_eq!(code, "splits-missing");
    assert!(text.contains("2 subjects of the keep"), "{text}");
    let twice = csv(deal(&numbers).chain([(numbers[0].clone(), "held_out")]));
    let (code, text) = refuse(twice);
    assert_eq!(code, "splits-contradictory");
    assert!(text.contains("row 42"), "{text}");
    assert_eq!(refuse("a,b\n1,2\n".to_owned()).0, "splits-column");
    let ran = place.run(&["train", "--splits", "nowhere.csv"]);
    assert_eq!((ran.code, ran.refused().as_str()), (3, "splits-read"));
}
