//! Use cases: find entries of the ledger, and hand them to other systems. Neither needs a secret,
//! but for finding those about a person whom only the keep can tell.

use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;
use twinkeep_domain::Timestamp;
use twinkeep_ledger::{
    Activity, Class as EventClass, Entry, Found, Query, SearchError, View, search,
};

use crate::audit_event::audit_event;
use crate::verify_ledger::{LedgerLine, line};
use crate::{App, AppError, Caller, Keep, Layout};

/// Which entries are wanted; whatever is `None` does not matter.
#[derive(Clone, Debug, Default)]
pub struct LedgerQuery {
    /// Not before this time.
    pub from: Option<Timestamp>,
    /// Not at or after this time.
    pub until: Option<Timestamp>,
    /// Done by `operator`, `system`, or `key:ID`.
    pub actor: Option<String>,
    /// About the person with this reference, as [`subject_reference`] tells it.
    pub subject: Option<String>,
    /// What was done: `twin.forecast`, or `twin.*`.
    pub action: Option<String>,
    /// `success`, `failure`, or the code of a refusal.
    pub outcome: Option<String>,
}

/// Whether to trust the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SearchWith {
    /// Leave out what the index says has nothing; it is made and kept up to date.
    Index,
    /// Read every entry.
    EveryEntry,
}

/// How entries are written for other systems.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportFormat {
    /// OCSF events, byte for byte as they are in the ledger.
    Ocsf,
    /// FHIR R4 `AuditEvent` resources.
    Fhir,
}

/// What was handed out.
#[derive(Debug, Serialize)]
pub struct LedgerExport {
    /// How many entries.
    pub entries: u64,
    /// How many the ledger has.
    pub ledger_size: u64,
}

impl LedgerQuery {
    fn query(&self) -> Query {
        let ms = |time: &Timestamp| time.micros().div_euclid(1000);
        Query {
            from_ms: self.from.as_ref().map(ms),
            until_ms: self.until.as_ref().map(ms),
            actor: self.actor.clone(),
            subject: self.subject.clone(),
            action: self.action.clone(),
            outcome: self.outcome.clone(),
            detail: None,
        }
    }
}

/// Finds the newest entries that are wanted, at most `limit`, oldest first.
pub fn search_ledger(
    root: &Path,
    query: &LedgerQuery,
    with: SearchWith,
    limit: usize,
) -> Result<Vec<LedgerLine>, AppError> {
    let (keep, view) = open(root)?;
    let index = keep.layout.ledger_index();
    let index = (with == SearchWith::Index).then_some(index.as_path());
    let found = search(&view, index, &query.query(), limit).map_err(refused)?;
    Ok(found.into_iter().map(|Found { index, entry }| line(index, entry)).collect())
}

/// Writes the entries that are wanted, one a line, oldest first.
pub fn export_ledger(
    root: &Path,
    format: ExportFormat,
    query: &LedgerQuery,
    to: &mut dyn Write,
) -> Result<LedgerExport, AppError> {
    let (keep, view) = open(root)?;
    let (origin, query) = (keep.ledger_origin(), query.query());
    let ledger_size = view.checkpoint().checkpoint.size;
    let failed = |error: io::Error| {
        AppError::environment("out-write", "cannot write the entries").because(error)
    };
    let mut entries = 0;
    let mut first = 0;
    while first < ledger_size {
        let last = ledger_size.min(first + CHUNK_LEN);
        for (index, bytes) in (first..).zip(view.entries(first..last)?) {
            let entry = decode(index, &bytes)?;
            if !query.wants(&entry) {
                continue;
            }
            match format {
                ExportFormat::Ocsf => to.write_all(&bytes),
                ExportFormat::Fhir => write!(to, "{}", audit_event(&origin, index, &entry)),
            }
            .and_then(|()| to.write_all(b"\n"))
            .map_err(failed)?;
            entries += 1;
        }
        first = last;
    }
    to.flush().map_err(failed)?;
    Ok(LedgerExport { entries, ledger_size })
}

/// Returns how the ledger names a person, and records that it was asked: whoever knows it can tell
/// which entries are about them.
pub fn subject_reference(app: &App, caller: &Caller, subject: &str) -> Result<String, AppError> {
    let entry = app.entry(caller, EventClass::DatastoreActivity, Activity::Read, "ledger.searched");
    let reference = app.find_subject(subject).map(|found| app.reference(found));
    let entry = match &reference {
        Ok(reference) => entry.about(reference),
        Err(_) => entry,
    };
    app.conclude(entry, reference)
}

pub(crate) fn decode(index: u64, bytes: &[u8]) -> Result<Entry, AppError> {
    Entry::decode(bytes).map_err(|error| {
        let attempt = format!("cannot read audit entry {index}");
        AppError::refused(error.code(), attempt).because(error)
    })
}

pub(crate) fn refused(error: SearchError) -> AppError {
    match error {
        SearchError::Ledger(error) => error.into(),
        SearchError::Entry { index, source } => {
            let attempt = format!("cannot read audit entry {index}");
            AppError::refused(source.code(), attempt).because(source)
        }
    }
}

pub(crate) fn open(root: &Path) -> Result<(Keep, View), AppError> {
    let keep = Keep::find(root)?;
    let view = View::open(&keep.layout.ledger(), &keep.ledger_origin(), &keep.ledger_key()?)?;
    Ok((keep, view))
}

impl Layout {
    /// What a search knows of where in the ledger things are; may be deleted at any moment.
    pub(crate) fn ledger_index(&self) -> std::path::PathBuf {
        self.root().join("ledger.index")
    }
}

/// Sixteen bundles: a few mebibytes at most.
const CHUNK_LEN: u64 = 16 * 256;
