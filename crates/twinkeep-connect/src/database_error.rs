//! Why a database gave nothing, without a word of what is in it.

use std::path::PathBuf;

use tokio_postgres::error::DbError;

use crate::ssh::TunnelError;
use crate::tls::TlsError;

/// Why a database gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// A connection in the clear was asked for where others could listen.
    #[error("`{place}` is on the network: a connection without TLS is refused")]
    Plaintext {
        /// Which server.
        place: String,
    },
    /// A socket of this machine was named, and TLS is not what it speaks.
    #[error("the socket in `{}` has no TLS", dir.display())]
    SocketTls {
        /// Its folder.
        dir: PathBuf,
    },
    /// The server does not answer.
    #[error("cannot reach `{place}`")]
    Unreachable {
        /// Which server.
        place: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The server does not offer TLS, or somebody in between says so.
    #[error("`{place}` does not offer TLS; nothing was sent in the clear")]
    NoTls {
        /// Which server.
        place: String,
    },
    /// The server is not trusted.
    #[error("cannot trust `{place}`")]
    Tls {
        /// Which server.
        place: String,
        /// Why not.
        source: TlsError,
    },
    /// There is no way to the server.
    #[error("cannot open the tunnel")]
    Tunnel {
        /// Why.
        source: TunnelError,
    },
    /// The server does not let us in.
    #[error("`{place}` refuses the login: {answer}")]
    Login {
        /// Which server.
        place: String,
        /// What it said.
        answer: Answer,
    },
    /// The server refuses what it was asked.
    #[error("the database refuses the query: {answer}")]
    Query {
        /// What it said.
        answer: Answer,
    },
    /// The connection ended before the rows did.
    #[error("the connection to `{place}` was cut")]
    Cut {
        /// Which server.
        place: String,
    },
}

/// What a server answered: its code, and its words where they cannot be about a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// SQLSTATE, or empty if it was not the server who said no.
    pub state: String,
    /// The words, in one line.
    pub words: String,
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.state.is_empty() {
            f.write_str(&self.words)
        } else {
            write!(f, "{} (SQLSTATE {})", self.words, self.state)
        }
    }
}

impl DatabaseError {
    /// The permanent name of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Plaintext { .. } => "database-plaintext",
            Self::SocketTls { .. } => "database-socket-tls",
            Self::Unreachable { .. } => "database-unreachable",
            Self::NoTls { .. } => "database-no-tls",
            Self::Tls { source, .. } => source.code(),
            Self::Tunnel { source } => source.code(),
            Self::Login { .. } => "database-login",
            Self::Query { .. } => "database-query",
            Self::Cut { .. } => "database-cut",
        }
    }

    /// Returns whether the machine or the network failed; otherwise somebody said no.
    pub fn is_environment(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Cut { .. } => true,
            Self::Tunnel { source } => source.is_environment(),
            _ => false,
        }
    }

    /// The next step, where it is known.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Plaintext { .. } => Some(
                "`--danger-no-tls` is taken with `--ssh` or a socket of this machine only; use TLS",
            ),
            Self::SocketTls { .. } => Some(
                "a socket of this machine is read with `--danger-no-tls`, or name the server as a host",
            ),
            Self::NoTls { .. } => Some(
                "turn TLS on in the server (`ssl = on`), or reach it through `--ssh` with `--danger-no-tls`",
            ),
            Self::Tls { source, .. } => source.hint(),
            Self::Tunnel { source } => source.hint(),
            Self::Login { answer, .. } if answer.state == INVALID_PASSWORD => Some(
                "check the user, the password (`--password-file`, `PGPASSWORD`, or the password file), and `pg_hba.conf`",
            ),
            Self::Query { answer } if answer.state == READ_ONLY => {
                Some("Twinkeep only reads: give a query that changes nothing")
            }
            _ => None,
        }
    }
}

impl Answer {
    /// Takes what the server said. Its words are kept where they speak of the query, the login, or
    /// the machine; elsewhere they can quote a value.
    pub(crate) fn of(error: &DbError) -> Self {
        let state = error.code().code();
        let speaks_of_no_row = SAFE_CLASSES.iter().any(|class| state.starts_with(class));
        let words = if speaks_of_no_row { error.message() } else { "the server gave up on a row" };
        Self { state: state.to_owned(), words: one_line(words) }
    }

    /// Says in our words what went wrong on this side.
    pub(crate) fn ours(words: &'static str) -> Self {
        Self { state: String::new(), words: words.to_owned() }
    }
}

/// A server's words must not draw on the terminal.
fn one_line(text: &str) -> String {
    let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    plain.take(WORDS_LEN_MAX).collect()
}

/// Classes of SQLSTATE (PostgreSQL, Appendix A) whose messages speak of no row: connection (08),
/// transaction state (25), authorization (28), catalog (3D, 3F), transaction rollback (40), syntax
/// and access (42), resources (53), operator (57), system (58).
const SAFE_CLASSES: [&str; 10] = ["08", "25", "28", "3D", "3F", "40", "42", "53", "57", "58"];

const INVALID_PASSWORD: &str = "28P01";
const READ_ONLY: &str = "25006";

/// A message of PostgreSQL is a sentence.
const WORDS_LEN_MAX: usize = 300;
