//! Use case: read what is new in a database, screen it, and store its events.
//!
//! # Life of a reading
//!
//! 1. The tunnel, TLS, and the login; then one transaction that can only read.
//! 2. Where a column says what is new, the mark of the last reading is looked up, and the highest
//!    value that there is now becomes the next mark.
//! 3. The rows stream through the same mapping and screening as files do. Rows around the mark
//!    come twice, and the store keeps them once.
//! 4. The transaction must end well before the feed exists, and the feed must exist before the
//!    mark moves: a crash in between reads again what is there already.

use std::io::{self, Read};
use std::path::Path;

use serde::Serialize;
use twinkeep_connect::{
    ClientCertificate, Column, Database, DatabaseAdmin, DatabaseError, DatabaseRequest,
    DatabaseUrl, Newer, Place as DatabasePlace, Query, QueryError, Security, SshTarget, Tunnel,
    TunnelError, TunnelRequest, UrlError, find_password,
};
use twinkeep_intake::{FileSource, Source};
use twinkeep_ledger::{Activity, Class as EventClass};
use twinkeep_store::{Opening, StoreError};
use twinkeep_vault::SecretBytes;

use crate::config::SourceConfig;
use crate::ingest_feed::{IngestReport, IngestRequest, Place, describe, options, store};
use crate::sites::{LOCAL_SITE, check_site};
use crate::source_marks::MarkName;
use crate::store_feed::{Unread, take};
use crate::{App, AppError, Caller, Progress};

/// Which database, and what of it.
#[derive(Clone, Copy)]
pub struct IngestDatabaseRequest<'a> {
    /// Where it is and what to ask; paths are resolved.
    pub source: &'a SourceConfig,
    /// What logs in, if the server asks for a password.
    pub password: Option<&'a SecretBytes>,
    /// Whether to go without TLS, where nobody on the network can listen.
    pub danger_no_tls: bool,
    /// How its rows are read: mapping, dates, and what every ingest chooses.
    pub ingest: IngestRequest<'a>,
}

/// What came of a reading.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum DatabaseReport {
    /// Rows were stored.
    Stored(Box<IngestReport>),
    /// There was nothing that the keep does not have.
    NothingNew {
        /// Always true; tells this answer from the other.
        nothing_new: bool,
    },
}

/// Returns whether a text names a database, as `postgres://…`.
pub fn names_database(text: &str) -> bool {
    DatabaseUrl::is_meant_by(text)
}

/// Finds the password for a database in the text of a PostgreSQL password file.
pub fn password_from_file(file: &[u8], url: &str) -> Result<Option<SecretBytes>, AppError> {
    Ok(find_password(file, &parse_url(url)?))
}

/// Ingests what is new in a database.
pub fn ingest_database(
    app: &App,
    caller: &Caller,
    request: IngestDatabaseRequest<'_>,
    progress: &mut dyn FnMut(Progress),
) -> Result<DatabaseReport, AppError> {
    let entry = app.entry(caller, EventClass::DatastoreActivity, Activity::Create, "feed.ingested");
    let entry = entry.with("kind", "postgresql");
    let result = ingest(app, caller, request, progress);
    let entry = match &result {
        Ok(DatabaseReport::Stored(report)) => describe(entry, report),
        Ok(DatabaseReport::NothingNew { .. }) => entry.with("read", 0),
        Err(_) => entry,
    };
    app.conclude(entry, result)
}

fn ingest(
    app: &App,
    caller: &Caller,
    request: IngestDatabaseRequest<'_>,
    progress: &mut dyn FnMut(Progress),
) -> Result<DatabaseReport, AppError> {
    let source = request.source;
    let url = parse_url(&source.url)?;
    let site = source.site.as_deref().unwrap_or(LOCAL_SITE);
    check_site(site)?;
    let mut database = open(&url, &request)?;
    let parts = plan(app, &mut database, &url, site, &request)?;
    let pseudonyms = app.site_pseudonyms(site);
    let opening = Opening { site, turn: None, splits: &app.splits };
    let mut writer = app.store.begin_feed(opening)?;
    let name = url.to_string();
    let mut tables = Tables { database: &mut database, parts: parts.iter(), failure: None };
    let source = Source::Files { name: &name, files: &mut tables };
    let panel = app.panel(caller)?;
    let options = options(app, &request.ingest, &pseudonyms, panel.as_ref());
    let taken = take(&mut writer, source, &options, &mut |step| {
        progress(Progress { done: step.bytes_read, total: 0 });
    });
    // If the database itself failed, that is the reason, whatever intake made of it.
    let failure = tables.failure.take();
    failure.map_or(Ok(()), |failure| Err(refuse_database(failure)))?;
    database.finish().map_err(refuse_database)?;
    let marked = parts.iter().any(|part| part.newer.is_some());
    let taken = match taken {
        Ok(taken) => taken,
        Err(Unread::Store(error)) => return Err(error.into()),
        Err(Unread::Source(error)) if marked && error.code() == "intake-empty" => {
            return remember(app, &parts).map(|()| NOTHING_NEW);
        }
        Err(Unread::Source(error)) => {
            let attempt = format!("cannot ingest `{name}`; nothing was stored");
            return Err(AppError::refused(error.code(), attempt).because(error));
        }
    };
    let known = app.store.feed_with_content(&taken.summary.digest)?;
    if marked && known.is_some() {
        return remember(app, &parts).map(|()| NOTHING_NEW);
    }
    if let Some(feed) = known {
        return Err(StoreError::FeedAlreadyIngested { feed: feed.0 }.into());
    }
    let place = Place { request: request.ingest, site, panel: panel.as_ref() };
    let report = store(app, caller, place, writer, taken, None)?;
    remember(app, &parts)?;
    Ok(DatabaseReport::Stored(Box::new(report)))
}

/// Moves the marks to what was stored.
fn remember(app: &App, parts: &[Part]) -> Result<(), AppError> {
    let mut marks = parts.iter().filter_map(|part| part.next.as_ref());
    marks.try_for_each(|(name, mark)| app.set_mark(name, mark))
}

/// One query, read as if it were one file.
struct Part {
    label: String,
    query: Query,
    newer: Option<Newer>,
    /// The mark to remember once this is stored.
    next: Option<(MarkName, String)>,
}

/// Decides what is asked.
fn plan(
    app: &App,
    database: &mut Database,
    url: &DatabaseUrl,
    site: &str,
    request: &IngestDatabaseRequest<'_>,
) -> Result<Vec<Part>, AppError> {
    let source = request.source;
    let mut parts = Vec::new();
    let part = |label: &str, query: Result<Query, QueryError>| {
        let query = query.map_err(|error| {
            AppError::usage(error.code(), "cannot ask the database").because(error)
        })?;
        Ok::<_, AppError>(Part { label: format!("{label}.csv"), query, newer: None, next: None })
    };
    match (&source.query, &source.tables[..], &source.schema) {
        (Some(query), [], None) => parts.push(part("query", Query::new(query))?),
        (None, [_, ..], None) => {
            for table in &source.tables {
                let label = table.rsplit('.').next().unwrap_or_default();
                parts.push(part(label, Query::table(table))?);
            }
        }
        (None, [], Some(schema)) => {
            let mapping = request.ingest.mapping.ok_or_else(|| {
                AppError::usage("database-schema-mapping", "which tables of a schema are read?")
                    .hint("name a mapping, such as `--mapping omop-5.4`")
            })?;
            for table in database.tables(schema).map_err(refuse_database)? {
                if mapping.reads(&table) {
                    parts.push(part(&table, Query::in_schema(schema, &table))?);
                }
            }
            if parts.is_empty() {
                let attempt = "the schema has no table that the mapping reads";
                return Err(AppError::refused("database-schema-empty", attempt)
                    .hint("check its name, and that the role may use it and read its tables"));
            }
        }
        _ => {
            let attempt = "say what to read: a query, tables, or a schema";
            return Err(AppError::usage("database-what", attempt)
                .hint("give one of `--query`, `--table`, and `--schema`"));
        }
    }
    let Some(column) = &source.since_column else { return Ok(parts) };
    if source.schema.is_some() {
        let attempt = "the tables of a schema have no column in common that says what is new";
        return Err(AppError::usage("database-since", attempt).hint("name tables: `--table`"));
    }
    for part in &mut parts {
        add_mark(app, database, url, site, (column, source.overlap.as_deref()), part)?;
    }
    Ok(parts)
}

/// Asks a part for what is newer than the last reading, and finds the mark for the next one.
fn add_mark(
    app: &App,
    database: &mut Database,
    url: &DatabaseUrl,
    site: &str,
    (column, overlap): (&str, Option<&str>),
    part: &mut Part,
) -> Result<(), AppError> {
    let columns = database.columns(&part.query).map_err(refuse_database)?;
    let fits = |found: &&Column| found.name == column && found.can_be_marked();
    let found = columns.iter().find(fits).ok_or_else(|| {
        let attempt = format!("`{column}` is no column that says what is new");
        AppError::usage("database-since", attempt).hint(
            "it must be among the columns of the query, and be a time, a date, or a whole number",
        )
    })?;
    let name = MarkName::new(&[site, &url.to_string(), part.query.text(), column, &found.kind]);
    if let Some(mark) = app.mark(&name)? {
        let (column, overlap) = (found.clone(), overlap.map(str::to_owned));
        part.newer = Some(Newer { column, mark, overlap });
    }
    let highest = database.highest(&part.query, found).map_err(refuse_database)?;
    part.next = highest.map(|mark| (name, mark));
    Ok(())
}

/// The tables of a database as files, one after the other.
struct Tables<'a> {
    database: &'a mut Database,
    parts: std::slice::Iter<'a, Part>,
    failure: Option<DatabaseError>,
}

impl FileSource for Tables<'_> {
    fn next_file(&mut self) -> io::Result<Option<(String, Box<dyn Read + '_>)>> {
        let Some(part) = self.parts.next() else { return Ok(None) };
        match self.database.copy(&part.query, part.newer.as_ref()) {
            Ok(rows) => Ok(Some((part.label.clone(), Box::new(rows)))),
            Err(error) => {
                let message = error.to_string();
                self.failure = Some(error);
                Err(io::Error::other(message))
            }
        }
    }
}

fn open(url: &DatabaseUrl, request: &IngestDatabaseRequest<'_>) -> Result<Database, AppError> {
    let IngestDatabaseRequest { source, password, danger_no_tls, .. } = *request;
    let access = DatabaseAccess { source, password, danger_no_tls };
    open_database(url, access).map_err(|error| match error {
        OpenError::Refused(error) => error,
        OpenError::Database(error) => refuse_database(error),
    })
}

/// Which database, and how to get in.
#[derive(Clone, Copy)]
pub(crate) struct DatabaseAccess<'a> {
    /// Where it is; paths are resolved.
    pub(crate) source: &'a SourceConfig,
    /// What logs in, if the server asks for a password.
    pub(crate) password: Option<&'a SecretBytes>,
    /// Whether to go without TLS, where nobody on the network can listen.
    pub(crate) danger_no_tls: bool,
}

/// Why a database was not opened.
pub(crate) enum OpenError {
    /// What was asked makes no sense.
    Refused(AppError),
    /// The database, or the way to it, failed.
    Database(DatabaseError),
}

/// Opens a database in a transaction that can only read.
pub(crate) fn open_database(
    url: &DatabaseUrl,
    access: DatabaseAccess<'_>,
) -> Result<Database, OpenError> {
    with_request(url, access, Database::open)
}

/// Opens a database as who repairs its server.
pub(crate) fn open_admin(
    url: &DatabaseUrl,
    access: DatabaseAccess<'_>,
) -> Result<DatabaseAdmin, OpenError> {
    with_request(url, access, DatabaseAdmin::open)
}

fn with_request<T>(
    url: &DatabaseUrl,
    access: DatabaseAccess<'_>,
    open: impl FnOnce(DatabaseRequest<'_>) -> Result<T, DatabaseError>,
) -> Result<T, OpenError> {
    let DatabaseAccess { source, password, danger_no_tls } = access;
    let tunnel = source.ssh.as_deref().map(|through| tunnel(url, through, source)).transpose();
    let tunnel = tunnel.map_err(OpenError::Refused)?;
    let client = match (&source.client_cert, &source.client_key) {
        (Some(chain), Some(key)) => {
            Some(ClientCertificate { chain: chain.clone(), key: key.clone() })
        }
        (None, None) => None,
        _ => {
            let attempt = "a client certificate is useless without its key, and a key without it";
            return Err(OpenError::Refused(AppError::usage("database-client", attempt)));
        }
    };
    let security = match danger_no_tls {
        true => Security::DangerPlaintext,
        false => Security::Verified { ca: source.ca.as_deref(), client: client.as_ref() },
    };
    open(DatabaseRequest { url, password, security, tunnel }).map_err(OpenError::Database)
}

fn tunnel(url: &DatabaseUrl, through: &str, source: &SourceConfig) -> Result<Tunnel, AppError> {
    let DatabasePlace::Host { host, port } = &url.place else {
        let attempt = "a tunnel leads to a host, and the URL names a socket of this machine";
        return Err(AppError::usage("tunnel-target", attempt));
    };
    let target = SshTarget::parse(through).map_err(refuse_tunnel)?;
    Tunnel::open(&TunnelRequest {
        through: &target,
        to_host: host,
        to_port: *port,
        known_hosts: source.ssh_known_hosts.as_deref().map(Path::new),
        identity: source.ssh_identity.as_deref().map(Path::new),
    })
    .map_err(refuse_tunnel)
}

pub(crate) fn parse_url(text: &str) -> Result<DatabaseUrl, AppError> {
    DatabaseUrl::parse(text).map_err(|error| {
        let refused = AppError::usage(error.code(), "cannot use the database URL").because(error);
        match error {
            UrlError::Password => refused.hint(
                "others can read it there: choose a new one, and give it by `--password-file`, \
                 `PGPASSWORD`, or the password file of PostgreSQL (`~/.pgpass`)",
            ),
            UrlError::Form { .. } => refused,
        }
    })
}

fn refuse_tunnel(error: TunnelError) -> AppError {
    refuse_database(DatabaseError::Tunnel { source: error })
}

fn refuse_database(error: DatabaseError) -> AppError {
    let (code, hint) = (error.code(), error.hint());
    let attempt = "cannot read the database; nothing was stored";
    let refused = match error.is_environment() {
        true => AppError::environment(code, attempt),
        false => AppError::refused(code, attempt),
    };
    let refused = refused.because(error);
    match hint {
        Some(hint) => refused.hint(hint),
        None => refused,
    }
}

const NOTHING_NEW: DatabaseReport = DatabaseReport::NothingNew { nothing_new: true };
