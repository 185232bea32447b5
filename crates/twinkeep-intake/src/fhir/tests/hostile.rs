//! Feeds that are wrong, broken, or meant to do harm.

use super::{HEART_RATE, bundle, pretty, said, said_bytes};

/// What is said of a heart rate with one part replaced.
fn changed(from: &str, to: &str) -> String {
    assert!(HEART_RATE.contains(from));
    said(&HEART_RATE.replace(from, to)).replace("Observation\n", "").trim().to_owned()
}

#[test]
fn a_number_that_is_none_is_refused() {
    for number in ["1e999", "-1e999", "NaN", "Infinity", "0x10", "01", "\"80\"", "[80]", "8 0"] {
        assert_eq!(changed("80", number), "1: malformed-row -", "{number}");
    }
    // No float holds it, and screening refuses an infinite one.
    assert_eq!(
        changed("80", "1e300"),
        format!("1: p LOINC//8867-4 at 1 = 1{} /min", "0".repeat(300))
    );
}

#[test]
fn a_key_that_is_there_twice_is_refused() {
    let twice = r#""valueQuantity":{"value":1},"valueQuantity""#;
    assert_eq!(changed(r#""valueQuantity""#, twice), "1: malformed-row -");
    assert_eq!(changed(r#""value":80"#, r#""value":80,"value":81"#), "1: malformed-row -");
    assert_eq!(
        said(r#"{"resourceType":"Patient","resourceType":"Claim","id":"x"}"#),
        "  1: malformed-row -\n"
    );
}

#[test]
fn json_that_is_nested_deeply_does_not_overflow() {
    for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
        let deep = format!("{}1{}", open.repeat(200_000), close.repeat(200_000));
        // Passed over where nobody looks, refused where somebody does.
        let aside = HEART_RATE.replace("\"final\"", &format!("\"final\",\"x\":{deep}"));
        assert!(said(&aside).lines().count() <= 2);
        let inside = HEART_RATE.replace("\"final\"", &deep);
        assert!(said(&inside).contains("malformed-row"));
    }
    let nested = r#"{"component":["#.repeat(200) + &"]}".repeat(200);
    let nested = HEART_RATE.replace("\"final\"", &format!("\"final\",\"component\":[{nested}]"));
    assert!(said(&nested).contains("malformed-row"));
}

#[test]
fn bytes_that_are_no_text_are_refused() {
    let mut feed = HEART_RATE.replace("final", "fin~l").into_bytes();
    let at = feed.iter().position(|&byte| byte == b'~').unwrap();
    feed[at] = 0xff;
    feed.push(b'\n');
    feed.extend_from_slice(HEART_RATE.as_bytes());
    let said = said_bytes(&feed, 1 << 16);
    assert!(
        said.starts_with("  1: malformed-row -\n")
            || said.starts_with("Observation\n  1: malformed-row -\n"),
        "{said}"
    );
    assert!(said.ends_with("2: p LOINC//8867-4 at 1 = 80 /min\n"), "{said}");
}

#[test]
fn one_broken_line_costs_one_line() {
    let good = "Observation\n  @: p LOINC//8867-4 at 1 = 80 /min\n";
    for broken in
        ["{", "}", "[]", "null", "\"", "{\"resourceType\":\"Observation\"", "\u{feff}x", "{}"]
    {
        for lines in [[broken, HEART_RATE], [HEART_RATE, broken]] {
            let said = said(&format!("{}\n{}\n{HEART_RATE}\n", lines[0], lines[1]));
            assert_eq!(said.matches("LOINC").count(), 2, "{broken}: {said}");
            assert_eq!(said.matches("malformed-row").count(), 1, "{broken}: {said}");
            assert!(said.ends_with(&good.replace('@', "3")), "{broken}: {said}");
        }
    }
}

#[test]
fn one_broken_entry_costs_one_entry() {
    for broken in ["{\"resourceType\":\"Observation\",\"x\":1e}", "{\"a\" \"b\"}", "[]", "{}"] {
        let said = said(&bundle(&[HEART_RATE, broken, HEART_RATE]));
        assert_eq!(said.matches("LOINC").count(), 2, "{broken}: {said}");
        assert_eq!(said.matches("malformed-row").count(), 1, "{broken}: {said}");
    }
    let without = r#"{"resourceType":"Bundle","entry":[{"fullUrl":"x"},7,null]}"#;
    assert_eq!(
        said(without),
        "  1: malformed-row resource\n  2: malformed-row -\n  3: malformed-row -\n"
    );
}

#[test]
fn a_bundle_that_is_cut_short_keeps_what_was_whole() {
    for text in [bundle(&[HEART_RATE, HEART_RATE]), pretty(&bundle(&[HEART_RATE, HEART_RATE]))] {
        let second = text.rfind("Observation").unwrap();
        for end in second..text.len() {
            let said = said(&text[..end]);
            assert!(said.starts_with("Observation\n  1: p LOINC"), "{end}: {said}");
            assert!(
                said.contains("unfinished-row") || said.contains("malformed-row"),
                "{end}: {said}"
            );
        }
    }
}

#[test]
fn a_resource_that_is_too_long_is_refused_and_the_next_is_read() {
    let long = HEART_RATE.replace("beats", &"x".repeat(super::super::RESOURCE_LEN_MAX));
    let expected = |row: u32| {
        format!("  1: too-long -\nObservation\n  {row}: p LOINC//8867-4 at 1 = 80 /min\n")
    };
    assert_eq!(said(&format!("{long}\n{HEART_RATE}\n")), expected(2));
    assert_eq!(said(&bundle(&[&long, HEART_RATE])), expected(2));
}

#[test]
fn a_name_that_the_standard_does_not_have_is_not_counted() {
    let feed = r#"{"resourceType":"Jane Doe 123-45-6789"}"#;
    assert_eq!(said(feed), "  1: malformed-row resourceType\n");
    assert_eq!(said(r#"{"eventId":"kickoff"}"#), "  1: malformed-row resourceType\n");
    assert_eq!(said(r#"{"resourceType":7}"#), "  1: malformed-row -\n");
}
