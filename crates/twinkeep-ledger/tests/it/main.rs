//! The ledger's format, pinned by vectors that any language can read: `conformance/ledger`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod conformance;
