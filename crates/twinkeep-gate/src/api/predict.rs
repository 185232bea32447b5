//! `POST /predict` and `POST /api/v1/predict`: a forecast from a history in the request.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{Request, Response};
use serde::Deserialize;
use twinkeep_app::{App, Caller, HistoryEvent, PredictRequest};
use twinkeep_domain::limits;

use crate::api::fhir;
use crate::api::time::{TimeWire, same_kind};
use crate::api::twins::bad_query;
use crate::gate::Gate;
use crate::json;
use crate::refusal::Refusal;

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
    #[serde(default)]
    value: Option<f32>,
}

/// How to answer.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PredictQuery {
    #[serde(default)]
    receipt: bool,
}

/// Answers with the forecast.
pub(crate) async fn predict(
    State(gate): State<Arc<Gate>>,
    Extension(caller): Extension<Caller>,
    query: Result<Query<PredictQuery>, QueryRejection>,
    request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    let Query(PredictQuery { receipt }) = query.map_err(bad_query)?;
    let headers = request.headers().clone();
    let wire: PredictWire = json::read(request, gate.body_limits()).await?;
    let request = PredictRequest { receipt, ..wire.into_request()? };
    let work = move |app: &App| twinkeep_app::predict(app, &caller, &request);
    fhir::or_json(&gate, &headers, receipt, work).await
}

impl PredictWire {
    fn into_request(self) -> Result<PredictRequest, Refusal> {
        let Self { events, prediction_time, horizons_hours } = self;
        if limits::REQUEST_EVENT_COUNT_MAX < events.len() {
            let message = format!("at most {} events", limits::REQUEST_EVENT_COUNT_MAX);
            return Err(Refusal::unprocessable("history-too-long", &message));
        }
        same_kind(events.iter().filter_map(|event| event.time).chain(prediction_time))?;
        let events = events.into_iter().map(|EventWire { time, code, value }| HistoryEvent {
            time: time.map(TimeWire::timestamp),
            code,
            value,
        });
        Ok(PredictRequest {
            events: events.collect(),
            prediction_time: prediction_time.map(TimeWire::timestamp),
            horizons_hours: horizons_hours.unwrap_or_default(),
            receipt: false,
        })
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
