//! The forms of a report: for people, and for other programs.
//!
//! # Invariants
//!
//! - A form is a pure function of the report: the same report gives the same bytes.
//! - Whatever is not a pass is not written as one, in any form.

mod csv;
mod html;
mod json;
mod ocsf;
mod oscal;
mod plain;
mod sarif;
mod text;
mod time;

#[cfg(test)]
mod tests;

pub use csv::csv;
pub use html::html;
pub use json::json;
pub use ocsf::ocsf;
pub use oscal::oscal;
pub use plain::plain;
pub use sarif::sarif;
pub use text::text;

pub(crate) use csv::quoted;
pub(crate) use time::rfc3339;

/// The name under which other programs know us.
const PRODUCT: &str = "Twinkeep";

const VERSION: &str = env!("CARGO_PKG_VERSION");
