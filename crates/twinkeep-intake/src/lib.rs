//! Sources to events: readers, screening, quarantine rows, packs as files, the synthesiser.
//!
//! Everything that comes from outside is read here and nowhere else, and nothing that is read is
//! believed: each row is checked against the pack and either becomes an event under a pseudonym,
//! counts as missing, or goes to quarantine with a reason.
//!
//! # Life of a row
//!
//! 1. [`read`] looks at the first bytes of a source: archive, Parquet, or text.
//! 2. `physionet` or `meds` finds the row's subject, time, name, and value.
//! 3. `batch` looks the name up in the pack, converts and checks the value, and refuses what was
//!    there before.
//! 4. What passed is in [`Intake::screened`]; what did not is in [`Intake::quarantined`].
//!
//! # Invariants
//!
//! - Only this crate makes a [`twinkeep_domain::Screened`]; the store takes nothing else.
//! - `accepted + missing + quarantined = read`, whatever comes in.
//! - Whoever has an event in [`Intake::screened`] is in [`Intake::mapping`].
//! - No message names a value, an identifier, or a time of a person: files, rows, and fields only.
//! - A name inside an archive is a label and never a path: nothing is unpacked to the disk.
//! - No function here reads a clock or draws random numbers of its own.

#![deny(clippy::expect_used)]

mod archive;
mod batch;
mod dedup;
mod error;
mod intake;
mod lexicon;
mod limits;
mod meds;
mod meter;
pub mod pack_file;
mod physionet;
mod source;
pub mod synth;

pub use error::{IntakeError, Place};
pub use intake::{Counts, Intake, Progress, QuarantinedRow, Reason};
pub use source::{Source, read};

#[cfg(test)]
mod tests;
