//! Use cases: prove that the ledger holds an entry, check such a proof, and show that one state of
//! the ledger continues another. None needs a secret; checking a proof needs no ledger either.

use std::path::{Path, PathBuf};

use serde::Serialize;
use twinkeep_ledger::{Checkpoint, Entry, Proof, SignedCheckpoint, View, WitnessRequest};
use twinkeep_vault::digest::to_hex;
use twinkeep_vault::files::{PUBLIC_FILE, read_bounded, write_atomic};

use crate::ledger_key::{ED25519_TYPE, LedgerKey, vkey};
use crate::verify_ledger::{CHECKPOINT_SIZE_MAX, LedgerLine, line};
use crate::{AppError, Keep};

/// An entry and its proof.
#[derive(Debug, Serialize)]
pub struct EntryProof {
    /// The name of the ledger.
    pub origin: String,
    /// How many entries the signed checkpoint covers.
    pub size: u64,
    /// The entry.
    pub entry: LedgerLine,
    /// The proof: C2SP tlog-proof@v1.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub proof: String,
}

/// That one state of the ledger is the beginning of another.
#[derive(Debug, Serialize)]
pub struct ConsistencyReport {
    /// The name of the ledger.
    pub origin: String,
    /// Entries of the earlier state.
    pub old_size: u64,
    /// Its root hash, in hexadecimal.
    pub old_root: String,
    /// Entries of the later state.
    pub new_size: u64,
    /// Its root hash, in hexadecimal.
    pub new_root: String,
    /// The proof (RFC 6962, 2.1.2), in hexadecimal.
    pub hashes: Vec<String>,
    /// The body that a witness takes (C2SP tlog-witness), where the later state is a signed one.
    #[serde(skip)]
    pub witness_request: Option<String>,
}

/// A state of the ledger: a number of entries, or a file with a signed checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LedgerState {
    /// After so many entries.
    Size(u64),
    /// As this checkpoint says.
    File(PathBuf),
}

impl LedgerState {
    /// Takes digits for a size, and anything else for a file.
    pub fn parse(text: &str) -> Self {
        text.parse().map_or_else(|_| Self::File(text.into()), Self::Size)
    }
}

/// Proves that the ledger of the keep at `root` holds entry `index`.
pub fn prove_entry(root: &Path, index: u64) -> Result<EntryProof, AppError> {
    let (_, view) = open(root)?;
    let proof = view.prove(index).map_err(|error| match error {
        twinkeep_ledger::LedgerError::OutOfRange { .. } => {
            AppError::usage(error.code(), "there is no such entry").because(error)
        }
        other => other.into(),
    })?;
    proven(&proof, view.checkpoint(), proof.encode())
}

/// Checks a proof with nothing but the public key in the file `key`; without one, with the public
/// key of the keep at `root`.
pub fn check_entry_proof(
    root: &Path,
    path: &Path,
    key: Option<&Path>,
) -> Result<EntryProof, AppError> {
    let attempt = || format!("`{}` proves nothing", path.display());
    let bytes = read_bounded(path, PROOF_FILE_SIZE_MAX).map_err(|error| {
        let attempt = format!("cannot read `{}`", path.display());
        AppError::usage("ledger-proof-read", attempt).because(error)
    })?;
    let key = verifier(root, key)?;
    let refuse = |error: twinkeep_ledger::LedgerError| {
        AppError::refused(error.code(), attempt())
            .because(error)
            .hint("it was changed or cut short, or it is of the ledger of another keep")
    };
    let proof = Proof::parse(&bytes).map_err(refuse)?;
    let signed = proof.verify(key.origin.as_deref(), &key.key).map_err(refuse)?;
    proven(&proof, &signed, String::new())
}

/// Shows that the state `old` of the ledger is the beginning of `new`, or of the present one.
pub fn compare_states(
    root: &Path,
    old: &LedgerState,
    new: Option<&LedgerState>,
) -> Result<ConsistencyReport, AppError> {
    let (keep, view) = open(root)?;
    let read = |state: &LedgerState| read_state(&keep, &view, state);
    let (old, _) = read(old)?;
    let (new, note) = match new {
        Some(state) => read(state)?,
        None => (view.checkpoint().checkpoint, Some(view.checkpoint().note.clone())),
    };
    let proof = view.consistency(&old, &new)?;
    Ok(ConsistencyReport {
        origin: keep.ledger_origin(),
        old_size: old.size,
        old_root: to_hex(&old.root),
        new_size: new.size,
        new_root: to_hex(&new.root),
        hashes: proof.hashes.iter().map(|hash| to_hex(hash)).collect(),
        witness_request: note
            .map(|note| WitnessRequest { old_size: old.size, hashes: proof.hashes, note }.encode()),
    })
}

/// Returns the public key of the ledger as other programs take it (C2SP signed-note).
pub fn ledger_vkey(root: &Path) -> Result<String, AppError> {
    let keep = Keep::find(root)?;
    Ok(vkey(&keep.ledger_origin(), ED25519_TYPE, &keep.ledger_key()?))
}

/// Writes a proof, or a request to a witness, to a file that others may read.
pub fn write_proof(path: &Path, text: &str) -> Result<(), AppError> {
    write_atomic(path, text.as_bytes(), PUBLIC_FILE).map_err(|error| {
        AppError::environment("out-write", format!("cannot write `{}`", path.display()))
            .because(error)
    })
}

/// Returns the key in a file, or that of the keep.
pub(crate) fn verifier(root: &Path, key: Option<&Path>) -> Result<LedgerKey, AppError> {
    if let Some(path) = key {
        return LedgerKey::read(path);
    }
    let keep = Keep::find(root).map_err(|error| {
        error.hint("name the public key of the keep that made it with `--key FILE`")
    })?;
    Ok(LedgerKey { origin: Some(keep.ledger_origin()), key: keep.ledger_key()? })
}

fn open(root: &Path) -> Result<(Keep, View), AppError> {
    let keep = Keep::find(root)?;
    let view = View::open(&keep.layout.ledger(), &keep.ledger_origin(), &keep.ledger_key()?)?;
    Ok((keep, view))
}

fn proven(proof: &Proof, signed: &SignedCheckpoint, text: String) -> Result<EntryProof, AppError> {
    let entry = Entry::decode(&proof.entry).map_err(|error| {
        let attempt = format!("cannot read audit entry {}", proof.index);
        AppError::refused(error.code(), attempt).because(error)
    })?;
    Ok(EntryProof {
        origin: signed.note.lines().next().unwrap_or_default().to_owned(),
        size: signed.checkpoint.size,
        entry: line(proof.index, entry),
        proof: text,
    })
}

fn read_state(
    keep: &Keep,
    view: &View,
    state: &LedgerState,
) -> Result<(Checkpoint, Option<String>), AppError> {
    match state {
        LedgerState::Size(size) => Ok((view.checkpoint_at(*size)?, None)),
        LedgerState::File(path) => {
            let signed = read_checkpoint(keep, path)?;
            Ok((signed.checkpoint, Some(signed.note)))
        }
    }
}

/// Reads a checkpoint of the keep's own ledger.
pub(crate) fn read_checkpoint(keep: &Keep, path: &Path) -> Result<SignedCheckpoint, AppError> {
    let attempt = || format!("cannot use the checkpoint `{}`", path.display());
    let note = read_bounded(path, CHECKPOINT_SIZE_MAX)
        .map_err(|error| AppError::usage("checkpoint-read", attempt()).because(error))?;
    SignedCheckpoint::parse(&note, &keep.ledger_origin(), &keep.ledger_key()?)
        .map_err(|error| AppError::refused("checkpoint-invalid", attempt()).because(error))
}

/// As large as a proof may be.
const PROOF_FILE_SIZE_MAX: u64 = 128 * 1024;
