//! What is known about a branch and the tags of a repository: which key signed each of them, and
//! who may.

use serde::{Deserialize, Serialize};

use crate::signature::Scheme;

/// A branch, and all tags.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Git {
    /// The repository.
    pub repository: String,
    /// The branch.
    pub branch: String,
    /// Its last commit.
    pub tip: String,
    /// The commit up to which everything was verified before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Since>,
    /// Whether this is what a push brings, so that there may be nothing new in it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_pushed: bool,
    /// The list of those who may sign; `None` if there is none.
    pub list: Option<List>,
    /// How many commits were looked at.
    pub commit_count: u64,
    /// Commits, the newest first.
    pub commits: Vec<Commit>,
    /// Tags.
    pub tags: Vec<Tag>,
    /// Commits whose parents are not here, as in a shallow copy.
    pub cut_at: Vec<String>,
}

/// Where an earlier scan ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Since {
    /// The commit.
    pub commit: String,
    /// Whether the branch still has it: if not, history was written anew.
    pub is_ancestor: bool,
}

/// The list of those who may sign.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// The file.
    pub path: String,
    /// Who may sign.
    pub signers: Vec<Signer>,
    /// Lines that could not be read.
    pub wrong: Vec<WrongLine>,
}

/// A line that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrongLine {
    /// The line, from 1.
    pub line: u32,
    /// What is wrong.
    pub why: String,
}

/// Who may sign what, and when. People are told by the line that they are on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signer {
    /// The line, from 1.
    pub line: u32,
    /// The kind of key.
    pub scheme: Scheme,
    /// Its fingerprint.
    pub key: String,
    /// How long the modulus is, if the key is one of RSA.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rsa_bits: Option<u32>,
    /// From when on the key counts, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_after_s: Option<i64>,
    /// Until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_before_s: Option<i64>,
    /// Patterns of branches; all if there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub branches: Vec<String>,
    /// Patterns of paths; all if there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
    /// What it may sign.
    pub roles: Vec<Role>,
    /// Whether it is for commits of its principals only, and tags that they made.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_principal: bool,
    /// Its principals, if it asks for them. They are names of people, and never written down.
    #[serde(skip)]
    pub principals: String,
}

/// What somebody signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// A commit with one parent or none.
    Commit,
    /// A commit with several parents.
    Merge,
    /// A tag.
    Tag,
}

impl Role {
    /// All of them.
    pub const ALL: &[Self] = &[Self::Commit, Self::Merge, Self::Tag];

    /// Its word in the list.
    pub fn word(self) -> &'static str {
        match self {
            Self::Commit => "commit",
            Self::Merge => "merge",
            Self::Tag => "tag",
        }
    }
}

/// A commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Commit {
    /// Its name.
    pub id: String,
    /// Whether it has several parents.
    pub is_merge: bool,
    /// When it was committed, in seconds since 1970.
    pub time_s: i64,
    /// Its signature.
    pub signature: Signature,
    /// The files that it changed; known only where the list has scopes of paths.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
    /// Lines of the list that ask for their principals, and of which the committer is one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<u32>,
}

/// A tag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tag {
    /// Its name.
    pub name: String,
    /// When it was made, in seconds since 1970; `None` for a name that is no object.
    pub time_s: Option<i64>,
    /// Its signature.
    pub signature: Signature,
    /// Lines of the list that ask for their principals, and of which the tagger is one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<u32>,
}

/// What became of a signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Signature {
    /// There is none.
    Missing,
    /// This key made it.
    Good {
        /// The kind of key.
        scheme: Scheme,
        /// Its fingerprint.
        key: String,
        /// Why the key should not have made it then.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reservation: Option<String>,
    },
    /// It is not of what it is on.
    Bad {
        /// Why.
        why: String,
    },
    /// Its key is not on the list, so that it could not be verified.
    UnknownKey {
        /// What it says of its key.
        key: String,
    },
    /// It is of a kind that cannot be verified here.
    Unsupported {
        /// Which.
        why: String,
    },
}
