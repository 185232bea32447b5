//! Use case: show a feed in numbers, beside what its sender has sent before.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use twinkeep_intake::depart::{Departure, depart};
use twinkeep_intake::profile::{CodeProfile, Profile};
use twinkeep_ledger::{Activity, Class as EventClass};
use twinkeep_vault::files::{PRIVATE_FILE, write_atomic};

use crate::feed_history::{SenderLine, history, profile};
use crate::feeds::{parse_feed, read_reasons};
use crate::time_text::rfc3339;
use crate::{App, AppError, Caller, Scope};

mod picture;
#[cfg(test)]
mod tests;

/// A feed in numbers.
#[derive(Debug, Serialize)]
pub struct FeedPicture {
    /// The feed's id.
    pub feed: String,
    /// `admitted`, `held`, or `rejected`.
    pub state: String,
    /// When it was ingested (RFC 3339).
    pub ingested: String,
    /// Rows that were read.
    pub read: u64,
    /// Rows that were accepted.
    pub accepted: u64,
    /// Rows whose value says "not recorded".
    pub missing: u64,
    /// Rows that were refused.
    pub quarantined: u64,
    /// Why rows were refused when they were read, and how many for each reason.
    pub reasons: BTreeMap<String, u64>,
    /// About how many subjects there are.
    pub subjects: u64,
    /// Why it was held.
    pub held_because: Vec<String>,
    /// Earlier feeds of the same sender that it is compared with.
    pub history_feed_count: usize,
    /// How it departs from them.
    pub departures: Vec<DepartureLine>,
    /// What there is under each code, those that depart first.
    pub variables: Vec<VariableLine>,
}

/// One way in which a feed departs from what came before.
#[derive(Debug, Serialize)]
pub struct DepartureLine {
    /// The permanent name of what departs.
    pub measure: &'static str,
    /// The code that it is about, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// What the history leads to expect.
    pub expected: f64,
    /// What the feed has.
    pub found: f64,
    /// How far apart they may be.
    pub threshold: f64,
    /// What a person reads.
    pub sentence: String,
}

/// What there is under one code.
#[derive(Clone, Debug, Default, Serialize)]
pub struct VariableLine {
    /// The code.
    pub code: String,
    /// What a person reads.
    pub title: String,
    /// The unit, in UCUM; empty for a code that is not in the pack.
    pub unit: String,
    /// Whether it departs from what came before.
    pub departs: bool,
    /// Events.
    pub events: u64,
    /// Rows whose value says "not recorded".
    pub missing: u64,
    /// Rows that were refused.
    pub refused: u64,
    /// About how many subjects have an event.
    pub subjects: u64,
    /// The values below which 5, 25, 50, 75, and 95 % of all lie.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quantiles: Option<[f64; 5]>,
    /// The same of all earlier feeds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quantiles_before: Option<[f64; 5]>,
}

/// Shows a feed in numbers; with a `picture`, also draws it into that file, as SVG.
pub fn show_feed(
    app: &App,
    caller: &Caller,
    feed: &str,
    picture: Option<&Path>,
) -> Result<FeedPicture, AppError> {
    let entry = app.entry(caller, EventClass::DatastoreActivity, Activity::Read, "feed.shown");
    let result = caller.require(Scope::ReadFeeds).and_then(|()| show(app, feed, picture));
    let entry = if result.is_ok() { entry.with("feed", feed) } else { entry };
    app.conclude(entry, result)
}

fn show(app: &App, feed: &str, picture: Option<&Path>) -> Result<FeedPicture, AppError> {
    let record = parse_feed(app, feed)?;
    let none = || {
        AppError::refused("feed-profile-missing", "there is no profile of this feed")
            .hint("rows that were screened again belong to the feed that they came with")
    };
    let new = profile(app, record.id)?.ok_or_else(none)?;
    let history = history(app, SenderLine::of(&record), Some(record.id))?;
    let mut known = Profile::default();
    history.iter().for_each(|profile| known.merge(profile));
    let departures = depart(&app.pack, &history, &new);
    let shown = FeedPicture {
        feed: feed.to_owned(),
        state: record.state.name().to_owned(),
        ingested: rfc3339(record.ingested_at),
        read: record.counts.read,
        accepted: record.counts.accepted,
        missing: record.counts.missing,
        quarantined: record.counts.quarantined,
        reasons: new.reasons.clone(),
        subjects: new.subjects.count().round() as u64,
        held_because: read_reasons(&record.reasons),
        history_feed_count: history.len(),
        variables: variables(app, &new, &known, &departures),
        departures: departures.into_iter().map(departure).collect(),
    };
    if let Some(path) = picture {
        write_atomic(path, picture::svg(&shown).as_bytes(), PRIVATE_FILE).map_err(|error| {
            let attempt = format!("cannot write `{}`", path.display());
            AppError::environment("feed-picture", attempt).because(error)
        })?;
    }
    Ok(shown)
}

fn departure(departure: Departure) -> DepartureLine {
    let Departure { measure, code, expected, found, threshold, sentence } = departure;
    DepartureLine { measure, code, expected, found, threshold, sentence }
}

fn variables(
    app: &App,
    new: &Profile,
    known: &Profile,
    departures: &[Departure],
) -> Vec<VariableLine> {
    let departs = |code: &str| departures.iter().any(|one| one.code.as_deref() == Some(code));
    // A variable that is gone is told too.
    let gone = known.codes.keys().filter(|code| departs(code) && !new.codes.contains_key(*code));
    let nothing = CodeProfile::default();
    let lines = new.codes.keys().chain(gone).map(|code| {
        let one = new.codes.get(code).unwrap_or(&nothing);
        let variable = app.pack.find(code).map(|index| &app.pack.variables()[index]);
        VariableLine {
            code: code.clone(),
            title: variable.map_or(code, |variable| &variable.title).clone(),
            unit: variable.map(|variable| variable.unit.clone()).unwrap_or_default(),
            departs: departs(code),
            events: one.events,
            missing: one.missing,
            refused: one.refused,
            subjects: one.subjects.count().round() as u64,
            quantiles: quantiles(one),
            quantiles_before: known.codes.get(code).and_then(quantiles),
        }
    });
    let mut lines: Vec<VariableLine> = lines.collect();
    lines.sort_by_key(|line| !line.departs);
    lines
}

fn quantiles(profile: &CodeProfile) -> Option<[f64; 5]> {
    profile.values.quantiles(&[0.05, 0.25, 0.5, 0.75, 0.95])?.try_into().ok()
}
