//! What a keep has on record of its models, feeds, clients, and answers, as far as rules ask for it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// What is signed with a version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Papers {
    /// What its provenance should say, and does not.
    pub origin_missing: BTreeSet<String>,
    /// What its bill of materials should say, and does not.
    pub bill_missing: BTreeSet<String>,
    /// On how many people it was measured that it had not learned from.
    pub held_out: u64,
    /// For how many groups of people its error was measured.
    pub groups: usize,
    /// How many of a thousand values its 90 % intervals covered, if it forecasts values: the mean
    /// over targets.
    pub covered_per_mille: Option<u32>,
    /// How many each target's 90 % intervals covered, by target.
    #[serde(default)]
    pub covered: BTreeMap<String, Covered>,
    /// Whether it learned with the noise of differential privacy.
    pub noise: bool,
    /// The epsilon of that noise, in thousandths, rounded up.
    #[serde(default)]
    pub epsilon_per_mille: Option<u64>,
    /// How many questions with signed answers it has.
    pub canaries: usize,
    /// Whether it has the profile that probing is seen by.
    pub profile: bool,
    /// Decisions about it that the ledger does not have, by what it became.
    pub unrecorded: BTreeSet<String>,
}

/// How many values of a target its 90 % intervals covered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Covered {
    /// Of how many values.
    pub values: u64,
    /// How many of a thousand.
    pub per_mille: u32,
}

/// Something that was taken in as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Feed {
    /// What it is called in the keep.
    pub name: String,
    /// Whether its sender signed it.
    pub signed: bool,
    /// Whether the ledger says when it came, from where, and by whom.
    pub recorded: bool,
    /// How many of its rows were read.
    pub read: u64,
    /// How many of them were accepted, said to be missing, or refused.
    pub judged: u64,
}

/// Files of events, held against what the catalog has of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shards {
    /// How many the catalog has.
    pub known: u64,
    /// Of how many of these there is no file with that digest.
    pub missing: u64,
}

/// What looks out while a keep is used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Watch {
    /// Whether the panel that looks for poison has a reference to compare feeds with.
    pub panel: bool,
    /// How often models are verified again while they serve, in seconds.
    pub verify_every_seconds: u32,
    /// Whether the policy in force is the one that people read and edit.
    pub policy_as_read: bool,
    /// Whether callers are followed, so that probing is seen.
    #[serde(default)]
    pub probing: bool,
    /// For how many hours answers are coarser after an alarm, rounded up; not at all if 0.
    #[serde(default)]
    pub coarser_hours: u32,
    /// Issuers of access tokens, and whether each token must be bound to who shows it.
    pub issuers: BTreeMap<String, bool>,
}

/// A way of telling people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alert {
    /// What it is called.
    pub name: String,
    /// From which severity on it tells.
    pub severity: String,
    /// How many alerts were put aside since they could not be delivered.
    pub dead: usize,
}

/// A key that a client shows; never its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiKey {
    /// Its public id.
    pub id: String,
    /// For how many days it was made; nothing if it never ends.
    pub days: Option<i64>,
}

/// The newest entries about answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answers {
    /// How many were looked at.
    pub looked_at: u64,
    /// How many of these do not say who asked.
    pub without_caller: u64,
    /// How many of those that succeeded do not say which model answered.
    pub without_model: u64,
}
