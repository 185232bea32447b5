//! An alert as an event of the Open Cybersecurity Schema Framework, version 1.5.
//!
//! <https://schema.ocsf.io/1.5.0>: an Incident Finding (2005) where there is an incident, else a
//! Detection Finding (2004). What OCSF has no field for is under `unmapped`.

use serde_json::{Map, Value, json};
use twinkeep_watch::Severity;

use super::words::{about, detector_name, found, kind_and_name, line, stage_name};
use super::{Alert, AlertStage};

/// Whose alert it is.
pub(super) struct Origin<'a> {
    /// The id of the alert.
    pub(super) id: &'a str,
    /// The name of the keep's ledger.
    pub(super) keep: &'a str,
    /// When it was put into the outbox, in microseconds since 1970.
    pub(super) queued_us: i64,
}

/// Writes the event.
pub(super) fn event(alert: &Alert, origin: &Origin<'_>) -> Value {
    let class = if alert.incident.is_some() { INCIDENT_FINDING } else { DETECTION_FINDING };
    let activity = activity(alert.stage);
    let (severity_id, severity) = severity(alert.severity);
    let (status_id, status) = status(alert.stage);
    let mut event = json!({
        "activity_id": activity.0,
        "activity_name": activity.1,
        "category_uid": 2,
        "category_name": "Findings",
        "class_uid": class.0,
        "class_name": class.1,
        "type_uid": class.0 * 100 + activity.0,
        "type_name": format!("{}: {}", class.1, activity.1),
        "severity_id": severity_id,
        "severity": severity,
        "status_id": status_id,
        "status": status,
        "time": milliseconds(origin.queued_us),
        "start_time": milliseconds(alert.began_us),
        "message": line(alert),
        "metadata": {
            "version": "1.5.0",
            "uid": origin.id,
            "log_name": origin.keep,
            "product": {
                "name": "Twinkeep",
                "vendor_name": "Twinkeep",
                "version": env!("CARGO_PKG_VERSION"),
            },
        },
        "unmapped": unmapped(alert),
    });
    if let Value::Object(fields) = &mut event {
        describe(fields, alert, origin);
    }
    event
}

/// Adds what the two classes call otherwise.
fn describe(fields: &mut Map<String, Value>, alert: &Alert, origin: &Origin<'_>) {
    let finding = json!({
        "uid": alert.incident.as_deref().unwrap_or(origin.id),
        "title": found(alert.detector),
        "desc": line(alert),
        "types": [detector_name(alert.detector)],
        "created_time": milliseconds(alert.seen_us),
        "first_seen_time": milliseconds(alert.began_us),
        "last_seen_time": milliseconds(alert.seen_us),
        "analytic": {
            "uid": detector_name(alert.detector),
            "name": detector_name(alert.detector),
            "type_id": 1,
            "type": "Rule",
        },
    });
    if alert.incident.is_some() {
        fields.insert("finding_info_list".to_owned(), json!([finding]));
        fields.insert("desc".to_owned(), json!(line(alert)));
    } else {
        fields.insert("finding_info".to_owned(), finding);
        let (kind, name) = kind_and_name(&alert.target);
        let mut resource = json!({ "type": kind });
        if !name.is_empty() {
            resource["uid"] = json!(name);
            resource["name"] = json!(name);
        }
        fields.insert("resources".to_owned(), json!([resource]));
    }
}

fn unmapped(alert: &Alert) -> Value {
    json!({
        "stage": stage_name(alert.stage),
        "detector": detector_name(alert.detector),
        "target": about(&alert.target),
        "incident": alert.incident,
        "figures": alert.figures,
        "subjects": alert.subjects,
        "actions": alert.actions,
    })
}

fn activity(stage: AlertStage) -> (u32, &'static str) {
    match stage {
        AlertStage::Noticed | AlertStage::Test => (1, "Create"),
        AlertStage::Contained | AlertStage::NotContained => (2, "Update"),
        AlertStage::Closed => (3, "Close"),
    }
}

fn status(stage: AlertStage) -> (u32, &'static str) {
    match stage {
        AlertStage::Noticed | AlertStage::Test => (1, "New"),
        AlertStage::Contained | AlertStage::NotContained => (2, "In Progress"),
        AlertStage::Closed => (4, "Resolved"),
    }
}

fn severity(severity: Severity) -> (u32, &'static str) {
    match severity {
        Severity::Informational => (1, "Informational"),
        Severity::Low => (2, "Low"),
        Severity::Medium => (3, "Medium"),
        Severity::High => (4, "High"),
        Severity::Critical => (5, "Critical"),
    }
}

fn milliseconds(micros: i64) -> i64 {
    micros.div_euclid(1000)
}

const DETECTION_FINDING: (u32, &str) = (2004, "Detection Finding");

const INCIDENT_FINDING: (u32, &str) = (2005, "Incident Finding");
