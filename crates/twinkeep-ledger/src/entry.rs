//! Audit entries: what was done, as an OCSF event in canonical JSON, with no personal data.
//!
//! The Open Cybersecurity Schema Framework names the classes of events and their fields, so that
//! security tools read the ledger without a mapping. What OCSF has no field for is under
//! `unmapped`. A person appears only as a keyed digest.
//!
//! # Invariants
//!
//! - One entry has one encoding: keys sorted, no white space, no floating point (RFC 8785).
//! - Every text is short and has no control characters; names have a fixed alphabet.

use std::collections::BTreeMap;

mod canonical;
mod wire;

#[cfg(test)]
mod tests;

/// The class of an event in OCSF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// 1001: somebody opened, read, or changed a file.
    FileSystemActivity,
    /// 2004: a detector found something.
    DetectionFinding,
    /// 3002: somebody proved, or failed to prove, who they are.
    Authentication,
    /// 3004: a thing under management was made, changed, or removed: a model, a key.
    EntityManagement,
    /// 6002: the program started or stopped.
    ApplicationLifecycle,
    /// 6003: a request was answered or refused.
    ApiActivity,
    /// 6005: data was written, read, or erased.
    DatastoreActivity,
}

/// What was done, in the words that all classes share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// Something was made.
    Create,
    /// Something was read.
    Read,
    /// Something was changed.
    Update,
    /// Something was removed.
    Delete,
    /// A program or service started.
    Start,
    /// A program or service stopped.
    Stop,
    /// An identity signed in.
    Logon,
    /// An identity signed out.
    Logoff,
    /// A file was opened.
    Open,
    /// A file got another name.
    Rename,
    /// Owner, mode, times, or the like of a file were changed.
    Attribute,
    /// None of these; the action says what.
    Other,
}

/// How much attention it deserves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing to do.
    Informational,
    /// Worth a look when there are many.
    Low,
    /// Worth a look.
    Medium,
    /// Somebody should act.
    High,
    /// Somebody should act now.
    Critical,
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Success,
    /// It was refused or failed.
    Failure {
        /// The stable code of the reason, such as `signature-invalid`.
        code: String,
    },
}

/// One more fact: a count, a size, a digest, a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Detail {
    /// A name or a digest; never a value of a person.
    Text(String),
    /// A whole number, of at most 53 bits (RFC 7493: what every reader of JSON keeps exact).
    Number(i64),
}

impl From<&str> for Detail {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<i64> for Detail {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

/// One record in the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When it was done: milliseconds since 1970-01-01T00:00:00Z.
    pub time_ms: i64,
    /// The OCSF class.
    pub class: Class,
    /// The OCSF activity.
    pub activity: Activity,
    /// The stable name of what was done: `feed.ingested`.
    pub action: String,
    /// Who did it, as a stable identifier that is no person's name: `operator`, `key:4f2a`.
    pub actor: String,
    /// How much attention it deserves.
    pub severity: Severity,
    /// How it ended.
    pub outcome: Outcome,
    /// The person it is about, as a keyed digest in hexadecimal.
    pub subject: Option<String>,
    /// Further facts, by name.
    pub details: BTreeMap<String, Detail>,
}

/// Why an entry cannot be written or read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// A field is too long, or has characters that it must not have.
    #[error("audit entry field `{field}` is not valid")]
    Field {
        /// Which one.
        field: &'static str,
    },
    /// The bytes are not the canonical encoding of an entry.
    #[error("the bytes are not an audit entry: {problem}")]
    Encoding {
        /// What is wrong.
        problem: &'static str,
    },
}

impl EntryError {
    /// The name of this error in replies and in the docs. Never changes.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Field { .. } => "audit-entry-field",
            Self::Encoding { .. } => "audit-entry-encoding",
        }
    }
}

impl Entry {
    /// Describes something that was done, without further facts, as a success.
    pub fn new(time_ms: i64, class: Class, activity: Activity, action: &str, actor: &str) -> Self {
        Self {
            time_ms,
            class,
            activity,
            action: action.to_owned(),
            actor: actor.to_owned(),
            severity: Severity::Informational,
            outcome: Outcome::Success,
            subject: None,
            details: BTreeMap::new(),
        }
    }

    /// States that it was refused or failed, and the stable code of the reason.
    #[must_use]
    pub fn failed(mut self, code: &str) -> Self {
        self.outcome = Outcome::Failure { code: code.to_owned() };
        self.severity = self.severity.max(Severity::Low);
        self
    }

    /// States how much attention it deserves.
    #[must_use]
    pub fn severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    /// States which person it is about: a keyed digest in hexadecimal.
    #[must_use]
    pub fn about(mut self, reference: &str) -> Self {
        self.subject = Some(reference.to_owned());
        self
    }

    /// Adds one fact.
    #[must_use]
    pub fn with(mut self, name: &str, detail: impl Into<Detail>) -> Self {
        self.details.insert(name.to_owned(), detail.into());
        self
    }

    /// Returns the canonical encoding, as it goes into the ledger.
    pub fn encode(&self) -> Result<Vec<u8>, EntryError> {
        self.check()?;
        let bytes = canonical::write(&wire::to_json(self));
        Ok(bytes.into_bytes())
    }

    /// Reads an entry; bytes that are not its canonical encoding are refused.
    pub fn decode(bytes: &[u8]) -> Result<Self, EntryError> {
        let json = serde_json::from_slice(bytes)
            .map_err(|_| EntryError::Encoding { problem: "not JSON" })?;
        let entry = wire::from_json(&json)?;
        if entry.encode()? == bytes {
            Ok(entry)
        } else {
            Err(EntryError::Encoding { problem: "not in canonical form" })
        }
    }

    fn check(&self) -> Result<(), EntryError> {
        let field = |field| EntryError::Field { field };
        if !number_valid(self.time_ms) {
            return Err(field("time"));
        }
        if !name_valid(&self.action) {
            return Err(field("action"));
        }
        if !text_valid(&self.actor) || self.actor.is_empty() {
            return Err(field("actor"));
        }
        if matches!(&self.outcome, Outcome::Failure { code } if !name_valid(code)) {
            return Err(field("outcome"));
        }
        if self.subject.as_ref().is_some_and(|subject| !reference_valid(subject)) {
            return Err(field("subject"));
        }
        let detail_valid = |(name, detail): (&String, &Detail)| {
            name_valid(name)
                && match detail {
                    Detail::Text(text) => text_valid(text),
                    Detail::Number(number) => number_valid(*number),
                }
        };
        if self.details.len() > DETAIL_COUNT_MAX || !self.details.iter().all(detail_valid) {
            return Err(field("details"));
        }
        Ok(())
    }
}

fn name_valid(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (1..=NAME_LEN_MAX).contains(&name.len())
        && name.bytes().all(|byte| plain(byte) || matches!(byte, b'.' | b'-' | b'_'))
}

fn text_valid(text: &str) -> bool {
    text.len() <= TEXT_LEN_MAX && !text.chars().any(char::is_control)
}

fn reference_valid(reference: &str) -> bool {
    reference.len() <= NAME_LEN_MAX
        && twinkeep_vault::digest::from_hex(reference).is_some_and(|bytes| bytes.len() >= 8)
}

fn number_valid(number: i64) -> bool {
    number.unsigned_abs() < 1 << 53
}

/// Longest name, in bytes: a SHA-256 digest in hexadecimal has 64.
const NAME_LEN_MAX: usize = 64;

/// Longest text, in bytes: an entry names things and holds no content.
const TEXT_LEN_MAX: usize = 256;

/// Most further facts: with every text at its limit and every character of it escaped, an entry
/// has 15 KiB and fits the ledger's limit of 16.
const DETAIL_COUNT_MAX: usize = 24;
