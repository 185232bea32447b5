//! A record for people: names of users and calls instead of numbers, and texts instead of
//! hexadecimal, in the form that `ausearch --interpret` has.

use std::collections::BTreeMap;

use super::record::{Record, text};
use super::syscalls;

/// The names of users and groups of this system, for logs that have numbers only.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// Names by user number.
    pub users: BTreeMap<u32, String>,
    /// Names by group number.
    pub groups: BTreeMap<u32, String>,
}

impl Names {
    /// Reads what `/etc/passwd` and `/etc/group` hold.
    pub fn parse(passwd: &str, group: &str) -> Self {
        let table = |text: &str| {
            let lines = text.lines().filter_map(|line| {
                let mut fields = line.split(':');
                let name = fields.next()?.to_owned();
                Some((fields.nth(1)?.parse().ok()?, name))
            });
            lines.collect()
        };
        Self { users: table(passwd), groups: table(group) }
    }
}

/// Returns the line for people; `when` is the time as they write it. A line that is no record is
/// returned as it is.
pub fn interpret(line: &str, when: &str, names: &Names) -> String {
    let Some(record) = Record::parse(line) else { return line.to_owned() };
    let node = match record.id.node.as_str() {
        "" => String::new(),
        node => format!("node={node} "),
    };
    let mut text = format!("{node}type={} msg=audit({when}:{}) :", record.kind, record.id.serial);
    for (name, value) in record.fields() {
        text.push(' ');
        text.push_str(name);
        text.push('=');
        text.push_str(&field(&record, name, value, names));
    }
    // A name may hold anything, and this goes to a terminal.
    text.chars().map(|it| if it.is_control() { '?' } else { it }).collect()
}

fn field(record: &Record<'_>, name: &str, value: &str, names: &Names) -> String {
    match name {
        "auid" | "uid" | "euid" | "suid" | "fsuid" | "ouid" | "old-auid" => {
            person(record.enriched(name), value, &names.users)
        }
        "gid" | "egid" | "sgid" | "fsgid" | "ogid" => {
            person(record.enriched(name), value, &names.groups)
        }
        "ses" | "old-ses" if value == UNSET => "unset".to_owned(),
        "arch" => syscalls::architecture(value).unwrap_or(value).to_owned(),
        "syscall" | "uring_op" => syscalls::of(record).unwrap_or_else(|| value.to_owned()),
        "res" => match value {
            "1" => "yes".to_owned(),
            "0" => "no".to_owned(),
            _ => text(value),
        },
        "mode" => mode(value).unwrap_or_else(|| value.to_owned()),
        "a0" | "a1" | "a2" | "a3" if record.kind == "SYSCALL" => format!("0x{value}"),
        // Arguments have a zero between them, and keys a one.
        "proctitle" => text(value).replace('\0', " "),
        "key" => text(value).replace('\u{1}', " "),
        "name" | "comm" | "exe" | "cwd" | "dir" | "path" | "op" | "acct" | "cmd" => text(value),
        _ if value.starts_with(['"', '\'']) => text(value),
        _ => value.to_owned(),
    }
}

fn person(enriched: Option<&str>, number: &str, names: &BTreeMap<u32, String>) -> String {
    if number == UNSET {
        return "unset".to_owned();
    }
    let known = || number.parse().ok().and_then(|number: u32| names.get(&number));
    match enriched.filter(|name| !name.starts_with("unknown")) {
        Some(name) => name.to_owned(),
        None => known().cloned().unwrap_or_else(|| number.to_owned()),
    }
}

/// `0100644` is `file,644`.
fn mode(octal: &str) -> Option<String> {
    let bits = u32::from_str_radix(octal, 8).ok()?;
    let kind = match bits & 0o170_000 {
        0o100_000 => "file",
        0o040_000 => "dir",
        0o120_000 => "link",
        0o060_000 => "block",
        0o020_000 => "character",
        0o010_000 => "fifo",
        0o140_000 => "socket",
        _ => return None,
    };
    Some(format!("{kind},{:03o}", bits & 0o7777))
}

/// Numbers that say nobody: 2³² - 1.
const UNSET: &str = "4294967295";
