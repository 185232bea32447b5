//! Use cases: list, show, check, import, and export playbooks.
//!
//! A file of the keep takes the place of the shipped playbook of its name. One that cannot be read
//! must not leave an incident without a playbook: it is told, and the shipped one holds.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;
use twinkeep_vault::files::read_bounded;
use twinkeep_watch::incident::{Playbook, PlaybookError};

use crate::{App, AppError};

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

/// Checks a file.
pub fn check_playbook(file: &Path) -> Result<Playbook, AppError> {
    Playbook::parse(&read(file)?).map_err(|error| refuse(error, file))
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

pub(crate) fn refuse(error: PlaybookError, file: &Path) -> AppError {
    let attempt = format!("the playbook `{}` cannot be used", file.display());
    AppError::usage(error.code(), attempt)
        .because(error)
        .hint("`twinkeep incident playbook show model` shows one that can")
}

pub(crate) fn unknown() -> AppError {
    AppError::refused("playbook-unknown", "there is no such playbook")
        .hint("`twinkeep incident playbook list` shows the names")
}

const SUFFIX: &str = ".toml";

/// Pages of text.
pub(crate) const SIZE_MAX: u64 = 1 << 20;

const FILE_COUNT_MAX: usize = 100;
