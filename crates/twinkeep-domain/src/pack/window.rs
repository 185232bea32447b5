//! Targets of a pack that are about a stretch of time: a sum, a count, or an event within a window.
//!
//! A value target asks what a variable will be at a moment. A *window target* asks what will have
//! happened by the end of a window that begins now: how much was spent, how many visits there
//! were, whether somebody came back.

use std::fmt;

use super::{Pack, PackError, VariableKind};
use crate::{Code, limits};

/// A target that is about everything that happens within a window.
#[derive(Clone, Debug, PartialEq)]
pub struct WindowTarget {
    /// Its name in answers; no variable has it.
    pub code: Code,
    /// What a person reads.
    pub title: String,
    /// Which events it is about.
    pub codes: Vec<CodePattern>,
    /// How long the window is.
    pub window_hours: f32,
    /// What is asked about them.
    pub kind: WindowKind,
}

/// What is asked about the events of a window.
#[derive(Clone, Debug, PartialEq)]
pub enum WindowKind {
    /// Their values, added up.
    Sum,
    /// How many there are.
    Count(Distinct),
    /// Whether there is one.
    Event(EventPlan),
}

/// Which events are counted as one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Distinct {
    /// None: each counts.
    #[default]
    Event,
    /// Those of one moment: the lines of an invoice.
    Moment,
    /// Those of one day, in UTC.
    Day,
}

/// How the first event of a window is asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct EventPlan {
    /// Hours after now at which a probability is given: increasing, the last is the window.
    pub horizons_hours: Vec<f32>,
    /// What rules the event out once it happens; each is a cause of its own.
    pub competing: Vec<CodePattern>,
    /// Whether it happens once in a life: then nobody is asked who has it already.
    pub once: bool,
    /// Whether the answer is the probability that it does *not* happen.
    pub absent: bool,
}

/// A code, or the beginning of codes: `ENCOUNTER//IMP*`.
#[derive(Clone, PartialEq, Eq)]
pub struct CodePattern {
    text: String,
    prefix: bool,
}

/// Until when a subject is known to have been observed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ObservedUntil {
    /// Its own last event: what comes after a discharge is not known.
    #[default]
    LastEvent,
    /// The last event of anybody: a customer who does not come is known not to have come.
    EndOfData,
}

impl CodePattern {
    /// Takes a code, or the beginning of one with `*` at its end; `None` if it can match nothing.
    pub fn new(text: &str) -> Option<Self> {
        let (text, prefix) = match text.strip_suffix('*') {
            Some(beginning) => (beginning, true),
            None => (text, false),
        };
        Code::new(text)?;
        (!text.contains('*')).then(|| Self { text: text.to_owned(), prefix })
    }

    /// Returns whether a code is meant.
    pub fn matches(&self, code: &str) -> bool {
        if self.prefix { code.starts_with(&self.text) } else { code == self.text }
    }

    /// Returns the code without the `*`.
    pub fn beginning(&self) -> &str {
        &self.text
    }

    /// Returns whether codes are meant that begin so.
    pub fn is_prefix(&self) -> bool {
        self.prefix
    }
}

impl fmt::Display for CodePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.text, if self.prefix { "*" } else { "" })
    }
}

impl fmt::Debug for CodePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CodePattern({self})")
    }
}

impl WindowTarget {
    /// Returns whether an event with this code is one that the target is about.
    pub fn is_about(&self, code: &str) -> bool {
        self.codes.iter().any(|pattern| pattern.matches(code))
    }

    /// Returns which competing cause an event with this code is, counted from 0.
    pub fn competing(&self, code: &str) -> Option<usize> {
        let WindowKind::Event(plan) = &self.kind else { return None };
        plan.competing.iter().position(|pattern| pattern.matches(code))
    }

    /// Returns the name of the kind in packs and answers: `sum`, `count`, or `event`.
    pub fn kind_name(&self) -> &'static str {
        match self.kind {
            WindowKind::Sum => "sum",
            WindowKind::Count(_) => "count",
            WindowKind::Event(_) => "event",
        }
    }

    /// Looks for what can never be learned.
    pub(super) fn check(&self, pack: &Pack) -> Result<(), PackError> {
        let wrong = |reason| Err(PackError::Target(self.code.to_string(), reason));
        if !(0.0 < self.window_hours && self.window_hours <= limits::HORIZON_HOURS_MAX) {
            return wrong("`window` must be above 0 and at most ten years");
        }
        if self.codes.is_empty() {
            return wrong("`codes` names nothing");
        }
        for pattern in &self.codes {
            self.check_pattern(pack, pattern)?;
        }
        match &self.kind {
            WindowKind::Sum => self.check_sum(pack),
            WindowKind::Count(_) => Ok(()),
            WindowKind::Event(plan) => self.check_event(pack, plan),
        }
    }

    /// Every code that is named must be one that a keep can hold, with a time.
    fn check_pattern(&self, pack: &Pack, pattern: &CodePattern) -> Result<(), PackError> {
        let wrong = |reason| Err(PackError::Target(self.code.to_string(), reason));
        let mut known = false;
        for variable in pack.variables() {
            if pattern.matches(variable.code.as_str()) {
                if variable.kind == VariableKind::Static {
                    return wrong("a static variable has no time, so it is in no window");
                }
                known = true;
            }
        }
        let name = pattern.beginning();
        let codes = &pack.screening().codes;
        let kept = codes.keeps(name)
            || (pattern.is_prefix() && codes.accept.iter().any(|own| own.starts_with(name)));
        if !known && pack.find(name).is_some() {
            return wrong("`codes` and `competing` take codes, not other names of them");
        }
        if !known && !kept {
            return Err(PackError::UnknownCode(pattern.to_string()));
        }
        Ok(())
    }

    fn check_sum(&self, pack: &Pack) -> Result<(), PackError> {
        let wrong = |reason| Err(PackError::Target(self.code.to_string(), reason));
        let mut units = Vec::new();
        for pattern in &self.codes {
            let Some(at) = pack.find(pattern.beginning()).filter(|_| !pattern.is_prefix()) else {
                return wrong("only variables can be added up: their unit is known");
            };
            let variable = &pack.variables()[at];
            if variable.range.low < 0.0 {
                return wrong("a variable that can be below 0 cannot be added up");
            }
            units.push(variable.unit.as_str());
        }
        units.dedup();
        if 1 < units.len() {
            return wrong("variables of different units cannot be added up");
        }
        Ok(())
    }

    fn check_event(&self, pack: &Pack, plan: &EventPlan) -> Result<(), PackError> {
        let wrong = |reason| Err(PackError::Target(self.code.to_string(), reason));
        let horizons = &plan.horizons_hours;
        if horizons.len() > limits::EVENT_HORIZON_COUNT_MAX {
            return wrong("`horizons` has more than 24 entries");
        }
        let increasing = horizons.windows(2).all(|pair| pair[0] < pair[1]);
        let first = horizons.first().is_some_and(|&first| 0.0 < first);
        if !increasing || !first || horizons.last() != Some(&self.window_hours) {
            return wrong("`horizons` must be above 0, increase, and end at `window`");
        }
        if limits::COMPETING_COUNT_MAX < plan.competing.len() {
            return wrong("`competing` has more than 3 entries");
        }
        for pattern in &plan.competing {
            self.check_pattern(pack, pattern)?;
            if self.codes.contains(pattern) {
                return wrong("a code cannot be in `codes` and in `competing`");
            }
        }
        if plan.absent && plan.once {
            return wrong("`absent` and `once` do not go together: who has it would stay at 0");
        }
        Ok(())
    }

    /// Returns the unit of a sum, `1` for all others.
    pub fn unit<'a>(&self, pack: &'a Pack) -> &'a str {
        let variable = self.codes.first().and_then(|pattern| pack.find(pattern.beginning()));
        match (&self.kind, variable.and_then(|at| pack.variables().get(at))) {
            (WindowKind::Sum, Some(variable)) => &variable.unit,
            _ => "1",
        }
    }
}
