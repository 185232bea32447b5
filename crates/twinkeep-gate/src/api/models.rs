//! `/api/v1/models` and `/api/v1/models/{version}`: what forecasts, and how good it is.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::Response;
use serde::Serialize;
use twinkeep_app::{Caller, ModelLine};

use crate::gate::Gate;
use crate::refusal::Refusal;
use crate::use_case;

#[derive(Serialize)]
struct ModelList {
    /// The newest last.
    models: Vec<ModelLine>,
}

/// Lists the versions.
pub(crate) async fn list(
    State(gate): State<Arc<Gate>>,
    Extension(caller): Extension<Caller>,
) -> Result<Response<Body>, Refusal> {
    let models = move |app: &twinkeep_app::App| {
        twinkeep_app::list_models(app, &caller).map(|models| ModelList { models })
    };
    use_case::json(&gate, models).await
}

/// Shows one version with its card, its evaluation, and its training record.
pub(crate) async fn show(
    State(gate): State<Arc<Gate>>,
    Extension(caller): Extension<Caller>,
    Path(version): Path<String>,
) -> Result<Response<Body>, Refusal> {
    use_case::json(&gate, move |app| twinkeep_app::show_model(app, &caller, &version)).await
}
