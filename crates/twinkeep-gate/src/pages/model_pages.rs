//! `/models` and `/models/{version}`: what forecasts, and how good it is on people it never saw.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::Response;
use maud::{Markup, html};
use serde_json::Value;
use twinkeep_app::{Caller, ModelLine, ModelReport};

use super::twin_pages::{number, recorded, short};
use super::{command, page};
use crate::gate::Gate;
use crate::refusal::Refusal;
use crate::use_case;

/// Shows all versions.
pub(crate) async fn list(
    State(gate): State<Arc<Gate>>,
    Extension(caller): Extension<Caller>,
) -> Result<Response<Body>, Refusal> {
    let name = caller.name.clone();
    let models = use_case::run(&gate, move |app| twinkeep_app::list_models(app, &caller)).await?;
    Ok(recorded(page("Models", Some(&name), &list_markup(&models))))
}

/// Shows one version.
pub(crate) async fn show(
    State(gate): State<Arc<Gate>>,
    Extension(caller): Extension<Caller>,
    Path(version): Path<String>,
) -> Result<Response<Body>, Refusal> {
    let name = caller.name.clone();
    let model = use_case::run(&gate, move |app| twinkeep_app::show_model(app, &caller, &version));
    let model = model.await?;
    Ok(recorded(page(&model.version, Some(&name), &model_markup(&model))))
}

fn list_markup(models: &[ModelLine]) -> Markup {
    html! {
        h1 { "Models" }
        @if models.is_empty() {
            p { "There is no model here. Train one first." }
        } @else {
            (table("Versions", &["Version", "State", "Since", "Reason"], html! {
                @for model in models {
                    tr {
                        th scope="row" { a href={ "/models/" (model.version) } { code { (model.version) } } }
                        td { (model.state) }
                        td { (short(&model.since)) }
                        td { (model.reason) }
                    }
                }
            }))
        }
        (command("twinkeep model list"))
    }
}

fn model_markup(model: &ModelReport) -> Markup {
    let evaluation = &model.evaluation;
    let list = |name: &str| evaluation[name].as_array().cloned().unwrap_or_default();
    let windows = list("windows");
    let (totals, events): (Vec<&Value>, Vec<&Value>) =
        windows.iter().partition(|window| window["total"].is_object());
    html! {
        p.path { a href="/models" { "Models" } }
        h1 { code { (model.version) } }
        dl.facts {
            div { dt { "State" } dd { (model.state) } }
            div { dt { "Held-out people" } dd { (said(&evaluation["subject_count"])) } }
            div { dt { "Median MASE" } dd { (said(&evaluation["mase_median"])) } }
            div { dt { "90 % interval covers" } dd { (percent(&evaluation["coverage_90_mean"])) } }
        }
        @for mark in &model.marks { p { "Marked " (mark) } }
        p.quiet { "Measured on people whom nothing was learned from, beside simpler guesses." }
        @if !totals.is_empty() {
            h2 { "Sums and counts within a window" }
            (totals_table(&totals))
            p.quiet {
                "The variance ratio is how much of the difference between people the forecasts \
                 show: below 1 they are more alike than people are, above 1 less."
            }
        }
        @if !events.is_empty() {
            h2 { "Events within a window" }
            (events_table(&events))
        }
        h2 { "Values" }
        (values_table(&list("targets")))
        @let attributes = model.card["source_attributes"].as_array();
        @if let Some(attributes) = attributes {
            h2 { "Source attributes" }
            p.quiet { "As 45 CFR 170.315(b)(11)(iv)(B) asks for; what nobody said is left open." }
            (attributes_table(attributes))
        }
        (command(&format!("twinkeep model show {}", model.version)))
    }
}

fn attributes_table(attributes: &[Value]) -> Markup {
    table(
        "Source attributes",
        &["Place", "Attribute", "Value"],
        html! {
            @for one in attributes {
                tr {
                    td { (text(&one["place"])) }
                    th scope="row" { (text(&one["attribute"])) }
                    td { @if let Some(value) = one["value"].as_str() { (value) } @else { "not provided" } }
                }
            }
        },
    )
}

fn totals_table(windows: &[&Value]) -> Markup {
    let columns = [
        "Target",
        "People",
        "Error",
        "As before",
        "As a year ago",
        "90 % covers",
        "Variance ratio",
        "As before",
        "As a year ago",
    ];
    table(
        "Sums and counts",
        &columns,
        html! {
            @for window in windows {
                @let total = &window["total"];
                tr {
                    th scope="row" { code { (text(&window["code"])) } }
                    td.number { (said(&window["subject_count"])) }
                    td.number { (said(&total["mae"])) }
                    td.number { (said(&total["carry_forward_mae"])) }
                    td.number { (said(&total["seasonal_mae"])) }
                    td.number { (percent(&total["coverage_90"])) }
                    td.number { (said(&total["variance_ratio"])) }
                    td.number { (said(&total["carry_forward_variance_ratio"])) }
                    td.number { (said(&total["seasonal_variance_ratio"])) }
                }
            }
        },
    )
}

fn events_table(windows: &[&Value]) -> Markup {
    let columns = [
        "Target",
        "Hours",
        "People",
        "Right",
        "Base rate right",
        "As before right",
        "As a year ago right",
        "AUC",
        "Brier",
        "Of base rate",
    ];
    table(
        "Events",
        &columns,
        html! {
            @for window in windows {
                @for event in window["events"].as_array().into_iter().flatten() {
                    tr {
                        th scope="row" { code { (text(&window["code"])) } }
                        td.number { (said(&event["horizon_hours"])) }
                        td.number { (said(&event["known_count"])) }
                        td.number { (percent(&event["accuracy"])) }
                        td.number { (percent(&event["base_accuracy"])) }
                        td.number { (percent(&event["carry_forward_accuracy"])) }
                        td.number { (percent(&event["seasonal_accuracy"])) }
                        td.number { (said(&event["auc"])) }
                        td.number { (said(&event["brier"])) }
                        td.number { (said(&event["base_brier"])) }
                    }
                }
            }
        },
    )
}

fn values_table(targets: &[Value]) -> Markup {
    let columns = ["Target", "Values", "Error", "Of the last value", "MASE", "90 % covers"];
    table(
        "Values",
        &columns,
        html! {
            @for target in targets {
                tr {
                    th scope="row" { code { (text(&target["code"])) } }
                    td.number { (said(&target["value_count"])) }
                    td.number { (said(&target["mae"])) }
                    td.number { (said(&target["carry_forward_mae"])) }
                    td.number { (said(&target["mase"])) }
                    td.number { (percent(&target["coverage_90"])) }
                }
            }
        },
    )
}

pub(super) fn table(label: &str, columns: &[&str], rows: Markup) -> Markup {
    html! {
        div.table tabindex="0" role="region" aria-label=(label) {
            table {
                thead { tr { @for column in columns { th scope="col" { (column) } } } }
                tbody { (rows) }
            }
        }
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn said(value: &Value) -> String {
    value.as_f64().map_or_else(|| "·".to_owned(), |value| number(value as f32))
}

fn percent(value: &Value) -> String {
    let percent = |value: f64| format!("{:.1} %", 100.0 * value);
    value.as_f64().map_or_else(|| "·".to_owned(), percent)
}
