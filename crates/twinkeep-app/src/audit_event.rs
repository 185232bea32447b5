//! An audit entry as a FHIR R4 `AuditEvent`, for whoever collects those of a hospital's systems.
//!
//! Each entry becomes one resource; what FHIR has no place for is an entity with details. The
//! person is named by the keyed reference, as everywhere outside the keep's catalog.

use serde_json::{Value, json};
use twinkeep_domain::Timestamp;
use twinkeep_ledger::{Activity, Class, Detail, Entry, Outcome};

/// Returns the resource. `origin` is the name of the ledger, `index` that of the entry in it.
pub(crate) fn audit_event(origin: &str, index: u64, entry: &Entry) -> Value {
    let time = Timestamp::from_micros(entry.time_ms.saturating_mul(1000));
    let (failed, description) = match &entry.outcome {
        Outcome::Success => (false, None),
        Outcome::Failure { code } => (true, Some(code)),
    };
    let mut resource = json!({
        "resourceType": "AuditEvent",
        "id": format!("entry-{index}"),
        "type": kind(entry.class),
        "subtype": [{"system": ACTIONS, "code": entry.action}],
        "action": action(entry.activity),
        "recorded": instant(time),
        // 4: a minor failure; nothing was lost, and the system goes on.
        "outcome": if failed { "4" } else { "0" },
        "agent": [{"who": {"identifier": {"system": origin, "value": entry.actor}}, "requestor": true}],
        "source": {
            "site": origin,
            "observer": {"display": "Twinkeep", "identifier": {"value": origin}},
            "type": [{"system": SOURCE_TYPES, "code": "4", "display": "Application Server"}],
        },
    });
    if let Some(code) = description {
        resource["outcomeDesc"] = json!(code);
    }
    let entities: Vec<Value> = person(origin, entry).into_iter().chain(details(entry)).collect();
    if !entities.is_empty() {
        resource["entity"] = json!(entities);
    }
    resource
}

/// The kinds that the standard's value set has and that fit best.
fn kind(class: Class) -> Value {
    let (system, code, display) = match class {
        Class::ApiActivity => (EVENT_TYPES, "rest", "RESTful Operation"),
        Class::Authentication => (DICOM, "110114", "User Authentication"),
        Class::DatastoreActivity => (DICOM, "110110", "Patient Record"),
        Class::DetectionFinding => (DICOM, "110113", "Security Alert"),
        Class::FileSystemActivity => (DICOM, "110113", "Security Alert"),
        Class::EntityManagement | Class::ApplicationLifecycle => {
            (DICOM, "110100", "Application Activity")
        }
    };
    json!({"system": system, "code": code, "display": display})
}

fn action(activity: Activity) -> &'static str {
    match activity {
        Activity::Create => "C",
        Activity::Read | Activity::Open => "R",
        Activity::Update | Activity::Rename | Activity::Attribute => "U",
        Activity::Delete => "D",
        Activity::Start | Activity::Stop | Activity::Logon | Activity::Logoff | Activity::Other => {
            "E"
        }
    }
}

fn person(origin: &str, entry: &Entry) -> Option<Value> {
    let reference = entry.subject.as_ref()?;
    Some(json!({
        "what": {"identifier": {"system": origin, "value": reference}},
        "type": {"system": ENTITY_TYPES, "code": "1", "display": "Person"},
        "role": {"system": ENTITY_ROLES, "code": "1", "display": "Patient"},
    }))
}

fn details(entry: &Entry) -> Option<Value> {
    let detail = |(name, detail): (&String, &Detail)| match detail {
        Detail::Text(text) => json!({"type": name, "valueString": text}),
        Detail::Number(number) => json!({"type": name, "valueString": number.to_string()}),
    };
    let details: Vec<Value> = entry.details.iter().filter(|it| written(it.1)).map(detail).collect();
    (!details.is_empty()).then(|| {
        json!({
            "type": {"system": ENTITY_TYPES, "code": "4", "display": "Other"},
            "detail": details,
        })
    })
}

/// FHIR has no empty strings.
fn written(detail: &Detail) -> bool {
    !matches!(detail, Detail::Text(text) if text.trim().is_empty())
}

/// An `instant` has a fraction; entries have milliseconds.
fn instant(time: Timestamp) -> String {
    let text = crate::time_text::rfc3339(time);
    let milliseconds = time.micros().rem_euclid(1_000_000) / 1000;
    text.strip_suffix('Z').map_or(text.clone(), |text| format!("{text}.{milliseconds:03}Z"))
}

/// A name, not a place: the actions of our entries.
const ACTIONS: &str = "https://twinkeep.local/audit-action";

const DICOM: &str = "http://dicom.nema.org/resources/ontology/DCM";

const EVENT_TYPES: &str = "http://terminology.hl7.org/CodeSystem/audit-event-type";

const SOURCE_TYPES: &str = "http://terminology.hl7.org/CodeSystem/security-source-type";

const ENTITY_TYPES: &str = "http://terminology.hl7.org/CodeSystem/audit-entity-type";

const ENTITY_ROLES: &str = "http://terminology.hl7.org/CodeSystem/object-role";

#[cfg(test)]
mod tests {
    use serde_json::json;
    use twinkeep_ledger::{Activity, Class, Entry};

    use super::audit_event;

    #[test]
    fn an_entry_is_an_audit_event_with_all_that_fhir_requires() {
        let class = Class::DatastoreActivity;
        let entry = Entry::new(1_795_348_800_123, class, Activity::Read, "twin.forecast", "key:a")
            .about("00112233445566778899aabbccddeeff")
            .with("count", 3)
            .with("empty", "")
            .failed("model-none");
        let event = audit_event("twinkeep.local/keep/x", 7, &entry);
        assert_eq!(event["resourceType"], "AuditEvent");
        assert_eq!(event["recorded"], "2026-11-22T12:00:00.123Z");
        assert_eq!((&event["action"], &event["outcome"]), (&json!("R"), &json!("4")));
        assert_eq!(event["outcomeDesc"], "model-none");
        assert_eq!(event["type"]["code"], "110110");
        assert_eq!(event["agent"][0]["requestor"], true);
        assert_eq!(event["source"]["observer"]["identifier"]["value"], "twinkeep.local/keep/x");
        let person = &event["entity"][0]["what"]["identifier"]["value"];
        assert_eq!(person, "00112233445566778899aabbccddeeff");
        assert_eq!(event["entity"][1]["detail"], json!([{"type": "count", "valueString": "3"}]));
        let plain = Entry::new(0, Class::ApiActivity, Activity::Read, "predict", "operator");
        let event = audit_event("o", 0, &plain);
        assert!(event.get("entity").is_none() && event.get("outcomeDesc").is_none());
        assert_eq!(event["recorded"], "1970-01-01T00:00:00.000Z");
    }
}
