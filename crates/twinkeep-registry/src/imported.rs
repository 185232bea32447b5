//! Models from elsewhere: what is recorded about each, as part of the registry's state.
//!
//! Imported material is kept, and is no version: it has names of its own, so that nothing that
//! serves, measures, or releases versions can be handed any of it.

use std::fmt;

use serde::{Deserialize, Serialize};
use twinkeep_domain::Timestamp;
use twinkeep_vault::digest::{from_hex, to_hex};

use crate::contents::Content;
use crate::names::{ImportId, VersionId};

/// What is known of imported material.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportStatus {
    /// It was not checked to the end, did not pass, or was taken away.
    Quarantined,
    /// Somebody who is trusted signed it, and every byte of it is data.
    Verified,
}

/// One change of the status.
#[derive(Clone, PartialEq, Eq)]
pub struct ImportStep {
    /// What it became.
    pub status: ImportStatus,
    /// When.
    pub at: Timestamp,
    /// Who asked for it.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// Imported material and everything that was decided about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportRecord {
    /// Which material.
    pub id: ImportId,
    /// SHA-256 over the names and digests of its files; the id is its beginning.
    pub digest: [u8; 32],
    /// What it is now: the status of the last step.
    pub status: ImportStatus,
    /// Whether somebody took it away, so that importing it again does not bring it back.
    pub held: bool,
    /// How many files it has.
    pub file_count: u64,
    /// How many bytes they have.
    pub size: u64,
    /// All changes, the oldest first.
    pub steps: Vec<ImportStep>,
}

/// A file of imported material.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportedFile {
    /// Its path in the model, with `/`.
    pub name: String,
    /// Its size, in bytes.
    pub size: u64,
    /// SHA-256 of its content.
    pub sha256: [u8; 32],
    /// What it is.
    pub content: Content,
}

/// What an import came to.
#[derive(Debug)]
pub struct Imported {
    /// What is recorded about the material.
    pub record: ImportRecord,
    /// What this import found, which is not what was found before if it was there already.
    pub status: ImportStatus,
    /// Why, in a few words that never change: `unsupported`, `model-signature-wrong`.
    pub code: &'static str,
    /// Why, as a sentence.
    pub reason: String,
    /// Its files.
    pub files: Vec<ImportedFile>,
}

/// Either kind of model that a registry keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelId {
    /// A version.
    Version(VersionId),
    /// Imported material.
    Import(ImportId),
}

impl ModelId {
    /// Reads a name; `None` unless it has exactly the form of one.
    pub fn parse(text: &str) -> Option<Self> {
        let version = VersionId::parse(text).map(Self::Version);
        version.or_else(|| ImportId::parse(text).map(Self::Import))
    }
}

impl ImportStatus {
    /// Returns the name of the status, as it is stored and shown.
    pub fn name(self) -> &'static str {
        match self {
            Self::Quarantined => "quarantined",
            Self::Verified => "verified",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Quarantined, Self::Verified].into_iter().find(|status| status.name() == text)
    }
}

impl fmt::Display for ImportStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for ImportStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ImportStep({})", self.status)
    }
}

impl ImportRecord {
    /// Adds a step.
    pub(crate) fn step(&mut self, step: ImportStep) {
        self.status = step.status;
        self.steps.push(step);
    }
}

/// A record in the registry's state.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WireImport {
    id: String,
    sha256: String,
    held: bool,
    file_count: u64,
    size: u64,
    steps: Vec<WireImportStep>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireImportStep {
    status: String,
    at_micros: i64,
    by: String,
    reason: String,
}

impl WireImport {
    pub(crate) fn of(record: &ImportRecord) -> Self {
        let step = |step: &ImportStep| WireImportStep {
            status: step.status.name().to_owned(),
            at_micros: step.at.micros(),
            by: step.by.clone(),
            reason: step.reason.clone(),
        };
        Self {
            id: record.id.as_str().to_owned(),
            sha256: to_hex(&record.digest),
            held: record.held,
            file_count: record.file_count,
            size: record.size,
            steps: record.steps.iter().map(step).collect(),
        }
    }

    pub(crate) fn read(&self) -> Option<ImportRecord> {
        let step = |step: &WireImportStep| {
            Some(ImportStep {
                status: ImportStatus::parse(&step.status)?,
                at: Timestamp::from_micros(step.at_micros),
                by: step.by.clone(),
                reason: step.reason.clone(),
            })
        };
        let steps: Vec<ImportStep> = self.steps.iter().map(step).collect::<Option<_>>()?;
        let digest = from_hex(&self.sha256)?.try_into().ok()?;
        let id = ImportId::parse(&self.id).filter(|id| *id == ImportId::of(&digest))?;
        Some(ImportRecord {
            id,
            digest,
            status: steps.last()?.status,
            held: self.held,
            file_count: self.file_count,
            size: self.size,
            steps,
        })
    }
}
