//! The program as a person meets it: real files, real processes, real sockets.
//!
//! One binary for all of these tests, because linking is what takes the time.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]
#![expect(clippy::print_stdout, reason = "a test that is skipped says so")]

mod event;
mod export;
mod feeds;
mod fhir;
mod harness;
mod keep;
mod kek;
mod ledger;
mod model;
mod path;
mod physionet;
mod refusals;
mod send;
mod serve;
mod subject;
mod tables;
