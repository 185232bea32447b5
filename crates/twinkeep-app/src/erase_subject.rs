//! Use case: erase a person (GDPR, article 17), and prove it.
//!
//! # Life of an erasure
//!
//! 1. The ledger gets the intent.
//! 2. The store writes the files that hold the person anew, and destroys the keys of the old ones
//!    and of the person: no copy of the data opens what was erased.
//! 3. The registry marks the models that may have learned from the person.
//! 4. The ledger gets what was done, and the report carries a signed statement of it, with the
//!    proof that the ledger holds it.
//!
//! Run again after a crash, or to get the statement once more, it completes what is missing.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use twinkeep_ledger::{Activity, Class as EventClass, Entry, Severity, SignedCheckpoint};
use twinkeep_ledger::{leaf_hash, verify_inclusion};
use twinkeep_store::{ErasureRecord, ErasureRequest};
use twinkeep_vault::digest::{from_hex, to_hex};
use twinkeep_vault::files::read_bounded;
use twinkeep_vault::sign::VerifyingKey;

use crate::concerns::Person;
use crate::reason::check_reason;
use crate::sites::unknown_subject;
use crate::time_text::rfc3339;
use crate::{App, AppError, Caller, Keep, Scope, envelope};

/// Whom to erase, and why.
#[derive(Clone, Copy, Debug)]
pub struct EraseRequest<'a> {
    /// `sub-…`, or the source's own identifier.
    pub subject: &'a str,
    /// The same once more: an erasure cannot be undone.
    pub confirm: &'a str,
    /// Why.
    pub reason: &'a str,
}

/// What was erased.
#[derive(Debug, Serialize)]
pub struct EraseReport {
    /// The keyed reference that stands for the person in the ledger.
    pub reference: String,
    /// When (RFC 3339).
    pub erased: String,
    /// Events that were erased.
    pub events: u64,
    /// Refused rows that were blanked.
    pub refused_rows: u64,
    /// Files whose keys were destroyed.
    pub files: usize,
    /// Models that may have learned from the person.
    pub models: Vec<String>,
    /// The entry of the ledger.
    pub ledger_index: u64,
    /// The signed statement, for the person or an authority.
    #[serde(skip)]
    pub proof: Vec<u8>,
}

/// What the signed statement says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErasureProof {
    /// The name of the ledger, and so of the keep.
    pub keep: String,
    /// The keyed reference that stands for the person; it cannot be turned back.
    pub subject_reference: String,
    /// When (RFC 3339).
    pub erased: String,
    /// Why.
    pub reason: String,
    /// Events that were erased.
    pub events: u64,
    /// Refused rows that were blanked.
    pub refused_rows: u64,
    /// The files that held the person, by digest, and what took their place.
    pub files: Vec<ErasedFile>,
    /// Models that may have learned from the person.
    pub models: Vec<String>,
    /// The generation of the keyring that no longer derives the keys.
    pub keyring_generation: u64,
    /// That the ledger holds it.
    pub ledger: Inclusion,
}

/// A file whose key was destroyed.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErasedFile {
    /// Its name, which also names the destroyed key.
    pub key: String,
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: String,
    /// SHA-256 of the file without the person, if anything was left.
    pub successor_sha256: Option<String>,
}

/// The proof that an entry is in the ledger (RFC 6962).
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inclusion {
    /// The entry's index.
    pub index: u64,
    /// The entry, base64.
    pub entry: String,
    /// The hashes from the entry to the root, in hexadecimal.
    pub hashes: Vec<String>,
    /// The signed checkpoint.
    pub checkpoint: String,
}

/// Erases a person.
pub fn erase_subject(
    app: &App,
    caller: &Caller,
    request: EraseRequest<'_>,
) -> Result<EraseReport, AppError> {
    let class = EventClass::DatastoreActivity;
    let wanted = caller.require(Scope::EraseSubjects).and_then(|()| check(app, request));
    let (intent, entry) = match &wanted {
        Ok(person) => {
            let reference = app.reference(person.subject);
            let about =
                |action| app.entry(caller, class, Activity::Delete, action).about(&reference);
            (Some(about("subject.erasing")), about("subject.erased"))
        }
        Err(_) => (None, app.entry(caller, class, Activity::Delete, "subject.erased")),
    };
    let erased = wanted.and_then(|person| {
        if let Some(intent) = &intent {
            // A crash must not leave an erasure that the ledger knows nothing of.
            app.record(&intent.clone().severity(Severity::Medium))?;
        }
        erase(app, caller, &person, request.reason)
    });
    let (record, models) = match erased {
        Ok(erased) => erased,
        Err(error) => return app.conclude(entry, Err(error)),
    };
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let entry = entry
        .severity(Severity::Medium)
        .with("events", number(record.event_count))
        .with("refused_rows", number(record.refused_count))
        .with("files", number(record.files.len() as u64))
        .with("models", number(models.len() as u64));
    let index = app.record_at(&entry)?;
    report(app, &record, models, index)
}

fn check(app: &App, request: EraseRequest<'_>) -> Result<Person, AppError> {
    check_reason(request.reason)?;
    if request.subject != request.confirm {
        let attempt = "the confirmation does not repeat the subject; nothing was erased";
        return Err(AppError::usage("erase-confirm", attempt)
            .hint("an erasure cannot be undone: repeat exactly what you named"));
    }
    app.find_person(request.subject)
}

fn erase(
    app: &App,
    caller: &Caller,
    person: &Person,
    reason: &str,
) -> Result<(ErasureRecord, Vec<String>), AppError> {
    let reference = app.reference(person.subject);
    let known = app.store.subject(person.subject).is_ok_and(|record| record.is_some());
    // A pseudonym that stands for nobody here was mistyped; an identifier may be in refused rows.
    if !known && person.identifier.is_empty() && app.store.erasure(&reference)?.is_none() {
        return Err(unknown_subject());
    }
    let record = app.store.erase(&ErasureRequest {
        subject: person.subject,
        reference: &reference,
        reason: reason.trim(),
        at: app.now(),
        concerns: &|site, row| person.is_in(site, row),
        names: &|site, text| person.is_named_by(site, text),
    })?;
    app.store.forget_consent(person.subject)?;
    app.forget_reference()?;
    app.forget_training()?;
    let models = match record.known_since {
        Some(since) => {
            let reason = format!("a person it may have learned from was erased ({reference})");
            app.registry.mark_learned_since(since, &caller.id, &reason, app.now())?
        }
        None => Vec::new(),
    };
    app.remember_registry()?;
    Ok((record, models.iter().map(ToString::to_string).collect()))
}

fn report(
    app: &App,
    record: &ErasureRecord,
    models: Vec<String>,
    index: u64,
) -> Result<EraseReport, AppError> {
    let view = app.ledger_view()?;
    let entry = view.entries(index..index + 1)?.pop().unwrap_or_default();
    let hashes = view.inclusion_proof(index)?;
    let note = &view.checkpoint().note;
    let proof = ErasureProof {
        keep: note.lines().next().unwrap_or_default().to_owned(),
        subject_reference: record.reference.clone(),
        erased: rfc3339(record.erased_at),
        reason: record.reason.clone(),
        events: record.event_count,
        refused_rows: record.refused_count,
        files: record.files.iter().map(file).collect(),
        models: models.clone(),
        keyring_generation: app.store.keyring_generation()?,
        ledger: Inclusion {
            index,
            entry: STANDARD.encode(entry),
            hashes: hashes.iter().map(|hash| to_hex(hash)).collect(),
            checkpoint: note.clone(),
        },
    };
    let payload = serde_json::to_vec(&proof)
        .map_err(|error| AppError::environment("json", "cannot write the proof").because(error))?;
    Ok(EraseReport {
        reference: record.reference.clone(),
        erased: proof.erased,
        events: record.event_count,
        refused_rows: record.refused_count,
        files: record.files.len(),
        models,
        ledger_index: index,
        proof: envelope::sign(&app.prover, PROOF_TYPE, &payload),
    })
}

fn file(erased: &twinkeep_store::ErasedFile) -> ErasedFile {
    ErasedFile {
        key: erased.file.clone(),
        sha256: to_hex(&erased.sha256),
        successor_sha256: erased.successor.as_ref().map(|(_, digest)| to_hex(digest)),
    }
}

/// Checks a proof of erasure with nothing but the keep's public key.
///
/// It holds if the ledger's key signed it, and the signed checkpoint in it covers an entry that
/// says that this very person was erased.
pub fn verify_erasure(root: &Path, path: &Path) -> Result<ErasureProof, AppError> {
    let keep = Keep::find(root)?;
    let attempt = || format!("cannot verify `{}`", path.display());
    let bytes = read_bounded(path, PROOF_SIZE_MAX)
        .map_err(|error| AppError::usage("erasure-read", attempt()).because(error))?;
    check_proof(&keep.ledger_origin(), &keep.ledger_key()?, &bytes).ok_or_else(|| {
        AppError::refused("erasure-invalid", format!("`{}` proves nothing", path.display()))
            .hint("it was changed, or it is the proof of another keep")
    })
}

fn check_proof(origin: &str, key: &VerifyingKey, bytes: &[u8]) -> Option<ErasureProof> {
    let payload = envelope::verify(key, PROOF_TYPE, bytes)?;
    let proof: ErasureProof = serde_json::from_slice(&payload).ok()?;
    let Inclusion { index, entry, hashes, checkpoint } = &proof.ledger;
    let signed = SignedCheckpoint::parse(checkpoint.as_bytes(), origin, key).ok()?;
    let bytes = STANDARD.decode(entry).ok()?;
    let hash = |text: &String| from_hex(text)?.try_into().ok();
    let hashes: Vec<[u8; 32]> = hashes.iter().map(hash).collect::<Option<_>>()?;
    let state = signed.checkpoint;
    verify_inclusion(&leaf_hash(&bytes), *index, state.size, &state.root, &hashes).ok()?;
    let entry = Entry::decode(&bytes).ok()?;
    let same = entry.subject.as_deref() == Some(&proof.subject_reference);
    (entry.action == "subject.erased" && same && proof.keep == origin).then_some(proof)
}

const PROOF_TYPE: &str = "application/vnd.twinkeep.erasure.v1+json";

/// A thousand files, and much room.
const PROOF_SIZE_MAX: u64 = 4 << 20;
