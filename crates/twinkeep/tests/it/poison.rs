//! Poison that every range check lets through: single values, and a sender who lies about what
//! comes later.

use std::fmt::Write as _;
use std::fs;
use std::ops::Range;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use crate::harness::{Place, write};

/// Uniform between -1 and 1, from any number.
fn noise(seed: u64) -> f64 {
    let x = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((x ^ (x >> 31)) >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
}

/// Writes stays of two days: an age, and heart rate and pressure every hour, which move together.
/// `change` may change a heart rate.
fn write_stays(
    place: &Place,
    folder: &str,
    numbers: Range<u64>,
    change: impl Fn(u64, u64, f64) -> f64,
) {
    let dir = place.path(folder);
    fs::create_dir(&dir).unwrap();
    for number in numbers {
        let seed = |at: u64| (number << 20 | at).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut text = format!(
            "Time,Parameter,Value\n00:00,RecordID,{number}\n00:00,Age,{:.0}\n",
            62.0 + 25.0 * noise(seed(0))
        );
        let (level, mut drift) = (15.0 * noise(seed(1)), 0.0);
        for hour in 0..48 {
            drift = 0.9 * drift + 4.0 * noise(seed(4 * hour + 2));
            let rate = 90.0 + level + drift;
            let pressure = 150.0 - 0.6 * rate + 2.0 * noise(seed(4 * hour + 3));
            let rate = change(number, hour, rate + 2.0 * noise(seed(4 * hour + 4)));
            writeln!(text, "{hour:02}:00,HR,{rate:.1}\n{hour:02}:00,MAP,{pressure:.1}").unwrap();
        }
        write(&dir.join(format!("{number}.txt")), text.as_bytes());
    }
}

#[test]
fn poison_within_the_plausible_is_found_and_its_sender_is_held() {
    let place = Place::with_keep();
    write_stays(&place, "first", 1000..1450, |_, _, rate| rate);
    let first = place.run(&["ingest", "first"]).done();
    assert!(first["suspects"].is_null(), "nothing is known to compare with");
    assert_eq!(place.run(&["sender", "score"]).lines().len(), 0);

    // One value in one stay of 120.
    let up = |number, hour, rate| if (number, hour) == (2007, 20) { rate + 45.0 } else { rate };
    write_stays(&place, "second", 2000..2120, up);
    let report = place.run(&["ingest", "second"]).done();
    let found: u64 =
        report["suspects"].as_object().unwrap().values().flat_map(|n| n.as_u64()).sum();
    assert_eq!(report["reasons"]["suspect"], found);
    // Among 11,760 rows, some few that are right are doubted, too.
    assert!((1..=24).contains(&found), "{report}");
    let count = |name: &str| report[name].as_u64().unwrap();
    assert_eq!(count("read"), count("accepted") + count("missing") + count("quarantined"));
    let shown = place.run(&["feed", "quarantine", "feed-2", "--reveal"]).done();
    let rows = shown["rows"].as_array().unwrap();
    // Three lines of head, then two an hour.
    let planted = rows.iter().find(|row| row["file"] == "2007.txt" && row["row"] == 4 + 2 * 20);
    let planted = planted.unwrap_or_else(|| panic!("{shown}"));
    assert_eq!(planted["reason"], "suspect");
    assert!(["residual", "neighbor"].contains(&planted["field"].as_str().unwrap()));

    // What comes later is mirrored: each value agrees with its neighbors, and the whole lies.
    let mirror = |_, hour, rate: f64| if 24 <= hour { 180.0 - rate } else { rate };
    write_stays(&place, "third", 3000..3150, mirror);
    place.seal("third").done();
    let ran = place.run(&["ingest", "third.sealed"]);
    assert_eq!(ran.refused(), "feed-held");
    let report: Value = serde_json::from_str(ran.stdout.lines().next().unwrap()).unwrap();
    let reasons = report["held_because"].as_array().unwrap_or_else(|| panic!("{report}"));
    assert_eq!(report["state"], "held");
    assert!(reasons[0].as_str().unwrap().starts_with("sender: the "), "{report}");
    let scores = place.run(&["sender", "score"]).lines();
    let of = |name: &str| scores.iter().find(|score| score["name"] == name).unwrap();
    assert_eq!(of("hospital")["held"], "feed-3");
    assert_eq!(of("local")["verdict"], "alike");
    let text = place.show(&["sender", "score"]).stdout;
    assert!(text.contains("hospital: feed-3 is held"), "{text}");

    // Somebody looked and let it in: the next one is compared with this one too.
    place.run(&["feed", "release", "feed-3", "--reason", "an honest difference"]).done();
    write_stays(&place, "fourth", 4000..4150, mirror);
    place.seal("fourth").done();
    assert_eq!(place.run(&["ingest", "fourth.sealed"]).done()["state"], "admitted");
}

#[test]
fn what_the_panel_knows_is_sealed_and_refused_if_it_was_changed() {
    let place = Place::with_keep();
    write_stays(&place, "first", 1000..1450, |_, _, rate| rate);
    place.run(&["ingest", "first"]).done();
    write_stays(&place, "second", 2000..2010, |_, _, rate| rate);
    place.run(&["ingest", "second"]).done();
    for (number, name) in (3000..).zip(["reference", "senders"]) {
        let path = place.path("keep/screening").join(name);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let bytes = fs::read(&path).unwrap();
        // Four bytes alone are in a megabyte of noise now and then.
        assert!(!bytes.windows(6).any(|window| window == b"\"site\""), "{name} is not sealed");
        place.flip(&path, 8 * 100);
        write_stays(&place, name, number..number + 1, |_, _, rate| rate);
        assert_eq!(place.run(&["ingest", name]).refused(), "screening-read");
        write(&path, &bytes);
        place.run(&["ingest", name]).done();
    }
}

#[test]
fn whoever_wants_less_held_says_so_in_a_file_of_the_keep() {
    let place = Place::with_keep();
    write_stays(&place, "first", 1000..1450, |_, _, rate| rate);
    place.run(&["ingest", "first"]).done();
    let wild = |_, hour, rate: f64| if hour == 20 { rate + 45.0 } else { rate };
    let ingest = |name: &str, numbers: Range<u64>| {
        write_stays(&place, name, numbers, wild);
        place.run(&["ingest", name])
    };
    let found = |report: &Value| report["suspects"]["residual"].as_u64().unwrap_or(0);
    let report = ingest("second", 2000..2010).done();
    assert!(5 <= found(&report), "{report}");

    let shipped = include_str!("../../../twinkeep-intake/src/panel/panel.toml");
    let file = place.path("keep/panel.toml");
    let lenient = shipped.replace("surprise_min = 2.3", "surprise_min = 1000.0");
    assert_ne!(lenient, shipped);
    write(&file, lenient.as_bytes());
    let report = ingest("third", 3000..3010).done();
    assert_eq!(found(&report), 0, "{report}");
    for (name, text, code) in [
        ("fourth", "[rows]\n".to_owned(), "panel-parameters"),
        ("fifth", shipped.replace("= 0.0005", "= 2"), "panel-parameters-range"),
    ] {
        write(&file, text.as_bytes());
        assert_eq!(ingest(name, 4000..4001).refused(), code);
    } // One that is there and cannot be read is not taken for none.
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    assert_eq!(ingest("sixth", 5000..5001).refused(), "panel-parameters-read");
}
