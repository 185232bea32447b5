//! Calls a use case from a handler: on a thread that may block, with errors as refusals.
//!
//! A use case writes its own audit entry, success or not, so what comes back from here is marked
//! as [`Recorded`] and [`crate::pipeline`] adds no second entry.

use std::sync::Arc;

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::http::{Response, StatusCode};
use serde::Serialize;
use tokio::sync::oneshot;
use twinkeep_app::{App, AppError, Class};

use crate::gate::Gate;
use crate::refusal::Refusal;

/// Marks an answer whose audit entry is in the ledger.
#[derive(Clone, Copy)]
pub(crate) struct Recorded;

/// Marks an answer that tells nothing of a person or of anybody's doing: it is counted under this
/// name, and the counts are recorded.
#[derive(Clone, Copy)]
pub(crate) struct Counted(pub(crate) &'static str);

/// Runs a use case that writes no entry: its answers are [`Counted`], and a refusal is recorded by
/// the gate.
pub(crate) async fn unrecorded<T: Send + 'static>(
    gate: &Arc<Gate>,
    work: impl FnOnce(&App) -> Result<T, AppError> + Send + 'static,
) -> Result<T, Refusal> {
    blocking(gate, work).await?.map_err(|error| refuse(&error))
}

/// Runs a use case; a refusal of it is recorded already.
pub(crate) async fn run<T: Send + 'static>(
    gate: &Arc<Gate>,
    work: impl FnOnce(&App) -> Result<T, AppError> + Send + 'static,
) -> Result<T, Refusal> {
    recorded(blocking(gate, work).await?)
}

/// A refusal that the use case has recorded, unless that is what failed.
fn recorded<T>(done: Result<T, AppError>) -> Result<T, Refusal> {
    done.map_err(|error| {
        let mut refusal = refuse(&error);
        refusal.recorded = error.code() != LEDGER_WRITE;
        refusal
    })
}

/// Runs a use case that only reads: while its entry becomes durable, its thread does something
/// else, and the ledger itself says when the answer may leave.
pub(crate) async fn read<T: Send + 'static>(
    gate: &Arc<Gate>,
    work: impl FnOnce(&App) -> Result<T, AppError> + Send + 'static,
) -> Result<T, Refusal> {
    let app = Arc::clone(&gate.app);
    let (sender, receiver) = oneshot::channel();
    // Who asked waits for the answer below; a client that left has no use for it.
    let then = move |done, written| _ = sender.send((done, written));
    tokio::task::spawn_blocking(move || app.record_later(work, then));
    // It comes unless the work panicked, or the ledger has stopped.
    let (done, written) = receiver.await.map_err(|_| Refusal::bug())?;
    if gate.app.anchor_is_due() {
        let app = Arc::clone(&gate.app);
        tokio::task::spawn_blocking(move || app.write_anchor());
    }
    written.map_err(|error| refuse(&error))?;
    recorded(done)
}

/// Runs work of the app that writes no entry of its own.
pub(crate) async fn blocking<T: Send + 'static>(
    gate: &Arc<Gate>,
    work: impl FnOnce(&App) -> T + Send + 'static,
) -> Result<T, Refusal> {
    let app = Arc::clone(&gate.app);
    // It fails only if the work panicked; the panic is ours to report, not the client's to see.
    tokio::task::spawn_blocking(move || work(&app)).await.map_err(|_| Refusal::bug())
}

/// Runs a use case and answers with its report as JSON.
pub(crate) async fn json<T: Serialize + Send + 'static>(
    gate: &Arc<Gate>,
    work: impl FnOnce(&App) -> Result<T, AppError> + Send + 'static,
) -> Result<Response<Body>, Refusal> {
    recorded_json(&run(gate, work).await?)
}

/// Runs a use case that only reads, and answers with its report as JSON.
pub(crate) async fn read_json<T: Serialize + Send + 'static>(
    gate: &Arc<Gate>,
    work: impl FnOnce(&App) -> Result<T, AppError> + Send + 'static,
) -> Result<Response<Body>, Refusal> {
    recorded_json(&read(gate, work).await?)
}

/// Answers with a report whose audit entry is in the ledger.
pub(crate) fn recorded_json<T: Serialize>(report: &T) -> Result<Response<Body>, Refusal> {
    let body = serde_json::to_vec(report).map_err(|_| Refusal::bug())?;
    let mut response = Response::new(Body::from(body));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response.extensions_mut().insert(Recorded);
    Ok(response)
}

/// Says no in the words of the use case, unless the machine failed: that is not the client's.
pub(crate) fn refuse(error: &AppError) -> Refusal {
    let status = match (error.code(), error.class()) {
        (
            "scope-missing" | "role-missing" | "site-foreign" | "subject-foreign" | "policy-denied"
            | "consent-withdrawn" | "consent-missing" | "obligation-unmet" | "identity-suspended"
            | "probing",
            _,
        ) => StatusCode::FORBIDDEN,
        ("route-closed", _) => StatusCode::SERVICE_UNAVAILABLE,
        ("budget-exhausted", _) => StatusCode::TOO_MANY_REQUESTS,
        ("idempotency-key-reused" | "subject-too-long", _) => StatusCode::UNPROCESSABLE_ENTITY,
        ("feed-unknown-sender", _) => StatusCode::FORBIDDEN,
        (
            "subject-unknown"
            | "feed-not-here"
            | "feed-unknown"
            | "feed-profile-missing"
            | "model-unknown"
            | "incident-unknown"
            | "tile-unknown",
            _,
        ) => StatusCode::NOT_FOUND,
        // A decision about a feed that is not held any more.
        ("store-refused", _) => StatusCode::CONFLICT,
        ("export-size", _) => StatusCode::PAYLOAD_TOO_LARGE,
        ("feed-size", _) => StatusCode::PAYLOAD_TOO_LARGE,
        ("disk-full", _) => {
            // Where the keep has its files is the operator's to know.
            let message = "the keep has no room for this; what has come is kept";
            return Refusal::new(StatusCode::INSUFFICIENT_STORAGE, error.code(), message);
        }
        (
            "feed-replayed" | "feed-gap" | "feed-forked" | "feed-busy" | "feed-already-ingested",
            _,
        ) => StatusCode::CONFLICT,
        // A feed that is not genuine, or holds nothing that can be read, is the sender's to mend.
        (code, Class::Refused) if code.starts_with("feed-") || code.starts_with("intake-") => {
            StatusCode::UNPROCESSABLE_ENTITY
        }
        (LEDGER_WRITE, _) => return Refusal::unrecorded(),
        (_, Class::Usage) => StatusCode::UNPROCESSABLE_ENTITY,
        ("history-empty" | "paths-unknown" | "similar-too-few" | "what-if-support", _) => {
            StatusCode::CONFLICT
        }
        // No model, or one that does not verify: the operator's to mend.
        (_, Class::Refused) => StatusCode::SERVICE_UNAVAILABLE,
        (_, Class::Environment) => {
            let message = "the keep cannot answer now; its operator's log says why";
            return Refusal::new(StatusCode::SERVICE_UNAVAILABLE, error.code(), message);
        }
    };
    let refusal = Refusal::new(status, error.code(), &error.to_string());
    Refusal { wait_seconds: error.wait_seconds(), ..refusal }
}

/// The use case was done but could not be recorded: nothing of it may be answered.
pub(crate) const LEDGER_WRITE: &str = "ledger-write";
