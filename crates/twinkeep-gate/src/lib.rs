//! The network edge: TLS, identity, limits, the API, the pages.

mod address;
mod edge;
mod error;
#[cfg(test)]
mod testing;
mod tls;

pub use error::GateError;
pub use tls::TlsMaterial;
