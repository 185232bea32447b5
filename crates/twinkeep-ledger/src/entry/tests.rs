//! Entries: their canonical form, and what is refused.

use expect_test::expect;

use super::wire::ACTIVITIES;
use super::{Class, Detail, Entry, EntryError, Severity};
use crate::Activity;

fn entry() -> Entry {
    Entry::new(
        1_795_000_000_123,
        Class::DatastoreActivity,
        Activity::Create,
        "feed.ingested",
        "operator",
    )
    .about("00112233445566778899aabbccddeeff")
    .with("rows.accepted", 1_757_980)
    .with("feed", "f-1")
}

#[test]
fn an_entry_is_canonical_ocsf() {
    let text = String::from_utf8(entry().encode().unwrap()).unwrap();
    expect![[r#"{"activity_id":6,"actor":{"user":{"uid":"operator"}},"category_uid":6,"class_uid":6005,"database":{"name":"Twinkeep","type_id":99},"metadata":{"event_code":"feed.ingested","product":{"name":"Twinkeep","vendor_name":"Twinkeep"},"version":"1.5.0"},"severity_id":1,"src_endpoint":{"uid":"operator"},"status_id":1,"time":1795000000123,"type_uid":600506,"unmapped":{"activity":"create","details":{"feed":"f-1","rows.accepted":1757980},"subject":"00112233445566778899aabbccddeeff"}}"#]].assert_eq(&text);
}

#[test]
fn every_class_and_activity_reads_back() {
    let classes = [
        Class::DetectionFinding,
        Class::Authentication,
        Class::EntityManagement,
        Class::ApplicationLifecycle,
        Class::ApiActivity,
        Class::DatastoreActivity,
    ];
    for class in classes {
        for &activity in ACTIVITIES {
            let plain = Entry::new(0, class, activity, "a.b", "key:4f2a");
            let rich = entry().failed("signature-invalid").severity(Severity::High);
            for entry in [plain, rich] {
                assert_eq!(Entry::decode(&entry.encode().unwrap()), Ok(entry));
            }
        }
    }
}

#[test]
fn another_spelling_of_the_same_entry_is_refused() {
    let text = String::from_utf8(entry().encode().unwrap()).unwrap();
    let spaced = text.replace(":1,", ": 1,");
    let extended = text.replacen('{', "{\"a\":1,", 1);
    let repeated = text.replacen('{', "{\"activity_id\":6,", 1);
    let other_type = text.replace("600506", "600507");
    for changed in [spaced, extended, repeated, other_type] {
        let refused = EntryError::Encoding { problem: "not in canonical form" };
        assert_eq!(Entry::decode(changed.as_bytes()), Err(refused));
    }
    assert!(Entry::decode(b"{}").is_err());
    assert!(Entry::decode(b"\xff").is_err());
}

#[test]
fn every_truncation_is_refused() {
    let bytes = entry().encode().unwrap();
    for length in 0..bytes.len() {
        assert!(Entry::decode(&bytes[..length]).is_err());
    }
}

#[test]
fn a_field_that_could_carry_content_is_refused() {
    let check = |entry: Entry, field: &'static str| {
        assert_eq!(entry.encode(), Err(EntryError::Field { field }));
    };
    let make = |action: &str, actor: &str| {
        Entry::new(0, Class::ApiActivity, Activity::Read, action, actor)
    };
    check(make("Some Person", "a"), "action");
    check(make("a", ""), "actor");
    check(make("a", "a\nb"), "actor");
    check(make("a", "b").about("Some Person"), "subject");
    check(make("a", "b").about("0011"), "subject");
    check(make("a", "b").failed("a sentence"), "outcome");
    check(make("a", "b").with("Key", 1), "details");
    check(make("a", "b").with("key", "x".repeat(257).as_str()), "details");
    check(make("a", "b").with("key", 1 << 53), "details");
    let many = (0..25).fold(make("a", "b"), |entry, n| entry.with(&format!("n{n}"), n));
    check(many, "details");
}

#[test]
fn the_largest_entry_fits_the_ledger() {
    let largest = (0..24)
        .fold(Entry::new(0, Class::ApiActivity, Activity::Read, "a", "b"), |entry, n| {
            entry.with(&format!("{n:064}"), Detail::Text("\"".repeat(256)))
        });
    let size = largest.encode().unwrap().len();
    assert!(size <= crate::ENTRY_SIZE_MAX, "{size}");
}
