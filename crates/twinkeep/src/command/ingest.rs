//! `twinkeep ingest`.

use std::time::Instant;

use twinkeep_app::{
    AppError, Caller, Dates, Deidentify, IngestReport, IngestRequest, ingest_feed, load_mapping,
};

use crate::cli::{DeidentifyRule, Global, IngestArgs};
use crate::output::{Output, thousands};
use crate::surroundings::open_keep;

pub(crate) fn run(global: &Global, args: &IngestArgs, out: &Output) -> Result<(), AppError> {
    let mapping = args.mapping.as_deref().map(load_mapping).transpose()?;
    let app = open_keep(global)?;
    let bar = out.progress("ingesting");
    let started = Instant::now();
    let request = IngestRequest {
        feed: &args.feed,
        allow_gap: args.allow_gap,
        site: args.site.as_deref(),
        deidentify: args.deidentify.map(|DeidentifyRule::SafeHarbor| Deidentify::SafeHarbor),
        dates: if args.dates_shifted { Dates::Shifted } else { Dates::Real },
        mapping: mapping.as_ref(),
        hold: args.hold,
    };
    let report = ingest_feed(&app, &Caller::operator(), request, &mut |progress| {
        bar.set(progress.done, progress.total);
    })?;
    let seconds = started.elapsed().as_secs_f64();
    drop(bar);
    out.remark(&format!(
        "{:.1} s, {} rows a second",
        seconds,
        thousands((report.read as f64 / seconds) as u64),
    ));
    out.result(&report, text)?;
    refuse_held(&report, args.hold)
}

/// A feed that was held is safe, but somebody must look at it: a script notices by the exit code.
fn refuse_held(report: &IngestReport, asked: bool) -> Result<(), AppError> {
    if report.held_because.is_empty() || asked {
        return Ok(());
    }
    let feed = &report.feed;
    let attempt = format!("{feed} is held: nothing of it is used until somebody has looked at it");
    Err(AppError::refused("feed-held", attempt).hint(format!(
        "look at the reasons, then run `twinkeep feed release {feed}` or `twinkeep feed reject {feed}`"
    )))
}

fn text(report: &IngestReport) -> String {
    let mut lines = vec![format!("feed         {}", report.feed)];
    if let (Some(sender), Some(sequence)) = (&report.sender, report.sequence) {
        lines.push(format!("sender       {sender}, feed {sequence}"));
    }
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
    for (detector, count) in &report.suspects {
        lines.push(format!("    found by {detector:<12} {:>9}", thousands(*count)));
    }
    for (kind, count) in &report.passed_over {
        lines.push(format!("passed over  {:>12} {kind}", thousands(*count)));
    }
    for (kind, count) in report.removed.iter().flatten() {
        lines.push(format!("taken out    {:>12} of kind {kind}", thousands(*count)));
    }
    lines.push(format!(
        "stored       {:>12} events of {} subjects",
        thousands(report.events),
        thousands(report.subjects),
    ));
    if !report.held_because.is_empty() {
        lines.push("held         nothing of it is used, because".to_owned());
        lines.extend(report.held_because.iter().map(|reason| format!("  - {reason}")));
    }
    if 0 < report.quarantined {
        lines.push(format!("look at them: twinkeep feed quarantine {}", report.feed));
    }
    lines.join("\n")
}
