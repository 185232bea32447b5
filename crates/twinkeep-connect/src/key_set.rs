//! Fetches the public keys of whoever issues access tokens: a JSON Web Key Set (RFC 7517), where
//! the issuer's own description says that it is (OpenID Connect Discovery 1.0, RFC 8414).
//!
//! What comes is bounded and from the server that the certificate names; what it says is for the
//! caller to check. Nothing of the keep goes out.

use std::time::Duration;

use serde::Deserialize;

use crate::https::Service;
use crate::{HttpsError, Trust};

/// Fetches a key set from its own address.
pub fn fetch_key_set(address: &str, trust: &Trust) -> Result<Vec<u8>, HttpsError> {
    get(&Service::with_timeout(address, trust, TIMEOUT)?)
}

/// Asks an issuer where its keys are, and fetches them.
///
/// The description must be of this very issuer: another one's would bring another one's keys.
pub fn discover_key_set(issuer: &str, trust: &Trust) -> Result<Vec<u8>, HttpsError> {
    let base = issuer.trim_end_matches('/');
    let address = format!("{base}/.well-known/openid-configuration");
    let service = Service::with_timeout(&address, trust, TIMEOUT)?;
    let description: Description =
        serde_json::from_slice(&get(&service)?).map_err(|_| service.confused())?;
    if description.issuer != issuer {
        return Err(service.confused());
    }
    fetch_key_set(&description.jwks_uri, trust)
}

#[derive(Deserialize)]
struct Description {
    issuer: String,
    jwks_uri: String,
}

fn get(service: &Service) -> Result<Vec<u8>, HttpsError> {
    let answer = service.send("GET", "", &[("accept", "application/json")], &[])?;
    match answer.status {
        200 => Ok(answer.body),
        status => Err(service.refused(status)),
    }
}

/// A small document; a provider that takes longer is down, and what is known of it goes on.
const TIMEOUT: Duration = Duration::from_secs(5);
