//! `twinkeep store status|compact|snapshot|restore` and `twinkeep keyring backup|restore`.

use twinkeep_app::{
    AppError, Caller, CompactReport, KeyringReport, RestoreReport, RestoreRequest, SnapshotReport,
    StatusReport, Surroundings, back_up_keyring, compact_store, restore_keep, restore_keyring,
    snapshot_keep, store_status,
};

use crate::cli::{Global, KeyringCommand, StoreCommand};
use crate::clock;
use crate::output::{Output, thousands};
use crate::secret_input::{self, Asking};
use crate::surroundings::{open_keep, state_dir};

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
        StoreCommand::Snapshot { dir } => {
            let report = snapshot_keep(&open_keep(global)?, &Caller::operator(), dir)?;
            out.result(&report, snapshotted)
        }
        StoreCommand::Restore { dir, into, keyring, ledger, ledger_lost, accept_loss } => {
            let secret = secret_input::get(&global.secret, "the keep", Asking::Existing)?;
            let request = RestoreRequest {
                snapshot: dir,
                into,
                keyring,
                ledger: ledger.as_deref(),
                ledger_lost: *ledger_lost,
                accept_loss: *accept_loss,
            };
            out.result(&restore_keep(&request, &secret, &surroundings())?, restored)
        }
    }
}

pub(crate) fn keyring(
    global: &Global,
    args: &KeyringCommand,
    out: &Output,
) -> Result<(), AppError> {
    match args {
        KeyringCommand::Backup { file } => {
            let report = back_up_keyring(&open_keep(global)?, &Caller::operator(), file)?;
            out.result(&report, |report: &KeyringReport| {
                let KeyringReport { generation, files } = report;
                let file = file.display();
                format!("generation {generation}, with {files} files, in `{file}`; keep it apart from snapshots")
            })
        }
        KeyringCommand::Restore { file } => {
            let secret = secret_input::get(&global.secret, "the keep", Asking::Existing)?;
            let report = restore_keyring(&global.keep, file, &secret, &surroundings())?;
            out.result(&report, |report: &KeyringReport| {
                format!("the keep has the keyring of generation {}", report.generation)
            })
        }
    }
}

fn surroundings() -> Surroundings {
    Surroundings { clock: clock::now, state_dir: state_dir() }
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

fn snapshotted(report: &SnapshotReport) -> String {
    let left_out = match report.left_out {
        0 => String::new(),
        count => format!("{count} immutable files in quarantine left out: run this as root\n"),
    };
    format!(
        "{} files, {} entries of the ledger\n{left_out}manifest  {}\n\
         It opens with the keyring of generation {} or newer: `twinkeep keyring backup FILE`, kept somewhere else.",
        report.files,
        thousands(report.ledger_entries),
        report.manifest_sha256,
        report.keyring_generation,
    )
}

fn restored(report: &RestoreReport) -> String {
    format!(
        "restored as of    {}\nerased since      {}\nhealed files      {}\nlost files        {}\n\
         people with loss  {}\nwithheld rows     {}\nlost entries      {}\n\
         Now back up the keyring and take a new snapshot.",
        report.taken,
        report.erased_subjects,
        report.healed_files,
        report.lost_files,
        report.damaged_subjects,
        report.withheld_rows,
        report.lost_ledger_entries,
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
