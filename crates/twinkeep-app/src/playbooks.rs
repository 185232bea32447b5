//! Use cases: list, show, check, import, and export playbooks.
//!
//! A file of the keep takes the place of the shipped playbook of its name. One that cannot be read
//! must not leave an incident without a playbook: it is told, and the shipped one holds.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;
use twinkeep_ledger::{Activity, Class as EventClass, Severity};
use twinkeep_vault::digest::{sha256, to_hex};
use twinkeep_vault::files::{PRIVATE_FILE, create_private_dir, read_bounded, write_atomic};
use twinkeep_watch::incident::{Playbook, from_cacao, to_cacao};

use crate::{App, AppError, Caller};

/// The playbooks of a keep, and what is wrong with its files.
pub(crate) struct Playbooks {
    /// Those that hold, by name.
    pub(crate) known: BTreeMap<String, Playbook>,
    /// Files that cannot be used, and why.
    pub(crate) refused: Vec<(String, &'static str)>,
}

/// A playbook, as a list shows it.
#[derive(Debug, Serialize)]
pub struct PlaybookLine {
    /// Its name.
    pub name: String,
    /// `shipped`, or `keep` if a file of the keep has it.
    pub from: &'static str,
    /// From which severity on it runs by itself.
    pub severity: String,
    /// Which detectors it is for.
    pub detectors: Vec<String>,
    /// What is done, in order.
    pub steps: Vec<String>,
    /// What it does.
    pub description: String,
}

/// All playbooks.
#[derive(Debug, Serialize)]
pub struct PlaybookList {
    /// Those that hold, by name.
    pub playbooks: Vec<PlaybookLine>,
    /// Files of the keep that cannot be used, and why; shipped ones hold in their place.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub refused: BTreeMap<String, &'static str>,
}

/// Lists the playbooks.
pub fn list_playbooks(app: &App) -> PlaybookList {
    let found = app.playbooks();
    let line = |playbook: &Playbook| PlaybookLine {
        name: playbook.name.clone(),
        from: if app.playbook_file(&playbook.name).is_file() { "keep" } else { "shipped" },
        severity: crate::incidents::word(&playbook.severity),
        detectors: playbook.detectors.iter().map(crate::incidents::word).collect(),
        steps: playbook.measures().map(|measure| measure.to_string()).collect(),
        description: playbook.description.clone(),
    };
    PlaybookList {
        playbooks: found.known.values().map(line).collect(),
        refused: found.refused.into_iter().collect(),
    }
}

/// Returns a playbook as a file of a keep.
pub fn show_playbook(app: &App, name: &str) -> Result<String, AppError> {
    let own = app.playbook_file(name);
    let shipped = Playbook::SHIPPED.iter().find(|shipped| shipped.0 == name);
    match app.playbooks().known.get(name) {
        None => Err(unknown()),
        Some(_) if own.is_file() => read(&own),
        Some(playbook) => Ok(shipped.map_or_else(|| playbook.to_toml(), |it| it.1.to_owned())),
    }
}

/// Checks a file: TOML as a keep has it, or CACAO 2.0.
pub fn check_playbook(file: &Path) -> Result<Playbook, AppError> {
    let text = read(file)?;
    if text.trim_start().starts_with(['{', '[']) {
        return from_cacao(&text).map_err(|error| refuse(error.code(), error, file));
    }
    Playbook::parse(&text).map_err(|error| refuse(error.code(), error, file))
}

/// Puts a playbook into the keep, in the place of the shipped one of its name. One that may do what
/// cannot be undone needs `confirm`.
pub fn import_playbook(
    app: &App,
    caller: &Caller,
    file: &Path,
    confirm: bool,
) -> Result<Playbook, AppError> {
    let class = EventClass::EntityManagement;
    let entry = app.entry(caller, class, Activity::Update, "playbook.imported");
    let result = check_playbook(file).and_then(|playbook| {
        if playbook.irreversible && !confirm {
            let attempt = format!("the playbook `{}` may do what cannot be undone", playbook.name);
            return Err(AppError::refused("playbook-confirm", attempt)
                .hint("`--confirm` says that this is meant"));
        }
        let unwritable = |error| {
            AppError::environment("playbook-write", "cannot write the playbook").because(error)
        };
        create_private_dir(&app.layout.playbooks()).map_err(unwritable)?;
        let text = playbook.to_toml();
        write_atomic(&app.playbook_file(&playbook.name), text.as_bytes(), PRIVATE_FILE)
            .map_err(unwritable)?;
        Ok((playbook, to_hex(&sha256(text.as_bytes()))))
    });
    let entry = match &result {
        Ok((playbook, digest)) => {
            entry.with("playbook", playbook.name.as_str()).with("sha256", digest.as_str())
        }
        Err(_) => entry,
    };
    app.conclude(entry.severity(Severity::High), result.map(|(playbook, _)| playbook))
}

/// Returns a playbook as CACAO 2.0.
pub fn export_playbook(app: &App, name: &str) -> Result<Value, AppError> {
    let found = app.playbooks().known;
    found.get(name).map(to_cacao).ok_or_else(unknown)
}

impl App {
    /// Returns the playbooks that hold.
    pub(crate) fn playbooks(&self) -> Playbooks {
        let shipped = Playbook::SHIPPED.iter().filter_map(|(_, text)| Playbook::parse(text).ok());
        let mut found = Playbooks {
            known: shipped.map(|playbook| (playbook.name.clone(), playbook)).collect(),
            refused: Vec::new(),
        };
        let files = std::fs::read_dir(self.layout.playbooks()).into_iter().flatten().flatten();
        let mut names: Vec<String> =
            files.map(|file| file.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        for name in names.into_iter().filter(|name| name.ends_with(SUFFIX)).take(FILE_COUNT_MAX) {
            let text = read(&self.layout.playbooks().join(&name));
            match text.map(|text| Playbook::parse(&text)) {
                Ok(Ok(playbook)) if name == format!("{}{SUFFIX}", playbook.name) => {
                    found.known.insert(playbook.name.clone(), playbook);
                }
                Ok(Ok(_)) => found.refused.push((name, "playbook-name")),
                Ok(Err(error)) => found.refused.push((name, error.code())),
                Err(error) => found.refused.push((name, error.code())),
            }
        }
        found
    }

    pub(crate) fn playbook_file(&self, name: &str) -> PathBuf {
        self.layout.playbooks().join(format!("{name}{SUFFIX}"))
    }
}

fn read(file: &Path) -> Result<String, AppError> {
    let unreadable = || {
        let attempt = format!("cannot read the playbook `{}`", file.display());
        AppError::usage("playbook-read", attempt)
    };
    let bytes = read_bounded(file, SIZE_MAX).map_err(|error| unreadable().because(error))?;
    String::from_utf8(bytes).map_err(|error| unreadable().because(error))
}

fn refuse(
    code: &'static str,
    error: impl std::error::Error + Send + Sync + 'static,
    file: &Path,
) -> AppError {
    let attempt = format!("the playbook `{}` cannot be used", file.display());
    AppError::usage(code, attempt)
        .because(error)
        .hint("`twinkeep incident playbook show model` shows one that can")
}

fn unknown() -> AppError {
    AppError::refused("playbook-unknown", "there is no such playbook")
        .hint("`twinkeep incident playbook list` shows the names")
}

const SUFFIX: &str = ".toml";

/// Pages of text.
const SIZE_MAX: u64 = 1 << 20;

const FILE_COUNT_MAX: usize = 100;
