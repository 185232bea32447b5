//! The API of operators who are elsewhere: what they do at the command line, over mutual TLS.
//!
//! It has a listener of its own ([`crate::door`]), which serves nothing else. Who asks is a client
//! certificate of the keep's own authority with the scope `admin`, and nothing else counts; each
//! request is judged anew, so that a revocation holds on connections that are open.
//!
//! # Invariants
//!
//! - Each handler calls the use case that the command line calls; none decides anything.
//! - Whatever is looked at or changed is in the ledger, with the certificate's id, before the answer
//!   leaves.

use std::sync::Arc;

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::http::{Response, StatusCode};
use axum::routing::{get, post};
use serde::Serialize;
use twinkeep_app::{App, AppError, Class};

use crate::audit::RequestAction;
use crate::gate::Gate;
use crate::guard::{Access, Note};
use crate::refusal::Refusal;
use crate::routes::Route;
use crate::use_case::{self, Recorded};

#[cfg(test)]
pub(crate) use running::DOCUMENT;

mod budgets;
mod certificates;
mod incidents;
mod keys;
mod models;
mod probes;
mod running;

/// The routes; `admin-openapi.json` describes exactly these.
pub(crate) const API: &[Route] = &[
    Route {
        method: "get",
        path: "/admin/v1/status",
        access: Access::Admin,
        mount: || get(running::status),
    },
    Route {
        method: "post",
        path: "/admin/v1/reload",
        access: Access::Admin,
        mount: || post(running::reload),
    },
    Route {
        method: "get",
        path: "/admin/v1/lockouts",
        access: Access::Admin,
        mount: || get(running::lockouts),
    },
    Route {
        method: "post",
        path: "/admin/v1/lockouts/lift",
        access: Access::Admin,
        mount: || post(running::lift),
    },
    Route {
        method: "get",
        path: "/admin/v1/sessions",
        access: Access::Admin,
        mount: || get(running::sessions),
    },
    Route {
        method: "post",
        path: "/admin/v1/sessions/{id}/end",
        access: Access::Admin,
        mount: || post(running::end),
    },
    Route {
        method: "get",
        path: "/admin/v1/keys",
        access: Access::Admin,
        mount: || get(keys::list),
    },
    Route {
        method: "post",
        path: "/admin/v1/keys",
        access: Access::Admin,
        mount: || post(keys::new),
    },
    Route {
        method: "post",
        path: "/admin/v1/keys/{id}/rotate",
        access: Access::Admin,
        mount: || post(keys::rotate),
    },
    Route {
        method: "post",
        path: "/admin/v1/keys/{id}/revoke",
        access: Access::Admin,
        mount: || post(keys::revoke),
    },
    Route {
        method: "get",
        path: "/admin/v1/certificates",
        access: Access::Admin,
        mount: || get(certificates::list),
    },
    Route {
        method: "post",
        path: "/admin/v1/certificates/{id}/revoke",
        access: Access::Admin,
        mount: || post(certificates::revoke),
    },
    Route {
        method: "get",
        path: "/admin/v1/budgets",
        access: Access::Admin,
        mount: || get(budgets::list),
    },
    Route {
        method: "post",
        path: "/admin/v1/budgets/reset",
        access: Access::Admin,
        mount: || post(budgets::reset),
    },
    Route {
        method: "get",
        path: "/admin/v1/incidents",
        access: Access::Admin,
        mount: || get(incidents::list),
    },
    Route {
        method: "get",
        path: "/admin/v1/incidents/{id}",
        access: Access::Admin,
        mount: || get(incidents::show),
    },
    Route {
        method: "post",
        path: "/admin/v1/incidents/{id}/ack",
        access: Access::Admin,
        mount: || post(incidents::acknowledge),
    },
    Route {
        method: "get",
        path: "/admin/v1/probes",
        access: Access::Admin,
        mount: || get(probes::list),
    },
    Route {
        method: "post",
        path: "/admin/v1/probes/clear",
        access: Access::Admin,
        mount: || post(probes::clear),
    },
    Route {
        method: "get",
        path: "/admin/v1/models",
        access: Access::Admin,
        mount: || get(models::list),
    },
    Route {
        method: "post",
        path: "/admin/v1/models/rollback",
        access: Access::Admin,
        mount: || post(models::roll_back),
    },
    Route {
        method: "post",
        path: "/admin/v1/models/{version}/promote",
        access: Access::Admin,
        mount: || post(models::promote),
    },
    Route {
        method: "post",
        path: "/admin/v1/models/{version}/quarantine",
        access: Access::Admin,
        mount: || post(models::quarantine),
    },
    Route {
        method: "get",
        path: "/admin/v1/openapi.json",
        access: Access::Admin,
        mount: || get(running::document),
    },
];

/// Answers with what a use case that writes no entry says; the gate writes one.
async fn read<T: Serialize + Send + 'static>(
    gate: &Arc<Gate>,
    work: impl FnOnce(&App) -> Result<T, AppError> + Send + 'static,
) -> Result<Response<Body>, Refusal> {
    let report = use_case::blocking(gate, work).await?.map_err(|error| refuse(&error))?;
    noted(&report, RequestAction::AdminRead)
}

/// Answers with what a use case did, which is on record already.
async fn done<T: Serialize + Send + 'static>(
    gate: &Arc<Gate>,
    work: impl FnOnce(&App) -> Result<T, AppError> + Send + 'static,
) -> Result<Response<Body>, Refusal> {
    match use_case::blocking(gate, work).await? {
        Ok(report) => {
            let mut response = json(&report)?;
            response.extensions_mut().insert(Recorded);
            Ok(response)
        }
        Err(error) => {
            let refusal = refuse(&error);
            let recorded = error.code() != use_case::LEDGER_WRITE;
            Err(Refusal { recorded, ..refusal })
        }
    }
}

/// Answers with what the gate itself knows or did, and has it recorded.
fn noted<T: Serialize>(report: &T, action: RequestAction) -> Result<Response<Body>, Refusal> {
    let mut response = json(report)?;
    response.extensions_mut().insert(Note { action: Some(action), ..Note::default() });
    Ok(response)
}

fn json<T: Serialize>(report: &T) -> Result<Response<Body>, Refusal> {
    let body = serde_json::to_vec(report).map_err(|_| Refusal::bug())?;
    let mut response = Response::new(Body::from(body));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    Ok(response)
}

/// Says no to an operator: what is not there, what cannot be done now, what was asked wrongly.
fn refuse(error: &AppError) -> Refusal {
    let status = match (error.code(), error.class()) {
        (use_case::LEDGER_WRITE, _) => return Refusal::unrecorded(),
        ("idempotency-key-reused", _) | (_, Class::Usage) => StatusCode::UNPROCESSABLE_ENTITY,
        // A key that is not there, or not any more.
        ("store-refused", _) => StatusCode::NOT_FOUND,
        (code, Class::Refused) if code.ends_with("-unknown") => StatusCode::NOT_FOUND,
        (_, Class::Refused) => StatusCode::CONFLICT,
        (_, Class::Environment) => StatusCode::SERVICE_UNAVAILABLE,
    };
    Refusal::new(status, error.code(), &error.to_string())
}

/// The body of a decision.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct ReasonWire {
    reason: String,
}
