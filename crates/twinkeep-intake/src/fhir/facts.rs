//! From a resource to rows: whom it is about, what happened, and when.
//!
//! Pure: bytes in, rows out. A resource whose subject, time, or status cannot be used is refused
//! whole, as one row; a component or attachment that cannot be used is refused on its own.

use serde::Deserialize;
use twinkeep_domain::Timestamp;

use super::known::{Known, Trouble};
use super::terms::{Kind, code_of};
use super::when;
use super::wire::{Concept, Head, Period};
use crate::Reason;
use crate::batch::Refusal;

mod care;
mod drugs;
mod notes;
mod observation;
mod patient;

pub(super) use patient::read as content_of_patient;

/// Something that happened to a patient.
#[derive(Debug, PartialEq)]
pub(super) struct Fact {
    /// A code of MEDS, with its system.
    pub code: String,
    /// `None` for what holds at all times.
    pub time: Option<Timestamp>,
    pub value: FactValue,
    pub text: Option<String>,
    /// UCUM, or what the source calls it.
    pub unit: Option<String>,
}

/// The value of a fact.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum FactValue {
    Number(f64),
    /// That it happened is all there is to say.
    Happened,
    /// It was looked for and is not there.
    Missing,
}

/// What a resource says about a patient.
#[derive(Debug, PartialEq)]
pub(super) struct Content {
    /// The id of the patient.
    pub patient: String,
    /// One a row.
    pub facts: Vec<Row>,
}

/// A fact, or why a part of a resource is none.
pub(super) type Row = Result<Fact, Refusal>;

/// Reads a resource of a kind that tells something; any other is refused.
pub(super) fn content(kind: Kind, json: &[u8], known: &Known) -> Result<Content, Trouble> {
    match kind {
        Kind::Patient => patient::read(json, None),
        Kind::Encounter => care::encounter(json, known),
        Kind::Condition => care::condition(json, known),
        Kind::Procedure => care::procedure(json, known),
        Kind::Immunization => care::immunization(json, known),
        Kind::AllergyIntolerance => care::allergy(json, known),
        Kind::Observation => observation::read(json, known),
        Kind::MedicationRequest => drugs::read(json, known, "ordered"),
        Kind::MedicationAdministration => drugs::administration(json, known),
        Kind::MedicationStatement => drugs::read(json, known, "stated"),
        Kind::DiagnosticReport => notes::report(json, known),
        Kind::DocumentReference => notes::document(json, known),
        Kind::Medication | Kind::Bundle | Kind::Other(_) => Err(MALFORMED.into()),
    }
}

/// Returns what kind of resource this is, and its id.
pub(super) fn head(json: &[u8]) -> Result<(Option<Kind>, Option<String>), Refusal> {
    let head: Head = parse(json)?;
    let name = head.resource_type.ok_or(refusal(Reason::MalformedRow, "resourceType"))?;
    Ok((Kind::of(&name), head.id.filter(|id| !id.is_empty())))
}

/// Takes what is read here from JSON. A type that FHIR does not allow, a key that is there twice,
/// a number that is none, and bytes that are no text are all the same fault.
pub(super) fn parse<'j, T: Deserialize<'j>>(json: &'j [u8]) -> Result<T, Refusal> {
    serde_json::from_slice(json).map_err(|_| MALFORMED)
}

pub(super) fn refusal(reason: Reason, field: &'static str) -> Refusal {
    Refusal { reason, field: Some(field) }
}

/// Refuses what did not happen, or should not have been written down.
fn check_status(status: Option<&str>, field: &'static str) -> Result<(), Refusal> {
    match status {
        Some("entered-in-error") => Err(refusal(Reason::EnteredInError, field)),
        Some(status) if NOT_DONE.contains(&status) => Err(refusal(Reason::NotDone, field)),
        _ => Ok(()),
    }
}

/// As [`check_status`], where FHIR has a concept instead of a code.
fn check_concept(status: Option<&Concept>, field: &'static str) -> Result<(), Refusal> {
    let mut codes = status.iter().flat_map(|status| &status.coding);
    codes.try_for_each(|coding| check_status(coding.code.as_deref(), field))
}

/// Reads the first time that is there.
fn first_time(times: &[(Option<&String>, &'static str)]) -> Result<Timestamp, Refusal> {
    let Some((text, field)) = times.iter().find_map(|(text, field)| Some(((*text)?, *field)))
    else {
        return Err(refusal(Reason::BadTime, times.first().map_or("time", |(_, field)| field)));
    };
    when::parse(text).ok_or(refusal(Reason::BadTime, field))
}

fn start(period: Option<&Period>) -> Option<&String> {
    period?.start.as_ref()
}

fn end(period: Option<&Period>) -> Option<&String> {
    period?.end.as_ref()
}

fn coded(concept: &Concept, field: &'static str) -> Result<String, Refusal> {
    code_of(concept).map_err(|_| refusal(Reason::UnknownCode, field))
}

/// A fact without a value.
fn happened(code: String, time: Timestamp) -> Fact {
    Fact { code, time: Some(time), value: FactValue::Happened, text: None, unit: None }
}

/// The second event of something that lasts. `None` if its end is not known.
fn ended(code: &str, start: Timestamp, end: Option<&String>, field: &'static str) -> Option<Row> {
    let time = when::parse(end?).filter(|end| start <= *end);
    let fact = time.map(|time| happened(format!("{code}//END"), time));
    Some(fact.ok_or(refusal(Reason::BadTime, field)))
}

/// It is not JSON, or not FHIR.
pub(super) const MALFORMED: Refusal = Refusal { reason: Reason::MalformedRow, field: None };

/// Statuses of R4 that say that it has not happened.
const NOT_DONE: [&str; 8] = [
    "planned",
    "cancelled",
    "not-done",
    "preparation",
    "draft",
    "intended",
    "not-taken",
    "refuted",
];
