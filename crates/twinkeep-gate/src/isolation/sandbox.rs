//! What the kernel holds each process to: Landlock for files, seccomp for system calls.
//!
//! Neither needs privileges, and neither can be undone by the process or its children. A kernel
//! that lacks one is told in [`Confinement`], which is not what was asked for but what was found
//! when the process tried the door afterwards.
//!
//! # Invariants
//!
//! - The edge gets a list of what it may do; what is not on it fails. The worker does far more, so
//!   it gets a list of what it may not do, under every number by which the kernel knows that.
//! - Landlock holds for the thread that asks for it and those that it starts: it is asked for
//!   before there are others.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::{fs, io};

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, CompatLevel, Compatible as _, NetPort,
    RestrictSelfAttr as _, Ruleset, RulesetAttr as _, RulesetCreated, RulesetCreatedAttr as _,
    RulesetError, Scope, path_beneath_rules,
};
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities, set_no_new_privs};
use serde::{Deserialize, Serialize};

mod calls;

/// What a process found closed when it tried after confining itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Confinement {
    /// Files that are none of its business.
    pub files: bool,
    /// New connections to the network, in either direction.
    pub network: bool,
    /// Starting programs.
    pub programs: bool,
}

impl Confinement {
    /// Everything is closed that should be.
    pub const WHOLE: Self = Self { files: true, network: true, programs: true };

    /// Nothing is closed: where isolation is switched off.
    pub(super) const NONE: Self = Self { files: false, network: false, programs: false };

    /// Tries each door.
    fn found() -> Self {
        let program = Command::new(OWN_PROGRAM).arg("--version").stdout(Stdio::piped()).spawn();
        let programs = program.map(|mut child| child.wait()).is_err();
        Self {
            files: fs::read_dir("/").is_err(),
            network: TcpListener::bind("127.0.0.1:0").is_err(),
            programs,
        }
    }
}

/// The files that a worker works with.
#[derive(Clone, Debug, Default)]
pub struct WorkerFiles {
    /// Files, and folders with all in them, that it reads and writes.
    pub writable: Vec<PathBuf>,
    /// Files, and folders with all in them, that it reads.
    pub readable: Vec<PathBuf>,
}

/// Closes all files but these to this thread, and those that it starts.
pub(super) fn confine_files(files: &WorkerFiles) -> Result<(), RulesetError> {
    files_ruleset(files)?.restrict_self().map(drop)
}

/// The same for this thread and, where the kernel can, all others; returns whether it could.
pub(super) fn confine_files_of_all(files: &WorkerFiles) -> bool {
    let restricted = files_ruleset(files)
        .and_then(|ruleset| ruleset.all_threads(true))
        .and_then(RulesetCreated::restrict_self);
    restricted.is_ok_and(|status| status.all_threads)
}

fn files_ruleset(files: &WorkerFiles) -> Result<RulesetCreated, RulesetError> {
    let _ = set_no_new_privs(true);
    Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(KNOWN))?
        .create()?
        .add_rules(path_beneath_rules(&files.writable, AccessFs::from_all(KNOWN)))?
        .add_rules(path_beneath_rules(&files.readable, AccessFs::from_read(KNOWN)))
}

/// Closes the network and programs to this process, but for connections to `ports`.
pub(super) fn confine_worker(ports: &[u16]) -> Confinement {
    let _ = set_no_new_privs(true);
    let _ = confine_network(ports);
    let _ = calls::forbid_to_worker(!ports.is_empty());
    Confinement::found()
}

/// Closes everything to this process but its open sockets. It has one thread.
pub(super) fn confine_edge() -> Confinement {
    let _ = set_no_new_privs(true);
    let _ = confine_files(&WorkerFiles::default());
    let _ = confine_network(&[]);
    let none = CapabilitySet::empty();
    let none = CapabilitySets { effective: none, permitted: none, inheritable: none };
    // Only root has any to give up.
    let _ = set_capabilities(None, none);
    let _ = calls::allow_to_edge();
    Confinement::found()
}

/// Closes everything to this process but its open sockets and connections to `ports`; with
/// `names`, also what it takes to ask for the address of a name. It has one thread.
pub(super) fn confine_courier(ports: &[u16], names: bool) -> Confinement {
    let _ = set_no_new_privs(true);
    let readable = if names { NAMES.iter().map(PathBuf::from).collect() } else { Vec::new() };
    let _ = confine_files(&WorkerFiles { readable, ..WorkerFiles::default() });
    let mut open = ports.to_vec();
    if names {
        open.push(DNS);
    }
    let _ = confine_network(&open);
    let none = CapabilitySet::empty();
    let none = CapabilitySets { effective: none, permitted: none, inheritable: none };
    // Only root has any to give up.
    let _ = set_capabilities(None, none);
    let _ = calls::allow_to_courier(names);
    let found = Confinement::found();
    let other = (1..u16::MAX).find(|port| !open.contains(port)).unwrap_or(1);
    let elsewhere = TcpStream::connect((Ipv4Addr::LOCALHOST, other));
    let closed = elsewhere.is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied);
    Confinement { network: found.network && closed, ..found }
}

/// Closes ports, abstract sockets, and signals to other processes.
fn confine_network(ports: &[u16]) -> Result<(), RulesetError> {
    let connect = AccessNet::ConnectTcp;
    Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessNet::BindTcp | connect)?
        // A ruleset that says nothing about moving files between folders forbids it.
        .handle_access(AccessFs::Refer)?
        .scope(Scope::from_all(KNOWN))?
        .create()?
        .add_rules(path_beneath_rules(["/"], AccessFs::Refer))?
        .add_rules(ports.iter().map(|&port| Ok::<_, RulesetError>(NetPort::new(port, connect))))?
        .restrict_self()?;
    Ok(())
}

/// The newest version of Landlock whose rights are known here; an older kernel holds to fewer.
const KNOWN: ABI = ABI::V6;

/// What the C library reads to find the address of a name.
const NAMES: [&str; 9] = [
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/nsswitch.conf",
    "/etc/host.conf",
    "/etc/gai.conf",
    "/etc/ld.so.cache",
    "/run/systemd/resolve",
    "/usr/lib",
    "/lib",
];

/// Where names are asked for, if the answer is too long for one packet.
const DNS: u16 = 53;

/// This very program, also if its file has been replaced since.
pub(super) const OWN_PROGRAM: &str = "/proc/self/exe";
