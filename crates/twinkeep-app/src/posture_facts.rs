//! Use cases: say what the rules of the posture have to know of a keep, and record what a scan
//! found and what a fix changed.
//!
//! Nothing is changed here: a version that does not verify stays where it is, and is a fact.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;
use twinkeep_domain::Timestamp;
use twinkeep_ledger::{Activity, Class as EventClass, Severity};
use twinkeep_posture::collect::{keep_folder, tree};
use twinkeep_posture::facts::Known;
use twinkeep_posture::facts::keep::{Certificate, Holds, Keep as KeepFacts, Key, Model, Settings};
use twinkeep_posture::{Outcome, Report};
use twinkeep_registry::Status;
use twinkeep_vault::digest::{sha256, to_hex};

use crate::crypto_inventory::{CertificateLine, KeyLine, certificates, keys};
use crate::posture_evidence::{add_evidence, decisions, papers};
use crate::posture_snapshot::newest_snapshot;
use crate::recorded_scans::keep_report;
use crate::{
    App, AppError, Caller, ClientCertificateMode, Isolation, Keep, Layout, LedgerQuery,
    RetentionRequest, SearchWith, VerifyLedgerRequest, parse_rfc3339, search_ledger, verify_ledger,
    watch_retention,
};

/// What else is given to look at a keep.
#[derive(Clone, Copy, Debug, Default)]
pub struct PostureRequest<'a> {
    /// A checkpoint that a witness cosigned, and the public key of that witness.
    pub witnessed: Option<(&'a Path, &'a Path)>,
    /// Where this user's programs keep state.
    pub state_dir: Option<&'a Path>,
}

/// Says what is known of an open keep.
pub fn keep_facts(
    app: &App,
    caller: &Caller,
    request: PostureRequest<'_>,
) -> Result<KeepFacts, AppError> {
    let entry = app.entry(caller, EventClass::EntityManagement, Activity::Read, "keep.inspected");
    app.conclude(entry, inspect(app, request))
}

/// Says what can be seen of a keep from outside, if it does not open.
pub fn closed_keep_facts(root: &Path, now: Timestamp, why: &str) -> Result<KeepFacts, AppError> {
    let mut facts = files(&Layout::new(root), now)?;
    facts.closed = Some(why.to_owned());
    Ok(facts)
}

fn inspect(app: &App, request: PostureRequest<'_>) -> Result<KeepFacts, AppError> {
    let keep = Keep::find(app.layout().root())?;
    let now = app.now();
    let mut facts = files(app.layout(), now)?;
    facts.keys = keys(app, &keep, now)?.into_iter().filter_map(own_key).collect();
    // A certificate that cannot be read keeps nobody from seeing what else is wrong.
    let shown = certificates(app, now).unwrap_or_default();
    facts.certificates = shown.into_iter().map(certificate).collect();
    add_models(app, &mut facts)?;
    add_evidence(app, &mut facts);
    facts.settings = settings(app)?;
    let verified = |trusted: &[PathBuf], witnesses: &[PathBuf]| {
        let demand = VerifyLedgerRequest { trusted, witnesses, resume: None };
        let root = app.layout().root();
        match verify_ledger(root, request.state_dir, &demand, &mut |_, _| {}) {
            Ok(_) => Known::Seen(Holds::Yes),
            Err(error) if error.class() == crate::Class::Refused => {
                Known::Seen(Holds::No(error.code().to_owned()))
            }
            Err(error) => Known::Unknown(error.to_string()),
        }
    };
    facts.ledger = verified(&[], &[]);
    facts.witness = match request.witnessed {
        Some((checkpoint, key)) => verified(&[checkpoint.to_owned()], &[key.to_owned()]),
        None => Known::Unknown("no cosigned checkpoint was named".to_owned()),
    };
    let nowhere = RetentionRequest { log: Path::new(""), conf: Path::new("") };
    facts.retention_days = match watch_retention(app.layout().root(), nowhere, now) {
        Ok(report) => Known::Seen(report.ledger.days),
        Err(error) => Known::Unknown(error.to_string()),
    };
    for action in RECURRING {
        if let Some(last) = last(app, action)? {
            facts.last.insert((*action).to_owned(), last.micros());
        }
    }
    facts.snapshot = newest_snapshot(app)?;
    Ok(facts)
}

/// The actions that have to be done again and again.
const RECURRING: &[&str] =
    &["drift.checked", "feed.influence", "keep.snapshotted", "keyring.backed-up"];

fn files(layout: &Layout, now: Timestamp) -> Result<KeepFacts, AppError> {
    // The same names wherever it is asked from: a trend and an alert go by them.
    let root = &std::path::absolute(layout.root()).unwrap_or_else(|_| layout.root().to_owned());
    let mut facts = KeepFacts {
        root: root.display().to_string(),
        taken_us: now.micros(),
        owner_uid: twinkeep_vault::process::effective_user(),
        ..KeepFacts::default()
    };
    let walked = tree::walk(root, FILE_COUNT_MAX, &mut |file, path| {
        if keep_folder::is_shown(root, path) {
            facts.shown_files.push(file);
        } else {
            facts.files.push(file);
        }
    });
    match walked {
        Ok(false) => Ok(facts),
        Ok(true) => Err(AppError::environment(
            "posture-files",
            format!("`{}` has more than {FILE_COUNT_MAX} files", root.display()),
        )
        .hint("`twinkeep store compact` makes few large files of many small ones")),
        Err(error) => {
            let attempt = format!("cannot look at the files of `{}`", root.display());
            Err(AppError::environment("keep-read", attempt).because(error))
        }
    }
}

/// A keep with more files than this needs to be compacted first.
const FILE_COUNT_MAX: u64 = 1_000_000;

/// The age of other people's public keys is not ours to judge.
fn own_key(line: KeyLine) -> Option<Key> {
    (line.kind != "public").then_some(Key { name: line.name, age_days: line.age_days })
}

fn certificate(line: CertificateLine) -> Certificate {
    Certificate { name: line.subject, days_left: line.days_left }
}

/// Adds the versions that are not retired, and what is signed with those that verify.
fn add_models(app: &App, facts: &mut KeepFacts) -> Result<(), AppError> {
    let backup = app.registry.backup()?;
    let decided = decisions(app)?;
    let mut read = BTreeMap::new();
    for record in app.registry.list()?.iter().filter(|it| it.status != Status::Retired) {
        let version = record.id.to_string();
        let verified = match app.registry.load_to_measure(&record.id) {
            Ok(loaded) => {
                read.insert(version.clone(), papers(app, record, &loaded, &decided));
                Holds::Yes
            }
            Err(error) => Holds::No(error.code().to_owned()),
        };
        facts.models.push(Model {
            version,
            status: record.status.name().to_owned(),
            backup: backup.as_ref() == Some(&record.id),
            verified,
            attacked: record.attacks.iter().map(|attack| attack.kind.clone()).collect(),
        });
    }
    facts.papers = Known::Seen(read);
    Ok(())
}

fn settings(app: &App) -> Result<Settings, AppError> {
    let gate = &app.settings().gate;
    let mut danger = std::collections::BTreeSet::new();
    if gate.isolation == Isolation::DangerOff {
        danger.insert("gate.isolation".to_owned());
    }
    let client_certificates = match gate.client_certificates {
        ClientCertificateMode::Off => "off",
        ClientCertificateMode::Asked => "asked",
        ClientCertificateMode::Required => "required",
    };
    let (_, approvals_required) = app.registry.approvers()?;
    Ok(Settings {
        danger,
        listen: gate.listen.clone(),
        client_certificates: client_certificates.to_owned(),
        rate_per_second: gate.rate_per_second,
        total_rate_per_second: gate.total_rate_per_second,
        // One that is for some callers bounds nothing for all others.
        budgets: app.settings().budgets.iter().filter(|it| it.callers == "*").count(),
        deidentify: app.settings().intake.deidentify.is_some(),
        approvals_required,
    })
}

/// When something was done last, as the ledger has it.
pub(crate) fn last(app: &App, action: &str) -> Result<Option<Timestamp>, AppError> {
    let query = LedgerQuery {
        action: Some(action.to_owned()),
        outcome: Some("success".to_owned()),
        ..LedgerQuery::default()
    };
    let found = search_ledger(app.layout().root(), &query, SearchWith::Index, 1)?;
    Ok(found.last().and_then(|line| parse_rfc3339(&line.time)))
}

/// Records what a scan found, with the digest of its report, and keeps the report.
pub fn record_scan(app: &App, caller: &Caller, report: &Report) -> Result<u64, AppError> {
    let class = EventClass::DetectionFinding;
    let [failed, not_checked, passed, _] = report.counts().map(|(_, count)| count as i64);
    let targets: Vec<&str> = report.targets.iter().map(String::as_str).collect();
    let mut entry = app
        .entry(caller, class, Activity::Create, "posture.scanned")
        .with("targets", targets.join(" ").as_str())
        .with("failed", failed)
        .with("not_checked", not_checked)
        .with("passed", passed)
        .with("report_sha256", keep_report(app.layout(), report)?.as_str());
    entry = report.scope.iter().fold(entry, |entry, scope| entry.with("scope", scope.as_str()));
    if let (Some(profile), Some(score)) = (report.profile, report.score) {
        entry = entry
            .with("profile", profile.word())
            .with("requirements_met", score.met as i64)
            .with("requirements", score.of as i64);
    }
    let worst = report.findings.iter().find(|it| matches!(it.outcome, Outcome::Fail { .. }));
    let severity = match worst.map(|it| it.severity) {
        Some(twinkeep_posture::Severity::Critical | twinkeep_posture::Severity::High) => {
            Severity::High
        }
        Some(_) => Severity::Medium,
        None => Severity::Informational,
    };
    app.record_at(&entry.severity(severity))
}

/// Records that changes of a plan were made or taken back, with the digest of the journal.
pub fn record_fix(
    app: &App,
    caller: &Caller,
    action: FixAction,
    journal: &twinkeep_posture::fix::Journal,
) -> Result<u64, AppError> {
    let (name, activity) = match action {
        FixAction::Applied => ("posture.applied", Activity::Update),
        FixAction::RolledBack => ("posture.rolled-back", Activity::Update),
    };
    let entry = app
        .entry(caller, EventClass::EntityManagement, activity, name)
        .with("changes", journal.steps.len() as i64)
        .with("journal_sha256", digest(journal)?.as_str());
    app.record_at(&entry.severity(Severity::Medium))
}

/// What was done with a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FixAction {
    /// Its changes were made.
    Applied,
    /// They were taken back.
    RolledBack,
}

fn digest<T: Serialize>(of: &T) -> Result<String, AppError> {
    let text = serde_json::to_vec(of)
        .map_err(|error| AppError::environment("json", "cannot write a report").because(error))?;
    Ok(to_hex(&sha256(&text)))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use twinkeep_posture::collect::keep_folder::SHOWN;

    use crate::Layout;

    #[test]
    fn what_others_may_read_is_where_the_layout_has_it() {
        let layout = Layout::new(Path::new("keep"));
        let mut known = [
            layout.descriptor(),
            layout.config(),
            layout.pack(),
            layout.policy(),
            layout.drift(),
            layout.public(),
            layout.playbooks(),
        ];
        known.sort();
        let mut shown = SHOWN.map(|name| layout.root().join(name));
        shown.sort();
        assert_eq!(shown, known);
    }
}
