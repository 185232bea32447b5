//! Who opened, read, changed, or moved a file of the keep: sightings, and how many become few.
//!
//! # Life of a sighting
//!
//! 1. A collector tells what was done to a file and by whom: a [`Sighting`]. [`watch`] runs the best
//!    one that the system permits, and says what that one cannot see.
//! 2. A [`Grouper`] passes the first of each kind on at once, and counts those like it, so that
//!    whoever opens a file a million times cannot fill the ledger.
//! 3. A use case makes an audit entry of each [`Group`].

pub mod audit;
mod collect;
mod error;
mod fanotify;
mod grouping;
mod inotify;
mod recent;
pub mod rules;
mod sighting;
mod stream;

pub use collect::{Collector, Mode, News, Plan, watch};
pub use error::AccessError;
pub use grouping::{GROUP_COUNT_MAX, Group, Grouper, WINDOW_MICROS};
pub use sighting::{Action, Answer, FileId, Process, Program, Sighting, Who};
