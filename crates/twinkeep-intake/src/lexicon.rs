//! The names that a pack knows, and what a value under each of them means.

use std::collections::{BTreeMap, BTreeSet};

use twinkeep_domain::{Pack, Range, VariableKind};

use crate::Reason;

/// Looks up names and judges values, without allocating.
pub(crate) struct Lexicon {
    names: Vec<Box<str>>,
    meanings: BTreeMap<Box<[u8]>, Meaning>,
    /// Names of MEDS without their unit, such as `LAB//220045//`.
    stems: BTreeSet<Box<[u8]>>,
}

/// What a value under one name means.
#[derive(Clone)]
pub(crate) struct Meaning {
    /// Index of the variable in the pack, and of its code in the events.
    pub code: u32,
    /// Which name it is, for [`Lexicon::name`].
    pub name: u32,
    /// Whether the variable holds at all times.
    pub is_static: bool,
    factor: f32,
    offset: f32,
    range: Range,
    missing: Vec<f32>,
}

/// What became of a value.
pub(crate) enum Judged {
    /// It is plausible; this is it, in the keep's unit.
    Value(f32),
    /// It says "not recorded".
    Missing,
}

impl Lexicon {
    pub(crate) fn new(pack: &Pack) -> Self {
        let mut names: Vec<Box<str>> = Vec::new();
        let mut meanings = BTreeMap::new();
        let mut stems = BTreeSet::new();
        for (code, variable) in (0..).zip(pack.variables()) {
            let mut add = |name: &str, factor, offset| {
                let meaning = Meaning {
                    code,
                    name: names.len() as u32,
                    is_static: variable.kind == VariableKind::Static,
                    factor,
                    offset,
                    range: variable.range,
                    missing: variable.missing.clone(),
                };
                names.push(name.into());
                meanings.insert(name.as_bytes().into(), meaning);
                if let Some(stem) = stem(name.as_bytes()) {
                    stems.insert(stem.into());
                }
            };
            add(variable.code.as_str(), 1.0, 0.0);
            for alias in &variable.aliases {
                add(&alias.name, alias.factor, alias.offset);
            }
        }
        Self { names, meanings, stems }
    }

    /// Returns a name by its number.
    pub(crate) fn name(&self, number: u32) -> &str {
        self.names.get(number as usize).map_or("", |name| name)
    }

    /// Returns what `name` means, or why it means nothing here.
    pub(crate) fn find(&self, name: &[u8]) -> Result<&Meaning, Reason> {
        if let Some(meaning) = self.meanings.get(name) {
            return Ok(meaning);
        }
        match stem(name) {
            Some(stem) if self.stems.contains(stem) => Err(Reason::UnknownUnit),
            _ => Err(Reason::UnknownCode),
        }
    }
}

impl Meaning {
    /// Converts a value to the keep's unit and compares it with the range.
    pub(crate) fn judge(&self, value: f32) -> Result<Judged, Reason> {
        if !value.is_finite() {
            return Err(Reason::NotANumber);
        }
        if self.missing.contains(&value) {
            return Ok(Judged::Missing);
        }
        let converted = value * self.factor + self.offset;
        if self.range.contains(converted) {
            Ok(Judged::Value(converted))
        } else {
            Err(Reason::ImplausibleValue)
        }
    }
}

/// A MEDS name of three parts, up to and with the separator before its unit.
fn stem(name: &[u8]) -> Option<&[u8]> {
    let separators: Vec<usize> = (0..name.len().saturating_sub(1))
        .filter(|&at| &name[at..at + 2] == b"//")
        .take(3)
        .collect();
    (2 <= separators.len()).then(|| &name[..separators[1] + 2])
}

#[cfg(test)]
mod tests {
    use super::{Judged, Lexicon};
    use crate::Reason;
    use crate::pack_file::shipped_pack;

    fn judge(name: &str, value: f32) -> Result<Option<f32>, Reason> {
        let lexicon = Lexicon::new(&shipped_pack("icu").unwrap());
        match lexicon.find(name.as_bytes())?.judge(value)? {
            Judged::Value(value) => Ok(Some(value)),
            Judged::Missing => Ok(None),
        }
    }

    #[test]
    fn values_are_converted_to_the_unit_of_the_keep() {
        let celsius = judge("LAB//223761//°F", 98.6).unwrap().unwrap();
        assert!((celsius - 37.0).abs() < 1e-4);
        assert_eq!(judge("LAB//223835//UNK", 100.0), Ok(Some(1.0)));
        assert_eq!(judge("LAB//223835//UNK", 21.0), Ok(Some(0.21)));
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
        assert_eq!(judge("LAB//220045//Hz", 1.3), Err(Reason::UnknownUnit));
        assert_eq!(judge("LAB//220045", 80.0), Err(Reason::UnknownCode));
        assert_eq!(judge("LAB//50820//units//x", 7.4), Err(Reason::UnknownUnit));
    }
}
