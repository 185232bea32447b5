//! Whose agreement counts before a version is released, and how many must agree.
//!
//! Approvers are named in the signed state, with the public keys that sign their agreement; the
//! private keys lie with them, outside of the keep. The registry counts names; whoever calls it has
//! verified the signatures.

use std::collections::BTreeMap;

use twinkeep_domain::Timestamp;

use super::{Registry, TEXT_LEN_MAX};
use crate::RegistryError;
use crate::state::Approver;

impl Registry {
    /// Returns all approvers, by name, and how many must agree.
    pub fn approvers(&self) -> Result<(BTreeMap<String, Approver>, u32), RegistryError> {
        let state = self.read_state()?;
        Ok((state.approvers, state.approvals_required))
    }

    /// Names an approver. A name or a key that is there already is refused.
    pub fn add_approver(
        &self,
        name: &str,
        key: [u8; 32],
        by: &str,
        now: Timestamp,
    ) -> Result<(), RegistryError> {
        let refuse = |problem| Err(RegistryError::Approver { problem });
        if name.is_empty() || TEXT_LEN_MAX < name.len() || name.chars().any(char::is_control) {
            return refuse("the name cannot be used");
        }
        self.change(|state| {
            if state.approvers.contains_key(name) {
                return refuse("the name is taken");
            }
            if state.approvers.values().any(|known| known.key == key) {
                return refuse("the key is another approver's");
            }
            let approver = Approver { key, since: now, by: by.to_owned() };
            state.approvers.insert(name.to_owned(), approver);
            Ok(())
        })
    }

    /// Takes an approver away, as long as enough are left.
    pub fn remove_approver(&self, name: &str) -> Result<(), RegistryError> {
        self.change(|state| {
            if state.approvers.remove(name).is_none() {
                return Err(RegistryError::Approver { problem: "there is nobody of that name" });
            }
            enough(state.approvers.len(), state.approvals_required)
        })
    }

    /// Says how many approvers must agree before a version is released.
    pub fn require_approvals(&self, count: u32) -> Result<(), RegistryError> {
        self.change(|state| {
            state.approvals_required = count;
            enough(state.approvers.len(), count)
        })
    }
}

fn enough(there: usize, required: u32) -> Result<(), RegistryError> {
    if (required as usize) <= there {
        return Ok(());
    }
    Err(RegistryError::Approver { problem: "more must agree than there are" })
}
