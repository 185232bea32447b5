//! Sets settings of buckets, after a look at how they are, and looks again afterwards.

use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::change::Now;
use super::error::FixError;
use super::postgres::DatabaseServer;
use crate::collect::s3::client::{Call, Client};
use crate::collect::s3::is_bucket_name;
use crate::facts::s3::Versioning;
use crate::parse::s3_xml::{self, Element, XmlError};

/// Other systems that changes are made in; a change in one that is not here is refused.
#[derive(Clone, Copy, Debug, Default)]
pub struct Services<'a> {
    /// An object store.
    pub s3: Option<&'a Client>,
    /// A database server.
    pub postgres: Option<&'a dyn DatabaseServer>,
}

/// A setting of a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BucketSetting {
    /// What of public access is blocked.
    PublicAccessBlock,
    /// The access control list.
    Acl,
    /// What new objects are encrypted with.
    Encryption,
    /// The policy.
    Policy,
    /// Who owns what is uploaded.
    OwnershipControls,
    /// Whether old versions are kept.
    Versioning,
    /// Where accesses are logged to.
    Logging,
}

impl BucketSetting {
    /// Its name in the API.
    pub fn name(self) -> &'static str {
        match self {
            BucketSetting::PublicAccessBlock => "publicAccessBlock",
            BucketSetting::Acl => "acl",
            BucketSetting::Encryption => "encryption",
            BucketSetting::Policy => "policy",
            BucketSetting::OwnershipControls => "ownershipControls",
            BucketSetting::Versioning => "versioning",
            BucketSetting::Logging => "logging",
        }
    }

    /// What is written where there shall be none, if it cannot be taken away. A bucket that kept
    /// versions once can only be told to keep no more.
    fn nothing(self) -> Option<&'static str> {
        match self {
            BucketSetting::Versioning => Some(NO_VERSIONS),
            BucketSetting::Logging => Some(NO_LOG),
            _ => None,
        }
    }
}

/// A setting of a bucket that is to be changed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setting<'a> {
    pub(super) endpoint: &'a str,
    pub(super) bucket: &'a str,
    pub(super) setting: BucketSetting,
}

impl Setting<'_> {
    /// Where it stands.
    pub(super) fn now(
        self,
        services: Services<'_>,
        from: &Option<String>,
        to: &Option<String>,
    ) -> Result<Now, FixError> {
        let now = self.read(self.client(services)?)?;
        Ok(if self.is_same(&now, to) {
            Now::After
        } else if self.is_same(&now, from) {
            Now::Before
        } else {
            Now::Other
        })
    }

    /// Writes it, and waits until the service says so too.
    pub(super) fn make(self, services: Services<'_>, to: &Option<String>) -> Result<(), FixError> {
        let client = self.client(services)?;
        let answered = client.send(&self.call(to)).map_err(|error| self.refused(&error))?;
        if answered.status >= 300 {
            return Err(self.refused(&answered.code()));
        }
        for wait in READ_WAITS {
            if self.is_same(&self.read(client)?, to) {
                return Ok(());
            }
            // Large services tell the news from one place to the other.
            thread::sleep(wait);
        }
        Err(self.refused(&"it was written, and is something else now"))
    }

    /// What would be sent, as a line for people.
    pub(super) fn says(self, to: &Option<String>) -> String {
        let length = to.as_ref().map_or(0, String::len);
        format!("{} at {}, {length} bytes", self.call(to), self.endpoint)
    }

    fn call(self, to: &Option<String>) -> Call {
        match to.as_deref().or(self.setting.nothing()) {
            None => Call::delete(self.bucket, self.setting.name()),
            Some(text) => Call::put(self.bucket, self.setting.name(), text.into()),
        }
    }

    /// Returns the service. A plan is a file that may come from anywhere: it must be for this
    /// service, which is the one with whose credentials requests are signed.
    fn client(self, services: Services<'_>) -> Result<&Client, FixError> {
        let Some(client) = services.s3 else {
            return Err(self.refused(&"no object store was given to change it in"));
        };
        if client.endpoint() != self.endpoint || !is_bucket_name(self.bucket) {
            let why = format!("the plan is not one for `{}`; plan again there", client.endpoint());
            return Err(self.refused(&why));
        }
        Ok(client)
    }

    fn read(self, client: &Client) -> Result<Option<String>, FixError> {
        let call = Call::get(self.bucket, self.setting.name());
        let answered = client.send(&call).map_err(|error| self.refused(&error))?;
        if answered.is_absent() {
            return Ok(None);
        }
        if answered.status != 200 {
            return Err(self.refused(&answered.code()));
        }
        let text = String::from_utf8(answered.body);
        let text = text.map_err(|_| self.refused(&XmlError::Malformed))?;
        // What cannot be understood cannot be compared either.
        meaning(self.setting, &text).map_err(|error| self.refused(&error))?;
        Ok(Some(text))
    }

    fn is_same(self, one: &Option<String>, other: &Option<String>) -> bool {
        let meant = |text: &Option<String>| match text.as_deref().or(self.setting.nothing()) {
            None => Some(Value::Null),
            Some(text) => meaning(self.setting, text).ok(),
        };
        meant(one).is_some_and(|one| Some(one) == meant(other))
    }

    fn refused(self, says: &dyn std::fmt::Display) -> FixError {
        let target = format!("s3://{}?{}", self.bucket, self.setting.name());
        FixError::Remote { target, says: says.to_string() }
    }
}

/// Returns what the text of a setting means, in a form in which the same is equal: services write
/// down in words of their own what they were given.
fn meaning(setting: BucketSetting, text: &str) -> Result<Value, XmlError> {
    let document = || s3_xml::parse(text.as_bytes());
    match setting {
        BucketSetting::Policy => serde_json::from_str(text).map_err(|_| XmlError::Malformed),
        BucketSetting::PublicAccessBlock => Ok(json!(s3_xml::block(text.as_bytes())?)),
        BucketSetting::Acl => {
            let root = document()?;
            let list = root.child("AccessControlList").ok_or(XmlError::Other)?;
            let mut grants: Vec<[&str; 4]> = list.all("Grant").map(grant_words).collect();
            grants.sort_unstable();
            Ok(json!(grants))
        }
        BucketSetting::Encryption => {
            Ok(json!(document()?.all("Rule").map(rule_words).collect::<Vec<_>>()))
        }
        BucketSetting::OwnershipControls => Ok(json!(s3_xml::ownership(text.as_bytes())?)),
        BucketSetting::Versioning => {
            Ok(json!(s3_xml::versioning(text.as_bytes())? == Some(Versioning::Enabled)))
        }
        BucketSetting::Logging => {
            let root = s3_xml::parse_as(text.as_bytes(), "BucketLoggingStatus")?;
            let word = |name| root.at(&["LoggingEnabled", name]);
            Ok(json!([word("TargetBucket"), word("TargetPrefix")]))
        }
    }
}

fn grant_words(grant: &Element) -> [&str; 4] {
    let word = |path: &[&str]| grant.at(path).unwrap_or_default();
    [
        word(&["Grantee", "ID"]),
        word(&["Grantee", "URI"]),
        word(&["Grantee", "EmailAddress"]),
        word(&["Permission"]),
    ]
}

fn rule_words(rule: &Element) -> Value {
    let by = |name| rule.at(&["ApplyServerSideEncryptionByDefault", name]);
    let blocked = rule.child("BlockedEncryptionTypes");
    let blocked: Vec<&String> =
        blocked.into_iter().flat_map(|types| &types.children).map(|kind| &kind.text).collect();
    let key = rule.at(&["BucketKeyEnabled"]).unwrap_or("false").to_ascii_lowercase();
    json!([by("SSEAlgorithm"), by("KMSMasterKeyID"), blocked, key])
}

const NO_VERSIONS: &str = "<VersioningConfiguration \
    xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Status>Suspended</Status>\
    </VersioningConfiguration>";

const NO_LOG: &str =
    "<BucketLoggingStatus xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"></BucketLoggingStatus>";

/// How long is waited between a write and each look at what came of it.
const READ_WAITS: [Duration; 4] = [
    Duration::from_millis(50),
    Duration::from_millis(500),
    Duration::from_secs(2),
    Duration::from_secs(2),
];

#[cfg(test)]
mod tests;
