//! The journal of a plan: what was begun, what was done, and what was taken back.

use std::io::{self, Read};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::change::{Change, Now};
use super::error::FixError;
use super::files;
use super::plan::{Plan, Step};
use super::s3::Services;

/// What became of the changes of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Journal {
    /// The version of this form: [`JOURNAL_FORMAT`].
    pub format: String,
    /// What was begun, in order.
    pub steps: Vec<JournalStep>,
}

/// The version of the form of journals.
const JOURNAL_FORMAT: &str = "twinkeep-fix-journal/1";

/// No journal is longer.
const JOURNAL_BYTES_MAX: u64 = 256 << 20;

/// What became of one change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JournalStep {
    /// The change.
    pub step: Step,
    /// What takes it back.
    pub inverse: Change,
    /// How far it came.
    pub state: State,
}

/// How far a change came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It was begun; whether it was made can be seen by looking.
    Begun,
    /// It was made.
    Done,
    /// It was as it shall be before: nothing was changed, and nothing is to be taken back.
    Found,
    /// It was taken back.
    Undone,
}

impl Journal {
    /// Reads a journal; nothing if there is none.
    pub fn read(path: &Path) -> Result<Option<Journal>, FixError> {
        let name = path.to_string_lossy();
        let mut text = Vec::new();
        match files::open(&name) {
            Ok(file) => file.take(JOURNAL_BYTES_MAX).read_to_end(&mut text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => Err(error),
        }
        .map_err(files::at("reading", &name))?;
        let malformed = |line| FixError::Malformed { path: name.clone().into_owned(), line };
        let journal: Journal =
            serde_json::from_slice(&text).map_err(|error| malformed(error.line()))?;
        // The way back is that of the change which is shown, and never another one.
        let honest = |it: &JournalStep| it.inverse == it.step.change.inverse();
        if journal.format == JOURNAL_FORMAT && journal.steps.iter().all(honest) {
            Ok(Some(journal))
        } else {
            Err(malformed(1))
        }
    }

    fn write(&self, path: &Path) -> Result<(), FixError> {
        let name = path.to_string_lossy();
        let text = serde_json::to_vec_pretty(self)
            .map_err(|error| files::at("writing", &name)(error.into()))?;
        files::write_private(path, &text).map_err(files::at("writing", &name))
    }
}

/// Makes the changes of a plan, and writes the journal. A journal of the same plan goes on.
///
/// The first change that cannot be made ends it; what was made before stays until
/// [`rollback`].
pub fn apply(plan: &Plan, path: &Path) -> Result<Journal, FixError> {
    apply_in(Services::default(), plan, path)
}

/// As [`apply`], with changes in other systems, too.
pub fn apply_in(services: Services<'_>, plan: &Plan, path: &Path) -> Result<Journal, FixError> {
    let new = || Journal { format: JOURNAL_FORMAT.to_owned(), steps: Vec::new() };
    let mut journal = Journal::read(path)?.unwrap_or_else(new);
    let same = journal.steps.len() <= plan.steps.len()
        && journal.steps.iter().zip(&plan.steps).all(|(old, step)| old.step == *step);
    if !same {
        return Err(FixError::OtherJournal { path: path.to_string_lossy().into_owned() });
    }
    for (number, step) in plan.steps.iter().enumerate() {
        if journal
            .steps
            .get(number)
            .is_some_and(|it| matches!(it.state, State::Done | State::Found))
        {
            continue;
        }
        let before = step.change.now(services)?;
        let begun_before = journal.steps.get(number).is_some_and(|it| it.state == State::Begun);
        if before == Now::Other {
            return Err(FixError::Changed { path: step.change.path().to_owned() });
        }
        // What is as it shall be without us is not ours to take back.
        let state = if before == Now::After && !begun_before { State::Found } else { State::Begun };
        let entry = JournalStep { step: step.clone(), inverse: step.change.inverse(), state };
        match journal.steps.get_mut(number) {
            Some(old) => *old = entry,
            None => journal.steps.push(entry),
        }
        journal.write(path)?;
        if state == State::Begun {
            step.change.make(services)?;
            journal.steps[number].state = State::Done;
            journal.write(path)?;
        }
    }
    Ok(journal)
}

/// Takes back what a journal has, the last first.
///
/// Something that was changed since by somebody else stays as it is and is an error, after all
/// else was taken back.
pub fn rollback(path: &Path) -> Result<Journal, FixError> {
    rollback_in(Services::default(), path)
}

/// As [`rollback`], with changes in other systems, too.
pub fn rollback_in(services: Services<'_>, path: &Path) -> Result<Journal, FixError> {
    let name = path.to_string_lossy();
    let missing = || files::at("reading", &name)(io::ErrorKind::NotFound.into());
    let mut journal = Journal::read(path)?.ok_or_else(missing)?;
    let mut first_error = None;
    let mut order: Vec<usize> = (0..journal.steps.len()).rev().collect();
    order.sort_by_key(|number| !journal.steps[*number].step.change.is_undone_first());
    for number in order {
        if !matches!(journal.steps[number].state, State::Begun | State::Done) {
            continue;
        }
        match journal.steps[number].inverse.make(services) {
            Ok(()) => {
                journal.steps[number].state = State::Undone;
                journal.write(path)?;
            }
            Err(error) => first_error = first_error.or(Some(error)),
        }
    }
    first_error.map_or(Ok(journal), Err)
}
