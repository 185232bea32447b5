//! The rules by which the kernel writes audit records of the files of a keep: as `auditctl` takes
//! them, and as the kernel does.
//!
//! The kernel can watch what `io_uring` does as well; `auditctl` cannot say so, which is why rules
//! are loaded without it ([`Kernel`]).

mod kernel;

use std::path::{Path, PathBuf};

pub use kernel::{Kernel, KernelStatus, RulesError};

use super::audit::syscalls;

/// How system calls are watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleForm {
    /// `-w PATH`: every system call is looked at.
    Watch,
    /// `-a always,exit -S …`: only the calls that touch files, which costs the others less.
    Calls,
}

/// Where a rule is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RuleList {
    /// When a system call ends.
    Exit,
    /// When an operation of `io_uring` ends (Linux 5.16).
    Uring,
}

/// What a rule is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Watched {
    /// A folder, with everything below.
    Dir(PathBuf),
    /// One file.
    File(PathBuf),
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AuditRule {
    /// Where it is looked at.
    pub list: RuleList,
    /// The architecture whose numbers the calls have; all, if there is none.
    pub arch: Option<u32>,
    /// The numbers of the calls; all, if there are none.
    pub calls: Vec<u32>,
    /// What it is about.
    pub watched: Watched,
    /// The key of its records.
    pub key: String,
}

/// Returns the rules for folders and files.
pub fn rules(form: RuleForm, watched: &[Watched], key: &str) -> Vec<AuditRule> {
    let rule = |list, arch, calls, watched: &Watched| AuditRule {
        list,
        arch,
        calls,
        watched: watched.clone(),
        key: key.to_owned(),
    };
    let mut rules = Vec::new();
    for watched in watched {
        match form {
            RuleForm::Watch => rules.push(rule(RuleList::Exit, None, Vec::new(), watched)),
            RuleForm::Calls => {
                for arch in ARCHITECTURES {
                    let calls = syscalls::numbers(*arch, WATCHED_CALLS);
                    rules.push(rule(RuleList::Exit, Some(*arch), calls, watched));
                }
            }
        }
        let operations = URING_OPERATIONS.to_vec();
        rules.push(rule(RuleList::Uring, None, operations, watched));
    }
    rules
}

impl AuditRule {
    /// Returns the rule as `auditctl` and `rules.d` take it; none where they cannot say it.
    pub fn text(&self) -> Option<String> {
        let (name, path) = match &self.watched {
            Watched::Dir(path) => ("dir", path.to_str()?),
            Watched::File(path) => ("path", path.to_str()?),
        };
        // They split at white space, and have no quotes.
        if self.list == RuleList::Uring || path.chars().any(|it| it.is_whitespace()) {
            return None;
        }
        let Some(arch) = self.arch else {
            return Some(format!("-w {path} -p rwa -k {}", self.key));
        };
        let bits = if arch & ARCH_64BIT == 0 { "b32" } else { "b64" };
        let calls: Vec<String> =
            self.calls.iter().map(|number| syscalls::name_or_number(arch, *number)).collect();
        Some(format!(
            "-a always,exit -F arch={bits} -S {} -F {name}={path} -F perm=rwa -F key={}",
            calls.join(","),
            self.key
        ))
    }

    /// Returns the rule as the kernel takes it (`struct audit_rule_data`).
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut fields: Vec<(u32, u32)> = Vec::new();
        let mut texts = Vec::new();
        fields.extend(self.arch.map(|arch| (FIELD_ARCH, arch)));
        let (field, path) = match &self.watched {
            Watched::Dir(path) => (FIELD_DIR, path),
            Watched::File(path) => (FIELD_WATCH, path),
        };
        let path = path.as_os_str().as_encoded_bytes();
        fields.push((field, path.len() as u32));
        texts.extend_from_slice(path);
        if self.list == RuleList::Exit {
            fields.push((FIELD_PERM, PERM_READ | PERM_WRITE | PERM_ATTR));
        }
        fields.push((FIELD_KEY, self.key.len() as u32));
        texts.extend_from_slice(self.key.as_bytes());
        let mut mask = [if self.calls.is_empty() { u32::MAX } else { 0 }; TABLE_LEN];
        for call in &self.calls {
            if let Some(word) = mask.get_mut(*call as usize / 32) {
                *word |= 1 << (call % 32);
            }
        }
        let list = match self.list {
            RuleList::Exit => FILTER_EXIT,
            RuleList::Uring => FILTER_URING_EXIT,
        };
        let column = |value: &dyn Fn(&(u32, u32)) -> u32| {
            let mut column = [0; TABLE_LEN];
            fields.iter().zip(&mut column).for_each(|(field, slot)| *slot = value(field));
            column
        };
        let words = [list, ACTION_ALWAYS, fields.len() as u32]
            .into_iter()
            .chain(mask)
            .chain(column(&|field| field.0))
            .chain(column(&|field| field.1))
            .chain(column(&|_| OPERATOR_EQUAL))
            .chain([texts.len() as u32]);
        words.flat_map(u32::to_ne_bytes).chain(texts.iter().copied()).collect()
    }

    /// Reads a rule that the kernel has; none if it is not of the kind that is written here.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let word = |at: usize| {
            let bytes = bytes.get(at * 4..at * 4 + 4)?;
            Some(u32::from_ne_bytes(bytes.try_into().ok()?))
        };
        let list = match word(0)? {
            FILTER_EXIT => RuleList::Exit,
            FILTER_URING_EXIT => RuleList::Uring,
            _ => return None,
        };
        let (mut arch, mut watched, mut key) = (None, None, String::new());
        let mut texts = bytes.get((3 + 4 * TABLE_LEN + 1) * 4..)?;
        for field in 0..word(2)? as usize {
            let kind = word(3 + TABLE_LEN + field)?;
            let value = word(3 + 2 * TABLE_LEN + field)?;
            let mut text = || {
                let (text, rest) = texts.split_at_checked(value as usize)?;
                texts = rest;
                Some(String::from_utf8_lossy(text).into_owned())
            };
            match kind {
                FIELD_ARCH => arch = Some(value),
                FIELD_DIR => watched = Some(Watched::Dir(text()?.into())),
                FIELD_WATCH => watched = Some(Watched::File(text()?.into())),
                FIELD_KEY => key = text()?,
                FIELD_PERM => {}
                _ => return None,
            }
        }
        let mask: Option<Vec<u32>> = (0..TABLE_LEN).map(|at| word(3 + at)).collect();
        let mask = mask?;
        let every = mask.iter().all(|word| *word == u32::MAX);
        let set = |call: &u32| mask[*call as usize / 32] & (1 << (call % 32)) != 0;
        let calls = if every { Vec::new() } else { (0..CALL_COUNT).filter(set).collect() };
        Some(Self { list, arch, calls, watched: watched?, key })
    }
}

/// Returns what is watched: a folder, or a file.
pub fn watched(path: &Path) -> Watched {
    if path.is_dir() { Watched::Dir(path.to_owned()) } else { Watched::File(path.to_owned()) }
}

/// The calls that open a file by its name, or change what is known of it.
const WATCHED_CALLS: &[&str] = &[
    "open",
    "openat",
    "openat2",
    "open_by_handle_at",
    "creat",
    "truncate",
    "truncate64",
    "rename",
    "renameat",
    "renameat2",
    "link",
    "linkat",
    "unlink",
    "unlinkat",
    "chmod",
    "fchmod",
    "fchmodat",
    "fchmodat2",
    "chown",
    "fchown",
    "lchown",
    "chown32",
    "fchown32",
    "lchown32",
    "fchownat",
    "setxattr",
    "lsetxattr",
    "fsetxattr",
    "removexattr",
    "lremovexattr",
    "fremovexattr",
    "utimensat",
];

/// What `io_uring` has of them: openat, openat2, renameat, unlinkat, linkat.
const URING_OPERATIONS: &[u32] = &[18, 28, 35, 36, 39];

/// The architectures of this machine's programs.
#[cfg(target_arch = "x86_64")]
const ARCHITECTURES: &[u32] = &[0xc000_003e, 0x4000_0003];
#[cfg(target_arch = "aarch64")]
const ARCHITECTURES: &[u32] = &[0xc000_00b7];
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const ARCHITECTURES: &[u32] = &[];

const ARCH_64BIT: u32 = 0x8000_0000;

// Numbers of `linux/audit.h`.
const FILTER_EXIT: u32 = 4;
const FILTER_URING_EXIT: u32 = 7;
const ACTION_ALWAYS: u32 = 2;
const FIELD_ARCH: u32 = 11;
const FIELD_WATCH: u32 = 105;
const FIELD_PERM: u32 = 106;
const FIELD_DIR: u32 = 107;
const FIELD_KEY: u32 = 210;
const OPERATOR_EQUAL: u32 = 0x4000_0000;
const PERM_WRITE: u32 = 2;
const PERM_READ: u32 = 4;
const PERM_ATTR: u32 = 8;

/// How long the kernel's tables in a rule are, in words.
const TABLE_LEN: usize = 64;

/// How many numbers of calls the mask has room for.
const CALL_COUNT: u32 = TABLE_LEN as u32 * 32;

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{AuditRule, RuleForm, RuleList, Watched, rules};

    fn both() -> [Watched; 2] {
        [Watched::Dir("/srv/keep/models".into()), Watched::File("/srv/keep/store/keyring".into())]
    }

    #[test]
    fn rules_are_said_as_auditctl_takes_them() {
        let text = |form| {
            rules(form, &both(), "model_access")
                .iter()
                .filter_map(AuditRule::text)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            text(RuleForm::Watch),
            [
                "-w /srv/keep/models -p rwa -k model_access",
                "-w /srv/keep/store/keyring -p rwa -k model_access"
            ]
        );
        let calls = text(RuleForm::Calls);
        let both_abis = if cfg!(target_arch = "x86_64") { 4 } else { 2 };
        assert_eq!(calls.len(), both_abis);
        assert!(calls[0].starts_with("-a always,exit -F arch=b64 -S "), "{}", calls[0]);
        assert!(calls[0].contains("openat,"), "{}", calls[0]);
        assert!(calls[0].ends_with("-F dir=/srv/keep/models -F perm=rwa -F key=model_access"));
    }

    #[test]
    fn a_path_that_auditctl_would_split_is_not_said_to_it() {
        let strange = [Watched::Dir("/srv/my keep".into())];
        let rules = rules(RuleForm::Watch, &strange, "k");
        assert!(rules.iter().all(|rule| rule.text().is_none()));
        assert_eq!(AuditRule::decode(&rules[0].encode()).as_ref(), Some(&rules[0]));
    }

    #[test]
    fn rules_are_read_as_they_are_written_and_what_is_cut_short_is_none() {
        for rule in rules(RuleForm::Calls, &both(), "model_access") {
            let bytes = rule.encode();
            assert_eq!(AuditRule::decode(&bytes), Some(rule));
            for len in 0..bytes.len() {
                assert_eq!(AuditRule::decode(&bytes[..len]), None, "{len}");
            }
        }
        let wide = AuditRule {
            list: RuleList::Uring,
            arch: None,
            calls: vec![0, 2047],
            watched: Watched::File(PathBuf::from("/x")),
            key: String::new(),
        };
        assert_eq!(AuditRule::decode(&wide.encode()), Some(wide));
    }
}
