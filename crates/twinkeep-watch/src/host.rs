//! What is done on the host around the keep: a port dropped, a service stopped or frozen; and what
//! the host looked like before.
//!
//! Each action says first what it would do ([`plan`]): the exact commands, what holds afterwards,
//! and what was there before, which is all that [`undo`] needs. Each can be applied twice, and
//! applied again after a crash, without doing more than once.
//!
//! # Invariants
//!
//! - Rules of others are never touched: all of ours are in the table `inet twinkeep`.
//! - What operators come in by is never cut: their listener's port, SSH, and what runs the host.
//! - Nothing here is a shell: programs get their arguments one by one, and an empty environment.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

mod error;
mod evidence;
mod immutable;
mod port;
mod privilege;
mod process;
mod run;
mod service;

#[cfg(test)]
mod tests;

pub use error::HostError;
pub use evidence::{HostEvidence, ListeningSocket, OpenFile, look_at_host};
pub use immutable::{Changes, is_immutable, set_changes};
pub use privilege::may;

/// Something that is done on the host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "action", deny_unknown_fields)]
pub enum HostAction {
    /// What comes to a port is dropped (nftables).
    DropPort {
        /// The port.
        port: u16,
        /// Of which protocol.
        protocol: Protocol,
    },
    /// A service is stopped.
    StopService {
        /// Which.
        service: Service,
    },
    /// A service is held where it is, with its memory, until it is let go.
    FreezeService {
        /// Which.
        service: Service,
    },
}

/// Whose ports are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP, and with it QUIC.
    Udp,
}

/// A service, by what runs it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "by", deny_unknown_fields)]
pub enum Service {
    /// A unit of systemd.
    Unit {
        /// Its name: `nginx.service`.
        unit: String,
    },
    /// A process that writes its number into a file.
    Process {
        /// The file.
        pid_file: PathBuf,
        /// What starts it again, if anything does.
        start: Vec<String>,
    },
}

/// What was there before, by name: what undoing needs.
pub type HostBefore = BTreeMap<String, String>;

/// What an action would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostPlan {
    /// The exact commands.
    pub commands: Vec<String>,
    /// What holds afterwards.
    pub expected: String,
    /// The exact commands that undo it; none, if nothing is to be undone or nothing can be.
    pub undo: Vec<String>,
    /// What was there before.
    pub before: HostBefore,
}

/// What is never cut, besides the ports of SSH and what runs the host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostGuards {
    /// Ports by which operators come in.
    pub ports: BTreeSet<u16>,
}

/// Says what an action would do, and captures what is there. Changes nothing.
pub fn plan(action: &HostAction, guards: &HostGuards) -> Result<HostPlan, HostError> {
    match action {
        HostAction::DropPort { port, protocol } => port::plan(*port, *protocol, guards),
        HostAction::StopService { service } => service::plan_stop(service),
        HostAction::FreezeService { service } => service::plan_freeze(service),
    }
}

/// Returns the exact commands of an action, where it takes no privilege to know them: what a plan
/// says for whoever may carry it out.
pub fn commands(action: &HostAction, guards: &HostGuards) -> Result<Vec<String>, HostError> {
    match action {
        HostAction::DropPort { port, protocol } => port::commands(*port, *protocol, guards),
        _ => plan(action, guards).map(|plan| plan.commands),
    }
}

/// Does it. Guards are asked again: what is true of a plan may have changed.
pub fn apply(
    action: &HostAction,
    guards: &HostGuards,
    before: &HostBefore,
) -> Result<(), HostError> {
    match action {
        HostAction::DropPort { port, protocol } => port::apply(*port, *protocol, guards),
        HostAction::StopService { service } => service::stop(service, before),
        HostAction::FreezeService { service } => service::freeze(service, before),
    }
}

/// Restores what was there before. What was so already before is left as it is.
pub fn undo(action: &HostAction, before: &HostBefore) -> Result<(), HostError> {
    match action {
        HostAction::DropPort { port, protocol } => port::undo(*port, *protocol, before),
        HostAction::StopService { service } => service::start(service, before),
        HostAction::FreezeService { service } => service::thaw(service, before),
    }
}

impl HostAction {
    /// Its name, as playbooks have it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::DropPort { .. } => "drop-port",
            Self::StopService { .. } => "stop-service",
            Self::FreezeService { .. } => "freeze-service",
        }
    }
}
