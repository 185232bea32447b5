//! Receipts: a signed statement about one answer, and the proof that the ledger holds its entry.
//!
//! # Life of a receipt
//!
//! 1. The answer is made, and its digest taken over its canonical JSON.
//! 2. The statement is signed: which model, from which data, on what input (a commitment that only
//!    its key opens), what came out, and who was allowed to ask.
//! 3. The digest of the statement goes into the audit entry of the answer, which becomes durable.
//! 4. The proof of that entry is put beside the statement, and both go out with the answer.
//!
//! So the statement cannot name its index, which the proof does; and neither the statement nor the
//! entry can be exchanged without the other. `docs/formats/receipt.md` specifies every byte.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use twinkeep_domain::{Code, Event, Timestamp};
use twinkeep_ledger::Entry;
use twinkeep_vault::digest::{hmac_sha256, sha256, to_hex};
use twinkeep_vault::{SecretKey, random_bytes};

use crate::canonical_json::canonical;
use crate::envelope::Envelope;
use crate::served::Served;
use crate::time_text::rfc3339;
use crate::{App, AppError, Caller, Scope};

/// A receipt, as it goes out with an answer or lies in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// The version of the format.
    pub version: u32,
    /// The signed statement: DSSE around an in-toto statement.
    pub statement: Envelope,
    /// The audit entry, and the proof that the ledger holds it: C2SP tlog-proof@v1.
    pub proof: String,
    /// The key of the commitment to the input, base64: for whoever asked. Without it, the receipt
    /// tells nothing about the input; take it out before passing the receipt on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opening: Option<String>,
}

/// What an answer rests on.
pub(crate) struct Grounds {
    /// The model that made it.
    pub(crate) served: Arc<Served>,
    /// Under which scope it was given.
    pub(crate) scope: Scope,
    /// All that it was made from, as [`input_text`] writes it.
    pub(crate) input: String,
}

/// An in-toto statement (v1) about one answer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Statement {
    #[serde(rename = "_type")]
    pub(crate) kind: String,
    pub(crate) subject: [Output; 1],
    pub(crate) predicate_type: String,
    pub(crate) predicate: Predicate,
}

/// What came out.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Output {
    pub(crate) name: String,
    pub(crate) digest: Digest,
}

/// A SHA-256 in hexadecimal.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Digest {
    pub(crate) sha256: String,
}

/// What the answer rests on.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Predicate {
    /// The name of the ledger, and so of the keep.
    pub(crate) keep: String,
    /// When (RFC 3339): the time of the audit entry.
    pub(crate) time: String,
    /// What was done: the action of the audit entry.
    pub(crate) action: String,
    /// The keyed reference that stands for the person, where the keep knows one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) person: Option<String>,
    pub(crate) model: ModelGround,
    pub(crate) data: DataGround,
    pub(crate) input: InputGround,
    pub(crate) decision: Decision,
}

/// Which model.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ModelGround {
    pub(crate) version: String,
    /// Over the digests of all its files, as signed.
    pub(crate) digest: Digest,
}

/// From which data.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DataGround {
    /// The training record, which lists the shards.
    pub(crate) training_record: Digest,
    /// How far the catalog had come.
    pub(crate) store_epoch: u64,
}

/// On what input.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct InputGround {
    /// HMAC-SHA-256 over the input, in hexadecimal, under a key that goes to whoever asked.
    pub(crate) hmac_sha256: String,
}

/// Who was allowed to ask.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Decision {
    /// `permit`: refusals have no answer, and no receipt.
    pub(crate) result: String,
    pub(crate) caller: String,
    pub(crate) scope: String,
}

/// A statement that waits for its entry.
struct Signed {
    statement: Envelope,
    digest: String,
    opening: String,
}

impl App {
    /// Records how an answer ended, as [`App::conclude`] does; if it has grounds, `attach` gets
    /// its receipt.
    pub(crate) fn conclude_with_receipt<T: Serialize>(
        &self,
        caller: &Caller,
        entry: Entry,
        result: Result<(T, Option<Grounds>), AppError>,
        attach: impl FnOnce(&mut T, Receipt),
    ) -> Result<T, AppError> {
        let (mut answer, grounds) = match result {
            Ok((answer, Some(grounds))) => (answer, grounds),
            other => return self.conclude(entry, other.map(|(answer, _)| answer)),
        };
        let signed = match self.sign_receipt(caller, &entry, &answer, &grounds) {
            Ok(signed) => signed,
            Err(error) => return self.conclude(entry, Err(error)),
        };
        let index = self.record_at(&entry.with(RECEIPT_DETAIL, signed.digest.as_str()))?;
        let proof = self.ledger_view()?.prove(index)?.encode();
        let Signed { statement, opening, .. } = signed;
        attach(&mut answer, Receipt { version: 1, statement, proof, opening: Some(opening) });
        Ok(answer)
    }

    fn sign_receipt<T: Serialize>(
        &self,
        caller: &Caller,
        entry: &Entry,
        answer: &T,
        grounds: &Grounds,
    ) -> Result<Signed, AppError> {
        let failed = || AppError::environment("receipt-write", "cannot write the receipt");
        let text = serde_json::to_vec(answer).map_err(|error| failed().because(error))?;
        let output = canonical(&text, Some(RECEIPT_FIELD)).ok_or_else(failed)?;
        let opening: [u8; 32] = random_bytes();
        let key = SecretKey::from_slice(&opening).ok_or_else(failed)?;
        let statement = Statement {
            kind: STATEMENT_TYPE.to_owned(),
            subject: [Output { name: OUTPUT_NAME.to_owned(), digest: digest(output.as_bytes()) }],
            predicate_type: PREDICATE_TYPE.to_owned(),
            predicate: Predicate {
                keep: self.ledger_origin().to_owned(),
                time: entry_time(entry),
                action: entry.action.clone(),
                person: entry.subject.clone(),
                model: ModelGround {
                    version: grounds.served.version.clone(),
                    digest: Digest { sha256: grounds.served.digest.clone() },
                },
                data: DataGround {
                    training_record: Digest { sha256: grounds.served.training_record.clone() },
                    store_epoch: self.store.epoch()?,
                },
                input: InputGround {
                    hmac_sha256: to_hex(&hmac_sha256(&key, grounds.input.as_bytes())),
                },
                decision: Decision {
                    result: "permit".to_owned(),
                    caller: caller.id.clone(),
                    scope: grounds.scope.name().to_owned(),
                },
            },
        };
        let payload = serde_json::to_vec(&statement).map_err(|error| failed().because(error))?;
        Ok(Signed {
            statement: Envelope::sign(&self.prover, PAYLOAD_TYPE, &payload),
            digest: to_hex(&sha256(&payload)),
            opening: STANDARD.encode(opening),
        })
    }
}

/// Writes all that an answer is made from, one line each; `docs/formats/receipt.md` specifies it.
pub(crate) fn input_text<'a>(
    request: &[(&str, String)],
    codes: &[Code],
    events: impl Iterator<Item = &'a Event>,
) -> String {
    let mut text = format!("{INPUT_HEADER}\n");
    for (name, value) in request {
        text.push_str(&format!("{name}\t{value}\n"));
    }
    for event in events {
        let time = event.time.map_or_else(|| "-".to_owned(), |time| time.micros().to_string());
        let code = codes.get(event.code as usize).map_or("-", Code::as_str);
        let value = event.value.map_or_else(|| "-".to_owned(), |value| value.to_string());
        let note = event.text.as_deref();
        let note = note.map_or_else(|| "-".to_owned(), |note| to_hex(&sha256(note.as_bytes())));
        text.push_str(&format!("event\t{time}\t{code}\t{value}\t{note}\n"));
    }
    text
}

/// The moment and the horizons of a forecast, as its input says them.
pub(crate) fn forecast_request(time: Timestamp, horizons: &[f32]) -> Vec<(&'static str, String)> {
    let horizons: Vec<String> = horizons.iter().map(f32::to_string).collect();
    vec![("prediction_time", time.micros().to_string()), ("horizons_hours", horizons.join(","))]
}

/// When an entry was written (RFC 3339).
pub(crate) fn entry_time(entry: &Entry) -> String {
    rfc3339(Timestamp::from_micros(entry.time_ms.saturating_mul(1000)))
}

pub(crate) fn digest(bytes: &[u8]) -> Digest {
    Digest { sha256: to_hex(&sha256(bytes)) }
}

/// The media type of in-toto statements.
pub(crate) const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

pub(crate) const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";

/// A name, not a place: it never changes.
pub(crate) const PREDICATE_TYPE: &str = "https://twinkeep.local/receipt/v1";

/// What the statement is about.
pub(crate) const OUTPUT_NAME: &str = "answer";

/// The detail of an audit entry that holds the digest of a statement.
pub(crate) const RECEIPT_DETAIL: &str = "receipt";

/// The field of an answer that holds its receipt, and is no part of what the receipt is about.
pub(crate) const RECEIPT_FIELD: &str = "receipt";

const INPUT_HEADER: &str = "twinkeep input v1";
