//! What a detector says: since when something is wrong, with what, and how it knows.
//!
//! Every detector of a keep speaks in these words, whatever it looks at, so that whoever opens an
//! incident and chooses a playbook needs to know nothing of how it was found.
//!
//! # Invariants
//!
//! - Nothing here identifies a person: people are named by keyed references, or only counted.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// Something that a detector found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Detection {
    /// Who says so.
    pub detector: Detector,
    /// What it is about: what a playbook contains.
    pub target: Target,
    /// How bad it is.
    pub severity: Severity,
    /// When it began, as far as the detector can tell: microseconds since 1970.
    pub began_us: i64,
    /// When the detector was sure.
    pub seen_us: i64,
    /// One sentence for people.
    pub says: String,
    /// What was measured, by name, with the limits that were passed.
    pub figures: BTreeMap<String, f64>,
    /// Digests of what proves it, by name: `sha256:...`.
    pub evidence: BTreeMap<String, String>,
    /// Keyed references of the people concerned, where they are known.
    pub subjects: BTreeSet<String>,
}

/// The detectors, by the names that incidents and playbooks know them by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Detector {
    /// Inputs, forecasts, or errors are no longer as they were.
    Drift,
    /// A feed has too many rows that look poisoned.
    FeedPoisoning,
    /// A candidate is worse than its predecessor where it must not be.
    ModelPoisoning,
    /// A version is not what was signed, on the disk or in memory.
    ModelIntegrity,
    /// A version answers its canaries otherwise than it did when it was signed.
    ModelCanary,
    /// Somebody who is not the keep touched a watched file.
    FileAccess,
    /// Somebody asks as one asks who copies the model.
    Extraction,
    /// Somebody asks again and again about a person of the training data, or nearly so.
    MembershipProbing,
    /// Too many credentials were refused.
    AuthenticationFailures,
    /// Somebody reads at an hour, or so much, as never before.
    UnusualAccess,
    /// Somebody broke the glass.
    BreakGlass,
    /// Two witnesses have seen ledgers that cannot both be true.
    LedgerDisagreement,
    /// A scan of the posture found what the one before did not.
    Posture,
    /// An exercise: nothing is wrong.
    Drill,
}

/// What a detection is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "kind", content = "name", rename_all = "kebab-case")]
pub enum Target {
    /// A model version.
    Model(String),
    /// A feed.
    Feed(String),
    /// Somebody who calls, by the name that the ledger has: `key:...`, `token:...`, `cert:...`.
    Identity(String),
    /// Where a caller without a name comes from.
    Address(String),
    /// A route of the gate.
    Route(String),
    /// A file.
    File(String),
    /// The whole keep.
    Keep,
}

/// How bad something is, as OCSF counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Worth knowing.
    Informational,
    /// Look at it when there is time.
    Low,
    /// Look at it today.
    Medium,
    /// Act now.
    High,
    /// Something is being lost now.
    Critical,
}
