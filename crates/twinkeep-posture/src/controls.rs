//! The requirements that rules are evidence for: one table of identifiers and official titles.
//!
//! Titles are those of 45 CFR part 164, of Regulation (EU) 2016/679, of the sections of OWASP
//! AISVS 1.0, and of the rule that was proposed in 90 FR 898 (2025). A rule that cites what is not
//! here does not pass the tests of the table of rules.

use crate::profile::Profile;

mod aisvs;
mod gdpr;
mod hipaa;
mod proposed;

#[cfg(test)]
mod tests;

/// A requirement.
#[derive(Debug, PartialEq, Eq)]
pub struct Control {
    /// Its identifier: the word of its source, and how that source cites it.
    pub id: &'static str,
    /// Its official title.
    pub title: &'static str,
    /// What the source says of how binding it is.
    pub need: Need,
}

/// How binding a requirement is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// A standard, an article, or a specification that must be implemented.
    Required,
    /// HIPAA: implemented, or documented why not.
    Addressable,
    /// AISVS: from this level of assurance on.
    Level(u8),
    /// Proposed, and not in force.
    Proposed,
}

impl Need {
    /// Its words in reports.
    pub fn words(self) -> &'static str {
        match self {
            Need::Required => "required",
            Need::Addressable => "addressable",
            Need::Level(1) => "level 1",
            Need::Level(2) => "level 2",
            Need::Level(_) => "level 3",
            Need::Proposed => "proposed, not in force",
        }
    }
}

const fn required(id: &'static str, title: &'static str) -> Control {
    Control { id, title, need: Need::Required }
}

const fn addressable(id: &'static str, title: &'static str) -> Control {
    Control { id, title, need: Need::Addressable }
}

/// The requirements of a profile, in the order of their source.
pub fn of(profile: Profile) -> &'static [Control] {
    match profile {
        Profile::Hipaa => hipaa::CONTROLS,
        Profile::Gdpr => gdpr::CONTROLS,
        Profile::HipaaProposed => proposed::CONTROLS,
        Profile::Aisvs => aisvs::CONTROLS,
    }
}

/// A requirement by its identifier.
pub fn find(id: &str) -> Option<&'static Control> {
    Profile::ALL.iter().flat_map(|&profile| of(profile)).find(|control| control.id == id)
}

/// The identifiers under which rules are evidence for a requirement: its own, and for a proposed
/// one those of the requirements in force that it would replace.
pub(crate) fn evidenced_by(control: &Control) -> Vec<&'static str> {
    let mut ids = vec![control.id];
    ids.extend(
        proposed::REPLACES.iter().filter(|(id, _)| *id == control.id).flat_map(|(_, old)| *old),
    );
    ids
}
