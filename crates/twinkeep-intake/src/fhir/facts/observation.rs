//! Observation: one row for its value, and one for each component.

use twinkeep_domain::Timestamp;

use super::super::known::{Known, Trouble};
use super::super::terms::code_of;
use super::super::wire::{Observation, Quantity, Range, Ratio};
use super::{
    Content, Fact, FactValue, Row, check_status, coded, first_time, parse, refusal, start,
};
use crate::Reason;

pub(super) fn read(json: &[u8], known: &Known) -> Result<Content, Trouble> {
    let observation: Observation = parse(json)?;
    check_status(observation.status.as_deref(), "status")?;
    let patient = known.patient(observation.subject.as_ref(), "subject")?;
    if observation.effective_timing.is_some() {
        return Err(refusal(Reason::BadTime, "effective").into());
    }
    let time = first_time(&[
        (observation.effective_date_time.as_ref(), "effective"),
        (observation.effective_instant.as_ref(), "effective"),
        (start(observation.effective_period.as_ref()), "effective"),
        (observation.issued.as_ref(), "issued"),
    ])?;
    let mut rows = Vec::new();
    let mut components = observation.component;
    // A panel whose values are all in its components has none of its own.
    let whole = Observation { component: Vec::new(), ..observation };
    if components.is_empty() || has_value(&whole) {
        rows.push(row(whole, time));
    }
    rows.extend(components.drain(..).map(|component| row(component, time)));
    Ok(Content { patient, facts: rows })
}

fn has_value(one: &Observation) -> bool {
    one.value_quantity.is_some()
        || one.value_codeable_concept.is_some()
        || one.value_string.is_some()
        || one.value_boolean.is_some()
        || one.value_integer.is_some()
        || one.value_range.is_some()
        || one.value_ratio.is_some()
        || one.value_sampled_data.is_some()
        || one.value_time.is_some()
        || one.value_date_time.is_some()
        || one.value_period.is_some()
}

/// Makes the row of one value. Without any, it was looked for and is not there.
fn row(one: Observation, time: Timestamp) -> Row {
    let code = coded(&one.code, "code")?;
    let fact = |value, text, unit| Fact { code, time: Some(time), value, text, unit };
    let number = |number| FactValue::Number(number);
    if let Some(quantity) = one.value_quantity {
        let value = quantity.value.map_or(FactValue::Missing, number);
        // `< 0.01` is not 0.01: the comparator stays beside the number.
        let text = quantity.comparator.clone();
        return Ok(fact(value, text, unit_of(quantity)));
    }
    if let Some(boolean) = one.value_boolean {
        return Ok(fact(number(f64::from(u8::from(boolean))), None, None));
    }
    if let Some(integer) = one.value_integer {
        return Ok(fact(number(f64::from(integer)), None, None));
    }
    if one.value_sampled_data.is_some() {
        return Err(refusal(Reason::UnsupportedContent, "valueSampledData"));
    }
    let text = if let Some(concept) = one.value_codeable_concept {
        code_of(&concept).ok().or(concept.text)
    } else if let Some(range) = one.value_range {
        range_text(range)
    } else if let Some(ratio) = one.value_ratio {
        ratio_text(ratio)
    } else if let Some(period) = one.value_period {
        let [start, end] = [period.start, period.end].map(Option::unwrap_or_default);
        Some(format!("{start}/{end}"))
    } else {
        one.value_string.or(one.value_time).or(one.value_date_time)
    };
    let text = text.filter(|text| !text.trim().is_empty());
    let value = if text.is_some() { FactValue::Happened } else { FactValue::Missing };
    Ok(fact(value, text, None))
}

/// The code of a unit is UCUM by the standard's rules for vital signs; its name is what was shown.
pub(super) fn unit_of(quantity: Quantity) -> Option<String> {
    let stated = |text: &String| !text.trim().is_empty();
    quantity.code.filter(stated).or(quantity.unit).filter(stated)
}

fn range_text(range: Range) -> Option<String> {
    let [low, high] = [range.low, range.high].map(|end| end.and_then(quantity_text));
    (low.is_some() || high.is_some())
        .then(|| format!("{}..{}", low.unwrap_or_default(), high.unwrap_or_default()))
}

fn ratio_text(ratio: Ratio) -> Option<String> {
    let [above, below] =
        [ratio.numerator, ratio.denominator].map(|part| part.and_then(quantity_text));
    Some(format!("{}:{}", above?, below?))
}

fn quantity_text(quantity: Quantity) -> Option<String> {
    let value = quantity.value?;
    let comparator = quantity.comparator.clone().unwrap_or_default();
    Some(match unit_of(quantity) {
        Some(unit) => format!("{comparator}{value} {unit}"),
        None => format!("{comparator}{value}"),
    })
}
