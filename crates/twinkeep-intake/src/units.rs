//! Units of a source to the unit of the keep: by UCUM, and by the words that clinics use for it.
//!
//! Two things UCUM leaves open are the pack's to say: how many grams a mole of a substance has,
//! and how many charges an ion. Without them, mass does not become amount of substance, and
//! equivalents do not become moles.

use octofhir_ucum::{AdvancedConversionContext, convert, convert_with_context};
use twinkeep_domain::Variable;

#[cfg(test)]
mod tests;

/// How values become the keep's: multiplied with the factor, and then the offset is added.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Conversion {
    pub factor: f64,
    pub offset: f64,
}

impl Conversion {
    pub(crate) const NONE: Self = Self { factor: 1.0, offset: 0.0 };

    pub(crate) fn apply(self, value: f32) -> f32 {
        (f64::from(value) * self.factor + self.offset) as f32
    }
}

/// Returns how values in the unit `from` become those of the variable; `None` if they cannot.
pub(crate) fn conversion(from: &str, variable: &Variable) -> Option<Conversion> {
    let to = variable.unit.as_str();
    if UNIT_LEN_MAX < from.len() {
        return None;
    }
    let from = in_ucum(from, to);
    if from == to {
        return Some(Conversion::NONE);
    }
    let rules = &variable.rules;
    let charges = match (counts_charges(&from), counts_charges(to)) {
        (true, false) => Some(1.0 / f64::from(rules.valence?)),
        (false, true) => Some(f64::from(rules.valence?)),
        _ => None,
    };
    if let Some(direct) = linear(&from, to) {
        let charges = charges.unwrap_or(1.0);
        return Some(Conversion { factor: direct.factor * charges, offset: direct.offset });
    }
    let mass = f64::from(rules.molar_mass?);
    let by = |middle: &str, ratio: f64, end: &str| {
        let (first, second) = (linear(&from, middle)?, linear(end, to)?);
        let factor = first.factor * ratio * second.factor * charges.unwrap_or(1.0);
        Some(Conversion { factor, offset: 0.0 })
    };
    by("mol/L", mass, "g/L").or_else(|| by("g/L", 1.0 / mass, "mol/L"))
}

/// UCUM knows equivalents as if every ion had one charge.
fn counts_charges(unit: &str) -> bool {
    let end = unit.find(['/', '.']).unwrap_or(unit.len());
    unit[..end].ends_with("eq")
}

/// Converts by UCUM, where it is a factor and an offset.
fn linear(from: &str, to: &str) -> Option<Conversion> {
    let context = AdvancedConversionContext::default();
    convert_with_context(1.0, from, to, &context).ok()?.factor?;
    let offset = convert(0.0, from, to).ok()?;
    let factor = convert(1.0, from, to).ok()? - offset;
    (factor.is_finite() && factor != 0.0 && offset.is_finite())
        .then_some(Conversion { factor, offset })
}

/// Returns the unit as UCUM writes it. What is not among the words may be UCUM already.
fn in_ucum(unit: &str, to: &str) -> String {
    let plain: String =
        unit.trim().chars().map(|char| if is_micro(char) { 'u' } else { char }).collect();
    let word = plain.to_ascii_lowercase();
    // Enzymes are told in U by some and in IU by others, and mean the same.
    if matches!(word.as_str(), "iu/l" | "[iu]/l" | "u/l" | "units/l") && to == "U/L" {
        return to.to_owned();
    }
    let known = WORDS.iter().find(|(known, _)| *known == word);
    known.map_or(plain, |(_, ucum)| (*ucum).to_owned())
}

/// The Greek letter and the micro sign look the same.
fn is_micro(char: char) -> bool {
    matches!(char, 'µ' | 'μ')
}

/// What clinics write, in lower case, and what UCUM writes.
const WORDS: &[(&str, &str)] = &[
    ("bpm", "/min"),
    ("beats/min", "/min"),
    ("beats/minute", "/min"),
    ("breaths/min", "/min"),
    ("breaths/minute", "/min"),
    ("insp/min", "/min"),
    ("{beats}/min", "/min"),
    ("mmhg", "mm[Hg]"),
    ("mm hg", "mm[Hg]"),
    ("cmh2o", "cm[H2O]"),
    ("cm h2o", "cm[H2O]"),
    ("°c", "Cel"),
    ("deg c", "Cel"),
    ("degc", "Cel"),
    ("c", "Cel"),
    ("celsius", "Cel"),
    ("°f", "[degF]"),
    ("deg f", "[degF]"),
    ("degf", "[degF]"),
    ("f", "[degF]"),
    ("fahrenheit", "[degF]"),
    ("lb", "[lb_av]"),
    ("lbs", "[lb_av]"),
    ("kgs", "kg"),
    ("in", "[in_i]"),
    ("inch", "[in_i]"),
    ("inches", "[in_i]"),
    ("cc", "mL"),
    ("ml", "mL"),
    ("ml/hr", "mL/h"),
    ("l/min", "L/min"),
    ("percent", "%"),
    ("meq/l", "meq/L"),
    ("mmol/l", "mmol/L"),
    ("umol/l", "umol/L"),
    ("nmol/l", "nmol/L"),
    ("pmol/l", "pmol/L"),
    ("mg/dl", "mg/dL"),
    ("g/dl", "g/dL"),
    ("gm/dl", "g/dL"),
    ("g/l", "g/L"),
    ("ng/ml", "ng/mL"),
    ("ug/ml", "ug/mL"),
    ("pg/ml", "pg/mL"),
    ("ug/l", "ug/L"),
    ("mcg/l", "ug/L"),
    ("mcg/dl", "ug/dL"),
    ("mcg/ml", "ug/mL"),
    ("mcg", "ug"),
    ("iu/l", "[IU]/L"),
    ("u/l", "U/L"),
    ("units/l", "U/L"),
    ("k/ul", "10*3/uL"),
    ("10^3/ul", "10*3/uL"),
    ("10*3/ul", "10*3/uL"),
    ("10e3/ul", "10*3/uL"),
    ("x10e3/ul", "10*3/uL"),
    ("x10^3/ul", "10*3/uL"),
    ("thou/ul", "10*3/uL"),
    ("k/mm3", "10*3/uL"),
    ("10^9/l", "10*9/L"),
    ("x10^9/l", "10*9/L"),
    ("m/ul", "10*6/uL"),
    ("10^6/ul", "10*6/uL"),
    ("10^12/l", "10*12/L"),
    ("units", "[pH]"),
    ("ph", "[pH]"),
    ("years", "a"),
    ("year", "a"),
    ("yr", "a"),
    ("yrs", "a"),
    ("y", "a"),
    ("hours", "h"),
    ("hr", "h"),
    ("hrs", "h"),
    ("minutes", "min"),
    ("mins", "min"),
    ("sec", "s"),
    ("days", "d"),
    ("points", "{score}"),
];

/// Units are short; what is longer would only keep the parser busy.
const UNIT_LEN_MAX: usize = 64;
