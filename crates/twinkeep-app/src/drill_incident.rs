//! Use case: rehearse an incident, with a playbook and a target that somebody names.
//!
//! A drill contains for real: what is rehearsed is what will happen. It says that it is a drill
//! wherever it appears, and never extends an incident of a detector.

use twinkeep_watch::{Detection, Detector, Severity, Target};

use crate::contain_incident::{is_quarantined, plan_containment, require_identity, require_route};
use crate::feeds::parse_feed;
use crate::incidents::report_as;
use crate::{App, AppError, Caller, ContainmentPlan, IncidentReport};

/// What is rehearsed.
#[derive(Clone, Debug)]
pub struct DrillRequest<'a> {
    /// The detector whose playbook is chosen.
    pub detector: &'a str,
    /// How bad it is said to be.
    pub severity: &'a str,
    /// What it is said to be about.
    pub target: Target,
}

/// Says what a drill would do, and does nothing.
pub fn plan_drill(app: &App, request: &DrillRequest<'_>) -> Result<ContainmentPlan, AppError> {
    plan_containment(app, &detection(app, request, detector(request)?)?)
}

/// Opens an incident of which nothing is wrong, and contains it as its playbook says.
pub fn drill_incident(
    app: &App,
    caller: &Caller,
    request: &DrillRequest<'_>,
) -> Result<IncidentReport, AppError> {
    let rehearsed = detector(request)?;
    let detection = detection(app, request, Detector::Drill)?;
    report_as(app, caller, &detection, Some(rehearsed).filter(|it| *it != Detector::Drill))
}

fn detection(
    app: &App,
    request: &DrillRequest<'_>,
    detector: Detector,
) -> Result<Detection, AppError> {
    // What the ledger cannot have in an entry would be an incident that nobody can contain.
    match &request.target {
        Target::Identity(name) => require_identity(name)?,
        Target::Route(route) => require_route(route)?,
        Target::Feed(feed) => _ = parse_feed(app, feed)?,
        Target::Model(model) => _ = is_quarantined(app, model)?,
        Target::Address(_) | Target::File(_) | Target::Keep => {}
    }
    let now = app.now().micros();
    Ok(Detection {
        detector,
        target: request.target.clone(),
        severity: severity(request)?,
        began_us: now,
        seen_us: now,
        says: "an exercise: nothing is wrong".to_owned(),
        figures: Default::default(),
        evidence: Default::default(),
        subjects: Default::default(),
    })
}

fn detector(request: &DrillRequest<'_>) -> Result<Detector, AppError> {
    let refuse = || {
        let attempt = format!("there is no detector `{}`", request.detector);
        AppError::usage("drill-detector", attempt)
            .hint("`twinkeep incident playbook list` shows which there are")
    };
    serde_json::from_value(request.detector.into()).map_err(|_| refuse())
}

fn severity(request: &DrillRequest<'_>) -> Result<Severity, AppError> {
    let refuse = || {
        let attempt = format!("there is no severity `{}`", request.severity);
        AppError::usage("drill-severity", attempt)
            .hint("informational, low, medium, high, or critical")
    };
    serde_json::from_value(request.severity.into()).map_err(|_| refuse())
}
