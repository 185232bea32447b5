//! Use case: write the report of an incident for a supervisory authority (GDPR art. 33(3)).
//!
//! What the keep knows is beside what people said, and what nobody said is missing: nothing here is
//! made up. Every version counts its notes, so that a report in phases (art. 33(4)) says what is new.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use maud::{DOCTYPE, PreEscaped, html};
use serde::Serialize;
use twinkeep_ledger::{Activity, Class as EventClass};
use twinkeep_posture::report::plain;
use twinkeep_vault::digest::sha256;
use twinkeep_watch::incident::{About, Incident, StepState};

use crate::incidents::{ClockLine, IncidentReport, find, load, may_look, report, time};
use crate::time_text::rfc3339;
use crate::{App, AppError, Caller};

/// The report of an incident, as of now.
#[derive(Clone, Debug, Serialize)]
pub struct BreachReport {
    /// The incident.
    pub incident: String,
    /// Of which keep: the origin of its ledger.
    pub keep: String,
    /// As of when (RFC 3339).
    pub as_of: String,
    /// Grows with every note that belongs to the report.
    pub version: u64,
    /// Whether it is an exercise.
    pub drill: bool,
    /// When it began, as far as is known.
    pub began: String,
    /// When the keep became aware of it.
    pub aware: String,
    /// Time limits of the law.
    pub clocks: Vec<ClockLine>,
    /// The fields of art. 33(3), and why it is late if it is.
    pub fields: Vec<BreachField>,
    /// Parts that nobody has written yet, by the names that `incident note --about` takes.
    pub missing: Vec<&'static str>,
    /// Digests of what proves it.
    pub evidence: Vec<String>,
    /// The entry of the ledger that says that it was opened.
    pub ledger_entry: Option<u64>,
}

/// One field.
#[derive(Clone, Debug, Serialize)]
pub struct BreachField {
    /// Where the law asks for it.
    pub article: &'static str,
    /// What it is called.
    pub title: &'static str,
    /// What part of the notes it is.
    pub part: &'static str,
    /// What people wrote last; nobody did, if there is none.
    pub said: Option<String>,
    /// What they had written before, the newest last: phases of the report.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub said_before: Vec<String>,
    /// What the keep knows of it.
    pub known: Vec<String>,
}

/// Writes the report of an incident.
pub fn report_incident(app: &App, caller: &Caller, id: &str) -> Result<BreachReport, AppError> {
    let class = EventClass::DetectionFinding;
    let entry = app.entry(caller, class, Activity::Read, "incident.reported");
    let result = may_look(caller).and_then(|()| find(id)).and_then(|number| {
        let incident = load(app, number)?;
        let shown = report(app, number, &incident);
        Ok(write(app, &incident, shown))
    });
    let entry = match &result {
        Ok(report) => entry
            .with("incident", id)
            .with("version", i64::try_from(report.version).unwrap_or(i64::MAX))
            .with("missing", report.missing.join(" ").as_str()),
        Err(_) => entry,
    };
    app.conclude(entry, result)
}

fn write(app: &App, incident: &Incident, shown: IncidentReport) -> BreachReport {
    let late = shown.clocks.iter().any(|clock| clock.rule == ART_33 && clock.left_seconds < 0);
    let parts = FIELDS.iter().filter(|field| field.0 != About::Delay || late);
    let fields: Vec<BreachField> = parts
        .map(|&(about, article, title)| {
            let of = incident.notes.iter().filter(|note| note.about == about);
            let mut said: Vec<String> = of
                .map(|note| format!("{} ({}, {})", note.text, note.by, time(note.at_us)))
                .collect();
            BreachField {
                article,
                title,
                part: about.name(),
                known: known(incident, &shown, about),
                said: said.pop(),
                said_before: said,
            }
        })
        .collect();
    let missing = fields.iter().filter(|field| field.said.is_none()).map(|field| field.part);
    let notes = incident.notes.iter().filter(|note| note.about != About::General).count();
    BreachReport {
        keep: app.ledger_origin().to_owned(),
        as_of: rfc3339(app.now()),
        version: notes as u64 + 1,
        drill: shown.detector == "drill",
        began: shown.began.clone(),
        aware: shown.aware.clone(),
        missing: missing.collect(),
        fields,
        evidence: shown.evidence.iter().map(|(name, it)| format!("{name} {it}")).collect(),
        ledger_entry: shown.ledger_entry,
        clocks: shown.clocks,
        incident: shown.id,
    }
}

/// Returns what the keep knows of a field, from the incident alone.
fn known(incident: &Incident, shown: &IncidentReport, about: About) -> Vec<String> {
    match about {
        About::Nature => {
            let figures = shown.figures.iter().map(|(name, it)| format!("{name} = {it}"));
            let what = format!("{}: {}", shown.detector, shown.says);
            let models = shown.models.iter().map(|model| format!("model {model}"));
            std::iter::once(what).chain(models).chain(figures).collect()
        }
        About::Subjects => {
            let named = match shown.subject_count {
                0 => "the keep does not know who is concerned".to_owned(),
                count => format!("{count} people, by keyed reference, are in the incident"),
            };
            let learned = incident.training_subjects.iter();
            let learned =
                learned.map(|(model, count)| format!("{model} learned from {count} people"));
            std::iter::once(named).chain(learned).collect()
        }
        About::Measures => {
            let done = incident.steps.iter().filter(|step| {
                matches!(step.state, StepState::Done | StepState::Undone | StepState::Kept)
            });
            done.map(|step| {
                let (measure, state) = (&step.measure, step.state.name());
                format!("{measure}: {state}, {} ({})", time(step.at_us), step.says)
            })
            .collect()
        }
        About::General | About::Records | About::Contact | About::Consequences | About::Delay => {
            Vec::new()
        }
    }
}

/// Writes the page: one HTML file without scripts, that loads nothing.
pub fn breach_page(report: &BreachReport) -> String {
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'",
        BASE64_STANDARD.encode(sha256(STYLE.as_bytes()))
    );
    let kind = if report.drill { "Exercise: report" } else { "Report" };
    let title = format!("{kind} of {} (GDPR art. 33)", report.incident);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy);
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { (title) }
                p { (report.keep) ", version " (report.version) ", as of " (report.as_of) }
                table {
                    tr { th { "Began, as far as is known" } td { (report.began) } }
                    tr { th { "Became aware" } td { (report.aware) } }
                    @for clock in &report.clocks {
                        tr {
                            th { (clock.rule) }
                            td { (clock.whom) ": by " (clock.deadline) (over(clock)) }
                        }
                    }
                }
                @for field in &report.fields {
                    h2 { (field.title) " (" (field.article) ")" }
                    @match &field.said {
                        Some(said) => p.said { (plain_lines(said)) },
                        None => p.missing { "Missing: nobody has said." },
                    }
                    @for before in &field.said_before { p.before { "Before: " (plain_lines(before)) } }
                    @if !field.known.is_empty() {
                        p { "What the system knows:" }
                        ul { @for known in &field.known { li { (plain_lines(known)) } } }
                    }
                }
                h2 { "Evidence" }
                ul { @for digest in &report.evidence { li { code { (plain_lines(digest)) } } } }
                @if let Some(entry) = report.ledger_entry {
                    p { "Entry " (entry) " of the ledger says when it was opened." }
                }
            }
        }
    };
    page.into_string()
}

/// Writes lines as people read them: what nobody sees, and what would turn text around, is written as
/// its number.
pub fn plain_lines(text: &str) -> String {
    text.split('\n').map(plain).collect::<Vec<_>>().join("\n")
}

fn over(clock: &ClockLine) -> &'static str {
    if clock.left_seconds < 0 { ", which is over" } else { "" }
}

/// The parts of art. 33(3), in its order, and that of art. 33(1).
const FIELDS: [(About, &str, &str); 7] = [
    (About::Nature, "art. 33(3)(a)", "Nature of the breach"),
    (About::Subjects, "art. 33(3)(a)", "Categories and approximate number of data subjects"),
    (About::Records, "art. 33(3)(a)", "Categories and approximate number of records"),
    (About::Contact, "art. 33(3)(b)", "Contact point"),
    (About::Consequences, "art. 33(3)(c)", "Likely consequences"),
    (About::Measures, "art. 33(3)(d)", "Measures taken or proposed"),
    (About::Delay, "art. 33(1)", "Reasons for the delay"),
];

const ART_33: &str = "GDPR art. 33(1)";

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:50rem;\
padding:0 1rem;color:#1b1b1b}th{text-align:left;padding-right:1rem}\
.missing{background:#fde7e7;padding:.5rem;border-left:4px solid #b00020}\
.said{white-space:pre-wrap}.before{color:#555;white-space:pre-wrap}code{overflow-wrap:anywhere}";
