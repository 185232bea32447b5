//! `twinkeep ingest`.

use std::time::Instant;

use twinkeep_app::{
    Announcement, AppError, Caller, Dates, Deidentify, IngestReport, IngestRequest, Mapping,
    Progress, ingest_announced_feed, ingest_feed, load_mapping,
};

use crate::cli::{DeidentifyRule, Global, IngestArgs};
use crate::command::ingest_database;
use crate::output::{Output, thousands};
use crate::surroundings::open_keep;

pub(crate) fn run(global: &Global, args: &IngestArgs, out: &Output) -> Result<(), AppError> {
    if ingest_database::is_meant_by(args) {
        return ingest_database::run(global, args, out);
    }
    ingest_database::refuse_options(args)?;
    let mapping = args.mapping.as_deref().map(load_mapping).transpose()?;
    let app = open_keep(global)?;
    let bar = out.progress("ingesting");
    let started = Instant::now();
    let request = request(args, mapping.as_ref());
    let mut progress = |step: Progress| bar.set(step.done, step.total);
    let announcement = match (&args.sha256, &args.manifest) {
        (Some(digest), _) => Some(Announcement::Sha256(digest)),
        (None, Some(manifest)) => Some(Announcement::Manifest(manifest)),
        (None, None) => None,
    };
    let caller = Caller::operator();
    let report = match announcement {
        Some(announcement) => {
            ingest_announced_feed(&app, &caller, request, announcement, &mut progress)
        }
        None => ingest_feed(&app, &caller, request, &mut progress),
    }?;
    drop(bar);
    rate(out, report.read, started);
    out.result(&report, text)?;
    refuse_held(&report, args.hold)
}

/// A feed that was held is safe, but somebody must look at it: a script notices by the exit code.
pub(crate) fn refuse_held(report: &IngestReport, asked: bool) -> Result<(), AppError> {
    if report.held_because.is_empty() || asked {
        return Ok(());
    }
    let feed = &report.feed;
    let attempt = format!("{feed} is held: nothing of it is used until somebody has looked at it");
    Err(AppError::refused("feed-held", attempt).hint(format!(
        "look at the reasons, then run `twinkeep feed release {feed}` or `twinkeep feed reject {feed}`"
    )))
}

/// Takes what the arguments choose.
pub(crate) fn request<'a>(args: &'a IngestArgs, mapping: Option<&'a Mapping>) -> IngestRequest<'a> {
    IngestRequest {
        feed: &args.feed,
        allow_gap: args.allow_gap,
        site: args.site.as_deref(),
        deidentify: args.deidentify.map(|DeidentifyRule::SafeHarbor| Deidentify::SafeHarbor),
        dates: if args.dates_shifted { Dates::Shifted } else { Dates::Real },
        mapping,
        hold: args.hold,
    }
}

/// Says how fast rows were read.
pub(crate) fn rate(out: &Output, read: u64, started: Instant) {
    let seconds = started.elapsed().as_secs_f64();
    let rate = thousands((read as f64 / seconds) as u64);
    out.remark(&format!("{seconds:.1} s, {rate} rows a second"));
}

/// Shows the account of a feed.
pub(crate) fn text(report: &IngestReport) -> String {
    let mut lines = vec![format!("feed         {}", report.feed)];
    if let (Some(sender), Some(sequence)) = (&report.sender, report.sequence) {
        lines.push(format!("sender       {sender}, feed {sequence}"));
    } else if let Some(sender) = &report.sender {
        lines.push(format!("sender       {sender}"));
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
