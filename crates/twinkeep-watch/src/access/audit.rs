//! The logs that `auditd` writes: their events, found by key and time, and what they mean.
//!
//! An event is several records, one a line, that have a time, a number, and a host in common; the
//! lines of several events lie between each other.
//!
//! # Invariants
//!
//! - A line that is no record is counted and skipped; no line makes the reading fail.
//! - Memory is bounded, whatever the log says: lines by [`LINE_LEN_MAX`], events that wait for more
//!   of their records by [`OPEN_COUNT_MAX`].

mod event;
mod interpret;
mod record;
pub(super) mod syscalls;

use std::collections::BTreeMap;
use std::io::{self, BufRead, Read as _};

pub use event::AuditEvent;
pub use interpret::{Names, interpret};
pub use record::{EventId, Record};

/// What is looked for.
#[derive(Clone, Debug, Default)]
pub struct AuditQuery {
    /// Events with a key that contains this.
    pub key: Option<String>,
    /// Not before this time, in milliseconds since 1970.
    pub since_ms: Option<i64>,
    /// Not after this time.
    pub until_ms: Option<i64>,
}

/// What was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AuditCounts {
    /// Lines that are records.
    pub records: u64,
    /// Lines that are not.
    pub malformed: u64,
    /// Events that were found.
    pub found: u64,
}

/// Reads logs, oldest first, and gives each event that is looked for to `found`, in the order of
/// time as far as the logs are in it.
pub struct AuditReader<'a> {
    query: &'a AuditQuery,
    open: BTreeMap<EventId, Open>,
    /// The newest time seen so far.
    newest_ms: i64,
    counts: AuditCounts,
}

/// An event some of whose records were read.
#[derive(Default)]
struct Open {
    lines: Vec<String>,
    wanted: bool,
}

impl<'a> AuditReader<'a> {
    /// Begins without any log.
    pub fn new(query: &'a AuditQuery) -> Self {
        Self { query, open: BTreeMap::new(), newest_ms: i64::MIN, counts: AuditCounts::default() }
    }

    /// Reads one log.
    pub fn read(
        &mut self,
        log: &mut dyn BufRead,
        found: &mut dyn FnMut(&AuditEvent),
    ) -> io::Result<()> {
        let mut line = Vec::new();
        loop {
            line.clear();
            let len = (&mut *log).take(LINE_LEN_MAX).read_until(b'\n', &mut line)?;
            if len == 0 {
                return Ok(());
            }
            while line.last().is_some_and(u8::is_ascii_whitespace) {
                line.pop();
            }
            if !line.is_empty() {
                self.line(&String::from_utf8_lossy(&line), found);
            }
        }
    }

    /// Gives what is still open, and says how much was read.
    pub fn finish(mut self, found: &mut dyn FnMut(&AuditEvent)) -> AuditCounts {
        while let Some((id, open)) = self.open.pop_first() {
            self.close(id, open, found);
        }
        self.counts
    }

    fn line(&mut self, line: &str, found: &mut dyn FnMut(&AuditEvent)) {
        let Some(record) = Record::parse(line) else {
            self.counts.malformed += 1;
            return;
        };
        self.counts.records += 1;
        let time_ms = record.id.time_ms;
        if time_ms > self.newest_ms {
            self.newest_ms = time_ms;
            self.close_old(found);
        }
        let in_time = self.query.since_ms.is_none_or(|since| since <= time_ms)
            && self.query.until_ms.is_none_or(|until| time_ms <= until);
        if !in_time {
            return;
        }
        let wanted = match &self.query.key {
            Some(key) => record.has_key(key),
            None => true,
        };
        let ends = record.kind == "EOE";
        let id = record.id;
        let open = self.open.entry(id.clone()).or_default();
        open.wanted |= wanted;
        if ends {
            if let Some(open) = self.open.remove(&id) {
                self.close(id, open, found);
            }
        } else if open.lines.len() < LINE_COUNT_MAX {
            open.lines.push(line.to_owned());
        }
        if self.open.len() > OPEN_COUNT_MAX
            && let Some((id, open)) = self.open.pop_first()
        {
            self.close(id, open, found);
        }
    }

    /// Closes events of which no more records come.
    fn close_old(&mut self, found: &mut dyn FnMut(&AuditEvent)) {
        while let Some(first) = self.open.first_entry() {
            if first.key().time_ms > self.newest_ms.saturating_sub(STAYS_OPEN_MS) {
                return;
            }
            let (id, open) = first.remove_entry();
            self.close(id, open, found);
        }
    }

    fn close(&mut self, id: EventId, open: Open, found: &mut dyn FnMut(&AuditEvent)) {
        if open.wanted && !open.lines.is_empty() {
            self.counts.found += 1;
            found(&AuditEvent::new(id, open.lines));
        }
    }
}

/// Longest line: the kernel writes up to 9 KB, and names of `auditd` come to that.
pub const LINE_LEN_MAX: u64 = 1 << 16;

/// Most records of one event: a program with very many arguments has some hundred.
pub const LINE_COUNT_MAX: usize = 4096;

/// Most events that wait for more records: some seconds of the busiest log.
pub const OPEN_COUNT_MAX: usize = 1 << 16;

/// How long an event may lack records: `auditd` writes them within two seconds, as `ausearch` says.
const STAYS_OPEN_MS: i64 = 2_000;

#[cfg(test)]
mod tests;
