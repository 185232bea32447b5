//! Use cases: act on the host around the keep, and look at it, as an incident says.
//!
//! The process that has the keys gave up what it takes: it starts no programs, signals nobody, and
//! sees no other process. So `serve` starts a helper before that, a process of its own that has no
//! key. They speak a line of JSON at a time ([`helper`]). A command that an operator runs acts by
//! itself.
//!
//! # Invariants
//!
//! - The helper does what its own configuration names, and nothing else: whoever takes over the
//!   process with the keys cannot have it run a program or touch a service of their choice.
//! - What is never cut is asked where it is done.

use std::fs::{File, TryLockError};
use std::io::{BufRead, Read, Write};
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use twinkeep_registry::VersionId;
use twinkeep_watch::host::{
    self, Changes, HostAction, HostBefore, HostError, HostEvidence, HostPlan, Protocol,
    look_at_host,
};
use twinkeep_watch::incident::{Action, Takes};

use crate::{App, AppError, Keep, Layout, Settings};

mod helper;

#[cfg(test)]
mod tests;

use helper::{Helper, Limits, answer_asks};

/// Something to be done on the host, by the names of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "order", deny_unknown_fields)]
pub enum HostOrder {
    /// What comes to a port is dropped.
    DropPort {
        /// The port.
        port: u16,
        /// Of which protocol.
        protocol: Protocol,
    },
    /// A service is stopped.
    StopService {
        /// Its name in the configuration.
        name: String,
    },
    /// A service is held where it is.
    FreezeService {
        /// Its name in the configuration.
        name: String,
    },
}

impl HostOrder {
    /// Reads what a port is called in playbooks: `tcp/8443`.
    pub(crate) fn drop_port(name: &str) -> Option<Self> {
        let (protocol, digits) = name.split_once('/')?;
        let protocol = match protocol {
            "tcp" => Protocol::Tcp,
            "udp" => Protocol::Udp,
            _ => return None,
        };
        let port: u16 = digits.parse().ok().filter(|port| *port != 0)?;
        // A port has one name: limits and holders go by it.
        if port.to_string() != digits {
            return None;
        }
        Some(Self::DropPort { port, protocol })
    }
}

/// What a helper is asked by, and what it answers by.
pub type HostPipes = (Box<dyn Write + Send>, Box<dyn Read + Send>);

/// Who acts on the host for this process.
#[derive(Default)]
pub(crate) struct HostHand(Mutex<Hand>);

#[derive(Default)]
enum Hand {
    /// This process does.
    #[default]
    Own,
    /// Nobody: the process is closed in, and the configuration asks for no helper.
    None,
    /// A helper.
    Helper(Arc<Helper>),
}

/// What the helper is asked.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "ask", deny_unknown_fields)]
enum Ask {
    Plan { order: HostOrder },
    Apply { order: HostOrder, before: HostBefore },
    Undo { order: HostOrder, before: HostBefore },
    Look { files: Vec<PathBuf> },
    Seal { version: String },
}

/// What it answers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "answer", deny_unknown_fields)]
enum Answer {
    Plan { plan: HostPlan },
    // Not a unit: of one, unknown fields would be taken.
    Done {},
    Seen { evidence: HostEvidence },
    Refused { code: String, says: String },
}

/// Says what an order would do, and captures what is there.
pub(crate) fn plan_on_host(app: &App, order: &HostOrder) -> Result<HostPlan, AppError> {
    match app.host.ask(&app.settings, Ask::Plan { order: order.clone() })? {
        Answer::Plan { plan } => Ok(plan),
        other => Err(refusal(other)),
    }
}

/// Returns the exact commands of an order, for whoever has the privileges that it takes.
pub(crate) fn commands_on_host(app: &App, order: &HostOrder) -> Vec<String> {
    let guards = app.settings.host.guards(&app.settings.gate);
    let action = permitted(&app.settings, order);
    action.and_then(|action| host::commands(&action, &guards).ok()).unwrap_or_default()
}

/// Does it.
pub(crate) fn apply_on_host(
    app: &App,
    order: &HostOrder,
    before: &HostBefore,
) -> Result<(), AppError> {
    let ask = Ask::Apply { order: order.clone(), before: before.clone() };
    done(app.host.ask(&app.settings, ask)?)
}

/// Restores what was there before.
pub(crate) fn undo_on_host(
    app: &App,
    order: &HostOrder,
    before: &HostBefore,
) -> Result<(), AppError> {
    let ask = Ask::Undo { order: order.clone(), before: before.clone() };
    done(app.host.ask(&app.settings, ask)?)
}

/// Has nobody change the files of a version in quarantine any more.
pub(crate) fn seal_on_host(app: &App, version: &VersionId) -> Result<(), AppError> {
    let own = app.host.is_own();
    done(match own {
        true => seal(&app.settings, app.layout.root(), version.as_str()),
        false => app.host.ask(&app.settings, Ask::Seal { version: version.to_string() })?,
    })
}

/// Lets them be changed again. No helper does that: whoever takes over the process with the keys
/// could have it done.
pub(crate) fn unseal_on_host(app: &App, version: &VersionId) -> Result<(), AppError> {
    let refused = || {
        AppError::refused("model-immutable", format!("the files of `{version}` are immutable"))
            .hint("run this as root, or `chattr -i` them first: they are in `models/quarantine`")
    };
    if !app.host.is_own() {
        return Err(refused());
    }
    let root = app.layout.root();
    // Its folder before what is in it.
    for path in quarantined_paths(root, version).iter().rev() {
        host::set_changes(root, path, Changes::Permitted)
            .map_err(|error| refused().because(error))?;
    }
    Ok(())
}

/// Returns the files of a version in quarantine, relative to the keep.
pub(crate) fn quarantined_files(root: &Path, version: &VersionId) -> Vec<PathBuf> {
    let quarantine = Path::new("models/quarantine");
    let folder = quarantine.join(version.as_str());
    let found = std::fs::read_dir(root.join(&folder)).into_iter().flatten().flatten();
    let found = found.take(FILE_COUNT_MAX).map(|file| folder.join(file.file_name()));
    let key = quarantine.join(format!("{version}.key"));
    let key = root.join(&key).exists().then_some(key);
    found.chain(key).collect()
}

/// The same, and the folder of the version: nothing is put there, and it is not moved away.
pub(crate) fn quarantined_paths(root: &Path, version: &VersionId) -> Vec<PathBuf> {
    let folder = Path::new("models/quarantine").join(version.as_str());
    let there = root.join(&folder).is_dir().then_some(folder);
    quarantined_files(root, version).into_iter().chain(there).collect()
}

fn seal(settings: &Settings, root: &Path, version: &str) -> Answer {
    let Some(version) = VersionId::parse(version).filter(|_| settings.host.immutable) else {
        return refused("host-off", "`[host]` of the configuration does not permit this");
    };
    for path in quarantined_paths(root, &version) {
        if let Err(error) = host::set_changes(root, &path, Changes::Refused) {
            return refused(error.code(), &error.to_string());
        }
    }
    Answer::Done {}
}

/// Looks who has `files` of the keep open, and who listens on this host.
pub(crate) fn see_host(app: &App, files: &[PathBuf]) -> Result<HostEvidence, AppError> {
    match app.host.ask(&app.settings, Ask::Look { files: files.to_vec() })? {
        Answer::Seen { evidence } => Ok(evidence),
        other => Err(refusal(other)),
    }
}

/// Has everything that is done on the host done by a helper from now on, or by nobody.
pub fn act_on_host_by(app: &App, helper: Option<HostPipes>) {
    let hand = match helper {
        None => Hand::None,
        Some(pipes) => Hand::Helper(Arc::new(Helper::start(pipes, Limits::default()))),
    };
    *app.host.0.lock().unwrap_or_else(PoisonError::into_inner) = hand;
}

impl App {
    /// Returns whether the helper of another process does such an action for this keep: a command
    /// beside `serve` leaves it to that one, which has the privileges.
    pub(crate) fn leaves_to_helper(&self, action: Action) -> bool {
        let Some(folder) = claim_of(&self.layout, action.takes()) else { return false };
        let hand = self.host.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A shared lock: whoever asks at the same time is no helper.
        let taken = || {
            let folder = File::open(folder);
            folder.is_ok_and(|it| matches!(it.try_lock_shared(), Err(TryLockError::WouldBlock)))
        };
        matches!(*hand, Hand::Own) && self.settings.host.is_on() && taken()
    }
}

/// Returns the folder whose lock says that a helper does what takes such a thing.
fn claim_of(layout: &Layout, takes: Takes) -> Option<PathBuf> {
    match takes {
        Takes::Service => Some(layout.root().to_path_buf()),
        Takes::Port => Some(layout.public()),
        _ => None,
    }
}

/// Says what a helper does for this keep, until the files are closed. One that does not have the
/// privileges would fail what others leave to it: it lets them do it themselves.
fn begin_to_help(keep: &Keep) -> Vec<File> {
    let able = |takes: Takes| {
        let mut of = keep.settings.host.actions(takes).into_iter().peekable();
        of.peek().is_some() && of.all(|action| host::may(&action))
    };
    let claims = [Takes::Service, Takes::Port].into_iter().filter(|takes| able(*takes));
    claims.filter_map(|takes| claim(&claim_of(&keep.layout, takes)?)).collect()
}

/// Locks a folder. Another helper may have it already.
fn claim(folder: &Path) -> Option<File> {
    let folder = File::open(folder).ok()?;
    for _ in 0..LOCK_TRIES {
        // Whoever asks holds it for a moment.
        if folder.try_lock().is_ok() {
            return Some(folder);
        }
        thread::sleep(LOCK_PAUSE);
    }
    None
}

/// The helper: does what it is asked, until nobody asks any more. Needs no key of the keep.
pub fn help_on_host(
    keep: &Keep,
    from: &mut dyn BufRead,
    to: &mut (dyn Write + Send),
) -> Result<(), AppError> {
    // As it is asked about files: whole, and without links.
    let root = keep.layout.root();
    let root = root.canonicalize().unwrap_or_else(|_| root.to_path_buf());
    let _helps = begin_to_help(keep);
    answer_asks(from, to, &|ask| answer(&keep.settings, ask, Some(root.as_path())))
}

impl HostHand {
    fn is_own(&self) -> bool {
        matches!(*self.0.lock().unwrap_or_else(PoisonError::into_inner), Hand::Own)
    }

    /// Returns whether a helper does what is done on the host.
    pub(crate) fn is_helper(&self) -> bool {
        matches!(*self.0.lock().unwrap_or_else(PoisonError::into_inner), Hand::Helper(_))
    }

    fn ask(&self, settings: &Settings, ask: Ask) -> Result<Answer, AppError> {
        let helper = match &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Hand::Own => None,
            Hand::None => {
                return Ok(refused(
                    "host-off",
                    "nothing is done on the host: `[host]` says nothing",
                ));
            }
            Hand::Helper(helper) => Some(Arc::clone(helper)),
        };
        // Not while this is locked: others ask meanwhile.
        match helper {
            None => Ok(answer(settings, &ask, None)),
            Some(helper) => helper.ask(ask),
        }
    }
}

/// Does what is asked. Only files `within` are looked for, if that is said.
fn answer(settings: &Settings, ask: &Ask, within: Option<&Path>) -> Answer {
    let guards = settings.host.guards(&settings.gate);
    let run = |order: &HostOrder, act: &dyn Fn(&HostAction) -> Result<Answer, HostError>| {
        match permitted(settings, order) {
            None => refused("host-off", "`[host]` of the configuration does not permit this"),
            Some(action) => act(&action).unwrap_or_else(|error| {
                let cause = std::error::Error::source(&error);
                let says = cause.map_or_else(|| error.to_string(), |it| format!("{error}: {it}"));
                refused(error.code(), &says)
            }),
        }
    };
    match ask {
        Ask::Plan { order } => {
            run(order, &|action| host::plan(action, &guards).map(|plan| Answer::Plan { plan }))
        }
        Ask::Apply { order, before } => {
            run(order, &|action| host::apply(action, &guards, before).map(|()| Answer::Done {}))
        }
        Ask::Undo { order, before } => {
            run(order, &|action| host::undo(action, before).map(|()| Answer::Done {}))
        }
        Ask::Seal { version } => match within {
            Some(root) => seal(settings, root, version),
            None => refused("host-ask", "it is not known where this is"),
        },
        Ask::Look { files } => {
            // `KEEP/../...` begins with the keep, and is none of its files.
            let plain = |file: &PathBuf| !file.components().any(|it| it == Component::ParentDir);
            let ours =
                |file: &&PathBuf| within.is_none_or(|root| file.starts_with(root) && plain(file));
            let files: Vec<PathBuf> =
                files.iter().filter(ours).take(FILE_COUNT_MAX).cloned().collect();
            Answer::Seen { evidence: look_at_host(&files) }
        }
    }
}

/// Returns what an order means here, if the configuration permits it.
fn permitted(settings: &Settings, order: &HostOrder) -> Option<HostAction> {
    let host = &settings.host;
    match order {
        HostOrder::DropPort { port, protocol } => {
            host.drop_ports.then_some(HostAction::DropPort { port: *port, protocol: *protocol })
        }
        HostOrder::StopService { name } => {
            host.service(name).map(|service| HostAction::StopService { service })
        }
        HostOrder::FreezeService { name } => {
            host.service(name).map(|service| HostAction::FreezeService { service })
        }
    }
}

fn done(answer: Answer) -> Result<(), AppError> {
    match answer {
        Answer::Done {} => Ok(()),
        other => Err(refusal(other)),
    }
}

fn refused(code: &str, says: &str) -> Answer {
    Answer::Refused { code: code.to_owned(), says: says.to_owned() }
}

/// A code comes back as text: only known ones are passed on.
fn refusal(answer: Answer) -> AppError {
    let Answer::Refused { code, says } = answer else {
        return AppError::environment("host-helper", "the helper answered something else");
    };
    let known = CODES.iter().find(|known| **known == code).copied().unwrap_or("host-failed");
    let error = AppError::refused(known, says);
    match known {
        "host-off" => error.hint("docs/guides/host.md says how `[host]` permits it"),
        "host-not-permitted" => error.hint(
            "it takes root, or CAP_NET_ADMIN for ports and CAP_KILL for services: run this so, or \
             while a `serve` runs that was started so",
        ),
        _ => error,
    }
}

/// What can be wrong, by permanent names.
const CODES: [&str; 11] = [
    "host-off",
    "host-ask",
    "host-guarded",
    "host-missing",
    "host-not-permitted",
    "host-failed",
    "host-timed-out",
    "host-no-service",
    "host-no-way-back",
    "host-system",
    "host-helper",
];

const LOCK_TRIES: u32 = 20;

const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// A version has some ten.
const FILE_COUNT_MAX: usize = 200;
