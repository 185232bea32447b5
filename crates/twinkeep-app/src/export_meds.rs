//! Use case: write everybody's events as a data set in the format MEDS 0.4, as plaintext.
//!
//! Memory is bounded: as many people as have a million events together are held at a time, and
//! become a file. The metadata comes last, so that a folder without it is not complete.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::json;
use twinkeep_domain::{Cohort, Split, Subject};
use twinkeep_ledger::{Activity, Class as EventClass, Severity};
use twinkeep_store::{Company, MedsFile, StoreError, write_meds_codes, write_meds_splits};
use twinkeep_vault::files::{PRIVATE_FILE, create_private_dir, write_atomic};

use crate::export_subject::new_folder;
use crate::time_text::rfc3339;
use crate::{App, AppError, Caller, Progress};

#[cfg(test)]
mod tests;

/// What to write.
#[derive(Clone, Copy, Debug)]
pub struct MedsRequest<'a> {
    /// Folder to create.
    pub folder: &'a Path,
    /// One folder a split: `data/train/0.parquet`, and so on.
    pub split: bool,
    /// The sources' own numbers instead of pseudonyms. They name people.
    pub keep_ids: bool,
}

/// What was written.
#[derive(Debug, Serialize)]
pub struct MedsReport {
    /// Subjects with events.
    pub subjects: u64,
    /// Their events.
    pub events: u64,
    /// Different codes.
    pub codes: usize,
    /// Data files.
    pub files: usize,
}

/// Writes a data set.
pub fn export_meds(
    app: &App,
    caller: &Caller,
    request: MedsRequest<'_>,
    progress: &mut dyn FnMut(Progress),
) -> Result<MedsReport, AppError> {
    let class = EventClass::DatastoreActivity;
    let entry =
        |action| app.entry(caller, class, Activity::Read, action).severity(Severity::Medium);
    let ids = if request.keep_ids { "source" } else { "pseudonym" };
    // On record first: what is written is out of the keep's hands.
    app.record(&entry("store.exporting").with("ids", ids))?;
    let result = export(app, request, progress);
    let entry = match &result {
        Ok(report) => entry("store.exported")
            .with("subjects", i64::try_from(report.subjects).unwrap_or(i64::MAX))
            .with("events", i64::try_from(report.events).unwrap_or(i64::MAX)),
        Err(_) => entry("store.exported"),
    };
    app.conclude(entry, result)
}

fn export(
    app: &App,
    request: MedsRequest<'_>,
    progress: &mut dyn FnMut(Progress),
) -> Result<MedsReport, AppError> {
    let total: u64 = app.store.subject_counts()?.values().sum();
    new_folder(request.folder)?;
    let mut writing = Writing {
        app,
        request,
        splits: Vec::new(),
        ids: BTreeSet::new(),
        codes: BTreeMap::new(),
        counts: BTreeMap::new(),
        report: MedsReport { subjects: 0, events: 0, codes: 0, files: 0 },
    };
    let mut failed = None;
    let visited = app.store.visit_people(FILE_EVENTS, &mut |company| {
        writing.add(company).map_err(|error| {
            failed = Some(error);
            STOPPED
        })?;
        progress(Progress { done: writing.report.subjects, total });
        Ok(())
    });
    match failed {
        Some(error) => return Err(error),
        None => visited?,
    }
    writing.finish()
}

/// A data set that is being written.
struct Writing<'a> {
    app: &'a App,
    request: MedsRequest<'a>,
    splits: Vec<(i64, Split)>,
    ids: BTreeSet<i64>,
    codes: BTreeMap<String, Option<String>>,
    /// Files so far, by folder.
    counts: BTreeMap<&'static str, usize>,
    report: MedsReport,
}

impl Writing<'_> {
    fn add(&mut self, company: Company) -> Result<(), AppError> {
        let Company { cohort, splits } = company;
        let mut files: BTreeMap<&'static str, MedsFile> = BTreeMap::new();
        for (timeline, split) in cohort.timelines.iter().zip(splits) {
            let folder = if self.request.split { split.name() } else { "" };
            if !files.contains_key(folder) {
                files.insert(folder, self.begin(folder)?);
            }
            let id = self.id(timeline.subject())?;
            if let Some(file) = files.get_mut(folder) {
                file.add(id, &cohort.codes, timeline.events())?;
            }
            self.splits.push((id, split));
            self.report.subjects += 1;
            self.report.events += timeline.events().len() as u64;
        }
        for file in files.into_values() {
            file.finish()?;
            self.report.files += 1;
        }
        self.note_codes(&cohort);
        Ok(())
    }

    fn begin(&mut self, folder: &'static str) -> Result<MedsFile, AppError> {
        let path = self.request.folder.join("data").join(folder);
        create_private_dir(&path).map_err(|error| unwritable(&path, error))?;
        let count = self.counts.entry(folder).or_default();
        *count += 1;
        Ok(MedsFile::create(&path.join(format!("{}.parquet", *count - 1)))?)
    }

    /// Returns by which number the data set names a subject.
    fn id(&mut self, subject: Subject) -> Result<i64, AppError> {
        if !self.request.keep_ids {
            return Ok(subject.reveal());
        }
        let source = self.app.store.source_of(subject)?;
        let name = source.as_ref().map_or("", |source| source.reveal());
        let number = name.rsplit_once('/').and_then(|(_, number)| number.parse().ok());
        // Written otherwise than a number is, it would come back as another name.
        let number = number.filter(|number: &i64| name.ends_with(&format!("/{number}")));
        let refuse = |attempt| {
            AppError::refused("export-ids", attempt)
                .hint("leave `--keep-ids` out: pseudonyms are numbers, and each is one person")
        };
        let number =
            number.ok_or_else(|| refuse("a source names somebody by what is no number"))?;
        match self.ids.insert(number) {
            true => Ok(number),
            false => Err(refuse("two sites use the same number for two people")),
        }
    }

    fn note_codes(&mut self, cohort: &Cohort) {
        let pack = &self.app.pack;
        for code in &cohort.codes {
            self.codes.entry(code.as_str().to_owned()).or_insert_with(|| {
                let index = pack.find(code.as_str())?;
                Some(pack.variables().get(index)?.title.clone())
            });
        }
    }

    fn finish(mut self) -> Result<MedsReport, AppError> {
        let folder = self.request.folder.join("metadata");
        create_private_dir(&folder).map_err(|error| unwritable(&folder, error))?;
        write_meds_codes(&folder.join("codes.parquet"), &self.codes)?;
        write_meds_splits(&folder.join("subject_splits.parquet"), &self.splits)?;
        let about = json!({
            "dataset_name": format!("twinkeep {}", self.app.pack.name()),
            "etl_name": "twinkeep",
            "etl_version": env!("CARGO_PKG_VERSION"),
            "meds_version": MEDS_VERSION,
            "created_at": rfc3339(self.app.now()),
        });
        let path: PathBuf = folder.join("dataset.json");
        let text = serde_json::to_vec_pretty(&about).unwrap_or_default();
        write_atomic(&path, &text, PRIVATE_FILE).map_err(|error| unwritable(&path, error))?;
        self.report.codes = self.codes.len();
        Ok(self.report)
    }
}

fn unwritable(path: &Path, error: std::io::Error) -> AppError {
    AppError::environment("export-write", format!("cannot write `{}`", path.display()))
        .because(error)
}

/// The visit ends because the use case has an error of its own to tell.
const STOPPED: StoreError = StoreError::Refused { what: "export", state: "stopped" };

/// The version whose schemas the files have.
const MEDS_VERSION: &str = "0.4.1";

/// Events in a data file, unless one subject has more: some hundred MiB in memory.
const FILE_EVENTS: u64 = 1 << 20;
