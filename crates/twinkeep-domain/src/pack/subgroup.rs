//! By what the figures of a model are told apart: age, sex, unit.

use super::{Pack, PackError, VariableKind};
use crate::limits;

/// One way to divide the subjects.
#[derive(Clone, Debug, PartialEq)]
pub struct Subgroup {
    /// What people read: `Age`.
    pub title: String,
    /// What divides them.
    pub by: SubgroupBy,
    /// Bounds between groups, increasing: below the first, from the first to below the second, ...
    /// Empty if each value is a group of its own.
    pub cuts: Vec<f32>,
    /// What people call the groups, in order; empty if the numbers say it.
    pub names: Vec<String>,
}

/// What divides the subjects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubgroupBy {
    /// The age in years at the moment of the forecast: from the time of birth, or as the pack's
    /// variable has it.
    Age,
    /// The value of a static variable.
    Variable(usize),
}

impl Subgroup {
    /// Returns how many groups there are in a pack.
    pub fn group_count(&self, pack: &Pack) -> usize {
        if self.cuts.is_empty() { self.values(pack).len() } else { self.cuts.len() + 1 }
    }

    /// Returns the group of a value; `None` if it is in none.
    pub fn group_of(&self, pack: &Pack, value: f32) -> Option<usize> {
        if value.is_nan() {
            return None;
        }
        if self.cuts.is_empty() {
            return self.values(pack).iter().position(|&one| one == value);
        }
        Some(self.cuts.partition_point(|&cut| cut <= value))
    }

    /// Returns what people call a group.
    pub fn group_name(&self, pack: &Pack, group: usize) -> String {
        if let Some(name) = self.names.get(group) {
            return name.clone();
        }
        let bounds =
            (group.checked_sub(1).and_then(|low| self.cuts.get(low)), self.cuts.get(group));
        match bounds {
            (None, None) => self.values(pack).get(group).map(f32::to_string).unwrap_or_default(),
            (None, Some(high)) => format!("below {high}"),
            (Some(low), Some(high)) => format!("{low} to below {high}"),
            (Some(low), None) => format!("{low} and above"),
        }
    }

    fn values<'a>(&self, pack: &'a Pack) -> &'a [f32] {
        match self.by {
            SubgroupBy::Age => &[],
            SubgroupBy::Variable(at) => {
                pack.variables().get(at).map_or(&[], |variable| &variable.rules.values)
            }
        }
    }

    pub(super) fn check(&self, pack: &Pack) -> Result<(), PackError> {
        let refuse = |reason| Err(PackError::Subgroup(self.title.clone(), reason));
        if let SubgroupBy::Variable(at) = self.by {
            match pack.variables().get(at) {
                Some(variable) if variable.kind == VariableKind::Static => {}
                _ => return refuse("it must be `age`, `sex`, or a static variable"),
            }
        } else if pack.screening().subject.age.is_none() && pack.screening().subject.birth.is_none()
        {
            return refuse("`[subject]` says neither `age` nor `birth`");
        }
        if !self.cuts.iter().all(|cut| cut.is_finite())
            || !self.cuts.windows(2).all(|pair| pair[0] < pair[1])
        {
            return refuse("`cuts` must be finite and increase");
        }
        let count = self.group_count(pack);
        if count < 2 {
            return refuse(
                "there are no groups: give `cuts`, or a variable that lists its `values`",
            );
        }
        if limits::SUBGROUP_COUNT_MAX < count {
            return refuse("there are too many groups");
        }
        if !self.names.is_empty() && self.names.len() != count {
            return refuse("`names` must have one name for each group");
        }
        Ok(())
    }
}
