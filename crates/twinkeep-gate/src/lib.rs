//! The network edge: TLS, identity, limits, the API, the pages.
//!
//! [`serve`] opens one listener and blocks until it is told to stop. A connection is the
//! business of `edge`; a request goes through `pipeline`, which names the order of everything
//! that stands before and after a handler; a handler calls one use case of `twinkeep-app`.
//!
//! # Invariants
//!
//! - Everything a client can be told is in [`openapi.json`](../openapi.json) or on a page.
//! - No handler decides about identity, limits, or audit: `guard` and `pipeline` do.
//! - Async code ends at `use_case`: below it everything blocks.

#![deny(clippy::expect_used)]
#![cfg_attr(test, expect(clippy::expect_used, reason = "a test says what it expected"))]

mod address;
mod admin;
mod api;
mod audit;
mod credential;
mod door;
mod edge;
mod error;
#[cfg(fuzzing)]
pub mod fuzzing;
mod gate;
mod guard;
mod headers;
mod isolation;
mod json;
mod limiter;
mod lockout;
mod metrics;
mod pages;
mod pipeline;
mod refusal;
mod request_id;
mod routes;
mod serve;
mod sessions;
mod settings;
mod streams;
#[cfg(test)]
mod testing;
mod tls;
mod traces;
mod upstream;
mod use_case;

pub use error::GateError;
pub use isolation::{
    Confinement, House, IsolationReport, WorkerFiles, run_courier, run_edge, run_launcher,
};
pub use limiter::Rate;
pub use serve::{Front, Opened, Stop, Stopper, serve, stopper};
pub use settings::GateSettings;
pub use tls::{ClientCertificates, TlsMaterial};
pub use upstream::{UpstreamCheck, UpstreamPlans, check_upstreams};
