//! Sources to events: readers, screening, quarantine rows, packs as files, the synthesiser.
//!
//! Everything that comes from outside is read here and nowhere else, and nothing that is read is
//! believed: each row is checked against the pack and either becomes an event under a pseudonym,
//! counts as missing, or goes to quarantine with a reason.
//!
//! # Invariants
//!
//! - Only this crate makes a [`twinkeep_domain::Screened`]; the store takes nothing else.
//! - No message names a value, an identifier, or a time of a person: files, rows, and fields only.
//! - No function here reads a clock or draws random numbers of its own.

#![deny(clippy::expect_used)]

pub mod pack_file;
