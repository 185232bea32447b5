//! Use case: for how long what was recorded will last, against the six years that HIPAA asks for.
//!
//! 45 CFR 164.316(b)(2)(i): documentation is kept for six years from when it was made. The ledger
//! loses nothing, so the question is when the disk is full at today's rate; the logs of `auditd`
//! are rotated away, so the question is when.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::Path;

use serde::Serialize;
use twinkeep_domain::Timestamp;
use twinkeep_ledger::JOURNAL_FILES;
use twinkeep_watch::access::audit::Record;

use crate::search_audit::logs;
use crate::time_text::parse_rfc3339;
use crate::{AppError, LedgerQuery, SearchWith, search_ledger};

/// Where to look besides the keep.
#[derive(Clone, Copy, Debug)]
pub struct RetentionRequest<'a> {
    /// The newest log of `auditd`, if it runs here.
    pub log: &'a Path,
    /// Its configuration.
    pub conf: &'a Path,
}

/// For how long what was recorded lasts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RetentionReport {
    /// How many days it should last.
    pub needed_days: u64,
    /// The ledger.
    pub ledger: Lasting,
    /// The logs of `auditd`; none if there are none.
    pub audit_logs: Option<Lasting>,
}

/// For how long one kind of record lasts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Lasting {
    /// How much there is now, in bytes.
    pub bytes: u64,
    /// How much a day adds at today's rate.
    pub bytes_per_day: u64,
    /// How much there is room for, with what there is.
    pub bytes_max: u64,
    /// For how many days there is room: of the ledger, from now on; none if nothing is added.
    pub days: Option<u64>,
    /// Whether that is long enough.
    pub enough: bool,
}

impl RetentionReport {
    /// Returns whether everything lasts long enough.
    pub fn enough(&self) -> bool {
        self.ledger.enough && self.audit_logs.as_ref().is_none_or(|logs| logs.enough)
    }
}

/// Computes for how long the ledger and the audit logs last.
pub fn watch_retention(
    root: &Path,
    request: RetentionRequest<'_>,
    now: Timestamp,
) -> Result<RetentionReport, AppError> {
    let audit_logs = request.log.is_file().then(|| audit_logs(request, now)).transpose()?;
    Ok(RetentionReport { needed_days: NEEDED_DAYS, ledger: ledger(root, now)?, audit_logs })
}

fn ledger(root: &Path, now: Timestamp) -> Result<Lasting, AppError> {
    let (keep, view) = search_ledger::open(root)?;
    let dir = keep.layout.ledger();
    let bytes = size_of(&dir);
    let entries = view.checkpoint().checkpoint.size;
    let query = LedgerQuery { from: Some(now.plus_hours(-24.0)), ..LedgerQuery::default() };
    let newest = search_ledger(root, &query, SearchWith::EveryEntry, SAMPLE_COUNT_MAX)?;
    let mut hours = 24.0;
    if newest.len() == SAMPLE_COUNT_MAX
        && let Some(first) = newest.first().and_then(|line| parse_rfc3339(&line.time))
    {
        hours = now.hours_since(first).max(1.0 / 3600.0);
    }
    // Journals are as large on the first day as ever: entries add the rest.
    let journals = JOURNAL_FILES.iter().filter_map(|name| fs::metadata(dir.join(name)).ok());
    let fixed: u64 = journals.map(|it| it.len()).sum();
    let per_entry = bytes.saturating_sub(fixed) as f64 / entries.max(1) as f64;
    let per_day = newest.len() as f64 * per_entry * 24.0 / hours;
    Ok(growing(bytes, per_day, free_bytes(&dir)?))
}

/// For how long a record lasts of which nothing is ever removed: the days to come have what is free.
fn growing(bytes: u64, per_day: f64, free: u64) -> Lasting {
    Lasting { bytes_max: bytes.saturating_add(free), ..lasting(bytes, per_day, free) }
}

fn audit_logs(request: RetentionRequest<'_>, now: Timestamp) -> Result<Lasting, AppError> {
    let logs = logs(request.log)?;
    let bytes = logs.iter().filter_map(|log| fs::metadata(log).ok()).map(|it| it.len()).sum();
    let first = logs.iter().find_map(|log| first_time(log));
    let hours = first.map_or(0.0, |first| now.hours_since(first)).max(1.0);
    let per_day = bytes as f64 * 24.0 / hours;
    let conf = fs::read_to_string(request.conf).unwrap_or_default();
    let room = match rotation(&conf) {
        Some(room) => room,
        None => free_bytes(request.log)?.saturating_add(bytes),
    };
    Ok(lasting(bytes, per_day, room))
}

fn first_time(log: &Path) -> Option<Timestamp> {
    let lines = BufReader::new(File::open(log).ok()?).lines().map_while(Result::ok);
    let first = lines.take(100).find_map(|line| Some(Record::parse(&line)?.id.time_ms))?;
    Some(Timestamp::from_micros(first.saturating_mul(1000)))
}

/// How much `auditd` keeps before it rotates the oldest away; none if it keeps everything.
fn rotation(conf: &str) -> Option<u64> {
    let value = |name: &str| {
        let lines = conf.lines().filter_map(|line| line.split_once('='));
        let mut found = lines.filter(|(key, _)| key.trim().eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value.trim().to_owned())
    };
    let action = value("max_log_file_action").unwrap_or_else(|| "ROTATE".to_owned());
    if !action.eq_ignore_ascii_case("rotate") {
        return None;
    }
    let number =
        |name: &str, default| value(name).and_then(|it| it.parse().ok()).unwrap_or(default);
    let (count, mebibytes): (u64, u64) = (number("num_logs", 5), number("max_log_file", 8));
    Some(count.saturating_mul(mebibytes).saturating_mul(1 << 20))
}

fn lasting(bytes: u64, per_day: f64, bytes_max: u64) -> Lasting {
    let bytes_per_day = per_day.ceil() as u64;
    let days = bytes_max.checked_div(bytes_per_day);
    Lasting {
        bytes,
        bytes_per_day,
        bytes_max,
        days,
        enough: days.is_none_or(|days| NEEDED_DAYS <= days),
    }
}

fn size_of(dir: &Path) -> u64 {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => size_of(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    });
    sizes.sum()
}

fn free_bytes(path: &Path) -> Result<u64, AppError> {
    let found = rustix::fs::statvfs(path).map_err(|error| {
        AppError::environment("disk-space", "cannot ask how much room the disk has").because(error)
    })?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

/// Six years, with the days that leap years add.
const NEEDED_DAYS: u64 = 2192;

/// How many entries the rate is taken from: a busy day has more, and its last hours are enough.
const SAMPLE_COUNT_MAX: usize = 20_000;

#[cfg(test)]
mod tests {
    use super::{NEEDED_DAYS, growing, lasting, rotation};

    #[test]
    fn what_auditd_keeps_by_default_is_not_six_years() {
        assert_eq!(rotation(""), Some(40 << 20));
        assert_eq!(rotation("num_logs = 10\nmax_log_file=100\n"), Some(1000 << 20));
        assert_eq!(rotation("max_log_file_action = KEEP_LOGS"), None);
        // 850 bytes each time a model is opened, a thousand times a day.
        let kept = lasting(0, 850_000.0, 40 << 20);
        assert_eq!((kept.days, kept.enough), (Some(49), false));
    }

    /// What fills a disk is no room for what comes.
    #[test]
    fn a_full_disk_has_room_for_no_day_however_much_lies_on_it() {
        let full = growing(10 << 30, 1000.0, 0);
        assert_eq!((full.days, full.enough, full.bytes_max), (Some(0), false, 10 << 30));
        assert!(growing(10 << 30, 1000.0, 1000 * NEEDED_DAYS).enough);
    }

    #[test]
    fn what_grows_by_nothing_lasts_and_the_last_day_counts() {
        assert!(lasting(0, 0.0, 0).enough);
        assert!(lasting(0, 1.0, NEEDED_DAYS).enough);
        assert!(!lasting(0, 1.0, NEEDED_DAYS - 1).enough);
        assert!(!lasting(0, f64::INFINITY, 1).enough);
    }
}
