//! Patient: birth, death, and what holds at all times.
//!
//! Birth and death have the codes of MEDS. The year of birth is a number too, and so is sex, so
//! that a forecast can learn from them; both are called as LOINC calls them.

use super::super::known::Trouble;
use super::super::when;
use super::super::wire::{Coding, Extension, Patient};
use super::{Content, Fact, FactValue, Row, happened, parse, refusal};
use crate::Reason;

/// Reads a patient whom others call by `id`.
pub(in super::super) fn read(json: &[u8], id: Option<&str>) -> Result<Content, Trouble> {
    let id = id.ok_or(refusal(Reason::SubjectMissing, "id"))?;
    let patient: Patient = parse(json)?;
    let mut rows = Vec::new();
    birth(&patient, &mut rows);
    sex(&patient, &mut rows);
    for extension in &patient.extension {
        background(extension, &mut rows);
    }
    death(&patient, &mut rows);
    Ok(Content { patient: id.to_owned(), facts: rows })
}

fn birth(patient: &Patient, rows: &mut Vec<Row>) {
    let Some(date) = &patient.birth_date else { return };
    let refused = refusal(Reason::BadTime, "birthDate");
    // A birth has a date and no hour.
    let time = when::parse(date).filter(|_| date.len() <= DATE_LEN);
    rows.push(time.map(|time| happened(BIRTH.to_owned(), time)).ok_or(refused));
    if let Some(year) = time.and(date.get(..4)).and_then(|year| year.parse().ok()) {
        rows.push(Ok(constant(BIRTH_YEAR.to_owned(), FactValue::Number(year))));
    }
}

fn sex(patient: &Patient, rows: &mut Vec<Row>) {
    let value = match patient.gender.as_deref() {
        None => return,
        Some("female") => FactValue::Number(0.0),
        Some("male") => FactValue::Number(1.0),
        Some("other" | "unknown") => FactValue::Missing,
        Some(_) => return rows.push(Err(refusal(Reason::UnknownCode, "gender"))),
    };
    rows.push(Ok(constant(SEX.to_owned(), value)));
}

/// US Core states race and ethnicity by codes of the CDC.
fn background(extension: &Extension, rows: &mut Vec<Row>) {
    let name = match extension.url.as_deref() {
        Some("http://hl7.org/fhir/us/core/StructureDefinition/us-core-race") => "RACE",
        Some("http://hl7.org/fhir/us/core/StructureDefinition/us-core-ethnicity") => "ETHNICITY",
        _ => return,
    };
    for part in &extension.extension {
        let is_category = part.url.as_deref() == Some("ombCategory");
        if let Some(Coding { code: Some(code), .. }) = part.value_coding.as_ref()
            && is_category
        {
            rows.push(Ok(constant(format!("{name}//{code}"), FactValue::Happened)));
        }
    }
}

fn death(patient: &Patient, rows: &mut Vec<Row>) {
    let refused = refusal(Reason::BadTime, "deceased");
    match (&patient.deceased_date_time, patient.deceased_boolean) {
        (Some(date), _) => {
            rows.push(
                when::parse(date).map(|time| happened(DEATH.to_owned(), time)).ok_or(refused),
            );
        }
        // That somebody died at an unknown time must not look as if it had always been so.
        (None, Some(true)) => rows.push(Err(refused)),
        (None, _) => {}
    }
}

fn constant(code: String, value: FactValue) -> Fact {
    Fact { code, time: None, value, text: None, unit: None }
}

const BIRTH: &str = "MEDS_BIRTH";
const DEATH: &str = "MEDS_DEATH";

/// Sex, 0 female and 1 male, as in the packs.
const SEX: &str = "LOINC//46098-0";
const BIRTH_YEAR: &str = "LOINC//80904-6";

/// `YYYY-MM-DD`
const DATE_LEN: usize = 10;
