//! `twinkeep ledger verify|show|prove|verify-proof|consistency|key`; none needs a secret.

use std::path::Path;

use twinkeep_app::{
    AppError, ConsistencyReport, EntryProof, LedgerLine, LedgerState, check_entry_proof,
    compare_states, ledger_vkey, prove_entry, show_ledger, verify_ledger, write_proof,
};

use crate::cli::{Global, LedgerCommand};
use crate::output::{Output, table, thousands};
use crate::surroundings::state_dir;

pub(crate) fn run(global: &Global, args: &LedgerCommand, out: &Output) -> Result<(), AppError> {
    match args {
        LedgerCommand::Verify { trusted } => {
            let report = verify_ledger(&global.keep, state_dir().as_deref(), trusted)?;
            out.result(&report, |report| {
                format!(
                    "the ledger holds: {} entries, root {}\n\
                     it continues {} checkpoints that were kept apart from it",
                    report.entries, report.root, report.trusted_checkpoints,
                )
            })
        }
        LedgerCommand::Show { limit, from } => {
            out.list(&show_ledger(&global.keep, *from, *limit)?, text)
        }
        LedgerCommand::Prove { index, out: file } => prove(global, *index, file.as_deref(), out),
        LedgerCommand::VerifyProof { file, key } => {
            let proven = check_entry_proof(&global.keep, file, key.as_deref())?;
            out.result(&proven, holds)
        }
        LedgerCommand::Consistency { old, new, out: file } => {
            consistency(global, old, new.as_ref(), file.as_deref(), out)
        }
        LedgerCommand::Key => {
            let key = ledger_vkey(&global.keep)?;
            out.result(&key, String::clone)
        }
    }
}

fn prove(global: &Global, index: u64, file: Option<&Path>, out: &Output) -> Result<(), AppError> {
    let proven = prove_entry(&global.keep, index)?;
    let Some(path) = file else {
        return out.result(&proven, |proven| proven.proof.clone());
    };
    write_proof(path, &proven.proof)?;
    out.result(&proven, |proven| format!("wrote `{}`: {}", path.display(), holds(proven)))
}

fn holds(proven: &EntryProof) -> String {
    format!(
        "the ledger {} of {} entries holds this one\n{}",
        proven.origin,
        thousands(proven.size),
        text(std::slice::from_ref(&proven.entry)),
    )
}

fn consistency(
    global: &Global,
    old: &LedgerState,
    new: Option<&LedgerState>,
    file: Option<&Path>,
    out: &Output,
) -> Result<(), AppError> {
    let report = compare_states(&global.keep, old, new)?;
    if let Some(path) = file {
        let request = report.witness_request.as_ref().ok_or_else(|| {
            let attempt = "a size has no signed checkpoint that could be written";
            AppError::usage("checkpoint-unsigned", attempt)
                .hint("leave NEW out, or name a file with a checkpoint")
        })?;
        write_proof(path, request)?;
    }
    out.result(&report, consistent)
}

fn consistent(report: &ConsistencyReport) -> String {
    format!(
        "the first {} entries are the same: nothing was changed, removed, or reordered\n\
         old  {} entries, root {}\nnew  {} entries, root {}",
        thousands(report.old_size),
        thousands(report.old_size),
        report.old_root,
        thousands(report.new_size),
        report.new_root,
    )
}

/// One line an entry.
pub(super) fn text(lines: &[LedgerLine]) -> String {
    let header = ["index", "time", "who", "what", "outcome", "details"].map(str::to_owned).to_vec();
    let rows = lines.iter().map(|line| {
        let details = line.details.iter().map(|(name, value)| match value.as_str() {
            Some(text) => format!("{name}={text}"),
            None => format!("{name}={value}"),
        });
        let subject = line.subject.iter().map(|subject| format!("subject={subject}"));
        vec![
            line.index.to_string(),
            line.time.clone(),
            line.actor.clone(),
            line.action.clone(),
            line.outcome.clone(),
            subject.chain(details).collect::<Vec<_>>().join(" "),
        ]
    });
    table(&std::iter::once(header).chain(rows).collect::<Vec<_>>())
}
