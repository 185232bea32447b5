//! The names that a pack knows, and what a value under each of them means.

use std::collections::BTreeMap;
use std::sync::Arc;

use twinkeep_domain::{Pack, Variable, VariableKind};

use crate::Reason;
use crate::units::{Conversion, conversion};

/// Looks up names and units, without allocating for those that were there before.
pub(crate) struct Lexicon {
    pack: Pack,
    words: Arc<Words>,
    meanings: BTreeMap<Box<[u8]>, Meaning>,
    /// Names of MEDS without their unit, such as `LAB//220045//`, and the variable they are for.
    stems: BTreeMap<Box<[u8]>, u32>,
    /// How values in a unit become those of each variable, and which unit it is; `None` if they
    /// cannot.
    units: Vec<Units>,
}

/// What the numbers of names and units stand for.
#[derive(Clone, Default)]
pub(crate) struct Words {
    names: Vec<Box<str>>,
    units: Vec<Box<str>>,
}

impl Words {
    /// Returns a name by its number.
    pub(crate) fn name(&self, number: u32) -> Option<&str> {
        self.names.get(number as usize).map(|name| &**name)
    }

    /// Returns a unit by its number.
    pub(crate) fn unit(&self, number: u32) -> Option<&str> {
        self.units.get(number as usize).map(|unit| &**unit)
    }
}

/// Units that were met for one variable.
type Units = BTreeMap<Box<str>, Option<(Conversion, u32)>>;

/// What a value under one name means.
#[derive(Clone, Copy)]
pub(crate) struct Meaning {
    /// Index of the variable in the pack, and of its code in the events.
    pub code: u32,
    /// Which name it is, for [`Words::name`].
    pub name: u32,
    /// Which unit the row is in, for [`Words::unit`], if it is not the one of the name.
    pub unit: u32,
    /// How the value becomes one of the keep.
    pub conversion: Conversion,
    /// The value that the name itself stands for.
    pub value: Option<f32>,
}

/// What a name is.
pub(crate) enum Found {
    /// One of a variable.
    Known(Meaning),
    /// None of the pack, which keeps such codes.
    Other,
}

/// What became of a value.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Judged {
    /// This is it, in the keep's unit.
    Value(f32),
    /// It says "not recorded".
    Missing,
}

impl Lexicon {
    pub(crate) fn new(pack: &Pack) -> Self {
        let mut lexicon = Self {
            pack: pack.clone(),
            words: Arc::default(),
            meanings: BTreeMap::new(),
            stems: BTreeMap::new(),
            units: pack.variables().iter().map(|_| BTreeMap::new()).collect(),
        };
        for (code, variable) in (0..).zip(pack.variables()) {
            for name in variable.names() {
                lexicon.add(code, variable, &name);
            }
        }
        lexicon
    }

    fn add(&mut self, code: u32, variable: &Variable, name: &str) {
        let alias = variable.aliases.iter().find(|alias| alias.name == name);
        let conversion = alias.map_or(Conversion::NONE, |alias| Conversion {
            factor: alias.factor.into(),
            offset: alias.offset.into(),
        });
        let value = alias.and_then(|alias| alias.value);
        let number = self.words.names.len() as u32;
        Arc::make_mut(&mut self.words).names.push(name.into());
        let meaning = Meaning { code, name: number, unit: u32::MAX, conversion, value };
        self.meanings.insert(name.as_bytes().into(), meaning);
        if let Some((stem, _)) = split_unit(name.as_bytes()) {
            self.stems.insert(stem.into(), code);
        }
    }

    /// Returns what the numbers that were given out so far stand for.
    pub(crate) fn words(&self) -> Arc<Words> {
        Arc::clone(&self.words)
    }

    /// Returns a variable by its code.
    pub(crate) fn variable(&self, code: u32) -> Option<&Variable> {
        self.pack.variables().get(code as usize)
    }

    /// Returns what `name` means for values in `unit`, or why it means nothing here. Without a
    /// unit, values are in the one that the name implies.
    pub(crate) fn find(&mut self, name: &[u8], unit: Option<&str>) -> Result<Found, Reason> {
        if let Some(&meaning) = self.meanings.get(name) {
            return match unit {
                Some(unit) if split_unit(name).is_none_or(|(_, own)| own != unit.as_bytes()) => {
                    let (conversion, unit) = self.conversion(meaning.code, unit)?;
                    Ok(Found::Known(Meaning { conversion, unit, ..meaning }))
                }
                _ => Ok(Found::Known(meaning)),
            };
        }
        let by_stem = split_unit(name).and_then(|(stem, unit)| Some((self.stems.get(stem)?, unit)));
        let reason = match by_stem.map(|(code, own)| (*code, std::str::from_utf8(own))) {
            Some((code, Ok(own))) => match self.conversion(code, own) {
                Ok((conversion, unit)) => {
                    let name = self.canonical(code);
                    let meaning = Meaning { code, name, unit, conversion, value: None };
                    return Ok(Found::Known(meaning));
                }
                Err(reason) => reason,
            },
            Some((_, Err(_))) => Reason::UnknownUnit,
            None => Reason::UnknownCode,
        };
        let codes = &self.pack.screening().codes;
        let kept = std::str::from_utf8(name).is_ok_and(|name| codes.keeps(name));
        if kept { Ok(Found::Other) } else { Err(reason) }
    }

    /// Compares a value with what the pack calls plausible; `given` is in the unit of the source.
    pub(crate) fn judge(
        &self,
        meaning: &Meaning,
        given: f32,
        plausible: bool,
    ) -> Result<Judged, Reason> {
        if !given.is_finite() {
            return Err(Reason::NotANumber);
        }
        let Some(variable) = self.variable(meaning.code) else { return Err(Reason::UnknownCode) };
        if variable.missing.contains(&given) {
            return Ok(Judged::Missing);
        }
        check_value(variable, meaning.conversion.apply(given), plausible)
    }

    /// Finds the value of a row that has no number: a text that stands for one, or a name that
    /// does. `None` if there is neither.
    pub(crate) fn judge_text(
        &self,
        meaning: &Meaning,
        text: Option<&str>,
        plausible: bool,
    ) -> Option<Result<Judged, Reason>> {
        let variable = self.variable(meaning.code)?;
        let rules = &variable.rules;
        let stands_for = match text {
            Some(text) if !rules.texts.is_empty() => {
                let number = rules.number_of(text);
                if number.is_none() {
                    return Some(Err(Reason::UnknownValue));
                }
                number
            }
            Some(_) => None,
            None => meaning.value,
        };
        stands_for.map(|value| check_value(variable, value, plausible))
    }

    /// Returns whether a code is of a static variable.
    pub(crate) fn is_static(&self, code: u32) -> bool {
        self.variable(code).is_some_and(|variable| variable.kind == VariableKind::Static)
    }

    fn conversion(&mut self, code: u32, unit: &str) -> Result<(Conversion, u32), Reason> {
        let known = &mut self.units[code as usize];
        if let Some(found) = known.get(unit) {
            return found.ok_or(Reason::UnknownUnit);
        }
        // Whatever a source makes up, no more is remembered.
        if UNIT_COUNT_MAX <= known.len() {
            return Err(Reason::UnknownUnit);
        }
        let number = self.words.units.len() as u32;
        let found = conversion(unit, &self.pack.variables()[code as usize]);
        let found = found.map(|conversion| (conversion, number));
        Arc::make_mut(&mut self.words).units.push(unit.into());
        known.insert(unit.into(), found);
        found.ok_or(Reason::UnknownUnit)
    }

    /// Returns the number of the name that is the code itself.
    fn canonical(&self, code: u32) -> u32 {
        let name = self.variable(code).map(|variable| variable.code.as_str().as_bytes());
        name.and_then(|name| self.meanings.get(name)).map_or(u32::MAX, |meaning| meaning.name)
    }
}

/// Compares a value of the keep with the pack.
fn check_value(variable: &Variable, value: f32, plausible: bool) -> Result<Judged, Reason> {
    if !value.is_finite() {
        return Err(Reason::NotANumber);
    }
    if plausible && !variable.range.contains(value) {
        return Err(Reason::ImplausibleValue);
    }
    let values = &variable.rules.values;
    if plausible && !values.is_empty() && !values.contains(&value) {
        return Err(Reason::UnknownValue);
    }
    Ok(Judged::Value(value))
}

/// Splits a MEDS name of three parts after the second separator: what is behind it is the unit.
fn split_unit(name: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut separators = (0..name.len().saturating_sub(1)).filter(|&at| &name[at..at + 2] == b"//");
    let at = separators.nth(1)? + 2;
    Some(name.split_at(at))
}

/// Units of one variable in one source.
const UNIT_COUNT_MAX: usize = 1000;

#[cfg(test)]
mod tests {
    use super::{Found, Judged, Lexicon};
    use crate::Reason;
    use crate::pack_file::shipped_pack;

    fn judge_in(name: &str, unit: Option<&str>, value: f32) -> Result<Option<f32>, Reason> {
        let mut lexicon = Lexicon::new(&shipped_pack("icu").unwrap());
        let Found::Known(meaning) = lexicon.find(name.as_bytes(), unit)? else {
            panic!("the pack is closed");
        };
        match lexicon.judge(&meaning, value, true)? {
            Judged::Value(value) => Ok(Some(value)),
            Judged::Missing => Ok(None),
        }
    }

    fn judge(name: &str, value: f32) -> Result<Option<f32>, Reason> {
        judge_in(name, None, value)
    }

    #[test]
    fn values_are_converted_to_the_unit_of_the_keep() {
        let celsius = judge("LAB//223761//°F", 98.6).unwrap().unwrap();
        assert!((celsius - 37.0).abs() < 1e-4);
        assert_eq!(judge("LAB//223835//UNK", 100.0), Ok(Some(1.0)));
        assert_eq!(judge("LAB//223835//UNK", 21.0), Ok(Some(0.21)));
        // The unit of a MEDS name is read even if the pack lists the name with another one.
        assert_eq!(judge("LAB//220045//Hz", 1.5), Ok(Some(90.0)));
        assert_eq!(judge("LAB//223761//Cel", 37.0), Ok(Some(37.0)));
    }

    #[test]
    fn the_unit_of_a_row_comes_before_that_of_its_name() {
        assert_eq!(judge_in("HR", Some("/min"), 80.0), Ok(Some(80.0)));
        assert_eq!(judge_in("HR", Some("Hz"), 1.5), Ok(Some(90.0)));
        assert_eq!(judge_in("LOINC//8867-4", Some("{beats}/min"), 80.0), Ok(Some(80.0)));
        assert_eq!(judge_in("LAB//223835//UNK", Some("UNK"), 21.0), Ok(Some(0.21)));
        assert_eq!(judge_in("LAB//223835//UNK", Some("%"), 21.0), Ok(Some(0.21)));
        assert_eq!(judge_in("HR", Some("mm[Hg]"), 80.0), Err(Reason::UnknownUnit));
    }

    #[test]
    fn each_kind_of_wrong_value_has_its_reason() {
        assert_eq!(judge("HR", -1.0), Ok(None));
        assert_eq!(judge("HR", 300.0), Ok(Some(300.0)));
        assert_eq!(judge("HR", 300.1), Err(Reason::ImplausibleValue));
        assert_eq!(judge("SysABP", 49.0), Err(Reason::ImplausibleValue));
        assert_eq!(judge("HR", f32::NAN), Err(Reason::NotANumber));
        assert_eq!(judge("HR", f32::INFINITY), Err(Reason::NotANumber));
        assert_eq!(judge("hr", 80.0), Err(Reason::UnknownCode));
        assert_eq!(judge("LAB//220045//mmHg", 80.0), Err(Reason::UnknownUnit));
        assert_eq!(judge("LAB//220045", 80.0), Err(Reason::UnknownCode));
        assert_eq!(judge("LAB//50820//units//x", 7.4), Err(Reason::UnknownUnit));
        assert_eq!(judge("Gender", 0.5), Err(Reason::UnknownValue));
    }
}
