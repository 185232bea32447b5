//! Use case: keep the report of a scan that is recorded, and find those that the ledger has again.
//!
//! # Invariants
//!
//! - A report is on the disk before its entry is in the ledger; one without an entry is none.
//! - What is read is what was recorded, by its digest: nothing else is compared with anything.

use std::path::{Path, PathBuf};

use serde::Serialize;
use twinkeep_posture::Report;
use twinkeep_vault::digest::{sha256, to_hex};
use twinkeep_vault::files::{PRIVATE_FILE, create_private_dir, read_bounded, write_atomic};

use crate::{AppError, Layout, LedgerLine, LedgerQuery, SearchWith, search_ledger};

/// Scans that the ledger has, the oldest first.
#[derive(Debug, Default)]
pub struct RecordedScans {
    /// The reports that are as they were recorded.
    pub reports: Vec<Report>,
    /// What the ledger has, and no report fits.
    pub missing: Vec<MissingReport>,
}

/// A scan whose report cannot be compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MissingReport {
    /// The index of its entry in the ledger.
    pub entry: u64,
    /// When it was recorded (RFC 3339).
    pub time: String,
    /// Why not.
    pub why: &'static str,
}

/// Writes a report beside those of other scans, and returns its digest.
pub(crate) fn keep_report(layout: &Layout, report: &Report) -> Result<String, AppError> {
    let text = serde_json::to_vec(report)
        .map_err(|error| AppError::environment("json", "cannot write a report").because(error))?;
    let digest = to_hex(&sha256(&text));
    let path = path_of(layout, &digest);
    let failed = |error: std::io::Error| {
        let attempt = format!("cannot keep the report of a scan as `{}`", path.display());
        AppError::environment("scan-report", attempt).because(error)
    };
    create_private_dir(&layout.scans()).map_err(failed)?;
    write_atomic(&path, &text, PRIVATE_FILE).map_err(failed)?;
    Ok(digest)
}

/// Reads the newest reports that were recorded, at most so many.
pub fn recorded_scans(root: &Path, limit: usize) -> Result<RecordedScans, AppError> {
    let query =
        LedgerQuery { action: Some("posture.scanned".to_owned()), ..LedgerQuery::default() };
    let layout = Layout::new(root);
    let mut scans = RecordedScans::default();
    for line in search_ledger(root, &query, SearchWith::Index, limit)? {
        match report_of(&layout, &line) {
            Ok(report) => scans.reports.push(report),
            Err(why) => {
                scans.missing.push(MissingReport { entry: line.index, time: line.time, why });
            }
        }
    }
    Ok(scans)
}

/// Reads the newest recorded report of just what this one is about, if one is as it was recorded.
pub(crate) fn last_scan_of(root: &Path, report: &Report) -> Result<Option<Report>, AppError> {
    let query =
        LedgerQuery { action: Some("posture.scanned".to_owned()), ..LedgerQuery::default() };
    let layout = Layout::new(root);
    let words: Vec<&str> = report.targets.iter().map(String::as_str).collect();
    let words = words.join(" ");
    let of_these = |line: &LedgerLine| {
        let said = |name| line.details.get(name).and_then(|value| value.as_str());
        // What was recorded before there were scopes has none.
        let same = said("scope").is_none_or(|scope| report.scope.as_deref() == Some(scope));
        said("targets") == Some(words.as_str()) && same
    };
    let lines = search_ledger(root, &query, SearchWith::Index, SCANS_MAX)?;
    let mut found = lines.iter().rev().filter(|line| of_these(line));
    Ok(found.find_map(|line| report_of(&layout, line).ok()))
}

/// Some years of daily scans.
const SCANS_MAX: usize = 10_000;

fn report_of(layout: &Layout, line: &LedgerLine) -> Result<Report, &'static str> {
    let digest = line.details.get("report_sha256").and_then(|value| value.as_str());
    let is_digest = |text: &&str| text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
    let digest = digest.filter(is_digest).ok_or("its entry names no report")?;
    let text = read_bounded(&path_of(layout, digest), REPORT_BYTES_MAX)
        .map_err(|_| "its report is not in the keep")?;
    if to_hex(&sha256(&text)) != digest {
        return Err("its report was changed since");
    }
    serde_json::from_slice(&text).map_err(|_| "its report is of another version")
}

fn path_of(layout: &Layout, digest: &str) -> PathBuf {
    layout.scans().join(format!("{digest}.json"))
}

/// As much as a file of facts.
const REPORT_BYTES_MAX: u64 = twinkeep_posture::facts::FACT_FILE_BYTES_MAX;
