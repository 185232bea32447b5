//! Use case: watch who touches the files of models and keys, and record it.
//!
//! Seeing takes no key of the keep, and recording takes no privilege: they are functions apart, so
//! that `serve` runs them in processes apart.

use std::fs::{self, File};
use std::io::Read as _;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;

use serde::{Deserialize, Serialize};
use twinkeep_domain::Timestamp;
use twinkeep_ledger::{Activity, Class as EventClass, Entry, Severity};
use twinkeep_vault::digest::{Sha256, to_hex};
use twinkeep_watch::access::{
    AccessError, Action, Answer, Collector, FileId, Group, Mode, News, Plan, Program, Who, watch,
};
use twinkeep_watch::{Detection, Detector, Severity as FoundSeverity, Target};

use crate::incidents::{detected, note_detection};
use crate::time_text::rfc3339;
use crate::{App, AppError, Caller, FeederState, Keep};

/// What becomes of whoever is not the keep's own program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileWatchMode {
    /// It is recorded.
    Record,
    /// It is refused, and recorded.
    Deny,
}

/// What the watch has to tell, as it goes between processes and to whoever reads along.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", tag = "watch")]
pub enum FileNews {
    /// It sees from now on.
    Began {
        /// `fanotify`, or `inotify` where nothing better is permitted.
        by: String,
        /// Whether it is known who did what.
        who: bool,
        /// Whether the audit records of the kernel say who made a change and was gone at once.
        audit: bool,
        /// Whether others are refused.
        denies: bool,
        /// What cannot be seen, in words.
        blind: Vec<String>,
    },
    /// Something was done to a file.
    Saw(Box<FileSighting>),
    /// So many changes were not told, because there were too many at a time.
    Lost {
        /// How many times at least.
        count: u64,
    },
    /// The process that sees has died: nothing is seen until it begins again.
    Died,
}

/// What was done to one file by one program, once or many times.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileSighting {
    /// When the first was seen (RFC 3339).
    pub time: String,
    /// That time in milliseconds since 1970.
    pub time_ms: i64,
    /// When the last was seen.
    pub until: String,
    /// How many there were.
    pub count: u64,
    /// Whether others are counted in that differ in file or in who it was.
    pub mixed: bool,
    /// The file, as a path within the keep.
    pub file: String,
    /// What was done: `open`, `read`, `write`, `attribute`, `rename`, `link`, `delete`, …
    pub action: String,
    /// `allowed`, `denied`, or `told` where nobody was asked.
    pub answer: String,
    /// Whether it is the keep's own program.
    pub own: bool,
    /// Whether it is a program that the operator permits.
    pub permitted: bool,
    /// The process.
    pub pid: Option<u32>,
    /// The process that started it.
    pub parent: Option<u32>,
    /// The user it ran as.
    pub user: Option<u32>,
    /// The user who logged in.
    pub login: Option<u32>,
    /// What the process calls itself.
    pub process: Option<String>,
    /// The file of its program.
    pub executable: Option<String>,
    /// The SHA-256 digest of that file.
    pub executable_sha256: Option<String>,
}

/// Watches the files of a keep until `stop` is set. Needs no key; to know who it is, and to refuse,
/// it needs to be root or to have CAP_SYS_ADMIN.
pub fn see_files(
    keep: &Keep,
    mode: FileWatchMode,
    clock: fn() -> Timestamp,
    stop: &AtomicBool,
    tell: &mut dyn FnMut(FileNews),
) -> Result<(), AppError> {
    let plan = plan(keep, mode)?;
    let mut digests = Digests::default();
    let mut translate = |news: News| match news {
        News::Begun(collector) => tell(began(collector)),
        News::Seen(group) => tell(FileNews::Saw(Box::new(sighting(&group, &mut digests)))),
        News::Lost(count) => tell(FileNews::Lost { count }),
    };
    watch(&plan, clock, stop, &mut translate).map_err(refuse)
}

/// Writes what was seen into the ledger.
pub fn record_file_news(app: &App, news: &FileNews) -> Result<(), AppError> {
    app.record(&entry(app, news))?;
    match news {
        FileNews::Saw(seen) => touched(app, seen).map_or(Ok(()), |it| note_detection(app, &it)),
        FileNews::Died => note_detection(app, &blinded(app)),
        FileNews::Began { .. } | FileNews::Lost { .. } => Ok(()),
    }
}

impl App {
    /// Returns how the watch of the files stands, if this process keeps one.
    pub fn file_watch(&self) -> Option<FeederState> {
        *self.file_watch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers how it stands.
    pub fn note_file_watch(&self, state: FeederState) {
        *self.file_watch.lock().unwrap_or_else(PoisonError::into_inner) = Some(state);
    }
}

/// Somebody ended the watch, or what sees for it: from then on nobody is seen, nor refused.
fn blinded(app: &App) -> Detection {
    let says = "the watch of the files was ended, and not by the keep";
    detected(app, Detector::FileAccess, Target::Keep, FoundSeverity::High, says)
}

/// Somebody who is not the keep's own program touched a file. Where nobody knows who it was, it may
/// have been the keep itself, unless it is something that the keep never does.
fn touched(app: &App, seen: &FileSighting) -> Option<Detection> {
    if seen.own || seen.permitted {
        return None;
    }
    // A process that is about to end has no program any more: it is known by what it calls itself.
    let known = seen.executable.as_ref().is_some_and(|it| !it.is_empty());
    let other = |name: &&String| known || !OWN_NAMES.contains(&name.as_str());
    let process = match seen.process.as_ref().filter(other) {
        Some(process) => process.as_str(),
        None if is_never_done_here(app, seen) => "somebody whom nobody saw",
        None => return None,
    };
    let reads = matches!(seen.action.as_str(), "open" | "read" | "execute");
    let denied = Answer::from_word(&seen.answer) == Some(Answer::Denied);
    let severity = if reads || denied { FoundSeverity::Medium } else { FoundSeverity::High };
    let version = seen.file.strip_prefix("models/").and_then(|it| it.split_once('/'));
    let target = match version {
        Some((version, _)) if version.starts_with("m-") => Target::Model(version.to_owned()),
        _ => Target::File(seen.file.clone()),
    };
    let says = format!("{} by {process}, {}: {}", seen.action, seen.answer, seen.file);
    let mut found = detected(app, Detector::FileAccess, target, severity, &says);
    found.began_us = seen.time_ms.saturating_mul(1000);
    found.figures.insert("times".to_owned(), seen.count as f64);
    let digest = seen.executable_sha256.as_ref().map(|it| format!("sha256:{it}"));
    found.evidence.extend(digest.map(|digest| ("program".to_owned(), digest)));
    Some(found)
}

/// Returns whether the keep never does this: it makes no second name for a file, and leaves none
/// that others may open.
fn is_never_done_here(app: &App, seen: &FileSighting) -> bool {
    let file = fs::symlink_metadata(app.layout.root().join(&seen.file));
    file.is_ok_and(|it| it.is_file() && (1 < it.nlink() || it.mode() & OTHERS != 0))
}

/// What processes of the keep call themselves.
const OWN_NAMES: [&str; 2] = ["twinkeep", "exe"];

/// Records that the watch has ended, and whether it was meant to.
pub fn record_watch_ended(app: &App, meant: bool) -> Result<(), AppError> {
    app.record(&ended(app, meant)).map(drop)
}

fn ended(app: &App, meant: bool) -> Entry {
    let class = EventClass::ApplicationLifecycle;
    let entry = app.entry(&Caller::operator(), class, Activity::Stop, "watch.ended");
    if meant { entry } else { entry.severity(Severity::High).failed("watch-died") }
}

fn plan(keep: &Keep, mode: FileWatchMode) -> Result<Plan, AppError> {
    let cannot =
        |error| AppError::environment("keep-read", "cannot look at the keep").because(error);
    let root = keep.layout.root().canonicalize().map_err(cannot)?;
    let owner = fs::metadata(keep.layout.descriptor()).map_err(cannot)?.uid();
    let mode = match mode {
        FileWatchMode::Record => Mode::Record,
        FileWatchMode::Deny => Mode::Deny,
    };
    let trees = ["models", "keys"].map(PathBuf::from).to_vec();
    let permitted = keep.settings.watch.permit.clone();
    if let Some(missing) = permitted.iter().find(|path| !path.is_file()) {
        let what = format!("`watch.permit` names `{}`, which is no file", missing.display());
        return Err(AppError::usage("watch-permit", what)
            .hint("name the file of the program by its whole path, as `command -v` says it"));
    }
    Ok(Plan { root, trees, files: vec!["store/keyring".into()], mode, owner, permitted })
}

fn refuse(error: AccessError) -> AppError {
    let refusal = AppError::environment(error.code(), "cannot watch the files of the keep");
    match &error {
        AccessError::NotPermitted { .. } => refusal.because(error).hint(
            "run it as root, or without `--deny`: then it says what was done, and by whom if it may",
        ),
        _ => refusal.because(error),
    }
}

fn began(collector: Collector) -> FileNews {
    match collector {
        Collector::Fanotify { changes, audit, denies } => {
            let blind = [(
                changes || audit,
                "changes of attributes, names, and links: the file system tells of none (the kernel \
                 does, after `twinkeep watch rules --load`)",
            )];
            let blind = blind.iter().filter(|it| !it.0).map(|it| it.1.to_owned()).collect();
            FileNews::Began { by: "fanotify".to_owned(), who: true, audit, denies, blind }
        }
        Collector::Inotify => FileNews::Began {
            by: "inotify".to_owned(),
            who: false,
            audit: false,
            denies: false,
            blind: vec!["who it was: that takes the privilege CAP_SYS_ADMIN".to_owned()],
        },
    }
}

fn sighting(group: &Group, digests: &mut Digests) -> FileSighting {
    let first = &group.first;
    let (pid, process) = match &first.who {
        Who::Process(process) => (Some(process.pid), Some(process)),
        Who::Gone { pid } => (Some(*pid), None),
        Who::Unknown => (None, None),
    };
    FileSighting {
        time: rfc3339(first.time),
        time_ms: first.time.micros().div_euclid(1000),
        until: rfc3339(group.last),
        count: group.count,
        mixed: group.mixed,
        file: first.file.clone(),
        action: first.action.word().to_owned(),
        answer: first.answer.word().to_owned(),
        own: process.is_some_and(|process| process.own),
        permitted: process.is_some_and(|process| process.permitted),
        pid,
        parent: process.map(|process| process.parent),
        user: process.map(|process| process.user),
        login: process.and_then(|process| process.login),
        process: process.map(|process| process.name.clone()),
        executable: process.map(|process| process.program.path.clone()),
        executable_sha256: process.and_then(|process| digests.of(&process.program)),
    }
}

/// Digests of programs, made once as long as the file stays as it is.
#[derive(Default)]
struct Digests {
    known: Vec<(FileId, Option<String>)>,
}

impl Digests {
    fn of(&mut self, program: &Program) -> Option<String> {
        let file = program.file?;
        if let Some((_, digest)) = self.known.iter().find(|known| known.0 == file) {
            return digest.clone();
        }
        let digest = digest(program, file);
        if self.known.len() >= DIGEST_COUNT_MAX {
            self.known.remove(0);
        }
        self.known.push((file, digest.clone()));
        digest
    }
}

/// Reads the file that the process runs, even if it has no name any more; one that was changed
/// since has no digest here.
fn digest(program: &Program, file: FileId) -> Option<String> {
    let handle = program.handle.as_ref()?;
    let mut bytes = File::open(format!("/proc/self/fd/{}", handle.as_raw_fd())).ok()?;
    let (mut digest, mut buffer) = (Sha256::default(), vec![0; READ_LEN]);
    loop {
        match bytes.read(&mut buffer).ok()? {
            0 => break,
            len => digest.update(buffer.get(..len)?),
        }
    }
    let unchanged = FileId::of(&bytes.metadata().ok()?) == file;
    unchanged.then(|| to_hex(&digest.finish()))
}

fn entry(app: &App, news: &FileNews) -> Entry {
    let (operator, lifecycle) = (Caller::operator(), EventClass::ApplicationLifecycle);
    match news {
        FileNews::Began { by, audit, denies, blind, .. } => {
            let entry = app.entry(&operator, lifecycle, Activity::Start, "watch.began");
            let blind = i64::try_from(blind.len()).unwrap_or(i64::MAX);
            let entry = entry.with("by", by.as_str()).with("audit", i64::from(*audit));
            entry.with("denies", i64::from(*denies)).with("blind", blind)
        }
        FileNews::Lost { count } => {
            let entry = app.entry(&operator, lifecycle, Activity::Other, "watch.lost");
            entry.severity(Severity::High).with("count", number(*count))
        }
        FileNews::Died => ended(app, false),
        FileNews::Saw(seen) => sighting_entry(seen),
    }
}

fn sighting_entry(seen: &FileSighting) -> Entry {
    let action = Action::from_word(&seen.action);
    let (activity, severity) = match action {
        Some(Action::Open | Action::Execute) => (Activity::Open, Severity::Medium),
        Some(Action::Read) => (Activity::Read, Severity::Medium),
        Some(Action::Write) => (Activity::Update, Severity::High),
        Some(Action::Attribute) => (Activity::Attribute, Severity::High),
        Some(Action::Rename) => (Activity::Rename, Severity::High),
        Some(Action::Delete) => (Activity::Delete, Severity::High),
        Some(Action::Link | Action::Create) => (Activity::Create, Severity::High),
        None => (Activity::Other, Severity::High),
    };
    let denied = Answer::from_word(&seen.answer) == Some(Answer::Denied);
    let severity = match () {
        () if denied => Severity::High,
        () if seen.own || seen.permitted => Severity::Informational,
        () => severity,
    };
    let actor = seen.user.map_or_else(|| "unknown".to_owned(), |user| format!("uid:{user}"));
    let name = format!("file.{}", action.map_or("other", Action::word));
    let class = EventClass::FileSystemActivity;
    let mut entry = Entry::new(seen.time_ms, class, activity, &name, &actor).severity(severity);
    let texts = [
        ("file", Some(&seen.file)),
        ("answer", Some(&seen.answer)),
        ("until", Some(&seen.until)),
        ("process", seen.process.as_ref()),
        ("executable", seen.executable.as_ref()),
        ("executable_sha256", seen.executable_sha256.as_ref()),
    ];
    for (name, text) in texts {
        entry = text.into_iter().fold(entry, |entry, text| entry.with(name, short(text).as_str()));
    }
    let numbers =
        [("pid", seen.pid), ("parent", seen.parent), ("user", seen.user), ("login", seen.login)];
    for (name, value) in numbers {
        entry = value.into_iter().fold(entry, |entry, value| entry.with(name, i64::from(value)));
    }
    entry = entry.with("count", number(seen.count));
    let told = [("own", seen.own), ("permitted", seen.permitted), ("mixed", seen.mixed)];
    for (name, told) in told {
        entry = entry.with(name, i64::from(told));
    }
    if denied { entry.failed("file-denied") } else { entry }
}

/// What a program or its file is called, as the ledger takes it: the end of what is too long, and
/// nothing that a terminal obeys.
fn short(text: &str) -> String {
    let clean: String = text.chars().map(|it| if it.is_control() { '?' } else { it }).collect();
    let over = clean.len().saturating_sub(TEXT_LEN_MAX);
    if over == 0 {
        return clean;
    }
    let from = clean.char_indices().map(|it| it.0).find(|at| *at >= over + '…'.len_utf8());
    format!("…{}", clean.get(from.unwrap_or(clean.len())..).unwrap_or_default())
}

/// The ledger's numbers have 53 bits.
fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX).min((1 << 53) - 1)
}

/// Permissions of whoever is not the owner of a file.
const OTHERS: u32 = 0o077;

/// What fits a text of an audit entry, in bytes.
const TEXT_LEN_MAX: usize = 256;

/// How many digests are remembered: whoever runs more programs than that pays for them again.
const DIGEST_COUNT_MAX: usize = 256;

/// How much of a program is read at a time.
const READ_LEN: usize = 1 << 16;

#[cfg(test)]
mod tests {
    use super::{TEXT_LEN_MAX, short};

    #[test]
    fn names_fit_the_ledger_whatever_they_are() {
        assert_eq!(short("/usr/bin/cat"), "/usr/bin/cat");
        assert_eq!(short("a\nb\u{1b}[2J"), "a?b?[2J");
        for text in ["x".repeat(257), "é".repeat(200), "日".repeat(300), "a".repeat(100_000)] {
            let short = short(&text);
            assert!(short.len() <= TEXT_LEN_MAX && short.starts_with('…'), "{}", short.len());
            assert!(text.ends_with(short.trim_start_matches('…')));
        }
    }
}
