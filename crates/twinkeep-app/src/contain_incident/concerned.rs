//! Who is concerned by an incident, where the keep knows: whom somebody asked about, and whose
//! events came by a feed. Looked up after containing, which must not wait for it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use twinkeep_ledger::{Query, search};
use twinkeep_watch::incident::Incident;
use twinkeep_watch::{Detector, Target};

use crate::feeds::parse_feed;
use crate::given_splits::everybody;
use crate::models::parse_version;
use crate::{App, AppError};

/// Returns keyed references of the people concerned.
pub(super) fn concerned(app: &App, incident: &Incident) -> Result<BTreeSet<String>, AppError> {
    match &incident.target {
        Target::Identity(name) => asked_about(app, name, incident.began_us),
        Target::Feed(feed) => people_of(app, feed),
        _ => Ok(BTreeSet::new()),
    }
}

/// Returns the versions concerned, and how many people each learned from. Asked before anything is
/// taken away, where it cannot be read any more; what cannot be read now has no number.
pub(super) fn models(app: &App, incident: &Incident) -> (BTreeSet<String>, BTreeMap<String, u64>) {
    let mut models = incident.models.clone();
    let detector = incident.rehearses.unwrap_or(incident.detector);
    // Who probes, probes what serves.
    if matches!(detector, Detector::Extraction | Detector::MembershipProbing) && models.is_empty() {
        let serves = app.registry.in_service().ok().flatten();
        models.extend(serves.map(|version| version.to_string()));
    }
    let learned =
        models.iter().filter_map(|model| Some((model.clone(), learned_from(app, model)?)));
    let learned = learned.collect();
    (models, learned)
}

/// How many people a version learned from, by its signed training record: those of the training
/// split, and those on whom it was calibrated.
fn learned_from(app: &App, model: &str) -> Option<u64> {
    let documents = app.registry.documents(&parse_version(model).ok()?).ok()?;
    let record: Value = serde_json::from_slice(documents.get(TRAINING_RECORD)?).ok()?;
    let of = |split: &str| record["subjects"][split].as_u64();
    Some(of("train")?.saturating_add(of("tuning")?))
}

/// Whom somebody asked about, or was refused to, since a day before it began: a detector is sure
/// later than whoever it is about begins.
fn asked_about(app: &App, name: &str, began_us: i64) -> Result<BTreeSet<String>, AppError> {
    let query = Query {
        from_ms: Some(began_us.div_euclid(1000).saturating_sub(DAY_MS)),
        actor: Some(name.to_owned()),
        ..Query::default()
    };
    let index = app.layout.ledger_index();
    let found = search(&app.ledger_view()?, Some(index.as_path()), &query, ENTRY_COUNT_MAX)
        .map_err(|error| {
            AppError::refused("ledger-search", "cannot find out who is concerned").because(error)
        })?;
    Ok(found.into_iter().filter_map(|found| found.entry.subject).collect())
}

fn people_of(app: &App, feed: &str) -> Result<BTreeSet<String>, AppError> {
    let feed = parse_feed(app, feed)?.id;
    let everybody = everybody(app)?;
    let feeds = app.store.feeds_of_each(&everybody)?;
    let concerned = everybody.into_iter().zip(feeds).filter(|(_, of)| of.contains(&feed));
    Ok(concerned.map(|(subject, _)| app.reference(subject)).collect())
}

/// The document of a version that says what it was trained from.
const TRAINING_RECORD: &str = "training.json";

const DAY_MS: i64 = 24 * 3600 * 1000;

/// More than a caller's budget lets them ask in a day.
const ENTRY_COUNT_MAX: usize = 100_000;
