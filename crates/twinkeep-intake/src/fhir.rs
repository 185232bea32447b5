//! FHIR R4: bulk exports (one resource a line) and Bundles, as JSON.
//!
//! # Life of a resource
//!
//! 1. [`split`] cuts the stream into resources, each within [`RESOURCE_LEN_MAX`], however long the
//!    file or Bundle is.
//! 2. [`facts`] says what a resource tells: whose it is, what happened, and when. [`terms`] makes
//!    the codes, [`when`] the times, [`known`] follows references.
//! 3. What refers to something that has not come yet is held back until the Bundle or file ends.
//! 4. If identifiers must go, [`identity`] learns first who the patients are.
//! 5. Each row is screened like a row of any other format.
//!
//! # Invariants
//!
//! - A resource of a kind that is read gives at least one row, except a Patient about whom nothing
//!   is said; a row is accepted, missing, or quarantined.
//! - A resource of another kind (Claim, Organization, …) gives no row; it is counted by its name.
//! - No name but those of the standard is counted: what a file calls a resource may be anything.

mod facts;
mod html;
mod identity;
mod known;
mod split;
mod terms;
#[cfg(test)]
mod tests;
mod when;
mod wire;

use std::cell::Cell;
use std::io::{BufRead, BufReader};
use std::sync::Arc;

use facts::{
    Content, FactValue, MALFORMED, content, content_of_patient, head as head_of, parse, refusal,
};
use identity::identity;
use known::{Known, Trouble};
use split::{Extent, Failed, Piece, Place, split};
use terms::Kind;
use wire::{Entry, Medication};

use crate::batch::{At, Batch, Fields, Refusal, Row, Value};
use crate::input::Input;
use crate::members::{Files, refuse_unrecognized};
use crate::source::damaged;
use crate::{IntakeError, Reason};

/// Returns whether a text begins like JSON: of the formats that are read here, only FHIR does.
pub(crate) fn is_fhir(head: &[u8]) -> bool {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    head.trim_ascii_start().first() == Some(&b'{')
}

/// Reads the files of an export, or of a folder of Bundles, in their order.
pub(crate) fn read_fhir(batch: &mut Batch<'_>, files: &Files) -> Result<(), IntakeError> {
    if batch.deidentifies() {
        learn(batch, files)?;
    }
    let mut resources = Resources::default();
    for (index, (place, name)) in files.list().enumerate() {
        let mut reader = BufReader::with_capacity(BUFFER_LEN, files.open(batch, index)?);
        let head = reader.fill_buf().map_err(|error| damaged(batch, place, error))?;
        if head.is_empty() {
            // An export has a file for each kind, also where there is none of it.
            continue;
        }
        if !is_fhir(head) {
            refuse_unrecognized(batch, Input { place, name, reader: &mut reader })?;
            continue;
        }
        let mut take = |found: Found<'_>| screen(batch, name, found);
        match resources.read(&mut reader, &mut take) {
            Ok(()) => {}
            Err(Failed::Taken(error)) => return Err(error),
            Err(Failed::Read(error)) => return Err(damaged(batch, place, error)),
        }
    }
    Ok(())
}

/// Reads who the patients are before anything else, wherever they stand: a note that comes before
/// its patient must lose the name too.
fn learn(batch: &mut Batch<'_>, files: &Files) -> Result<(), IntakeError> {
    for (index, (place, _)) in files.list().enumerate() {
        let mut reader = BufReader::with_capacity(BUFFER_LEN, files.open(batch, index)?);
        let head = reader.fill_buf().map_err(|error| damaged(batch, place, error))?;
        if !is_fhir(head) {
            continue;
        }
        let mut take = |piece: Piece| {
            let inside = parse::<Entry<'_>>(&piece.bytes).ok();
            let (address, json) = match (piece.place, &inside) {
                (Place::Entry, Some(Entry { full_url, resource: Some(resource) })) => {
                    (full_url.as_deref(), resource.get().as_bytes())
                }
                _ => (None, piece.bytes.as_slice()),
            };
            if !matches!(head_of(json), Ok((Some(Kind::Patient), _))) {
                return Ok(());
            }
            let Ok((id, terms)) = identity(json) else { return Ok(()) };
            let id = id.as_deref().or(address.and_then(|address| address.strip_prefix(URN)));
            match id.and_then(|id| batch.person(id)) {
                Some(person) => batch.learn(&person, terms),
                None => Ok(()),
            }
        };
        match split(&mut reader, RESOURCE_LEN_MAX, &mut take) {
            Ok(()) => {}
            Err(Failed::Taken(error)) => return Err(error),
            Err(Failed::Read(error)) => return Err(damaged(batch, place, error)),
        }
    }
    Ok(())
}

/// Gives what was found to screening.
fn screen(batch: &mut Batch<'_>, file: &Arc<str>, found: Found<'_>) -> Result<(), IntakeError> {
    let (row, patient, facts, raw) = match found {
        Found::Resource(name, is_read) => {
            batch.count_kind(name, is_read);
            return Ok(());
        }
        Found::Refused { row, refusal, raw } => {
            return batch.refuse(At { file, row }, refusal, raw.to_vec());
        }
        Found::Rows { row, patient, facts, raw } => (row, patient, facts, raw),
    };
    let at = At { file, row };
    let Some(person) = batch.person(patient) else {
        return batch.refuse(at, refusal(Reason::SubjectMissing, "id"), raw.to_vec());
    };
    // A resource is kept once, however many of its parts are refused.
    let is_kept = Cell::new(false);
    let raw = || if is_kept.replace(true) { Vec::new() } else { raw.to_vec() };
    for fact in facts {
        match fact {
            Err(refusal) => batch.refuse(at, refusal, raw())?,
            Ok(fact) => {
                let row = Row {
                    person: &person,
                    time: fact.time,
                    name: fact.code.as_bytes(),
                    value: match fact.value {
                        // What no 32-bit number holds becomes infinite, and is refused.
                        FactValue::Number(number) => Value::Number(number as f32),
                        FactValue::Happened => Value::Null,
                        FactValue::Missing => Value::Missing,
                    },
                    unit: fact.unit.as_deref(),
                    text: fact.text.as_deref(),
                };
                batch.screen(at, &row, &FIELDS, &raw)?;
            }
        }
    }
    Ok(())
}

/// What a stream of resources holds.
enum Found<'f> {
    /// A resource of this kind; whether it is one that is read.
    Resource(&'static str, bool),
    /// What it tells about a patient.
    Rows { row: u64, patient: &'f str, facts: Vec<facts::Row>, raw: &'f [u8] },
    /// It is refused as one row.
    Refused { row: u64, refusal: Refusal, raw: &'f [u8] },
}

/// Who takes what is found.
type Take<'t> = dyn FnMut(Found<'_>) -> Result<(), IntakeError> + 't;

/// Reads resources; what they say about drugs is remembered from file to file.
#[derive(Default)]
struct Resources {
    known: Known,
    held: Vec<Held>,
    held_len: usize,
}

/// A resource that refers to something that has not come yet.
struct Held {
    row: u64,
    kind: Kind,
    json: Vec<u8>,
}

impl Resources {
    /// Reads a file to its end. A failure of the stream itself comes as ``Failed::Read`.
    fn read(
        &mut self,
        reader: &mut dyn BufRead,
        take: &mut Take<'_>,
    ) -> Result<(), Failed<IntakeError>> {
        split(reader, RESOURCE_LEN_MAX, &mut |piece| self.piece(&piece, take))?;
        self.release(take).map_err(Failed::Taken)
    }

    fn piece(&mut self, piece: &Piece, take: &mut Take<'_>) -> Result<(), IntakeError> {
        let row = piece.row;
        let raw = piece.bytes.as_slice();
        match piece.extent {
            Extent::TooLong => {
                let refusal = Refusal { reason: Reason::TooLong, field: None };
                return take(Found::Refused { row, refusal, raw });
            }
            Extent::Unfinished => {
                let refusal = Refusal { reason: Reason::UnfinishedRow, field: None };
                take(Found::Refused { row, refusal, raw })?;
            }
            Extent::Whole => match piece.place {
                Place::Alone => return self.resource(row, None, raw, take),
                Place::Entry => return self.entry(row, raw, take),
                Place::Bundle => {
                    if head_of(raw).is_err() {
                        take(Found::Refused { row, refusal: MALFORMED, raw })?;
                    }
                }
            },
        }
        if piece.place == Place::Bundle {
            self.release(take)?;
            self.known.end_bundle();
        }
        Ok(())
    }

    fn entry(&mut self, row: u64, raw: &[u8], take: &mut Take<'_>) -> Result<(), IntakeError> {
        let refuse = |refusal| Found::Refused { row, refusal, raw };
        match parse::<Entry<'_>>(raw) {
            Ok(Entry { full_url, resource: Some(resource) }) => {
                self.resource(row, full_url.as_deref(), resource.get().as_bytes(), take)
            }
            Ok(_) => take(refuse(refusal(Reason::MalformedRow, "resource"))),
            Err(refusal) => take(refuse(refusal)),
        }
    }

    fn resource(
        &mut self,
        row: u64,
        address: Option<&str>,
        raw: &[u8],
        take: &mut Take<'_>,
    ) -> Result<(), IntakeError> {
        let (kind, id) = match head_of(raw) {
            Ok((Some(kind), id)) => (kind, id),
            Ok((None, _)) => {
                let refusal = refusal(Reason::MalformedRow, "resourceType");
                return take(Found::Refused { row, refusal, raw });
            }
            Err(refusal) => return take(Found::Refused { row, refusal, raw }),
        };
        let is_read = !matches!(kind, Kind::Other(_) | Kind::Bundle | Kind::Medication);
        if kind != Kind::Bundle {
            take(Found::Resource(kind.name(), is_read))?;
        }
        match kind {
            // A Patient that has only an address is called by it.
            Kind::Patient => {
                let uuid = address.and_then(|address| address.strip_prefix(URN));
                let id = id.as_deref().or(uuid);
                if let (Some(address), Some(id)) = (address, id) {
                    self.known.add_patient(address, id);
                }
                return self.say(row, content_of_patient(raw, id), raw, take);
            }
            Kind::Medication => match parse::<Medication>(raw) {
                Ok(drug) => self.known.add_drug(address, &drug),
                Err(refusal) => return take(Found::Refused { row, refusal, raw }),
            },
            // Around entries there is one; inside or without any, it says nothing.
            Kind::Bundle | Kind::Other(_) => {}
            _ => match content(kind, raw, &self.known) {
                Err(Trouble::Unresolved(_)) if self.held_len + raw.len() <= HELD_LEN_MAX => {
                    self.held_len += raw.len();
                    self.held.push(Held { row, kind, json: raw.to_vec() });
                }
                said => return self.say(row, said, raw, take),
            },
        }
        Ok(())
    }

    fn say(
        &self,
        row: u64,
        said: Result<Content, Trouble>,
        raw: &[u8],
        take: &mut Take<'_>,
    ) -> Result<(), IntakeError> {
        match said {
            Ok(Content { patient, facts }) => {
                take(Found::Rows { row, patient: &patient, facts, raw })
            }
            Err(Trouble::Refused(refusal) | Trouble::Unresolved(refusal)) => {
                take(Found::Refused { row, refusal, raw })
            }
        }
    }

    /// Reads what was held back; nothing more will come.
    fn release(&mut self, take: &mut Take<'_>) -> Result<(), IntakeError> {
        self.held_len = 0;
        for Held { row, kind, json } in std::mem::take(&mut self.held) {
            self.say(row, content(kind, &json, &self.known), &json, take)?;
        }
        Ok(())
    }
}

/// Longest resource, in bytes: a scanned letter of some pages in base64. It is held whole.
const RESOURCE_LEN_MAX: usize = 16 << 20;

/// How much of a file or Bundle is held back because of its references, in bytes.
const HELD_LEN_MAX: usize = 32 << 20;

/// What the parts of a row are called when one of them is wrong.
const FIELDS: Fields = Fields { time: "time", name: "code", value: "value", unit: "unit" };

/// Before the address that a Bundle gives to an entry.
const URN: &str = "urn:uuid:";

/// Read at a time.
const BUFFER_LEN: usize = 1 << 16;
