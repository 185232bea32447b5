//! What is known about a computer: its disks, modes, auditing, firewall, and logins.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Known;
use super::file::File;

/// A computer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// When it was looked at, in microseconds since 1970.
    pub taken_us: i64,
    /// The folders that hold what has to be protected.
    pub sensitive: Vec<SensitivePath>,
    /// Auditing by the kernel.
    pub audit: Audit,
    /// What `nft -j list ruleset` says.
    pub firewall: Known<serde_json::Value>,
    /// The sockets that listen.
    pub listeners: Known<Vec<Listener>>,
    /// The areas that memory is written out to.
    pub swaps: Known<Vec<Swap>>,
    /// What becomes of the memory of a program that crashed.
    pub core_dumps: Known<CoreDumps>,
    /// The programs that set the clock, by name, as far as they run.
    pub clock_daemons: Known<Vec<String>>,
    /// What `sshd -T` says; nothing if there is no `sshd`.
    pub ssh: Known<Option<BTreeMap<String, Vec<String>>>>,
}

/// A folder or file that has to be protected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SensitivePath {
    /// Its path, without links.
    pub path: String,
    /// What it is itself, and the folders above it, up to the root.
    pub chain: Known<Vec<File>>,
    /// What lies in it.
    pub tree: Known<Tree>,
    /// What it is stored on.
    pub storage: Known<Storage>,
    /// Whether it came into the audit log that it was opened for this purpose.
    #[serde(default)]
    pub recorded: Known<bool>,
}

/// What lies in a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tree {
    /// How many files and folders.
    pub count: u64,
    /// Those that more than their owner has a right to, or that belong to somebody else than the
    /// folder: the first by name, up to a bound.
    pub open: Vec<File>,
    /// What a keep shows to others, such as its public keys, and what more than its owner may
    /// change.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shown: Vec<File>,
    /// Those that have no list of rights that could be read.
    pub unread: u64,
    /// Whether there is more than was looked at.
    pub cut: bool,
}

/// What a path is stored on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Storage {
    /// Where its file system is mounted.
    pub mount_point: String,
    /// The kind of file system.
    pub file_system: String,
    /// What encrypts it.
    pub encryption: Encryption,
}

/// What encrypts a store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "kebab-case")]
pub enum Encryption {
    /// The block device, all of it.
    BlockDevice {
        /// As the device mapper names it: `CRYPT-LUKS2`, `CRYPT-PLAIN`.
        kind: String,
    },
    /// The file system, this folder (fscrypt).
    Folder,
    /// Nothing: it is in memory, and gone without power.
    Memory,
    /// Nothing.
    Nothing {
        /// The block device that has it in the clear.
        device: String,
    },
}

/// Auditing by the kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Audit {
    /// Whether the kernel was started with `audit=1`.
    pub from_boot: Known<bool>,
    /// What `auditctl -s` says, by name.
    pub status: Known<BTreeMap<String, String>>,
    /// What `auditctl -l` says.
    pub rules: Known<Vec<String>>,
    /// The settings of `auditd`, by name, in small letters.
    pub settings: Known<BTreeMap<String, String>>,
    /// The log on the disk.
    pub log: Known<AuditLog>,
    /// Whether an event that was made for this purpose came into the log.
    pub canary: Known<bool>,
}

/// The log of `auditd`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditLog {
    /// How long it is, all its files together.
    pub bytes: u64,
    /// When its oldest record was written, in seconds since 1970.
    pub oldest_s: i64,
    /// When its newest record was written.
    pub newest_s: i64,
}

/// What is carried over IP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// TCP.
    #[default]
    Tcp,
    /// UDP.
    Udp,
}

/// A socket that listens, or takes datagrams from anybody.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listener {
    /// The address: `0.0.0.0`, `::`, or one of the computer.
    pub address: std::net::IpAddr,
    /// The port.
    pub port: u16,
    /// What comes there.
    #[serde(default, skip_serializing_if = "is_tcp")]
    pub protocol: Protocol,
    /// Who owns the socket.
    pub uid: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_tcp(protocol: &Protocol) -> bool {
    *protocol == Protocol::Tcp
}

/// An area that memory is written out to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Swap {
    /// The device or file.
    pub path: String,
    /// What encrypts it.
    pub encryption: Known<Encryption>,
}

/// What becomes of the memory of a program that crashed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoreDumps {
    /// `/proc/sys/kernel/core_pattern`.
    pub pattern: String,
    /// The hard limit of the first process, which others inherit: `unlimited`, or bytes.
    pub limit: String,
    /// `Storage=` of `systemd-coredump`, if that is configured.
    pub storage: Option<String>,
}
