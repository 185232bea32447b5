//! `POST /api/v1/events`: live events, durable when they are answered.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Request, Response};
use serde::Deserialize;
use twinkeep_app::{Caller, LIVE_EVENT_COUNT_MAX, LiveEvent, RecordRequest};
use twinkeep_vault::digest::sha256;

use crate::api::time::{TimeWire, same_kind};
use crate::gate::Gate;
use crate::json;
use crate::refusal::Refusal;
use crate::use_case;

/// The body of the request.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EventsWire {
    #[serde(default)]
    site: Option<String>,
    events: Vec<EventWire>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EventWire {
    subject: String,
    #[serde(default)]
    time: Option<TimeWire>,
    code: String,
    #[serde(default)]
    value: Option<f32>,
    #[serde(default)]
    unit: Option<String>,
    #[serde(default)]
    text: Option<String>,
}

/// Answers with what became of the events.
pub(crate) async fn record(
    State(gate): State<Arc<Gate>>,
    Extension(caller): Extension<Caller>,
    request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    json::require_type(request.headers(), "application/json")?;
    let name = idempotency_key(request.headers())?;
    let bytes = json::read_bytes(request, gate.body_limits()).await?;
    let wire: EventsWire = json::parse(&bytes)?;
    let request = wire.into_request(name.map(|name| (name, sha256(&bytes))))?;
    let answer =
        use_case::json(&gate, move |app| twinkeep_app::record_events(app, &caller, &request)).await;
    gate.streams.nudge();
    answer
}

impl EventsWire {
    fn into_request(
        self,
        idempotency: Option<(String, [u8; 32])>,
    ) -> Result<RecordRequest, Refusal> {
        let Self { site, events } = self;
        if LIVE_EVENT_COUNT_MAX < events.len() {
            let message = format!("at most {LIVE_EVENT_COUNT_MAX} events; send more as a feed");
            return Err(Refusal::unprocessable("event-count", &message));
        }
        same_kind(events.iter().filter_map(|event| event.time))?;
        let events = events.into_iter().map(|event| {
            let EventWire { subject, time, code, value, unit, text } = event;
            LiveEvent { subject, time: time.map(TimeWire::timestamp), code, value, unit, text }
        });
        Ok(RecordRequest { site, events: events.collect(), idempotency })
    }
}

/// Reads `Idempotency-Key`: one line of printable ASCII, with or without the quotes of the draft.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Refusal> {
    let message = "`Idempotency-Key` takes 1 to 255 printable ASCII characters, and comes once";
    let refused = || Refusal::unprocessable("idempotency-key", message);
    let mut values = headers.get_all("idempotency-key").iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = value.to_str().map_err(|_| refused())?;
    let inner = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    let plain = inner.bytes().all(|byte| (0x20..=0x7e).contains(&byte));
    let valid = (1..=IDEMPOTENCY_KEY_LEN_MAX).contains(&inner.len()) && plain;
    if valid && values.next().is_none() { Ok(Some(inner.to_owned())) } else { Err(refused()) }
}

/// What others take; a UUID has 36.
const IDEMPOTENCY_KEY_LEN_MAX: usize = 255;

#[cfg(test)]
mod tests {
    use axum::http::HeaderMap;

    use super::{EventsWire, idempotency_key};
    use crate::json;

    fn code(text: &str) -> &'static str {
        let wire = json::parse::<EventsWire>(text.as_bytes());
        wire.and_then(|wire| wire.into_request(None)).err().map_or("ok", |refusal| refusal.code)
    }

    #[test]
    fn hostile_bodies_are_refused_without_being_repeated() {
        let event =
            |fields: &str| format!(r#"{{"events":[{{"subject":"1","code":"HR"{fields}}}]}}"#);
        for (fields, expected) in [
            ("", "ok"),
            (r#","value":80,"time":1.5,"unit":"/min","text":null"#, "ok"),
            (r#","value":"80""#, "json-shape"),
            (r#","value":true"#, "json-shape"),
            (r#","value":1,"value":2"#, "json-shape"),
            (r#","time":1e300"#, "json-shape"),
            (r#","extra":1"#, "json-shape"),
            (r#","value":1e999"#, "json-syntax"),
            (r#","value":NaN"#, "json-syntax"),
            (r#","text":"\ud800""#, "json-syntax"),
        ] {
            assert_eq!(code(&event(fields)), expected, "{fields}");
        }
        let one = r#"{"subject":"1","code":"HR","value":1,"time":1}"#;
        let many = |count: usize| format!(r#"{{"events":[{}]}}"#, vec![one; count].join(","));
        assert_eq!(code(&many(100)), "ok");
        assert_eq!(code(&many(101)), "event-count");
        let absolute = r#"{"subject":"1","code":"HR","time":"2026-01-01T00:00:00Z"}"#;
        assert_eq!(code(&format!(r#"{{"events":[{one},{absolute}]}}"#)), "time-mixed");
        assert_eq!(code(&"[".repeat(100_000)), "json-shape");
    }

    #[test]
    fn an_idempotency_key_comes_once_and_is_plain() {
        let read = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append("idempotency-key", value.parse().unwrap());
            }
            idempotency_key(&headers).map_err(|refusal| refusal.code)
        };
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&["a b"]), Ok(Some("a b".to_owned())));
        assert_eq!(read(&["\"a\""]), Ok(Some("a".to_owned())));
        assert_eq!(read(&["a", "a"]), Err("idempotency-key"));
        assert_eq!(read(&[""]), Err("idempotency-key"));
        assert_eq!(read(&[&"a".repeat(256)]), Err("idempotency-key"));
    }
}
