//! A pack: everything Twinkeep knows about one domain, as data.
//!
//! Intensive care, memory clinics, and retail differ only here: which codes exist, in which
//! units, what is plausible, what is forecast, how far ahead, and what people call a subject.
//! The file format is in `docs/formats/pack.md`; this is what is left after checking it.

use std::collections::BTreeMap;

use crate::{Code, SplitPlan, limits};

mod notes;
mod privacy;
mod screening;
mod subgroup;
#[cfg(test)]
mod tests;
mod window;

pub use notes::NotePlan;
pub use privacy::{AttackKind, Noise, Privacy, PrivacyLimits};
pub use screening::{
    CodeList, GroupRange, OtherCodes, Rule, Screening, Sex, SubjectCodes, VariableRules,
};
pub use subgroup::{Subgroup, SubgroupBy};
pub use window::{CodePattern, Distinct, EventPlan, ObservedUntil, WindowKind, WindowTarget};

/// One domain.
#[derive(Clone, Debug, PartialEq)]
pub struct Pack {
    name: String,
    title: String,
    version: u32,
    words: Words,
    variables: Vec<Variable>,
    by_name: BTreeMap<String, usize>,
    forecast: ForecastPlan,
    screening: Screening,
    windows: Vec<WindowTarget>,
    subgroups: Vec<Subgroup>,
    interventions: Vec<usize>,
    notes: Option<NotePlan>,
    huber: BTreeMap<usize, f32>,
    privacy: Privacy,
}

/// What people in this domain call things.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    /// One subject: `patient`, `customer`.
    pub subject: String,
    /// Several of them.
    pub subjects: String,
}

/// One code of the domain.
#[derive(Clone, Debug, PartialEq)]
pub struct Variable {
    /// The code inside the keep.
    pub code: Code,
    /// What a person reads.
    pub title: String,
    /// The unit inside the keep, in UCUM.
    pub unit: String,
    /// The LOINC code, where there is one.
    pub loinc: Option<String>,
    /// Whether it changes over time.
    pub kind: VariableKind,
    /// Whether the twin forecasts it.
    pub target: bool,
    /// What is plausible, in the keep's unit.
    pub range: Range,
    /// Values that mean "not recorded".
    pub missing: Vec<f32>,
    /// Other names of this code in sources, with the factor and offset to the keep's unit.
    pub aliases: Vec<UnitConversion>,
    /// What is asked of a value beyond its range.
    pub rules: VariableRules,
}

/// A name that a source uses for a code, and how its values become the keep's.
#[derive(Clone, Debug, PartialEq)]
pub struct UnitConversion {
    /// The name in the source.
    pub name: String,
    /// Multiplied with the source's value, ...
    pub factor: f32,
    /// ... and then added.
    pub offset: f32,
    /// The value that this name stands for, in the keep's unit, where the source gives none:
    /// `GENDER//F` is 0.
    pub value: Option<f32>,
}

/// Whether a variable changes over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VariableKind {
    /// Holds at all times: age at admission, sex.
    Static,
    /// Has a value at each of many times.
    Series,
}

/// Inclusive bounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    /// Smallest plausible value.
    pub low: f32,
    /// Largest plausible value.
    pub high: f32,
}

impl Range {
    /// Returns whether `value` is plausible; NaN never is.
    pub fn contains(&self, value: f32) -> bool {
        self.low <= value && value <= self.high
    }
}

impl Variable {
    /// Returns all names of this variable: its code, its LOINC code as MEDS writes it, and its
    /// aliases.
    pub fn names(&self) -> Vec<String> {
        let mut names = vec![self.code.to_string()];
        names.extend(self.aliases.iter().map(|alias| alias.name.clone()));
        let loinc = self.loinc.as_ref().map(|loinc| format!("LOINC//{loinc}"));
        // An alias may say how the values under it are converted.
        names.extend(loinc.filter(|loinc| !names.contains(loinc)));
        names
    }
}

/// How the domain is forecast.
#[derive(Clone, Debug, PartialEq)]
pub struct ForecastPlan {
    /// Hours after the first event at which training stands when it looks ahead.
    pub cuts_hours: Vec<f32>,
    /// Training also looks ahead from each multiple of this after the first event, for as long as
    /// the subject is observed.
    pub cuts_every_hours: Option<f32>,
    /// Until when a subject is known to have been observed; matters for windows alone.
    pub observed_until: ObservedUntil,
    /// The cut at which models are measured; one of `cuts_hours`.
    pub evaluation_cut_hours: f32,
    /// How far ahead.
    pub horizon_hours: f32,
    /// Distance between the points of a forecast that is shown to a person.
    pub step_hours: f32,
    /// Time constants of the exponentially weighted means: fast, middle, slow.
    pub memory_hours: [f32; 3],
    /// Upper ends of the horizon buckets that are calibrated separately.
    pub buckets_hours: Vec<f32>,
    /// Fewest events in a history that supports a forecast.
    pub history_event_count_min: u32,
    /// Shares of the subjects in each split.
    pub splits: SplitPlan,
}

/// Why a pack was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PackError {
    /// No variables, or more variables or window targets than the limit.
    VariableCount,
    /// Two variables share a code or an alias.
    DuplicateName(String),
    /// A range is empty or not finite.
    Range(String),
    /// Nothing is forecast.
    NoTarget,
    /// The forecast plan contradicts itself.
    ForecastPlan(&'static str),
    /// A rule or a target speaks of a code that no event in the keep can have.
    UnknownCode(String),
    /// A window target asks for something that cannot be learned.
    Target(String, &'static str),
    /// A rule for screening makes no sense for its variable.
    Rule(String, &'static str),
    /// An error of a target cannot be weighed so.
    Loss(String, &'static str),
    /// Notes cannot be read so.
    Notes(&'static str),
    /// The subjects cannot be divided so.
    Subgroup(String, &'static str),
    /// What is asked about privacy makes no sense.
    Privacy(&'static str),
}

impl std::fmt::Display for PackError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::VariableCount => {
                let (variables, targets) =
                    (limits::PACK_VARIABLE_COUNT_MAX, limits::WINDOW_TARGET_COUNT_MAX);
                write!(f, "a pack has 1 to {variables} variables and up to {targets} `[[target]]`")
            }
            Self::DuplicateName(name) => write!(f, "the name `{name}` is used twice"),
            Self::Range(code) => write!(f, "the range of `{code}` is empty or not finite"),
            Self::NoTarget => write!(f, "no variable is a target, so nothing can be forecast"),
            Self::UnknownCode(code) => {
                write!(f, "`{code}` is spoken of, but it is no variable and no code that is kept")
            }
            Self::Target(code, reason) => write!(f, "the target `{code}` is wrong: {reason}"),
            Self::Rule(code, reason) => write!(f, "a rule of `{code}` is wrong: {reason}"),
            Self::Loss(code, reason) => write!(f, "the loss of `{code}` is wrong: {reason}"),
            Self::Notes(reason) => write!(f, "the notes cannot be read so: {reason}"),
            Self::Subgroup(title, reason) => write!(f, "the subgroup `{title}` is wrong: {reason}"),
            Self::Privacy(reason) => write!(f, "`[privacy]` is wrong: {reason}"),
            Self::ForecastPlan(reason) => write!(f, "the forecast plan is wrong: {reason}"),
        }
    }
}

impl std::error::Error for PackError {}

impl Pack {
    /// Checks the parts of a pack and puts them together.
    pub fn new(
        name: String,
        title: String,
        version: u32,
        words: Words,
        variables: Vec<Variable>,
        forecast: ForecastPlan,
    ) -> Result<Self, PackError> {
        if variables.is_empty() || limits::PACK_VARIABLE_COUNT_MAX < variables.len() {
            return Err(PackError::VariableCount);
        }
        let mut by_name = BTreeMap::new();
        for (index, variable) in variables.iter().enumerate() {
            let Range { low, high } = variable.range;
            if !(low.is_finite() && high.is_finite() && low < high) {
                return Err(PackError::Range(variable.code.to_string()));
            }
            variable.rules.check(variable)?;
            for name in variable.names() {
                if by_name.insert(name.clone(), index).is_some() {
                    return Err(PackError::DuplicateName(name));
                }
            }
        }
        if !variables.iter().any(|variable| variable.target) {
            return Err(PackError::NoTarget);
        }
        check_plan(&forecast)?;
        let (screening, windows, subgroups) = (Screening::default(), Vec::new(), Vec::new());
        let interventions = Vec::new();
        Ok(Self {
            name,
            title,
            version,
            words,
            variables,
            by_name,
            forecast,
            screening,
            windows,
            subgroups,
            interventions,
            notes: None,
            huber: BTreeMap::new(),
            privacy: Privacy::default(),
        })
    }

    /// Adds the rules by which sources are screened; without them, other codes are refused and no
    /// row is compared with another.
    pub fn with_screening(mut self, screening: Screening) -> Result<Self, PackError> {
        screening.check(&self)?;
        self.screening = screening;
        Ok(self)
    }

    /// Adds the targets that are about a window; the codes that are kept must be known by now.
    pub fn with_windows(mut self, windows: Vec<WindowTarget>) -> Result<Self, PackError> {
        if limits::WINDOW_TARGET_COUNT_MAX < windows.len() {
            return Err(PackError::VariableCount);
        }
        for (at, target) in windows.iter().enumerate() {
            let code = target.code.as_str();
            let twice = windows[..at].iter().any(|other| other.code == target.code);
            if twice || self.by_name.contains_key(code) {
                return Err(PackError::DuplicateName(code.to_owned()));
            }
            target.check(&self)?;
        }
        self.windows = windows;
        Ok(self)
    }

    /// Returns the targets that are about a window, in the order of the file.
    pub fn windows(&self) -> &[WindowTarget] {
        &self.windows
    }

    /// Adds by what the figures of a model are told apart; the rules for screening come before.
    pub fn with_subgroups(mut self, subgroups: Vec<Subgroup>) -> Result<Self, PackError> {
        subgroups.iter().try_for_each(|one| one.check(&self))?;
        self.subgroups = subgroups;
        Ok(self)
    }

    /// Adds which variables people decide about; all others are measured.
    pub fn with_interventions(mut self, variables: Vec<usize>) -> Self {
        self.interventions = variables;
        self
    }

    /// Returns whether people decide about a variable.
    pub fn is_intervention(&self, variable: usize) -> bool {
        self.interventions.contains(&variable)
    }

    /// Sets the variables whose mean is learned with Huber's loss, with the error beyond which it
    /// grows only linearly, in the variable's unit.
    pub fn with_huber(mut self, deltas: BTreeMap<usize, f32>) -> Result<Self, PackError> {
        for (&at, &delta) in &deltas {
            let Some(variable) = self.variables.get(at) else { continue };
            let wrong = |reason| Err(PackError::Loss(variable.code.to_string(), reason));
            if !variable.target {
                return wrong("it is no target, so nothing of it is learned");
            }
            if !(delta.is_finite() && 0.0 < delta) {
                return wrong("`delta` must be above 0");
            }
        }
        self.huber = deltas;
        Ok(self)
    }

    /// Returns beyond which error the loss of a variable's mean grows only linearly, if its pack
    /// asks for Huber's loss.
    pub fn huber_delta(&self, variable: usize) -> Option<f32> {
        self.huber.get(&variable).copied()
    }

    /// Adds the notes that models learn from; the codes that are kept must be known by now.
    pub fn with_notes(mut self, notes: Option<NotePlan>) -> Result<Self, PackError> {
        if let Some(plan) = &notes {
            plan.check(&self)?;
        }
        self.notes = notes;
        Ok(self)
    }

    /// Returns the notes that models learn from, if any.
    pub fn notes(&self) -> Option<&NotePlan> {
        self.notes.as_ref()
    }

    /// Returns by what the figures of a model are told apart.
    pub fn subgroups(&self) -> &[Subgroup] {
        &self.subgroups
    }

    /// Adds how training protects people, and what attacks may find.
    pub fn with_privacy(mut self, privacy: Privacy) -> Result<Self, PackError> {
        privacy.check(&self.forecast)?;
        self.privacy = privacy;
        Ok(self)
    }

    /// Returns how training protects people, and what attacks may find.
    pub fn privacy(&self) -> &Privacy {
        &self.privacy
    }

    /// Returns the rules by which sources are screened.
    pub fn screening(&self) -> &Screening {
        &self.screening
    }

    /// Returns the short name, such as `icu`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the title that people read.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Returns the version of the pack.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Returns what people in this domain call things.
    pub fn words(&self) -> &Words {
        &self.words
    }

    /// Returns all variables, in the order of the file.
    pub fn variables(&self) -> &[Variable] {
        &self.variables
    }

    /// Returns how the domain is forecast.
    pub fn forecast(&self) -> &ForecastPlan {
        &self.forecast
    }

    /// Returns the index of the variable with this code or alias.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// Returns the variables that are forecast, with their indices.
    pub fn targets(&self) -> impl Iterator<Item = (usize, &Variable)> {
        self.variables.iter().enumerate().filter(|(_, variable)| variable.target)
    }
}

fn check_plan(plan: &ForecastPlan) -> Result<(), PackError> {
    let refuse = |reason| Err(PackError::ForecastPlan(reason));
    let positive = |hours: f32| 0.0 < hours && hours <= limits::HORIZON_HOURS_MAX;
    let increasing = |hours: &[f32]| hours.windows(2).all(|pair| pair[0] < pair[1]);
    if plan.cuts_hours.is_empty() || !plan.cuts_hours.iter().all(|&hours| positive(hours)) {
        return refuse("`cuts_hours` needs at least one time, each above 0");
    }
    if !plan.cuts_every_hours.is_none_or(positive) {
        return refuse("`cuts_every` must be above 0");
    }
    if !plan.cuts_hours.contains(&plan.evaluation_cut_hours) {
        return refuse("`evaluation_cut_hours` is not among `cuts_hours`");
    }
    if !positive(plan.horizon_hours) || !positive(plan.step_hours) {
        return refuse("`horizon_hours` and `step_hours` must be above 0");
    }
    if plan.horizon_hours < plan.step_hours {
        return refuse("`step_hours` is longer than `horizon_hours`");
    }
    if !plan.memory_hours.iter().all(|&hours| positive(hours)) || !increasing(&plan.memory_hours) {
        return refuse("`memory_hours` must increase and be above 0");
    }
    if !increasing(&plan.buckets_hours) || plan.buckets_hours.last() != Some(&plan.horizon_hours) {
        return refuse("`buckets_hours` must increase and end at `horizon_hours`");
    }
    Ok(())
}
