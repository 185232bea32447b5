//! The sources of requirements that a report can be held against.

use serde::{Deserialize, Serialize};

/// A source of requirements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Profile {
    /// HIPAA as it is in force.
    #[serde(rename = "hipaa")]
    Hipaa,
    /// The GDPR.
    #[serde(rename = "gdpr")]
    Gdpr,
    /// HIPAA as proposed in 2025; not in force.
    #[serde(rename = "hipaa-nprm-2025")]
    HipaaProposed,
    /// OWASP AISVS 1.0.
    #[serde(rename = "aisvs")]
    Aisvs,
}

impl Profile {
    /// All of them.
    pub const ALL: &[Profile] =
        &[Profile::Hipaa, Profile::Gdpr, Profile::HipaaProposed, Profile::Aisvs];

    /// The word that it is asked for with.
    pub fn word(self) -> &'static str {
        match self {
            Profile::Hipaa => "hipaa",
            Profile::Gdpr => "gdpr",
            Profile::HipaaProposed => "hipaa-nprm-2025",
            Profile::Aisvs => "aisvs",
        }
    }

    /// Its name for people, which says so if it is not in force.
    pub fn title(self) -> &'static str {
        match self {
            Profile::Hipaa => "HIPAA, 45 CFR part 164",
            Profile::Gdpr => "GDPR, Regulation (EU) 2016/679",
            Profile::HipaaProposed => "HIPAA as proposed in 90 FR 898 (2025): not in force",
            Profile::Aisvs => "OWASP AISVS 1.0, chapters 1, 3, 5, 6, 11, and 12",
        }
    }
}
