//! Rows that passed and wait for their portion to be full; then they are sorted, what is there
//! twice is taken out, and the portion is handed on.
//!
//! # Invariants
//!
//! - Every row that goes in comes out once: as an event or as a refused row of a portion.
//! - What is compared is compared in the order of subject, time, and code, so that time and memory
//!   do not depend on the order of the source.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;

use twinkeep_domain::{Event, Events, Pack, Screened, SourceSubject, Subject, Timestamp};
use twinkeep_vault::SecretBytes;

use crate::batch::Person;
use crate::lexicon::Lexicon;
use crate::{Origin, ParsedRow, Portion, QuarantinedRow, Reason};

#[cfg(test)]
mod tests;

/// A row that passed, with what it takes to say how it came.
pub(crate) struct Held {
    pub subject: Subject,
    pub time: Option<Timestamp>,
    pub code: u32,
    pub value: Option<f32>,
    pub text: Option<Box<str>>,
    /// Which name of the lexicon the source used.
    pub name: u32,
    /// The value as it was in the source.
    pub given: f32,
    pub origin: Origin,
}

/// The rows of the portion that is being filled.
pub(crate) struct HeldRows {
    /// The codes of the pack, and none else.
    codes: Events,
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
            codes,
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

    /// Makes a portion of what is held; returns with it how many rows were refused only now.
    ///
    /// Unless `all` is asked for, the rows of the person who came last stay here, if they are less
    /// than half of it.
    pub(crate) fn portion(&mut self, lexicon: &Lexicon, all: bool) -> (Portion, u64) {
        let mut rows = mem::take(&mut self.rows);
        let last = self.last_known.filter(|_| !all);
        // Stable: what the source has at one moment under one code stays in its order.
        rows.sort_by_key(|row| (row.subject, row.time, row.code));
        let start = rows.partition_point(|row| Some(row.subject) < last);
        let end = rows.partition_point(|row| Some(row.subject) <= last);
        let kept = if last.is_some() && (end - start) * 2 < rows.len() {
            rows.drain(start..end).collect()
        } else {
            Vec::new()
        };
        let mapping = mem::take(&mut self.mapping);
        let mut quarantined = mem::take(&mut self.quarantined);
        let refused = refuse_repeated(&mut rows);
        let refused_count = refused.len() as u64;
        quarantined.extend(
            refused
                .into_iter()
                .filter_map(|(row, reason)| quarantine(&row, reason, &mapping, lexicon)),
        );
        self.keep(kept, &mapping);
        let mut origins = Vec::with_capacity(rows.len());
        let mut events = self.codes.clone();
        events.rows.reserve_exact(rows.len());
        for Held { subject, time, code, value, text, origin, .. } in rows {
            events.rows.push(Event { subject, time, code, value, text });
            origins.push(origin);
        }
        let mapping = mapping.into_iter().collect();
        let portion = Portion { screened: Screened::attest(events), origins, mapping, quarantined };
        (portion, refused_count)
    }

    /// Begins the next portion with rows of the person who is being read.
    fn keep(&mut self, rows: Vec<Held>, mapping: &BTreeMap<Subject, SourceSubject>) {
        self.size = rows.iter().map(size_of_row).sum();
        self.last_known = None;
        if let Some((subject, source)) =
            rows.first().and_then(|row| mapping.get_key_value(&row.subject))
        {
            self.mapping.insert(*subject, source.clone());
            self.last_known = Some(*subject);
            self.size += PERSON_SIZE;
        }
        self.rows = rows;
    }
}

/// Takes out the rows that say what an earlier one says: same subject, time, code, value, text.
fn refuse_repeated(rows: &mut Vec<Held>) -> Vec<(Held, Reason)> {
    let mut repeated = Vec::new();
    let mut from = 0;
    while from < rows.len() {
        let same = rows[from..].iter().take_while(|row| moment(row) == moment(&rows[from]));
        let to = from + same.count();
        if 1 < to - from {
            let mut seen = BTreeSet::new();
            repeated.extend((from..to).filter(|&at| !seen.insert(said(&rows[at]))));
        }
        from = to;
    }
    if repeated.is_empty() {
        return Vec::new();
    }
    let repeated: BTreeSet<usize> = repeated.into_iter().collect();
    let mut at = 0;
    let refused = rows.extract_if(.., |_| {
        at += 1;
        repeated.contains(&(at - 1))
    });
    refused.map(|row| (row, Reason::Duplicate)).collect()
}

/// Rows are sorted by it.
fn moment(row: &Held) -> (Subject, Option<Timestamp>, u32) {
    (row.subject, row.time, row.code)
}

/// What a row says about its moment; 0 and -0 are the same value.
fn said(row: &Held) -> (Option<u32>, Option<&str>) {
    (row.value.map(|value| (value + 0.0).to_bits()), row.text.as_deref())
}

/// Makes a refused row of one that had passed so far. `None` never happens: whoever has a row is
/// in the mapping.
fn quarantine(
    row: &Held,
    reason: Reason,
    mapping: &BTreeMap<Subject, SourceSubject>,
    lexicon: &Lexicon,
) -> Option<QuarantinedRow> {
    let parsed = ParsedRow {
        subject: mapping.get(&row.subject)?.clone(),
        time: row.time,
        name: lexicon.name(row.name).into(),
        value: row.given.to_string().into(),
        unit: None,
        text: row.text.clone(),
    };
    let raw = SecretBytes::new(parsed.to_line().into_bytes());
    let origin = row.origin.clone();
    Some(QuarantinedRow { origin, field: None, reason, raw, parsed: Some(parsed) })
}

fn size_of_row(row: &Held) -> u64 {
    let text = row.text.as_ref().map_or(0, |text| text.len());
    (size_of::<Held>() + text) as u64
}

/// What a refused row takes in memory beside its bytes and text.
const QUARANTINED_SIZE: usize = size_of::<QuarantinedRow>() + 120;

/// What an entry of the mapping takes in memory.
const PERSON_SIZE: u64 = 120;
