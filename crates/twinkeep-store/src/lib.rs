//! The encrypted event store and the catalog.
