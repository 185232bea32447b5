//! Facts about a server of PostgreSQL, and the database of it that was asked.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Known;
use super::host::Storage;

/// A server, and one of its databases. No row of a table is in here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Postgres {
    /// How it is named in messages: without a password.
    pub place: String,
    /// The version, as the server counts it: 150004 is 15.4.
    pub version: u32,
    /// Settings by name; one that the role may not see is missing.
    pub settings: BTreeMap<String, String>,
    /// Where those settings come from, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub origins: BTreeMap<String, Origin>,
    /// Settings that a role or a database has of its own: what whoever asked sees of them does not
    /// hold for everybody.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub overridden: BTreeSet<String>,
    /// What `ALTER SYSTEM` set them to, by name.
    #[serde(default)]
    pub altered: Known<BTreeMap<String, String>>,
    /// Whether a client that asks for TLS gets it: a server that has lost its certificate says that
    /// TLS is on, and offers none.
    #[serde(default)]
    pub offers_tls: Known<bool>,
    /// The rules of `pg_hba.conf`, in order.
    pub hba: Known<Vec<HbaRule>>,
    /// Roles that can log in.
    pub roles: Vec<Role>,
    /// How the password of each of those roles is stored.
    pub passwords: Known<BTreeMap<String, StoredPassword>>,
    /// Tables whose columns are called as data of people are.
    pub tables: Vec<Table>,
    /// What the data directory is stored on.
    pub storage: Known<Storage>,
}

/// Where a setting comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// When it may change: `postmaster` is with a restart only.
    pub context: String,
    /// Who says so: `default`, `configuration file`, `command line`, `database`, and so on.
    pub source: String,
}

/// A rule about who may connect how.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HbaRule {
    /// The file, where the server says so.
    pub file: String,
    /// The line in it.
    pub line: u32,
    /// `local`, `host`, `hostssl`, `hostnossl`, `hostgssenc`, or `hostnogssenc`.
    pub kind: String,
    /// The databases.
    pub databases: Vec<String>,
    /// The roles.
    pub users: Vec<String>,
    /// The address, or a word such as `all`.
    pub address: String,
    /// The mask, as an address.
    pub mask: String,
    /// How whoever connects proves who it is.
    pub method: String,
    /// Whether the server could not read the line.
    pub broken: bool,
    /// Whether the line has options.
    #[serde(default, skip_serializing_if = "is_false")]
    pub has_options: bool,
    /// The line as it stands in the file, if that is on this machine, and the line has no options:
    /// those may be secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

/// A role that can log in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// Its name.
    pub name: String,
    /// Whether it is the one that the cluster was made with.
    pub first: bool,
    /// Whether it may do anything.
    pub superuser: bool,
    /// Whether it may make roles.
    pub create_role: bool,
    /// Whether row-level security does not count for it.
    pub bypass_rls: bool,
    /// Whether its password ends some day.
    pub expires: bool,
}

/// How a password is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StoredPassword {
    /// There is none.
    Nothing,
    /// SCRAM-SHA-256.
    Scram,
    /// MD5: who has the hash can log in with it.
    Md5,
    /// In another way.
    Other,
}

/// A table whose columns are called as data of people are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// Its schema and name.
    pub name: String,
    /// The kinds of data that its columns are called after.
    pub kinds: Vec<String>,
    /// Whether policies decide which rows a role sees.
    pub row_security: bool,
    /// Whether every role may read it.
    pub public: bool,
}
