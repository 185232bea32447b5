//! `twinkeep ledger verify|show|search|export|prove|verify-proof|consistency|key`; none needs a
//! secret, but for searching by a person's name.

use std::io::{self, BufWriter};
use std::path::Path;

use twinkeep_app::{
    AppError, Caller, ConsistencyReport, EntryProof, ExportFormat, LedgerLine, LedgerQuery,
    LedgerReport, LedgerState, SearchWith, VerifyLedgerRequest, check_entry_proof, compare_states,
    export_ledger, ledger_vkey, prove_entry, search_ledger, show_ledger, subject_reference,
    verify_ledger, write_proof,
};
use twinkeep_posture::report::plain;
use twinkeep_vault::files::{PRIVATE_FILE, PendingFile};

use crate::cli::{ExportAs, Global, LedgerCommand, QueryArgs};
use crate::clock;
use crate::output::{Output, table, thousands};
use crate::surroundings::{keep_secret, open_keep, state_dir};

pub(crate) fn run(global: &Global, args: &LedgerCommand, out: &Output) -> Result<(), AppError> {
    match args {
        LedgerCommand::Verify { resume, trusted, witnesses } => {
            let secret = resume.then(|| keep_secret(global)).transpose()?;
            let request = VerifyLedgerRequest {
                trusted,
                witnesses,
                resume: secret.as_ref().map(|secret| (secret, clock::now())),
            };
            let bar = out.progress("verifying");
            let tell = &mut |done, size| bar.set(done, size);
            let report = verify_ledger(&global.keep, state_dir().as_deref(), &request, tell)?;
            drop(bar);
            out.result(&report, verified)
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
        LedgerCommand::Search { query, limit, scan } => {
            let with = if *scan { SearchWith::EveryEntry } else { SearchWith::Index };
            let query = asked(global, query)?;
            out.list(&search_ledger(&global.keep, &query, with, *limit)?, text)
        }
        LedgerCommand::Export { format, query, out: file } => {
            let query = asked(global, query)?;
            export(global, *format, &query, file.as_deref(), out)
        }
        LedgerCommand::Key => {
            let key = ledger_vkey(&global.keep)?;
            out.result(&key, String::clone)
        }
    }
}

fn verified(report: &LedgerReport) -> String {
    let mut text = format!(
        "the ledger holds: {} entries, root {}\n\
         it continues {} checkpoints that were kept apart from it",
        report.entries, report.root, report.trusted_checkpoints,
    );
    if let Some(resumed) = report.resumed_entries {
        text.push_str(&format!("\n{resumed} entries were read by an earlier verification"));
    }
    text
}

/// Turns what was typed into a query; only a person's own name needs the keep's secret.
fn asked(global: &Global, args: &QueryArgs) -> Result<LedgerQuery, AppError> {
    let is_reference =
        |text: &str| text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let subject = match &args.subject {
        Some(text) if !is_reference(text) => {
            Some(subject_reference(&open_keep(global)?, &Caller::operator(), text)?)
        }
        other => other.clone(),
    };
    Ok(LedgerQuery {
        from: args.from,
        until: args.until,
        actor: args.actor.clone(),
        subject,
        action: args.action.clone(),
        outcome: args.outcome.clone(),
    })
}

fn export(
    global: &Global,
    format: ExportAs,
    query: &LedgerQuery,
    file: Option<&Path>,
    out: &Output,
) -> Result<(), AppError> {
    let format = match format {
        ExportAs::Ocsf => ExportFormat::Ocsf,
        ExportAs::Fhir => ExportFormat::Fhir,
    };
    let Some(path) = file else {
        let mut stdout = BufWriter::new(io::stdout().lock());
        return export_ledger(&global.keep, format, query, &mut stdout).map(drop);
    };
    let failed = |error| {
        let attempt = format!("cannot write `{}`", path.display());
        AppError::environment("out-write", attempt).because(error)
    };
    let mut pending = BufWriter::new(PendingFile::create(path, PRIVATE_FILE).map_err(failed)?);
    let report = export_ledger(&global.keep, format, query, &mut pending)?;
    let pending = pending.into_inner().map_err(|error| failed(error.into_error()))?;
    pending.commit().map_err(failed)?;
    out.result(&report, |report| {
        format!("wrote {} entries to `{}`", thousands(report.entries), path.display())
    })
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
            plain(&line.actor).into_owned(),
            line.action.clone(),
            line.outcome.clone(),
            plain(&subject.chain(details).collect::<Vec<_>>().join(" ")).into_owned(),
        ]
    });
    table(&std::iter::once(header).chain(rows).collect::<Vec<_>>())
}
