//! `/api/v1/ledger/…`: the ledger as static tiles (C2SP tlog-tiles), for whoever follows it.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::Response;
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use twinkeep_app::{Caller, is_bundle, read_checkpoint_note, read_entry_bundle, read_hash_tile};

use crate::gate::Gate;
use crate::refusal::Refusal;
use crate::use_case::{self, Counted, Recorded};

/// Answers with the signed checkpoint.
pub(crate) async fn checkpoint(State(gate): State<Arc<Gate>>) -> Result<Response<Body>, Refusal> {
    // A file of some hundred bytes that was written a moment ago.
    let note = read_checkpoint_note(&gate.app).map_err(|error| use_case::refuse(&error))?;
    let mut response = file("text/plain; charset=utf-8", note.into_bytes());
    response.extensions_mut().insert(COUNTED);
    Ok(response)
}

/// Answers with a tile: hashes for everybody with a key, entries for those who may read them.
pub(crate) async fn tile(
    State(gate): State<Arc<Gate>>,
    Extension(caller): Extension<Caller>,
    Path(path): Path<String>,
) -> Result<Response<Body>, Refusal> {
    let path = format!("tile/{path}");
    if is_bundle(&path) {
        let work = move |app: &_| read_entry_bundle(app, &caller, &path);
        let mut response = file(TILE, use_case::run(&gate, work).await?);
        response.extensions_mut().insert(Recorded);
        return Ok(response);
    }
    let hashes = use_case::unrecorded(&gate, move |app| read_hash_tile(app, &path)).await?;
    let mut response = file(TILE, hashes);
    response.extensions_mut().insert(COUNTED);
    Ok(response)
}

fn file(kind: &'static str, bytes: Vec<u8>) -> Response<Body> {
    let mut response = Response::new(Body::from(bytes));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// Fixed by the format.
const TILE: &str = "application/octet-stream";

/// How many were read goes into the ledger, now and then.
const COUNTED: Counted = Counted("ledger-hashes-read");
