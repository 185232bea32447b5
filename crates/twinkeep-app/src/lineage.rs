//! The lineage of one person's data: the feeds that it came in, the files that hold it, the models
//! that were made from these, and the answers that they gave about the person.
//!
//! It is part of the accounting of disclosures, and points at entries of that list: whatever it says
//! happened is proven there. What it says of files and of training records are digests, which tell
//! nothing of anybody; a training record is signed with its version, and lists the digests itself.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use twinkeep_domain::{Split, Subject};
use twinkeep_ledger::{Detail, Entry};
use twinkeep_store::FeedId;
use twinkeep_vault::digest::{sha256, to_hex};

use crate::feeds::feed_name;
use crate::{App, AppError};

/// Where a person's data came from, and what it went into.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lineage {
    /// What the person's data is used for: nothing is learned from `held_out`. Absent where the
    /// person has no events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<String>,
    /// The feeds with events of the person.
    pub feeds: Vec<LineageFeed>,
    /// SHA-256 of the encrypted files that hold them now, in hexadecimal.
    pub shards: Vec<String>,
    /// The models that were made since the person is known.
    pub models: Vec<LineageModel>,
    /// What models said about the person.
    pub answers: Vec<LineageAnswer>,
}

/// A feed with events of the person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LineageFeed {
    /// Its name.
    pub feed: String,
    /// The entries about it.
    pub entries: Vec<u64>,
}

/// A model that the person's data may have gone into.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LineageModel {
    /// Its version.
    pub model: String,
    /// How the person's data was used: `learned`, `calibrated`, or `measured`.
    pub used: String,
    /// SHA-256 of its signed training record, in hexadecimal.
    pub training_record: String,
    /// Those of the person's files that the training record names. None may mean that the files
    /// were written anew since, as a compaction does.
    pub shards: Vec<String>,
    /// The entries about its training.
    pub entries: Vec<u64>,
}

/// What a model said about the person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LineageAnswer {
    /// The entry.
    pub entry: u64,
    /// Which model.
    pub model: String,
}

/// Draws the lineage of a person from the catalog, the registry, and the entries of the list.
pub(crate) fn lineage(
    app: &App,
    subject: Subject,
    person: &str,
    feeds: &BTreeSet<FeedId>,
    entries: &BTreeMap<u64, Entry>,
) -> Result<Lineage, AppError> {
    let split = app.store.subject(subject)?.map(|record| record.split);
    let shards: BTreeSet<String> =
        app.store.shard_digests_of(subject)?.iter().map(|digest| to_hex(digest)).collect();
    let feed = |id: &FeedId| {
        let feed = feed_name(*id);
        LineageFeed { entries: about_feed(entries, &feed), feed }
    };
    let models = match split {
        Some(split) => models(app, feeds, split, &shards, entries)?,
        None => Vec::new(),
    };
    Ok(Lineage {
        split: split.map(|split| split.name().to_owned()),
        feeds: feeds.iter().map(feed).collect(),
        shards: shards.into_iter().collect(),
        models,
        answers: answers(entries, person),
    })
}

fn models(
    app: &App,
    feeds: &BTreeSet<FeedId>,
    split: Split,
    shards: &BTreeSet<String>,
    entries: &BTreeMap<u64, Entry>,
) -> Result<Vec<LineageModel>, AppError> {
    let ingested = app.store.feeds()?.into_iter().filter(|feed| feeds.contains(&feed.id));
    let since = ingested.map(|feed| feed.ingested_at).min();
    let mut found = Vec::new();
    for record in app.registry.list()? {
        let submitted = record.steps.first().map(|step| step.at);
        if since.zip(submitted).is_none_or(|(since, submitted)| submitted < since) {
            continue;
        }
        // One that does not verify tells nothing.
        let Ok(documents) = app.registry.documents(&record.id) else { continue };
        let Some(training) = documents.get(TRAINING_RECORD) else { continue };
        let listed: TrainingShards = serde_json::from_slice(training).unwrap_or_default();
        let model = record.id.to_string();
        found.push(LineageModel {
            used: used(split).to_owned(),
            training_record: to_hex(&sha256(training)),
            shards: listed.shards_sha256.into_iter().filter(|it| shards.contains(it)).collect(),
            entries: about_training(entries, &model),
            model,
        });
    }
    Ok(found)
}

/// What a training record says of files.
#[derive(Default, Deserialize)]
struct TrainingShards {
    #[serde(default)]
    shards_sha256: Vec<String>,
}

fn used(split: Split) -> &'static str {
    match split {
        Split::Train => "learned",
        Split::Tuning => "calibrated",
        Split::HeldOut => "measured",
    }
}

/// Returns whether everything that a lineage points at is in the list, and nothing is left out.
pub(crate) fn holds(lineage: &Lineage, entries: &BTreeMap<u64, Entry>, person: &str) -> bool {
    let feeds = lineage.feeds.iter().all(|it| it.entries == about_feed(entries, &it.feed));
    let models = lineage.models.iter().all(|it| {
        it.entries == about_training(entries, &it.model)
            && it.shards.iter().all(|shard| lineage.shards.contains(shard))
    });
    feeds && models && lineage.answers == answers(entries, person)
}

fn about_feed(entries: &BTreeMap<u64, Entry>, feed: &str) -> Vec<u64> {
    let names = |entry: &Entry| entry.subject.is_none() && text(entry, "feed") == Some(feed);
    entries.iter().filter(|(_, entry)| names(entry)).map(|(index, _)| *index).collect()
}

fn about_training(entries: &BTreeMap<u64, Entry>, model: &str) -> Vec<u64> {
    let trained =
        |entry: &Entry| entry.action == "model.trained" && text(entry, "model") == Some(model);
    entries.iter().filter(|(_, entry)| trained(entry)).map(|(index, _)| *index).collect()
}

fn answers(entries: &BTreeMap<u64, Entry>, person: &str) -> Vec<LineageAnswer> {
    let theirs = entries.iter().filter(|(_, entry)| entry.subject.as_deref() == Some(person));
    let answer = |(entry, it): (&u64, &Entry)| {
        Some(LineageAnswer { entry: *entry, model: text(it, "model")?.to_owned() })
    };
    theirs.filter_map(answer).collect()
}

fn text<'a>(entry: &'a Entry, name: &str) -> Option<&'a str> {
    match entry.details.get(name)? {
        Detail::Text(text) => Some(text),
        Detail::Number(_) => None,
    }
}

const TRAINING_RECORD: &str = "training.json";
