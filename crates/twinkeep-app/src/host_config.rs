//! `[host]` of `twinkeep.toml`: what incidents may do on the host around the keep. Nothing, unless it
//! says so.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use twinkeep_watch::host::{HostAction, HostGuards, Protocol, Service};
use twinkeep_watch::incident::Takes;

use crate::{ConfigError, GateConfig};

/// What incidents may do on the host.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HostConfig {
    /// Whether ports may be dropped (nftables).
    pub drop_ports: bool,
    /// Ports that are never dropped, besides those of operators and SSH.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub keep_ports: BTreeSet<u16>,
    /// Whether the files of versions in quarantine are made immutable (`chattr +i`), where the file
    /// system has that.
    pub immutable: bool,
    /// Services that may be stopped or frozen.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub service: Vec<ServiceConfig>,
}

/// A service that may be stopped or frozen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceConfig {
    /// What playbooks call it.
    pub name: String,
    /// The unit of systemd, or
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// the file into which its process writes its number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid_file: Option<PathBuf>,
    /// What starts it again, where there is no unit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub start: Vec<String>,
}

impl HostConfig {
    /// Returns whether incidents may do anything on the host.
    pub fn is_on(&self) -> bool {
        self.drop_ports || self.immutable || !self.service.is_empty()
    }

    /// Returns a service, by what playbooks call it.
    pub(crate) fn service(&self, name: &str) -> Option<Service> {
        let found = self.service.iter().find(|service| service.name == name)?;
        Some(match (&found.unit, &found.pid_file) {
            (Some(unit), _) => Service::Unit { unit: unit.clone() },
            (None, pid_file) => Service::Process {
                pid_file: pid_file.clone().unwrap_or_default(),
                start: found.start.clone(),
            },
        })
    }

    /// Returns what may be done to such things: one action for each that takes other privileges.
    pub(crate) fn actions(&self, takes: Takes) -> Vec<HostAction> {
        let port = HostAction::DropPort { port: 0, protocol: Protocol::Tcp };
        let services = self.service.iter().filter_map(|service| self.service(&service.name));
        match takes {
            Takes::Port => self.drop_ports.then_some(port).into_iter().collect(),
            Takes::Service => services.map(|service| HostAction::StopService { service }).collect(),
            _ => Vec::new(),
        }
    }

    /// Returns what is never cut, as far as the configuration says.
    pub(crate) fn guards(&self, gate: &GateConfig) -> HostGuards {
        let port = |text: &str| text.parse::<SocketAddr>().ok().map(|address| address.port());
        // Where operators have no listener of their own, they come in by the public one.
        let admin = port(&gate.admin_listen).or_else(|| port(&gate.listen));
        let ports = self.keep_ports.iter().copied().chain(admin).collect();
        HostGuards { ports }
    }

    /// Checks that it is whole, and resolves paths against the keep's folder.
    pub(crate) fn check(mut self, keep: &Path) -> Result<Self, ConfigError> {
        let refuse = |key, expected| Err(ConfigError::Value { key, expected });
        let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let mut names = BTreeSet::new();
        for service in &mut self.service {
            let name = &service.name;
            if !(1..=NAME_LEN_MAX).contains(&name.len()) || !name.chars().all(word) {
                return refuse("host.service.name", "1 to 32 small letters, digits, and `-`");
            }
            if !names.insert(name.clone()) {
                return refuse("host.service.name", "another name for each service");
            }
            if service.unit.is_some() == service.pid_file.is_some() {
                return refuse("host.service.unit", "there exactly if `pid_file` is not");
            }
            if service.unit.is_some() && !service.start.is_empty() {
                return refuse("host.service.start", "absent where there is a `unit`");
            }
            // A program that is looked for could be somebody else's.
            let first = service.start.first();
            if first.is_some_and(|program| !Path::new(program).is_absolute()) {
                return refuse("host.service.start", "a program by its whole path, and arguments");
            }
            service.pid_file = service.pid_file.take().map(|path| keep.join(path));
        }
        Ok(self)
    }
}

/// A word in a list.
const NAME_LEN_MAX: usize = 32;
