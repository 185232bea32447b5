//! Where a database is: `postgres://user@host:port/database`. Never a password.

use std::fmt;
use std::path::PathBuf;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use url::{Host, Url};

#[cfg(test)]
mod tests;

/// Where a database is, and as whom to ask it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseUrl {
    /// The role.
    pub user: String,
    /// The machine.
    pub place: Place,
    /// The database's name.
    pub database: String,
}

/// Where the server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// On the network.
    Host {
        /// A name, or an address without brackets.
        host: String,
        /// The port.
        port: u16,
    },
    /// On this machine, through a socket in a folder; written as a host with `%2F`.
    Socket {
        /// The folder.
        dir: PathBuf,
        /// The number in the socket's name.
        port: u16,
    },
}

/// Why a text is no such URL. It is never repeated: it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// It has another form.
    #[error("a database is named as `postgres://USER@HOST:PORT/DATABASE`; {problem}")]
    Form {
        /// What is wrong.
        problem: &'static str,
    },
    /// It holds a password.
    #[error("the database URL holds a password")]
    Password,
}

impl UrlError {
    /// The permanent name of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Form { .. } => "database-url",
            Self::Password => "database-url-password",
        }
    }
}

impl DatabaseUrl {
    /// Returns whether a text is meant as such a URL.
    pub fn is_meant_by(text: &str) -> bool {
        SCHEMES.iter().any(|scheme| text.starts_with(scheme))
    }

    /// Reads the URL.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let form = |problem| UrlError::Form { problem };
        if !Self::is_meant_by(text) {
            return Err(form("it does not begin so"));
        }
        if URL_LEN_MAX < text.len() {
            return Err(form("it is too long"));
        }
        let url = Url::parse(text).map_err(|_| form("it cannot be read"))?;
        if url.password().is_some() {
            return Err(UrlError::Password);
        }
        if url.fragment().is_some() {
            return Err(form("it must not have a `#`"));
        }
        let user = decode(url.username())?;
        if user.is_empty() {
            return Err(form("it names no user"));
        }
        let path = url.path().strip_prefix('/').unwrap_or_default();
        if path.contains('/') {
            return Err(form("a `/` in a database's name is written as `%2F`"));
        }
        let database = if path.is_empty() { user.clone() } else { decode(path)? };
        check_parameters(&url)?;
        let port = url.port().unwrap_or(PORT);
        let host = match url.host() {
            Some(Host::Domain(name)) => decode(name)?,
            Some(Host::Ipv4(address)) => address.to_string(),
            Some(Host::Ipv6(address)) => address.to_string(),
            None => String::new(),
        };
        let place = if host.starts_with('/') {
            Place::Socket { dir: PathBuf::from(host), port }
        } else if host_valid(&host) {
            Place::Host { host, port }
        } else {
            return Err(form("its host is no name, no address, and no folder"));
        };
        Ok(Self { user, place, database })
    }
}

/// What can be typed again.
impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let encode = |text| utf8_percent_encode(text, ESCAPED).to_string();
        let (user, database) = (encode(&self.user), encode(&self.database));
        match &self.place {
            Place::Host { host, port } if host.contains(':') => {
                write!(f, "postgres://{user}@[{host}]:{port}/{database}")
            }
            Place::Host { host, port } => write!(f, "postgres://{user}@{host}:{port}/{database}"),
            Place::Socket { dir, port } => {
                let dir = encode(&dir.to_string_lossy());
                write!(f, "postgres://{user}@{dir}:{port}/{database}")
            }
        }
    }
}

/// Refuses what is not known.
fn check_parameters(url: &Url) -> Result<(), UrlError> {
    let form = |problem| UrlError::Form { problem };
    for (name, value) in url.query_pairs() {
        match (&*name, &*value) {
            ("password", _) => return Err(UrlError::Password),
            // What is done in any case may be asked for.
            ("sslmode", "verify-full") => {}
            ("sslmode", _) => return Err(form("TLS is always verified (`sslmode=verify-full`)")),
            _ => return Err(form("nothing is taken after `?`")),
        }
    }
    Ok(())
}

fn decode(text: &str) -> Result<String, UrlError> {
    let decoded = percent_decode_str(text).decode_utf8().ok();
    decoded
        .filter(|text| !text.contains(char::is_control))
        .map(String::from)
        .ok_or(UrlError::Form { problem: "it has characters that no name has" })
}

/// A name or an address, and never something that a program would take for an option.
pub(crate) fn host_valid(host: &str) -> bool {
    let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ':' | '_');
    (1..=HOST_LEN_MAX).contains(&host.len())
        && host.starts_with(|first: char| first.is_ascii_alphanumeric() || first == ':')
        && host.chars().all(valid)
}

/// What the parts of a URL do not hold as they are.
const ESCAPED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'&')
    .add(b'+')
    .add(b'/')
    .add(b':')
    .add(b'<')
    .add(b'=')
    .add(b'>')
    .add(b'?')
    .add(b'@')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'`')
    .add(b'{')
    .add(b'}');

const SCHEMES: [&str; 2] = ["postgres://", "postgresql://"];

/// Registered for PostgreSQL.
const PORT: u16 = 5432;

/// A name in the DNS has at most 253 characters.
const HOST_LEN_MAX: usize = 253;

/// Names of 63 bytes each, escaped, and a host.
const URL_LEN_MAX: usize = 4096;
