//! Collects facts about auditing by the kernel, and about `auditd`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use super::{Canary, Places, ask, known, read, settings};
use crate::facts::Known;
use crate::facts::host::{Audit, AuditLog};

pub(super) fn collect(places: &Places, canary: Canary, taken_us: i64) -> Audit {
    let asked = |arguments: &[&str]| match ask("auditctl", arguments) {
        Ok(text) => Known::Seen(text),
        Err(why) => Known::Unknown(why),
    };
    let status = match asked(&["-s"]) {
        Known::Seen(text) => Known::Seen(status_of(&text)),
        Known::Unknown(why) => Known::Unknown(why),
    };
    let rules = match asked(&["-l"]) {
        Known::Seen(text) => Known::Seen(rules_of(&text)),
        Known::Unknown(why) => Known::Unknown(why),
    };
    let conf = read(&places.etc.join("audit/auditd.conf"));
    Audit {
        from_boot: known(read(&places.proc.join("cmdline")).map(|line| from_boot(&line))),
        status,
        rules,
        settings: known(conf.map(|text| first_values(settings(&text, '=')))),
        log: known(log(&places.audit_log)),
        canary: match canary {
            Canary::Make => made_canary(&places.audit_log, taken_us),
            Canary::Leave => not_asked_for(),
        },
    }
}

/// What `auditctl -s` says.
pub(super) fn status_of(text: &str) -> BTreeMap<String, String> {
    first_values(settings(text, ' '))
}

/// The rules that `auditctl -l` lists; it also says that there are none.
pub(super) fn rules_of(text: &str) -> Vec<String> {
    text.lines().filter(|line| line.starts_with('-')).map(str::to_owned).collect()
}

fn first_values(settings: BTreeMap<String, Vec<String>>) -> BTreeMap<String, String> {
    let first = |(name, values): (String, Vec<String>)| Some((name, values.into_iter().next()?));
    settings.into_iter().filter_map(first).collect()
}

/// What the kernel was started with counts, not what a file says that it should be. The last word
/// holds.
fn from_boot(cmdline: &str) -> bool {
    let mut words = cmdline.split_whitespace().filter_map(|word| word.strip_prefix("audit="));
    words.next_back() == Some("1")
}

/// The log with all files that it was rotated into.
fn log(newest: &Path) -> io::Result<AuditLog> {
    let mut bytes = fs::metadata(newest)?.len();
    let mut oldest = newest.to_owned();
    for number in 1.. {
        let older = PathBuf::from(format!("{}.{number}", newest.display()));
        let Ok(metadata) = fs::metadata(&older) else { break };
        bytes += metadata.len();
        oldest = older;
    }
    let first = BufReader::new(fs::File::open(&oldest)?.take(1 << 20))
        .split(b'\n')
        .map_while(Result::ok)
        .find_map(|line| record_time(&line));
    let last =
        tail(newest, 1 << 16)?.split(|byte| *byte == b'\n').filter_map(record_time).next_back();
    let missing = || io::Error::new(io::ErrorKind::InvalidData, "the log has no record");
    let oldest_s = first.ok_or_else(missing)?;
    Ok(AuditLog { bytes, oldest_s, newest_s: last.unwrap_or(oldest_s) })
}

/// The last bytes of a file.
fn tail(path: &Path, count: u64) -> io::Result<Vec<u8>> {
    let mut file = fs::File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(count)))?;
    let mut bytes = Vec::new();
    file.take(count).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The seconds in `msg=audit(1700000000.123:45):`.
fn record_time(line: impl AsRef<[u8]>) -> Option<i64> {
    let line = String::from_utf8_lossy(line.as_ref());
    let (_, rest) = line.split_once("msg=audit(")?;
    rest.split('.').next()?.parse().ok()
}

/// Makes an event that says nothing but that it is one, and looks for it in the log: whether the
/// whole way from the kernel to the disk works, no setting can tell.
fn made_canary(log: &Path, taken_us: i64) -> Known<bool> {
    let mark = format!("twinkeep-canary-{taken_us}");
    if let Err(why) = ask("auditctl", &["-m", &mark]) {
        return Known::Unknown(why);
    }
    for _ in 0..TRIES {
        match tail(log, 1 << 20) {
            Ok(bytes) if String::from_utf8_lossy(&bytes).contains(&mark) => {
                return Known::Seen(true);
            }
            Ok(_) => thread::sleep(WAIT),
            Err(error) => return Known::Unknown(error.to_string()),
        }
    }
    Known::Seen(false)
}

/// Opens something that has to be protected, and looks for the record of that in the log: whether
/// the rules that are loaded are about it, no list of them can tell.
pub(super) fn opened(log: &Path, path: &Path, canary: Canary) -> Known<bool> {
    if canary == Canary::Leave {
        return not_asked_for();
    }
    let before = match fs::metadata(log) {
        Ok(metadata) => metadata.len(),
        Err(error) => return Known::Unknown(format!("the audit log cannot be read ({error})")),
    };
    if let Err(error) = fs::File::open(path) {
        return Known::Unknown(error.to_string());
    }
    let process = std::process::id();
    for _ in 0..TRIES {
        match since(log, before) {
            Ok(bytes) if recorded(&String::from_utf8_lossy(&bytes), process, path) => {
                return Known::Seen(true);
            }
            Ok(_) => thread::sleep(WAIT),
            Err(error) => return Known::Unknown(error.to_string()),
        }
    }
    Known::Seen(false)
}

fn not_asked_for() -> Known<bool> {
    Known::Unknown("no canary was asked for (`--canary`)".to_owned())
}

/// What came into a log since it was so long; all of it, if it was begun anew.
fn since(log: &Path, before: u64) -> io::Result<Vec<u8>> {
    let mut file = fs::File::open(log)?;
    let begin = if file.metadata()?.len() < before { 0 } else { before };
    file.seek(SeekFrom::Start(begin))?;
    let mut bytes = Vec::new();
    file.take(LOG_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Whether one event has both the process and the path.
fn recorded(text: &str, process: u32, path: &Path) -> bool {
    let path = path.as_os_str().as_encoded_bytes();
    let hex: String = path.iter().map(|byte| format!("{byte:02X}")).collect();
    let names = [format!("\"{}\"", String::from_utf8_lossy(path)), hex];
    let process = process.to_string();
    let (mut by, mut of) = (BTreeSet::new(), BTreeSet::new());
    for line in text.lines() {
        let Some((event, fields)) = event(line) else { continue };
        let has = |name: &str, values: &[String]| {
            let found = fields.split_whitespace().filter_map(|word| word.split_once('='));
            found.into_iter().any(|(it, value)| it == name && values.iter().any(|it| it == value))
        };
        if line.starts_with("type=SYSCALL ") && has("pid", std::slice::from_ref(&process)) {
            by.insert(event);
        } else if line.starts_with("type=PATH ") && has("name", &names) {
            of.insert(event);
        }
    }
    by.intersection(&of).next().is_some()
}

/// The name of an event, which its records share, and the fields of this one.
fn event(line: &str) -> Option<(&str, &str)> {
    line.split_once("msg=audit(")?.1.split_once("):")
}

/// A busy machine writes less in the time that is waited.
const LOG_BYTES_MAX: u64 = 64 << 20;

/// Five seconds: a busy machine may not have written it sooner.
const TRIES: usize = 100;
const WAIT: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{from_boot, log, recorded};

    #[test]
    fn a_record_counts_only_if_it_is_of_this_process_and_this_path() {
        let text = "type=SYSCALL msg=audit(1.2:7): arch=c000003e ppid=9 pid=10 uid=0\n\
            type=PATH msg=audit(1.2:7): item=0 name=\"/srv/keep\" inode=1\n\
            type=SYSCALL msg=audit(1.3:8): arch=c000003e ppid=10 pid=11 uid=0\n\
            type=PATH msg=audit(1.3:8): item=0 name=2F73727620612F62 inode=1\n\
            type=PATH msg=audit(\ntype=PATH\n";
        assert!(recorded(text, 10, Path::new("/srv/keep")));
        assert!(recorded(text, 11, Path::new("/srv a/b")), "a name with a space is in hexadecimal");
        assert!(!recorded(text, 11, Path::new("/srv/keep")));
        assert!(!recorded(text, 9, Path::new("/srv/keep")));
        assert!(!recorded(text, 10, Path::new("/srv/kee")));
    }

    #[test]
    fn the_last_word_of_the_command_line_holds() {
        assert!(from_boot("root=/dev/vda audit=1 quiet"));
        assert!(!from_boot("root=/dev/vda audit=1 audit=0"));
        assert!(!from_boot("root=/dev/vda xaudit=1"));
        assert!(!from_boot(""));
    }

    #[test]
    fn a_log_is_as_old_as_its_oldest_file() {
        let folder = tempfile::tempdir().unwrap();
        let newest = folder.path().join("audit.log");
        for (name, second) in [("audit.log", 300), ("audit.log.1", 200), ("audit.log.2", 100)] {
            let line = format!("type=SYSCALL msg=audit({second}.000:1): a\n");
            let path = folder.path().join(name);
            std::io::Write::write_all(&mut std::fs::File::create(path).unwrap(), line.as_bytes())
                .unwrap();
        }
        let found = log(&newest).unwrap();
        assert_eq!((found.oldest_s, found.newest_s), (100, 300));
        assert!(log(&folder.path().join("missing")).is_err());
    }
}
