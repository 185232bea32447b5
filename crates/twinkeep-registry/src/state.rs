//! What may be done with each version: one statement about all of them, signed by the keep.
//!
//! A hand that writes "in service" into the file does not have the key. Each statement has a
//! number, one higher than the one before, so that whoever remembers a number notices an older
//! statement in its place.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use twinkeep_domain::Timestamp;
use twinkeep_vault::ecdsa::{self, EcdsaKey};

use crate::oms::pae;
use crate::{RegistryError, VersionId};

/// What may be done with a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It was submitted, and is not served.
    Candidate,
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
}

impl Status {
    /// Returns the name of the status, as it is stored and shown.
    pub fn name(self) -> &'static str {
        match self {
            Self::Candidate => "candidate",
            Self::InService => "in-service",
            Self::Retired => "retired",
            Self::Quarantined => "quarantined",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Candidate, Self::InService, Self::Retired, Self::Quarantined]
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
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct WireEnvelope {
    payload: String,
    payload_type: String,
    signatures: Vec<WireSignature>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireSignature {
    sig: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireState {
    version: u32,
    counter: u64,
    versions: Vec<WireVersion>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireVersion {
    id: String,
    steps: Vec<WireStep>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    marks: Vec<WireMark>,
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
}

impl State {
    /// Returns the record of a version.
    pub(crate) fn record(&self, id: &VersionId) -> Result<&VersionRecord, RegistryError> {
        let unknown = || RegistryError::Unknown { id: id.clone() };
        self.versions.iter().find(|record| record.id == *id).ok_or_else(unknown)
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

    /// Returns the version that is served.
    pub(crate) fn in_service(&self) -> Option<&VersionId> {
        let served = |record: &&VersionRecord| record.status == Status::InService;
        self.versions.iter().find(served).map(|record| &record.id)
    }

    /// Signs the statement.
    pub(crate) fn sign(&self, key: &EcdsaKey) -> Result<Vec<u8>, RegistryError> {
        let unwritable = |_| refuse("it cannot be written");
        let payload = serde_json::to_vec(&self.to_wire()).map_err(unwritable)?;
        let signature =
            key.sign(&pae(PAYLOAD_TYPE, &payload)).map_err(|_| refuse("it cannot be signed"))?;
        let envelope = envelope(&payload, &signature);
        serde_json::to_vec(&envelope).map_err(unwritable)
    }

    /// Reads a statement that the holder of `public_pem` signed.
    pub(crate) fn verify(bytes: &[u8], public_pem: &str) -> Result<Self, RegistryError> {
        let wire: WireEnvelope =
            serde_json::from_slice(bytes).map_err(|_| refuse("it is not an envelope"))?;
        let [signature] = wire.signatures.as_slice() else {
            return Err(refuse("it does not have exactly one signature"));
        };
        let decode = |text: &str| STANDARD.decode(text).map_err(|_| refuse("it is not base64"));
        let (payload, signature) = (decode(&wire.payload)?, decode(&signature.sig)?);
        ecdsa::verify(public_pem, &pae(PAYLOAD_TYPE, &payload), &signature)
            .map_err(|_| refuse("its signature does not hold"))?;
        // What the signature does not cover has one spelling, so that any change shows.
        let expected = serde_json::to_vec(&envelope(&payload, &signature)).unwrap_or_default();
        if expected != bytes {
            return Err(refuse("it is not in the form in which it was written"));
        }
        let wire = serde_json::from_slice(&payload).map_err(|_| refuse("it is not a statement"))?;
        Self::from_wire(&wire).ok_or(refuse("it is not a statement"))
    }

    fn to_wire(&self) -> WireState {
        let step = |step: &Step| WireStep {
            status: step.status.name().to_owned(),
            at_micros: step.at.micros(),
            by: step.by.clone(),
            reason: step.reason.clone(),
        };
        let mark = |mark: &Mark| WireMark {
            at_micros: mark.at.micros(),
            by: mark.by.clone(),
            reason: mark.reason.clone(),
        };
        let version = |record: &VersionRecord| WireVersion {
            id: record.id.as_str().to_owned(),
            steps: record.steps.iter().map(step).collect(),
            marks: record.marks.iter().map(mark).collect(),
        };
        let versions = self.versions.iter().map(version).collect();
        WireState { version: 1, counter: self.counter, versions }
    }

    fn from_wire(wire: &WireState) -> Option<Self> {
        if wire.version != 1 {
            return None;
        }
        let mut state = Self { counter: wire.counter, versions: Vec::new() };
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
                };
                state.step(&id, step);
            }
            let mark = |mark: &WireMark| Mark {
                at: Timestamp::from_micros(mark.at_micros),
                by: mark.by.clone(),
                reason: mark.reason.clone(),
            };
            let marks = version.marks.iter().map(mark).collect();
            if let Some(record) = state.versions.last_mut() {
                record.marks = marks;
            }
        }
        Some(state)
    }
}

fn envelope(payload: &[u8], signature: &[u8]) -> WireEnvelope {
    WireEnvelope {
        payload: STANDARD.encode(payload),
        payload_type: PAYLOAD_TYPE.to_owned(),
        signatures: vec![WireSignature { sig: STANDARD.encode(signature) }],
    }
}

fn refuse(reason: &'static str) -> RegistryError {
    RegistryError::State { reason }
}

/// Apart from all other things that the key signs.
const PAYLOAD_TYPE: &str = "application/vnd.twinkeep.registry-state.v1+json";
