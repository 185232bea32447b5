//! Asks the kernel about its audit rules, and gives it others, over netlink.
//!
//! # Invariants
//!
//! - Neither the daemon nor the state of auditing is touched: whoever gets the records goes on to.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::net::netlink::{self, SocketAddrNetlink};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, sendto, socket_with,
};

use super::AuditRule;

/// Why the kernel's rules cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum RulesError {
    /// Whoever asks must be permitted to (CAP_AUDIT_CONTROL).
    #[error("to look at audit rules takes the privilege CAP_AUDIT_CONTROL")]
    NotPermitted {
        /// What the system said.
        source: io::Error,
    },
    /// The kernel did not do it.
    #[error("the kernel does not take the request about audit rules")]
    Kernel {
        /// What the system said.
        source: io::Error,
    },
}

impl RulesError {
    /// The name of this error in replies and in the docs. Never changes.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotPermitted { .. } => "audit-not-permitted",
            Self::Kernel { .. } => "audit-kernel",
        }
    }

    fn of(source: io::Error) -> Self {
        match source.raw_os_error() {
            Some(libc::EPERM | libc::EACCES | libc::ECONNREFUSED | libc::EPROTONOSUPPORT) => {
                Self::NotPermitted { source }
            }
            _ => Self::Kernel { source },
        }
    }
}

/// How auditing stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelStatus {
    /// 0: off; 1: on; 2: on, and rules cannot be changed until the next start.
    pub enabled: u32,
    /// The process that gets the records; 0 if there is none.
    pub daemon: u32,
    /// How many records may wait for it.
    pub backlog_limit: u32,
    /// How many records were lost.
    pub lost: u32,
}

/// The kernel's audit rules.
#[derive(Debug)]
pub struct Kernel {
    socket: OwnedFd,
}

impl Kernel {
    /// Opens the way to the kernel.
    pub fn open() -> Result<Self, RulesError> {
        let failed = |error: rustix::io::Errno| RulesError::of(error.into());
        let (family, kind) = (AddressFamily::NETLINK, SocketType::RAW);
        let socket = socket_with(family, kind, SocketFlags::CLOEXEC, Some(netlink::AUDIT));
        let socket = socket.map_err(failed)?;
        set_socket_timeout(&socket, Timeout::Recv, Some(ANSWER_WITHIN)).map_err(failed)?;
        Ok(Self { socket })
    }

    /// Says how auditing stands.
    pub fn status(&self) -> Result<KernelStatus, RulesError> {
        let answers = self.ask(GET, &[], GET)?;
        let word = |at: usize| {
            let bytes =
                answers.first().and_then(|it| it.get(at * 4..at * 4 + 4)).unwrap_or(&[0; 4]);
            bytes.try_into().map_or(0, u32::from_ne_bytes)
        };
        let (enabled, daemon, backlog_limit, lost) = (word(1), word(3), word(5), word(6));
        Ok(KernelStatus { enabled, daemon, backlog_limit, lost })
    }

    /// Returns the rules of the kind that is written here; others are left out.
    pub fn rules(&self) -> Result<Vec<AuditRule>, RulesError> {
        let answers = self.ask(LIST_RULES, &[], DONE)?;
        Ok(answers.iter().filter_map(|bytes| AuditRule::decode(bytes)).collect())
    }

    /// Adds a rule; returns whether it was not there.
    pub fn add(&self, rule: &AuditRule) -> Result<bool, RulesError> {
        self.change(ADD_RULE, rule, libc::EEXIST)
    }

    /// Removes a rule; returns whether it was there.
    pub fn remove(&self, rule: &AuditRule) -> Result<bool, RulesError> {
        self.change(DELETE_RULE, rule, libc::ENOENT)
    }

    fn change(&self, kind: u16, rule: &AuditRule, no_change: i32) -> Result<bool, RulesError> {
        match self.ask(kind, &rule.encode(), ERROR) {
            Ok(_) => Ok(true),
            Err(RulesError::Kernel { source }) if source.raw_os_error() == Some(no_change) => {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Sends a request, and returns what is answered until a message of the kind `last`.
    fn ask(&self, kind: u16, payload: &[u8], last: u16) -> Result<Vec<Vec<u8>>, RulesError> {
        let failed = |error: rustix::io::Errno| RulesError::of(error.into());
        let mut message = Vec::new();
        message.extend(((HEADER_LEN + payload.len()) as u32).to_ne_bytes());
        message.extend(kind.to_ne_bytes());
        let flags = if last == ERROR { FLAG_REQUEST | FLAG_ACK } else { FLAG_REQUEST };
        message.extend(flags.to_ne_bytes());
        message.extend(1_u32.to_ne_bytes());
        message.extend(0_u32.to_ne_bytes());
        message.extend(payload);
        let kernel = SocketAddrNetlink::new(0, 0);
        sendto(&self.socket, &message, SendFlags::empty(), &kernel).map_err(failed)?;
        let (mut answers, mut buffer) = (Vec::new(), vec![0; MESSAGE_LEN_MAX]);
        loop {
            let (len, _) = match recv(&self.socket, &mut buffer[..], RecvFlags::empty()) {
                Err(rustix::io::Errno::INTR) => continue,
                received => received.map_err(failed)?,
            };
            let mut bytes = buffer.get(..len).unwrap_or_default();
            while let Some((answer, body, rest)) = split(bytes) {
                bytes = rest;
                if answer == ERROR {
                    let code = body.get(..4).and_then(|it| it.try_into().ok());
                    let code = code.map_or(0, i32::from_ne_bytes);
                    if code != 0 {
                        return Err(RulesError::of(io::Error::from_raw_os_error(-code)));
                    }
                }
                if answer == kind {
                    answers.push(body.to_vec());
                }
                if answer == last {
                    return Ok(answers);
                }
            }
        }
    }
}

/// A message: its kind, what is in it, and what follows.
fn split(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let len = u32::from_ne_bytes(bytes.get(..4)?.try_into().ok()?) as usize;
    let kind = u16::from_ne_bytes(bytes.get(4..6)?.try_into().ok()?);
    // What audit answers may say the length of its body only.
    let end = len.max(HEADER_LEN).min(bytes.len());
    let rest = bytes.get(end.next_multiple_of(4)..).unwrap_or_default();
    Some((kind, bytes.get(HEADER_LEN..end)?, rest))
}

/// How long the kernel may take: it answers at once, but by a thread that may have to wait.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// Longest message: a rule with two paths of 4 KiB.
const MESSAGE_LEN_MAX: usize = 1 << 14;

const HEADER_LEN: usize = 16;

// Numbers of `linux/netlink.h` and `linux/audit.h`.
const ERROR: u16 = 2;
const DONE: u16 = 3;
const GET: u16 = 1000;
const ADD_RULE: u16 = 1011;
const DELETE_RULE: u16 = 1012;
const LIST_RULES: u16 = 1013;
const FLAG_REQUEST: u16 = 1;
const FLAG_ACK: u16 = 4;
