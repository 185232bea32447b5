//! Each action: what is there before, how it is done, and whether it holds already.
//!
//! # Invariants
//!
//! - Doing something that holds already changes nothing: whoever was killed halfway is followed by
//!   somebody who does not know how far they came.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use twinkeep_registry::{ModelId, Status, VersionId};
use twinkeep_store::FeedState;
use twinkeep_vault::digest::to_hex;
use twinkeep_watch::Target;
use twinkeep_watch::incident::{Action, Before, Incident, Measure, Step, StepState, incident_id};

use super::concerned;
use crate::act_on_host::{apply_on_host, plan_on_host};
use crate::api_keys::CALLER_PREFIX;
use crate::client_certificates::CERTIFICATE_PREFIX;
use crate::evidence::{digests_of, preserve_evidence};
use crate::feeds::parse_feed;
use crate::incidents::{change, load};
use crate::models::parse_version;
use crate::put_in_service::load_once;
use crate::{
    Alert, AlertStage, App, AppError, Caller, HostOrder, promote_model, quarantine_model,
    queue_alert, revoke_api_key, revoke_certificate, roll_back_model,
};

/// What is there before an action, and what it would be.
#[derive(Default)]
pub(super) struct Captured {
    /// What is there before.
    pub(super) before: Before,
    /// The exact commands, where it is done on the host.
    pub(super) commands: Vec<String>,
    /// Those that undo it.
    pub(super) undo: Vec<String>,
    /// What holds then, where there is more to say than of each such action.
    pub(super) expected: Option<String>,
}

/// Returns what is there before an action, or why it cannot be done.
pub(super) fn capture(app: &App, measure: &Measure) -> Result<Captured, AppError> {
    let Measure { action, .. } = measure;
    if !action.is_on_host() {
        return Ok(Captured { before: capture_in_keep(app, measure)?, ..Captured::default() });
    }
    let planned = plan_on_host(app, &host_order(measure)?);
    let is_so = match &planned {
        Ok(plan) => {
            // Of one that is stopped no process is found.
            let runs = *action == Action::StopService && plan.before.contains_key("process");
            plan.undo.is_empty() && !runs
        }
        Err(error) => error.code() == "host-no-service",
    };
    if is_so && let Some(captured) = captured_by_holder(app, measure)? {
        return Ok(captured);
    }
    let plan = planned?;
    Ok(Captured {
        before: plan.before,
        commands: plan.commands,
        undo: plan.undo,
        expected: Some(plan.expected),
    })
}

/// Returns what an incident captured that holds the same on the host: what is there now is its doing,
/// and nothing to go back to.
fn captured_by_holder(app: &App, measure: &Measure) -> Result<Option<Captured>, AppError> {
    for holder in app.holders(measure)? {
        let steps = load(app, crate::incidents::find(&holder)?)?.steps;
        let captured = |step: &&Step| step.measure == *measure && !step.before.is_empty();
        if let Some(step) = steps.iter().rfind(captured) {
            let (before, commands) = (step.before.clone(), step.commands.clone());
            return Ok(Some(Captured { before, commands, ..Captured::default() }));
        }
    }
    Ok(None)
}

fn capture_in_keep(app: &App, measure: &Measure) -> Result<Before, AppError> {
    let Measure { action, on } = measure;
    let mut before = Before::new();
    let mut keep = |name: &str, value: String| _ = before.insert(name.to_owned(), value);
    match action {
        Action::PreserveEvidence
        | Action::Notify
        | Action::DropPort
        | Action::StopService
        | Action::FreezeService => {}
        Action::ActivateBackup => {
            let named = |id: Option<VersionId>| id.map(|id| id.to_string()).unwrap_or_default();
            keep("in_service", named(app.registry.in_service()?));
            keep("backup", named(app.registry.backup()?));
        }
        Action::QuarantineModel => {
            let status = match ModelId::parse(on) {
                Some(ModelId::Import(id)) => app.registry.show_import(&id)?.status.name(),
                _ => app.registry.show(&parse_version(on)?)?.status.name(),
            };
            keep("status", status.to_owned());
        }
        Action::SuspendIdentity => {
            require_identity(on)?;
            require_another_administrator(app, on)?;
            keep("holders", holders(app, measure)?);
        }
        Action::RevokeCredential => {
            require_credential(app, on)?;
            require_another_administrator(app, on)?;
        }
        Action::HoldFeed => {
            let feed = parse_feed(app, on)?;
            keep("state", feed.state.name().to_owned());
            keep("holders", holders(app, measure)?);
        }
        Action::CloseRoute => {
            require_route(on)?;
            keep("holders", holders(app, measure)?);
        }
        Action::PauseTraining => keep("holders", holders(app, measure)?),
    }
    Ok(before)
}

/// Does it; returns what came of it, for people.
pub(super) fn apply(
    app: &App,
    number: u64,
    measure: &Measure,
    before: &Before,
) -> Result<String, AppError> {
    let Measure { action, on } = measure;
    let id = incident_id(number);
    let reason = reason_of(&id);
    match action {
        Action::PreserveEvidence => preserve(app, number),
        Action::Notify => notify(app, number),
        Action::DropPort | Action::StopService | Action::FreezeService => {
            apply_on_host(app, &host_order(measure)?, before)?;
            app.hold(measure, &id)?;
            Ok(action.expected().to_owned())
        }
        Action::ActivateBackup => activate_backup(app, on, before, &reason),
        Action::QuarantineModel => {
            if is_quarantined(app, on)? {
                return Ok("it was in quarantine already".to_owned());
            }
            let done = quarantine_model(app, &Caller::system(), on, &reason)?;
            let sealed = parse_version(on).is_ok_and(|id| app.is_sealed(&id));
            let more = if sealed { ", and nobody changes its files" } else { "" };
            Ok(match done.replaced_by {
                Some(backup) => format!("{backup} serves in its place{more}"),
                None => format!("it is in quarantine{more}"),
            })
        }
        Action::RevokeCredential => {
            if !is_revoked(app, on)? {
                revoke(app, on)?;
            }
            Ok("it is revoked, for good".to_owned())
        }
        Action::CloseRoute | Action::SuspendIdentity | Action::HoldFeed | Action::PauseTraining => {
            app.hold(measure, &id)?;
            Ok(action.expected().to_owned())
        }
    }
}

/// Why the registry is told that an incident changes something.
pub(super) fn reason_of(incident: &str) -> String {
    format!("incident {incident}")
}

/// Returns what holds already of all that could be done to a target, whoever did it, besides what
/// incidents hold.
pub(super) fn in_place(app: &App, target: &Target) -> BTreeSet<Measure> {
    let mut found = BTreeSet::new();
    match target {
        // What the store holds counts for nothing, until a person releases it.
        Target::Feed(feed) if is_held(app, feed).unwrap_or(false) => {
            found.insert(Measure::new(Action::HoldFeed, feed));
        }
        Target::Model(model) if is_quarantined(app, model).unwrap_or(false) => {
            found.insert(Measure::new(Action::QuarantineModel, model));
        }
        Target::Identity(name) if is_revoked(app, name).unwrap_or(false) => {
            found.insert(Measure::new(Action::RevokeCredential, name));
        }
        _ => {}
    }
    found
}

/// Puts the backup into service, unless something else serves already.
fn activate_backup(
    app: &App,
    about: &str,
    before: &Before,
    reason: &str,
) -> Result<String, AppError> {
    if let Some(serving) = serves_instead(app, about, before)? {
        return Ok(format!("{serving} is in service already"));
    }
    match put_backup_in_service(app, reason) {
        Ok(backup) => Ok(format!("{backup} is in service")),
        // Whoever found it may have been faster between the look and this.
        Err(error) => match serves_instead(app, about, before)? {
            Some(serving) => Ok(format!("{serving} is in service already")),
            None => Err(error),
        },
    }
}

/// Returns what serves, if it is something else than before, or than the version that this is about:
/// whoever found it may have been faster.
fn serves_instead(app: &App, about: &str, before: &Before) -> Result<Option<VersionId>, AppError> {
    let was = before.get("in_service").map(String::as_str).unwrap_or_default();
    let another = |serving: &str| serving != was || !about.is_empty() && serving != about;
    Ok(app.registry.in_service()?.filter(|serving| another(serving.as_str())))
}

/// Puts the backup into service. One that does not load is taken away, and the next one tried.
fn put_backup_in_service(app: &App, reason: &str) -> Result<VersionId, AppError> {
    let mut last = None;
    while let Some(backup) = app.registry.backup()?
        && last.as_ref() != Some(&backup)
    {
        if load_once(app, &backup).is_ok() {
            let (system, version) = (Caller::system(), backup.as_str());
            match app.registry.show(&backup)?.status {
                Status::Released => promote_model(app, &system, version, reason)?,
                _ => roll_back_model(app, &system, Some(version), reason)?,
            };
            return Ok(backup);
        }
        last = Some(backup);
    }
    Err(AppError::refused("backup-none", "no version stands by that loads")
        .hint("`twinkeep model backup VERSION --reason TEXT` names one"))
}

/// Puts an alert into the outbox for whoever is to be told; the same one, if this is done again.
fn notify(app: &App, number: u64) -> Result<String, AppError> {
    let incident = load(app, number)?;
    let contains = |step: &&Step| step.measure.action.contains();
    let done = |step: &Step| step.state == StepState::Done;
    let waits = incident.steps.iter().filter(contains).any(|step| step.state.is_pending());
    let partly = incident.lacks_what_failed() || waits || incident.is_cut_short();
    let stage = match (partly, incident.steps.iter().filter(contains).any(done)) {
        (true, _) => AlertStage::NotContained,
        (false, true) => AlertStage::Contained,
        (false, false) => AlertStage::Noticed,
    };
    let queued = queue_alert(app, &Alert::of(number, &incident, stage))?;
    if !queued.not_sent.is_empty() {
        let of = queued.ids.len() + queued.not_sent.len();
        let attempt = format!(
            "{} of {of} alerts found no room in the outbox, and are not sent",
            queued.not_sent.len()
        );
        return Err(AppError::environment("alerts-full", attempt)
            .hint("`twinkeep alert list` says why what waits is not delivered"));
    }
    Ok(match queued.ids.len() {
        0 => "nobody is to be told of this: no `[[alert]]` speaks at its severity".to_owned(),
        1 => "one alert waits to be delivered".to_owned(),
        count => format!("{count} alerts wait to be delivered"),
    })
}

/// Returns what an action means on the host.
pub(super) fn host_order(measure: &Measure) -> Result<HostOrder, AppError> {
    let Measure { action, on } = measure;
    match action {
        Action::DropPort => HostOrder::drop_port(on).ok_or_else(|| {
            AppError::usage("port-name", "this names no port").hint("as in `tcp/8443`")
        }),
        Action::FreezeService => Ok(HostOrder::FreezeService { name: on.clone() }),
        _ => Ok(HostOrder::StopService { name: on.clone() }),
    }
}

/// Keeps digests of what an incident is about, and where the ledger stands.
fn preserve(app: &App, number: u64) -> Result<String, AppError> {
    let incident = load(app, number)?;
    let mut evidence: Vec<(String, String)> = Vec::new();
    let checkpoint = app.ledger_view()?.checkpoint().checkpoint;
    let ledger = format!("ledger-of-{}", checkpoint.size);
    evidence.push((ledger, format!("sha256:{}", to_hex(&checkpoint.root))));
    for model in &incident.models {
        evidence.extend(files_of_model(app, model));
    }
    let id = incident_id(number);
    let kept = preserve_evidence(app, &id, &files_concerned(app, &incident))?;
    evidence.push(("evidence".to_owned(), kept.digest));
    let count = evidence.len();
    let (models, learned) = concerned::models(app, &incident);
    change(app, number, &mut |incident| {
        incident.models.extend(models.iter().cloned());
        incident.training_subjects.extend(learned.clone());
        for (name, digest) in &evidence {
            // What was there first is the evidence: what lies there later may be changed by us.
            incident.evidence.entry(name.clone()).or_insert_with(|| digest.clone());
        }
    })?;
    Ok(format!(
        "{count} digests are kept, and sealed what was there: {} files, open in {} programs",
        kept.files, kept.open
    ))
}

/// Returns the files that an incident is about, wherever they lie.
fn files_concerned(app: &App, incident: &Incident) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for place in incident.models.iter().flat_map(|model| places(app, model)) {
        let found = std::fs::read_dir(place).into_iter().flatten().flatten();
        files.extend(found.take(FILE_COUNT_MAX).map(|file| file.path()));
    }
    if let Target::File(name) = &incident.target {
        // As the watch has it: a path within the keep, and none that leads out of it.
        let path = Path::new(name);
        let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
        files.extend(plain.then(|| app.layout.root().join(path)));
    }
    files
}

/// Returns where the files of a model may lie.
fn places(app: &App, model: &str) -> Vec<PathBuf> {
    let models = app.layout.models();
    match ModelId::parse(model) {
        Some(ModelId::Version(id)) => {
            vec![models.join(id.as_str()), models.join("quarantine").join(id.as_str())]
        }
        Some(ModelId::Import(id)) => vec![models.join("imports").join(id.as_str())],
        None => Vec::new(),
    }
}

/// Returns the digests of a model's files, wherever it lies. What cannot be read, or is too large,
/// has none.
fn files_of_model(app: &App, model: &str) -> Vec<(String, String)> {
    let places = places(app, model);
    let files = places.iter().filter_map(|place| std::fs::read_dir(place).ok()).flatten().flatten();
    let files: Vec<PathBuf> = files.take(FILE_COUNT_MAX).map(|file| file.path()).collect();
    let named = |(path, digest): (PathBuf, String)| {
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        (format!("{model}/{file}"), digest)
    };
    let mut digests: Vec<_> = digests_of(&files).into_iter().map(named).collect();
    digests.sort();
    digests
}

fn holders(app: &App, measure: &Measure) -> Result<String, AppError> {
    let holders: Vec<String> = app.holders(measure)?.into_iter().collect();
    Ok(holders.join(" "))
}

fn is_held(app: &App, feed: &str) -> Result<bool, AppError> {
    Ok(parse_feed(app, feed)?.state != FeedState::Admitted)
}

pub(crate) fn is_quarantined(app: &App, model: &str) -> Result<bool, AppError> {
    match ModelId::parse(model) {
        // Others are in quarantine because nobody who is trusted signed them: that may change.
        Some(ModelId::Import(id)) => Ok(app.registry.show_import(&id)?.held),
        _ => Ok(app.registry.show(&parse_version(model)?)?.status == Status::Quarantined),
    }
}

fn is_revoked(app: &App, identity: &str) -> Result<bool, AppError> {
    if let Some(id) = identity.strip_prefix(CALLER_PREFIX) {
        let keys = app.store.api_keys()?;
        return Ok(keys.iter().any(|key| key.id == id && key.revoked_at.is_some()));
    }
    let Some(id) = identity.strip_prefix(CERTIFICATE_PREFIX) else { return Ok(false) };
    let known = app.known_certificates()?;
    Ok(known.records.values().any(|record| record.id == id && record.revoked_at.is_some()))
}

fn revoke(app: &App, identity: &str) -> Result<(), AppError> {
    let system = Caller::system();
    match identity.strip_prefix(CALLER_PREFIX) {
        Some(id) => revoke_api_key(app, &system, id),
        None => {
            let id = identity.strip_prefix(CERTIFICATE_PREFIX).unwrap_or_default();
            revoke_certificate(app, &system, id).map(drop)
        }
    }
}

fn require_credential(app: &App, identity: &str) -> Result<(), AppError> {
    let known =
        match (identity.strip_prefix(CALLER_PREFIX), identity.strip_prefix(CERTIFICATE_PREFIX)) {
            (Some(id), _) => app.store.api_keys()?.iter().any(|key| key.id == id),
            (_, Some(id)) => app.known_certificates()?.records.values().any(|it| it.id == id),
            _ => false,
        };
    match known {
        true => Ok(()),
        false => {
            Err(AppError::refused("credential-unknown", "this keep issued no such credential")
                .hint("a key is `key:ID`, and a certificate `cert:ID`"))
        }
    }
}

/// A playbook that names somebody does not shut out the last one who may administer either.
fn require_another_administrator(app: &App, identity: &str) -> Result<(), AppError> {
    match app.is_last_administrator(identity)? {
        false => Ok(()),
        true => Err(AppError::refused("last-way-in", "nobody else may administer from elsewhere")),
    }
}

/// Refuses what names nobody who calls.
pub(crate) fn require_identity(identity: &str) -> Result<(), AppError> {
    let plain = identity.bytes().all(|byte| byte.is_ascii_graphic());
    let (kind, name) = identity.split_once(':').unwrap_or_default();
    let known = ["key", "token", "cert"].contains(&kind) && !name.is_empty();
    if plain && known && identity.len() <= NAME_LEN_MAX {
        return Ok(());
    }
    Err(AppError::usage("identity-name", "this names nobody who calls")
        .hint("as the ledger has it: `key:...`, `token:...`, or `cert:...`"))
}

/// Refuses what names no route.
pub(crate) fn require_route(route: &str) -> Result<(), AppError> {
    let plain = route.bytes().all(|byte| byte.is_ascii_graphic());
    if plain && route.len() <= NAME_LEN_MAX && route.starts_with('/') {
        return Ok(());
    }
    Err(AppError::usage("route-name", "this names no route")
        .hint("as the API has it: `/api/v1/predict`, `/api/v1/twins/{id}/forecast`"))
}

const NAME_LEN_MAX: usize = 200;

/// A version has some ten.
const FILE_COUNT_MAX: usize = 50;
