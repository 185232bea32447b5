//! Whether this process has the privileges that an action takes, as far as that can be told before.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::process::geteuid;
use rustix::thread::{CapabilitySet, capabilities};

use super::service::read_pid;
use super::{HostAction, Service};

/// Returns whether this process may do an action.
pub fn may(action: &HostAction) -> bool {
    match action {
        HostAction::DropPort { .. } => has(CapabilitySet::NET_ADMIN),
        HostAction::StopService { service } | HostAction::FreezeService { service } => {
            match service {
                // systemd asks who it is, and not for capabilities.
                Service::Unit { .. } => geteuid().is_root(),
                Service::Process { pid_file, .. } => has(CapabilitySet::KILL) || is_own(pid_file),
            }
        }
    }
}

fn has(capability: CapabilitySet) -> bool {
    capabilities(None).is_ok_and(|sets| sets.effective.contains(capability))
}

/// Returns whether a process is of the same user; one that does not run may be.
fn is_own(pid_file: &Path) -> bool {
    let Some(pid) = read_pid(pid_file) else { return true };
    let owner = fs::metadata(format!("/proc/{pid}")).map(|process| process.uid());
    owner.map_or(true, |uid| uid == geteuid().as_raw())
}
