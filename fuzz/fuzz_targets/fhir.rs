//! FHIR R4 as a bulk export: each line is a resource.

#![no_main]

use libfuzzer_sys::fuzz_target;

mod intake;

const KINDS: [&str; 9] = [
    "Patient", "Encounter", "Condition", "Observation", "MedicationRequest", "Procedure",
    "Immunization", "DiagnosticReport", "Bundle",
];

fuzz_target!(|data: &[u8]| {
    let mut text = Vec::new();
    for line in data.split(|&byte| byte == b'\n') {
        let Some((&choice, rest)) = line.split_first() else { continue };
        let kind = KINDS[usize::from(choice) % KINDS.len()];
        text.extend(format!("{{\"resourceType\":\"{kind}\",\"id\":\"1\",").into_bytes());
        text.extend(rest);
        text.push(b'\n');
    }
    intake::check("ehr", None, &text);
});
