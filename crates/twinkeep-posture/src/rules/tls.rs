//! Rules over addresses that answer over TLS.

pub(super) mod certificate;
pub(super) mod expiry;
pub(super) mod headers;
pub(super) mod old;
pub(super) mod version;

#[cfg(test)]
mod tests;
