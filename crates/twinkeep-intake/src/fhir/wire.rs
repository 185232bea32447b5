//! The parts of FHIR R4 resources that become events. FHIR is open: whatever else a resource holds
//! is passed over.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

/// What every resource has.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Head {
    pub resource_type: Option<String>,
    pub id: Option<String>,
}

/// An entry of a Bundle.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Entry<'a> {
    pub full_url: Option<String>,
    #[serde(borrow)]
    pub resource: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Concept {
    pub coding: Vec<Coding>,
    pub text: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Coding {
    pub system: Option<String>,
    pub code: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Quantity {
    pub value: Option<f64>,
    pub comparator: Option<String>,
    pub unit: Option<String>,
    pub code: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Reference {
    pub reference: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Period {
    pub start: Option<String>,
    pub end: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Range {
    pub low: Option<Quantity>,
    pub high: Option<Quantity>,
}

#[derive(Deserialize)]
pub(super) struct Ratio {
    pub numerator: Option<Quantity>,
    pub denominator: Option<Quantity>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Attachment {
    pub content_type: Option<String>,
    pub data: Option<String>,
    pub url: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Patient {
    pub birth_date: Option<String>,
    pub gender: Option<String>,
    pub deceased_boolean: Option<bool>,
    pub deceased_date_time: Option<String>,
    #[serde(default)]
    pub extension: Vec<Extension>,
}

/// Only what US Core says about race and ethnicity is looked at.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Extension {
    pub url: Option<String>,
    pub value_coding: Option<Coding>,
    #[serde(default)]
    pub extension: Vec<Self>,
}

#[derive(Deserialize)]
pub(super) struct Encounter {
    pub status: Option<String>,
    pub class: Option<Coding>,
    #[serde(default, rename = "type")]
    pub kinds: Vec<Concept>,
    pub subject: Option<Reference>,
    pub period: Option<Period>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Condition {
    pub verification_status: Option<Concept>,
    #[serde(default)]
    pub code: Concept,
    pub subject: Option<Reference>,
    pub onset_date_time: Option<String>,
    pub onset_period: Option<Period>,
    pub abatement_date_time: Option<String>,
    pub abatement_period: Option<Period>,
    pub recorded_date: Option<String>,
}

/// An Observation, or a component of one.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Observation {
    pub status: Option<String>,
    #[serde(default)]
    pub code: Concept,
    pub subject: Option<Reference>,
    pub effective_date_time: Option<String>,
    pub effective_instant: Option<String>,
    pub effective_period: Option<Period>,
    pub effective_timing: Option<IgnoredAny>,
    pub issued: Option<String>,
    pub value_quantity: Option<Quantity>,
    pub value_codeable_concept: Option<Concept>,
    pub value_string: Option<String>,
    pub value_boolean: Option<bool>,
    pub value_integer: Option<i32>,
    pub value_range: Option<Range>,
    pub value_ratio: Option<Ratio>,
    pub value_sampled_data: Option<IgnoredAny>,
    pub value_time: Option<String>,
    pub value_date_time: Option<String>,
    pub value_period: Option<Period>,
    #[serde(default)]
    pub component: Vec<Self>,
}

/// MedicationRequest, MedicationAdministration, and MedicationStatement.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MedicationUse<'a> {
    pub status: Option<String>,
    pub do_not_perform: Option<bool>,
    pub medication_codeable_concept: Option<Concept>,
    pub medication_reference: Option<Reference>,
    pub subject: Option<Reference>,
    pub authored_on: Option<String>,
    pub effective_date_time: Option<String>,
    pub effective_period: Option<Period>,
    pub date_asserted: Option<String>,
    /// Of any kind, so not looked at before they are needed.
    #[serde(borrow, default)]
    pub contained: Vec<&'a RawValue>,
}

/// What an administration says that it gave.
#[derive(Deserialize)]
pub(super) struct Administration {
    pub dosage: Option<Dosage>,
}

#[derive(Deserialize)]
pub(super) struct Dosage {
    pub dose: Option<Quantity>,
}

#[derive(Deserialize)]
pub(super) struct Medication {
    pub id: Option<String>,
    pub code: Option<Concept>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Procedure {
    pub status: Option<String>,
    #[serde(default)]
    pub code: Concept,
    pub subject: Option<Reference>,
    pub performed_date_time: Option<String>,
    pub performed_period: Option<Period>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Immunization {
    pub status: Option<String>,
    #[serde(default)]
    pub vaccine_code: Concept,
    pub patient: Option<Reference>,
    pub occurrence_date_time: Option<String>,
    pub recorded: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AllergyIntolerance {
    pub verification_status: Option<Concept>,
    #[serde(default)]
    pub code: Concept,
    pub patient: Option<Reference>,
    pub onset_date_time: Option<String>,
    pub recorded_date: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DiagnosticReport {
    pub status: Option<String>,
    #[serde(default)]
    pub code: Concept,
    pub subject: Option<Reference>,
    pub effective_date_time: Option<String>,
    pub effective_period: Option<Period>,
    pub issued: Option<String>,
    pub conclusion: Option<String>,
    #[serde(default)]
    pub presented_form: Vec<Attachment>,
}

#[derive(Deserialize)]
pub(super) struct DocumentReference {
    pub status: Option<String>,
    #[serde(default, rename = "type")]
    pub kind: Concept,
    pub subject: Option<Reference>,
    pub date: Option<String>,
    pub context: Option<DocumentContext>,
    #[serde(default)]
    pub content: Vec<DocumentContent>,
}

#[derive(Deserialize)]
pub(super) struct DocumentContext {
    pub period: Option<Period>,
}

#[derive(Deserialize)]
pub(super) struct DocumentContent {
    pub attachment: Attachment,
}
