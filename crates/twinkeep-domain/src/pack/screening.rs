//! What a pack asks of the rows of a source, beyond one range a variable.

use super::{Pack, PackError, Range, Variable, VariableKind};

/// The rules of a pack that are not about one variable alone.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Screening {
    /// What becomes of codes that the pack does not list.
    pub codes: CodeList,
    /// Where it says how old a subject is, and of which sex.
    pub subject: SubjectCodes,
    /// What must hold between variables.
    pub rules: Vec<Rule>,
}

/// Whether the codes of a pack are all there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CodeList {
    /// What becomes of other codes.
    pub other: OtherCodes,
    /// Other codes that begin with one of these are kept in any case.
    pub accept: Vec<String>,
}

impl CodeList {
    /// Returns whether an event of a code is kept that the pack does not list.
    pub fn keeps(&self, code: &str) -> bool {
        self.other == OtherCodes::Keep
            || self.accept.iter().any(|prefix| code.starts_with(prefix.as_str()))
    }
}

/// What becomes of codes that a pack does not list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OtherCodes {
    /// Their rows are refused.
    #[default]
    Refuse,
    /// Their events are kept as they are.
    Keep,
}

/// Where it says how old a subject is, and of which sex.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SubjectCodes {
    /// The static variable with the age, in years.
    pub age: Option<String>,
    /// The code of the event whose time is the birth.
    pub birth: Option<String>,
    /// The variable with the sex.
    pub sex: Option<String>,
    /// Its value for women.
    pub female: f32,
    /// Its value for men.
    pub male: f32,
}

/// A sex, as far as plausible values depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sex {
    /// Of women and girls.
    Female,
    /// Of men and boys.
    Male,
}

/// What must hold between variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// At the same moment, each is less than the next.
    Less(Vec<String>),
}

/// What a pack asks of the values of one variable, beyond its range.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VariableRules {
    /// Narrower ranges for some subjects; the first that fits holds.
    pub ranges: Vec<GroupRange>,
    /// The largest plausible change within any hour, in the keep's unit.
    pub change_max_per_hour: Option<f32>,
    /// The only values there are; empty if all of the range are.
    pub values: Vec<f32>,
    /// Which number a text stands for, by the text in lower case.
    pub texts: Vec<(String, f32)>,
    /// Grams in a mole, for conversion between mass and amount of substance.
    pub molar_mass: Option<f32>,
    /// Charges of an ion, for conversion between equivalents and amount of substance.
    pub valence: Option<u8>,
    /// How many of a feed's subjects must have the variable, in percent.
    pub required_percent: Option<f32>,
    /// In what steps people write it down, in the keep's unit: nothing finer means anything to them.
    pub resolution: Option<f32>,
}

/// A range that holds for some subjects.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupRange {
    /// For whom, by sex.
    pub sex: Option<Sex>,
    /// From which age on, in completed years.
    pub age_min: Option<f32>,
    /// Up to which age, in completed years.
    pub age_max: Option<f32>,
    /// What is plausible for them.
    pub range: Range,
}

impl GroupRange {
    /// Returns whether it holds for a subject; of whom something is not known that it asks for, it
    /// does not.
    pub fn fits(&self, age_years: Option<f32>, sex: Option<Sex>) -> bool {
        let age = age_years.map(f32::floor);
        (self.sex.is_none() || self.sex == sex)
            && self.age_min.is_none_or(|min| age.is_some_and(|age| min <= age))
            && self.age_max.is_none_or(|max| age.is_some_and(|age| age <= max))
    }
}

impl Screening {
    /// Looks for codes that the pack does not have.
    pub(super) fn check(&self, pack: &Pack) -> Result<(), PackError> {
        let variable = |code: &String| {
            let found = pack.variables().iter().find(|variable| variable.code.as_str() == code);
            found.ok_or_else(|| PackError::UnknownCode(code.clone()))
        };
        if let Some(code) = &self.subject.age
            && variable(code)?.kind != VariableKind::Static
        {
            return Err(PackError::Rule(code.clone(), "an age must be static"));
        }
        if let Some(code) = &self.subject.sex {
            variable(code)?;
            if self.subject.female == self.subject.male {
                return Err(PackError::Rule(code.clone(), "`female` and `male` are the same"));
            }
        }
        for Rule::Less(codes) in &self.rules {
            if codes.len() < 2 {
                let code = codes.first().cloned().unwrap_or_default();
                return Err(PackError::Rule(code, "`less` needs two variables or more"));
            }
            for code in codes {
                variable(code)?;
            }
        }
        Ok(())
    }
}

impl VariableRules {
    /// Returns the number that a text stands for.
    pub fn number_of(&self, text: &str) -> Option<f32> {
        let text = text.trim();
        let same = |known: &str| known.chars().eq(text.chars().flat_map(char::to_lowercase));
        self.texts.iter().find(|(known, _)| same(known)).map(|&(_, number)| number)
    }

    /// Looks for rules that can never hold.
    pub(super) fn check(&self, variable: &Variable) -> Result<(), PackError> {
        let wrong = |reason| Err(PackError::Rule(variable.code.to_string(), reason));
        let inside = |value: f32| variable.range.contains(value);
        if !self.values.iter().copied().all(inside) {
            return wrong("one of `values` is outside `range`");
        }
        if !self.texts.iter().all(|&(_, value)| inside(value)) {
            return wrong("one of `texts` stands for a value outside `range`");
        }
        for group in &self.ranges {
            let Range { low, high } = group.range;
            if !(inside(low) && inside(high) && low < high) {
                return wrong("one of `ranges` is empty or not within `range`");
            }
            let ages = group.age_min.zip(group.age_max);
            if ages.is_some_and(|(min, max)| max < min) {
                return wrong("`age_max` is below `age_min`");
            }
        }
        let positive = |value: f32| 0.0 < value && value.is_finite();
        if !self.change_max_per_hour.is_none_or(positive) {
            return wrong("`change_max_per_hour` must be above 0");
        }
        if self.change_max_per_hour.is_some() && variable.kind == VariableKind::Static {
            return wrong("a static variable does not change");
        }
        if !self.molar_mass.is_none_or(positive) || self.valence == Some(0) {
            return wrong("`molar_mass` and `valence` must be above 0");
        }
        if !self.required_percent.is_none_or(|percent| positive(percent) && percent <= 100.0) {
            return wrong("`required_percent` must be above 0 and at most 100");
        }
        if !self.resolution.is_none_or(positive) {
            return wrong("`resolution` must be above 0");
        }
        Ok(())
    }
}
