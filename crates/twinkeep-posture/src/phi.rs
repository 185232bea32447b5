//! Personal data in files: what a file is, what it holds of people, and whether it can be read.
//!
//! A value proves little, a column proves much: validators count, and a table of thresholds decides
//! ([`column`]). What is found is told by kind and count.
//!
//! # Invariants
//!
//! - Nothing that leaves this module holds a value of a file: kinds, counts, and the names of
//!   columns that are in our own list of headers.
//! - Memory is bounded, whatever a file is: a line of a gigabyte, a bomb, a header that lies.
//! - A format that cannot be looked into is said to be that. It is never said to be clean.

mod column;
mod delta;
mod given;
mod inspect;
mod json;
mod kind;
mod lz4;
mod medical;
mod pages;
mod parquet;
mod sniff;
mod table;
mod text;
mod thrift;
mod utf16;
mod values;
mod words;

#[cfg(test)]
mod tests;

pub use inspect::{Inspection, Limits, State, inspect};
pub use kind::{Kind, Weight};

/// Returns the kinds of data that columns are called after, if together they lead to people: one
/// that can hardly mean anything else, or two kinds that often do.
pub(crate) fn kinds_of_headers(headers: &[String]) -> Vec<String> {
    let meanings: Vec<words::Meaning> =
        headers.iter().filter_map(|header| words::meaning(header)).collect();
    let mut kinds: Vec<String> =
        meanings.iter().map(|meaning| meaning.kind().code().to_owned()).collect();
    kinds.sort();
    kinds.dedup();
    let is_sure = meanings.iter().any(|meaning| matches!(meaning, words::Meaning::Sure(_)));
    if is_sure || kinds.len() > 1 { kinds } else { Vec::new() }
}

/// How much of what was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Of which kind.
    pub kind: Kind,
    /// How many values are of it.
    pub rows: u64,
    /// Of how many.
    pub of: u64,
}

/// What was found at one place of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// A column or key by its name where our list has that, else by its number; or `text`.
    pub field: String,
    /// What is there.
    pub found: Found,
}

/// What a file is, by all that was found in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Nothing of people.
    Nothing,
    /// Nothing that leads to one person by itself, and enough to find one together.
    Combined,
    /// What leads to one person by itself.
    Personal,
}

/// Judges what was found in one file.
///
/// One record with a number that only one person has and anything else of that person is enough.
/// Contacts alone (every program's source has some) are not until there is a list of them.
pub fn verdict(places: &[Place]) -> Verdict {
    // Keys that are values have one row each, so that rows are added up.
    let rows = |kind: Kind| {
        let of_kind = places.iter().filter(|place| place.found.kind == kind);
        of_kind.map(|place| place.found.rows).reduce(u64::saturating_add)
    };
    let direct: Vec<(Kind, u64)> = Kind::ALL
        .into_iter()
        .filter(|kind| kind.weight() == Weight::Direct)
        .filter_map(|kind| rows(kind).map(|rows| (kind, rows)))
        .collect();
    let births = rows(Kind::BirthDate);
    let is_number = |kind: Kind| {
        matches!(kind, Kind::Ssn | Kind::RecordNumber | Kind::HealthPlan | Kind::License)
    };
    let is_contact = |kind: Kind| matches!(kind, Kind::Name | Kind::Email | Kind::Phone);
    let other_kinds = direct.len() + usize::from(births.is_some());
    let has_number = direct.iter().any(|(kind, _)| is_number(*kind));
    let has_born_name = births.is_some() && direct.iter().any(|(kind, _)| *kind == Kind::Name);
    let has_list = direct.iter().any(|(kind, rows)| {
        let enough = match kind {
            Kind::Name | Kind::Email | Kind::Phone if other_kinds < 2 => CONTACTS_MIN,
            _ => ROWS_MIN,
        };
        enough <= *rows
    });
    let contacts_only = direct.iter().all(|(kind, _)| is_contact(*kind));
    if (has_number && 2 <= other_kinds)
        || has_born_name
        || (has_list && !(contacts_only && direct.len() < 2 && !is_long(&direct)))
    {
        return Verdict::Personal;
    }
    let indirect = [Kind::PostalCode, Kind::Sex, Kind::Address, Kind::Date, Kind::Diagnosis]
        .into_iter()
        .filter(|kind| rows(*kind).is_some_and(|rows| ROWS_MIN <= rows))
        .count();
    if births.is_some_and(|rows| ROWS_MIN <= rows) && 1 <= indirect {
        return Verdict::Combined;
    }
    Verdict::Nothing
}

fn is_long(direct: &[(Kind, u64)]) -> bool {
    direct.iter().any(|(_, rows)| CONTACTS_MIN <= *rows)
}

/// Fewer rows of one kind, and nothing else, may be an example.
const ROWS_MIN: u64 = 5;

/// Fewer contacts alone are those of the authors of a program.
const CONTACTS_MIN: u64 = 50;
