//! FHIR as a source: files, folders, archives, and the real data sets where they are at hand.

use std::path::Path;

use super::{Intake, real_data, take};
use crate::Source;

fn read(path: &Path) -> Intake {
    take(Source::Path(path)).unwrap()
}

/// Returns how many resources of a kind there were.
fn count(intake: &Intake, kind: &str) -> u64 {
    intake.kinds.get(kind).map_or(0, |kind| kind.count)
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
}
