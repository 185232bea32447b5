//! The doors of the gate: which listener a connection came through.
//!
//! Each has a process of its own ([`crate::isolation`]) and routes of its own ([`crate::routes`]):
//! whoever takes over the process that everybody reaches does not stand at the other door.

use crate::tls::ClientCertificates;

/// Where a connection came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Door {
    /// The listener for clients.
    Public,
    /// The listener for operators who are elsewhere.
    Admin,
}

impl Door {
    /// Returns whether a certificate is asked for in the handshake, where clients are asked `so`.
    pub(crate) fn certificates(self, so: ClientCertificates) -> ClientCertificates {
        match self {
            Self::Public => so,
            Self::Admin => ClientCertificates::Required,
        }
    }

    /// Returns how many connections there may be at a time, where clients may have so many.
    pub(crate) fn connections(self, of_clients: usize) -> usize {
        match self {
            Self::Public => of_clients,
            Self::Admin => of_clients.min(ADMIN_CONNECTION_COUNT_MAX),
        }
    }
}

/// A handful of operators with a handful of programs each.
const ADMIN_CONNECTION_COUNT_MAX: usize = 64;
