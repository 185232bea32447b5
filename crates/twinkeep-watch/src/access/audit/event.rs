//! An event of an audit log: who did what to which files.

use super::record::{EventId, Record, text};
use super::syscalls;

/// An event, with what is asked of it most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEvent {
    /// Which one.
    pub id: EventId,
    /// Its records, as they are in the log.
    pub lines: Vec<String>,
    /// The system call by its name, or what was changed in the rules; empty if neither is known.
    pub action: String,
    /// Whether it succeeded; none if the log does not say.
    pub success: Option<bool>,
    /// The user who logged in; none if nobody did.
    pub login: Option<u32>,
    /// The user.
    pub user: Option<u32>,
    /// The process.
    pub pid: Option<u32>,
    /// The process that started it.
    pub parent: Option<u32>,
    /// What the process calls itself.
    pub process: String,
    /// The file of its program.
    pub executable: String,
    /// The keys of the rules that saw it.
    pub keys: Vec<String>,
    /// The files, with the folder they are named from.
    pub files: Vec<String>,
}

impl AuditEvent {
    pub(super) fn new(id: EventId, lines: Vec<String>) -> Self {
        let records: Vec<Record<'_>> = lines.iter().filter_map(|it| Record::parse(it)).collect();
        let who = records.iter().find(|it| matches!(it.kind, "SYSCALL" | "URINGOP"));
        let config = records.iter().find(|it| it.kind == "CONFIG_CHANGE");
        let about = config.or(who).or(records.first());
        let number = |record: Option<&Record<'_>>, name: &str| record?.field(name)?.parse().ok();
        let word = |name: &str| who.and_then(|it| it.field(name)).map(text).unwrap_or_default();
        let action = match (config, who) {
            (Some(config), _) => config.field("op").map(text),
            (None, Some(who)) => syscalls::of(who),
            (None, None) => None,
        };
        let success = about.and_then(|it| match it.field("success").or(it.field("res"))? {
            "yes" | "1" | "success" => Some(true),
            "no" | "0" | "failed" => Some(false),
            _ => None,
        });
        let any = who.or(about);
        let login: Option<u32> = number(any, "auid");
        let mut keys: Vec<String> = records.iter().flat_map(Record::keys).collect();
        keys.dedup();
        Self {
            action: action.unwrap_or_default(),
            success,
            login: login.filter(|uid| *uid != NOBODY),
            user: number(any, "uid"),
            pid: number(any, "pid"),
            parent: number(any, "ppid"),
            process: word("comm"),
            executable: word("exe"),
            keys,
            files: files(&records),
            id,
            lines,
        }
    }
}

/// The files themselves, not the folders that they are in.
fn files(records: &[Record<'_>]) -> Vec<String> {
    let folder = records.iter().find(|it| it.kind == "CWD").and_then(|it| it.field("cwd"));
    let folder = folder.map(text).unwrap_or_default();
    let paths = records.iter().filter(|it| it.kind == "PATH");
    let own = paths.filter(|it| it.field("nametype") != Some("PARENT"));
    let named = own.filter_map(|it| it.field("name")).filter(|name| *name != "(null)").map(text);
    let whole = |name: String| match name.as_str() {
        _ if name.starts_with('/') || folder.is_empty() => name,
        _ => format!("{}/{name}", folder.trim_end_matches('/')),
    };
    named.map(whole).collect()
}

/// The login user of whoever has not logged in: 2³² - 1.
const NOBODY: u32 = u32::MAX;
