//! Finding entries: by time, by who did it, by whom it is about, by what was done, and how it ended.
//!
//! An index says of each full bundle which times and words are in it, so that bundles without the
//! words are not read. It is made from the ledger, is brought up to date by each search, and may be
//! deleted at any moment. It can only say that something is *not* there: what is found was read
//! from the ledger and checked against the signed root. Whoever does not trust it leaves it out.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;

use crate::search::index::{Index, Record};
use crate::tile::TILE_WIDTH;
use crate::{Entry, EntryError, LedgerError, Outcome, View};

mod index;
#[cfg(test)]
mod tests;

/// Which entries are wanted; whatever is `None` or empty does not matter.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// Not before this time, in milliseconds since 1970.
    pub from_ms: Option<i64>,
    /// Not at or after this time.
    pub until_ms: Option<i64>,
    /// Done by them.
    pub actor: Option<String>,
    /// About this reference to a person.
    pub subject: Option<String>,
    /// What was done: `twin.forecast`, or `twin.*` for all that begins so.
    pub action: Option<String>,
    /// How it ended: `success`, `failure`, or the code of a refusal.
    pub outcome: Option<String>,
    /// With this detail: its name and its text.
    pub detail: Option<(String, String)>,
}

/// An entry that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its index.
    pub index: u64,
    /// What it says.
    pub entry: Entry,
}

/// Why a search could not be made.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SearchError {
    /// The ledger cannot be read, or does not hold.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// An entry of the ledger is not one.
    #[error("audit entry {index} cannot be read")]
    Entry {
        /// Which one.
        index: u64,
        /// What is wrong with it.
        source: EntryError,
    },
}

impl Query {
    /// Returns whether an entry is wanted.
    pub fn wants(&self, entry: &Entry) -> bool {
        self.from_ms.is_none_or(|from| from <= entry.time_ms)
            && self.until_ms.is_none_or(|until| entry.time_ms < until)
            && self.actor.as_ref().is_none_or(|actor| *actor == entry.actor)
            && self.subject.as_ref().is_none_or(|it| Some(it) == entry.subject.as_ref())
            && self.action.as_ref().is_none_or(|action| action_fits(action, &entry.action))
            && self.outcome.as_ref().is_none_or(|wanted| outcome_fits(wanted, &entry.outcome))
            && self.detail.as_ref().is_none_or(|(name, text)| {
                let found = entry.details.get(name);
                found == Some(&crate::Detail::Text(text.clone()))
                    || text.parse().is_ok_and(|n| found == Some(&crate::Detail::Number(n)))
            })
    }

    /// Returns the words of which a bundle must have each, as [`words`] writes them.
    fn words(&self) -> Vec<String> {
        let actor = self.actor.iter().map(|actor| format!("a:{actor}"));
        let subject = self.subject.iter().map(|subject| format!("s:{subject}"));
        // Only whole names are words; of `twin.*` every bundle is read that the rest lets through.
        let action = self.action.iter().filter(|action| !action.ends_with('*'));
        let action = action.map(|action| format!("e:{action}"));
        let outcome = self.outcome.iter().filter(|it| !matches!(it.as_str(), "success"));
        let outcome = outcome.map(|outcome| format!("o:{outcome}"));
        let feed = self.detail.iter().filter(|(name, _)| name == FEED_DETAIL);
        let feed = feed.map(|(_, feed)| format!("f:{feed}"));
        actor.chain(subject).chain(action).chain(outcome).chain(feed).collect()
    }

    fn may_be_in(&self, record: &Record) -> bool {
        self.from_ms.is_none_or(|from| from <= record.last_ms)
            && self.until_ms.is_none_or(|until| record.first_ms < until)
            && self.words().iter().all(|word| record.may_have(word))
    }
}

/// Finds the newest entries that are wanted, at most `limit`, oldest first.
///
/// `index` is a file that speeds this up; it is made if it is missing, and left out if it is `None`.
pub fn search(
    view: &View,
    index: Option<&Path>,
    query: &Query,
    limit: usize,
) -> Result<Vec<Found>, SearchError> {
    let index = index.map(|path| Index::up_to_date(path, view)).transpose()?;
    let size = view.checkpoint().checkpoint.size;
    let mut found = Vec::new();
    for bundle in (0..size.div_ceil(TILE_WIDTH)).rev() {
        let record = index.as_ref().and_then(|index| index.record(bundle));
        if record.is_some_and(|record| !query.may_be_in(record)) {
            continue;
        }
        let first = bundle * TILE_WIDTH;
        let range = first..size.min(first + TILE_WIDTH);
        let wanted = decoded(view, range)?.into_iter().rev();
        found.extend(wanted.filter(|found| query.wants(&found.entry)));
        if limit <= found.len() {
            break;
        }
    }
    found.truncate(limit);
    found.reverse();
    Ok(found)
}

/// Reads entries and what they say.
fn decoded(view: &View, range: Range<u64>) -> Result<Vec<Found>, SearchError> {
    let first = range.start;
    let entries = view.entries(range)?;
    let decode = |(index, bytes): (u64, &Vec<u8>)| {
        let entry = Entry::decode(bytes).map_err(|source| SearchError::Entry { index, source })?;
        Ok(Found { index, entry })
    };
    (first..).zip(&entries).map(decode).collect()
}

/// Returns the words of an entry that a search can ask for.
fn words(entry: &Entry) -> BTreeSet<String> {
    let mut words = BTreeSet::from([format!("a:{}", entry.actor), format!("e:{}", entry.action)]);
    words.extend(entry.subject.iter().map(|subject| format!("s:{subject}")));
    if let Outcome::Failure { code } = &entry.outcome {
        words.extend([format!("o:{code}"), "o:failure".to_owned()]);
    }
    if let Some(crate::Detail::Text(feed)) = entry.details.get(FEED_DETAIL) {
        words.insert(format!("f:{feed}"));
    }
    words
}

fn action_fits(wanted: &str, action: &str) -> bool {
    match wanted.strip_suffix('*') {
        Some(beginning) => action.starts_with(beginning),
        None => wanted == action,
    }
}

fn outcome_fits(wanted: &str, outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Success => wanted == "success",
        Outcome::Failure { code } => wanted == "failure" || wanted == code,
    }
}

/// The detail that names a feed; of the details, it alone is a word of the index.
const FEED_DETAIL: &str = "feed";
