//! The audit records of this moment, as the kernel sends them to everybody who may listen.
//!
//! fanotify tells of changed attributes and names after the fact, when a short-lived process is
//! gone. An audit record has its identity from the kernel itself. The records come by the multicast
//! group of the audit socket (`AUDIT_NLGRP_READLOG`): `auditd` gets its own all the same, and none
//! is displaced. They are there only if the rules are loaded (`watch rules --load`).

use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::io::Errno;
use rustix::net::netlink::{self, SocketAddrNetlink};
use rustix::net::sockopt::set_socket_recv_buffer_size;
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recv, socket_with};

use super::audit::{AuditEvent, AuditQuery, AuditReader};
use super::collect::Eyes;
use super::fanotify::readable;
use super::recent::Recent;
use super::rules::{AuditRule, Kernel, Watched};
use super::{AccessError, Action, Answer, Plan, Process, Program, Sighting, Who};

/// The records that come.
pub(super) struct AuditStream {
    socket: OwnedFd,
    root: PathBuf,
    /// What is watched, as whole paths.
    watched: Vec<PathBuf>,
    /// Whether nobody else tells of changes, so that these records have to.
    alone: bool,
}

impl AuditStream {
    /// Listens, where that is permitted, auditing is on, and a rule is about the keep.
    pub(super) fn open(plan: &Plan, alone: bool) -> Option<Self> {
        let kernel = Kernel::open().ok()?;
        let about = |rule: &AuditRule| match &rule.watched {
            Watched::Dir(path) | Watched::File(path) => path.starts_with(&plan.root),
        };
        let on = kernel.status().ok()?.enabled != 0 && kernel.rules().ok()?.iter().any(about);
        if !on {
            return None;
        }
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let (family, kind) = (AddressFamily::NETLINK, SocketType::RAW);
        let socket = socket_with(family, kind, flags, Some(netlink::AUDIT)).ok()?;
        bind(&socket, &SocketAddrNetlink::new(0, READ_LOG_GROUP)).ok()?;
        // More than it gets is asked for without harm.
        let _ = set_socket_recv_buffer_size(&socket, RECEIVE_LEN);
        let watched = plan.trees.iter().chain(&plan.files).map(|it| plan.root.join(it)).collect();
        Some(Self { socket, root: plan.root.clone(), watched, alone })
    }

    /// Remembers who is named; tells of changes, if nobody else does.
    pub(super) fn listen(&self, eyes: &Eyes<'_>, recent: &Recent) -> Result<(), AccessError> {
        let query = AuditQuery::default();
        let mut reader = AuditReader::new(&query);
        let mut buffer = vec![0; MESSAGE_LEN_MAX];
        let mut after_stop = 0;
        loop {
            // What was done before the stop has a record that may be on its way.
            let stopped = eyes.stopped();
            after_stop += usize::from(stopped);
            match readable(self.socket.as_fd())? {
                false if stopped => return Ok(()),
                true if after_stop > RECORDS_AFTER_STOP => return Ok(()),
                false => continue,
                true => {}
            }
            let len = match recv(&self.socket, &mut buffer[..], RecvFlags::empty()) {
                Ok((len, _)) => len.min(buffer.len()),
                Err(Errno::AGAIN | Errno::INTR) => continue,
                // Too many came at a time.
                Err(Errno::NOBUFS) => {
                    eyes.lost();
                    continue;
                }
                Err(error) => return Err(AccessError::Read { source: error.into() }),
            };
            let Some(line) = buffer.get(..len).and_then(line) else { continue };
            let mut found = |event: &AuditEvent| self.take(event, eyes, recent);
            // A text in memory is read without an error.
            let _ = reader.read(&mut line.as_bytes(), &mut found);
        }
    }

    fn take(&self, event: &AuditEvent, eyes: &Eyes<'_>, recent: &Recent) {
        let Some(action) = action(&event.action) else { return };
        let (Some(process), Some(true)) = (process(event), event.success) else { return };
        if self.alone {
            for name in event.files.iter().filter_map(|file| self.name(file)) {
                let who = Who::Process(process.clone());
                let (time, answer) = (eyes.now(), Answer::Told);
                eyes.see(Sighting { time, file: name, action, answer, who });
            }
        }
        recent.remember(process);
    }

    /// The name of a watched file within the keep.
    fn name(&self, file: &str) -> Option<String> {
        let path = Path::new(file);
        let watched = self.watched.iter().any(|watched| path.starts_with(watched));
        let name = watched.then(|| path.strip_prefix(&self.root).ok())??;
        Some(name.to_string_lossy().into_owned())
    }
}

/// What a call does to a file; calls that are asked about before are of no interest.
fn action(call: &str) -> Option<Action> {
    match call {
        "rename" | "renameat" | "renameat2" => Some(Action::Rename),
        "link" | "linkat" | "symlink" | "symlinkat" => Some(Action::Link),
        "unlink" | "unlinkat" | "rmdir" => Some(Action::Delete),
        _ if ATTRIBUTE_CALLS.iter().any(|stem| call.contains(stem)) => Some(Action::Attribute),
        _ => None,
    }
}

fn process(event: &AuditEvent) -> Option<Process> {
    let program = Program { path: event.executable.clone(), file: None, handle: None };
    Some(Process {
        pid: event.pid?,
        parent: event.parent.unwrap_or(0),
        user: event.user?,
        login: event.login,
        name: event.process.clone(),
        program: Arc::new(program),
        // Of a path alone nobody is recognized.
        own: false,
        permitted: false,
    })
}

/// A message of the kernel as a line of an audit log.
fn line(message: &[u8]) -> Option<String> {
    let kind = u16::from_ne_bytes(message.get(4..6)?.try_into().ok()?);
    let name = KINDS.iter().find(|it| it.0 == kind)?.1;
    let body = String::from_utf8_lossy(message.get(HEADER_LEN..)?);
    Some(format!("type={name} msg={}", body.trim_end_matches(['\0', '\n', ' '])))
}

/// The records that say who did what, by their numbers in `linux/audit.h`.
const KINDS: &[(u16, &str)] =
    &[(1300, "SYSCALL"), (1302, "PATH"), (1307, "CWD"), (1320, "EOE"), (1336, "URINGOP")];

/// What the names of calls have in common that change owner, mode, times, or extended attributes.
const ATTRIBUTE_CALLS: &[&str] = &["chmod", "chown", "setxattr", "removexattr", "utime"];

/// `AUDIT_NLGRP_READLOG`, as a bit.
const READ_LOG_GROUP: u32 = 1;

const HEADER_LEN: usize = 16;

/// Longest record: `MAX_AUDIT_MESSAGE_LENGTH` and a header, with room.
const MESSAGE_LEN_MAX: usize = 1 << 14;

/// How much may wait to be read: some thousand records.
const RECEIVE_LEN: usize = 1 << 20;

/// How many records are read when it is time to stop, however many come.
const RECORDS_AFTER_STOP: usize = 4096;

#[cfg(test)]
mod tests {
    use super::{action, line};
    use crate::access::Action;

    #[test]
    fn a_message_is_a_line_of_a_log() {
        let mut message = vec![0; 16];
        message[4..6].copy_from_slice(&1300_u16.to_ne_bytes());
        message.extend(b"audit(1795348800.123:42): arch=c000003e syscall=90 success=yes\0");
        let line = line(&message).unwrap();
        assert_eq!(
            line,
            "type=SYSCALL msg=audit(1795348800.123:42): arch=c000003e syscall=90 success=yes"
        );
        message[4..6].copy_from_slice(&1112_u16.to_ne_bytes());
        assert_eq!(super::line(&message), None, "not of interest");
        assert_eq!(super::line(&message[..10]), None, "too short");
    }

    #[test]
    fn only_changes_are_of_interest() {
        let known = [
            ("fchmodat2", Some(Action::Attribute)),
            ("lsetxattr", Some(Action::Attribute)),
            ("utimensat", Some(Action::Attribute)),
            ("renameat2", Some(Action::Rename)),
            ("unlinkat", Some(Action::Delete)),
            ("linkat", Some(Action::Link)),
            ("openat", None),
            ("", None),
        ];
        for (call, expected) in known {
            assert_eq!(action(call), expected, "{call}");
        }
    }
}
