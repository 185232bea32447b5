//! Rows that passed and wait until there are enough for a portion.
//!
//! # Invariants
//!
//! - Every row that goes in comes out once.

use std::collections::BTreeMap;
use std::mem;
use std::sync::Arc;

use twinkeep_domain::{Code, Events, Pack, SourceSubject, Subject, Timestamp};

use crate::batch::Person;
use crate::lexicon::Words;
use crate::{Origin, QuarantinedRow};

/// A row that passed, with what it takes to say how it came.
pub(crate) struct Held {
    pub subject: Subject,
    pub time: Option<Timestamp>,
    pub code: u32,
    pub value: Option<f32>,
    pub text: Option<Box<str>>,
    pub given: Given,
    pub origin: Origin,
}

/// How the source said it.
#[derive(Clone, Copy)]
pub(crate) struct Given {
    /// Which name of the lexicon it used; none of them for a code that the pack does not list.
    pub name: u32,
    /// Which unit of the lexicon, if it is not implied.
    pub unit: u32,
    /// The number, or NaN.
    pub value: f32,
}

/// Rows that are enough for a portion, in the order of the source.
pub(crate) struct Unsorted {
    pub rows: Vec<Held>,
    /// The codes of these rows: those of the pack come first.
    pub codes: Events,
    pub mapping: BTreeMap<Subject, SourceSubject>,
    /// Rows that were refused when they were read.
    pub quarantined: Vec<QuarantinedRow>,
    /// How the source said it.
    pub words: Arc<Words>,
}

/// The rows of the portion that is being filled.
pub(crate) struct HeldRows {
    /// The codes of the pack, and none else.
    pack_codes: Events,
    /// The codes of this portion: those of the pack come first.
    codes: Events,
    /// Where other codes are among them, by name and unit.
    other: BTreeMap<Box<[u8]>, u32>,
    rows: Vec<Held>,
    mapping: BTreeMap<Subject, SourceSubject>,
    quarantined: Vec<QuarantinedRow>,
    last_known: Option<Subject>,
    size: u64,
}

impl HeldRows {
    pub(crate) fn new(pack: &Pack) -> Self {
        let mut codes = Events::new();
        // INVARIANT: the code of an event is the index of its variable in the pack.
        for variable in pack.variables() {
            codes.intern(&variable.code);
        }
        Self {
            pack_codes: codes.clone(),
            codes,
            other: BTreeMap::new(),
            rows: Vec::new(),
            mapping: BTreeMap::new(),
            quarantined: Vec::new(),
            last_known: None,
            size: 0,
        }
    }

    /// Returns about how many bytes are held.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.mapping.is_empty() && self.quarantined.is_empty()
    }

    pub(crate) fn push(&mut self, row: Held) {
        self.size += size_of_row(&row);
        self.rows.push(row);
    }

    pub(crate) fn refuse(&mut self, row: QuarantinedRow) {
        let text = row.parsed.as_ref().and_then(|parsed| parsed.text.as_ref());
        self.size += (QUARANTINED_SIZE + row.raw.expose().len()) as u64;
        self.size += text.map_or(0, |text| text.len()) as u64;
        self.quarantined.push(row);
    }

    /// Returns the code of a name that is not in the pack; `None` if it is no code.
    pub(crate) fn intern(&mut self, name: &[u8], unit: Option<&str>) -> Option<u32> {
        let with_unit;
        let name = match unit {
            Some(unit) if !name.ends_with(unit.as_bytes()) => {
                with_unit = [name, b"//", unit.as_bytes()].concat();
                &with_unit
            }
            _ => name,
        };
        if let Some(&code) = self.other.get(name) {
            return Some(code);
        }
        let code = self.codes.intern(&Code::new(std::str::from_utf8(name).ok()?)?);
        self.other.insert(name.into(), code);
        self.size += CODE_SIZE;
        Some(code)
    }

    /// Remembers who is behind a pseudonym.
    pub(crate) fn know(&mut self, person: &Person) {
        if self.last_known == Some(person.subject) {
            return;
        }
        self.last_known = Some(person.subject);
        let size = &mut self.size;
        self.mapping.entry(person.subject).or_insert_with(|| {
            *size += PERSON_SIZE;
            person.source()
        });
    }

    /// Takes out what is held, and goes on in `room`, which is empty.
    ///
    /// Unless `all` is asked for, the rows of the person who came last stay here, if they are less
    /// than half of it.
    pub(crate) fn cut(&mut self, all: bool, words: Arc<Words>, room: Vec<Held>) -> Unsorted {
        let mut rows = mem::replace(&mut self.rows, room);
        let kept = self.last_known.filter(|_| !all).map(|last| rows_of(last, &mut rows));
        let mapping = mem::take(&mut self.mapping);
        let quarantined = mem::take(&mut self.quarantined);
        let codes = mem::replace(&mut self.codes, self.pack_codes.clone());
        self.keep(kept.unwrap_or_default(), &codes, &mapping);
        Unsorted { rows, codes, mapping, quarantined, words }
    }

    /// Begins the next portion with rows of the person who is being read.
    fn keep(
        &mut self,
        mut rows: Vec<Held>,
        codes: &Events,
        mapping: &BTreeMap<Subject, SourceSubject>,
    ) {
        self.size = 0;
        self.last_known = None;
        self.other.clear();
        let person = rows.first().and_then(|row| mapping.get_key_value(&row.subject));
        if let Some((subject, source)) = person {
            self.mapping.insert(*subject, source.clone());
            self.last_known = Some(*subject);
            self.size += PERSON_SIZE;
        }
        for row in &mut rows {
            row.code = self.codes.intern(&codes.codes()[row.code as usize]);
            self.size += size_of_row(row);
        }
        self.rows.append(&mut rows);
    }
}

/// Takes the rows of one person out, if they are less than half of all.
fn rows_of(subject: Subject, rows: &mut Vec<Held>) -> Vec<Held> {
    let count = rows.iter().filter(|row| row.subject == subject).count();
    if rows.len() <= count * 2 {
        return Vec::new();
    }
    rows.extract_if(.., |row| row.subject == subject).collect()
}

fn size_of_row(row: &Held) -> u64 {
    let text = row.text.as_ref().map_or(0, |text| text.len());
    (size_of::<Held>() + text) as u64
}

/// What a refused row takes in memory beside its bytes and text.
const QUARANTINED_SIZE: usize = size_of::<QuarantinedRow>() + 120;

/// What an entry of the mapping takes in memory.
const PERSON_SIZE: u64 = 120;

/// What a code takes in memory that is not in the pack.
const CODE_SIZE: u64 = 400;
