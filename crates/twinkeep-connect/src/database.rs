//! PostgreSQL, read in one transaction that cannot write, with rows as a stream; and, for who
//! repairs a server, as an administrator reaches it.
//!
//! The library under it is asynchronous. Its runtime lives in [`Database`] and turns only while
//! one of our functions waits, so a server that sends faster than we read is held back by TCP.

use std::error::Error as _;
use std::future::Future;
use std::io::{self, Read};
use std::path::Path;
use std::pin::Pin;
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use futures_util::StreamExt as _;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;
use tokio_postgres::config::{ChannelBinding, SslMode};
use tokio_postgres::tls::{MakeTlsConnect, TlsStream};
use tokio_postgres::{Client, Config, Connection, CopyOutStream, Error, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;
use twinkeep_vault::SecretBytes;

use crate::database_error::{Answer, DatabaseError};
use crate::ssh::{Tunnel, TunnelError};
use crate::tls::{ClientCertificate, TlsError, client_config};
use crate::{DatabaseUrl, Newer, Place, Query};

/// Which database, and how to reach and trust it.
#[derive(Debug)]
pub struct DatabaseRequest<'a> {
    /// Where it is.
    pub url: &'a DatabaseUrl,
    /// The password, if it asks for one.
    pub password: Option<&'a SecretBytes>,
    /// How the connection is protected.
    pub security: Security<'a>,
    /// Through what it goes, if not straight.
    pub tunnel: Option<Tunnel>,
}

/// How the connection is protected.
#[derive(Clone, Copy, Debug)]
pub enum Security<'a> {
    /// TLS; certificate and host name are verified.
    Verified {
        /// The authorities to trust; without it, those of the system.
        ca: Option<&'a Path>,
        /// What proves who we are, if the server asks.
        client: Option<&'a ClientCertificate>,
    },
    /// None of its own: through a tunnel, or a socket of this machine.
    DangerPlaintext,
}

/// A column of a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type, as SQL writes it.
    pub kind: String,
}

/// An open database, in one transaction that can only read.
pub struct Database {
    // Dropped in this order: the connection ends before its tunnel does.
    client: Client,
    runtime: Runtime,
    tunnel: Option<Tunnel>,
    place: String,
    failure: Option<DatabaseError>,
}

/// A connection that may change settings of a server; no transaction is begun.
#[derive(Debug)]
pub struct DatabaseAdmin(Database);

/// The rows of a query as CSV with a header.
pub struct CopyReader<'a> {
    database: &'a mut Database,
    /// Gone when it has ended: asked once more, the library gives an error instead of the end.
    stream: Option<Pin<Box<CopyOutStream>>>,
    block: Bytes,
}

impl Database {
    /// Connects, logs in, and begins the transaction.
    pub fn open(request: DatabaseRequest<'_>) -> Result<Self, DatabaseError> {
        let mut database = Self::log_in(request)?;
        database.wait(async |client| client.batch_execute(BEGIN).await)?;
        Ok(database)
    }

    /// Connects and logs in.
    fn log_in(request: DatabaseRequest<'_>) -> Result<Self, DatabaseError> {
        let DatabaseRequest { url, password, security, tunnel } = request;
        let place = url.to_string();
        let config = configure(url, password, security);
        check_security(url, security, tunnel.is_some())?;
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|source| DatabaseError::Unreachable { place: place.clone(), source })?;
        let mut tunnel = tunnel;
        let client = connect(&runtime, &config, url, security, tunnel.as_mut())
            .map_err(|failure| refuse_connection(&place, failure))?;
        Ok(Self { client, runtime, tunnel, place, failure: None })
    }

    /// Returns the columns that a query would give; the server checks the query, and runs nothing.
    pub fn columns(&mut self, query: &Query) -> Result<Vec<Column>, DatabaseError> {
        let statement = self.wait(async |client| client.prepare(query.text()).await)?;
        if statement.columns().is_empty() {
            let answer = Answer::ours("it gives no columns");
            return Err(DatabaseError::Query { answer });
        }
        if !statement.params().is_empty() {
            let answer = Answer::ours("it has parameters such as `$1`, and there are none to give");
            return Err(DatabaseError::Query { answer });
        }
        let column = |column: &tokio_postgres::Column| Column {
            name: column.name().to_owned(),
            kind: sql_name(column.type_().name()).to_owned(),
        };
        Ok(statement.columns().iter().map(column).collect())
    }

    /// Returns the highest value of a column, as text; `None` if there is none.
    pub fn highest(
        &mut self,
        query: &Query,
        column: &Column,
    ) -> Result<Option<String>, DatabaseError> {
        let text = query.highest(column);
        let row = self.wait(async |client| client.query_one(&text, &[]).await)?;
        Ok(row.get(0))
    }

    /// Returns the names of the tables and views of a schema that this role may read, sorted.
    pub fn tables(&mut self, schema: &str) -> Result<Vec<String>, DatabaseError> {
        let rows = self.wait(async |client| client.query(TABLES, &[&schema]).await)?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    /// Runs a query of our own and returns the one text that it gives.
    pub fn text(&mut self, query: &str) -> Result<String, DatabaseError> {
        let row = self.wait(async |client| client.query_one(query, &[]).await)?;
        let found: Option<Option<String>> = row.try_get(0).ok();
        found
            .flatten()
            .ok_or_else(|| DatabaseError::Query { answer: Answer::ours("it gives no text") })
    }

    /// Runs a query and returns its rows as CSV with a header. The query is checked on its own
    /// first.
    pub fn copy(
        &mut self,
        query: &Query,
        newer: Option<&Newer>,
    ) -> Result<CopyReader<'_>, DatabaseError> {
        self.columns(query)?;
        let text = query.copy(newer);
        let stream = self.wait(async |client| client.copy_out(&text).await)?;
        Ok(CopyReader { database: self, stream: Some(Box::pin(stream)), block: Bytes::new() })
    }

    /// Returns what the place is called in messages.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Ends the transaction. What was read is whole and of one state only if this succeeds.
    pub fn finish(mut self) -> Result<(), DatabaseError> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        self.wait(async |client| client.batch_execute("COMMIT").await)
    }

    /// Waits for an answer.
    fn wait<T>(
        &mut self,
        ask: impl AsyncFnOnce(&Client) -> Result<T, Error>,
    ) -> Result<T, DatabaseError> {
        let answer = self.runtime.block_on(ask(&self.client));
        answer.map_err(|error| refuse_query(&self.place, &error))
    }
}

impl DatabaseAdmin {
    /// Connects and logs in.
    pub fn open(request: DatabaseRequest<'_>) -> Result<Self, DatabaseError> {
        Database::log_in(request).map(Self)
    }

    /// Runs a query of our own and returns the one text that it gives.
    pub fn text(&mut self, query: &str) -> Result<String, DatabaseError> {
        self.0.text(query)
    }

    /// Runs a statement of our own, outside of a transaction.
    pub fn run(&mut self, statement: &str) -> Result<(), DatabaseError> {
        self.0.wait(async |client| client.batch_execute(statement).await)
    }
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Database({}, tunnel: {})", self.place, self.tunnel.is_some())
    }
}

impl Read for CopyReader<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        while self.block.is_empty() {
            let Some(stream) = &mut self.stream else { return Ok(0) };
            match self.database.runtime.block_on(stream.next()) {
                Some(Ok(block)) => self.block = block,
                None => self.stream = None,
                Some(Err(error)) => {
                    let failure = refuse_query(&self.database.place, &error);
                    let message = failure.to_string();
                    self.database.failure = Some(failure);
                    return Err(io::Error::other(message));
                }
            }
        }
        let count = out.len().min(self.block.len());
        self.block.copy_to_slice(&mut out[..count]);
        Ok(count)
    }
}

/// What did not work while connecting.
enum ConnectFailure {
    Tls(TlsError),
    Tunnel(TunnelError),
    Time,
    Server(Error),
}

fn configure(url: &DatabaseUrl, password: Option<&SecretBytes>, security: Security<'_>) -> Config {
    let mut config = Config::new();
    config.user(&url.user).dbname(&url.database).application_name("twinkeep");
    match &url.place {
        Place::Host { host, port } => config.host(host).port(*port),
        Place::Socket { dir, port } => config.host_path(dir).port(*port),
    };
    if let Some(password) = password {
        config.password(password.expose());
    }
    match security {
        Security::Verified { .. } => config.ssl_mode(SslMode::Require),
        Security::DangerPlaintext => {
            config.ssl_mode(SslMode::Disable).channel_binding(ChannelBinding::Disable)
        }
    };
    config
        .connect_timeout(CONNECT_TIME_MAX)
        .tcp_user_timeout(SILENCE_TIME_MAX)
        .keepalives_idle(KEEPALIVE_TIME)
        .keepalives_interval(KEEPALIVE_TIME)
        .keepalives_retries(KEEPALIVE_COUNT);
    config
}

/// In the clear goes only what nobody on the network can hear.
fn check_security(
    url: &DatabaseUrl,
    security: Security<'_>,
    tunneled: bool,
) -> Result<(), DatabaseError> {
    match (security, &url.place) {
        (Security::DangerPlaintext, Place::Host { .. }) if !tunneled => {
            Err(DatabaseError::Plaintext { place: url.to_string() })
        }
        (Security::Verified { .. }, Place::Socket { dir, .. }) => {
            Err(DatabaseError::SocketTls { dir: dir.clone() })
        }
        _ => Ok(()),
    }
}

fn connect(
    runtime: &Runtime,
    config: &Config,
    url: &DatabaseUrl,
    security: Security<'_>,
    tunnel: Option<&mut Tunnel>,
) -> Result<Client, ConnectFailure> {
    let host = match &url.place {
        Place::Host { host, .. } => host.as_str(),
        Place::Socket { .. } => "",
    };
    let tls = match security {
        Security::Verified { ca, client } => {
            let config = client_config(ca, client).map_err(ConnectFailure::Tls)?;
            Some(MakeRustlsConnect::new(config))
        }
        Security::DangerPlaintext => None,
    };
    let Some(tunnel) = tunnel else {
        return match tls {
            Some(tls) => drive(runtime, config.connect(tls)),
            None => drive(runtime, config.connect(NoTls)),
        };
    };
    let stream = tunnel.take_stream().map_err(ConnectFailure::Tunnel)?;
    let _inside = runtime.enter();
    let stream = UnixStream::from_std(stream)
        .map_err(|source| ConnectFailure::Tunnel(TunnelError::Start { source }))?;
    let opened = match tls {
        Some(mut tls) => {
            // Through the tunnel, too, the server must be who the URL names.
            let Ok(tls) = MakeTlsConnect::<UnixStream>::make_tls_connect(&mut tls, host);
            drive(runtime, config.connect_raw(stream, tls))
        }
        None => drive(runtime, config.connect_raw(stream, NoTls)),
    };
    // A tunnel that failed is why the server did not answer; if it answered, the tunnel held.
    opened.map_err(|failure| match failure {
        ConnectFailure::Server(error) if !is_answer(&error) => {
            tunnel.failure().map_or(ConnectFailure::Server(error), ConnectFailure::Tunnel)
        }
        other => other,
    })
}

/// Waits for the connection, and lets it go on whenever the runtime turns.
fn drive<S, T>(
    runtime: &Runtime,
    connecting: impl Future<Output = Result<(Client, Connection<S, T>), Error>>,
) -> Result<Client, ConnectFailure>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    T: TlsStream + Unpin + Send + 'static,
{
    let opened = runtime.block_on(async { timeout(LOGIN_TIME_MAX, connecting).await });
    let (client, connection) =
        opened.map_err(|_| ConnectFailure::Time)?.map_err(ConnectFailure::Server)?;
    // How the connection ends is seen by whoever waits for an answer.
    drop(runtime.spawn(connection));
    Ok(client)
}

/// Returns whether an error shows that the server was there.
fn is_answer(error: &Error) -> bool {
    error.as_db_error().is_some() || TlsError::from_handshake(error).is_some()
}

fn refuse_connection(place: &str, failure: ConnectFailure) -> DatabaseError {
    let place = place.to_owned();
    let error = match failure {
        ConnectFailure::Tls(source) => return DatabaseError::Tls { place, source },
        ConnectFailure::Tunnel(source) => return DatabaseError::Tunnel { source },
        ConnectFailure::Time => {
            let source = io::Error::from(io::ErrorKind::TimedOut);
            return DatabaseError::Unreachable { place, source };
        }
        ConnectFailure::Server(error) => error,
    };
    if let Some(answer) = error.as_db_error() {
        return DatabaseError::Login { place, answer: Answer::of(answer) };
    }
    if let Some(source) = TlsError::from_handshake(&error) {
        return DatabaseError::Tls { place, source };
    }
    let said = |text: &str| error.source().is_some_and(|source| source.to_string() == text);
    if said("server does not support TLS") {
        return DatabaseError::NoTls { place };
    }
    if said("password missing") {
        let answer = Answer::ours("it asks for a password, and none was given");
        return DatabaseError::Login { place, answer };
    }
    match error.into_source().map(|source| source.downcast::<io::Error>()) {
        Some(Ok(source)) => DatabaseError::Unreachable { place, source: *source },
        Some(Err(_)) => {
            let answer = Answer::ours("it asks for a way to log in that is not supported");
            DatabaseError::Login { place, answer }
        }
        None => DatabaseError::Cut { place },
    }
}

fn refuse_query(place: &str, error: &Error) -> DatabaseError {
    match error.as_db_error() {
        Some(answer) => DatabaseError::Query { answer: Answer::of(answer) },
        None => DatabaseError::Cut { place: place.to_owned() },
    }
}

/// Returns a type's name as SQL writes it in a cast; the catalog uses others for some.
fn sql_name(catalog_name: &str) -> &str {
    match catalog_name {
        "timestamptz" => "timestamp with time zone",
        "timestamp" => "timestamp without time zone",
        "int2" => "smallint",
        "int4" => "integer",
        "int8" => "bigint",
        other => other,
    }
}

/// One state of the database for every query, no writing, and texts that mean the same anywhere.
const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
    SET LOCAL default_transaction_read_only = on;
    SET LOCAL TimeZone = 'UTC';
    SET LOCAL DateStyle = 'ISO, MDY';
    SET LOCAL IntervalStyle = 'iso_8601';
    SET LOCAL bytea_output = 'hex';
    SET LOCAL extra_float_digits = 1;";

const TABLES: &str = "SELECT table_name::text FROM information_schema.tables
    WHERE table_schema = $1 ORDER BY table_name";

/// How long one address may take to answer at all.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(15);

/// How long the way to the first query may take: a tunnel, TLS, and the login.
const LOGIN_TIME_MAX: Duration = Duration::from_secs(45);

/// How long sent bytes may stay without an answer of the other side's system.
const SILENCE_TIME_MAX: Duration = Duration::from_secs(60);

/// A query may compute for hours; whether the other side lives is asked in between.
const KEEPALIVE_TIME: Duration = Duration::from_secs(15);
const KEEPALIVE_COUNT: u32 = 4;
