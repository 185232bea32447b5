//! What other resources said, as far as references need it.
//!
//! The subject of everything is the `id` of its Patient. `Patient/1`, `https://host/Patient/1`,
//! and the `urn:uuid:` that a Bundle gives to an entry all lead there. A conditional reference
//! (`Patient?identifier=…`) asks for a search that only a server could make, and is refused.

use std::collections::BTreeMap;

use super::facts::refusal;
use super::wire::{Medication, Reference};
use crate::Reason;
use crate::batch::Refusal;

/// Why a resource is not read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Trouble {
    /// It never will be.
    Refused(Refusal),
    /// It refers to something that may come later.
    Unresolved(Refusal),
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// What was read before.
#[derive(Default)]
pub(super) struct Known {
    /// Patients by the address that their entry has in this Bundle.
    patients: BTreeMap<String, String>,
    /// Drugs by the address or `Medication/id`; `None` for one without a code.
    drugs: BTreeMap<String, Option<String>>,
}

impl Known {
    /// Remembers a patient of this Bundle.
    pub(super) fn add_patient(&mut self, address: &str, id: &str) {
        if self.patients.len() < COUNT_MAX {
            self.patients.insert(address.to_owned(), id.to_owned());
        }
    }

    /// Remembers a drug.
    pub(super) fn add_drug(&mut self, address: Option<&str>, drug: &Medication) {
        let code = drug.code.as_ref().and_then(|code| super::terms::code_of(code).ok());
        let id = drug.id.as_ref().map(|id| format!("Medication/{id}"));
        for name in address.map(str::to_owned).into_iter().chain(id) {
            if self.drugs.len() < COUNT_MAX {
                self.drugs.insert(name, code.clone());
            }
        }
    }

    /// Forgets what only this Bundle meant.
    pub(super) fn end_bundle(&mut self) {
        self.patients.clear();
        self.drugs.retain(|name, _| name.starts_with("Medication/"));
    }

    /// Returns the id of the patient that a reference means.
    pub(super) fn patient(
        &self,
        reference: Option<&Reference>,
        field: &'static str,
    ) -> Result<String, Trouble> {
        let missing = refusal(Reason::SubjectMissing, field);
        let text = reference.and_then(|reference| reference.reference.as_deref()).ok_or(missing)?;
        let text = check(text, field)?;
        if let Some(id) = self.patients.get(text) {
            return Ok(id.clone());
        }
        if text.starts_with("urn:") {
            return Err(Trouble::Unresolved(refusal(Reason::UnresolvedReference, field)));
        }
        match target(text) {
            Some(("Patient", id)) => Ok(id.to_owned()),
            // A group, a device, a place: nothing that happened to one person.
            _ => Err(missing.into()),
        }
    }

    /// Returns the code of the drug that a reference means.
    pub(super) fn drug(&self, reference: &Reference) -> Result<String, Trouble> {
        let missing = refusal(Reason::UnknownCode, FIELD);
        let text = check(reference.reference.as_deref().ok_or(missing)?, FIELD)?;
        let by_id = target(text).map(|(kind, id)| format!("{kind}/{id}"));
        let found = self.drugs.get(text).or_else(|| self.drugs.get(by_id?.as_str()));
        match found {
            Some(Some(code)) => Ok(code.clone()),
            Some(None) => Err(missing.into()),
            None => Err(Trouble::Unresolved(refusal(Reason::UnresolvedReference, FIELD))),
        }
    }
}

/// Refuses a reference that nobody but a server can follow.
fn check<'t>(text: &'t str, field: &'static str) -> Result<&'t str, Refusal> {
    if text.contains('?') || text.starts_with('#') {
        return Err(refusal(Reason::UnresolvedReference, field));
    }
    Ok(text)
}

/// Takes kind and id out of `[address/]Kind/id[/_history/version]`.
fn target(text: &str) -> Option<(&str, &str)> {
    let text = text.split_once("/_history/").map_or(text, |(text, _)| text);
    let (rest, id) = text.rsplit_once('/')?;
    let kind = rest.rsplit('/').next()?;
    (!id.is_empty()).then_some((kind, id))
}

const FIELD: &str = "medication";

/// Most patients and most drugs that are remembered: some 100 bytes each. A formulary has 10,000
/// drugs, and a Bundle few patients; what is referred to beyond that is refused as unresolved.
const COUNT_MAX: usize = 200_000;
