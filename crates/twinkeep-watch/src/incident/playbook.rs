//! Playbooks: what to do about what a detector found, as data.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Action, Measure, Phase, Takes};
use crate::{Detection, Detector, Severity};

/// A playbook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Playbook {
    /// Its name; a file of this name in a keep takes the place of the shipped one.
    pub name: String,
    /// What CACAO calls it: `playbook--` and a UUID.
    pub id: String,
    /// When it was made (RFC 3339).
    pub created: String,
    /// When it was changed last (RFC 3339).
    pub modified: String,
    /// What it does, in a sentence.
    pub description: String,
    /// Which detectors it is for.
    pub detectors: BTreeSet<Detector>,
    /// From which severity on it runs by itself.
    pub severity: Severity,
    /// Whether it may do what cannot be undone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub irreversible: bool,
    /// What is done, in order.
    #[serde(rename = "step")]
    pub steps: Vec<PlaybookStep>,
}

/// A step of a playbook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlaybookStep {
    /// What is done.
    pub action: Action,
    /// To what; to what the detection is about, if it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<String>,
    /// What follows if it fails.
    #[serde(default)]
    pub on_failure: OnFailure,
}

/// What follows when a step fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// The next step: half of a containment is better than none.
    #[default]
    Continue,
    /// Nothing more but telling people.
    Stop,
    /// What was done is undone in reverse order, and then people are told.
    Undo,
}

/// Why a playbook cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PlaybookError {
    /// It is not TOML, or has other keys.
    #[error("the playbook cannot be read")]
    Parse {
        /// Where.
        #[source]
        source: toml::de::Error,
    },
    /// Something in it has no meaning.
    #[error("the playbook's {part} must be {expected}")]
    Value {
        /// What.
        part: &'static str,
        /// What it may be.
        expected: &'static str,
    },
    /// A step comes before one that must be done first.
    #[error("step {number} (`{action}`) must come before those ahead of it")]
    Order {
        /// Which, from 1.
        number: usize,
        /// What it does.
        action: &'static str,
    },
    /// It does what cannot be undone, and does not say so.
    #[error("`{action}` cannot be undone, and the playbook does not say `irreversible = true`")]
    Irreversible {
        /// What.
        action: &'static str,
    },
}

impl PlaybookError {
    /// The name of this error. Never changes.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Parse { .. } => "playbook-parse",
            Self::Value { .. } => "playbook-value",
            Self::Order { .. } => "playbook-order",
            Self::Irreversible { .. } => "playbook-irreversible",
        }
    }
}

impl Playbook {
    /// The playbooks that hold where a keep has none of its own, by name.
    pub const SHIPPED: [(&'static str, &'static str); 5] = [
        ("access", include_str!("playbooks/access.toml")),
        ("feed", include_str!("playbooks/feed.toml")),
        ("feed-critical", include_str!("playbooks/feed-critical.toml")),
        ("model", include_str!("playbooks/model.toml")),
        ("record", include_str!("playbooks/record.toml")),
    ];

    /// Reads a playbook, and checks all of it.
    pub fn parse(text: &str) -> Result<Self, PlaybookError> {
        let read: Self = toml::from_str(text).map_err(|source| PlaybookError::Parse { source })?;
        read.check()?;
        Ok(read)
    }

    /// Writes it as a file of a keep.
    pub fn to_toml(&self) -> String {
        // INVARIANT: it has texts, lists, and a list of tables at its end: TOML takes all of that.
        toml::to_string(self).unwrap_or_default()
    }

    /// Checks what the types do not say.
    pub fn check(&self) -> Result<(), PlaybookError> {
        let refuse = |part, expected| Err(PlaybookError::Value { part, expected });
        if !is_name(&self.name) {
            return refuse("name", "1 to 40 small letters, digits, and hyphens");
        }
        if !is_playbook_id(&self.id) {
            return refuse("id", "`playbook--` and a UUID of version 4 or 5");
        }
        if !is_time(&self.created) || !is_time(&self.modified) {
            return refuse("times", "as 2026-11-23T00:00:00.000Z");
        }
        let length = self.description.chars().count();
        if !(1..=500).contains(&length) || self.description.chars().any(char::is_control) {
            return refuse("description", "1 to 500 characters");
        }
        if self.detectors.is_empty() {
            return refuse("detectors", "at least one");
        }
        if !(1..=STEP_COUNT_MAX).contains(&self.steps.len()) {
            return refuse("steps", "1 to 20");
        }
        let mut phase = Phase::Preserve;
        for (index, step) in self.steps.iter().enumerate() {
            let action = step.action.name();
            if step.action.phase() < phase {
                return Err(PlaybookError::Order { number: index + 1, action });
            }
            phase = step.action.phase();
            let plain =
                |on: &String| (1..=200).contains(&on.len()) && !on.contains(char::is_control);
            if !step.on.as_ref().is_none_or(plain) {
                return refuse("`on`", "1 to 200 characters");
            }
            // No detection is about one of these.
            if step.on.is_none() && matches!(step.action.takes(), Takes::Port | Takes::Service) {
                return refuse("`on`", "there for what is done to a port or a service");
            }
            if step.on.is_some() && step.action.takes() == Takes::Keep {
                return refuse("`on`", "absent, where something is done to the keep as a whole");
            }
            if step.action == Action::RevokeCredential && !self.irreversible {
                return Err(PlaybookError::Irreversible { action });
            }
        }
        Ok(())
    }

    /// Returns whether it runs by itself for what was detected.
    pub fn is_for(&self, detection: &Detection) -> bool {
        self.detectors.contains(&detection.detector) && self.severity <= detection.severity
    }

    /// Chooses among playbooks: the one that asks for the highest severity, and the first by name
    /// among those.
    pub fn choose<'a>(
        playbooks: &'a BTreeMap<String, Self>,
        detection: &Detection,
    ) -> Option<&'a Self> {
        let fitting = playbooks.values().filter(|playbook| playbook.is_for(detection));
        fitting.rev().max_by_key(|playbook| playbook.severity)
    }

    /// Returns what its steps would be done to, for whoever reads it.
    pub fn measures(&self) -> impl Iterator<Item = Measure> + '_ {
        self.steps
            .iter()
            .map(|step| Measure { action: step.action, on: step.on.clone().unwrap_or_default() })
    }
}

fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=40).contains(&name.len()) && name.bytes().all(plain) && !name.starts_with('-')
}

/// Returns whether this is `playbook--` and a UUID of a version that CACAO takes.
fn is_playbook_id(id: &str) -> bool {
    id.strip_prefix("playbook--").is_some_and(is_uuid)
}

pub(super) fn is_uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    let hexadecimal = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let version = groups.get(2).is_some_and(|it| it.starts_with(['4', '5']));
    let variant = groups.get(3).is_some_and(|it| it.starts_with(['8', '9', 'a', 'b']));
    let digits = groups.iter().all(|group| group.bytes().all(hexadecimal));
    lengths == [8, 4, 4, 4, 12] && version && variant && digits
}

/// CACAO's form of a time: UTC, with a fraction. Its schema takes no other months, days, and hours.
fn is_time(text: &str) -> bool {
    let shape: String = text.chars().map(|it| if it.is_ascii_digit() { '0' } else { it }).collect();
    let within = |from: usize, low: u8, high: u8| {
        let digits = text.get(from..from + 2).and_then(|it| it.parse().ok());
        digits.is_some_and(|number: u8| (low..=high).contains(&number))
    };
    shape == "0000-00-00T00:00:00.000Z"
        && within(5, 1, 12)
        && within(8, 1, 31)
        && within(11, 0, 23)
        && within(14, 0, 59)
        && within(17, 0, 60)
}

/// What people still read.
const STEP_COUNT_MAX: usize = 20;
