//! What an alert says, in words: for people, and as the names that programs sort by.

use twinkeep_watch::{Detector, Severity, Target};

use super::{Alert, AlertStage};

/// Takes out what could lead to a person: whoever calls may be a token about somebody, an address
/// is somebody's, and a file may be named after them.
pub(super) fn without_people(alert: &Alert) -> Alert {
    let target = match &alert.target {
        Target::Identity(name) => Target::Identity(kind_of(name).to_owned()),
        Target::Address(_) => Target::Address(String::new()),
        Target::File(_) => Target::File(String::new()),
        Target::Model(name) => Target::Model(plain(name)),
        Target::Feed(name) => Target::Feed(plain(name)),
        Target::Route(name) => Target::Route(plain(name)),
        Target::Keep => Target::Keep,
    };
    Alert {
        target,
        figures: alert
            .figures
            .iter()
            .filter(|(_, value)| value.is_finite())
            .take(FIGURE_COUNT_MAX)
            .map(|(name, value)| (plain(name), *value))
            .collect(),
        actions: alert.actions.iter().take(ACTION_COUNT_MAX).map(|it| plain(it)).collect(),
        incident: alert.incident.as_deref().map(plain),
        ..alert.clone()
    }
}

/// Says it in one line.
pub(super) fn line(alert: &Alert) -> String {
    let about = about(&alert.target);
    let what = match alert.stage {
        AlertStage::Test => return "a test of this way of telling: nothing is wrong".to_owned(),
        AlertStage::Noticed => "noticed",
        AlertStage::Contained => "contained",
        AlertStage::NotContained => "NOT contained",
        AlertStage::Closed => "closed",
    };
    let found = found(alert.detector);
    format!("{found} ({about}); {}, {what}", severity_name(alert.severity))
}

/// Says it in lines, with the next step.
pub(super) fn text(alert: &Alert, keep: &str) -> String {
    let time = |us| crate::rfc3339(twinkeep_domain::Timestamp::from_micros(us));
    let mut lines = vec![format!("{}.", line(alert)), String::new()];
    let mut fact = |name: &str, value: String| lines.push(format!("{name:<12}{value}"));
    if let Some(incident) = &alert.incident {
        fact("incident", incident.clone());
    }
    fact("detector", detector_name(alert.detector).to_owned());
    fact("about", about(&alert.target));
    fact("severity", severity_name(alert.severity).to_owned());
    fact("began", time(alert.began_us));
    fact("noticed", time(alert.seen_us));
    if alert.stage != AlertStage::Test {
        fact("people", format!("{} known to be concerned", alert.subjects));
    }
    if !alert.actions.is_empty() {
        fact("done", alert.actions.join(", "));
    }
    for (name, value) in &alert.figures {
        fact("measured", format!("{name} = {value}"));
    }
    fact("keep", keep.to_owned());
    lines.push(String::new());
    lines.push(match &alert.incident {
        Some(incident) => format!("More, where the keep is: twinkeep incident show {incident}"),
        None if alert.detector == Detector::Posture => {
            "More, where the keep is: twinkeep scan trend --last 2".to_owned()
        }
        None => "More, where the keep is: twinkeep ledger show".to_owned(),
    });
    lines.join("\n") + "\n"
}

/// What was found, by its kind.
pub(super) fn found(detector: Detector) -> &'static str {
    match detector {
        Detector::Drift => "inputs, forecasts, or errors are no longer as they were",
        Detector::FeedPoisoning => "a feed has too many rows that look poisoned",
        Detector::ModelPoisoning => "a candidate model is worse than its predecessor",
        Detector::ModelIntegrity => "a model version is not what was signed",
        Detector::ModelCanary => "a model version answers its canaries otherwise than when signed",
        Detector::FileAccess => "somebody other than the keep touched a watched file",
        Detector::Extraction => "somebody asks as one asks who copies the model",
        Detector::MembershipProbing => "somebody probes who was in the training data",
        Detector::AuthenticationFailures => "too many credentials were refused",
        Detector::UnusualAccess => "somebody reads as never before",
        Detector::BreakGlass => "somebody broke the glass",
        Detector::LedgerDisagreement => "witnesses have seen ledgers that cannot both be true",
        Detector::Posture => "a scan of the posture found what the one before did not",
        Detector::Drill => "an exercise: nothing is wrong",
    }
}

/// What it is about, without a name that could lead to a person.
pub(super) fn about(target: &Target) -> String {
    let (kind, name) = kind_and_name(target);
    if name.is_empty() { kind.to_owned() } else { format!("{kind} {name}") }
}

/// What it is about, by kind and name; the name is empty where it stays here.
pub(super) fn kind_and_name(target: &Target) -> (&'static str, &str) {
    match target {
        Target::Model(name) => ("model", name),
        Target::Feed(name) => ("feed", name),
        Target::Identity(name) => ("identity", name),
        Target::Address(name) => ("address", name),
        Target::Route(name) => ("route", name),
        Target::File(name) => ("file", name),
        Target::Keep => ("keep", ""),
    }
}

/// The name of a detector, as playbooks have it.
pub(super) fn detector_name(detector: Detector) -> &'static str {
    match detector {
        Detector::Drift => "drift",
        Detector::FeedPoisoning => "feed-poisoning",
        Detector::ModelPoisoning => "model-poisoning",
        Detector::ModelIntegrity => "model-integrity",
        Detector::ModelCanary => "model-canary",
        Detector::FileAccess => "file-access",
        Detector::Extraction => "extraction",
        Detector::MembershipProbing => "membership-probing",
        Detector::AuthenticationFailures => "authentication-failures",
        Detector::UnusualAccess => "unusual-access",
        Detector::BreakGlass => "break-glass",
        Detector::LedgerDisagreement => "ledger-disagreement",
        Detector::Posture => "posture",
        Detector::Drill => "drill",
    }
}

/// The name of a severity.
pub(super) fn severity_name(severity: Severity) -> &'static str {
    match severity {
        Severity::Informational => "informational",
        Severity::Low => "low",
        Severity::Medium => "medium",
        Severity::High => "high",
        Severity::Critical => "critical",
    }
}

/// The name of a stage.
pub(super) fn stage_name(stage: AlertStage) -> &'static str {
    match stage {
        AlertStage::Noticed => "noticed",
        AlertStage::Contained => "contained",
        AlertStage::NotContained => "not-contained",
        AlertStage::Closed => "closed",
        AlertStage::Test => "test",
    }
}

/// The kind of whoever calls: `key:4f2a` is a key, and `token:...` a token.
fn kind_of(name: &str) -> &str {
    ["key", "token", "cert"].into_iter().find(|kind| name.starts_with(kind)).unwrap_or_default()
}

/// A name as our own are: what is in none of them is not passed on.
fn plain(name: &str) -> String {
    let fine = |c: char| c.is_ascii_alphanumeric() || "-_./:{}".contains(c);
    name.chars().map(|c| if fine(c) { c } else { '?' }).take(NAME_LEN_MAX).collect()
}

/// What a person reads in a message.
const FIGURE_COUNT_MAX: usize = 20;

const ACTION_COUNT_MAX: usize = 50;

const NAME_LEN_MAX: usize = 100;
