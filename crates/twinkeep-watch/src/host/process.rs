//! Processes and their sockets, as `/proc` shows them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A process that was looked at: its number, and when it was started, which no other process of the
/// same number shares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) pid: u32,
    /// In ticks since the system was started.
    pub(super) started: u64,
    pub(super) parent: u32,
    /// `T` if it is held.
    pub(super) state: char,
    pub(super) name: String,
}

impl Process {
    /// Looks at a process; none, if it is gone.
    pub(super) fn look(pid: u32) -> Option<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name is in brackets, and may have some of its own.
        let (head, rest) = text.rsplit_once(") ")?;
        let name = head.split_once(" (")?.1.to_owned();
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        Some(Self {
            pid,
            state: fields.first()?.chars().next()?,
            parent: fields.get(1)?.parse().ok()?,
            started: fields.get(19)?.parse().ok()?,
            name,
        })
    }

    /// Returns whether this very process still runs.
    pub(super) fn runs(&self) -> bool {
        Self::look(self.pid)
            .is_some_and(|now| now.started == self.started && !matches!(now.state, 'Z' | 'X'))
    }

    /// Returns the numbers of those that started it, up to the first.
    pub(super) fn ancestors(pid: u32) -> BTreeSet<u32> {
        let mut found = BTreeSet::from([pid]);
        let mut next = pid;
        while let Some(process) = Self::look(next)
            && process.parent != 0
            && found.insert(process.parent)
        {
            next = process.parent;
        }
        found
    }
}

/// Returns the numbers of all processes.
pub(super) fn all() -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let number = |entry: io::Result<fs::DirEntry>| entry.ok()?.file_name().to_str()?.parse().ok();
    let mut found: Vec<u32> = entries.filter_map(number).collect();
    found.sort_unstable();
    found
}

/// Returns what a process has open, as `/proc` names it; nothing, where that is not permitted.
pub(super) fn open_of(pid: u32) -> Vec<(u32, PathBuf)> {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else { return Vec::new() };
    entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let number = entry.file_name().to_str()?.parse().ok()?;
            Some((number, fs::read_link(entry.path()).ok()?))
        })
        .collect()
}

/// A socket that waits for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Listener {
    pub(super) protocol: &'static str,
    pub(super) port: u16,
    pub(super) inode: u64,
}

/// Returns all sockets of TCP that listen, and all of UDP that are bound.
pub(super) fn listeners() -> BTreeSet<Listener> {
    let mut found = BTreeSet::new();
    for (file, protocol, state) in [
        ("tcp", "tcp", LISTENS),
        ("tcp6", "tcp", LISTENS),
        ("udp", "udp", BOUND),
        ("udp6", "udp", BOUND),
    ] {
        let path = Path::new("/proc/net").join(file);
        let text = fs::read_to_string(path).unwrap_or_default();
        found.extend(text.lines().skip(1).filter_map(|line| listener(line, protocol, state)));
    }
    found
}

fn listener(line: &str, protocol: &'static str, state: &str) -> Option<Listener> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let (_, port) = fields.get(1)?.rsplit_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let inode = fields.get(9)?.parse().ok()?;
    (*fields.get(3)? == state).then_some(Listener { protocol, port, inode })
}

/// Returns who has which socket, by its number.
pub(super) fn owners(of: &BTreeSet<Listener>) -> BTreeMap<u64, u32> {
    let wanted: BTreeSet<u64> = of.iter().map(|listener| listener.inode).collect();
    let mut found = BTreeMap::new();
    for pid in all() {
        for (_, target) in open_of(pid) {
            let inode = target.to_str().and_then(|text| {
                text.strip_prefix("socket:[")?.strip_suffix(']')?.parse::<u64>().ok()
            });
            if let Some(inode) = inode.filter(|inode| wanted.contains(inode)) {
                // The first has it; a child has it, too, until it runs another program.
                found.entry(inode).or_insert(pid);
            }
        }
    }
    found
}

/// Returns the ports at which a program of this name listens.
pub(super) fn ports_of_program(name: &str) -> BTreeSet<u16> {
    let pids: BTreeSet<u32> = all()
        .into_iter()
        .filter(|&pid| Process::look(pid).is_some_and(|process| process.name == name))
        .collect();
    if pids.is_empty() {
        return BTreeSet::new();
    }
    let listeners = listeners();
    let owners = owners(&listeners);
    let of = |listener: &&Listener| owners.get(&listener.inode).is_some_and(|it| pids.contains(it));
    listeners.iter().filter(of).map(|listener| listener.port).collect()
}

/// How `/proc/net/tcp` says that a socket listens, and `/proc/net/udp` that one is bound.
const LISTENS: &str = "0A";
const BOUND: &str = "07";
