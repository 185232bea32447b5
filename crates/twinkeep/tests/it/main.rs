//! The program as a person meets it: real files, real processes, real sockets.
//!
//! One binary for all of these tests, because linking is what takes the time.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]
#![expect(clippy::print_stdout, reason = "a test that is skipped says so")]

mod admin;
mod alert;
mod answers;
mod attack;
mod attendance;
mod attestations;
mod audit_log;
mod budget;
mod cacao;
mod certs;
mod containment;
mod crash;
mod database;
mod departures;
mod drift;
mod escrow;
mod evaluate;
mod event;
mod export;
mod feeds;
mod fhir;
mod folder;
mod harness;
mod import_model;
mod incident;
mod influence;
mod interop;
mod isolation;
mod keep;
mod kek;
mod ledger;
mod manifest;
mod memory;
mod model;
mod nats;
mod nats_server;
mod notes;
mod obligations;
mod path;
#[path = "../../../twinkeep-connect/tests/it/peers.rs"]
mod peers;
mod physionet;
mod poison;
mod policy;
mod probe;
mod receipt;
mod refusals;
mod release;
mod scan;
mod scan_keep;
mod scan_push;
mod scan_stores;
mod scan_windows;
mod selfattack;
mod send;
mod serve;
mod sign_model;
mod snapshot;
mod splits;
mod store;
mod subject;
mod tables;
mod template;
mod tokens;
mod train;
mod upstream;
mod watch;
mod windows;
mod witness;
