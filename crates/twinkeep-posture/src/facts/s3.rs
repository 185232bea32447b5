//! Facts about buckets of an object store that speaks S3: AWS or another.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What is known of an account and its buckets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct S3 {
    /// Where it was asked.
    pub endpoint: String,
    /// The number of the account.
    pub account: Answer<String>,
    /// What the account as a whole forbids its buckets.
    pub account_block: Answer<Block>,
    /// The buckets, by name.
    pub buckets: Vec<Bucket>,
}

/// What a service said when it was asked one thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer<T> {
    /// It is this.
    Is(T),
    /// There is none.
    Absent,
    /// Nobody knows, because it was refused or not understood.
    Unknown(String),
}

impl<T> Answer<T> {
    /// Returns what it is, if it is there.
    pub fn known(&self) -> Option<&T> {
        match self {
            Answer::Is(value) => Some(value),
            Answer::Absent | Answer::Unknown(_) => None,
        }
    }

    /// Returns why nobody knows.
    pub fn why_unknown(&self) -> Option<&str> {
        match self {
            Answer::Unknown(why) => Some(why),
            Answer::Is(_) | Answer::Absent => None,
        }
    }
}

/// One bucket.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bucket {
    /// Its name.
    pub name: String,
    /// Who may do what, by its access control list.
    pub grants: Answer<Vec<Grant>>,
    /// Whether access control lists count at all.
    pub ownership: Answer<Ownership>,
    /// What is forbidden whatever lists and policies say.
    pub block: Answer<Block>,
    /// The policy, as it was written.
    pub policy: Answer<Value>,
    /// Whether the service itself calls the policy public.
    pub policy_public: Answer<bool>,
    /// What new objects are encrypted with.
    pub encryption: Answer<Encryption>,
    /// Whether old versions are kept.
    pub versioning: Answer<Versioning>,
    /// The bucket that accesses are logged to.
    pub log_bucket: Answer<String>,
    /// Whether versions can be held against deletion.
    pub object_lock: Answer<ObjectLock>,
    /// Whether it is served as a website.
    pub website: Answer<bool>,
    /// How `acl`, `encryption`, and `publicAccessBlock` are written down, for whoever changes them
    /// and gives them back; without names of people.
    #[serde(default)]
    pub documents: BTreeMap<String, String>,
}

/// One line of an access control list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// To whom.
    pub grantee: Grantee,
    /// What: `READ`, `WRITE`, `READ_ACP`, `WRITE_ACP`, or `FULL_CONTROL`.
    pub permission: String,
}

/// Who is granted something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grantee {
    /// Anybody, without an account.
    AllUsers,
    /// Anybody who has an account of AWS: that is anybody.
    AuthenticatedUsers,
    /// The service that writes access logs: not public.
    LogDelivery,
    /// The owner of the bucket.
    Owner,
    /// Another account.
    Other,
    /// A group that this program does not know.
    UnknownGroup,
}

impl Grantee {
    /// Returns whether that is anybody.
    pub fn is_public(self) -> bool {
        matches!(self, Grantee::AllUsers | Grantee::AuthenticatedUsers)
    }
}

/// Who owns what is uploaded, and with that whether access control lists count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ownership {
    /// The owner of the bucket, always; lists do not count.
    BucketOwnerEnforced,
    /// The owner of the bucket, if the list of the upload says so.
    BucketOwnerPreferred,
    /// Whoever uploads.
    ObjectWriter,
}

/// Blocks public access: four settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Block {
    /// No new public list is taken.
    pub block_public_acls: bool,
    /// Public lists do not count.
    pub ignore_public_acls: bool,
    /// No new public policy is taken.
    pub block_public_policy: bool,
    /// A public policy counts for the account itself only.
    pub restrict_public_buckets: bool,
}

impl Block {
    /// All four.
    pub const FULL: Block = Block {
        block_public_acls: true,
        ignore_public_acls: true,
        block_public_policy: true,
        restrict_public_buckets: true,
    };

    /// Returns what both forbid together.
    pub fn or(self, other: Block) -> Block {
        Block {
            block_public_acls: self.block_public_acls || other.block_public_acls,
            ignore_public_acls: self.ignore_public_acls || other.ignore_public_acls,
            block_public_policy: self.block_public_policy || other.block_public_policy,
            restrict_public_buckets: self.restrict_public_buckets || other.restrict_public_buckets,
        }
    }
}

/// What new objects are encrypted with if an upload does not say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Encryption {
    /// `AES256`, `aws:kms`, or `aws:kms:dsse`.
    pub algorithm: String,
    /// Which encryption uploads may not ask for, such as `SSE-C`.
    pub blocked: Vec<String>,
}

/// Whether old versions are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Versioning {
    /// They are.
    Enabled,
    /// They were, and are no longer.
    Suspended,
}

/// How versions are held against deletion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectLock {
    /// The mode that new objects get: `GOVERNANCE` or `COMPLIANCE`.
    pub default_mode: Option<String>,
}
