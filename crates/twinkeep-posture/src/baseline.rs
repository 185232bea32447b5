//! A baseline: what is known to be open, so that a scan fails on what is new.

use std::collections::BTreeSet;

use serde::Deserialize;
use uuid::Uuid;

/// The findings that somebody knows of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Baseline {
    known: BTreeSet<Uuid>,
}

/// Why a file is no baseline.
#[derive(Debug, thiserror::Error)]
#[error(
    "reading a baseline: line {line} is not what it should be; \
     a baseline is a report that `twinkeep scan --format json` wrote"
)]
pub struct BaselineError {
    line: usize,
}

impl BaselineError {
    /// Its permanent code.
    pub fn code(&self) -> &'static str {
        "baseline-malformed"
    }
}

/// As much of a report as counts here.
#[derive(Deserialize)]
struct Known {
    findings: Vec<KnownFinding>,
}

#[derive(Deserialize)]
struct KnownFinding {
    fingerprint: Uuid,
    outcome: String,
}

impl Baseline {
    /// Takes what failed in an earlier report.
    pub fn parse(report: &[u8]) -> Result<Baseline, BaselineError> {
        let report: Known =
            serde_json::from_slice(report).map_err(|error| BaselineError { line: error.line() })?;
        let failed = report.findings.into_iter().filter(|it| it.outcome == "fail");
        Ok(Baseline { known: failed.map(|it| it.fingerprint).collect() })
    }

    /// Whether it has a finding.
    pub fn knows(&self, fingerprint: &Uuid) -> bool {
        self.known.contains(fingerprint)
    }
}
