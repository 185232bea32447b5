//! Use cases: keep what was there when something was noticed, before anything is done about it; show
//! it later.
//!
//! Containment changes what it is about: a version is moved, a service is stopped. So first the
//! digests of the files concerned are taken, who has them open, who listens on the host, and the
//! newest entries of the ledger. All of it is sealed into one file, whose digest is in the ledger.
//!
//! # Invariants
//!
//! - What was kept first stays: what is there later may be our own doing.
//! - What has its name is in the ledger.
//! - Whatever cannot be seen is said, and holds nothing up.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use twinkeep_ledger::{Activity, Class as EventClass, Entry};
use twinkeep_vault::digest::{sha256, to_hex};
use twinkeep_vault::files::{
    PRIVATE_FILE, create_private_dir, digest_bounded, read_bounded, sync_dir, write_atomic,
};
use twinkeep_vault::{Purpose, open, seal};
use twinkeep_watch::host::HostEvidence;

use crate::act_on_host::see_host;
use crate::time_text::rfc3339;
use crate::verify_ledger::line;
use crate::{App, AppError, Caller};

/// What was there when something was noticed.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    version: u32,
    /// The incident.
    pub incident: String,
    /// When it was taken (RFC 3339).
    pub taken: String,
    /// The files concerned, as paths within the keep.
    pub files: BTreeMap<String, FileEvidence>,
    /// Who had them open, and who listened; none, if that could not be seen.
    pub host: Option<HostEvidence>,
    /// Why it could not be seen; empty, if it could.
    pub unseen: String,
    /// The newest entries of the ledger.
    pub ledger: Vec<Value>,
}

/// A file as it lay there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEvidence {
    /// Its digest: `sha256:...`; empty, if it cannot be read, or is too large.
    pub digest: String,
    /// Its size.
    pub size: u64,
    /// Its mode, in octal.
    pub mode: String,
    /// Its owner.
    pub user: u32,
    /// Its number in its file system.
    pub inode: u64,
    /// When it was changed last, in seconds since 1970.
    pub changed: i64,
}

/// What was kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EvidenceReport {
    /// The digest of the sealed file: `sha256:...`.
    pub digest: String,
    /// How many files were looked at.
    pub files: usize,
    /// How many programs had one of them open.
    pub open: usize,
}

/// Keeps what is there now for an incident, unless something is kept already.
pub(crate) fn preserve_evidence(
    app: &App,
    incident: &str,
    files: &[PathBuf],
) -> Result<EvidenceReport, AppError> {
    let path = path(app, incident);
    if path.exists() {
        let (kept, digest) = read(app, incident)?;
        return Ok(report(&kept, digest));
    }
    let entry = app.entry(
        &Caller::system(),
        EventClass::DetectionFinding,
        Activity::Create,
        "evidence.preserved",
    );
    // It gets its name once the ledger knows its digest: whoever was killed between wrote it under
    // another one, and is followed by somebody who has it recorded, twice rather than never.
    let pending = path.with_extension(PENDING);
    let result = match open_sealed(app, &pending, incident) {
        Ok((kept, digest)) => Ok(report(&kept, digest)),
        Err(_) => take(app, incident, files)
            .and_then(|kept| Ok(report(&kept, keep(app, &pending, &kept)?))),
    };
    let entry = entry.with("incident", incident);
    let entry = match &result {
        Ok(report) => entry.with("digest", report.digest.as_str()),
        Err(_) => entry,
    };
    let report = app.conclude(entry, result)?;
    let named = fs::rename(&pending, &path).and_then(|()| sync_dir(&app.layout.evidence()));
    named.map_err(unwritable)?;
    Ok(report)
}

/// What was kept, and the digest by which the ledger and the incident know it.
#[derive(Debug, Serialize)]
pub struct KeptEvidence {
    /// The digest of the sealed file, and what it counts.
    #[serde(flatten)]
    pub kept: EvidenceReport,
    /// What is in it.
    pub evidence: Evidence,
}

/// Shows what was kept for an incident.
pub fn show_evidence(app: &App, caller: &Caller, incident: &str) -> Result<KeptEvidence, AppError> {
    let class = EventClass::DetectionFinding;
    let entry = app.entry(caller, class, Activity::Read, "evidence.shown");
    let known = incident.len() <= NAME_LEN_MAX
        && incident.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let result = match known && path(app, incident).exists() {
        true => read(app, incident)
            .map(|(evidence, digest)| KeptEvidence { kept: report(&evidence, digest), evidence }),
        false => Err(AppError::usage("evidence-none", "nothing is kept for such an incident")
            .hint("`twinkeep incident list --all` has the incidents")),
    };
    let entry = if result.is_ok() { entry.with("incident", incident) } else { entry };
    app.conclude(entry, result)
}

fn take(app: &App, incident: &str, files: &[PathBuf]) -> Result<Evidence, AppError> {
    let root = app.layout.root();
    let whole = |path: &PathBuf| path.canonicalize().unwrap_or_else(|_| path.clone());
    let files: Vec<PathBuf> = files.iter().take(FILE_COUNT_MAX).map(whole).collect();
    let base = root.canonicalize().unwrap_or_else(|_| root.to_path_buf());
    let digests = digests_of(&files);
    let described = files.iter().filter_map(|path| {
        let name = path.strip_prefix(&base).unwrap_or(path).display().to_string();
        let digest = digests.get(path).cloned().unwrap_or_default();
        Some((name, describe(path, digest)?))
    });
    let (host, unseen) = match see_host(app, &files) {
        Ok(seen) => (Some(seen), String::new()),
        Err(error) => (None, error.code().to_owned()),
    };
    let view = app.ledger_view()?;
    let size = view.checkpoint().checkpoint.size;
    let first = size.saturating_sub(ENTRY_COUNT_MAX);
    let entries = view.entries(first..size)?;
    let ledger = entries.iter().zip(first..).filter_map(|(bytes, index)| {
        serde_json::to_value(line(index, Entry::decode(bytes).ok()?)).ok()
    });
    Ok(Evidence {
        version: VERSION,
        incident: incident.to_owned(),
        taken: rfc3339(app.now()),
        files: described.collect(),
        host,
        unseen,
        ledger: ledger.collect(),
    })
}

/// Returns the digests of plain files, `sha256:...`: of the smallest first, until they are as much as
/// a version may be. Whoever puts a file of any size among them holds nothing up.
pub(crate) fn digests_of(files: &[PathBuf]) -> BTreeMap<PathBuf, String> {
    let sized = files.iter().filter_map(|path| {
        let found = fs::symlink_metadata(path).ok().filter(fs::Metadata::is_file)?;
        Some((found.len(), path))
    });
    let mut sized: Vec<(u64, &PathBuf)> = sized.collect();
    sized.sort();
    let mut room = DIGESTED_SIZE_MAX;
    let mut digests = BTreeMap::new();
    for (size, path) in sized {
        let Some(rest) = room.checked_sub(size) else { break };
        room = rest;
        if let Ok(digest) = digest_bounded(path, size) {
            digests.insert(path.clone(), format!("sha256:{}", to_hex(&digest)));
        }
    }
    digests
}

fn describe(path: &Path, digest: String) -> Option<FileEvidence> {
    let found = fs::symlink_metadata(path).ok().filter(fs::Metadata::is_file)?;
    Some(FileEvidence {
        digest,
        size: found.len(),
        mode: format!("{:o}", found.permissions().mode() & 0o7777),
        user: found.uid(),
        inode: found.ino(),
        changed: found.ctime(),
    })
}

fn keep(app: &App, path: &Path, kept: &Evidence) -> Result<String, AppError> {
    let text = serde_json::to_vec(kept).map_err(|error| {
        AppError::environment("evidence-write", "cannot write evidence down").because(error)
    })?;
    let context = kept.incident.as_bytes();
    let sealed = seal(&app.evidence_key, Purpose::Evidence, context, &text);
    create_private_dir(&app.layout.evidence()).map_err(unwritable)?;
    write_atomic(path, &sealed, PRIVATE_FILE).map_err(unwritable)?;
    Ok(format!("sha256:{}", to_hex(&sha256(&sealed))))
}

fn unwritable(error: std::io::Error) -> AppError {
    AppError::environment("evidence-write", "cannot keep evidence of an incident").because(error)
}

fn read(app: &App, incident: &str) -> Result<(Evidence, String), AppError> {
    open_sealed(app, &path(app, incident), incident)
}

fn open_sealed(app: &App, path: &Path, incident: &str) -> Result<(Evidence, String), AppError> {
    let damaged = || AppError::refused("evidence-damaged", "the evidence that was kept is damaged");
    let sealed = read_bounded(path, SIZE_MAX).map_err(|error| {
        AppError::environment("evidence-read", "cannot read the evidence that was kept")
            .because(error)
    })?;
    let digest = format!("sha256:{}", to_hex(&sha256(&sealed)));
    let key = &app.evidence_key;
    let text = open(key, Purpose::Evidence, incident.as_bytes(), &sealed)
        .map_err(|error| damaged().because(error))?;
    let kept: Evidence =
        serde_json::from_slice(text.expose()).map_err(|error| damaged().because(error))?;
    if kept.version == VERSION { Ok((kept, digest)) } else { Err(damaged()) }
}

fn report(kept: &Evidence, digest: String) -> EvidenceReport {
    let open = kept.host.as_ref().map_or(0, |host| host.open.len());
    EvidenceReport { digest, files: kept.files.len(), open }
}

fn path(app: &App, incident: &str) -> PathBuf {
    app.layout.evidence().join(format!("{incident}.sealed"))
}

const VERSION: u32 = 1;

/// What a file ends in that the ledger may not know yet.
const PENDING: &str = "pending";

/// What came just before: a page of the ledger.
const ENTRY_COUNT_MAX: u64 = 100;

/// A version has some ten.
const FILE_COUNT_MAX: usize = 200;

/// Twice the largest weights that a version may have: a few seconds.
const DIGESTED_SIZE_MAX: u64 = 2 << 30;

/// Two thousand files and sockets, and a hundred entries, with room.
const SIZE_MAX: u64 = 16 << 20;

const NAME_LEN_MAX: usize = 64;
