//! Use case: check a receipt with nothing but the public key of the keep that gave it.
//!
//! # What holds afterwards
//!
//! - The keep's key signed the statement.
//! - The keep's ledger, as a checkpoint signed by the same key states it, holds an audit entry with
//!   the digest of this very statement, of the same action, time, person, and caller.
//! - The answer, if there is one, is the one that the statement is about, to the last digit; and so
//!   is the input, if its commitment can be opened.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use twinkeep_ledger::{Detail, Entry, LedgerError, Outcome, Proof};
use twinkeep_vault::SecretKey;
use twinkeep_vault::digest::{equal_in_constant_time, from_hex, hmac_sha256, sha256, to_hex};
use twinkeep_vault::files::{PRIVATE_FILE, read_bounded, write_atomic};

use crate::AppError;
use crate::account_subject::{self, Accounting, AccountingReport};
use crate::canonical_json::canonical;
use crate::ledger_key::LedgerKey;
use crate::prove_entry::verifier;
use crate::receipt::{
    OUTPUT_NAME, PAYLOAD_TYPE, PREDICATE_TYPE, RECEIPT_DETAIL, RECEIPT_FIELD, Receipt,
    STATEMENT_TYPE, Statement, digest, entry_time,
};

#[cfg(test)]
mod tests;

/// What is to be checked.
#[derive(Clone, Copy, Debug)]
pub struct VerifyReceiptRequest<'a> {
    /// A receipt, or an answer with its receipt inside.
    pub file: &'a Path,
    /// The public key of the keep that gave it; by default, that of the keep at hand.
    pub key: Option<&'a Path>,
    /// The answer, where it is apart.
    pub answer: Option<&'a Path>,
    /// The input, as `docs/formats/receipt.md` writes it.
    pub input: Option<&'a Path>,
}

/// What a receipt says, all of which holds.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct ReceiptReport {
    /// The keep that gave it, by the name of its ledger.
    pub keep: String,
    /// What was done.
    pub action: String,
    /// When (RFC 3339).
    pub time: String,
    /// The model version that answered.
    pub model: String,
    /// SHA-256 over its files, in hexadecimal.
    pub model_sha256: String,
    /// SHA-256 of its training record, which lists the data, in hexadecimal.
    pub training_record_sha256: String,
    /// The keyed reference of the person, if the keep knows one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub person: Option<String>,
    /// Who asked.
    pub caller: String,
    /// By which scope.
    pub scope: String,
    /// The audit entry.
    pub ledger_index: u64,
    /// How many entries the signed checkpoint covers.
    pub ledger_size: u64,
    /// SHA-256 of the answer's canonical JSON, in hexadecimal.
    pub answer_sha256: String,
    /// Whether there was an answer to compare: it is the one.
    pub answer_checked: bool,
    /// Whether there was an input to compare: it is the one.
    pub input_checked: bool,
}

/// What a file was found to be, and to hold.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum VerifiedReceipt {
    /// A receipt of one answer.
    Answer(ReceiptReport),
    /// The list of what was done with a person's data.
    Accounting(AccountingReport),
}

/// Checks a receipt, or a list of disclosures. `root` is the keep at hand, if no key is given.
pub fn verify_receipt(
    root: &Path,
    request: VerifyReceiptRequest<'_>,
) -> Result<VerifiedReceipt, AppError> {
    let bytes = read(request.file)?;
    if let Some(accounting) = parse_accounting(&bytes) {
        return verify_accounting(root, request, &accounting).map(VerifiedReceipt::Accounting);
    }
    let (receipt, inside) = parse(&bytes).ok_or_else(|| {
        let attempt = format!("`{}` is not a receipt", request.file.display());
        AppError::refused("receipt-malformed", attempt)
            .hint("it is what `--receipt FILE` writes, or an answer with a `receipt` in it")
    })?;
    let answer = match request.answer {
        Some(path) => Some(canonical_answer(&read(path)?, path)?),
        None if inside => Some(canonical_answer(&bytes, request.file)?),
        None => None,
    };
    let input = request.input.map(read).transpose()?;
    let key = verifier(root, request.key)?;
    let checked = check(&receipt, &key, answer.as_deref(), input.as_deref());
    checked.map(VerifiedReceipt::Answer).map_err(|refusal| {
        let (code, reason) = refusal.said();
        AppError::refused(code, format!("the receipt does not hold: {reason}")).hint(refusal.hint())
    })
}

fn verify_accounting(
    root: &Path,
    request: VerifyReceiptRequest<'_>,
    accounting: &Accounting,
) -> Result<AccountingReport, AppError> {
    if request.answer.is_some() || request.input.is_some() {
        let attempt = "a list of disclosures is of no answer, and has no input";
        return Err(AppError::usage("receipt-usage", attempt));
    }
    let key = verifier(root, request.key)?;
    account_subject::check(accounting, &key).ok_or_else(|| {
        let attempt = "the list of disclosures does not hold";
        AppError::refused("accounting-invalid", attempt)
            .hint("it was changed, or it is of another keep")
    })
}

fn parse_accounting(bytes: &[u8]) -> Option<Accounting> {
    canonical(bytes, None)?;
    serde_json::from_slice(bytes).ok()
}

/// Writes a receipt to a file of its owner's: it opens the commitment to the input.
pub fn write_receipt(path: &Path, receipt: &Receipt) -> Result<(), AppError> {
    let failed =
        || AppError::environment("receipt-write", format!("cannot write `{}`", path.display()));
    let text = serde_json::to_vec_pretty(receipt).map_err(|error| failed().because(error))?;
    write_atomic(path, &text, PRIVATE_FILE).map_err(|error| failed().because(error))
}

/// Why a receipt does not hold.
#[derive(Clone, Debug)]
enum Refusal {
    Signature,
    Statement,
    Proof(LedgerError),
    Entry,
    Answer,
    Input,
    Opening,
}

impl Refusal {
    fn said(&self) -> (&'static str, String) {
        match self {
            Self::Signature => ("receipt-signature", "this key did not sign it".to_owned()),
            Self::Statement => ("receipt-statement", "it states something else".to_owned()),
            Self::Proof(error) => ("receipt-proof", error.to_string()),
            Self::Entry => ("receipt-entry", "its audit entry is of something else".to_owned()),
            Self::Answer => ("receipt-answer", "the answer is another one".to_owned()),
            Self::Input => ("receipt-input", "the input is another one".to_owned()),
            Self::Opening => {
                ("receipt-opening", "it has no key for the commitment to the input".to_owned())
            }
        }
    }

    fn hint(&self) -> &'static str {
        match self {
            Self::Signature | Self::Statement => {
                "it was changed, or it is the receipt of another keep"
            }
            Self::Proof(_) | Self::Entry => "its proof was changed, or is that of another receipt",
            Self::Answer => "the answer was changed, or it is not the one that this receipt is for",
            Self::Input => "it must be written as docs/formats/receipt.md says, to the byte",
            Self::Opening => "somebody took it out; the input stays between them and the keep",
        }
    }
}

/// Reads a receipt, or an answer with one inside, and says which.
fn parse(bytes: &[u8]) -> Option<(Receipt, bool)> {
    // Its canonical form exists only if no field comes twice: else two readers may see two receipts.
    canonical(bytes, None)?;
    let value: serde_json::Value = serde_json::from_slice(bytes).ok()?;
    let inside = value.get("statement").is_none() && value.get(RECEIPT_FIELD).is_some();
    let value = if inside { value[RECEIPT_FIELD].clone() } else { value };
    let receipt: Receipt = serde_json::from_value(value).ok()?;
    (receipt.version == 1).then_some((receipt, inside))
}

fn canonical_answer(bytes: &[u8], path: &Path) -> Result<String, AppError> {
    let field = Some(RECEIPT_FIELD);
    canonical(bytes, field).filter(|form| form.starts_with('{')).ok_or_else(|| {
        let attempt = format!("`{}` is not an answer: it is not one JSON object", path.display());
        AppError::refused("receipt-answer-malformed", attempt)
    })
}

fn check(
    receipt: &Receipt,
    key: &LedgerKey,
    answer: Option<&str>,
    input: Option<&[u8]>,
) -> Result<ReceiptReport, Refusal> {
    let payload = receipt.statement.open(&key.key, PAYLOAD_TYPE).ok_or(Refusal::Signature)?;
    let statement = parse_statement(&payload, key).ok_or(Refusal::Statement)?;
    let predicate = &statement.predicate;
    let proof = Proof::parse(receipt.proof.as_bytes()).map_err(Refusal::Proof)?;
    let signed = proof.verify(Some(&predicate.keep), &key.key).map_err(Refusal::Proof)?;
    let entry = Entry::decode(&proof.entry).map_err(|_| Refusal::Entry)?;
    if !belongs(&entry, &payload, &statement) {
        return Err(Refusal::Entry);
    }
    let [output] = &statement.subject;
    if answer.is_some_and(|answer| digest(answer.as_bytes()) != output.digest) {
        return Err(Refusal::Answer);
    }
    if let Some(input) = input {
        check_input(receipt, &predicate.input.hmac_sha256, input)?;
    }
    Ok(ReceiptReport {
        keep: predicate.keep.clone(),
        action: predicate.action.clone(),
        time: predicate.time.clone(),
        model: predicate.model.version.clone(),
        model_sha256: predicate.model.digest.sha256.clone(),
        training_record_sha256: predicate.data.training_record.sha256.clone(),
        person: predicate.person.clone(),
        caller: predicate.decision.caller.clone(),
        scope: predicate.decision.scope.clone(),
        ledger_index: proof.index,
        ledger_size: signed.checkpoint.size,
        answer_sha256: output.digest.sha256.clone(),
        answer_checked: answer.is_some(),
        input_checked: input.is_some(),
    })
}

fn parse_statement(payload: &[u8], key: &LedgerKey) -> Option<Statement> {
    let statement: Statement = serde_json::from_slice(payload).ok()?;
    let ours = statement.kind == STATEMENT_TYPE
        && statement.predicate_type == PREDICATE_TYPE
        && statement.subject[0].name == OUTPUT_NAME
        && statement.predicate.decision.result == "permit"
        && key.origin.as_ref().is_none_or(|origin| *origin == statement.predicate.keep);
    ours.then_some(statement)
}

/// Returns whether the entry is that of this statement, and says the same.
fn belongs(entry: &Entry, payload: &[u8], statement: &Statement) -> bool {
    let predicate = &statement.predicate;
    entry.details.get(RECEIPT_DETAIL) == Some(&Detail::Text(to_hex(&sha256(payload))))
        && entry.outcome == Outcome::Success
        && entry.action == predicate.action
        && entry.actor == predicate.decision.caller
        && entry.subject == predicate.person
        && entry_time(entry) == predicate.time
}

fn check_input(receipt: &Receipt, commitment: &str, input: &[u8]) -> Result<(), Refusal> {
    let opening = receipt.opening.as_ref().and_then(|opening| STANDARD.decode(opening).ok());
    let key = opening.filter(|key| key.len() == 32).and_then(|key| SecretKey::from_slice(&key));
    let found = hmac_sha256(&key.ok_or(Refusal::Opening)?, input);
    let commitment = from_hex(commitment).unwrap_or_default();
    if equal_in_constant_time(&found, &commitment) { Ok(()) } else { Err(Refusal::Input) }
}

fn read(path: &Path) -> Result<Vec<u8>, AppError> {
    read_bounded(path, RECEIPT_FILE_SIZE_MAX).map_err(|error| {
        let attempt = format!("cannot read `{}`", path.display());
        AppError::usage("receipt-read", attempt).because(error)
    })
}

/// The longest list of disclosures has 50,000 proofs of some 2 KiB; answers are far smaller.
const RECEIPT_FILE_SIZE_MAX: u64 = 256 << 20;
