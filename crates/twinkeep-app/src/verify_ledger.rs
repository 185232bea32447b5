//! Use cases: verify and show the ledger. Neither needs a secret.

use std::path::{Path, PathBuf};

use serde::Serialize;
use twinkeep_domain::Timestamp;
use twinkeep_ledger::{
    Detail, Entry, Ledger, Outcome, SignedCheckpoint, View, cosigned_at, verify,
};

use crate::anchor::Anchor;
use crate::app::anchor_paths;
use crate::ledger_key::read_witness_key;
use crate::prove_entry::read_checkpoint;
use crate::time_text::rfc3339;
use crate::{AppError, Keep};

/// What holds.
#[derive(Debug, Serialize)]
pub struct LedgerReport {
    /// Name of the ledger.
    pub origin: String,
    /// How many entries it has; all were recomputed.
    pub entries: u64,
    /// Hexadecimal root hash.
    pub root: String,
    /// How many remembered checkpoints it continues.
    pub trusted_checkpoints: usize,
}

/// Recomputes the whole ledger of a keep and checks it against its signature, against what is
/// remembered on this machine, and against checkpoints that were kept elsewhere; each of those must
/// be cosigned by every one of `witnesses`.
pub fn verify_ledger(
    root: &Path,
    state_dir: Option<&Path>,
    trusted: &[PathBuf],
    witnesses: &[PathBuf],
) -> Result<LedgerReport, AppError> {
    let keep = Keep::find(root)?;
    let (origin, key) = (keep.ledger_origin(), keep.ledger_key()?);
    let anchor = Anchor::new(anchor_paths(&keep, state_dir));
    let mut checkpoints = anchor.remembered(&origin, &key)?;
    for path in trusted {
        let signed = read_checkpoint(&keep, path)?;
        check_witnesses(&signed, witnesses, path)?;
        checkpoints.push(signed.checkpoint);
    }
    if trusted.is_empty() && !witnesses.is_empty() {
        let attempt = "a witness cosigns a checkpoint, and none was given";
        return Err(AppError::usage("witness-usage", attempt)
            .hint("name the cosigned checkpoint with `--trusted FILE`"));
    }
    let dir = keep.layout.ledger();
    let verified = verify(&dir, &origin, &key, &checkpoints).map_err(|error| {
        let error = AppError::from(error);
        if Ledger::is_settled(&dir) {
            return error;
        }
        error.hint(
            "its journal holds batches: if the machine lost power, any command that opens the keep \
             (such as `twinkeep twin list`) finishes them; then verify again",
        )
    })?;
    let checkpoint = verified.checkpoint.checkpoint;
    Ok(LedgerReport {
        origin,
        entries: checkpoint.size,
        root: twinkeep_vault::digest::to_hex(&checkpoint.root),
        trusted_checkpoints: verified.trusted_count,
    })
}

/// Refuses a checkpoint that one of the witnesses did not cosign.
fn check_witnesses(
    signed: &SignedCheckpoint,
    witnesses: &[PathBuf],
    path: &Path,
) -> Result<(), AppError> {
    for witness in witnesses {
        let (name, key) = read_witness_key(witness)?;
        if cosigned_at(&signed.note, &name, &key).is_none() {
            let attempt =
                format!("the checkpoint `{}` is not cosigned by `{name}`", path.display());
            return Err(AppError::refused("witness-missing", attempt));
        }
    }
    Ok(())
}

/// One entry, as a person reads it.
#[derive(Debug, Serialize)]
pub struct LedgerLine {
    /// Its index.
    pub index: u64,
    /// When (RFC 3339).
    pub time: String,
    /// What: `feed.ingested`.
    pub action: String,
    /// Who.
    pub actor: String,
    /// `success`, or the code of the refusal.
    pub outcome: String,
    /// The subject's keyed reference, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Further facts.
    pub details: serde_json::Map<String, serde_json::Value>,
}

/// Shows `limit` entries from `from` on, or the newest.
pub fn show_ledger(
    root: &Path,
    from: Option<u64>,
    limit: u64,
) -> Result<Vec<LedgerLine>, AppError> {
    let keep = Keep::find(root)?;
    let view = View::open(&keep.layout.ledger(), &keep.ledger_origin(), &keep.ledger_key()?)?;
    let size = view.checkpoint().checkpoint.size;
    let first = from.unwrap_or(size.saturating_sub(limit)).min(size);
    let last = first.saturating_add(limit).min(size);
    let entries = view.entries(first..last)?;
    entries
        .iter()
        .zip(first..)
        .map(|(bytes, index)| {
            let entry = Entry::decode(bytes).map_err(|error| {
                let attempt = format!("cannot read audit entry {index}");
                AppError::refused(error.code(), attempt).because(error)
            })?;
            Ok(line(index, entry))
        })
        .collect()
}

pub(crate) fn line(index: u64, entry: Entry) -> LedgerLine {
    let details = entry.details.into_iter().map(|(name, detail)| {
        let value = match detail {
            Detail::Text(text) => text.into(),
            Detail::Number(number) => number.into(),
        };
        (name, value)
    });
    LedgerLine {
        index,
        time: rfc3339(Timestamp::from_micros(entry.time_ms.saturating_mul(1000))),
        action: entry.action,
        actor: entry.actor,
        outcome: match entry.outcome {
            Outcome::Success => "success".to_owned(),
            Outcome::Failure { code } => code,
        },
        subject: entry.subject,
        details: details.collect(),
    }
}

/// A checkpoint has four lines; witnesses add one each.
pub(crate) const CHECKPOINT_SIZE_MAX: u64 = 64 * 1024;
