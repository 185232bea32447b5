//! What a server of PostgreSQL on this machine shows besides its catalog: what its files lie on,
//! and the lines of `pg_hba.conf`.
//!
//! # Invariants
//!
//! - A folder is the server's only if it has the identifier of the server's cluster: a port may
//!   lead elsewhere, and another cluster may lie where the server says that its own does.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use crate::collect::host::{Places, storage_of};
use crate::facts::Known;
use crate::facts::host::{Encryption, Storage};
use crate::facts::postgres::HbaRule;

/// Which machine a server is on.
#[derive(Clone, Debug)]
pub enum Machine {
    /// This one, as far as anybody can tell by the way that leads there.
    This(Places),
    /// Another one.
    Other,
}

impl Machine {
    /// What the data directory is stored on, with all that links lead to out of it: the worst of
    /// that counts.
    pub(super) fn storage(&self, folder: Option<&str>, cluster: Option<&str>) -> Known<Storage> {
        let unknown = |why: &str| Known::Unknown(why.to_owned());
        let Machine::This(places) = self else {
            return unknown("the server is not on this machine; scan the host that it is on");
        };
        let Some(folder) = folder else {
            return unknown("the role may not see where the data directory is");
        };
        if let Err(why) = is_of(Path::new(folder), cluster) {
            return Known::Unknown(why);
        }
        let parts = match parts(Path::new(folder)) {
            Ok(parts) => parts,
            Err(error) => {
                return Known::Unknown(format!("its tablespaces cannot be seen ({error})"));
            }
        };
        let stored = parts.iter().map(|part| storage_of(places, part));
        stored.min_by_key(badness).unwrap_or_default()
    }

    /// Whether the data directory of the server is on this machine.
    pub(super) fn has(&self, folder: Option<&str>, cluster: Option<&str>) -> bool {
        let this = matches!(self, Machine::This(_));
        this && folder.is_some_and(|folder| is_of(Path::new(folder), cluster).is_ok())
    }
}

/// The worst is the least.
fn badness(storage: &Known<Storage>) -> u8 {
    match storage.seen().map(|storage| &storage.encryption) {
        Ok(Encryption::Nothing { .. }) => 0,
        Err(_) => 1,
        Ok(Encryption::Memory) => 3,
        Ok(_) => 2,
    }
}

/// The first eight bytes of `global/pg_control` are the identifier of the cluster.
fn is_of(folder: &Path, cluster: Option<&str>) -> Result<(), String> {
    let cluster = cluster.and_then(|text| text.trim().parse::<u64>().ok());
    let Some(cluster) = cluster else {
        return Err("the role may not see the identifier of the cluster".to_owned());
    };
    let mut bytes = [0; 8];
    let read = fs::File::open(folder.join("global/pg_control"))
        .and_then(|mut file| file.read_exact(&mut bytes));
    match read {
        Ok(()) if u64::from_ne_bytes(bytes) == cluster => Ok(()),
        Ok(()) => Err("its data directory is not the one of this machine at that path".to_owned()),
        Err(error) => {
            Err(format!("its data directory cannot be seen here ({error}); run the scan as root"))
        }
    }
}

/// The data directory, and what links lead to out of it: the write-ahead log, and tablespaces.
fn parts(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut parts = vec![fs::canonicalize(folder)?, fs::canonicalize(folder.join("pg_wal"))?];
    for entry in fs::read_dir(folder.join("pg_tblspc"))? {
        parts.push(fs::canonicalize(entry?.path())?);
    }
    Ok(parts)
}

/// Adds the lines as they stand in the files, to rules that can be rewritten line by line.
pub(super) fn add_lines(rules: &mut [HbaRule]) {
    let mut read: Option<(String, Vec<String>)> = None;
    for rule in rules {
        if read.as_ref().is_none_or(|(file, _)| *file != rule.file) {
            let text = read_text(Path::new(&rule.file)).unwrap_or_default();
            read = Some((rule.file.clone(), text.lines().map(str::to_owned).collect()));
        }
        let lines = read.as_ref().map_or(&[][..], |(_, lines)| lines);
        let number = (rule.line as usize).saturating_sub(1);
        let continues = |at: usize| lines.get(at).is_some_and(|line| line.ends_with('\\'));
        let part = continues(number) || number.checked_sub(1).is_some_and(continues);
        let Some(text) = lines.get(number).filter(|_| !part && !rule.has_options) else { continue };
        let same = |line: &Line<'_>| line.kind == rule.kind && line.method == rule.method;
        if Line::parse(text).is_some_and(|line| same(&line)) {
            rule.text = Some(text.clone());
        }
    }
}

fn read_text(path: &Path) -> io::Result<String> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = fs::File::from(rustix::fs::open(path, flags, Mode::empty())?);
    let mut text = String::new();
    file.take(TEXT_BYTES_MAX).read_to_string(&mut text)?;
    Ok(text)
}

/// No such file is longer.
const TEXT_BYTES_MAX: u64 = 16 << 20;

/// A line of `pg_hba.conf` that has a kind, and ends with a method without options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    before: &'a str,
    /// `local`, `host`, `hostssl`, and so on.
    pub(crate) kind: &'a str,
    between: &'a str,
    /// How whoever connects proves who it is.
    pub(crate) method: &'a str,
    after: &'a str,
}

impl<'a> Line<'a> {
    /// Takes a line apart; nothing if it has quotes or commas where the kind and the method are,
    /// or fewer words than a rule.
    pub(crate) fn parse(text: &'a str) -> Option<Line<'a>> {
        const WORDS_MIN: usize = 4;
        // A comment ends the line; within quotes a `#` is none, and such lines are left to people.
        let end = text.find('#').unwrap_or(text.len());
        let (rule, comment) = text.split_at(end);
        if rule.contains('"') || rule.split_whitespace().count() < WORDS_MIN {
            return None;
        }
        let body = rule.trim();
        let before = &rule[..rule.len() - rule.trim_start().len()];
        let kind = &body[..body.find(char::is_whitespace)?];
        let method = &body[body.rfind(char::is_whitespace)? + 1..];
        let is_word = |word: &str| word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if !is_word(kind) || !is_word(method) {
            return None;
        }
        let between = &body[kind.len()..body.len() - method.len()];
        let after = &text[before.len() + body.len()..];
        debug_assert!(after.ends_with(comment));
        Some(Line { before, kind, between, method, after })
    }

    /// The line with another kind and method; all else stays as it is.
    pub(crate) fn with(&self, kind: &str, method: &str) -> String {
        format!("{}{kind}{}{method}{}", self.before, self.between, self.after)
    }
}

#[cfg(test)]
mod tests {
    use super::Line;

    #[test]
    fn a_line_changes_where_it_is_told_to_and_nowhere_else() {
        let with = |text| Line::parse(text).map(|line| line.with("hostssl", "scram-sha-256"));
        let text = "\thost  all\tall  10.0.0.0/8   md5  # the ward, md5";
        let expected = "\thostssl  all\tall  10.0.0.0/8   scram-sha-256  # the ward, md5";
        assert_eq!(with(text).unwrap(), expected);
        assert_eq!(with("local all all trust").unwrap(), "hostssl all all scram-sha-256");
        for left in [
            "",
            "# host all all all md5",
            "host all md5",
            "host all \"a # b\" all md5",
            "host \"all\" all all md5",
            "host all all all \"md5\"",
            "host all all all ldap ldapserver=a",
        ] {
            assert_eq!(with(left), None, "{left}");
        }
    }
}
