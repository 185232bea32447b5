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

use twinkeep_domain::{Code, Event, Events, Pack, Screened, SourceSubject, Subject, Timestamp};
use twinkeep_vault::SecretBytes;

use crate::batch::Person;
use crate::context::Context;
use crate::lexicon::Lexicon;
use crate::panel::{Detector, Panel, SenderStats};
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

/// The rows of the portion that is being filled.
pub(crate) struct HeldRows {
    /// The codes of the pack, and none else.
    pack_codes: Events,
    /// The codes of this portion: those of the pack come first.
    codes: Events,
    /// Where other codes are among them, by name and unit.
    other: BTreeMap<Box<[u8]>, u32>,
    context: Context,
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
            context: Context::new(pack),
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

    /// Makes a portion of what is held; returns with it how many rows were refused only now.
    ///
    /// Unless `all` is asked for, the rows of the person who came last stay here, if they are less
    /// than half of it. Rows are compared with each other if `judge` asks for it, and with clean
    /// data if there is a panel.
    pub(crate) fn portion(
        &mut self,
        lexicon: &Lexicon,
        judge: bool,
        panel: Option<(&Panel, &mut SenderStats)>,
        all: bool,
    ) -> (Portion, u64) {
        let mut rows = sorted(mem::take(&mut self.rows));
        let kept = self.last_known.filter(|_| !all).map(|last| rows_of(last, &mut rows));
        let mapping = mem::take(&mut self.mapping);
        let mut quarantined = mem::take(&mut self.quarantined);
        let mut refused = refuse_repeated(&mut rows);
        if judge {
            let verdicts = self.context.judge(self.codes.codes(), &rows);
            refused.extend(take_out(&mut rows, &verdicts));
        }
        let suspects = panel.filter(|_| judge).map(|(panel, stats)| {
            let suspects = panel.screen(&self.seen_by_panel(&rows), stats);
            let detectors: Vec<Detector> = suspects.iter().map(|found| found.detector).collect();
            let rows_at = suspects.iter().map(|found| (found.row, Reason::Suspect)).collect();
            take_out(&mut rows, &rows_at).into_iter().zip(detectors).collect::<Vec<_>>()
        });
        let suspects = suspects.unwrap_or_default();
        let refused_count = (refused.len() + suspects.len()) as u64;
        let codes = mem::replace(&mut self.codes, self.pack_codes.clone());
        quarantined.extend(refused.into_iter().filter_map(|(row, reason)| {
            let subject = mapping.get(&row.subject)?.clone();
            Some(quarantine(row, reason, subject, (lexicon, codes.codes())))
        }));
        quarantined.extend(suspects.into_iter().filter_map(|((row, reason), detector)| {
            let subject = mapping.get(&row.subject)?.clone();
            let row = quarantine(row, reason, subject, (lexicon, codes.codes()));
            Some(QuarantinedRow { field: Some(detector.code()), ..row })
        }));
        self.keep(kept.unwrap_or_default(), &codes, &mapping);
        let mut origins = Vec::with_capacity(rows.len());
        let mut events = codes;
        events.rows.reserve_exact(rows.len());
        for Held { subject, time, code, value, text, origin, .. } in rows {
            events.rows.push(Event { subject, time, code, value, text });
            origins.push(origin);
        }
        let mapping = mapping.into_iter().collect();
        let portion = Portion { screened: Screened::attest(events), origins, mapping, quarantined };
        (portion, refused_count)
    }

    /// Returns the rows as the panel looks at them: without their texts.
    fn seen_by_panel(&self, rows: &[Held]) -> Events {
        let mut events = self.codes.clone();
        let event = |row: &Held| {
            let &Held { subject, time, code, value, .. } = row;
            Event { subject, time, code, value, text: None }
        };
        events.rows.extend(rows.iter().map(event));
        events
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
        self.rows = rows;
    }
}

/// Sorts rows by moment; what the source has at one moment stays in its order.
///
/// Most sources have the rows of a person together. Those are sorted on their own, and only
/// numbers are moved about until each row is known to have its place: a row is moved once, and
/// next to the one that was moved before.
fn sorted(rows: Vec<Held>) -> Vec<Held> {
    let mut runs = Vec::new();
    let mut from = 0;
    for run in rows.chunk_by(|left, right| left.subject == right.subject) {
        runs.push((run[0].subject, from, from + run.len()));
        from += run.len();
    }
    runs.sort_unstable();
    // Same size as a row: this takes no room of its own.
    let mut waiting: Vec<Option<Held>> = rows.into_iter().map(Some).collect();
    let mut sorted = Vec::with_capacity(waiting.len());
    let mut moments: Vec<(Option<Timestamp>, u32, usize)> = Vec::new();
    for person in runs.chunk_by(|left, right| left.0 == right.0) {
        moments.clear();
        for &(_, from, to) in person {
            let run = (from..).zip(&waiting[from..to]);
            moments.extend(run.filter_map(|(at, row)| row.as_ref().map(|r| (r.time, r.code, at))));
        }
        moments.sort_unstable();
        sorted.extend(moments.iter().filter_map(|&(.., at)| waiting[at].take()));
    }
    sorted
}

/// Takes the rows of one person out, if they are less than half of all.
fn rows_of(subject: Subject, rows: &mut Vec<Held>) -> Vec<Held> {
    let start = rows.partition_point(|row| row.subject < subject);
    let end = rows.partition_point(|row| row.subject <= subject);
    if (end - start) * 2 < rows.len() { rows.drain(start..end).collect() } else { Vec::new() }
}

/// Takes out the rows that say what an earlier one says: same subject, time, code, value, text.
fn refuse_repeated(rows: &mut Vec<Held>) -> Vec<(Held, Reason)> {
    let mut repeated = BTreeMap::new();
    let mut from = 0;
    for moment in rows.chunk_by(|left, right| moment(left) == moment(right)) {
        if 1 < moment.len() {
            let mut seen = BTreeSet::new();
            let again = (from..).zip(moment).filter(|(_, row)| !seen.insert(said(row)));
            repeated.extend(again.map(|(at, _)| (at, Reason::Duplicate)));
        }
        from += moment.len();
    }
    take_out(rows, &repeated)
}

/// Takes rows out by their index.
fn take_out(rows: &mut Vec<Held>, verdicts: &BTreeMap<usize, Reason>) -> Vec<(Held, Reason)> {
    if verdicts.is_empty() {
        return Vec::new();
    }
    let mut at = 0;
    let refused = rows.extract_if(.., |_| {
        at += 1;
        verdicts.contains_key(&(at - 1))
    });
    refused.zip(verdicts.values()).map(|(row, reason)| (row, *reason)).collect()
}

/// Rows are sorted by it.
fn moment(row: &Held) -> (Subject, Option<Timestamp>, u32) {
    (row.subject, row.time, row.code)
}

/// What a row says about its moment; 0 and -0 are the same value.
fn said(row: &Held) -> (Option<u32>, Option<&str>) {
    (row.value.map(|value| (value + 0.0).to_bits()), row.text.as_deref())
}

/// Makes a refused row of one that had passed so far.
fn quarantine(
    row: Held,
    reason: Reason,
    subject: SourceSubject,
    (lexicon, codes): (&Lexicon, &[Code]),
) -> QuarantinedRow {
    let Held { time, code, text, given, origin, .. } = row;
    let own = codes.get(code as usize).map_or("", Code::as_str);
    let value = if given.value.is_nan() { String::new() } else { given.value.to_string() };
    let parsed = ParsedRow {
        subject,
        time,
        name: lexicon.name(given.name).unwrap_or(own).into(),
        value: value.into(),
        unit: lexicon.unit(given.unit).map(Into::into),
        text,
    };
    let raw = SecretBytes::new(parsed.to_line().into_bytes());
    QuarantinedRow { origin, field: None, reason, raw, parsed: Some(parsed) }
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
