//! `twinkeep feed list|show|quarantine|replay|release|reject`.

use twinkeep_app::{
    AppError, Caller, Dates, DecisionReport, FeedLine, QuarantineReport, ReplayReport,
    ReplayRequest, list_feeds, reject_feed, release_feed, replay_feed, show_feed, show_quarantine,
};

use crate::cli::{FeedCommand, Global};
use crate::output::{Output, table, thousands};
use crate::surroundings::open_keep;

mod picture;

pub(crate) fn run(global: &Global, args: &FeedCommand, out: &Output) -> Result<(), AppError> {
    let app = open_keep(global)?;
    match args {
        FeedCommand::List => out.list(&list_feeds(&app, &Caller::operator())?, list),
        FeedCommand::Show { feed, svg } => {
            let shown = show_feed(&app, &Caller::operator(), feed, svg.as_deref())?;
            out.result(&shown, picture::text)
        }
        FeedCommand::Quarantine { feed, reveal } => {
            let report = show_quarantine(&app, &Caller::operator(), feed, *reveal)?;
            out.result(&report, quarantine)
        }
        FeedCommand::Replay { feed, reasons, row, accept: _, because, dates_shifted } => {
            let request = ReplayRequest {
                feed,
                reasons,
                row: *row,
                accept: because.as_deref(),
                dates: if *dates_shifted { Dates::Shifted } else { Dates::Real },
            };
            out.result(&replay_feed(&app, &Caller::operator(), request)?, replayed)
        }
        FeedCommand::Release { feed, reason } => {
            out.result(&release_feed(&app, &Caller::operator(), feed, reason)?, decision)
        }
        FeedCommand::Reject { feed, reason } => {
            out.result(&reject_feed(&app, &Caller::operator(), feed, reason)?, decision)
        }
    }
}

fn list(feeds: &[FeedLine]) -> String {
    let header =
        ["id", "state", "ingested", "sender", "read", "accepted", "missing", "quarantined"];
    let rows = feeds.iter().map(|feed| {
        let sender = match (&feed.sender, feed.sequence) {
            (Some(sender), Some(sequence)) => format!("{sender} #{sequence}"),
            _ => "plain".to_owned(),
        };
        let mut row = vec![feed.id.clone(), feed.state.clone(), feed.ingested.clone(), sender];
        row.extend([feed.read, feed.accepted, feed.missing, feed.quarantined].map(thousands));
        row
    });
    let header = header.map(str::to_owned).to_vec();
    table(&std::iter::once(header).chain(rows).collect::<Vec<_>>())
}

fn replayed(report: &ReplayReport) -> String {
    let mut lines = match &report.feed {
        Some(feed) => vec![format!("feed         {feed}, from refused rows of {}", report.of)],
        None => vec![format!("no row passed; those of {} stay as they are", report.of)],
    };
    for (name, count) in [
        ("read", report.read),
        ("accepted", report.accepted),
        ("missing", report.missing),
        ("quarantined", report.quarantined),
    ] {
        lines.push(format!("{name:<12} {:>12} rows", thousands(count)));
    }
    for (reason, count) in &report.reasons {
        lines.push(format!("  {reason:<22} {:>8}", thousands(*count)));
    }
    if 0 < report.unreadable {
        lines.push(format!("not readable {:>12} rows", thousands(report.unreadable)));
    }
    lines.push(format!("stored       {:>12} events", thousands(report.events)));
    lines.join("\n")
}

fn decision(report: &DecisionReport) -> String {
    let DecisionReport { feed, state, events, refused } = report;
    format!(
        "{feed} is {state}: {} events count, {} were refused",
        thousands(*events),
        thousands(*refused)
    )
}

/// A hostile row must not drive the terminal that shows it.
pub(super) fn harmless(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

fn quarantine(report: &QuarantineReport) -> String {
    if report.rows.is_empty() {
        return "nothing was refused in this feed".to_owned();
    }
    let reasons = report.reasons.iter().map(|(reason, count)| format!("{count} {reason}"));
    let header = ["no.", "row", "reason", "field", "now in", "file", "as it was read"]
        .map(str::to_owned)
        .to_vec();
    let hidden = || "(hidden)".to_owned();
    let rows = report.rows.iter().map(|row| {
        vec![
            row.number.to_string(),
            row.row.to_string(),
            row.reason.clone(),
            row.field.clone().unwrap_or_default(),
            row.released.clone().unwrap_or_default(),
            row.file.as_deref().map_or_else(hidden, harmless),
            row.raw.as_deref().map_or_else(hidden, harmless),
        ]
    });
    format!(
        "{}\n{}",
        reasons.collect::<Vec<_>>().join(", "),
        table(&std::iter::once(header).chain(rows).collect::<Vec<_>>()),
    )
}
