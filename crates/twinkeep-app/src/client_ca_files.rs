//! Use case: read the authorities of client certificates that the configuration names, and their
//! revocation lists, whenever the files change.
//!
//! # Invariants
//!
//! - Files that cannot be read or understood change nothing: what was known goes on, and the ledger
//!   says so once. A revocation list that goes out of date meanwhile lets nobody in.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use twinkeep_ledger::{Activity, Class as EventClass, Severity};
use twinkeep_vault::client_chain::ClientAuthority;
use twinkeep_vault::files::read_bounded;

use crate::{App, AppError, Caller, ClientCaConfig};

/// An authority as it was read.
pub(crate) struct ReadAuthority {
    pub(crate) authority: Arc<ClientAuthority>,
    /// What the files looked like then.
    files: Vec<FileState>,
}

/// What tells that a file was changed or replaced.
type FileState = Option<(u64, u64, std::time::SystemTime)>;

/// Which of the authorities could not be read: so that the ledger is told once.
#[derive(Debug, Default)]
pub struct ClientCaWatch {
    failing: BTreeSet<String>,
}

/// Reads authorities whose files have changed since they were read.
///
/// The first failure of each is in the ledger, and so is each change; the first failure is returned.
pub fn read_client_cas(app: &App, watch: &mut ClientCaWatch) -> Result<(), AppError> {
    let mut first = Ok(());
    for config in &app.settings.client_cas {
        let files = state(config);
        let known =
            app.known_certificates()?.others.get(&config.name).map(|read| read.files.clone());
        if known.as_ref() == Some(&files) {
            continue;
        }
        let entry = app
            .entry(
                &Caller::system(),
                EventClass::EntityManagement,
                Activity::Update,
                "client-ca.read",
            )
            .with("authority", config.name.as_str());
        match read(config, files) {
            Ok(authority) => {
                app.replace_authority(&config.name, authority)?;
                app.record(&entry)?;
                watch.failing.remove(&config.name);
            }
            Err(error) => {
                if watch.failing.insert(config.name.clone()) {
                    app.record(&entry.severity(Severity::Medium).failed(error.code()))?;
                }
                first = first.and(Err(error));
            }
        }
    }
    first
}

fn read(config: &ClientCaConfig, files: Vec<FileState>) -> Result<ReadAuthority, AppError> {
    let read = |path: &Path, size_max| {
        read_bounded(path, size_max).map_err(|error| {
            AppError::environment("client-ca-read", format!("cannot read `{}`", path.display()))
                .because(error)
        })
    };
    let roots = read(&config.file, AUTHORITIES_SIZE_MAX)?;
    let lists = config.crl.iter().map(|path| read(path, LIST_SIZE_MAX));
    let lists = lists.collect::<Result<Vec<_>, _>>()?;
    let authority = ClientAuthority::parse(&String::from_utf8_lossy(&roots), &lists);
    let authority = authority.map_err(|error| {
        let attempt = format!("the client authority `{}` cannot be used", config.name);
        AppError::refused(error.code(), attempt).because(error)
    })?;
    Ok(ReadAuthority { authority: Arc::new(authority), files })
}

fn state(config: &ClientCaConfig) -> Vec<FileState> {
    use std::os::unix::fs::MetadataExt as _;
    let state = |path: &std::path::PathBuf| {
        let found = path.metadata().ok()?;
        Some((found.ino(), found.len(), found.modified().ok()?))
    };
    std::iter::once(&config.file).chain(&config.crl).map(state).collect()
}

/// A bundle of some hundred authorities.
const AUTHORITIES_SIZE_MAX: u64 = 1 << 20;

/// A list of half a million serial numbers.
const LIST_SIZE_MAX: u64 = 32 << 20;
