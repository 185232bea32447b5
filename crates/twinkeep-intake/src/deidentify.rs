//! De-identification by HIPAA Safe Harbor, 45 CFR 164.514(b)(2): what names a person is taken out
//! of rows before they are screened, whatever format they came from.
//!
//! Times move by a number of whole days that the keep's key gives to each subject, so that
//! intervals stay exact. No time is left that lies more than 89 years back, because it would tell
//! such an age. Notes lose what the record knows of the person and what looks like an identifier.
//! What was taken out is counted by kind and is nowhere else.
//!
//! # Invariants
//!
//! - Pure: the same row, key, and present time give the same row.
//! - Nothing that was taken out is kept, also not in quarantine: a row that cannot be read is
//!   counted and refused without its content.

mod dates;
mod kinds;
mod names;
mod patterns;
mod places;
mod rows;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use twinkeep_domain::{Pack, Subject, Timestamp};
use twinkeep_vault::DateShift;

use dates::{Dates, shift_date};
pub(crate) use kinds::Kind;
use names::Names;
pub(crate) use names::Terms;
use patterns::{Form, forms};
use places::{Places, zip_area};

/// Takes identifiers out of rows.
pub(crate) struct Deidentifier<'a> {
    shift: &'a DateShift,
    /// No date before this one is left.
    floor: Date,
    meanings: BTreeMap<String, Meaning>,
    notes: Notes,
    known: BTreeMap<Subject, Terms>,
    known_size: usize,
    removed: BTreeMap<Kind, u64>,
    label: Option<(Arc<str>, Arc<str>)>,
    label_count: u64,
}

/// What the rows of a name say that Safe Harbor has a rule for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Age,
    BirthYear,
    Zip,
    Identifier(Kind),
}

/// Something that must go from a note, and what to put there.
#[derive(Clone, Debug, PartialEq)]
struct Found {
    start: usize,
    end: usize,
    kind: Kind,
    put: String,
}

impl<'a> Deidentifier<'a> {
    /// `now` is when the feed is read: ages are told from it.
    pub(crate) fn new(shift: &'a DateShift, pack: &Pack, now: Timestamp) -> Self {
        let mut meanings: BTreeMap<String, Meaning> = BTreeMap::new();
        for (loinc, meaning) in LOINC_MEANINGS {
            meanings.insert(format!("LOINC//{loinc}"), *meaning);
            for variable in pack.variables() {
                if variable.loinc.as_deref() != Some(*loinc) {
                    continue;
                }
                let aliases = variable.aliases.iter().map(|alias| alias.name.as_str());
                for name in aliases.chain([variable.code.as_str()]) {
                    meanings.insert(name.to_owned(), *meaning);
                }
            }
        }
        let today = jiff::Timestamp::from_microsecond(now.micros()).unwrap_or_default();
        let year = today.to_zoned(TimeZone::UTC).year();
        Self {
            shift,
            floor: Date::new(year.saturating_sub(AGE_MAX), 1, 1).unwrap_or(Date::MIN),
            meanings,
            notes: Notes::new(),
            known: BTreeMap::new(),
            known_size: 0,
            removed: BTreeMap::new(),
            label: None,
            label_count: 0,
        }
    }

    /// Returns how many identifiers of each kind were taken out, and how many dates were shifted.
    pub(crate) fn removed(&self) -> BTreeMap<&'static str, u64> {
        self.removed.iter().map(|(kind, count)| (kind.code(), *count)).collect()
    }

    /// Remembers what the record says of a person; false if that is too much to remember.
    pub(crate) fn learn(&mut self, subject: Subject, terms: Terms) -> bool {
        self.known_size += terms.size();
        self.known.insert(subject, terms);
        self.known_size <= KNOWN_SIZE_MAX
    }

    /// Returns a name for a file that says nothing: files are often called after people.
    pub(crate) fn label(&mut self, file: &Arc<str>) -> Arc<str> {
        if let Some((known, label)) = &self.label
            && Arc::ptr_eq(known, file)
        {
            return Arc::clone(label);
        }
        self.label_count += 1;
        let label: Arc<str> = format!("file {}", self.label_count).into();
        self.label = Some((Arc::clone(file), Arc::clone(&label)));
        label
    }

    /// Moves a time.
    pub(crate) fn time(&mut self, subject: Subject, time: Timestamp) -> Timestamp {
        self.count(Kind::Date);
        let floor = micros_of(self.floor);
        if time.micros() < floor {
            self.count(Kind::Age);
        }
        let days = i64::from(self.shift.days(subject));
        Timestamp::from_micros(time.micros().max(floor).saturating_add(days * MICROS_PER_DAY))
    }

    /// Returns the number that may be kept under this name; `None` if none may.
    pub(crate) fn number(&mut self, subject: Subject, name: &str, number: f32) -> Option<f32> {
        match self.meanings.get(name) {
            Some(Meaning::Age) if f32::from(AGE_MAX) < number => {
                self.count(Kind::Age);
                Some(f32::from(AGE_MAX + 1))
            }
            Some(Meaning::BirthYear) => {
                self.count(Kind::Date);
                // The day is not known, so its year is that of the middle of the year.
                let middle = Date::new(number as i16, 7, 1).ok()?;
                if middle < self.floor {
                    self.count(Kind::Age);
                }
                let shifted = shift_date(middle, self.shift.days(subject), self.floor)?;
                Some(f32::from(shifted.year()))
            }
            Some(Meaning::Zip) => {
                self.count(Kind::Place);
                None
            }
            Some(Meaning::Identifier(kind)) => {
                self.count(*kind);
                None
            }
            _ => Some(number),
        }
    }

    /// Returns a text without identifiers.
    pub(crate) fn text<'t>(&mut self, subject: Subject, name: &str, text: &'t str) -> Cow<'t, str> {
        match self.meanings.get(name).copied() {
            Some(Meaning::Zip) => {
                self.count(Kind::Place);
                return zip_area(text.trim()).into();
            }
            Some(Meaning::Identifier(kind)) => {
                self.count(kind);
                return format!("[{}]", kind.code()).into();
            }
            _ => {}
        }
        if is_code(text) {
            return text.into();
        }
        let terms = self.known.get(&subject);
        let found = self.notes.find(text, terms, self.shift.days(subject), self.floor);
        if found.is_empty() {
            return text.into();
        }
        let mut clean = String::with_capacity(text.len());
        let mut rest = 0;
        for one in found {
            clean.push_str(&text[rest..one.start]);
            clean.push_str(&one.put);
            rest = one.end;
            self.count(one.kind);
        }
        clean.push_str(&text[rest..]);
        clean.into()
    }

    fn count(&mut self, kind: Kind) {
        *self.removed.entry(kind).or_default() += 1;
    }
}

/// Finds identifiers in notes.
struct Notes {
    forms: Vec<Form>,
    dates: Dates,
    names: Names,
    places: Places,
}

impl Notes {
    fn new() -> Self {
        Self { forms: forms(), dates: Dates::new(), names: Names::new(), places: Places::new() }
    }

    /// Returns what must go, in the order of the text and without overlaps.
    fn find(&self, text: &str, terms: Option<&Terms>, shift_days: i32, floor: Date) -> Vec<Found> {
        let mut found = Vec::new();
        if let Some(terms) = terms {
            terms.find(text, &mut found);
        }
        for date in self.dates.find(text, shift_days, floor) {
            let put = date.text.unwrap_or_else(|| "[date]".to_owned());
            found.push(Found { start: date.start, end: date.end, kind: Kind::Date, put });
        }
        for form in &self.forms {
            for one in form.pattern.captures_iter(text).filter_map(|all| all.name("x")) {
                if !(form.accepts)(one.as_str()) {
                    continue;
                }
                let put = match form.kind {
                    Kind::Age => (AGE_MAX + 1).to_string(),
                    kind => format!("[{}]", kind.code()),
                };
                found.push(Found { start: one.start(), end: one.end(), kind: form.kind, put });
            }
        }
        self.places.find(text, &|word| self.names.is_no_name(word), &mut found);
        self.names.find(text, &mut found);
        without_overlaps(found)
    }
}

/// Joins what overlaps: nothing that one of them covers is left. What was found first says what
/// it is; what it says to put there is put there only if it covers all of it.
fn without_overlaps(found: Vec<Found>) -> Vec<Found> {
    let mut ranked: Vec<(usize, Found)> = found.into_iter().enumerate().collect();
    ranked.sort_by_key(|(rank, one)| (one.start, *rank));
    let mut joined: Vec<(usize, usize, (usize, Found))> = Vec::new();
    for (rank, one) in ranked {
        match joined.last_mut() {
            Some((_, end, best)) if one.start < *end => {
                *end = one.end.max(*end);
                if rank < best.0 {
                    *best = (rank, one);
                }
            }
            _ => joined.push((one.start, one.end, (rank, one))),
        }
    }
    let join = |(start, end, (_, best)): (usize, usize, (usize, Found))| {
        let covers = best.start == start && best.end == end;
        let put = if covers { best.put } else { format!("[{}]", best.kind.code()) };
        Found { start, end, kind: best.kind, put }
    };
    joined.into_iter().map(join).collect()
}

/// A code of MEDS that stands as a text, such as `SNOMED//185349003`.
fn is_code(text: &str) -> bool {
    let plain = |text: &str| {
        !text.is_empty()
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:+".contains(&byte))
    };
    text.split_once("//").is_some_and(|(system, code)| {
        plain(system)
            && plain(code)
            && system.starts_with(|first: char| first.is_ascii_alphabetic())
    })
}

fn micros_of(date: Date) -> i64 {
    let zoned = date.to_zoned(TimeZone::UTC).map(|zoned| zoned.timestamp().as_microsecond());
    zoned.unwrap_or(i64::MIN)
}

/// The oldest age that may be told.
const AGE_MAX: i16 = 89;

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// How much is remembered of what records say of people, in bytes: of half a million of them.
const KNOWN_SIZE_MAX: usize = 1 << 30;

/// LOINC codes of what Safe Harbor has a rule for.
const LOINC_MEANINGS: &[(&str, Meaning)] = &[
    ("30525-0", Meaning::Age),
    ("80904-6", Meaning::BirthYear),
    ("45401-7", Meaning::Zip),
    ("45392-8", Meaning::Identifier(Kind::Name)),
    ("45393-6", Meaning::Identifier(Kind::Name)),
    ("45394-4", Meaning::Identifier(Kind::Name)),
    ("54125-0", Meaning::Identifier(Kind::Name)),
    ("56799-0", Meaning::Identifier(Kind::Place)),
    ("21112-8", Meaning::Identifier(Kind::Date)),
    ("42077-8", Meaning::Identifier(Kind::Phone)),
    ("45396-9", Meaning::Identifier(Kind::Ssn)),
    ("45397-7", Meaning::Identifier(Kind::HealthPlan)),
    ("45400-9", Meaning::Identifier(Kind::HealthPlan)),
];
