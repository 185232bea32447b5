//! Incidents: what becomes of a detection, what is done about it, and how that is undone.
//!
//! # Life of an incident
//!
//! 1. A [`crate::Detection`] opens one, or extends the open one of the same detector and target.
//! 2. The playbook for it ([`Playbook`]) and what is known of the keep ([`PlanFacts`]) become a plan:
//!    a list of [`Step`]s, in the incident's own record.
//! 3. Each step is an intent with what was there before, then an act, then done. The record is
//!    durable between, so that whoever finds it knows where to go on.
//! 4. People acknowledge it, write notes, undo what was done, and close it.
//!
//! # Invariants
//!
//! - Nothing here does anything: a plan is data, and so is what to do next.
//! - A step never goes back: what is done is not intended again.

mod action;
mod cacao;
mod clock;
mod plan;
mod playbook;
mod record;

#[cfg(test)]
mod tests;

pub use action::{Action, Measure, Phase, Takes};
pub use cacao::{CacaoError, from_cacao, to_cacao};
pub use clock::{Clock, clocks};
pub use plan::{Judged, PlanFacts, PlanLimits, plan};
pub use playbook::{OnFailure, Playbook, PlaybookError, PlaybookStep};
pub use record::{
    About, Before, INCIDENT_PREFIX, Incident, Note, State, Step, StepState, incident_id,
    parse_incident_id,
};
