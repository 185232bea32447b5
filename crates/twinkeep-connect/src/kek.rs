//! Devices and services that hold the key around a keep's key: none of them ever gives it out.
//!
//! A keep's key-encryption key is random; here it is wrapped, bound to its descriptor. Which
//! device or service is asked is said by whoever opens the keep, never by the keep: who can write
//! to a keep must not choose where credentials go or which library is loaded.

mod aws;
mod pkcs11;
mod transit;

use std::error::Error;

use twinkeep_vault::KekError;

pub use aws::{AwsCredentials, AwsKms};
pub use pkcs11::{Pkcs11, Pkcs11Error, Pkcs11Uri};
pub use transit::Transit;

/// Says that a provider did not do what it was asked for.
fn failed(
    provider: &'static str,
    attempt: &'static str,
    source: impl Error + Send + Sync + 'static,
) -> KekError {
    KekError::Provider { provider, attempt, source: Box::new(source) }
}

const WRAP: &str = "wrap the key";
const UNWRAP: &str = "unwrap the key";
