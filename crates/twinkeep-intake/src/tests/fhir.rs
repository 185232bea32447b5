//! FHIR as a source: files, folders, archives, and the real data sets where they are at hand.

use std::collections::BTreeSet;
use std::path::Path;

use twinkeep_domain::Pack;

use super::{Intake, gzip, real_data, reasons, take_as, tar};
use crate::Source;
use crate::limits::Limits;
use crate::pack_file::shipped_pack;

fn pack() -> Pack {
    shipped_pack("ehr").unwrap()
}

fn read(path: &Path) -> Intake {
    take_as(Source::Path(path), &pack(), Limits::STANDARD, false).unwrap()
}

/// Reads bytes from a feed.
fn read_bytes(mut bytes: &[u8], deidentify: bool) -> Intake {
    let media_type = "application/octet-stream";
    let source = Source::Stream { name: "feed", media_type, reader: &mut bytes };
    take_as(source, &pack(), Limits::STANDARD, deidentify).unwrap()
}

/// Returns how many resources of a kind there were.
fn count(intake: &Intake, kind: &str) -> u64 {
    intake.kinds.get(kind).map_or(0, |kind| kind.count)
}

/// Writes each event in one line.
fn lines(intake: &Intake) -> BTreeSet<String> {
    let events = intake.screened.events();
    let line = |event: &twinkeep_domain::Event| {
        let code = &events.codes()[event.code as usize];
        let time = event.time.map(|time| time.micros());
        let (subject, value) = (event.subject.reveal_text(), event.value);
        format!("{subject} {time:?} {code} {value:?} {:?}", event.text)
    };
    events.rows.iter().map(line).collect()
}

#[test]
fn every_resource_of_the_synthea_export_is_read() {
    let Some(folder) = real_data() else { return };
    let intake = read(&folder.join("synthea-fhir-r4/ndjson-293-patients.tar.gz"));
    // As its description counts them.
    for (kind, expected) in [
        ("AllergyIntolerance", 199),
        ("CarePlan", 848),
        ("Condition", 2_175),
        ("DiagnosticReport", 2_933),
        ("Encounter", 8_635),
        ("Goal", 569),
        ("ImagingStudy", 177),
        ("Immunization", 3_484),
        ("MedicationRequest", 2_228),
        ("Observation", 41_547),
        ("Organization", 92),
        ("Patient", 293),
        ("Practitioner", 92),
        ("Procedure", 7_020),
    ] {
        assert_eq!(count(&intake, kind), expected, "{kind}");
    }
    assert_eq!(intake.kinds.len(), 14);
    // Two rows of an encounter, of a condition that ended, and of a blood pressure; one of most
    // others; birth, year of birth, sex, race, ethnicity, and 57 deaths of the patients.
    let rows = 2 * 8_635 + (2_175 + 1_132) + (41_547 - 2_726) + 2 * 2_726;
    let rows = rows + 199 + 2_933 + 3_484 + 2_228 + 7_020 + 5 * 293 + 57;
    assert_eq!(intake.counts.read, rows);
    assert_eq!(intake.mapping.len(), 293);
    // The protein of these patients is in grams a liter, but is said to be in grams a deciliter.
    let expected = [(("duplicate", ""), 311), (("implausible-value", "value"), 366)];
    assert_eq!(reasons(&intake), expected.into());
}

#[test]
fn a_patient_says_the_same_in_a_bundle_and_in_an_export() {
    let Some(folder) = real_data() else { return };
    let folder = folder.join("synthea-fhir-r4");
    let bundles = read(&folder.join("bundles-12-patients.tar.gz"));
    let export = read(&folder.join("ndjson-293-patients.tar.gz"));
    assert_eq!((count(&bundles, "Claim"), count(&bundles, "Observation")), (399, 1_509));
    let people: BTreeSet<_> = bundles.mapping.keys().map(|one| one.reveal_text()).collect();
    assert_eq!(people.len(), 12);
    let of_these = |line: &String| people.contains(line.split(' ').next().unwrap_or_default());
    let from_export: BTreeSet<_> = lines(&export).into_iter().filter(of_these).collect();
    let from_bundles = lines(&bundles);
    assert!(3_000 < from_bundles.len());
    assert!(from_bundles == from_export);
}

#[test]
fn a_real_bulk_export_is_read_with_its_notes() {
    let Some(folder) = real_data() else { return };
    let intake = read(&folder.join("synthea-fhir-r4/bulk-export-10-patients-partial.tar.gz"));
    assert_eq!((count(&intake, "Patient"), count(&intake, "DocumentReference")), (13, 1_215));
    let texts = intake.screened.events().rows.iter().filter_map(|event| event.text.as_deref());
    assert_eq!(texts.filter(|text| text.contains("# Chief Complaint")).count(), 1_215);
    // The four lines of its log are no resources.
    let reasons = reasons(&intake);
    assert_eq!(reasons, [(("duplicate", ""), 5), (("malformed-row", "resourceType"), 4)].into());
}

#[test]
fn no_name_of_a_real_export_is_left_in_its_notes() {
    let Some(folder) = real_data() else { return };
    let path = folder.join("synthea-fhir-r4/bulk-export-10-patients-partial.tar.gz");
    let whole = read(&path);
    let clean = take_as(Source::Path(&path), &pack(), Limits::STANDARD, true).unwrap();
    assert_eq!(whole.counts.read, clean.counts.read);
    let removed = clean.removed.clone().unwrap();
    // Each note names the patient once, and begins with its date.
    assert!(1_200 <= removed["name"] && 2_430 <= removed["date"], "{removed:?}");
    for event in &clean.screened.events().rows {
        let Some(text) = event.text.as_deref().filter(|text| text.contains("Chief")) else {
            continue;
        };
        // Names of this data set end with three digits.
        let numbered = |word: &str| {
            let digits = word.trim_end_matches(|char: char| char.is_ascii_digit());
            digits.len() + 3 == word.len() && word.starts_with(|char: char| char.is_uppercase())
        };
        assert!(!text.split_whitespace().any(numbered), "{text}");
    }
    for row in &clean.quarantined {
        assert!(row.origin.file.starts_with("file "));
    }
}

#[test]
fn a_resource_with_many_refused_parts_is_kept_once() {
    let component = r#"{"code":{"text":"x"},"valueInteger":1}"#;
    let components = vec![component; 1000].join(",");
    let feed = format!(
        r#"{{"resourceType":"Observation","subject":{{"reference":"Patient/p"}},"issued":"2020-01-01T00:00:00Z","component":[{components}]}}"#
    );
    let intake = read_bytes(feed.as_bytes(), false);
    assert_eq!(intake.counts.quarantined, 1000);
    let kept: usize = intake.quarantined.iter().map(|row| row.raw.expose().len()).sum();
    assert_eq!(kept, feed.len());
}

const PATIENT: &str = r#"{"resourceType":"Patient","id":"p","birthDate":"1930-05-06","gender":"male","name":[{"family":"Quispe","given":["Ileana"]}],"telecom":[{"system":"phone","value":"0171 55 21"}],"address":[{"line":["Rua das Flores"],"city":"Tavira","postalCode":"8800"}]}"#;

fn note(text: &str) -> String {
    use base64::Engine as _;
    let data = base64::engine::general_purpose::STANDARD.encode(text);
    format!(
        r#"{{"resourceType":"DocumentReference","subject":{{"reference":"Patient/p"}},"date":"2020-03-04T10:00:00Z","type":{{"coding":[{{"system":"http://loinc.org","code":"34117-2"}}]}},"content":[{{"attachment":{{"contentType":"text/plain","data":"{data}"}}}}]}}"#
    )
}

#[test]
fn a_note_before_its_patient_loses_the_name_and_keeps_its_distance_in_time() {
    let text = "Ileana QUISPE of Tavira, 0171 55 21, seen 2020-03-04, again 2020-03-14.";
    let feed = format!("{}\n{PATIENT}\n", note(text));
    let archive = gzip(&tar(&[("Quispe_Ileana.ndjson", feed.as_bytes())]));
    let (whole, clean) = (read_bytes(&archive, false), read_bytes(&archive, true));
    let texts = |intake: &Intake| {
        let rows = &intake.screened.events().rows;
        rows.iter().find_map(|event| Some((event.text.clone()?, event.time?))).unwrap()
    };
    assert_eq!(&*texts(&whole).0, text);
    let (found, time) = texts(&clean);
    assert!(found.starts_with("[name] [name] of [place], [phone], seen 20"), "{found}");
    let days: Vec<jiff::civil::Date> =
        found.split([' ', ',', '.']).filter_map(|word| word.parse().ok()).collect();
    assert_eq!(days[0].until(days[1]).unwrap().get_days(), 10);
    let shifted = jiff::Timestamp::from_microsecond(time.micros()).unwrap();
    assert_eq!(shifted.to_zoned(jiff::tz::TimeZone::UTC).date(), days[0]);
    assert_eq!(&*clean.origins[0].file, "file 1");
}

#[test]
fn an_age_over_89_is_not_told_by_the_birth() {
    let intake = read_bytes(PATIENT.as_bytes(), true);
    let old = read_bytes(PATIENT.replace("1930", "1901").as_bytes(), true);
    // Both are of the same subject, so they are shifted alike: 1930 and 1901 look the same.
    assert_eq!(lines(&intake), lines(&old));
    let young = read_bytes(PATIENT.replace("1930", "1940").as_bytes(), true);
    assert_ne!(lines(&intake), lines(&young));
    assert_eq!(intake.removed.as_ref().unwrap()["age"], 2);
}

#[test]
fn what_cannot_be_read_is_not_kept_when_identifiers_must_go() {
    let feed = format!("{PATIENT}\n{{\"name\":\"Ileana Quispe\"}}\n");
    let (whole, clean) = (read_bytes(feed.as_bytes(), false), read_bytes(feed.as_bytes(), true));
    assert!(!whole.quarantined[0].raw.expose().is_empty());
    assert!(clean.quarantined[0].raw.expose().is_empty());
}
