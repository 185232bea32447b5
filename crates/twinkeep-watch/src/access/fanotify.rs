//! The collector that is asked: fanotify.
//!
//! Whoever opens, reads, or runs a marked file waits until this process has answered, so it is
//! known for certain who it is. Marks are on the files themselves (inodes): another name, another
//! mount, another namespace, or `io_uring` lead to the same mark. A second group is told of what
//! the first cannot be asked about: attributes, names, and links.
//!
//! # Invariants
//!
//! - Whoever waits is answered first; everything else comes later. The thread that answers opens no
//!   file and waits for nobody.
//! - When the descriptor of the group is closed, however the process ends, the kernel lets
//!   everybody who waits go on.
//! - What this process does itself is let through and not told: it writes what was seen.

mod files;
mod identity;
mod records;
mod system;

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::{PoisonError, RwLock};
use std::thread;
use std::time::Duration;

use rustix::fs::fstat;
use rustix::io::{read, write};
use rustix::process::getpid;

use self::files::{Files, Groups};
use self::identity::{Identities, Own};
use self::records::{Event, events};
use super::collect::Eyes;
use super::recent::Recent;
use super::stream::AuditStream;
use super::{AccessError, Action, Answer, Collector, Mode, Plan, Sighting, Who};

/// Whether the system does not permit or not know how to ask.
pub(super) fn is_refusal(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EPERM | libc::ENOSYS | libc::EINVAL))
}

/// The two groups, and what they mark.
pub(super) struct Watcher {
    mode: Mode,
    own: Own,
    groups: Groups,
    files: RwLock<Files>,
    /// Where handles of files are looked up.
    mount: OwnedFd,
    /// Who asked lately, or was named in an audit record.
    recent: Recent,
    audit: Option<AuditStream>,
}

impl Watcher {
    /// Marks every file and folder of the plan.
    pub(super) fn new(plan: &Plan) -> io::Result<Self> {
        let asked = system::init(ASKED_GROUP, EVENT_FILES)?;
        let told = system::init(TOLD_GROUP, 0).ok();
        let mount = fs::File::open(&plan.root)?.into();
        let mut groups = Groups { asked, told };
        let files = Files::mark(plan, &mut groups)?;
        let own = Own::new(plan)?;
        let audit = AuditStream::open(plan, groups.told.is_none());
        let (files, recent) = (RwLock::new(files), Recent::default());
        Ok(Self { mode: plan.mode, own, groups, files, mount, recent, audit })
    }

    pub(super) fn collector(&self) -> Collector {
        let (changes, audit) = (self.groups.told.is_some(), self.audit.is_some());
        Collector::Fanotify { changes, audit, denies: self.mode == Mode::Deny }
    }

    /// Answers whoever asks for a file, and tells of it.
    pub(super) fn answer(&self, eyes: &Eyes<'_>) -> Result<(), AccessError> {
        let mut identities = Identities::new(self.own.clone(), &self.recent);
        let mut buffer = vec![0; BUFFER_LEN];
        while !eyes.stopped() {
            for event in next(&self.groups.asked, &mut buffer)? {
                let seen = self.answer_one(&event, &mut identities, eyes)?;
                seen.into_iter().for_each(|sighting| eyes.see(sighting));
            }
        }
        Ok(())
    }

    fn answer_one(
        &self,
        event: &Event,
        identities: &mut Identities<'_>,
        eyes: &Eyes<'_>,
    ) -> Result<Option<Sighting>, AccessError> {
        let asked =
            event.mask & (libc::FAN_OPEN_PERM | libc::FAN_OPEN_EXEC_PERM | libc::FAN_ACCESS_PERM);
        let Some(file) = &event.file else {
            if event.mask & libc::FAN_Q_OVERFLOW != 0 {
                eyes.lost();
            }
            return Ok(None);
        };
        if event.pid == getpid().as_raw_nonzero().get() {
            return self.reply(file, asked, Answer::Allowed).map(|()| None);
        }
        let who = identities.of(event.pid, event.process.as_ref());
        let answer = match (self.mode, &who) {
            _ if asked == 0 => Answer::Told,
            (Mode::Record, _) => Answer::Allowed,
            (Mode::Deny, Who::Process(process)) if process.own || process.permitted => {
                Answer::Allowed
            }
            (Mode::Deny, _) => Answer::Denied,
        };
        self.reply(file, asked, answer)?;
        let action = match asked {
            libc::FAN_OPEN_PERM => Action::Open,
            libc::FAN_ACCESS_PERM => Action::Read,
            0 => Action::Write,
            _ => Action::Execute,
        };
        let name = self.name_of(file);
        Ok(Some(Sighting { time: eyes.now(), file: name, action, answer, who }))
    }

    fn reply(&self, file: &OwnedFd, asked: u64, answer: Answer) -> Result<(), AccessError> {
        use std::os::fd::AsRawFd as _;
        if asked == 0 {
            return Ok(());
        }
        let word = if answer == Answer::Denied { libc::FAN_DENY } else { libc::FAN_ALLOW };
        let mut response = [0; 8];
        response[..4].copy_from_slice(&file.as_raw_fd().to_ne_bytes());
        response[4..].copy_from_slice(&word.to_ne_bytes());
        match write(&self.groups.asked, &response) {
            // Whoever asked was killed meanwhile.
            Ok(_) | Err(rustix::io::Errno::NOENT) => Ok(()),
            Err(error) => Err(AccessError::Read { source: error.into() }),
        }
    }

    fn name_of(&self, file: &OwnedFd) -> String {
        let stat = fstat(file).ok();
        let files = self.files.read().unwrap_or_else(PoisonError::into_inner);
        let known = stat.and_then(|stat| files.by_number(stat.st_dev, stat.st_ino));
        // A file that came a moment ago has no mark of its own yet.
        known.unwrap_or_else(|| files.name_of(file))
    }

    /// Tells of changes, and marks what comes into the folders.
    pub(super) fn listen(&self, eyes: &Eyes<'_>) -> Result<(), AccessError> {
        let Some(told) = &self.groups.told else {
            wait(eyes);
            return Ok(());
        };
        let mut identities = Identities::new(self.own.clone(), &self.recent);
        let mut buffer = vec![0; BUFFER_LEN];
        let mut nameless = Nameless::default();
        while !eyes.stopped() {
            for event in next(told, &mut buffer)? {
                if event.mask & libc::FAN_Q_OVERFLOW != 0 {
                    eyes.lost();
                }
                let mut files = self.files.write().unwrap_or_else(PoisonError::into_inner);
                let changes = files.changes(&event, &self.groups, self.mount.as_fd());
                drop(files);
                if event.pid == getpid().as_raw_nonzero().get() || changes.is_empty() {
                    continue;
                }
                let who = identities.of(event.pid, event.process.as_ref());
                for (file, action) in changes {
                    let (time, who) = (eyes.now(), who.clone());
                    let sighting = Sighting { time, file, action, answer: Answer::Told, who };
                    nameless.hold_or_see(sighting, self.audit.is_some(), eyes);
                }
            }
            nameless.see_due(&self.recent, eyes);
        }
        nameless.see_all(&self.recent, eyes);
        Ok(())
    }

    /// Reads the audit records of the kernel, if there are any.
    pub(super) fn listen_to_audit(&self, eyes: &Eyes<'_>) -> Result<(), AccessError> {
        match &self.audit {
            Some(stream) => stream.listen(eyes, &self.recent),
            None => {
                wait(eyes);
                Ok(())
            }
        }
    }
}

/// Changes by processes that were gone when they were told: the audit record may come a moment
/// later.
#[derive(Default)]
struct Nameless {
    held: VecDeque<Sighting>,
}

impl Nameless {
    fn hold_or_see(&mut self, sighting: Sighting, audited: bool, eyes: &Eyes<'_>) {
        if audited && ended(&sighting.who).is_some() && self.held.len() < HELD_COUNT_MAX {
            self.held.push_back(sighting);
        } else {
            eyes.see(sighting);
        }
    }

    fn see_due(&mut self, recent: &Recent, eyes: &Eyes<'_>) {
        let now = eyes.now().micros();
        let due = |it: &Sighting| now.abs_diff(it.time.micros()) >= HELD_MICROS;
        while let Some(sighting) = self.held.pop_front_if(|it| due(it)) {
            eyes.see(named(sighting, recent));
        }
    }

    fn see_all(&mut self, recent: &Recent, eyes: &Eyes<'_>) {
        if !self.held.is_empty() {
            thread::sleep(Duration::from_micros(HELD_MICROS));
        }
        self.held.drain(..).for_each(|it| eyes.see(named(it, recent)));
    }
}

fn named(sighting: Sighting, recent: &Recent) -> Sighting {
    match ended(&sighting.who).and_then(|pid| recent.had(pid)) {
        Some(process) => Sighting { who: Who::Process(process), ..sighting },
        None => sighting,
    }
}

/// The number of a process that is gone, or is about to be: it has no program any more.
fn ended(who: &Who) -> Option<u32> {
    match who {
        Who::Gone { pid } => Some(*pid),
        Who::Process(process) if process.program.path.is_empty() => Some(process.pid),
        Who::Process(_) | Who::Unknown => None,
    }
}

/// Waits until there is something to be read, or it is time to look whether to stop.
pub(super) fn readable(socket: BorrowedFd<'_>) -> Result<bool, AccessError> {
    system::readable(socket, STOP_MILLIS).map_err(|source| AccessError::Read { source })
}

/// Where nobody tells of changes, there is nothing to do but to stop in time.
fn wait(eyes: &Eyes<'_>) {
    while !eyes.stopped() {
        thread::sleep(Duration::from_millis(STOP_MILLIS as u64));
    }
}

/// Returns what has happened; nothing, if nothing does for a moment.
fn next(group: &OwnedFd, buffer: &mut [u8]) -> Result<Vec<Event>, AccessError> {
    let failed = |source| AccessError::Read { source };
    if !readable(group.as_fd())? {
        return Ok(Vec::new());
    }
    match read(group, &mut *buffer) {
        Ok(len) => Ok(events(&buffer[..len])),
        Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => Ok(Vec::new()),
        // No room for the file of an event: the kernel has refused whoever asked for it.
        Err(rustix::io::Errno::MFILE | rustix::io::Errno::NFILE) => Ok(Vec::new()),
        Err(error) => Err(failed(error.into())),
    }
}

/// Who asks waits for us; with an unlimited queue, since from a full one the kernel lets pass.
const ASKED_GROUP: u32 = libc::FAN_CLASS_CONTENT
    | libc::FAN_CLOEXEC
    | libc::FAN_NONBLOCK
    | libc::FAN_UNLIMITED_MARKS
    | libc::FAN_UNLIMITED_QUEUE
    | libc::FAN_REPORT_PIDFD;

const TOLD_GROUP: u32 = libc::FAN_CLASS_NOTIF
    | libc::FAN_CLOEXEC
    | libc::FAN_NONBLOCK
    | libc::FAN_UNLIMITED_MARKS
    | libc::FAN_REPORT_PIDFD
    | libc::FAN_REPORT_FID
    | libc::FAN_REPORT_DFID_NAME;

/// The files of events are opened by the kernel for us: only to see which they are.
const EVENT_FILES: i32 = libc::O_RDONLY | libc::O_LARGEFILE | libc::O_CLOEXEC | libc::O_NOATIME;

/// How many bytes of events are read at a time: some hundred, each of which has two descriptors.
const BUFFER_LEN: usize = 4096;

/// How long a change waits for the name of whoever made it: an audit record is sent when the call
/// ends, so it comes sooner.
const HELD_MICROS: u64 = 300_000;

/// How many changes wait at most.
const HELD_COUNT_MAX: usize = 1024;

/// How late a wish to stop may be heard, in milliseconds.
const STOP_MILLIS: i32 = 200;
