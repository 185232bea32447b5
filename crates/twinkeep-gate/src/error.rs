//! Why the gate could not open.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why the gate could not open, or had to close.
#[derive(Debug, thiserror::Error)]
pub enum GateError {
    /// The certificate chain is not PEM, or is empty.
    #[error("cannot read the server certificate")]
    Certificate,
    /// The private key does not parse, or does not belong to the certificate.
    #[error("cannot use the server's private key with its certificate")]
    PrivateKey {
        /// What the TLS library said.
        source: rustls::Error,
    },
    /// The TLS library refused the configuration.
    #[error("cannot configure TLS")]
    Tls {
        /// What the TLS library said.
        source: rustls::Error,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// Which address.
        address: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
    /// The processes that face the network cannot be started, or are gone.
    #[error("the processes that face the network cannot be started, or ended")]
    Edge {
        /// What the operating system said.
        source: io::Error,
    },
    /// The kernel does not confine the processes as it must.
    #[error(
        "this kernel does not confine the server's processes, and `gate.isolation` requires it"
    )]
    Isolation,
    /// Something about an upstream cannot be used.
    #[error("cannot use {what} of the upstream `{name}`")]
    Upstream {
        /// Which upstream.
        name: String,
        /// What of it.
        what: &'static str,
    },
    /// The file for traces cannot be written.
    #[error("cannot write traces to `{path}`", path = path.display())]
    TraceFile {
        /// Which file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Threads cannot be started.
    #[error("cannot start the gate's threads")]
    Threads {
        /// What the operating system said.
        source: io::Error,
    },
}

impl GateError {
    /// The permanent name of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Certificate => "gate-certificate",
            Self::PrivateKey { .. } => "gate-private-key",
            Self::Tls { .. } => "gate-tls",
            Self::Listen { .. } => "gate-listen",
            Self::Edge { .. } => "gate-edge",
            Self::Isolation => "gate-isolation",
            Self::Upstream { .. } => "gate-upstream",
            Self::TraceFile { .. } => "gate-trace-file",
            Self::Threads { .. } => "gate-threads",
        }
    }
}
