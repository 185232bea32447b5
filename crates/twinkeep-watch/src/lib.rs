//! The watch: who touched the files of a keep, what departs from the usual, and what is done on the
//! host about it.
//!
//! What collects facts from the system and what judges them are files apart.
//!
//! # Invariants
//!
//! - Whatever judges is a pure function over facts: it reads no clock, no file, and no random source.
//! - Nothing here writes to the ledger; the use case does, of what is returned here.
//! - Nothing here opens what it watches in order to read it.

pub mod access;
pub mod detect;
mod detection;
pub mod host;
pub mod incident;
pub mod poisoning;
pub mod probe;

pub use detection::{Detection, Detector, Severity, Target};
