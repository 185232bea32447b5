//! The network edge: TLS, identity, limits, the API, the pages.
