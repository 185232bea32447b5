//! The address of a NATS server: `tls://HOST:PORT` or `nats://HOST:PORT`.

use std::fmt;
use std::net::IpAddr;

use url::Url;

use crate::NatsError;

/// The address of a server; it holds no name and no password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NatsUrl {
    tls: bool,
    host: String,
    port: u16,
}

impl NatsUrl {
    /// Returns the port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Reads an address.
    pub fn parse(text: &str) -> Result<Self, NatsError> {
        let wrong = |problem| NatsError::Url { problem };
        let url = Url::parse(text).map_err(|_| wrong("is no URL"))?;
        let tls = match url.scheme() {
            "tls" => true,
            "nats" => false,
            _ => return Err(wrong("begins neither with `tls://` nor with `nats://`")),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("holds a name or a password, which others could read"));
        }
        let whole = matches!(url.path(), "" | "/");
        if !whole || url.query().is_some() || url.fragment().is_some() {
            return Err(wrong("has more than a host and a port"));
        }
        let host = url.host_str().filter(|host| !host.is_empty() && !host.contains('%'));
        let host = host.ok_or_else(|| wrong("has no host"))?.to_ascii_lowercase();
        Ok(Self { tls, host, port: url.port().unwrap_or(PORT) })
    }

    /// Returns whether the connection is TLS.
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    /// Returns whether this is the machine itself.
    pub(super) fn is_loopback(&self) -> bool {
        let address = self.host.trim_matches(['[', ']']).parse::<IpAddr>();
        self.host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    }
}

impl fmt::Display for NatsUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "tls" } else { "nats" };
        write!(f, "{scheme}://{}:{}", self.host, self.port)
    }
}

/// The port that the protocol has by custom.
const PORT: u16 = 4222;
