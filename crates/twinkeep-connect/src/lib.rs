//! What Twinkeep opens to other systems as a client: databases, tunnels, keys held elsewhere.

#![deny(clippy::expect_used)]

mod https;
pub mod kek;

pub use https::{HttpsError, Trust};
