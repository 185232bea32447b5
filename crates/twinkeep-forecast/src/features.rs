//! What the engine knows about a subject at a moment, and how it becomes numbers for the trees.
//!
//! A [`SubjectState`] absorbs one observation in constant time and never re-reads the history, so
//! a live twin costs microseconds. A feature vector has three parts: *shared* (every variable of
//! the pack, the same for all targets), *own* (more about the target), and the horizon. Window
//! targets about codes that are no variables, such as admissions, are shared too, and so are the
//! words of notes, where the pack asks for them.
//!
//! # Invariants
//!
//! - Missing is NaN, and nothing else is.
//! - The state does not depend on the order in which observations of different times arrive.
//! - No feature depends on anything after the moment it is computed for.

mod layout;
mod notes;
mod state;
mod window;

pub use layout::FeatureLayout;
#[cfg(test)]
mod tests;

pub(crate) use layout::{OWN_COUNT, anchors, own};
pub use state::{SubjectState, VariableState};
pub(crate) use window::{WINDOW_OWN_COUNT, same};
