//! `twinkeep store status|compact`.

use twinkeep_app::{AppError, Caller, CompactReport, StatusReport, compact_store, store_status};

use crate::cli::{Global, StoreCommand};
use crate::output::{Output, thousands};
use crate::surroundings::open_keep;

pub(crate) fn run(global: &Global, args: &StoreCommand, out: &Output) -> Result<(), AppError> {
    match args {
        StoreCommand::Status => out.result(&store_status(&open_keep(global)?)?, status),
        StoreCommand::Compact => {
            let app = open_keep(global)?;
            let bar = out.progress("compacting");
            let report = compact_store(&app, &Caller::operator(), &mut |step| {
                bar.set(step.done, step.total);
            });
            drop(bar);
            out.result(&report?, compacted)
        }
    }
}

fn status(report: &StatusReport) -> String {
    let state = |name| thousands(report.feeds.get(name).copied().unwrap_or_default());
    let due = match report.compaction_replaces {
        0 => "nothing to merge".to_owned(),
        count => format!("would merge {count} files into {}", report.compaction_writes),
    };
    format!(
        "subjects      {}\n\
         feeds         {} admitted, {} held, {} rejected\n\
         events        {} in {} files, {}\n\
         held events   {} in {} files\n\
         refused rows  {} in {} files, {}\n\
         live events   {}, and {} refused, of at most {}\n\
         catalog       {}\n\
         keyring       generation {}, {} erased, {}\n\
         compaction    {due}",
        thousands(report.subjects),
        state("admitted"),
        state("held"),
        state("rejected"),
        thousands(report.events),
        report.shards,
        bytes(report.shard_bytes),
        thousands(report.held_events),
        report.held_shards,
        thousands(report.refused_rows),
        report.quarantine_files,
        bytes(report.quarantine_bytes),
        thousands(report.live_events),
        thousands(report.live_refused),
        thousands(report.live_limit),
        bytes(report.catalog_bytes),
        report.keyring_generation,
        thousands(report.erasures),
        bytes(report.keyring_bytes),
    )
}

fn compacted(report: &CompactReport) -> String {
    format!(
        "{} live events, and {} refused ones, became {} feeds\n{} files became {}",
        thousands(report.live_events),
        thousands(report.live_refused),
        report.live_feeds,
        report.replaced,
        report.written,
    )
}

/// Writes a size as people read it.
fn bytes(count: u64) -> String {
    match count {
        0..1024 => format!("{count} B"),
        1024..1_048_576 => format!("{:.1} KiB", count as f64 / 1024.0),
        1_048_576..1_073_741_824 => format!("{:.1} MiB", count as f64 / 1_048_576.0),
        _ => format!("{:.1} GiB", count as f64 / 1_073_741_824.0),
    }
}
