//! What a rule is: a row of data, and a pure function over the facts of one target.

use serde::{Deserialize, Serialize};

use crate::facts::Check;
use crate::outcome::{Judged, Severity};

/// Something that should hold, and how to tell whether it does.
#[derive(Debug)]
pub struct Rule {
    /// Its permanent name: the target, and a short noun.
    pub id: &'static str,
    /// What should hold, as a sentence without a full stop.
    pub title: &'static str,
    /// How bad it is if it does not.
    pub severity: Severity,
    /// What it protects: who could do what if it does not hold.
    pub protects: &'static str,
    /// What to do about it, in words.
    pub remedy: &'static str,
    /// The requirements that it is evidence for: three at most.
    pub controls: &'static [Evidence],
    /// The function over facts, by target.
    pub check: Check,
}

/// How a rule judges the facts of a target, and what it would change.
#[derive(Debug)]
pub struct Judge<F: 'static> {
    /// Says of each resource whether the rule holds. Nothing at all means that there was no
    /// resource to ask about, which a report shows as not applicable.
    pub judge: fn(&F) -> Vec<Judged>,
}

/// That a rule is evidence for a requirement.
#[derive(Clone, Copy, Debug)]
pub struct Evidence {
    /// The identifier of the requirement, as in [`crate::controls`].
    pub control: &'static str,
    /// How much it says about it.
    pub strength: Strength,
    /// Why it is evidence: one sentence.
    pub because: &'static str,
}

/// How much a rule says about a requirement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strength {
    /// A part of what the requirement asks for.
    Partial,
    /// What the requirement asks for, for the resources that were looked at.
    Strong,
}

impl Strength {
    /// Its word in every form of report.
    pub fn word(self) -> &'static str {
        match self {
            Strength::Partial => "partial",
            Strength::Strong => "strong",
        }
    }
}
