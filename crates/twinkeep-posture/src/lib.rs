//! The posture: whether everything around a twin is closed, what to do about what is not, and how
//! to undo that.
//!
//! *Facts* are collected from a target ([`collect`]) or read from a file that was taken elsewhere
//! ([`facts::FactFile`]). *Rules* ([`rules::RULES`]) are pure functions over facts. What they say
//! is a [`Report`], which has forms for people and for other programs ([`report`]).
//!
//! # To add a target
//!
//! Its facts are a type in `facts/NAME.rs`, with one line in the table of [`facts`]; a function
//! `collect::NAME::collect` makes them; its rules lie in `rules/NAME/`, one file each, and have
//! one line each in [`rules::RULES`].
//!
//! What a rule would change is a [`fix`]; its table is [`fix::FIXES`].
//!
//! # Invariants
//!
//! - A rule reads no clock, no file, and no random source: the same facts give the same report,
//!   byte for byte. Times that a rule needs are facts.
//! - What could not be checked, and what does not apply, never counts as passed.
//! - No fact, no finding, and no report has a value that belongs to a person, or a secret.
//! - Nothing here writes to the ledger; the use case does, of what is returned here.

pub mod baseline;
pub mod collect;
pub mod controls;
pub mod facts;
pub mod fix;
mod outcome;
pub mod parse;
pub mod phi;
pub mod profile;
pub mod record;
pub mod report;
mod rule;
pub mod rules;
mod scan;
mod score;
mod secret;
pub mod signature;
pub mod trend;

pub use outcome::{Finding, Judged, Outcome, Place, Severity};
pub use profile::Profile;
pub use rule::{Evidence, Judge, Rule, Strength};
pub use scan::{REPORT_FORMAT, Report, Verdict, judge};
pub use score::{Requirement, RuleEvidence, Score, Standing};
