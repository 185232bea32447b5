//! A profile as JSON, for keeping it sealed beside its feed.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::{CodeProfile, Distinct, Profile, Sketch};
use crate::Counts;

/// Why a profile cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// It is not JSON of this form.
    #[error("the profile is not readable")]
    Syntax {
        /// What the parser said.
        source: serde_json::Error,
    },

    /// The form is newer than this program.
    #[error("the profile has version {found}; this program reads version {VERSION}")]
    Version {
        /// What it says.
        found: u32,
    },

    /// A sketch in it is damaged.
    #[error("a sketch in the profile is damaged")]
    Sketch,
}

impl ProfileError {
    /// Returns the permanent name of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Syntax { .. } => "profile-syntax",
            Self::Version { .. } => "profile-version",
            Self::Sketch => "profile-sketch",
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireProfile {
    version: u32,
    read: u64,
    accepted: u64,
    missing: u64,
    quarantined: u64,
    reasons: BTreeMap<String, u64>,
    codes: BTreeMap<String, WireCode>,
    other_event_count: u64,
    subjects: String,
    events_per_subject: WireSketch,
    span: Option<(i64, i64)>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireCode {
    events: u64,
    missing: u64,
    refused: u64,
    texts: u64,
    values: WireSketch,
    subjects: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireSketch {
    digest: String,
    /// The bits of the sum: a number in JSON may lose the last of them.
    sum_bits: u64,
}

impl Profile {
    /// Writes the profile as JSON.
    pub fn to_json(&self) -> Vec<u8> {
        let Counts { read, accepted, missing, quarantined } = self.counts;
        let wire = WireProfile {
            version: VERSION,
            read,
            accepted,
            missing,
            quarantined,
            reasons: self.reasons.clone(),
            codes: self.codes.iter().map(|(code, one)| (code.clone(), to_code(one))).collect(),
            other_event_count: self.other_event_count,
            subjects: STANDARD.encode(self.subjects.to_bytes()),
            events_per_subject: to_sketch(&self.events_per_subject),
            span: self.span,
        };
        // Maps with text as keys, numbers, and texts: there is nothing that JSON cannot say.
        serde_json::to_vec(&wire).unwrap_or_default()
    }

    /// Reads what [`Profile::to_json`] wrote.
    pub fn from_json(bytes: &[u8]) -> Result<Self, ProfileError> {
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        let syntax = |source| ProfileError::Syntax { source };
        let Version { version } = serde_json::from_slice(bytes).map_err(syntax)?;
        if version != VERSION {
            return Err(ProfileError::Version { found: version });
        }
        let wire: WireProfile = serde_json::from_slice(bytes).map_err(syntax)?;
        let (read, accepted) = (wire.read, wire.accepted);
        let (missing, quarantined) = (wire.missing, wire.quarantined);
        let codes = wire.codes.into_iter().map(|(code, one)| Some((code, from_code(one)?)));
        let codes: Option<_> = codes.collect();
        let sketches = from_distinct(&wire.subjects).zip(from_sketch(&wire.events_per_subject));
        let (subjects, events_per_subject) = sketches.ok_or(ProfileError::Sketch)?;
        Ok(Self {
            counts: Counts { read, accepted, missing, quarantined },
            reasons: wire.reasons,
            codes: codes.ok_or(ProfileError::Sketch)?,
            other_event_count: wire.other_event_count,
            subjects,
            events_per_subject,
            span: wire.span,
        })
    }
}

fn to_code(code: &CodeProfile) -> WireCode {
    WireCode {
        events: code.events,
        missing: code.missing,
        refused: code.refused,
        texts: code.texts,
        values: to_sketch(&code.values),
        subjects: STANDARD.encode(code.subjects.to_bytes()),
    }
}

fn from_code(wire: WireCode) -> Option<CodeProfile> {
    Some(CodeProfile {
        events: wire.events,
        missing: wire.missing,
        refused: wire.refused,
        texts: wire.texts,
        values: from_sketch(&wire.values)?,
        subjects: from_distinct(&wire.subjects)?,
    })
}

fn to_sketch(sketch: &Sketch) -> WireSketch {
    let (digest, sum) = sketch.to_parts();
    WireSketch { digest: STANDARD.encode(digest), sum_bits: sum.to_bits() }
}

fn from_sketch(wire: &WireSketch) -> Option<Sketch> {
    Sketch::from_parts(&STANDARD.decode(&wire.digest).ok()?, f64::from_bits(wire.sum_bits))
}

fn from_distinct(text: &str) -> Option<Distinct> {
    Distinct::from_bytes(&STANDARD.decode(text).ok()?)
}

/// Raised when a field is added.
const VERSION: u32 = 1;
