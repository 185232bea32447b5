//! Each test is a feed and what is found in it; [`said`] is the only place that knows the API.

use std::fmt::Write as _;
use std::io::BufReader;

use proptest::prelude::*;

use super::facts::FactValue;
use super::split::{Extent, Failed, Place, split};
use super::{Found, Resources};
use crate::IntakeError;

mod hostile;
mod kinds;

/// Says what is found, one line each.
fn said(feed: &str) -> String {
    said_bytes(feed.as_bytes(), 1 << 16)
}

/// As [`said`], when the stream gives so many bytes at a time.
fn said_bytes(feed: &[u8], chunk: usize) -> String {
    let mut text = String::new();
    let mut reader = BufReader::with_capacity(chunk, feed);
    let mut take = |found: Found<'_>| {
        write_found(&mut text, found);
        Ok(())
    };
    let read = Resources::default().read(&mut reader, &mut take);
    assert!(read.is_ok(), "a slice never fails");
    text
}

fn write_found(text: &mut String, found: Found<'_>) {
    let _ = match found {
        Found::Resource(kind, true) => writeln!(text, "{kind}"),
        Found::Resource(kind, false) => writeln!(text, "{kind}, passed over"),
        Found::Refused { row, refusal, .. } => {
            writeln!(text, "  {row}: {} {}", refusal.reason.code(), refusal.field.unwrap_or("-"))
        }
        Found::Rows { row, patient, facts, .. } => {
            for fact in facts {
                let _ = write!(text, "  {row}: {patient} ");
                let _ = match fact {
                    Err(refusal) => {
                        write!(text, "{} {}", refusal.reason.code(), refusal.field.unwrap_or("-"))
                    }
                    Ok(fact) => {
                        let at = fact.time.map(|time| time.micros() / 1_000_000);
                        let at = at.map_or("always".to_owned(), |seconds| format!("at {seconds}"));
                        let value = match fact.value {
                            FactValue::Number(number) => format!(" = {number}"),
                            FactValue::Happened => String::new(),
                            FactValue::Missing => " missing".to_owned(),
                        };
                        let unit = fact.unit.map_or(String::new(), |unit| format!(" {unit}"));
                        let note = fact.text.map_or(String::new(), |text| format!(" {text:?}"));
                        write!(text, "{} {at}{value}{unit}{note}", fact.code)
                    }
                };
                text.push('\n');
            }
            Ok(())
        }
    };
}

/// Wraps resources as the entries of a Bundle, each at an address of its own.
fn bundle(resources: &[&str]) -> String {
    let entry = |(at, resource): (usize, &&str)| {
        format!(
            r#"{{"fullUrl":"urn:uuid:{at}","resource":{resource},"request":{{"method":"POST"}}}}"#
        )
    };
    let entries: Vec<_> = resources.iter().enumerate().map(entry).collect();
    format!(r#"{{"resourceType":"Bundle","type":"transaction","entry":[{}]}}"#, entries.join(","))
}

/// Writes JSON over many lines, as people do.
fn pretty(json: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(json).unwrap();
    serde_json::to_string_pretty(&value).unwrap()
}

const HEART_RATE: &str = r#"{"resourceType":"Observation","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"8867-4"}]},"subject":{"reference":"Patient/p"},"effectiveDateTime":"1970-01-01T00:00:01Z","valueQuantity":{"value":80,"unit":"beats","code":"/min"}}"#;
const CLAIM: &str = r#"{"resourceType":"Claim","item":[1],"x":"} ] \" {"}"#;

const HEART_RATE_SAID: &str = "Observation\n  @: p LOINC//8867-4 at 1 = 80 /min\n";

#[test]
fn one_resource_a_line_and_a_bundle_say_the_same() {
    let said_at = |row: u32| HEART_RATE_SAID.replace('@', &row.to_string());
    let lines = format!("{HEART_RATE}\n\r\n{CLAIM}\r\n{HEART_RATE}");
    let expected = format!("{}Claim, passed over\n{}", said_at(1), said_at(4));
    assert_eq!(said(&lines), expected);
    let bundle = bundle(&[HEART_RATE, CLAIM, HEART_RATE]);
    let expected = format!("{}Claim, passed over\n{}", said_at(1), said_at(3));
    assert_eq!(said(&bundle), expected);
    assert_eq!(said(&pretty(&bundle)), expected);
    assert_eq!(said(&pretty(HEART_RATE)), said_at(1));
    assert_eq!(said(&format!("{}\n{}", pretty(HEART_RATE), pretty(CLAIM))), {
        format!("{}Claim, passed over\n", said_at(1))
    });
}

#[test]
fn bundles_may_follow_one_another() {
    let bundle = bundle(&[HEART_RATE]);
    let expected = ["1", "2"].map(|row| HEART_RATE_SAID.replace('@', row)).concat();
    assert_eq!(said(&format!("{bundle}\n{bundle}\n")), expected);
    let pretty = format!("{}\n{}\n", pretty(&bundle), pretty(&bundle));
    assert_eq!(said(&pretty), expected);
}

#[test]
fn the_keys_of_a_bundle_may_come_in_any_order() {
    let late = format!(
        r#"{{"entry":[{{"resource":{HEART_RATE}}}],"type":"collection","resourceType":"Bundle"}}"#
    );
    assert_eq!(said(&late), HEART_RATE_SAID.replace('@', "1"));
    let list = r#"{"resourceType":"List","entry":[{"item":{"reference":"x"}}]}"#;
    assert_eq!(said(list), "List, passed over\n");
    let inner =
        r#"{"resourceType":"Bundle","meta":{"entry":[1],"resourceType":"List"},"entry":[]}"#;
    assert_eq!(said(inner), "");
}

#[test]
fn a_bundle_longer_than_any_resource_is_read() {
    let filler = "x".repeat(3000);
    let resource = HEART_RATE.replace("beats", &filler);
    let bundle = bundle(&vec![resource.as_str(); 20]);
    let mut count = 0;
    let mut take = |piece: super::split::Piece| -> Result<(), IntakeError> {
        assert_eq!(piece.extent, Extent::Whole);
        count += usize::from(piece.place == Place::Entry);
        Ok(())
    };
    assert!(split(&mut bundle.as_bytes(), 4096, &mut take).is_ok());
    assert_eq!(count, 20);
}

#[test]
fn references_lead_to_the_id_of_the_patient() {
    let with = |reference: &str| HEART_RATE.replace("Patient/p", reference);
    for reference in ["Patient/p", "https://a.example/fhir/Patient/p", "Patient/p/_history/3"] {
        assert_eq!(said(&with(reference)), HEART_RATE_SAID.replace('@', "1"), "{reference}");
    }
    let missing = "Observation\n  1: subject-missing subject\n";
    assert_eq!(said(&with("Group/p")), missing);
    assert_eq!(said(&with("Patient/")), missing);
    assert_eq!(said(&with("p")), missing);
    assert_eq!(said(&HEART_RATE.replace("reference", "display")), missing);
    let unresolved = "Observation\n  1: unresolved-reference subject\n";
    for reference in ["Patient?identifier=x|1", "#p", "urn:uuid:0", "urn:oid:1.2"] {
        assert_eq!(said(&with(reference)), unresolved, "{reference}");
    }
}

#[test]
fn an_address_inside_a_bundle_may_point_ahead_and_ends_with_it() {
    let patient = r#"{"resourceType":"Patient","id":"p"}"#;
    let nameless = r#"{"resourceType":"Patient"}"#;
    let ahead = HEART_RATE.replace("Patient/p", "urn:uuid:1");
    let expected = "Observation\nPatient\n  1: p LOINC//8867-4 at 1 = 80 /min\n";
    let first = bundle(&[&ahead, patient]);
    assert_eq!(said(&first), expected);
    let by_address = expected.replace(": p ", ": 1 ");
    assert_eq!(said(&bundle(&[&ahead, nameless])), by_address);
    let second = bundle(&[&ahead]);
    let expected = format!("{expected}Observation\n  2: unresolved-reference subject\n");
    assert_eq!(said(&format!("{first}\n{second}\n")), expected);
}

#[test]
fn a_failing_taker_ends_the_reading() {
    let mut take = |_: Found<'_>| {
        let place = crate::Place { source: "x".to_owned(), file: None };
        Err(IntakeError::Empty { place })
    };
    let read = Resources::default().read(&mut HEART_RATE.as_bytes(), &mut take);
    assert!(matches!(read, Err(Failed::Taken(IntakeError::Empty { .. }))));
}

proptest! {
    #[test]
    fn what_is_found_does_not_depend_on_how_the_stream_comes(
        chunk in 1_usize..200,
        cut in 0_usize..1200,
        is_pretty in any::<bool>(),
    ) {
        let patient = r#"{"resourceType":"Patient","id":"p","birthDate":"1970-01-02"}"#;
        let feed = bundle(&[patient, HEART_RATE, CLAIM]);
        let feed = if is_pretty { pretty(&feed) } else { feed };
        let feed = &feed.as_bytes()[..cut.min(feed.len())];
        prop_assert_eq!(said_bytes(feed, chunk), said_bytes(feed, 1 << 16));
    }

    #[test]
    fn any_bytes_are_read_to_their_end(feed in "[{}\\[\\]\",:\\\\\na-e ]{0,200}") {
        let _ = said(&feed);
    }
}
