//! What is known about an IIS: its bindings, and what holds at each place where it answers.
//!
//! Settings are *effective*: what a place inherits is written out. Keys that stand in the files
//! are named by their place only.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::outcome::Place;

/// The configuration of one IIS, or a part of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Iis {
    /// The file or folder that was named.
    pub root: String,
    /// All files that were read.
    pub files: Vec<String>,
    /// What could not be read.
    pub unread: Vec<Unread>,
    /// The configuration of the server itself (`applicationHost.config`), if it is among them.
    pub server: Option<String>,
    /// Where its sites listen.
    pub bindings: Vec<Binding>,
    /// Keys and passwords that stand in the files.
    pub static_keys: Vec<StaticKey>,
    /// Where requests go on to.
    pub upstreams: Vec<Upstream>,
    /// Where it answers: sites, folders, and locations.
    pub scopes: Vec<Scope>,
    /// What could be edited. It is never written down, as keys may stand in the files: facts that
    /// were taken elsewhere have no repairs.
    #[serde(skip)]
    pub repairs: Repairs,
}

/// Edits that would make rules pass, in the order in which they are made.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Repairs {
    /// The edits.
    pub steps: Vec<Repair>,
}

impl fmt::Debug for Repairs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Repairs({} edits)", self.steps.len())
    }
}

/// What a rule would have of one file.
#[derive(Clone, PartialEq, Eq)]
pub struct Repair {
    /// The rule.
    pub rule: String,
    /// The resources that pass after it.
    pub resources: Vec<String>,
    /// The path of the file.
    pub path: String,
    /// Its text, with what earlier rules would have of it.
    pub from: String,
    /// Its text afterwards.
    pub to: String,
}

/// A file, or a part of one, that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unread {
    /// Where it is, or is named.
    pub at: Place,
    /// Why it could not be read.
    pub why: String,
}

/// A `binding` of a site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Binding {
    /// The name of the site.
    pub site: String,
    /// Where it stands.
    pub at: Place,
    /// `bindingInformation`: address, port, and name.
    pub address: String,
    /// Whether it is `https`.
    pub tls: bool,
    /// Whether only this machine reaches it.
    pub local: bool,
    /// `sslFlags`.
    pub flags: u64,
    /// Whether the site refuses what comes without TLS, or only sends it to `https`.
    pub to_https: bool,
}

/// A key or password that stands in a file; never its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StaticKey {
    /// What it is called there.
    pub name: String,
    /// Where it stands.
    pub at: Place,
}

/// A host that requests go on to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Upstream {
    /// The rule that sends them there.
    pub rule: String,
    /// Where it stands.
    pub at: Place,
    /// Whether they go by `https`.
    pub tls: bool,
    /// The host; nothing if a variable says it.
    pub host: Option<String>,
    /// Whether it is this machine.
    pub local: bool,
}

/// A place where the server answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scope {
    /// What it is called in reports.
    pub name: String,
    /// Where it starts.
    pub at: Option<Place>,
    /// Whether the configuration of the server itself is part of what it inherits: else what
    /// nothing says may be said there.
    pub complete: bool,
    /// Whether its site speaks TLS, if that is known.
    pub tls: Option<bool>,
    /// The headers that it adds to answers.
    pub headers: Vec<Header>,
    /// What outbound rules make of headers that it adds, if only of some answers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rewritten: Vec<Header>,
    /// Names of headers, lower case, that it takes away from what it inherits.
    pub removed: Vec<String>,
    /// Whether it takes away all headers that it inherits.
    pub cleared: bool,
    /// Settings that are said, by their names in [`crate::parse::iis::effective`].
    pub settings: BTreeMap<String, Said>,
}

/// A header that is added to answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Its name, lower case.
    pub name: String,
    /// Its value. Headers of answers go to anybody who asks, so it is no secret.
    pub value: String,
    /// Where it stands.
    pub at: Place,
}

/// The value of a setting, and where it is said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Said {
    /// The value.
    pub value: String,
    /// Where.
    pub at: Place,
}

impl Scope {
    /// What a setting says, lower case.
    pub fn says(&self, setting: &str) -> Option<String> {
        self.settings.get(setting).map(|said| said.value.to_ascii_lowercase())
    }

    /// Where it starts, or where a setting is said.
    pub fn place(&self, setting: Option<&str>) -> Place {
        let said = setting.and_then(|setting| self.settings.get(setting));
        let start = || self.at.clone().unwrap_or_else(|| Place::of(&self.name));
        said.map_or_else(start, |said| said.at.clone())
    }
}
