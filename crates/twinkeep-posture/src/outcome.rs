//! What a rule says about one resource: whether it holds, and if not, where and why.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// How bad it is that a rule does not hold, as OCSF counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Worth knowing.
    Informational,
    /// Look at it when there is time.
    Low,
    /// Look at it this week.
    Medium,
    /// Look at it today.
    High,
    /// Something can be taken now.
    Critical,
}

impl Severity {
    /// All of them, the mildest first.
    pub const ALL: [Severity; 5] = [
        Severity::Informational,
        Severity::Low,
        Severity::Medium,
        Severity::High,
        Severity::Critical,
    ];

    /// Its word in every form of report.
    pub fn word(self) -> &'static str {
        match self {
            Severity::Informational => "informational",
            Severity::Low => "low",
            Severity::Medium => "medium",
            Severity::High => "high",
            Severity::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// Where in a file, or under which name, something is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// The path of a file, or the name of a setting.
    pub path: String,
    /// The line, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// The column, from 1, in characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
}

impl Place {
    /// A file as a whole, or a name.
    pub fn of(path: impl Into<String>) -> Place {
        Place { path: path.into(), line: None, column: None }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        for number in [self.line, self.column].into_iter().flatten() {
            write!(f, ":{number}")?;
        }
        Ok(())
    }
}

/// Whether a rule holds for a resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// It does not hold.
    Fail {
        /// What is wrong, as a sentence without a full stop.
        what: String,
        /// Where it is.
        at: Place,
    },
    /// Nobody can tell: the facts are missing.
    NotChecked {
        /// Why they are.
        why: String,
    },
    /// It holds.
    Pass,
    /// There is nothing here that it could be asked of.
    NotApplicable {
        /// Why there is not.
        why: String,
    },
}

impl Outcome {
    /// What is wrong, at a place.
    pub fn fail(at: Place, what: impl Into<String>) -> Outcome {
        Outcome::Fail { what: what.into(), at }
    }

    /// What could not be checked, and why.
    pub fn not_checked(why: impl Into<String>) -> Outcome {
        Outcome::NotChecked { why: why.into() }
    }

    /// What does not apply, and why.
    pub fn not_applicable(why: impl Into<String>) -> Outcome {
        Outcome::NotApplicable { why: why.into() }
    }

    /// Its word in every form of report.
    pub fn word(&self) -> &'static str {
        match self {
            Outcome::Fail { .. } => "fail",
            Outcome::NotChecked { .. } => "not-checked",
            Outcome::Pass => "pass",
            Outcome::NotApplicable { .. } => "not-applicable",
        }
    }

    /// What there is to say about it, if anything.
    pub fn says(&self) -> &str {
        match self {
            Outcome::Fail { what, .. } => what,
            Outcome::NotChecked { why } | Outcome::NotApplicable { why } => why,
            Outcome::Pass => "",
        }
    }
}

/// What one rule says about one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// The name of the resource: a path, a bucket, a role, a commit.
    pub resource: String,
    /// Whether the rule holds for it.
    pub outcome: Outcome,
}

impl Judged {
    /// What a rule says about a resource.
    pub fn new(resource: impl Into<String>, outcome: Outcome) -> Judged {
        Judged { resource: resource.into(), outcome }
    }
}

/// One line of a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The same in each scan for as long as it is the same thing that is wrong.
    pub fingerprint: Uuid,
    /// The rule.
    pub rule: String,
    /// How bad it is if it fails.
    pub severity: Severity,
    /// The target that the facts are of.
    pub target: String,
    /// The resource.
    pub resource: String,
    /// Whether the rule holds.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// Whether the baseline knows of it already.
    #[serde(default, skip_serializing_if = "is_false")]
    pub known: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

impl Finding {
    /// The identity of a finding: by rule, resource, and file, but not by line, so that a finding
    /// does not become a new one because somebody added a line above it.
    pub fn fingerprint(rule: &str, judged: &Judged) -> Uuid {
        let place = match &judged.outcome {
            Outcome::Fail { at, .. } => at.path.as_str(),
            _ => "",
        };
        stable_id(&["finding", rule, &judged.resource, place])
    }
}

/// An identifier that is the same whenever it is made of the same words (RFC 9562, version 5).
pub(crate) fn stable_id(words: &[&str]) -> Uuid {
    let mut name = String::new();
    for word in words {
        // The length keeps `ab` + `c` apart from `a` + `bc`.
        name.push_str(&format!("{}:{word};", word.len()));
    }
    Uuid::new_v5(&NAMESPACE, name.as_bytes())
}

/// The namespace of our identifiers: made once, at random, and permanent.
const NAMESPACE: Uuid = Uuid::from_u128(0x6d1f_3b52_94a7_4c0e_8b7d_e5a2_41c9_6f38);
