//! `twinkeep alert list|test|send|dead|retry`.

use twinkeep_app::{
    AlertLine, AlertState, AlertsToTry, AppError, Caller, dead_alerts, deliver_alerts, list_alerts,
    retry_alerts, test_alerts,
};

use crate::cli::{AlertCommand, Global};
use crate::output::{Output, table};
use crate::surroundings::open_keep;

pub(crate) fn run(global: &Global, args: &AlertCommand, out: &Output) -> Result<(), AppError> {
    let app = open_keep(global)?;
    let operator = Caller::operator();
    match args {
        AlertCommand::List => out.list(&list_alerts(&app)?, lines),
        AlertCommand::Test { name } => tried(&test_alerts(&app, &operator, name.as_deref())?, out),
        AlertCommand::Send => tried(&deliver_alerts(&app, AlertsToTry::All)?, out),
        AlertCommand::Dead => out.list(&dead_alerts(&app)?, states),
        AlertCommand::Retry { id, .. } => {
            out.list(&retry_alerts(&app, &operator, id.as_deref())?, states)
        }
    }
}

/// Says what became of each; that one was not delivered is a failure here.
fn tried(done: &[AlertState], out: &Output) -> Result<(), AppError> {
    out.list(done, states)?;
    let not: Vec<&str> =
        done.iter().filter(|it| it.state != "delivered").map(|it| it.to.as_str()).collect();
    match not.as_slice() {
        [] => Ok(()),
        not => {
            let attempt = format!("not delivered: {}", not.join(", "));
            Err(AppError::refused("alert-undelivered", attempt)
                .hint("what waits is tried again; `twinkeep alert list` says why it was not taken"))
        }
    }
}

fn lines(lines: &[AlertLine]) -> String {
    if lines.is_empty() {
        return "nobody is told: there is no `[[alert]]` in twinkeep.toml".to_owned();
    }
    let header =
        ["name", "kind", "to", "from severity", "waiting", "dead", "not sent", "last error"];
    let rows = lines.iter().map(|line| {
        let severity = serde_json::to_value(line.severity).unwrap_or_default();
        vec![
            line.name.clone(),
            line.kind.to_owned(),
            line.place.clone(),
            severity.as_str().unwrap_or_default().to_owned(),
            line.waiting.to_string(),
            line.dead.to_string(),
            line.not_sent.to_string(),
            line.last_error.clone(),
        ]
    });
    table(&std::iter::once(header.map(str::to_owned).to_vec()).chain(rows).collect::<Vec<_>>())
}

fn states(states: &[AlertState]) -> String {
    if states.is_empty() {
        return "none".to_owned();
    }
    let header = ["id", "to", "state", "incident", "queued", "attempts", "next", "code"];
    let rows = states.iter().map(|state| {
        vec![
            state.id.clone(),
            state.to.clone(),
            state.state.to_owned(),
            state.incident.clone().unwrap_or_default(),
            state.queued.clone(),
            state.attempts.to_string(),
            state.next.clone().unwrap_or_default(),
            state.code.clone(),
        ]
    });
    table(&std::iter::once(header.map(str::to_owned).to_vec()).chain(rows).collect::<Vec<_>>())
}
