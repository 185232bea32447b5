//! Sources to events: readers, screening, quarantine rows, packs as files, the synthesiser.
//!
//! Everything that comes from outside is read here and nowhere else, and nothing that is read is
//! believed: each row is checked against the pack and either becomes an event under a pseudonym,
//! counts as missing, or goes to quarantine with a reason.
//!
//! # Life of a row
//!
//! 1. [`read`] looks at the first bytes of a source; `formats` says who reads what.
//! 2. `physionet`, `meds`, `fhir`, or `mapped` finds the row's subject, time, name, and value.
//! 3. `batch` looks the name up in the pack, converts and checks the value.
//! 4. `held` keeps it until its portion is full, and then refuses what is there twice.
//! 5. What passed is in [`Portion::screened`]; what did not is in [`Portion::quarantined`].
//!
//! # Invariants
//!
//! - Only this crate makes a [`twinkeep_domain::Screened`]; the store takes nothing else.
//! - `accepted + missing + quarantined = read`, whatever comes in.
//! - Whoever has an event in [`Portion::screened`] is in [`Portion::mapping`].
//! - Memory does not grow with the source: a portion is handed on when it is full.
//! - No message names a value, an identifier, or a time of a person: files, rows, and fields only.
//! - A name inside an archive is a label and never a path: nothing is unpacked to the disk
//!   but into an encrypted spool.
//! - No function here reads a clock or draws random numbers of its own.

#![deny(clippy::expect_used)]

mod again;
mod archive;
mod batch;
mod context;
mod csv;
mod deidentify;
pub mod depart;
mod error;
mod fhir;
mod finishing;
mod formats;
mod held;
mod input;
mod lexicon;
mod limits;
mod live;
mod mapped;
pub mod mapping;
mod meds;
mod members;
mod meter;
pub mod pack_file;
pub mod panel;
mod physionet;
pub mod poison;
mod portion;
pub mod profile;
mod reason;
mod rows;
mod source;
pub mod splits;
pub mod synth;
mod units;

pub use again::{AgainRow, screen_again};
pub use error::{IntakeError, Place};
pub use live::{LiveRow, screen_events};
pub use mapped::TableReport;
pub use mapping::Mapping;
pub use portion::{
    Counts, Dates, Judgement, KindCount, Origin, ParsedRow, Portion, Progress, QuarantinedRow,
    ReadOptions, Stopped, Summary,
};
pub use reason::Reason;
pub use rows::read_rows;
pub use source::{FileSource, Source, check_mapping, read, read_at_once};

#[cfg(test)]
mod tests;
