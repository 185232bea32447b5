//! What may be done with each version: one statement about all of them, signed by the keep.
//!
//! A hand that writes "in service" into the file does not have the key. Each statement has a
//! number, one higher than the one before, so that whoever remembers a number notices an older
//! statement in its place.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};
use twinkeep_domain::Timestamp;
use twinkeep_vault::digest::{from_hex, to_hex};
use twinkeep_vault::ecdsa::EcdsaKey;

use crate::imported::{ImportRecord, WireImport};
use crate::oms::{disclose, enclose};
use crate::{ImportId, RegistryError, VersionId};

/// What may be done with a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It was submitted, and is not served.
    Candidate,
    /// It may be served, and stands by.
    Released,
    /// It is the one that is served.
    InService,
    /// It was served, and another one took its place.
    Retired,
    /// It is not what it was, or was taken away for another reason.
    Quarantined,
}

/// One change of a version's status.
#[derive(Clone, PartialEq, Eq)]
pub struct Step {
    /// What it became.
    pub status: Status,
    /// When.
    pub at: Timestamp,
    /// Who asked for it.
    pub by: String,
    /// Why.
    pub reason: String,
    /// The named approvers who agreed, where that was asked for.
    pub approved_by: Vec<String>,
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Step({})", self.status)
    }
}

/// Something that whoever serves a version should know, and that is no change of its status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// When.
    pub at: Timestamp,
    /// Who made it.
    pub by: String,
    /// What: `a person it may have learned from was erased`.
    pub reason: String,
}

/// A report of an attack on a version, which lies sealed beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttackNote {
    /// Which attack: `membership`.
    pub kind: String,
    /// When it was run.
    pub at: Timestamp,
    /// Who ran it.
    pub by: String,
    /// SHA-256 of the sealed report.
    pub sha256: [u8; 32],
}

/// A version and everything that was decided about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionRecord {
    /// Which version.
    pub id: VersionId,
    /// What it is now: the status of the last step.
    pub status: Status,
    /// All changes, the oldest first.
    pub steps: Vec<Step>,
    /// All marks, the oldest first.
    pub marks: Vec<Mark>,
    /// The newest report of each attack, by its kind.
    pub attacks: Vec<AttackNote>,
}

impl Status {
    /// Returns the name of the status, as it is stored and shown.
    pub fn name(self) -> &'static str {
        match self {
            Self::Candidate => "candidate",
            Self::Released => "released",
            Self::InService => "in-service",
            Self::Retired => "retired",
            Self::Quarantined => "quarantined",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Candidate, Self::Released, Self::InService, Self::Retired, Self::Quarantined]
            .into_iter()
            .find(|status| status.name() == text)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// All versions, as one statement tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) counter: u64,
    /// In the order in which they were submitted.
    pub(crate) versions: Vec<VersionRecord>,
    /// The version that serves when the one in service fails.
    pub(crate) backup: Option<VersionId>,
    /// Whose agreement counts, by name.
    pub(crate) approvers: BTreeMap<String, Approver>,
    /// How many of them must agree before a version is released.
    pub(crate) approvals_required: u32,
    /// What came from elsewhere and is no version, in the order in which it came.
    pub(crate) imports: Vec<ImportRecord>,
}

/// Somebody whose agreement counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approver {
    /// The public half of the key that signs the agreement (Ed25519).
    pub key: [u8; 32],
    /// Since when.
    pub since: Timestamp,
    /// Who named them.
    pub by: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireState {
    version: u32,
    counter: u64,
    versions: Vec<WireVersion>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    backup: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    approvers: BTreeMap<String, WireApprover>,
    #[serde(default, skip_serializing_if = "is_zero")]
    approvals_required: u32,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    imports: Vec<WireImport>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireApprover {
    key: String,
    since_micros: i64,
    by: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireVersion {
    id: String,
    steps: Vec<WireStep>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    marks: Vec<WireMark>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    attacks: Vec<WireAttack>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireAttack {
    kind: String,
    at_micros: i64,
    by: String,
    sha256: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireMark {
    at_micros: i64,
    by: String,
    reason: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireStep {
    status: String,
    at_micros: i64,
    by: String,
    reason: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    approved_by: Vec<String>,
}

impl State {
    /// Returns the record of a version.
    pub(crate) fn record(&self, id: &VersionId) -> Result<&VersionRecord, RegistryError> {
        let unknown = || RegistryError::Unknown { id: id.clone() };
        self.versions.iter().find(|record| record.id == *id).ok_or_else(unknown)
    }

    /// Returns the record of imported material.
    pub(crate) fn import(&self, id: &ImportId) -> Result<&ImportRecord, RegistryError> {
        let unknown = || RegistryError::ImportUnknown { id: id.clone() };
        self.imports.iter().find(|record| record.id == *id).ok_or_else(unknown)
    }

    /// Returns the record of imported material, to change it.
    pub(crate) fn import_mut(&mut self, id: &ImportId) -> Result<&mut ImportRecord, RegistryError> {
        let unknown = || RegistryError::ImportUnknown { id: id.clone() };
        self.imports.iter_mut().find(|record| record.id == *id).ok_or_else(unknown)
    }

    /// Adds a step to a version, or a version with its first step.
    pub(crate) fn step(&mut self, id: &VersionId, step: Step) {
        match self.versions.iter_mut().find(|record| record.id == *id) {
            Some(record) => {
                record.status = step.status;
                record.steps.push(step);
            }
            None => self.versions.push(VersionRecord {
                id: id.clone(),
                status: step.status,
                steps: vec![step],
                marks: Vec::new(),
                attacks: Vec::new(),
            }),
        }
    }

    /// Marks the versions that `chosen` names, unless they have that mark; returns them.
    pub(crate) fn mark(
        &mut self,
        mark: &Mark,
        chosen: impl Fn(&VersionRecord) -> bool,
    ) -> Vec<VersionId> {
        let mut marked = Vec::new();
        for record in self.versions.iter_mut().filter(|record| chosen(record)) {
            if record.marks.iter().all(|known| known.reason != mark.reason) {
                record.marks.push(mark.clone());
            }
            marked.push(record.id.clone());
        }
        marked
    }

    /// Notes a report of an attack in place of the last one of its kind.
    pub(crate) fn note_attack(&mut self, id: &VersionId, note: AttackNote) {
        if let Some(record) = self.versions.iter_mut().find(|record| record.id == *id) {
            record.attacks.retain(|known| known.kind != note.kind);
            record.attacks.push(note);
            record.attacks.sort_by(|one, other| one.kind.cmp(&other.kind));
        }
    }

    /// Returns the version that is served.
    pub(crate) fn in_service(&self) -> Option<&VersionId> {
        let served = |record: &&VersionRecord| record.status == Status::InService;
        self.versions.iter().find(served).map(|record| &record.id)
    }

    /// Signs the statement.
    pub(crate) fn sign(&self, key: &EcdsaKey) -> Result<Vec<u8>, RegistryError> {
        let unwritable = |_| refuse("it cannot be written");
        let payload = serde_json::to_vec(&self.to_wire()).map_err(unwritable)?;
        enclose(PAYLOAD_TYPE, &payload, key).map_err(refuse)
    }

    /// Reads a statement that the holder of `public_pem` signed.
    pub(crate) fn verify(bytes: &[u8], public_pem: &str) -> Result<Self, RegistryError> {
        let payload = disclose(PAYLOAD_TYPE, bytes, public_pem).map_err(refuse)?;
        let wire = serde_json::from_slice(&payload).map_err(|_| refuse("it is not a statement"))?;
        Self::from_wire(&wire).ok_or(refuse("it is not a statement"))
    }

    fn to_wire(&self) -> WireState {
        let step = |step: &Step| WireStep {
            status: step.status.name().to_owned(),
            at_micros: step.at.micros(),
            by: step.by.clone(),
            reason: step.reason.clone(),
            approved_by: step.approved_by.clone(),
        };
        let mark = |mark: &Mark| WireMark {
            at_micros: mark.at.micros(),
            by: mark.by.clone(),
            reason: mark.reason.clone(),
        };
        let attack = |note: &AttackNote| WireAttack {
            kind: note.kind.clone(),
            at_micros: note.at.micros(),
            by: note.by.clone(),
            sha256: to_hex(&note.sha256),
        };
        let version = |record: &VersionRecord| WireVersion {
            id: record.id.as_str().to_owned(),
            steps: record.steps.iter().map(step).collect(),
            marks: record.marks.iter().map(mark).collect(),
            attacks: record.attacks.iter().map(attack).collect(),
        };
        let approver = |(name, approver): (&String, &Approver)| {
            let wire = WireApprover {
                key: to_hex(&approver.key),
                since_micros: approver.since.micros(),
                by: approver.by.clone(),
            };
            (name.clone(), wire)
        };
        WireState {
            version: 1,
            counter: self.counter,
            versions: self.versions.iter().map(version).collect(),
            backup: self.backup.as_ref().map(|id| id.as_str().to_owned()),
            approvers: self.approvers.iter().map(approver).collect(),
            approvals_required: self.approvals_required,
            imports: self.imports.iter().map(WireImport::of).collect(),
        }
    }

    fn from_wire(wire: &WireState) -> Option<Self> {
        if wire.version != 1 {
            return None;
        }
        let imports: Vec<ImportRecord> =
            wire.imports.iter().map(WireImport::read).collect::<Option<_>>()?;
        let ids: BTreeSet<&str> = imports.iter().map(|record| record.id.as_str()).collect();
        if ids.len() < imports.len() {
            return None;
        }
        let approver = |(name, wire): (&String, &WireApprover)| {
            let approver = Approver {
                key: from_hex(&wire.key)?.try_into().ok()?,
                since: Timestamp::from_micros(wire.since_micros),
                by: wire.by.clone(),
            };
            Some((name.clone(), approver))
        };
        let backup = wire.backup.as_ref().map(|id| VersionId::parse(id));
        let mut state = Self {
            counter: wire.counter,
            versions: Vec::new(),
            backup: if let Some(backup) = backup { Some(backup?) } else { None },
            approvers: wire.approvers.iter().map(approver).collect::<Option<_>>()?,
            approvals_required: wire.approvals_required,
            imports,
        };
        let mut known = BTreeMap::new();
        for version in &wire.versions {
            let id = VersionId::parse(&version.id)?;
            if version.steps.is_empty() || known.insert(id.clone(), ()).is_some() {
                return None;
            }
            for step in &version.steps {
                let step = Step {
                    status: Status::parse(&step.status)?,
                    at: Timestamp::from_micros(step.at_micros),
                    by: step.by.clone(),
                    reason: step.reason.clone(),
                    approved_by: step.approved_by.clone(),
                };
                state.step(&id, step);
            }
            let mark = |mark: &WireMark| Mark {
                at: Timestamp::from_micros(mark.at_micros),
                by: mark.by.clone(),
                reason: mark.reason.clone(),
            };
            let attack = |note: &WireAttack| {
                Some(AttackNote {
                    kind: note.kind.clone(),
                    at: Timestamp::from_micros(note.at_micros),
                    by: note.by.clone(),
                    sha256: from_hex(&note.sha256)?.try_into().ok()?,
                })
            };
            let marks = version.marks.iter().map(mark).collect();
            let attacks = version.attacks.iter().map(attack).collect::<Option<Vec<_>>>()?;
            if let Some(record) = state.versions.last_mut() {
                (record.marks, record.attacks) = (marks, attacks);
            }
        }
        Some(state)
    }
}

fn refuse(reason: &'static str) -> RegistryError {
    RegistryError::State { reason }
}

/// Apart from all other things that the key signs.
const PAYLOAD_TYPE: &str = "application/vnd.twinkeep.registry-state.v1+json";
