//! Use cases: verify and show the ledger. Neither needs a secret.

use std::path::{Path, PathBuf};

use serde::Serialize;
use twinkeep_domain::Timestamp;
use twinkeep_ledger::{
    Detail, Entry, Ledger, LedgerError, Outcome, Seen, SignedCheckpoint, View, cosigned_at,
    verify_from,
};
use twinkeep_vault::digest::{equal_in_constant_time, hmac_sha256};
use twinkeep_vault::files::{PRIVATE_FILE, read_bounded, write_atomic};
use twinkeep_vault::{KekSource, Purpose, SecretKey};

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
    /// How many entries it has; all were recomputed, now or before.
    pub entries: u64,
    /// Hexadecimal root hash.
    pub root: String,
    /// How many remembered checkpoints it continues.
    pub trusted_checkpoints: usize,
    /// When resuming: how many entries were not read again, because an earlier verification read
    /// them and their files have not moved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resumed_entries: Option<u64>,
}

/// How a ledger is to be verified.
#[derive(Default)]
pub struct VerifyLedgerRequest<'a> {
    /// Checkpoints that were kept elsewhere.
    pub trusted: &'a [PathBuf],
    /// Public keys of witnesses; each of those checkpoints must be cosigned by every one.
    pub witnesses: &'a [PathBuf],
    /// To go on from what an earlier verification established: what opens the keep, and the time.
    pub resume: Option<(&'a KekSource, Timestamp)>,
}

/// Recomputes the whole ledger of a keep and checks it against its signature, against what is
/// remembered on this machine, and against checkpoints that were kept elsewhere. `tell` hears how
/// many entries are done, and of how many.
pub fn verify_ledger(
    root: &Path,
    state_dir: Option<&Path>,
    request: &VerifyLedgerRequest<'_>,
    tell: &mut dyn FnMut(u64, u64),
) -> Result<LedgerReport, AppError> {
    let keep = Keep::find(root)?;
    let (origin, key) = (keep.ledger_origin(), keep.ledger_key()?);
    let anchor = Anchor::new(anchor_paths(&keep, state_dir));
    let mut checkpoints = anchor.remembered(&origin, &key)?;
    for path in request.trusted {
        let signed = read_checkpoint(&keep, path)?;
        check_witnesses(&signed, request.witnesses, path)?;
        checkpoints.push(signed.checkpoint);
    }
    if request.trusted.is_empty() && !request.witnesses.is_empty() {
        let attempt = "a witness cosigns a checkpoint, and none was given";
        return Err(AppError::usage("witness-usage", attempt)
            .hint("name the cosigned checkpoint with `--trusted FILE`"));
    }
    let memory = request.resume.map(|resume| Memory::open(&keep, resume)).transpose()?;
    let mut seen = memory.as_ref().map(Memory::recall).unwrap_or_default();
    let (mut saved, mut unsaved) = (0, Ok(()));
    let mut told = |done: u64, size: u64, seen: &Seen| {
        tell(done, size);
        if let Some(memory) = memory.as_ref().filter(|_| saved + SAVE_EVERY < done) {
            saved = done;
            unsaved = memory.save(seen);
        }
    };
    let dir = keep.layout.ledger();
    let mut verified = verify_from(&dir, &origin, &key, &checkpoints, &mut seen, &mut told);
    if verified.is_err() && memory.is_some() {
        // What is told must not rest on what was remembered.
        seen = memory.as_ref().map(Memory::blank).unwrap_or_default();
        verified = verify_from(&dir, &origin, &key, &checkpoints, &mut seen, &mut told);
    }
    let verified = verified.map_err(|error| unfinished(&dir, error))?;
    if let Some(memory) = &memory {
        memory.save(&seen)?;
    }
    unsaved?;
    let checkpoint = verified.checkpoint.checkpoint;
    Ok(LedgerReport {
        origin,
        entries: checkpoint.size,
        root: twinkeep_vault::digest::to_hex(&checkpoint.root),
        trusted_checkpoints: verified.trusted_count,
        resumed_entries: memory.map(|_| verified.resumed),
    })
}

/// Says what to do where a batch may have been interrupted.
fn unfinished(dir: &Path, error: LedgerError) -> AppError {
    let error = AppError::from(error);
    if Ledger::is_settled(dir) {
        return error;
    }
    error.hint(
        "its journal holds batches: if the machine lost power, any command that opens the keep \
         (such as `twinkeep twin list`) finishes them; then verify again",
    )
}

/// What verifications have established, under a MAC that only the keep's secret makes.
struct Memory {
    path: PathBuf,
    key: SecretKey,
    now_seconds: i64,
}

impl Memory {
    fn open(keep: &Keep, (secret, now): (&KekSource, Timestamp)) -> Result<Self, AppError> {
        let path = keep.layout.root().join("ledger.verified");
        let key = keep.unlock(secret)?.root.derive(Purpose::Verification, b"");
        Ok(Self { path, key, now_seconds: now.micros().div_euclid(1_000_000) })
    }

    /// Returns what remembers nothing yet.
    fn blank(&self) -> Seen {
        let mut seen = Seen::default();
        seen.remember_until(self.now_seconds);
        seen
    }

    /// Returns what is remembered; nothing, if it is not there, not ours, or damaged.
    fn recall(&self) -> Seen {
        let bytes = read_bounded(&self.path, MEMORY_SIZE_MAX).unwrap_or_default();
        let parts = bytes.split_first_chunk::<32>();
        let ours = parts.filter(|(mac, body)| equal_in_constant_time(*mac, &self.mac(body)));
        let body = ours.and_then(|(_, body)| body.strip_prefix(MEMORY_HEADER));
        let mut seen = body.and_then(Seen::decode).unwrap_or_default();
        seen.remember_until(self.now_seconds);
        seen
    }

    fn save(&self, seen: &Seen) -> Result<(), AppError> {
        let body = [MEMORY_HEADER, &seen.encode()].concat();
        let bytes = [self.mac(&body).as_slice(), &body].concat();
        write_atomic(&self.path, &bytes, PRIVATE_FILE).map_err(|error| {
            let attempt = format!("cannot write `{}`", self.path.display());
            AppError::environment("verified-write", attempt).because(error)
        })
    }

    fn mac(&self, body: &[u8]) -> [u8; 32] {
        hmac_sha256(&self.key, body)
    }
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

/// Begins what a verification remembers.
const MEMORY_HEADER: &[u8] = b"twinkeep ledger verified v1\n";

/// An interrupted verification loses a few seconds of its work.
const SAVE_EVERY: u64 = 4_000_000;

/// 48 bytes for each 256 entries: enough for five thousand million.
const MEMORY_SIZE_MAX: u64 = 1 << 30;
