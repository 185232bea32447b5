//! A service is stopped and started, or held and let go: by systemd where that runs, and by signals
//! to the process where nothing does.
//!
//! A process is known by its number only, and numbers are given out again. So it is held by a
//! descriptor (pidfd) from the moment that it was looked at, and what was looked at is compared with
//! what was captured before: no signal ever reaches another process.

use std::fs;
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags, open};
use rustix::process::{Pid, PidfdFlags, Signal, geteuid, pidfd_open, pidfd_send_signal};

use super::process::Process;
use super::run::{must, run};
use super::{HostBefore, HostError, HostPlan, Service};

pub(super) fn plan_stop(service: &Service) -> Result<HostPlan, HostError> {
    let expected = format!("`{}` does not run", service.name());
    match service {
        Service::Unit { unit } => {
            let before = unit_before(unit)?;
            let undo = match active(&before) {
                true => vec![format!("systemctl start -- {unit}")],
                false => Vec::new(),
            };
            let commands = vec![format!("systemctl stop -- {unit}")];
            Ok(HostPlan { commands, expected, undo, before })
        }
        Service::Process { start, .. } => {
            let (process, _) = find(service)?;
            let commands = vec![
                format!("kill -TERM {}", process.pid),
                format!("kill -KILL {} (if it runs after {} s)", process.pid, GRACE.as_secs()),
            ];
            let undo = match start.is_empty() {
                true => Vec::new(),
                false => vec![start.join(" ")],
            };
            Ok(HostPlan { commands, expected, undo, before: captured(&process) })
        }
    }
}

pub(super) fn plan_freeze(service: &Service) -> Result<HostPlan, HostError> {
    let expected = format!("`{}` does nothing, and keeps its memory", service.name());
    match service {
        Service::Unit { unit } => {
            let before = unit_before(unit)?;
            let commands = vec![format!("systemctl freeze -- {unit}")];
            let undo = vec![format!("systemctl thaw -- {unit}")];
            Ok(HostPlan { commands, expected, undo, before })
        }
        Service::Process { .. } => {
            let (process, _) = find(service)?;
            let undo = match process.state {
                HELD => Vec::new(),
                _ => vec![format!("kill -CONT {}", process.pid)],
            };
            let commands = vec![format!("kill -STOP {}", process.pid)];
            Ok(HostPlan { commands, expected, undo, before: captured(&process) })
        }
    }
}

pub(super) fn stop(service: &Service, before: &HostBefore) -> Result<(), HostError> {
    match service {
        Service::Unit { unit } => must(SYSTEMCTL, &["stop", "--", checked(unit)?], "").map(drop),
        Service::Process { .. } => {
            // Gone already: by itself, or because this was done before a crash.
            let Some((process, handle)) = the_same(service, before)? else { return Ok(()) };
            signal(&handle, &process, Signal::TERM)?;
            // One that is held gets it once it goes on.
            signal(&handle, &process, Signal::CONT)?;
            if !ends(&process, GRACE) {
                signal(&handle, &process, Signal::KILL)?;
            }
            match ends(&process, GRACE) {
                true => Ok(()),
                false => Err(HostError::TimedOut { program: "kill" }),
            }
        }
    }
}

pub(super) fn start(service: &Service, before: &HostBefore) -> Result<(), HostError> {
    match service {
        Service::Unit { unit } if active(before) => {
            must(SYSTEMCTL, &["start", "--", checked(unit)?], "").map(drop)
        }
        Service::Unit { .. } => Ok(()),
        Service::Process { pid_file, start } => {
            if running(pid_file).is_some() {
                return Ok(());
            }
            let Some((program, args)) = start.split_first() else {
                return Err(HostError::NoWayBack { service: service.name() });
            };
            let failed = |error| HostError::system(format!("start `{}`", service.name()), error);
            let mut child = Command::new(program)
                .args(args)
                .env_clear()
                .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
                .current_dir("/")
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .map_err(failed)?;
            // A service that goes into the background ends here; another one runs on.
            thread::spawn(move || child.wait());
            let begun = Instant::now();
            while running(pid_file).is_none() {
                if GRACE < begun.elapsed() {
                    return Err(HostError::NoService { service: service.name() });
                }
                thread::sleep(LOOK_EVERY);
            }
            Ok(())
        }
    }
}

pub(super) fn freeze(service: &Service, before: &HostBefore) -> Result<(), HostError> {
    match service {
        Service::Unit { unit } => must(SYSTEMCTL, &["freeze", "--", checked(unit)?], "").map(drop),
        Service::Process { .. } => match the_same(service, before)? {
            Some((process, handle)) => signal(&handle, &process, Signal::STOP),
            None => Err(HostError::NoService { service: service.name() }),
        },
    }
}

pub(super) fn thaw(service: &Service, before: &HostBefore) -> Result<(), HostError> {
    match service {
        Service::Unit { unit } => must(SYSTEMCTL, &["thaw", "--", checked(unit)?], "").map(drop),
        // It was held before anybody held it here.
        Service::Process { .. } if before.get(STATE).is_some_and(|it| *it == HELD.to_string()) => {
            Ok(())
        }
        Service::Process { .. } => match the_same(service, before)? {
            Some((process, handle)) => signal(&handle, &process, Signal::CONT),
            None => Err(HostError::NoService { service: service.name() }),
        },
    }
}

impl Service {
    /// What people call it.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Unit { unit } => unit.clone(),
            Self::Process { pid_file, .. } => pid_file.display().to_string(),
        }
    }
}

fn unit_before(unit: &str) -> Result<HostBefore, HostError> {
    let unit = checked(unit)?;
    if !Path::new(SYSTEMD_RUNS).is_dir() {
        return Err(HostError::NoService { service: unit.to_owned() });
    }
    // Its exit status says the same in numbers.
    let state = run(SYSTEMCTL, &["is-active", "--", unit], "")?.out.trim().to_owned();
    Ok(HostBefore::from([(STATE.to_owned(), state)]))
}

fn active(before: &HostBefore) -> bool {
    before.get(STATE).is_some_and(|state| state == "active" || state == "activating")
}

/// A unit of services, and none by which operators come in or that runs the host.
fn checked(unit: &str) -> Result<&str, HostError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || ":_.@-".contains(c);
    let name =
        unit.strip_suffix(".service").filter(|name| !name.is_empty() && name.chars().all(plain));
    let Some(name) = name.filter(|name| !name.starts_with('-')) else {
        return Err(HostError::NoService { service: "unit".to_owned() });
    };
    let base = name.split('@').next().unwrap_or_default();
    match GUARDED.contains(&base) || base.starts_with("systemd-") {
        true => Err(HostError::Guarded { what: format!("`{unit}`") }),
        false => Ok(unit),
    }
}

/// Finds the process of a service, and holds it.
fn find(service: &Service) -> Result<(Process, OwnedFd), HostError> {
    let missing = || HostError::NoService { service: service.name() };
    let Service::Process { pid_file, .. } = service else { return Err(missing()) };
    let pid = read_pid(pid_file).ok_or_else(missing)?;
    let own = Process::ancestors(std::process::id());
    let handle = i32::try_from(pid)
        .ok()
        .and_then(Pid::from_raw)
        .and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok())
        .ok_or_else(missing)?;
    // Looked at after it is held: what is seen is what is held, if it still runs.
    let process = Process::look(pid).filter(Process::runs).ok_or_else(missing)?;
    let guarded = pid == 1 || own.contains(&pid) || GUARDED.contains(&process.name.as_str());
    match guarded {
        true => Err(HostError::Guarded { what: format!("the process of `{}`", service.name()) }),
        false => Ok((process, handle)),
    }
}

/// The same, if it is the very process that was captured; none, if that is gone.
fn the_same(
    service: &Service,
    before: &HostBefore,
) -> Result<Option<(Process, OwnedFd)>, HostError> {
    match find(service) {
        Ok((process, handle)) => {
            let same = captured(&process).get(PROCESS) == before.get(PROCESS);
            Ok(same.then_some((process, handle)))
        }
        Err(HostError::NoService { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn captured(process: &Process) -> HostBefore {
    HostBefore::from([
        (PROCESS.to_owned(), format!("{} since {}", process.pid, process.started)),
        (STATE.to_owned(), process.state.to_string()),
    ])
}

fn signal(handle: &OwnedFd, process: &Process, signal: Signal) -> Result<(), HostError> {
    match pidfd_send_signal(handle, signal) {
        // It ended by itself meanwhile.
        Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(rustix::io::Errno::PERM) => Err(HostError::NotPermitted { program: "kill" }),
        sent => sent.map_err(|error| {
            HostError::system(format!("send a signal to process {}", process.pid), error)
        }),
    }
}

/// Waits for the end of a process.
fn ends(process: &Process, patience: Duration) -> bool {
    let begun = Instant::now();
    while process.runs() {
        if patience < begun.elapsed() {
            return false;
        }
        thread::sleep(LOOK_EVERY);
    }
    true
}

fn running(pid_file: &Path) -> Option<Process> {
    Process::look(read_pid(pid_file)?).filter(Process::runs)
}

/// Reads the number of a process, if whoever wrote it may speak for that process: a service that
/// somebody took over would have us end whatever else its file names.
pub(super) fn read_pid(pid_file: &Path) -> Option<u32> {
    // A pipe would be waited for, and a link leads to the file of another service.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = fs::File::from(open(pid_file, flags, Mode::empty()).ok()?);
    let metadata = file.metadata().ok()?;
    if !metadata.is_file() || PID_FILE_SIZE_MAX < metadata.len() {
        return None;
    }
    let mut text = String::new();
    file.take(PID_FILE_SIZE_MAX).read_to_string(&mut text).ok()?;
    let pid: u32 = text.trim().parse().ok().filter(|pid| *pid != 0)?;
    let owner = fs::metadata(format!("/proc/{pid}")).ok()?.uid();
    let trusted = [0, geteuid().as_raw(), owner];
    trusted.contains(&metadata.uid()).then_some(pid)
}

const SYSTEMCTL: &str = "systemctl";

/// There exactly where systemd is the first process (sd_booted(3)).
const SYSTEMD_RUNS: &str = "/run/systemd/system";

/// How `/proc` says that a process is held.
const HELD: char = 'T';

const PROCESS: &str = "process";

const STATE: &str = "state";

/// What operators come in by, and what runs the host.
const GUARDED: [&str; 7] = ["sshd", "ssh", "systemd", "init", "dbus", "dbus-daemon", "twinkeep"];

/// How long a service may take to end by itself, as `docker stop` has it.
const GRACE: Duration = Duration::from_secs(10);

const LOOK_EVERY: Duration = Duration::from_millis(5);

const PID_FILE_SIZE_MAX: u64 = 64;
