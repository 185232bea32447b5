//! The OCSF form of an entry, and back.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{Activity, Class, Detail, Entry, EntryError, Outcome, Severity};

/// Returns the entry as an OCSF event.
pub(super) fn to_json(entry: &Entry) -> Value {
    let class_uid = class_uid(entry.class);
    let activity_id = activity_id(entry.class, entry.activity);
    let mut event = json!({
        "activity_id": activity_id,
        "actor": {"user": {"uid": entry.actor}},
        "category_uid": class_uid / 1000,
        "class_uid": class_uid,
        "metadata": {
            "event_code": entry.action,
            "product": {"name": PRODUCT, "vendor_name": PRODUCT},
            "version": OCSF_VERSION,
        },
        "severity_id": severity_id(entry.severity),
        "status_id": 1,
        "time": entry.time_ms,
        "type_uid": class_uid * 100 + activity_id,
        "unmapped": {"activity": activity_name(entry.activity)},
    });
    if let Outcome::Failure { code } = &entry.outcome {
        event["status_id"] = json!(2);
        event["status_code"] = json!(code);
    }
    if let Some(subject) = &entry.subject {
        event["unmapped"]["subject"] = json!(subject);
    }
    if !entry.details.is_empty() {
        event["unmapped"]["details"] = entry.details.iter().map(detail_to_json).collect();
    }
    for (name, value) in class_fields(entry) {
        event[name] = value;
    }
    event
}

/// Reads an OCSF event of ours. The caller compares its encoding with the bytes it came from, so
/// that fields not looked at here cannot differ.
pub(super) fn from_json(json: &Value) -> Result<Entry, EntryError> {
    let malformed = EntryError::Encoding { problem: "a field is missing or malformed" };
    read(json).ok_or(malformed)
}

fn read(json: &Value) -> Option<Entry> {
    let unmapped = &json["unmapped"];
    let class_number = json["class_uid"].as_i64()?;
    let class = CLASSES.iter().copied().find(|class| class_uid(*class) == class_number)?;
    let activity_text = unmapped["activity"].as_str()?;
    let activity =
        ACTIVITIES.iter().copied().find(|activity| activity_name(*activity) == activity_text)?;
    let severity_number = json["severity_id"].as_i64()?;
    let severity =
        SEVERITIES.iter().copied().find(|severity| severity_id(*severity) == severity_number)?;
    let outcome = match json["status_id"].as_i64()? {
        1 => Outcome::Success,
        2 => Outcome::Failure { code: json["status_code"].as_str()?.to_owned() },
        _ => return None,
    };
    let details = match &unmapped["details"] {
        Value::Null => BTreeMap::new(),
        details => details.as_object()?.iter().map(detail_from_json).collect::<Option<_>>()?,
    };
    Some(Entry {
        time_ms: json["time"].as_i64()?,
        class,
        activity,
        action: json["metadata"]["event_code"].as_str()?.to_owned(),
        actor: json["actor"]["user"]["uid"].as_str()?.to_owned(),
        severity,
        outcome,
        subject: unmapped["subject"].as_str().map(str::to_owned),
        details,
    })
}

/// The fields that OCSF requires of a class, as far as they mean something here.
fn class_fields(entry: &Entry) -> Map<String, Value> {
    let fields = match entry.class {
        Class::ApiActivity => json!({
            "api": {"operation": entry.action},
            "src_endpoint": {"uid": entry.actor},
        }),
        Class::Authentication => json!({
            "service": {"name": PRODUCT},
            "user": {"uid": entry.actor},
        }),
        Class::EntityManagement => json!({"entity": {"name": entry.action}}),
        Class::ApplicationLifecycle => json!({"app": {"name": PRODUCT, "vendor_name": PRODUCT}}),
        Class::DatastoreActivity => json!({
            "database": {"name": PRODUCT, "type_id": 99},
            "src_endpoint": {"uid": entry.actor},
        }),
        Class::FileSystemActivity => json!({
            "actor": {"process": process(entry), "user": {"uid": entry.actor}},
            "device": {"type_id": 0},
            "file": {"name": text(entry, "file"), "type_id": 1},
        }),
        Class::DetectionFinding => json!({
            "finding_info": {"title": entry.action, "uid": entry.action},
        }),
    };
    match fields {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

/// The process of an entry about a file, as far as it is known.
fn process(entry: &Entry) -> Value {
    let mut process = json!({
        "file": {"path": text(entry, "executable"), "name": text(entry, "process"), "type_id": 1},
        "name": text(entry, "process"),
    });
    if let Some(Detail::Number(pid)) = entry.details.get("pid") {
        process["pid"] = json!(pid);
    }
    process
}

fn text<'a>(entry: &'a Entry, name: &str) -> &'a str {
    match entry.details.get(name) {
        Some(Detail::Text(text)) => text,
        _ => "",
    }
}

fn detail_to_json((name, detail): (&String, &Detail)) -> (String, Value) {
    let value = match detail {
        Detail::Text(text) => json!(text),
        Detail::Number(number) => json!(number),
    };
    (name.clone(), value)
}

fn detail_from_json((name, value): (&String, &Value)) -> Option<(String, Detail)> {
    let detail = match value {
        Value::String(text) => Detail::Text(text.clone()),
        number => Detail::Number(number.as_i64()?),
    };
    Some((name.clone(), detail))
}

fn class_uid(class: Class) -> i64 {
    match class {
        Class::FileSystemActivity => 1001,
        Class::DetectionFinding => 2004,
        Class::Authentication => 3002,
        Class::EntityManagement => 3004,
        Class::ApplicationLifecycle => 6002,
        Class::ApiActivity => 6003,
        Class::DatastoreActivity => 6005,
    }
}

fn severity_id(severity: Severity) -> i64 {
    match severity {
        Severity::Informational => 1,
        Severity::Low => 2,
        Severity::Medium => 3,
        Severity::High => 4,
        Severity::Critical => 5,
    }
}

fn activity_name(activity: Activity) -> &'static str {
    match activity {
        Activity::Create => "create",
        Activity::Read => "read",
        Activity::Update => "update",
        Activity::Delete => "delete",
        Activity::Start => "start",
        Activity::Stop => "stop",
        Activity::Logon => "logon",
        Activity::Logoff => "logoff",
        Activity::Open => "open",
        Activity::Rename => "rename",
        Activity::Attribute => "attribute",
        Activity::Other => "other",
    }
}

/// Each class of OCSF numbers its activities on its own; 99 is "other" in all of them.
fn activity_id(class: Class, activity: Activity) -> i64 {
    match (class, activity) {
        (Class::ApiActivity | Class::EntityManagement, Activity::Create) => 1,
        (Class::ApiActivity | Class::EntityManagement, Activity::Read) => 2,
        (Class::ApiActivity | Class::EntityManagement, Activity::Update) => 3,
        (Class::ApiActivity | Class::EntityManagement, Activity::Delete) => 4,
        (Class::FileSystemActivity, Activity::Create) => 1,
        (Class::FileSystemActivity, Activity::Read) => 2,
        (Class::FileSystemActivity, Activity::Update) => 3,
        (Class::FileSystemActivity, Activity::Delete) => 4,
        (Class::FileSystemActivity, Activity::Rename) => 5,
        (Class::FileSystemActivity, Activity::Attribute) => 6,
        (Class::FileSystemActivity, Activity::Open) => 14,
        (Class::DatastoreActivity, Activity::Read) => 1,
        (Class::DatastoreActivity, Activity::Update) => 2,
        (Class::DatastoreActivity, Activity::Create) => 6,
        (Class::DatastoreActivity, Activity::Delete) => 7,
        (Class::Authentication, Activity::Logon) => 1,
        (Class::Authentication, Activity::Logoff) => 2,
        (Class::ApplicationLifecycle, Activity::Start) => 3,
        (Class::ApplicationLifecycle, Activity::Stop) => 4,
        (Class::ApplicationLifecycle, Activity::Update) => 8,
        (Class::DetectionFinding, Activity::Create) => 1,
        (Class::DetectionFinding, Activity::Update) => 2,
        (Class::DetectionFinding, Activity::Stop) => 3,
        _ => 99,
    }
}

const CLASSES: &[Class] = &[
    Class::FileSystemActivity,
    Class::DetectionFinding,
    Class::Authentication,
    Class::EntityManagement,
    Class::ApplicationLifecycle,
    Class::ApiActivity,
    Class::DatastoreActivity,
];

const SEVERITIES: &[Severity] =
    &[Severity::Informational, Severity::Low, Severity::Medium, Severity::High, Severity::Critical];

pub(super) const ACTIVITIES: &[Activity] = &[
    Activity::Create,
    Activity::Read,
    Activity::Update,
    Activity::Delete,
    Activity::Start,
    Activity::Stop,
    Activity::Logon,
    Activity::Logoff,
    Activity::Open,
    Activity::Rename,
    Activity::Attribute,
    Activity::Other,
];

const PRODUCT: &str = "Twinkeep";

/// The version of OCSF that the field names are from.
const OCSF_VERSION: &str = "1.5.0";
