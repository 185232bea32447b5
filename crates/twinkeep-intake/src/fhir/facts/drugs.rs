//! Drugs that were ordered, given, or stated to be taken. The three share the code of the drug;
//! the text says which of them it was.

use super::super::known::{Known, Trouble};
use super::super::wire::{Administration, Concept, Medication, MedicationUse};
use super::observation::unit_of;
use super::{
    Content, Fact, FactValue, check_status, coded, end, ended, first_time, happened, parse,
    refusal, start,
};
use crate::Reason;

/// Reads a request or a statement.
pub(super) fn read(json: &[u8], known: &Known, how: &str) -> Result<Content, Trouble> {
    let usage: MedicationUse<'_> = parse(json)?;
    check_status(usage.status.as_deref(), "status")?;
    if usage.do_not_perform == Some(true) {
        return Err(refusal(Reason::NotDone, "doNotPerform").into());
    }
    let patient = known.patient(usage.subject.as_ref(), "subject")?;
    let code = drug(&usage, known)?;
    let period = usage.effective_period.as_ref();
    let time = first_time(&[
        (usage.authored_on.as_ref(), "authoredOn"),
        (usage.effective_date_time.as_ref(), "effective"),
        (start(period), "effective"),
        (usage.date_asserted.as_ref(), "dateAsserted"),
    ])?;
    let end = ended(&code, time, end(period), "effective");
    let mut rows = vec![Ok(Fact { text: Some(how.to_owned()), ..happened(code, time) })];
    rows.extend(end);
    Ok(Content { patient, facts: rows })
}

/// Reads what was given, with its dose.
pub(super) fn administration(json: &[u8], known: &Known) -> Result<Content, Trouble> {
    let mut content = read(json, known, "given")?;
    let dose = parse::<Administration>(json)?.dosage.and_then(|dosage| dosage.dose);
    let first = content.facts.first_mut();
    if let (Some(Ok(fact)), Some(dose)) = (first, dose)
        && let Some(value) = dose.value
    {
        fact.value = FactValue::Number(value);
        fact.unit = unit_of(dose);
    }
    Ok(content)
}

/// Finds the drug: stated here, inside of this resource, or by another one.
fn drug(usage: &MedicationUse<'_>, known: &Known) -> Result<String, Trouble> {
    if let Some(concept) = &usage.medication_codeable_concept {
        return Ok(coded(concept, "medication")?);
    }
    let missing = refusal(Reason::UnknownCode, "medication");
    let reference = usage.medication_reference.as_ref().ok_or(missing)?;
    let Some(inside) = reference.reference.as_deref().and_then(|text| text.strip_prefix('#'))
    else {
        return known.drug(reference);
    };
    let parsed = usage.contained.iter().filter_map(|raw| serde_json::from_str(raw.get()).ok());
    let found = parsed.into_iter().find_map(|drug: Medication| {
        (drug.id.as_deref() == Some(inside)).then(|| drug.code.unwrap_or_default())
    });
    let concept: Concept = found.ok_or(refusal(Reason::UnresolvedReference, "medication"))?;
    Ok(coded(&concept, "medication")?)
}
