//! Use case: find who touched what in the logs that `auditd` writes on this host.
//!
//! It needs no keep: the logs are the system's, and speak of its users and files.

use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp as JiffTimestamp, ToSpan as _};
use serde::Serialize;
use serde_json::{Value, json};
use twinkeep_domain::Timestamp;
use twinkeep_vault::files::read_bounded;
use twinkeep_watch::access::audit::{
    AuditEvent, AuditQuery, AuditReader, LINE_LEN_MAX, Names, interpret,
};

use crate::AppError;
use crate::time_text::parse_rfc3339;

/// What to look for, and where.
#[derive(Clone, Debug)]
pub struct AuditSearch<'a> {
    /// The newest log; those that were rotated lie beside it.
    pub log: &'a Path,
    /// Events with a key that contains this.
    pub key: Option<&'a str>,
    /// `today`, `yesterday`, `recent`, `this-week`, `this-month`, a date, or a time (RFC 3339).
    pub since: Option<&'a str>,
    /// The same, for the last moment.
    pub until: Option<&'a str>,
    /// Whether numbers of users become names.
    pub names: bool,
    /// What the environment says of the time zone that people have (`TZ`); by default, that of the
    /// system.
    pub zone: Option<&'a str>,
}

/// An event of the logs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FoundAccess {
    /// When (RFC 3339, with milliseconds).
    pub time: String,
    /// The kernel's number of it.
    pub serial: u64,
    /// The host, where logs of several are in one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub host: String,
    /// The system call.
    pub action: String,
    /// Whether it succeeded.
    pub success: Option<bool>,
    /// Who logged in, by number or name; none if nobody did.
    pub login: Option<String>,
    /// The user, by number or name.
    pub user: Option<String>,
    /// The process.
    pub pid: Option<u32>,
    /// The process that started it.
    pub parent: Option<u32>,
    /// What the process calls itself.
    pub process: String,
    /// The file of its program.
    pub executable: String,
    /// The files.
    pub files: Vec<String>,
    /// The keys of the rules that saw it.
    pub keys: Vec<String>,
    #[serde(skip)]
    time_ms: i64,
    /// The records: as they are in the log, or for people.
    #[serde(skip)]
    pub records: Vec<String>,
}

/// What was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AuditSearchReport {
    /// Events found.
    pub found: u64,
    /// Records read.
    pub records: u64,
    /// Lines that are no records.
    pub malformed: u64,
}

/// Reads the logs, oldest first, and gives what is found to `tell`.
pub fn search_audit(
    search: &AuditSearch<'_>,
    now: Timestamp,
    tell: &mut dyn FnMut(FoundAccess) -> Result<(), AppError>,
) -> Result<AuditSearchReport, AppError> {
    let time = |text: Option<&str>| text.map(|text| moment(text, now)).transpose();
    let query = AuditQuery {
        key: search.key.map(str::to_owned),
        since_ms: time(search.since)?,
        until_ms: time(search.until)?,
    };
    let people = search.names.then(|| ForPeople { names: system_names(), zone: zone(search.zone) });
    let mut told = Ok(());
    let mut found = |event: &AuditEvent| {
        if told.is_ok() {
            told = tell(found_access(event, people.as_ref()));
        }
    };
    let mut reader = AuditReader::new(&query);
    for log in logs(search.log)? {
        let failed = |error| {
            let attempt = format!("cannot read `{}`", log.display());
            AppError::environment("audit-log-read", attempt).because(error)
        };
        let file = File::open(&log).map_err(failed)?;
        let mut lines = BufReader::with_capacity(LINE_LEN_MAX as usize, file);
        reader.read(&mut lines, &mut found).map_err(failed)?;
    }
    let counts = reader.finish(&mut found);
    told?;
    let (found, records, malformed) = (counts.found, counts.records, counts.malformed);
    Ok(AuditSearchReport { found, records, malformed })
}

impl FoundAccess {
    /// Returns it as an OCSF File System Activity (class 1001).
    pub fn ocsf(&self) -> Value {
        let activity = activity(&self.action);
        let file = self.files.first().map_or("", String::as_str);
        let name = file.rsplit('/').next().unwrap_or_default();
        json!({
            "activity_id": activity,
            "actor": {
                "process": {
                    "file": {"name": self.process, "path": self.executable, "type_id": 1},
                    "name": self.process,
                    "parent_process": {"pid": self.parent},
                    "pid": self.pid,
                },
                "user": {"uid": self.login.as_ref().or(self.user.as_ref())},
            },
            "category_uid": 1,
            "class_uid": FILE_SYSTEM_ACTIVITY,
            "device": {"hostname": self.host, "type_id": 0},
            "file": {"name": name, "path": file, "type_id": 1},
            "metadata": {
                "event_code": self.action,
                "labels": self.keys,
                "product": {"name": "auditd", "vendor_name": "Linux"},
                "uid": self.serial.to_string(),
                "version": OCSF_VERSION,
            },
            "severity_id": 1,
            "status_id": self.success.map_or(0, |success| if success { 1 } else { 2 }),
            "time": self.time_ms,
            "type_uid": FILE_SYSTEM_ACTIVITY * 100 + activity,
        })
    }
}

/// OCSF's number of an activity of class 1001.
fn activity(call: &str) -> i64 {
    match call.trim_end_matches(|it: char| it.is_ascii_digit()) {
        "creat" | "link" | "linkat" | "symlink" | "symlinkat" | "mkdir" | "mkdirat" => 1,
        "read" | "readv" | "pread" => 2,
        "write" | "writev" | "pwrite" | "truncate" | "ftruncate" => 3,
        "unlink" | "unlinkat" | "rmdir" => 4,
        "rename" | "renameat" => 5,
        "chmod" | "fchmod" | "fchmodat" | "utime" | "utimes" | "utimensat" => 6,
        "chown" | "fchown" | "lchown" | "fchownat" | "setxattr" | "lsetxattr" | "fsetxattr" => 7,
        "open" | "openat" | "open_by_handle_at" | "execve" => 14,
        _ => 99,
    }
}

/// What makes records readable for people.
struct ForPeople {
    names: Names,
    zone: TimeZone,
}

fn found_access(event: &AuditEvent, people: Option<&ForPeople>) -> FoundAccess {
    let time = instant(event.id.time_ms);
    let user = |number: Option<u32>| {
        let named = |number: u32| people.and_then(|it| it.names.users.get(&number)).cloned();
        number.map(|number| named(number).unwrap_or_else(|| number.to_string()))
    };
    let records = match people {
        Some(ForPeople { names, zone }) => {
            let local = local(event.id.time_ms, zone);
            event.lines.iter().map(|line| interpret(line, &local, names)).collect()
        }
        None => event.lines.clone(),
    };
    FoundAccess {
        time,
        serial: event.id.serial,
        host: event.id.node.clone(),
        action: event.action.clone(),
        success: event.success,
        login: user(event.login),
        user: user(event.user),
        pid: event.pid,
        parent: event.parent,
        process: event.process.clone(),
        executable: event.executable.clone(),
        files: event.files.clone(),
        keys: event.keys.clone(),
        time_ms: event.id.time_ms,
        records,
    }
}

fn instant(time_ms: i64) -> String {
    let time = JiffTimestamp::from_millisecond(time_ms);
    time.map(|time| format!("{time:.3}")).unwrap_or_default()
}

/// Writes a time as the clock on the wall has it, with its distance from UTC.
fn local(time_ms: i64, zone: &TimeZone) -> String {
    let time = JiffTimestamp::from_millisecond(time_ms);
    let written = time.map(|time| {
        let offset = zone.to_offset(time);
        format!("{:.3}", time.display_with_offset(offset))
    });
    let seconds = || format!("{}.{:03}", time_ms.div_euclid(1000), time_ms.rem_euclid(1000));
    written.unwrap_or_else(|_| seconds())
}

/// Returns the zone that the environment names, as the C library reads it: a name of the database, a
/// rule of POSIX, or a file; else that of the system; else UTC.
fn zone(named: Option<&str>) -> TimeZone {
    let file = |path: &Path| {
        let bytes = read_bounded(path, ZONE_LEN_MAX).ok()?;
        TimeZone::tzif("local", &bytes).ok()
    };
    match named.map(|text| text.strip_prefix(':').unwrap_or(text)) {
        Some("") => TimeZone::UTC,
        Some(text) if text.starts_with('/') => file(Path::new(text)).unwrap_or(TimeZone::UTC),
        // The C library takes UTC for what it does not understand, too.
        Some(text) => {
            TimeZone::get(text).or_else(|_| TimeZone::posix(text)).unwrap_or(TimeZone::UTC)
        }
        None => file(Path::new("/etc/localtime")).unwrap_or(TimeZone::UTC),
    }
}

fn system_names() -> Names {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    Names::parse(&read("/etc/passwd"), &read("/etc/group"))
}

/// The log and those that were rotated: `audit.log.1` is newer than `audit.log.2`.
pub(crate) fn logs(newest: &Path) -> Result<Vec<PathBuf>, AppError> {
    if !newest.is_file() {
        let attempt = format!("there is no audit log at `{}`", newest.display());
        let hint = "does auditd run here? `--log FILE` names another log";
        return Err(AppError::usage("audit-log-missing", attempt).hint(hint));
    }
    let rotated = |number: u32| {
        let mut name = newest.as_os_str().to_owned();
        name.push(format!(".{number}"));
        PathBuf::from(name)
    };
    let older = (1..=LOG_COUNT_MAX).map(rotated).take_while(|log| log.is_file());
    let mut logs: Vec<PathBuf> = std::iter::once(newest.to_path_buf()).chain(older).collect();
    logs.reverse();
    Ok(logs)
}

/// Reads a time as people say it, in UTC; returns milliseconds since 1970.
fn moment(text: &str, now: Timestamp) -> Result<i64, AppError> {
    let wrong = || {
        let hint = "say `today`, `yesterday`, `recent`, `this-week`, `this-month`, a date, or a \
                    time such as 2026-11-22T08:00:00Z";
        AppError::usage("audit-time", "the time is not understood").hint(hint)
    };
    let in_utc = || parse_rfc3339(&format!("{text}Z"));
    if let Some(time) = parse_rfc3339(text).or_else(in_utc) {
        return Ok(time.micros().div_euclid(1000));
    }
    let now = JiffTimestamp::from_microsecond(now.micros()).map_err(|_| wrong())?;
    let now = now.to_zoned(TimeZone::UTC);
    let today = now.date();
    let date: Date = match text {
        "now" => return Ok(now.timestamp().as_millisecond()),
        "recent" => return Ok(now.timestamp().as_millisecond() - RECENT_MS),
        "today" => today,
        "yesterday" => today.saturating_sub(1.day()),
        "this-week" => {
            today.saturating_sub(i64::from(today.weekday().to_sunday_zero_offset()).days())
        }
        "this-month" => today.first_of_month(),
        // What has more than a date is read as a date alone by `parse`, and no time is dropped.
        date if date.contains(['T', 't', ' ']) => return Err(wrong()),
        date => date.parse().map_err(|_| wrong())?,
    };
    let midnight = date.to_zoned(TimeZone::UTC).map_err(|_| wrong())?;
    Ok(midnight.timestamp().as_millisecond())
}

/// The largest file of the database has some kilobytes.
const ZONE_LEN_MAX: u64 = 1 << 20;

/// What `ausearch` calls recent: ten minutes.
const RECENT_MS: i64 = 600_000;

/// The most logs that `auditd` keeps.
const LOG_COUNT_MAX: u32 = 999;

const FILE_SYSTEM_ACTIVITY: i64 = 1001;

/// The version of OCSF that the field names are from.
const OCSF_VERSION: &str = "1.5.0";

#[cfg(test)]
mod tests {
    use twinkeep_domain::Timestamp;

    use super::{instant, local, moment, zone};

    #[test]
    fn times_are_understood_as_people_say_them() {
        // A Sunday.
        let now = Timestamp::from_micros(1_795_389_194_150_000);
        let say = |text: &str| moment(text, now).map(instant);
        assert_eq!(say("today").unwrap(), "2026-11-22T00:00:00.000Z");
        assert_eq!(say("yesterday").unwrap(), "2026-11-21T00:00:00.000Z");
        assert_eq!(say("this-week").unwrap(), "2026-11-22T00:00:00.000Z");
        assert_eq!(say("this-month").unwrap(), "2026-11-01T00:00:00.000Z");
        assert_eq!(say("2026-02-03").unwrap(), "2026-02-03T00:00:00.000Z");
        assert_eq!(say("2026-02-03T01:02:03+01:00").unwrap(), "2026-02-03T00:02:03.000Z");
        assert_eq!(say("recent").unwrap(), "2026-11-22T23:03:14.150Z");
        assert_eq!(say("2026-02-03T01:02:03").unwrap(), "2026-02-03T01:02:03.000Z", "in UTC");
        for unclear in ["tomorrow", "2026-02-03T", "2026-02-03T01:02:03 at noon"] {
            assert_eq!(say(unclear).unwrap_err().code(), "audit-time", "{unclear}");
        }
    }

    #[test]
    fn local_times_are_those_of_the_zone_that_the_environment_names() {
        let noon = 1_750_000_000_123;
        let at = |named| local(noon, &zone(Some(named)));
        assert_eq!(at("UTC"), "2025-06-15T15:06:40.123+00:00");
        assert_eq!(local(i64::MAX, &zone(Some("UTC"))), "9223372036854775.807", "no such year");
        assert_eq!(at("Europe/Zurich"), "2025-06-15T17:06:40.123+02:00");
        assert_eq!(at(":America/New_York"), "2025-06-15T11:06:40.123-04:00");
        assert_eq!(at("EST5EDT,M3.2.0,M11.1.0"), "2025-06-15T11:06:40.123-04:00");
        for unknown in ["", "nonsense of no zone", "/nowhere/at/all", "/dev/null"] {
            assert_eq!(at(unknown), "2025-06-15T15:06:40.123+00:00", "{unknown}");
        }
        let winter = local(1_767_000_000_000, &zone(Some("Europe/Zurich")));
        assert!(winter.ends_with("+01:00"), "{winter}");
    }
}
