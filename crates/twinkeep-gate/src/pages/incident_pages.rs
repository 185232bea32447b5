//! `/incidents`, `/incidents/{id}`, and `/incidents/{id}/report`: what was found wrong, what was done
//! about it, and what an authority is told.
//!
//! Whoever is concerned is counted here and not named: that is for the command line.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::Response;
use maud::{Markup, html};
use twinkeep_app::{
    BreachReport, Caller, ClockLine, DetectionTarget, IncidentReport, NoteLine, StepLine,
};

use super::model_pages::table;
use super::twin_pages::{recorded, short};
use super::{command, page};
use crate::gate::Gate;
use crate::refusal::Refusal;
use crate::use_case;

/// Shows all incidents, closed ones too.
pub(crate) async fn list(
    State(gate): State<Arc<Gate>>,
    Extension(caller): Extension<Caller>,
) -> Result<Response<Body>, Refusal> {
    let name = caller.name.clone();
    let incidents =
        use_case::run(&gate, move |app| twinkeep_app::list_incidents(app, &caller, true)).await?;
    Ok(recorded(page("Incidents", Some(&name), &list_markup(&incidents))))
}

/// Shows one.
pub(crate) async fn show(
    State(gate): State<Arc<Gate>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Response<Body>, Refusal> {
    let name = caller.name.clone();
    let incident = use_case::run(&gate, move |app| twinkeep_app::show_incident(app, &caller, &id));
    let incident = incident.await?;
    Ok(recorded(page(&incident.id, Some(&name), &incident_markup(&incident))))
}

/// Shows what an authority is told of one.
pub(crate) async fn report(
    State(gate): State<Arc<Gate>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Response<Body>, Refusal> {
    let name = caller.name.clone();
    let report = use_case::run(&gate, move |app| twinkeep_app::report_incident(app, &caller, &id));
    let report = report.await?;
    let title = format!("Report of {}", report.incident);
    Ok(recorded(page(&title, Some(&name), &report_markup(&report))))
}

fn list_markup(incidents: &[IncidentReport]) -> Markup {
    let columns = ["Incident", "State", "Severity", "Detector", "About", "Aware", "Reports"];
    html! {
        h1 { "Incidents" }
        @if incidents.is_empty() {
            p { "Nothing was found." }
        } @else {
            (table("Incidents", &columns, html! {
                // The newest first: that is whom somebody looks for.
                @for incident in incidents.iter().rev() {
                    tr {
                        th scope="row" { a href={ "/incidents/" (incident.id) } { (incident.id) } }
                        td { (incident.state) }
                        td { (incident.severity) }
                        td { (incident.detector) }
                        td { (about(&incident.target)) }
                        td { (short(&incident.aware)) }
                        td.number { (incident.count) }
                    }
                }
            }))
        }
        (command("twinkeep incident list --all"))
    }
}

fn incident_markup(incident: &IncidentReport) -> Markup {
    html! {
        p.path { a href="/incidents" { "Incidents" } }
        h1 { (incident.id) }
        p { (incident.says) }
        dl.facts {
            div { dt { "State" } dd { (incident.state) } }
            div { dt { "Severity" } dd { (incident.severity) } }
            div { dt { "Detector" } dd { (incident.detector) } }
            @if let Some(rehearsed) = &incident.rehearses {
                div { dt { "Rehearses" } dd { (rehearsed) } }
            }
            div { dt { "About" } dd { (about(&incident.target)) } }
            div { dt { "Began" } dd { (short(&incident.began)) } }
            div { dt { "Aware" } dd { (short(&incident.aware)) } }
            @if let Some(contained) = &incident.contained {
                div { dt { "Contained" } dd { (short(contained)) } }
            }
            @if let Some(closed) = &incident.closed {
                div { dt { "Closed" } dd { (short(closed)) } }
            }
            div { dt { "Reports" } dd { (incident.count) } }
        }
        h2 { "Time limits" }
        (clocks(&incident.clocks))
        h2 { "Concerned" }
        (concerned(incident))
        h2 { "What was done" }
        (steps(incident))
        h2 { "Evidence" }
        (evidence(incident))
        @if !incident.notes.is_empty() {
            h2 { "Notes" }
            (notes(&incident.notes))
        }
        p { a href={ "/incidents/" (incident.id) "/report" } { "Report for an authority" } }
        (command(&format!("twinkeep incident show {}", incident.id)))
    }
}

fn about(target: &DetectionTarget) -> String {
    let (kind, name) = match target {
        DetectionTarget::Model(name) => ("model", name),
        DetectionTarget::Feed(name) => ("feed", name),
        DetectionTarget::Identity(name) => ("caller", name),
        DetectionTarget::Address(name) => ("address", name),
        DetectionTarget::Route(name) => ("route", name),
        DetectionTarget::File(name) => ("file", name),
        DetectionTarget::Keep => return "the keep".to_owned(),
    };
    format!("{kind} {name}")
}

fn clocks(clocks: &[ClockLine]) -> Markup {
    let left = |clock: &ClockLine| match clock.left_seconds.div_euclid(3600) {
        hours if hours < 0 => "over".to_owned(),
        hours => format!("{hours} h"),
    };
    table(
        "Time limits",
        &["Rule", "Whom to tell", "By", "Left"],
        html! {
            @for clock in clocks {
                tr {
                    th scope="row" { (clock.rule) }
                    td { (clock.whom) }
                    td { (short(&clock.deadline)) }
                    td { (left(clock)) }
                }
            }
        },
    )
}

fn concerned(incident: &IncidentReport) -> Markup {
    html! {
        dl.facts {
            div { dt { "People known to be concerned" } dd { (incident.subject_count) } }
            @for model in &incident.models {
                div {
                    dt { "Model" }
                    dd {
                        a href={ "/models/" (model) } { code { (model) } }
                        @if let Some(count) = incident.training_subjects.get(model) {
                            ", which learned from " (count) " people"
                        }
                    }
                }
            }
        }
    }
}

fn steps(incident: &IncidentReport) -> Markup {
    let code = |step: &StepLine| match step.code.is_empty() {
        true => String::new(),
        false => format!(" ({})", step.code),
    };
    html! {
        @if let Some(playbook) = &incident.playbook {
            p.quiet { "By the playbook " code { (playbook) } ", in this order." }
        }
        (table("What was done", &["Action", "To what", "State", "At", "What came of it", "Undone by"], html! {
            @for step in &incident.steps {
                tr {
                    th scope="row" { (step.action) }
                    td { (step.on) }
                    td { (step.state) (code(step)) }
                    td { (short(&step.at)) }
                    td { (step.says) }
                    td { (step.undone_by) }
                }
            }
        }))
    }
}

fn evidence(incident: &IncidentReport) -> Markup {
    html! {
        @if let Some(entry) = incident.ledger_entry {
            p { "Entry " (entry) " of the ledger says when it was opened." }
        }
        @if !incident.evidence.is_empty() || !incident.figures.is_empty() {
            (table("Evidence", &["Name", "Digest or figure"], html! {
                @for (name, digest) in &incident.evidence {
                    tr { th scope="row" { (name) } td { code { (digest) } } }
                }
                @for (name, figure) in &incident.figures {
                    tr { th scope="row" { (name) } td.number { (figure) } }
                }
            }))
        }
        (command(&format!("twinkeep incident evidence {}", incident.id)))
    }
}

fn notes(notes: &[NoteLine]) -> Markup {
    html! {
        dl.windows {
            @for note in notes {
                div { dt { (short(&note.at)) ", " (note.by) ", " (note.about) } dd { (note.text) } }
            }
        }
    }
}

fn report_markup(report: &BreachReport) -> Markup {
    html! {
        p.path {
            a href="/incidents" { "Incidents" }
            " · "
            a href={ "/incidents/" (report.incident) } { (report.incident) }
        }
        h1 { @if report.drill { "Exercise: report" } @else { "Report" } " (GDPR art. 33)" }
        p.quiet {
            (report.keep) ", version " (report.version) ", as of " (short(&report.as_of))
        }
        (clocks(&report.clocks))
        @for field in &report.fields {
            h2 { (field.title) " (" (field.article) ")" }
            @match &field.said {
                Some(said) => p { (said) },
                None => p.problem { "Missing: nobody has said." },
            }
            @for before in &field.said_before { p.quiet { "Before: " (before) } }
            @if !field.known.is_empty() {
                ul { @for known in &field.known { li { (known) } } }
            }
        }
        (command(&format!("twinkeep incident report {} --out report.html", report.incident)))
    }
}
