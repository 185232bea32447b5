//! What a mapping says of one table: how to know it, and which events its rows hold.

use std::sync::Arc;

use super::lookup::{Lookup, LookupFull};
use super::pattern::Pattern;
use super::template::Template;
use super::time::TimeSpec;
use super::value::{Condition, ValueSpec};
use crate::csv::{Dialect, Flaw, Record};

/// A table whose rows hold events.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub name: String,
    /// What its file may be called.
    pub files: Vec<Pattern>,
    /// Columns that it has and other tables have not.
    pub columns: Vec<String>,
    /// Columns that others have and it has not.
    pub without: Vec<String>,
    /// Columns that it may lack.
    pub optional: Vec<String>,
    pub dialect: Dialect,
    /// What else than nothing means "not recorded".
    pub missing: Vec<String>,
    pub subject: Vec<Template<String>>,
    pub joins: Vec<Join<String>>,
    pub only: Vec<Condition<String>>,
    pub events: Vec<EventSpec<String>>,
}

/// A row of a lookup that a row refers to; its values are columns `name.column`.
#[derive(Clone, Debug)]
pub(crate) struct Join<C> {
    pub name: String,
    /// Index of the lookup in the mapping.
    pub lookup: usize,
    pub key: Vec<Template<C>>,
}

/// A table that others refer to.
#[derive(Clone, Debug)]
pub(crate) struct LookupSpec {
    pub name: String,
    pub files: Vec<Pattern>,
    pub key: String,
    pub columns: Vec<String>,
    pub dialect: Dialect,
    pub only: Vec<Condition<String>>,
}

/// An event that a row holds.
#[derive(Clone, Debug)]
pub(crate) struct EventSpec<C> {
    pub only: Vec<Condition<C>>,
    /// Alternatives; none at all for what holds at all times.
    pub time: Vec<TimeSpec<C>>,
    pub code: Vec<Template<C>>,
    pub value: ValueSpec<C>,
    pub unit: Vec<Template<C>>,
    pub text: Vec<Template<C>>,
    /// Whether the text is kept although there is a number.
    pub text_with_value: bool,
    /// Whether the event is not there, rather than wrong, if its time or code is empty.
    pub optional: bool,
    /// Whether it is a cell of a wide table: not there if it is empty.
    pub is_cell: bool,
    /// Rows that follow each other and agree in this are one event; their values are added.
    pub sum_over: Vec<Template<C>>,
}

/// Where a column of the mapping is in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    /// The table may lack it, and does.
    Absent,
    /// A field of the row.
    Field(usize),
    /// A value of the row of a lookup.
    Joined { join: usize, column: usize },
}

/// A table whose columns were found in a file.
#[derive(Clone, Debug)]
pub(crate) struct Bound {
    pub dialect: Dialect,
    pub missing: Vec<String>,
    pub subject: Vec<Template<Slot>>,
    pub joins: Vec<Join<Slot>>,
    pub only: Vec<Condition<Slot>>,
    pub events: Vec<EventSpec<Slot>>,
    /// How many fields a row has.
    pub width: usize,
    /// Which columns of the file are used.
    pub used: Vec<bool>,
}

/// The names of the columns of a file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Header(pub Vec<Arc<str>>);

impl Header {
    /// Takes the first record of a file; `None` if it is not text.
    pub(crate) fn of(record: &Record) -> Option<Self> {
        if record.flaw.is_some_and(|flaw| flaw != Flaw::Unfinished) || !record.is_text() {
            return None;
        }
        let name =
            |index| std::str::from_utf8(record.field(index)).unwrap_or_default().trim().into();
        Some(Self((0..record.len()).map(name).collect()))
    }

    /// Finds the one column with this name; `None` if there is none, or more than one.
    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        let mut found = (0..self.0.len()).filter(|&index| self.0[index].eq_ignore_ascii_case(name));
        found.next().filter(|_| found.next().is_none())
    }
}

impl Table {
    /// Returns whether a file that is called like this is meant.
    pub(crate) fn is_called(&self, name: &str) -> bool {
        self.files.iter().any(|pattern| pattern.matches(name))
    }

    /// Returns whether a file with this header can be read as this table.
    pub(crate) fn fits(&self, header: &Header, lookups: &[LookupSpec]) -> bool {
        self.columns.iter().all(|column| header.find(column).is_some())
            && !self.without.iter().any(|column| header.find(column).is_some())
            && self.bind(header, lookups).is_some()
    }

    /// Finds every column in a file; `None` if one is missing that must be there.
    pub(crate) fn bind(&self, header: &Header, lookups: &[LookupSpec]) -> Option<Bound> {
        let mut used = vec![false; header.0.len()];
        let mut complete = true;
        let mut find = |name: &str| {
            let slot = self.slot(name, header, lookups);
            if let Some(Slot::Field(index)) = slot {
                used[index] = true;
            }
            complete &= slot.is_some();
            slot.unwrap_or(Slot::Absent)
        };
        let templates = |all: &[Template<String>], find: &mut dyn FnMut(&str) -> Slot| {
            all.iter().map(|template| template.bind(find)).collect::<Vec<_>>()
        };
        let subject = templates(&self.subject, &mut find);
        let joins = self
            .joins
            .iter()
            .map(|join| Join {
                name: join.name.clone(),
                lookup: join.lookup,
                key: templates(&join.key, &mut find),
            })
            .collect();
        let only = self.only.iter().map(|condition| condition.bind(&mut find)).collect();
        let events = self
            .events
            .iter()
            .map(|event| EventSpec {
                only: event.only.iter().map(|condition| condition.bind(&mut find)).collect(),
                time: event.time.iter().map(|time| time.bind(&mut find)).collect(),
                code: templates(&event.code, &mut find),
                value: event.value.bind(&mut find),
                unit: templates(&event.unit, &mut find),
                text: templates(&event.text, &mut find),
                text_with_value: event.text_with_value,
                optional: event.optional,
                is_cell: event.is_cell,
                sum_over: templates(&event.sum_over, &mut find),
            })
            .collect();
        let (dialect, missing) = (self.dialect, self.missing.clone());
        let width = header.0.len();
        complete.then_some(Bound { dialect, missing, subject, joins, only, events, width, used })
    }

    fn slot(&self, name: &str, header: &Header, lookups: &[LookupSpec]) -> Option<Slot> {
        if let Some(index) = header.find(name) {
            return Some(Slot::Field(index));
        }
        if let Some(slot) = self.joined(name, lookups) {
            return Some(slot);
        }
        let is_optional = self.optional.iter().any(|column| column.eq_ignore_ascii_case(name));
        is_optional.then_some(Slot::Absent)
    }

    /// Finds a column `join.column`.
    pub(crate) fn joined(&self, name: &str, lookups: &[LookupSpec]) -> Option<Slot> {
        let (prefix, column) = name.split_once('.')?;
        let join = self.joins.iter().position(|join| join.name == prefix)?;
        let lookup = lookups.get(self.joins[join].lookup)?;
        let column = lookup.columns.iter().position(|known| known == column)?;
        Some(Slot::Joined { join, column })
    }
}

/// A lookup whose columns were found in a file.
pub(crate) struct BoundLookup<'s> {
    key: usize,
    columns: Vec<usize>,
    only: Vec<Condition<usize>>,
    dialect: &'s Dialect,
}

impl LookupSpec {
    /// Returns whether a file that is called like this is meant.
    pub(crate) fn is_called(&self, name: &str) -> bool {
        self.files.iter().any(|pattern| pattern.matches(name))
    }

    /// Finds every column in a file; `None` if one is missing.
    pub(crate) fn bind(&self, header: &Header) -> Option<BoundLookup<'_>> {
        let key = header.find(&self.key)?;
        let columns: Option<Vec<usize>> =
            self.columns.iter().map(|column| header.find(column)).collect();
        let mut complete = true;
        let mut find = |name: &str| {
            let found = header.find(name);
            complete &= found.is_some();
            found.unwrap_or_default()
        };
        let only = self.only.iter().map(|condition| condition.bind(&mut find)).collect();
        let columns = columns.filter(|_| complete)?;
        Some(BoundLookup { key, columns, only, dialect: &self.dialect })
    }
}

impl BoundLookup<'_> {
    /// Adds a row to the lookup. What is not text, or has no key, nothing can refer to.
    pub(crate) fn add(&self, record: &Record, lookup: &mut Lookup) -> Result<(), LookupFull> {
        let get = |index| std::str::from_utf8(record.field(index)).unwrap_or_default().trim();
        let key = get(self.key);
        let holds = self.only.iter().all(|condition| condition.holds(&get, self.dialect));
        if key.is_empty() || !holds || record.flaw.is_some() {
            return Ok(());
        }
        lookup.add(key, self.columns.iter().map(|&index| get(index)))
    }
}
