//! What is known about a keep: its files, keys, models, certificates, settings, and ledger.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Known;
use super::file::File;

mod evidence;

pub use evidence::{Alert, Answers, ApiKey, Covered, Feed, Papers, Shards, Watch};

/// A keep.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keep {
    /// Where it is.
    pub root: String,
    /// When this was looked at, in microseconds since 1970.
    pub taken_us: i64,
    /// Who runs the keep.
    pub owner_uid: u32,
    /// The files and folders that are the owner's alone.
    pub files: Vec<File>,
    /// The files and folders that others may read: public keys, the configuration, the pack.
    pub shown_files: Vec<File>,
    /// Why the keep was not opened, if it was not: then nothing of what follows is known.
    pub closed: Option<String>,
    /// Its own keys; never their values.
    pub keys: Vec<Key>,
    /// The certificates of its gate.
    pub certificates: Vec<Certificate>,
    /// The versions of its model that are not retired.
    pub models: Vec<Model>,
    /// What its operator chose.
    pub settings: Settings,
    /// Whether the whole ledger was recomputed, and holds.
    pub ledger: Known<Holds>,
    /// Whether the ledger continues a checkpoint that a witness cosigned.
    pub witness: Known<Holds>,
    /// For how many days there is room for what is recorded; nothing if nothing is recorded.
    pub retention_days: Known<Option<u64>>,
    /// When something was done the last time, by the action that the ledger has, in microseconds
    /// since 1970.
    pub last: BTreeMap<String, i64>,
    /// What has become of the newest snapshot.
    #[serde(default)]
    pub snapshot: Known<Snapshot>,
    /// What is signed with each version that serves or stands by, and how its decisions are on
    /// record, by version.
    #[serde(default)]
    pub papers: Known<BTreeMap<String, Papers>>,
    /// Everything that was ever taken in and is still there.
    #[serde(default)]
    pub feeds: Known<Vec<Feed>>,
    /// How the files of events compare with what the catalog has of them.
    #[serde(default)]
    pub shards: Known<Shards>,
    /// What looks out while the keep is used.
    #[serde(default)]
    pub watch: Known<Watch>,
    /// The ways in which people are told of incidents.
    #[serde(default)]
    pub alerts: Known<Vec<Alert>>,
    /// The keys that clients show and that are live.
    #[serde(default)]
    pub api_keys: Known<Vec<ApiKey>>,
    /// The newest entries about answers.
    #[serde(default)]
    pub answers: Known<Answers>,
}

/// Whether something holds that was verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Holds {
    /// It does.
    Yes,
    /// It does not: the permanent code of what is wrong.
    No(String),
}

/// What has become of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Snapshot {
    /// It is where it was written.
    There,
    /// Something else is there, or not all of it.
    Other {
        /// Where it was written.
        folder: String,
    },
    /// Nothing is there any more.
    Gone {
        /// Where it was written.
        folder: String,
    },
    /// The folder that it was written in is not there either, as with a medium that is not mounted.
    Away {
        /// Where it was written.
        folder: String,
    },
}

/// A key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// What it is called.
    pub name: String,
    /// How old it is.
    pub age_days: i64,
}

/// A certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// Whose it is.
    pub name: String,
    /// Days until it ends; negative once it has.
    pub days_left: i64,
}

/// A version of the model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// Which one.
    pub version: String,
    /// What it is: `candidate`, `released`, `in-service`, `quarantined`.
    pub status: String,
    /// Whether it takes over if the one in service fails.
    pub backup: bool,
    /// Whether its signature and its files verify, and its weights load.
    pub verified: Holds,
    /// The kinds of attacks that were tried on it.
    pub attacked: BTreeSet<String>,
}

/// What the operator of a keep chose.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The settings that take a protection away, by name.
    pub danger: BTreeSet<String>,
    /// The address that the gate listens on.
    pub listen: String,
    /// Whether clients show a certificate: `off`, `asked`, or `required`.
    pub client_certificates: String,
    /// Requests a second that one client may make.
    pub rate_per_second: u32,
    /// Requests a second that all clients may make together; any number, if 0.
    pub total_rate_per_second: u32,
    /// How many budgets there are that bound what each caller may learn, whoever it is.
    pub budgets: usize,
    /// Whether every feed is de-identified.
    pub deidentify: bool,
    /// How many people must agree before a version is released.
    pub approvals_required: u32,
}
