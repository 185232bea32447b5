//! Given subject splits: from a file's identifiers to the keep's subjects, all of them.

use std::collections::BTreeMap;
use std::path::Path;

use twinkeep_domain::{Code, Cohort, Event, Split, Subject, Timeline};
use twinkeep_intake::splits::{SplitRow, SplitsError, read_splits};
use twinkeep_vault::digest::{Sha256, to_hex};

use crate::{App, AppError};

/// Where each subject of the keep belongs, as somebody said.
pub(crate) struct GivenSplits {
    /// Everybody with events.
    of: BTreeMap<Subject, Split>,
}

impl GivenSplits {
    /// Reads a file. It must name everybody who has events, and nobody else.
    pub(crate) fn read(app: &App, path: &Path) -> Result<Self, AppError> {
        let attempt = || format!("cannot use the splits `{}`", path.display());
        let rows = read_splits(path).map_err(|error| {
            match error {
                SplitsError::Read { .. } => AppError::environment(error.code(), attempt()),
                _ => AppError::usage(error.code(), attempt()),
            }
            .because(error)
        })?;
        let mut of = BTreeMap::new();
        for row in &rows {
            let subject = find(app, row).map_err(|error| {
                let attempt = format!("{}: row {}", attempt(), row.row);
                AppError::usage("splits-subject", attempt)
                    .because(error)
                    .hint("leave the row out, or ingest what it speaks of")
            })?;
            if of.insert(subject, row.split).is_some_and(|before| before != row.split) {
                let attempt = format!("{}: row {} contradicts an earlier one", attempt(), row.row);
                return Err(AppError::usage("splits-contradictory", attempt));
            }
        }
        let missing = everybody(app)?.into_iter().filter(|it| !of.contains_key(it)).count();
        if 0 < missing {
            let attempt = format!("{}: {missing} subjects of the keep have no row", attempt());
            return Err(AppError::usage("splits-missing", attempt)
                .hint("every subject needs one of train, tuning, held_out"));
        }
        Ok(Self { of })
    }

    /// Returns a subject's split.
    pub(crate) fn of(&self, subject: Subject) -> Option<Split> {
        self.of.get(&subject).copied()
    }

    /// Returns what a model remembers of the splits: a digest over all pseudonyms, which says
    /// nothing about anybody.
    pub(crate) fn digest(&self) -> String {
        let mut digest = Sha256::default();
        for (subject, split) in &self.of {
            digest.update(&subject.reveal().to_be_bytes());
            digest.update(split.name().as_bytes());
        }
        to_hex(&digest.finish())
    }
}

/// Returns the subjects of each split: the keep's own, or the given ones.
pub(crate) fn cohorts(app: &App, given: Option<&GivenSplits>) -> Result<[Cohort; 3], AppError> {
    let [train, tuning, held_out] = Split::ALL.map(|split| app.store.cohort(split));
    let own = [train?, tuning?, held_out?];
    Ok(match given {
        None => own,
        Some(given) => regroup(&own, &|subject| given.of(subject)),
    })
}

/// Deals timelines out anew. Who is in no split is left out.
pub(crate) fn regroup(from: &[Cohort; 3], split: &dyn Fn(Subject) -> Option<Split>) -> [Cohort; 3] {
    let mut codes: Vec<Code> =
        from.iter().flat_map(|cohort| cohort.codes.iter().cloned()).collect();
    codes.sort();
    codes.dedup();
    let mut dealt: BTreeMap<Split, Vec<Timeline>> = BTreeMap::new();
    for cohort in from {
        let places = cohort.codes.iter().map(|code| codes.binary_search(code).unwrap_or_default());
        let places: Vec<u32> = places.filter_map(|place| u32::try_from(place).ok()).collect();
        for timeline in &cohort.timelines {
            let Some(split) = split(timeline.subject()) else { continue };
            let moved = |event: &Event| Event {
                code: places.get(event.code as usize).copied().unwrap_or(u32::MAX),
                ..event.clone()
            };
            let events = timeline.events().iter().map(moved).collect();
            dealt.entry(split).or_default().extend(Timeline::new(timeline.subject(), events));
        }
    }
    Split::ALL.map(|split| {
        let mut timelines = dealt.remove(&split).unwrap_or_default();
        timelines.sort_by_key(Timeline::subject);
        Cohort { codes: codes.clone(), timelines }
    })
}

/// A row names somebody as their source does, or by the number of their pseudonym, as `export
/// meds` writes it.
fn find(app: &App, row: &SplitRow) -> Result<Subject, AppError> {
    let name = row.subject.reveal();
    let pseudonym = name.parse().ok().and_then(Subject::from_pseudonym);
    if let Some(subject) = pseudonym
        && app.store.subject(subject)?.is_some()
    {
        return Ok(subject);
    }
    let subject = app.find_subject(name)?;
    match app.store.subject(subject)? {
        Some(_) => Ok(subject),
        None => Err(crate::sites::unknown_subject()),
    }
}

/// Returns everybody of whom there are events.
pub(crate) fn everybody(app: &App) -> Result<Vec<Subject>, AppError> {
    let (mut everybody, mut after) = (Vec::new(), None);
    loop {
        let page = app.store.subjects(after, PAGE_SUBJECTS)?;
        let Some(last) = page.last() else { return Ok(everybody) };
        after = Some(last.subject);
        everybody.extend(page.iter().filter(|it| 0 < it.event_count).map(|it| it.subject));
    }
}

/// Rows of the catalog that are looked at together.
const PAGE_SUBJECTS: u32 = 10_000;
