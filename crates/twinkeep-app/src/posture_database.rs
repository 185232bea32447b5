//! Use case: say what the rules of the posture have to know of a database server, and reach it to
//! repair it.
//!
//! Facts change nothing: their transaction can only read, and no row of a table is read.

use std::cell::RefCell;
use std::net::IpAddr;

use twinkeep_connect::{DatabaseAdmin, DatabaseError, DatabaseUrl, Place};
use twinkeep_posture::collect::host::Places;
use twinkeep_posture::collect::postgres::{self, Machine};
use twinkeep_posture::facts::postgres::Postgres;
use twinkeep_posture::fix::DatabaseServer;
use twinkeep_vault::SecretBytes;

use crate::AppError;
use crate::config::SourceConfig;
use crate::ingest_database::{DatabaseAccess, OpenError, open_admin, open_database, parse_url};

/// Asks a server, and the database that the address names: over verified TLS, or by a socket of
/// this machine.
pub fn postgres_facts(
    source: &SourceConfig,
    password: Option<&SecretBytes>,
) -> Result<Postgres, AppError> {
    let url = parse_url(&source.url)?;
    let access = DatabaseAccess { source, password, danger_no_tls: is_socket(&url) };
    let mut database = open_database(&url, access)
        .map_err(|error| cannot(error, "cannot ask the database; nothing was scanned"))?;
    let mut ask = |query: &str| database.text(query).map_err(|error| error.to_string());
    let facts = postgres::collect(&url.to_string(), &mut ask, &machine(&url, source));
    let facts = facts.map_err(|error| {
        AppError::refused(error.code(), "cannot collect facts about the database").because(error)
    })?;
    database.finish().map_err(|error| {
        cannot(OpenError::Database(error), "cannot ask the database; nothing was scanned")
    })?;
    Ok(facts)
}

/// A server that fixes are made in, as `scan` reaches it.
#[derive(Debug)]
pub struct RepairedServer<'a> {
    place: String,
    url: DatabaseUrl,
    source: &'a SourceConfig,
    password: Option<&'a SecretBytes>,
    session: RefCell<DatabaseAdmin>,
}

impl<'a> RepairedServer<'a> {
    /// Connects. The connection stays until the end, whoever else may come in later.
    pub fn open(
        source: &'a SourceConfig,
        password: Option<&'a SecretBytes>,
    ) -> Result<RepairedServer<'a>, AppError> {
        let url = parse_url(&source.url)?;
        let access = DatabaseAccess { source, password, danger_no_tls: is_socket(&url) };
        let session = open_admin(&url, access)
            .map_err(|error| cannot(error, "cannot reach the database; nothing was changed"))?;
        let session = RefCell::new(session);
        Ok(RepairedServer { place: url.to_string(), url, source, password, session })
    }
}

impl DatabaseServer for RepairedServer<'_> {
    fn place(&self) -> &str {
        &self.place
    }

    fn ask(&self, query: &str) -> Result<String, String> {
        self.session.borrow_mut().text(query).map_err(|error| error.to_string())
    }

    fn run(&self, statement: &str) -> Result<(), String> {
        self.session.borrow_mut().run(statement).map_err(|error| error.to_string())
    }

    fn ask_anew(&self, query: &str) -> Result<String, String> {
        let RepairedServer { source, password, .. } = self;
        let danger_no_tls = is_socket(&self.url);
        let access = DatabaseAccess { source, password: *password, danger_no_tls };
        let mut anew = open_admin(&self.url, access).map_err(|error| match error {
            OpenError::Refused(error) => error.to_string(),
            OpenError::Database(error) => error.to_string(),
        })?;
        anew.text(query).map_err(|error| error.to_string())
    }
}

fn is_socket(url: &DatabaseUrl) -> bool {
    matches!(url.place, Place::Socket { .. })
}

/// Whether the way to a server ends on this machine; that it is there, its files have to show.
fn machine(url: &DatabaseUrl, source: &SourceConfig) -> Machine {
    let here = match &url.place {
        Place::Socket { .. } => true,
        Place::Host { host, .. } => {
            let address: Option<IpAddr> = host.parse().ok();
            host == "localhost" || address.is_some_and(|address| address.is_loopback())
        }
    };
    match here && source.ssh.is_none() {
        true => Machine::This(Places::default()),
        false => Machine::Other,
    }
}

fn cannot(error: OpenError, attempt: &'static str) -> AppError {
    let error: DatabaseError = match error {
        OpenError::Refused(error) => return error,
        OpenError::Database(error) => error,
    };
    let (code, hint) = (error.code(), error.hint());
    // Whatever the reason: nothing could be checked, and that is no finding.
    let refused = AppError::environment(code, attempt).because(error);
    match hint {
        Some(hint) => refused.hint(hint),
        None => refused,
    }
}
