//! The served program as three processes: so that who faces the network has no keys, and who has
//! the keys has no network.
//!
//! - The *worker* opened the keep: it has the keys, the models, the store, and the ledger, and
//!   everything from the pipeline inwards runs in it. The network is closed to it.
//! - The *edge* has the listening socket, TLS, the stall guard, and the strict HTTP reader. It has
//!   no keep, no key, and no file. It speaks HTTP/2 to the worker, over a socket pair for each of its
//!   event loops ([`lanes`]).
//! - Another *edge*, where operators have a listener of their own (`gate.admin_listen`): which of the
//!   two a request came through is known by the socket pair, so that who takes over the one that
//!   everybody reaches cannot ask for what operators ask.
//! - The *courier*, where there are upstreams, connects to those and to nothing else. It has no
//!   keep, no key, and no file.
//! - The *launcher* starts the edge, and another when that dies: the worker may start no program
//!   any more. It neither reads nor writes anything of a client.
//!
//! # Life of a request
//!
//! 1. The edge reads it as [`crate::edge`] says, and [`forward`] sends it to the worker, with who
//!    sent it in headers that no client can write.
//! 2. [`reception`] in the worker turns it back into what the client sent, and hands it to the
//!    pipeline. The answer goes the other way; both flow at the pace of who reads.
//! 3. The edge asks for the signature of each handshake ([`signing`]): the private key of TLS stays
//!    in the worker, which signs handshakes of TLS 1.3 and nothing else.
//!
//! # Invariants
//!
//! - The edge is started before the keep is opened: nothing of the keep was ever in its memory.
//! - When the edge dies, the worker loses the requests of its connections and nothing else; when
//!   the worker or the launcher dies, the edge ends.
//! - What the edge says is believed about the network (addresses, protocols, shown certificates)
//!   and about nothing else: who takes the edge over can lie about those, and see what passes
//!   through, but has no key, no file, and no other person's data.

mod channel;
mod courier_process;
mod edge_process;
mod forward;
mod hello;
mod lanes;
mod launcher;
mod reception;
mod sandbox;
mod signing;
#[cfg(test)]
mod tests;
mod worker;

pub use courier_process::run_courier;
pub(crate) use courier_process::{hide_length, serve_within as serve_courier_within};
pub(crate) use edge_process::connect;
pub use edge_process::run_edge;
pub(crate) use forward::{Outgoing, Sender};
pub use launcher::run_launcher;
pub use sandbox::{Confinement, WorkerFiles};
pub(crate) use worker::serve;
pub use worker::{House, IsolationReport};
