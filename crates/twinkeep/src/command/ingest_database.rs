//! `twinkeep ingest postgres://…` and `twinkeep ingest source:NAME`.

use std::path::Path;
use std::time::Instant;

use twinkeep_app::{
    AppError, Caller, DatabaseReport, IngestDatabaseRequest, IngestRequest, SourceConfig,
    ingest_database, load_mapping, names_database,
};

use crate::cli::{DatabaseArgs, Global, IngestArgs};
use crate::command::ingest::{self, rate, refuse_held, text};
use crate::database_password;
use crate::output::Output;
use crate::surroundings::open_keep;

/// Returns whether a feed is named that is a database.
pub(crate) fn is_meant_by(args: &IngestArgs) -> bool {
    args.feed.to_str().is_some_and(|text| names_database(text) || text.starts_with(NAMED))
}

/// Refuses options of databases where a file is read.
pub(crate) fn refuse_options(args: &IngestArgs) -> Result<(), AppError> {
    if args.database == DatabaseArgs::default() {
        return Ok(());
    }
    let attempt =
        format!("`{}` is a file, and these options are for databases", args.feed.display());
    Err(AppError::usage("database-options", attempt)
        .hint("name a database as `postgres://USER@HOST:PORT/DATABASE`, or as `source:NAME`"))
}

pub(crate) fn run(global: &Global, args: &IngestArgs, out: &Output) -> Result<(), AppError> {
    let app = open_keep(global)?;
    let named = args.feed.to_str().and_then(|text| text.strip_prefix(NAMED));
    let source = match named {
        Some(name) => from_configuration(app.settings().source(name), name, args)?,
        None => from_arguments(args)?,
    };
    let mapping = source.mapping.as_deref().map(load_mapping).transpose()?;
    let password = database_password::get(&args.database, &source)?;
    let bar = out.progress("reading");
    let started = Instant::now();
    let ingest = IngestRequest {
        feed: Path::new(&source.url),
        site: source.site.as_deref(),
        ..ingest::request(args, mapping.as_ref())
    };
    let request = IngestDatabaseRequest {
        source: &source,
        password: password.as_ref(),
        danger_no_tls: args.database.danger_no_tls,
        ingest,
    };
    let report = ingest_database(&app, &Caller::operator(), request, &mut |progress| {
        bar.set(progress.done, progress.total);
    })?;
    drop(bar);
    if let DatabaseReport::Stored(report) = &report {
        rate(out, report.read, started);
    }
    out.result(&report, |report| match report {
        DatabaseReport::Stored(report) => text(report),
        DatabaseReport::NothingNew { .. } => "nothing new".to_owned(),
    })?;
    match &report {
        DatabaseReport::Stored(report) => refuse_held(report, args.hold),
        DatabaseReport::NothingNew { .. } => Ok(()),
    }
}

fn from_configuration(
    known: Option<&SourceConfig>,
    name: &str,
    args: &IngestArgs,
) -> Result<SourceConfig, AppError> {
    let source = known.ok_or_else(|| {
        let attempt = format!("`twinkeep.toml` has no source `{name}`");
        AppError::usage("source-unknown", attempt)
            .hint(format!("describe it under `[source.{name}]`; docs/guides/postgresql.md"))
    })?;
    let DatabaseArgs { password_file, password_fd, danger_no_tls, .. } = &args.database;
    let allowed = DatabaseArgs {
        password_file: password_file.clone(),
        password_fd: *password_fd,
        danger_no_tls: *danger_no_tls,
        ..DatabaseArgs::default()
    };
    if args.database != allowed || args.site.is_some() || args.mapping.is_some() {
        let attempt = "a named source takes its options from `twinkeep.toml`";
        return Err(AppError::usage("source-options", attempt));
    }
    Ok(source.clone())
}

fn from_arguments(args: &IngestArgs) -> Result<SourceConfig, AppError> {
    let database = &args.database;
    let url = args.feed.to_str().unwrap_or_default().to_owned();
    Ok(SourceConfig {
        url,
        query: database.query.clone(),
        tables: database.tables.clone(),
        schema: database.schema.clone(),
        since_column: database.since_column.clone(),
        overlap: database.overlap.clone(),
        mapping: args.mapping.clone(),
        site: args.site.clone(),
        ca: database.ca.clone(),
        client_cert: database.client_cert.clone(),
        client_key: database.client_key.clone(),
        password_file: None,
        ssh: database.ssh.clone(),
        ssh_known_hosts: database.ssh_known_hosts.clone(),
        ssh_identity: database.ssh_identity.clone(),
    })
}

/// Begins the name of a source that the configuration describes.
const NAMED: &str = "source:";
