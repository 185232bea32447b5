//! Encounters, conditions, procedures, vaccines, and allergies.

use super::super::known::{Known, Trouble};
use super::super::terms::code_of;
use super::super::wire::{AllergyIntolerance, Condition, Encounter, Immunization, Procedure};
use super::{
    Content, Fact, check_concept, check_status, coded, end, ended, first_time, happened, parse,
    refusal, start,
};
use crate::Reason;

/// `ENCOUNTER//AMB` when it begins, `ENCOUNTER//AMB//END` when it ends: admission and discharge.
pub(super) fn encounter(json: &[u8], known: &Known) -> Result<Content, Trouble> {
    let encounter: Encounter = parse(json)?;
    check_status(encounter.status.as_deref(), "status")?;
    let patient = known.patient(encounter.subject.as_ref(), "subject")?;
    let class = encounter.class.and_then(|class| class.code);
    let class = class.ok_or(refusal(Reason::UnknownCode, "class"))?;
    let code = format!("ENCOUNTER//{class}");
    let period = encounter.period.as_ref();
    let time = first_time(&[(start(period), "period.start")])?;
    let text = encounter.kinds.iter().find_map(|kind| code_of(kind).ok());
    let end = ended(&code, time, end(period), "period.end");
    let mut rows = vec![Ok(Fact { text, ..happened(code, time) })];
    rows.extend(end);
    Ok(Content { patient, facts: rows })
}

pub(super) fn condition(json: &[u8], known: &Known) -> Result<Content, Trouble> {
    let condition: Condition = parse(json)?;
    check_concept(condition.verification_status.as_ref(), "verificationStatus")?;
    let patient = known.patient(condition.subject.as_ref(), "subject")?;
    let code = coded(&condition.code, "code")?;
    let time = first_time(&[
        (condition.onset_date_time.as_ref(), "onset"),
        (start(condition.onset_period.as_ref()), "onset"),
        (condition.recorded_date.as_ref(), "recordedDate"),
    ])?;
    let over = condition.abatement_date_time.as_ref();
    let over = over.or_else(|| start(condition.abatement_period.as_ref()));
    let end = ended(&code, time, over, "abatement");
    let mut rows = vec![Ok(happened(code, time))];
    rows.extend(end);
    Ok(Content { patient, facts: rows })
}

pub(super) fn procedure(json: &[u8], known: &Known) -> Result<Content, Trouble> {
    let procedure: Procedure = parse(json)?;
    check_status(procedure.status.as_deref(), "status")?;
    let patient = known.patient(procedure.subject.as_ref(), "subject")?;
    let code = coded(&procedure.code, "code")?;
    let time = first_time(&[
        (procedure.performed_date_time.as_ref(), "performed"),
        (start(procedure.performed_period.as_ref()), "performed"),
    ])?;
    Ok(Content { patient, facts: vec![Ok(happened(code, time))] })
}

pub(super) fn immunization(json: &[u8], known: &Known) -> Result<Content, Trouble> {
    let immunization: Immunization = parse(json)?;
    check_status(immunization.status.as_deref(), "status")?;
    let patient = known.patient(immunization.patient.as_ref(), "patient")?;
    let code = coded(&immunization.vaccine_code, "vaccineCode")?;
    let time = first_time(&[
        (immunization.occurrence_date_time.as_ref(), "occurrence"),
        (immunization.recorded.as_ref(), "recorded"),
    ])?;
    Ok(Content { patient, facts: vec![Ok(happened(code, time))] })
}

/// An allergy to a drug must not look like the drug: its code begins with `ALLERGY//`.
pub(super) fn allergy(json: &[u8], known: &Known) -> Result<Content, Trouble> {
    let allergy: AllergyIntolerance = parse(json)?;
    check_concept(allergy.verification_status.as_ref(), "verificationStatus")?;
    let patient = known.patient(allergy.patient.as_ref(), "patient")?;
    let code = format!("ALLERGY//{}", coded(&allergy.code, "code")?);
    let time = first_time(&[
        (allergy.onset_date_time.as_ref(), "onset"),
        (allergy.recorded_date.as_ref(), "recordedDate"),
    ])?;
    Ok(Content { patient, facts: vec![Ok(happened(code, time))] })
}
