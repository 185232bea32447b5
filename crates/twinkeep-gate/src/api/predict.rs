//! `POST /predict` and `POST /api/v1/predict`: a forecast from a history in the request.

use std::fmt;
use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, Response};
use serde::Deserialize;
use serde::de::{Deserializer, Visitor};
use twinkeep_app::{Caller, HistoryEvent, PredictRequest};
use twinkeep_domain::{Timestamp, limits};

use crate::gate::Gate;
use crate::json;
use crate::refusal::Refusal;
use crate::use_case;

/// The body of the request.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PredictWire {
    events: Vec<EventWire>,
    #[serde(default)]
    prediction_time: Option<TimeWire>,
    #[serde(default)]
    horizons_hours: Option<Vec<f32>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EventWire {
    #[serde(default)]
    time: Option<TimeWire>,
    code: String,
    value: f32,
}

/// Hours since a moment that only the client knows, or a time in RFC 3339.
#[derive(Clone, Copy)]
enum TimeWire {
    Hours(f64),
    Absolute(Timestamp),
}

/// Answers with the forecast.
pub(crate) async fn predict(
    State(gate): State<Arc<Gate>>,
    Extension(caller): Extension<Caller>,
    request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    let wire: PredictWire = json::read(request, gate.body_limits()).await?;
    let request = wire.into_request()?;
    use_case::json(&gate, move |app| twinkeep_app::predict(app, &caller, &request)).await
}

impl PredictWire {
    fn into_request(self) -> Result<PredictRequest, Refusal> {
        let Self { events, prediction_time, horizons_hours } = self;
        if limits::REQUEST_EVENT_COUNT_MAX < events.len() {
            let message = format!("at most {} events", limits::REQUEST_EVENT_COUNT_MAX);
            return Err(Refusal::unprocessable("history-too-long", &message));
        }
        let mut times = events.iter().filter_map(|event| event.time).chain(prediction_time);
        let hours = times.next().is_some_and(|time| matches!(time, TimeWire::Hours(_)));
        if times.any(|time| matches!(time, TimeWire::Hours(_)) != hours) {
            let message = "give all times in hours, or all of them in RFC 3339";
            return Err(Refusal::unprocessable("time-mixed", message));
        }
        let events = events.into_iter().map(|EventWire { time, code, value }| HistoryEvent {
            time: time.map(TimeWire::timestamp),
            code,
            value,
        });
        Ok(PredictRequest {
            events: events.collect(),
            prediction_time: prediction_time.map(TimeWire::timestamp),
            horizons_hours: horizons_hours.unwrap_or_default(),
        })
    }
}

impl TimeWire {
    fn timestamp(self) -> Timestamp {
        match self {
            Self::Hours(hours) => Timestamp::RELATIVE_ORIGIN.plus_hours(hours),
            Self::Absolute(time) => time,
        }
    }

    fn hours<E: serde::de::Error>(hours: f64) -> Result<Self, E> {
        let valid = hours.is_finite() && hours.abs() <= f64::from(limits::HORIZON_HOURS_MAX);
        if valid { Ok(Self::Hours(hours)) } else { Err(E::custom("out of range")) }
    }
}

impl<'de> Deserialize<'de> for TimeWire {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TimeVisitor)
    }
}

struct TimeVisitor;

impl Visitor<'_> for TimeVisitor {
    type Value = TimeWire;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("hours, or a time in RFC 3339")
    }

    fn visit_f64<E: serde::de::Error>(self, hours: f64) -> Result<TimeWire, E> {
        TimeWire::hours(hours)
    }

    fn visit_i64<E: serde::de::Error>(self, hours: i64) -> Result<TimeWire, E> {
        TimeWire::hours(hours as f64)
    }

    fn visit_u64<E: serde::de::Error>(self, hours: u64) -> Result<TimeWire, E> {
        TimeWire::hours(hours as f64)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<TimeWire, E> {
        let time = twinkeep_app::parse_rfc3339(text).ok_or_else(|| E::custom("not RFC 3339"))?;
        Ok(TimeWire::Absolute(time))
    }
}

#[cfg(test)]
mod tests {
    use twinkeep_domain::Timestamp;

    use super::PredictWire;
    use crate::json;

    fn code(text: &str) -> &'static str {
        let wire = json::parse::<PredictWire>(text.as_bytes());
        wire.and_then(PredictWire::into_request).err().map_or("ok", |refusal| refusal.code)
    }

    #[test]
    fn times_are_hours_or_rfc_3339_and_not_both() {
        let wire: PredictWire = json::parse(
            br#"{"events":[{"time":1.5,"code":"HR","value":80},{"time":2,"code":"HR","value":81},
                {"code":"Age","value":54}],"prediction_time":3,"horizons_hours":[6,12]}"#,
        )
        .unwrap();
        let request = wire.into_request().unwrap();
        let origin = Timestamp::RELATIVE_ORIGIN;
        assert!(request.events[0].time == Some(origin.plus_hours(1.5)));
        assert!(request.events[2].time.is_none());
        assert!(request.prediction_time == Some(origin.plus_hours(3.0)));
        assert_eq!(request.horizons_hours, [6.0, 12.0]);
        let absolute = r#"{"events":[{"time":"2000-01-01T02:00:00+01:00","code":"HR","value":1}]}"#;
        let wire: PredictWire = json::parse(absolute.as_bytes()).unwrap();
        assert!(wire.into_request().unwrap().events[0].time == Some(origin.plus_hours(1.0)));
        let mixed = r#"{"events":[{"time":1,"code":"HR","value":1}],"prediction_time":"2000-01-01T00:00:00Z"}"#;
        assert_eq!(code(mixed), "time-mixed");
    }

    #[test]
    fn times_beyond_reason_and_histories_beyond_the_limit_are_refused() {
        for time in ["1e300", "-1e300", "9007199254740993", "\"\"", "\"2000-01-01\"", "true"] {
            let text = format!(r#"{{"events":[{{"time":{time},"code":"HR","value":1}}]}}"#);
            assert_eq!(code(&text), "json-shape", "{time}");
        }
        let event = r#"{"time":1,"code":"HR","value":1}"#;
        let many = |count: usize| format!(r#"{{"events":[{}]}}"#, vec![event; count].join(","));
        assert_eq!(code(&many(20_000)), "ok");
        assert_eq!(code(&many(20_001)), "history-too-long");
    }
}
