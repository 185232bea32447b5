//! What the host looked like before something was done to it: who had which file open, and who
//! listened where.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::process::{Process, all, listeners, open_of, owners};

/// What was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostEvidence {
    /// Who has the files open.
    pub open: Vec<OpenFile>,
    /// Who listens.
    pub sockets: Vec<ListeningSocket>,
    /// How many processes did not let themselves be looked at: without privileges, all of others.
    pub unseen: u64,
}

/// A file that somebody has open.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenFile {
    /// Which of the files that were asked about.
    pub file: PathBuf,
    /// The process.
    pub pid: u32,
    /// What it calls itself.
    pub process: String,
    /// The user it runs as.
    pub user: Option<u32>,
    /// The file of its program.
    pub executable: Option<PathBuf>,
}

/// A socket that waits for others.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListeningSocket {
    /// `tcp` or `udp`.
    pub protocol: String,
    /// The port.
    pub port: u16,
    /// Whose it is, if that may be known.
    pub pid: Option<u32>,
    /// What that process calls itself.
    pub process: Option<String>,
}

/// Looks who has `files` open, by whatever name, and who listens.
pub fn look_at_host(files: &[PathBuf]) -> HostEvidence {
    let asked: Vec<(&PathBuf, (u64, u64))> = files
        .iter()
        .filter_map(|file| {
            let found = fs::metadata(file).ok()?;
            Some((file, (found.dev(), found.ino())))
        })
        .collect();
    let mut open = BTreeSet::new();
    let mut unseen = 0;
    for pid in all() {
        if fs::read_dir(format!("/proc/{pid}/fd")).is_err() {
            unseen += 1;
            continue;
        }
        for (number, _) in open_of(pid) {
            // By what it is, not by what it is called: a link or a deleted file is the same file.
            let Ok(found) = fs::metadata(format!("/proc/{pid}/fd/{number}")) else { continue };
            let same = asked.iter().filter(|(_, id)| *id == (found.dev(), found.ino()));
            open.extend(same.map(|(file, _)| open_file(file, pid)));
        }
        if OPEN_COUNT_MAX <= open.len() {
            break;
        }
    }
    HostEvidence { open: open.into_iter().collect(), sockets: sockets(), unseen }
}

fn open_file(file: &Path, pid: u32) -> OpenFile {
    OpenFile {
        file: file.to_path_buf(),
        pid,
        process: Process::look(pid).map(|process| process.name).unwrap_or_default(),
        user: fs::metadata(format!("/proc/{pid}")).ok().map(|found| found.uid()),
        executable: fs::read_link(format!("/proc/{pid}/exe")).ok(),
    }
}

fn sockets() -> Vec<ListeningSocket> {
    let listeners = listeners();
    let owners = owners(&listeners);
    let mut found: Vec<ListeningSocket> = listeners
        .iter()
        .map(|listener| {
            let pid = owners.get(&listener.inode).copied();
            ListeningSocket {
                protocol: listener.protocol.to_owned(),
                port: listener.port,
                pid,
                process: pid.and_then(Process::look).map(|process| process.name),
            }
        })
        .collect();
    found.sort();
    found.dedup();
    found.truncate(SOCKET_COUNT_MAX);
    found
}

/// What a person reads, and a sealed file holds.
const OPEN_COUNT_MAX: usize = 1000;

const SOCKET_COUNT_MAX: usize = 1000;
