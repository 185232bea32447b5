//! Who a process is, remembered for as long as it is the same.
//!
//! Whoever asks for a file waits until it is answered, so its identity can be read without a race;
//! reading it from `/proc` each time would make every open cost five times as much. It is kept by
//! the number of its process descriptor, which the kernel never uses again.
//!
//! # Invariants
//!
//! - A remembered identity is used only while program and user of the process are the same: a
//!   process may run another program, and become another user.
//! - Nothing is opened here that could be watched: the program's file is opened as a place only
//!   (`O_PATH`), which asks nobody.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{FsWord, Mode, OFlags, fstat, fstatfs, open};
use rustix::process::{Pid, PidfdFlags, getpid, pidfd_open};

use crate::access::recent::Recent;
use crate::access::{FileId, Plan, Process, Program, Who};

/// Who the keep's own processes are.
#[derive(Clone, Debug)]
pub(super) struct Own {
    program: Option<FileId>,
    /// Programs that the operator permits, as they were when the watch began.
    permitted: Vec<FileId>,
    /// Who owns the keep.
    owner: u32,
}

impl Own {
    /// Whoever runs the program that runs here, and is the owner or root.
    pub(super) fn new(plan: &Plan) -> io::Result<Self> {
        let metadata = fs::metadata("/proc/self/exe").ok();
        let program = metadata.map(|it| FileId::of(&it));
        let permitted = plan.permitted.iter().map(|path| Ok(FileId::of(&fs::metadata(path)?)));
        Ok(Self { program, permitted: permitted.collect::<io::Result<_>>()?, owner: plan.owner })
    }

    /// Whether a program is one of those that the operator permits, and nobody has changed it.
    fn permits(&self, program: &Program, user: u32) -> bool {
        let own_user = user == self.owner || user == ROOT;
        own_user && program.file.is_some_and(|file| self.permitted.contains(&file))
    }

    fn is(&self, program: &Program, user: u32) -> bool {
        let own_user = user == self.owner || user == ROOT;
        // Attributes and links of the program's file may change while it runs.
        let same = |(own, theirs): (FileId, FileId)| own.is_same_file(&theirs);
        own_user && self.program.zip(program.file).is_some_and(same)
    }
}

/// The identities that are remembered.
pub(super) struct Identities<'a> {
    own: Own,
    /// Where others look for those that have ended.
    recent: &'a Recent,
    known: BTreeMap<u64, Known>,
    /// Whether the number of a process descriptor is never used again (Linux 6.9).
    lasting: bool,
}

struct Known {
    file: Option<FileId>,
    effective: u32,
    process: Process,
}

impl<'a> Identities<'a> {
    pub(super) fn new(own: Own, recent: &'a Recent) -> Self {
        let descriptor = pidfd_open(getpid(), PidfdFlags::empty());
        let kind = descriptor.and_then(|descriptor| fstatfs(&descriptor));
        let lasting = kind.is_ok_and(|it| it.f_type == PIDFS_MAGIC);
        Self { own, recent, known: BTreeMap::new(), lasting }
    }

    /// Returns who did it: the process of an event, which waits for an answer or may be gone.
    pub(super) fn of(&mut self, pid: i32, descriptor: Option<&OwnedFd>) -> Who {
        let Ok(number) = u32::try_from(pid) else { return Who::Unknown };
        if number == 0 {
            // A process that this process cannot see has no number here.
            return Who::Unknown;
        }
        let Some(descriptor) = descriptor else { return self.ended(number) };
        let key = self.lasting.then(|| fstat(descriptor).ok().map(|it| it.st_ino)).flatten();
        if let Some(known) = key.and_then(|key| self.known.get(&key))
            && still(number, known)
        {
            return Who::Process(known.process.clone());
        }
        let Some(read) = read(number, &self.own) else { return self.ended(number) };
        // What was read is this process's only if it had the number until now.
        if !alive(descriptor.as_fd(), number) {
            return self.ended(number);
        }
        self.recent.remember(read.process.clone());
        let who = Who::Process(read.process.clone());
        if let Some(key) = key {
            self.remember(key, read);
        }
        who
    }

    fn remember(&mut self, key: u64, known: Known) {
        if self.known.len() >= KNOWN_COUNT_MAX {
            // Numbers grow, so this is the oldest process.
            self.known.pop_first();
        }
        self.known.insert(key, known);
    }

    /// A process that is gone: who it was, if it was seen when it asked for a file.
    fn ended(&self, pid: u32) -> Who {
        match self.recent.had(pid) {
            Some(process) if !Path::new(&format!("/proc/{pid}")).exists() => Who::Process(process),
            _ => Who::Gone { pid },
        }
    }
}

/// Returns whether a process still runs the same program as the same user.
fn still(pid: u32, known: &Known) -> bool {
    let file = fs::metadata(format!("/proc/{pid}/exe")).ok().map(|it| FileId::of(&it));
    let user = fs::metadata(format!("/proc/{pid}")).ok().map(|it| it.uid());
    file == known.file && user == Some(known.effective)
}

fn read(pid: u32, own: &Own) -> Option<Known> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(":\t"));
        line.unwrap_or_default()
    };
    let user = field("Uid").split('\t').next()?.parse().ok()?;
    let login = fs::read_to_string(format!("/proc/{pid}/loginuid")).ok();
    let login = login.and_then(|text| text.trim().parse().ok()).filter(|uid| *uid != NOBODY);
    let program = program(pid);
    Some(Known {
        file: program.file,
        effective: fs::metadata(format!("/proc/{pid}")).ok()?.uid(),
        process: Process {
            pid,
            parent: field("PPid").parse().unwrap_or(0),
            user,
            login,
            name: field("Name").to_owned(),
            own: own.is(&program, user),
            permitted: own.permits(&program, user),
            program: Arc::new(program),
        },
    })
}

/// The file of a process's program; a process of the kernel has none.
fn program(pid: u32) -> Program {
    let link = format!("/proc/{pid}/exe");
    let path = fs::read_link(&link).map(|path| path.to_string_lossy().into_owned());
    let handle = open(&link, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).ok();
    let file = fs::metadata(&link).ok().map(|metadata| FileId::of(&metadata));
    Program { path: path.unwrap_or_default(), file, handle }
}

/// Returns whether the process of a descriptor has not ended.
fn alive(descriptor: BorrowedFd<'_>, pid: u32) -> bool {
    let Ok(again) = i32::try_from(pid).map(Pid::from_raw) else { return false };
    let Some(again) = again.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok()) else {
        return false;
    };
    match (fstat(descriptor), fstat(&again)) {
        (Ok(asked), Ok(now)) => (asked.st_dev, asked.st_ino) == (now.st_dev, now.st_ino),
        _ => false,
    }
}

/// How many are remembered: a busy machine has a few thousand processes, of a kilobyte here.
const KNOWN_COUNT_MAX: usize = 4096;

/// What the kernel's file system of process descriptors says it is (`PID_FS_MAGIC`).
const PIDFS_MAGIC: FsWord = 0x5049_4446;

/// The user who may do everything.
const ROOT: u32 = 0;

/// The login user of whoever has not logged in: 2³² - 1.
const NOBODY: u32 = u32::MAX;
