//! `/cds-services`: a card with the forecast where a clinician opens a chart.
//!
//! The record system calls the service `twinkeep-forecast` at the hook `patient-view`. Whoever it
//! asks about is looked for by the identifier that the record system uses; about somebody whom the
//! keep does not have there is no card.
//!
//! Source: CDS Hooks 2.0 (HL7), §Discovery, §HTTP Request, §CDS Service Response. A request may
//! bring data (`prefetch`) and a token for the record system (`fhirAuthorization`); neither is
//! asked for, looked at, or kept.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{Request, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use twinkeep_app::{Caller, Card, CardRequest};

use crate::gate::Gate;
use crate::json;
use crate::refusal::Refusal;
use crate::use_case::{self, recorded_json};

/// The body of a request; what else there is in it is for other services.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HookWire {
    hook: String,
    hook_instance: String,
    context: ContextWire,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ContextWire {
    patient_id: String,
}

/// `GET /cds-services`: what a record system may call.
pub(crate) async fn services(State(gate): State<Arc<Gate>>) -> Response<Body> {
    let words = gate.app.pack().words();
    let services = json!({ "services": [{
        "id": SERVICE,
        "hook": HOOK,
        "title": "Twinkeep forecast",
        "description": format!("What is to be expected of a {} next; a statistical forecast.", words.subject),
        "usageRequirements": "An API key or access token with the scope `twins:read`.",
    }] });
    super::plain_json(&services)
}

/// `POST /cds-services/{id}`: the card.
pub(crate) async fn ask(
    State(gate): State<Arc<Gate>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    let wire: HookWire = json::read(request, gate.body_limits()).await?;
    if id != SERVICE {
        return Err(Refusal::not_found());
    }
    if wire.hook != HOOK {
        let message = "the service is called at the hook `patient-view`";
        return Err(Refusal::unprocessable("hook-unknown", message));
    }
    if !is_uuid(&wire.hook_instance) {
        let message = "`hookInstance` is no UUID";
        return Err(Refusal::unprocessable("hook-instance", message));
    }
    let asked = CardRequest { subject: wire.context.patient_id };
    let card =
        use_case::run(&gate, move |app| twinkeep_app::show_card(app, &caller, &asked)).await?;
    let cards: Vec<Value> =
        card.map(|card| render(&gate, &wire.hook_instance, card)).into_iter().collect();
    recorded_json(&json!({ "cards": cards }))
}

fn render(gate: &Gate, instance: &str, card: Card) -> Value {
    let Card { subject, summary, detail } = card;
    let base = &gate.settings.public_url;
    json!({
        // One card a call: its name is that of the call.
        "uuid": instance,
        "summary": summary,
        "detail": detail,
        "indicator": "info",
        "source": { "label": "Twinkeep", "url": base },
        "links": [{
            "label": "Open the twin", "url": format!("{base}/twins/{subject}"), "type": "absolute",
        }],
    })
}

fn is_uuid(text: &str) -> bool {
    let part = |part: &str, length| {
        part.len() == length && part.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    let parts: Vec<&str> = text.split('-').collect();
    parts.len() == 5 && parts.iter().zip([8, 4, 4, 4, 12]).all(|(one, length)| part(one, length))
}

/// The one service there is.
const SERVICE: &str = "twinkeep-forecast";

/// When it is called.
const HOOK: &str = "patient-view";
