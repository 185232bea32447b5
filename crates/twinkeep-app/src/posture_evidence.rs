//! What a keep has on record that rules of the posture ask for: papers of versions, feeds, files of
//! events, alerts, keys of clients, and the newest answers.
//!
//! Everything is read from where it is signed, sealed, or recorded. Nothing of it is about a person.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use serde_json::Value;
use twinkeep_domain::Timestamp;
use twinkeep_posture::collect::tree;
use twinkeep_posture::facts::Known;
use twinkeep_posture::facts::keep::{
    Alert, Answers, ApiKey, Covered, Feed, Keep as KeepFacts, Papers, Shards, Watch,
};
use twinkeep_registry::{LoadedModel, Status, VersionRecord};
use twinkeep_store::{FeedRecord, LIVE_SOURCE};
use twinkeep_vault::digest::{Sha256, to_hex};
use twinkeep_vault::files::read_bounded;

use crate::feeds::feed_name;
use crate::probe_config::PROFILE_FILE;
use crate::screen_reference::REFERENCE;
use crate::{
    App, AppError, LedgerLine, LedgerQuery, POLICY_LEN_MAX, SearchWith, list_alerts, list_api_keys,
    parse_rfc3339, search_ledger,
};

/// Adds what is on record to the facts of a keep.
pub(crate) fn add_evidence(app: &App, facts: &mut KeepFacts) {
    facts.feeds = known(feeds(app));
    facts.shards = known(shards(app));
    facts.watch = known(watch(app));
    facts.alerts = known(alerts(app));
    facts.api_keys = known(api_keys(app));
    facts.answers = known(answers(app));
}

/// What cannot be read is not known, and the rest of the keep still is.
fn known<T>(result: Result<T, AppError>) -> Known<T> {
    match result {
        Ok(seen) => Known::Seen(seen),
        Err(error) => Known::Unknown(error.to_string()),
    }
}

/// What a version says of itself, under its signature.
pub(crate) fn papers(
    app: &App,
    record: &VersionRecord,
    loaded: &LoadedModel,
    decided: &[LedgerLine],
) -> Papers {
    let document = |name: &str| -> Value {
        let bytes = loaded.documents.get(name).map(Vec::as_slice).unwrap_or_default();
        serde_json::from_slice(bytes).unwrap_or(Value::Null)
    };
    let (evaluation, card) = (document("evaluation.json"), document("card.json"));
    let groups = evaluation["subgroups"].as_array().map_or(0, Vec::len);
    Papers {
        origin_missing: origin_missing(&document("provenance.json")),
        bill_missing: bill_missing(&document("bom.json")),
        held_out: evaluation["subject_count"].as_u64().unwrap_or(0),
        groups,
        covered_per_mille: evaluation["coverage_90_mean"].as_f64().map(per_mille),
        covered: covered(&evaluation),
        noise: card["privacy"]["noise"]["epsilon"].is_number(),
        epsilon_per_mille: epsilon_per_mille(&card),
        canaries: app.canaries_of(loaded).map_or(0, |canaries| canaries.questions().count()),
        profile: loaded.documents.contains_key(PROFILE_FILE),
        unrecorded: unrecorded(record, decided),
    }
}

/// What was measured is a share of values: whole thousandths are enough to judge it.
fn per_mille(share: f64) -> u32 {
    (share.clamp(0.0, 1.0) * 1000.0) as u32
}

/// How many values the 90 % intervals of each target covered that has any.
fn covered(evaluation: &Value) -> BTreeMap<String, Covered> {
    let targets = evaluation["targets"].as_array().map(Vec::as_slice).unwrap_or_default();
    let found = targets.iter().filter_map(|target| {
        let values = target["value_count"].as_u64().filter(|count| *count != 0)?;
        let per_mille = per_mille(target["coverage_90"].as_f64()?);
        Some((target["code"].as_str()?.to_owned(), Covered { values, per_mille }))
    });
    found.collect()
}

/// The epsilon of the noise that a version learned with, rounded up.
fn epsilon_per_mille(card: &Value) -> Option<u64> {
    let epsilon = card["privacy"]["noise"]["epsilon"].as_f64()?;
    // A number beyond all bounds becomes the largest one, and one that is none becomes 0.
    (0.0 < epsilon).then(|| (epsilon * 1000.0).ceil() as u64)
}

fn origin_missing(provenance: &Value) -> BTreeSet<String> {
    let mut missing = BTreeSet::new();
    let build = &provenance["predicate"];
    let has_digest = |it: &Value| it["digest"]["sha256"].as_str().is_some_and(|it| it.len() == 64);
    let parts = |list: &Value| list.as_array().cloned().unwrap_or_default();
    let materials = parts(&build["buildDefinition"]["resolvedDependencies"]);
    for material in materials.iter().filter(|it| !has_digest(it)) {
        let name = material["name"].as_str().unwrap_or("a part without a name");
        missing.insert(format!("the digest of `{name}`"));
    }
    for name in ["pack.toml", "event shard"] {
        if !materials.iter().any(|it| it["name"] == name) {
            missing.insert(format!("`{name}`"));
        }
    }
    let programs = parts(&build["runDetails"]["builder"]["builderDependencies"]);
    if !programs.iter().any(has_digest) {
        missing.insert("the digest of the program".to_owned());
    }
    missing
}

fn bill_missing(bill: &Value) -> BTreeSet<String> {
    let mut missing = BTreeSet::new();
    let model = &bill["metadata"]["component"];
    if model["modelCard"].is_null() {
        missing.insert("the model card".to_owned());
    }
    let components = bill["components"].as_array().cloned().unwrap_or_default();
    for name in ["data", "program", "pack"] {
        if !components.iter().any(|it| it["bom-ref"] == name) {
            missing.insert(format!("`{name}`"));
        }
    }
    for component in components.iter().chain([model]) {
        let name = component["name"].as_str().unwrap_or("a part without a name");
        let hashes = component["hashes"].as_array();
        let whole = |hash: &Value| hash["content"].as_str().is_some_and(|it| it.len() == 64);
        if !hashes.is_some_and(|hashes| hashes.iter().any(whole)) {
            missing.insert(format!("the digest of `{name}`"));
        }
    }
    missing
}

/// The entries about decisions on models, by people and by playbooks.
pub(crate) fn decisions(app: &App) -> Result<Vec<LedgerLine>, AppError> {
    let mut found = entries(app, "model.*")?;
    found.extend(entries(app, "containment.*")?);
    found.retain(decides);
    Ok(found)
}

/// Whether an entry is a decision that was carried out: that a version was trained, shown, or
/// refused is none.
fn decides(line: &LedgerLine) -> bool {
    let contained = line.action.starts_with("containment.");
    line.outcome == "success" && (contained || DECISIONS.contains(&line.action.as_str()))
}

/// What a version became without an entry that speaks of it, at about that time.
fn unrecorded(record: &VersionRecord, decided: &[LedgerLine]) -> BTreeSet<String> {
    let version = record.id.to_string();
    let about: Vec<Timestamp> = decided
        .iter()
        .filter(|line| line.details.values().any(|value| *value == *version))
        .filter_map(|line| parse_rfc3339(&line.time))
        .collect();
    let missing = record.steps.iter().filter(|step| {
        step.status != Status::Candidate && !about.iter().any(|at| close(at.hours_since(step.at)))
    });
    missing.map(|step| step.status.name().to_owned()).collect()
}

/// An entry has the time at which something was begun, and a comparison may take long.
fn close(hours: f64) -> bool {
    hours.abs() <= 1.0
}

fn feeds(app: &App) -> Result<Vec<Feed>, AppError> {
    let mut named = BTreeSet::new();
    // That a feed was looked at, or decided about, does not say how it came.
    for action in ["feed.ingested", "feed.replayed"] {
        for line in entries(app, action)?.iter().filter(|line| line.outcome == "success") {
            let name = line.details.get("feed").and_then(Value::as_str);
            named.extend(name.map(str::to_owned));
        }
    }
    // Live events become feeds without anybody who brings them: each event has an entry of its own.
    let folded: Vec<Timestamp> = entries(app, "live-events.folded")?
        .iter()
        .filter_map(|line| parse_rfc3339(&line.time))
        .collect();
    let feed = |record: FeedRecord| {
        let name = feed_name(record.id);
        let counts = record.counts;
        let live = || {
            let at_that_time = |at: &Timestamp| close(at.hours_since(record.ingested_at));
            record.source == LIVE_SOURCE && folded.iter().any(at_that_time)
        };
        Feed {
            signed: record.delivery.is_some(),
            recorded: named.contains(&name) || live(),
            read: counts.read,
            judged: counts.accepted + counts.missing + counts.quarantined,
            name,
        }
    };
    Ok(app.store.feeds()?.into_iter().map(feed).collect())
}

fn shards(app: &App) -> Result<Shards, AppError> {
    let events = app.layout().store().join("events");
    if !events.exists() {
        return Ok(Shards::default());
    }
    let mut there = BTreeSet::new();
    let mut failure = None;
    let walked = tree::walk(&events, u64::MAX, &mut |_, path| {
        if path.extension().is_some_and(|it| it == "parquet") {
            match digest(path) {
                Ok(sha256) => drop(there.insert(sha256)),
                // It may have been compacted away since its folder was listed.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => failure = Some(error),
            }
        }
    });
    if let Some(error) = walked.err().or(failure) {
        let attempt = "cannot read the files of events";
        return Err(AppError::environment("keep-read", attempt).because(error));
    }
    let mut found = Shards::default();
    // After the files were read: what was compacted meanwhile shows as missing, never as there.
    for feed in app.store.feeds()? {
        for sha256 in &feed.shard_digests {
            found.known += 1;
            found.missing += u64::from(!there.contains(&to_hex(sha256)));
        }
    }
    Ok(found)
}

/// The SHA-256 of a file.
pub(crate) fn digest(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let mut digest = Sha256::default();
    let mut buffer = vec![0; READ_LEN];
    loop {
        let len = file.read(&mut buffer)?;
        if len == 0 {
            return Ok(to_hex(&digest.finish()));
        }
        digest.update(buffer.get(..len).unwrap_or_default());
    }
}

fn watch(app: &App) -> Result<Watch, AppError> {
    let settings = app.settings();
    let issuers = settings.issuers.iter().map(|it| (it.name.clone(), it.require_bound));
    let policy = app.layout().policy();
    let policy_as_read = match read_bounded(&policy, POLICY_LEN_MAX as u64) {
        Ok(text) => text == app.policy_text()?.as_bytes(),
        // Who has no file reads what is in force.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => true,
        Err(_) => false,
    };
    let probe = app.probe_parameters()?;
    Ok(Watch {
        probing: probe.enabled,
        coarser_hours: probe.tier_hours.ceil() as u32,
        panel: app.read_sealed(REFERENCE)?.is_some(),
        verify_every_seconds: settings.models.verify_every_seconds,
        policy_as_read,
        issuers: issuers.collect(),
    })
}

fn alerts(app: &App) -> Result<Vec<Alert>, AppError> {
    let lines = list_alerts(app)?.into_iter().map(|line| Alert {
        name: line.name,
        severity: crate::incidents::word(&line.severity),
        dead: line.dead,
    });
    Ok(lines.collect())
}

fn api_keys(app: &App) -> Result<Vec<ApiKey>, AppError> {
    let now = app.now();
    let live = list_api_keys(app)?.into_iter().filter_map(|key| {
        let [created, expires] =
            [Some(&key.created), key.expires.as_ref()].map(|time| parse_rfc3339(time?));
        let ended = expires.is_some_and(|end| end.hours_since(now) <= 0.0);
        let days = expires.zip(created).map(|(end, begin)| end.hours_since(begin) / 24.0);
        (key.revoked.is_none() && !ended)
            .then(|| ApiKey { id: key.id, days: days.map(|days| days.round() as i64) })
    });
    Ok(live.collect())
}

fn answers(app: &App) -> Result<Answers, AppError> {
    let mut found = Answers::default();
    for action in ANSWERS {
        for line in newest(app, action, ANSWERS_LOOKED_AT)? {
            found.looked_at += 1;
            found.without_caller += u64::from(line.actor.is_empty());
            let model = line.details.get("model").and_then(Value::as_str).is_some();
            found.without_model += u64::from(line.outcome == "success" && !model);
        }
    }
    Ok(found)
}

fn entries(app: &App, action: &str) -> Result<Vec<LedgerLine>, AppError> {
    newest(app, action, usize::MAX)
}

fn newest(app: &App, action: &str, count: usize) -> Result<Vec<LedgerLine>, AppError> {
    let query = LedgerQuery { action: Some(action.to_owned()), ..LedgerQuery::default() };
    search_ledger(app.layout().root(), &query, SearchWith::Index, count)
}

/// What puts a version into service, or takes it away.
const DECISIONS: [&str; 5] = [
    "model.released",
    "model.promoted",
    "model.rolled-back",
    "model.quarantined",
    "model.restored",
];

/// What a model answers to.
const ANSWERS: [&str; 5] =
    ["predict", "twin.forecast", "twin.drawn", "twin.explained", "twin.simulated"];

/// As many tell whether the program that wrote them leaves anything out.
const ANSWERS_LOOKED_AT: usize = 1000;

const READ_LEN: usize = 1 << 16;

#[cfg(test)]
mod tests;
