//! Use case: say what the rules of the posture have to know of a database server.
//!
//! Nothing is changed: the transaction can only read, and no row of a table is read.

use twinkeep_connect::{DatabaseError, Place};
use twinkeep_posture::collect::postgres;
use twinkeep_posture::facts::postgres::Postgres;
use twinkeep_vault::SecretBytes;

use crate::AppError;
use crate::config::SourceConfig;
use crate::ingest_database::{DatabaseAccess, OpenError, open_database, parse_url};

/// Asks a server, and the database that the address names: over verified TLS, or by a socket of
/// this machine.
pub fn postgres_facts(
    source: &SourceConfig,
    password: Option<&SecretBytes>,
) -> Result<Postgres, AppError> {
    let url = parse_url(&source.url)?;
    let danger_no_tls = matches!(url.place, Place::Socket { .. });
    let access = DatabaseAccess { source, password, danger_no_tls };
    let mut database = open_database(&url, access).map_err(|error| match error {
        OpenError::Refused(error) => error,
        OpenError::Database(error) => refuse(error),
    })?;
    let mut ask = |query: &str| database.text(query).map_err(|error| error.to_string());
    let facts = postgres::collect(&url.to_string(), &mut ask, &postgres::storage_elsewhere);
    let facts = facts.map_err(|error| {
        AppError::refused(error.code(), "cannot collect facts about the database").because(error)
    })?;
    database.finish().map_err(refuse)?;
    Ok(facts)
}

fn refuse(error: DatabaseError) -> AppError {
    let (code, hint) = (error.code(), error.hint());
    let attempt = "cannot ask the database; nothing was scanned";
    // Whatever the reason: nothing could be checked, and that is no finding.
    let refused = AppError::environment(code, attempt);
    let refused = refused.because(error);
    match hint {
        Some(hint) => refused.hint(hint),
        None => refused,
    }
}
