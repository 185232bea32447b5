//! Who opened, read, changed, or moved a file of the keep: sightings, and how many become few.
//!
//! # Life of a sighting
//!
//! 1. A collector tells what was done to a file and by whom: a [`Sighting`].
//! 2. A [`Grouper`] passes the first of each kind on at once, and counts those like it, so that
//!    whoever opens a file a million times cannot fill the ledger.
//! 3. A use case makes an audit entry of each [`Group`].

mod grouping;
mod sighting;

pub use grouping::{GROUP_COUNT_MAX, Group, Grouper, WINDOW_MICROS};
pub use sighting::{Action, Answer, Process, Sighting, Who};
