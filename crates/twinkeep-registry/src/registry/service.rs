//! Which version serves, and which one takes its place.
//!
//! A version goes from candidate to released, in service, and retired; from anywhere into
//! quarantine, and from there only back to candidate, if a second person agrees. A version that
//! was in service before serves again by a rollback only, so that an old one never comes back
//! unnoticed.
//!
//! # Invariants
//!
//! - At most one version is in service. Each change of that is one signed state: whoever reads
//!   finds the one before or the one after.
//! - The backup verified when it became the backup. It is never in service, marked, or in
//!   quarantine.

use twinkeep_domain::Timestamp;

use super::{Registry, step, transition};
use crate::state::State;
use crate::{RegistryError, Status, Step, VersionId, VersionRecord};

/// Who decides something about a version, and why.
#[derive(Clone, Copy, Debug)]
pub struct Decision<'a> {
    /// Who decides.
    pub by: &'a str,
    /// Why.
    pub reason: &'a str,
    /// The named approvers whose agreement was verified.
    pub approved_by: &'a [String],
    /// When.
    pub at: Timestamp,
}

/// What a release, a promotion, or a rollback changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Released {
    /// The version that it is about.
    pub id: VersionId,
    /// The version that was in service before, if it is not any more.
    pub retired: Option<VersionId>,
    /// The version that serves when the one in service fails.
    pub backup: Option<VersionId>,
}

/// What a quarantine changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quarantined {
    /// The backup that took the place of the version, if that was in service.
    pub replaced_by: Option<VersionId>,
}

impl Registry {
    /// Verifies a candidate that enough approvers agreed to, and puts it into service; with
    /// `stand_by`, only says that it may be.
    pub fn release(
        &self,
        id: &VersionId,
        decision: &Decision<'_>,
        stand_by: bool,
    ) -> Result<Released, RegistryError> {
        let status = if stand_by { Status::Released } else { Status::InService };
        let released = decision.step(status)?;
        self.change(|state| {
            match state.record(id)?.status {
                Status::Candidate => {}
                Status::Retired => return Err(RegistryError::Older { id: id.clone() }),
                status => return Err(transition(id, status, "released")),
            }
            let (required, found) = (state.approvals_required, decision.approved_by.len());
            if found < required as usize {
                return Err(RegistryError::Approvals { id: id.clone(), required, found });
            }
            self.check_servable(state, id)?;
            if stand_by {
                state.step(id, released);
                state.backup = state.backup.clone().or_else(|| self.other_backup(state, &[]));
                let backup = state.backup.clone();
                return Ok(Released { id: id.clone(), retired: None, backup });
            }
            self.serve(state, id, released)
        })
    }

    /// Verifies a version that was released to stand by, and puts it into service.
    pub fn promote(
        &self,
        id: &VersionId,
        decision: &Decision<'_>,
    ) -> Result<Released, RegistryError> {
        let promoted = decision.step(Status::InService)?;
        self.change(|state| {
            match state.record(id)?.status {
                Status::Released => {}
                Status::Retired => return Err(RegistryError::Older { id: id.clone() }),
                status => return Err(transition(id, status, "promoted")),
            }
            self.check_servable(state, id)?;
            self.serve(state, id, promoted)
        })
    }

    /// Puts a version into service that was there before: `to`, or else the backup if it was in
    /// service, or else the last one that was. What it replaces does not become the backup.
    pub fn roll_back(
        &self,
        to: Option<&VersionId>,
        decision: &Decision<'_>,
    ) -> Result<Released, RegistryError> {
        let step = decision.step(Status::InService)?;
        self.change(|state| {
            let id = match to {
                Some(id) => id.clone(),
                None => self.last_served(state).ok_or(RegistryError::NothingBefore)?,
            };
            match state.record(&id)?.status {
                Status::Retired => {}
                status => return Err(transition(&id, status, "rolled back to")),
            }
            self.check_servable(state, &id)?;
            let mut released = self.serve(state, &id, step)?;
            let excluded: Vec<VersionId> = released.retired.iter().cloned().collect();
            state.backup = self.other_backup(state, &excluded);
            released.backup.clone_from(&state.backup);
            Ok(released)
        })
    }

    /// Names the version that serves when the one in service fails; it is verified now.
    pub fn set_backup(&self, id: &VersionId, decision: &Decision<'_>) -> Result<(), RegistryError> {
        decision.step(Status::Released)?;
        self.change(|state| {
            match state.record(id)?.status {
                Status::Retired | Status::Released => {}
                status => return Err(transition(id, status, "made the backup")),
            }
            self.check_servable(state, id)?;
            state.backup = Some(id.clone());
            Ok(())
        })
    }

    /// Returns the version that serves when the one in service fails.
    pub fn backup(&self) -> Result<Option<VersionId>, RegistryError> {
        Ok(self.read_state()?.backup)
    }

    /// Takes a version away: it is not served, loaded, or released any more, and its files move to
    /// `quarantine/`, where their modes let nobody open them. If it was in service, the backup takes
    /// its place in the same step. Doing so again changes nothing.
    pub fn quarantine(
        &self,
        id: &VersionId,
        by: &str,
        reason: &str,
        now: Timestamp,
    ) -> Result<Quarantined, RegistryError> {
        let quarantined = step(Status::Quarantined, by, reason, now)?;
        let taking_over = step(Status::InService, by, &format!("in place of {id}"), now)?;
        let found = if self.show(id)?.status == Status::Quarantined {
            Quarantined::default()
        } else {
            self.change(|state| {
                let served = state.in_service() == Some(id);
                let backup = state.backup.take();
                state.step(id, quarantined);
                // A backup that does not verify any more is left to whoever verifies it next.
                let sound =
                    |backup: &VersionId| backup != id && self.check_servable(state, backup).is_ok();
                let backup = backup.filter(sound);
                let replaced_by = backup.clone().filter(|_| served);
                if let Some(backup) = &replaced_by {
                    state.step(backup, taking_over);
                }
                let stays = backup.filter(|_| !served);
                state.backup = stays.or_else(|| self.other_backup(state, &[]));
                Ok(Quarantined { replaced_by })
            })?
        };
        let _lock = self.lock()?;
        self.move_to_quarantine(id)?;
        Ok(found)
    }

    /// Verifies a version in quarantine and makes it a candidate again, if somebody who did not
    /// put it there agreed.
    pub fn restore(&self, id: &VersionId, decision: &Decision<'_>) -> Result<(), RegistryError> {
        let restored = decision.step(Status::Candidate)?;
        self.change(|state| {
            let record = state.record(id)?;
            if record.status != Status::Quarantined {
                return Err(transition(id, record.status, "restored"));
            }
            let by = record.steps.last().map(|step| step.by.as_str());
            if decision.approved_by.iter().all(|name| Some(name.as_str()) == by) {
                return Err(RegistryError::SecondPerson { id: id.clone() });
            }
            // Interrupted here, the files move back when the registry is opened.
            self.move_from_quarantine(id)?;
            if let Err(error) = self.read_version(id) {
                self.move_to_quarantine(id)?;
                return Err(error);
            }
            state.step(id, restored);
            Ok(())
        })
    }

    /// Refuses to serve what does not verify, or may have learned from somebody who was erased.
    fn check_servable(&self, state: &State, id: &VersionId) -> Result<(), RegistryError> {
        if !state.record(id)?.marks.is_empty() {
            return Err(RegistryError::Marked { id: id.clone() });
        }
        self.read_version(id).map(drop)
    }

    /// Puts a version into service that was checked; what served before becomes the backup.
    fn serve(
        &self,
        state: &mut State,
        id: &VersionId,
        step: Step,
    ) -> Result<Released, RegistryError> {
        let retired = state.in_service().cloned();
        if let Some(before) = &retired {
            let reason = format!("replaced by {id}");
            state.step(before, super::step(Status::Retired, &step.by, &reason, step.at)?);
        }
        state.step(id, step);
        let sound = |before: &VersionId| self.check_servable(state, before).is_ok();
        let backup = retired.clone().filter(sound);
        state.backup = backup.or_else(|| self.other_backup(state, &[]));
        let backup = state.backup.clone();
        Ok(Released { id: id.clone(), retired, backup })
    }

    /// Returns the version to go back to: if none is sound, the last one that served, so that the
    /// refusal says what is wrong with it.
    fn last_served(&self, state: &State) -> Option<VersionId> {
        let retired = |record: &VersionRecord| record.status == Status::Retired;
        let of = |id: &VersionId| state.record(id).is_ok_and(retired);
        let backup = state.backup.clone().filter(of);
        let newest = || newest_first(state, retired);
        backup
            .or_else(|| newest().into_iter().find(|id| self.check_servable(state, id).is_ok()))
            .or_else(|| newest().into_iter().next())
    }

    /// Returns the version that was released or retired last, and that verifies.
    pub(super) fn other_backup(&self, state: &State, excluded: &[VersionId]) -> Option<VersionId> {
        let chosen = |record: &VersionRecord| {
            matches!(record.status, Status::Retired | Status::Released)
                && !excluded.contains(&record.id)
        };
        let mut found = newest_first(state, chosen).into_iter();
        found.find(|id| self.check_servable(state, id).is_ok())
    }
}

/// Returns the chosen versions; what was decided about last comes first.
fn newest_first(state: &State, chosen: impl Fn(&VersionRecord) -> bool) -> Vec<VersionId> {
    let mut found: Vec<&VersionRecord> =
        state.versions.iter().filter(|record| chosen(record)).collect();
    found.sort_by_key(|record| record.steps.last().map(|step| step.at));
    found.iter().rev().map(|record| record.id.clone()).collect()
}

impl Decision<'_> {
    fn step(&self, status: Status) -> Result<Step, RegistryError> {
        let step = step(status, self.by, self.reason, self.at)?;
        Ok(Step { approved_by: self.approved_by.to_vec(), ..step })
    }
}
