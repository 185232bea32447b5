//! The ledger's format, pinned by vectors that any language can read: `conformance/ledger`.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod conformance;
