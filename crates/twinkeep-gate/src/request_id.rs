//! The name of one request: in its answer, and in the ledger.

use std::fmt;

use twinkeep_vault::digest::to_hex;
use twinkeep_vault::random_bytes;

/// Random, so that it tells nothing about other requests.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct RequestId([u8; 12]);

impl RequestId {
    /// Makes one for a new request.
    pub(crate) fn random() -> Self {
        Self(random_bytes())
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&to_hex(&self.0))
    }
}
