//! `twinkeep event add|refused`.

use twinkeep_app::{
    AppError, Caller, LiveEvent, QuarantineLine, RecordReport, RecordRequest, parse_rfc3339,
    record_events, show_refused_events,
};
use twinkeep_domain::Timestamp;

use crate::cli::{EventCommand, Global};
use crate::clock;
use crate::output::{Output, table};
use crate::surroundings::open_keep;

pub(crate) fn run(global: &Global, args: &EventCommand, out: &Output) -> Result<(), AppError> {
    let app = open_keep(global)?;
    match args {
        EventCommand::Add { subject, code, value, unit, time, text, site } => {
            let event = LiveEvent {
                subject: subject.clone(),
                time: Some(time.as_deref().map_or_else(|| Ok(clock::now()), parse_time)?),
                code: code.clone(),
                value: Some(*value),
                unit: unit.clone(),
                text: text.clone(),
            };
            let (site, events) = (site.clone(), vec![event]);
            let request = RecordRequest { site, events, idempotency: None };
            let report = record_events(&app, &Caller::operator(), &request)?;
            out.result(&report, outcome)?;
            // Nothing of a person in the message: only what was wrong.
            report.refused.first().map_or(Ok(()), |refused| {
                let field = refused.field.as_deref().map(|field| format!(": `{field}`"));
                let attempt = format!("the event was refused{}", field.unwrap_or_default());
                Err(AppError::refused("event-refused", format!("{attempt} ({})", refused.reason))
                    .hint("`twinkeep event refused --reveal` shows it"))
            })
        }
        EventCommand::Refused { limit, reveal } => {
            out.list(&show_refused_events(&app, &Caller::operator(), *reveal, *limit)?, list)
        }
    }
}

/// Reads hours since the origin of relative times, or RFC 3339.
fn parse_time(text: &str) -> Result<Timestamp, AppError> {
    let hours = text.parse().ok().filter(|hours: &f64| hours.is_finite());
    let hours = hours.map(|hours| Timestamp::RELATIVE_ORIGIN.plus_hours(hours));
    hours.or_else(|| parse_rfc3339(text)).ok_or_else(|| {
        let attempt = "`--time` takes hours, or a time such as 2026-11-22T08:30:00Z";
        AppError::usage("event-time", attempt)
    })
}

fn outcome(report: &RecordReport) -> String {
    match report {
        RecordReport { accepted: 1, .. } => "recorded".to_owned(),
        RecordReport { missing: 1, .. } => "says \"not recorded\": nothing was stored".to_owned(),
        _ => "refused, and kept in quarantine".to_owned(),
    }
}

fn list(rows: &[QuarantineLine]) -> String {
    let header = ["event", "field", "reason", "as it came"].map(str::to_owned).to_vec();
    let rows = rows.iter().map(|row| {
        vec![
            row.row.to_string(),
            row.field.clone().unwrap_or_else(|| "-".to_owned()),
            row.reason.clone(),
            row.raw.clone().unwrap_or_else(|| "(hidden)".to_owned()),
        ]
    });
    table(&std::iter::once(header).chain(rows).collect::<Vec<_>>())
}
