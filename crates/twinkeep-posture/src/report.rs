//! The forms of a report: for people, and for other programs.
//!
//! # Invariants
//!
//! - A form is a pure function of the report: the same report gives the same bytes.

mod json;
mod text;

pub use json::json;
pub use text::text;
