//! A feed in numbers: what a sender usually sends, so that what is unusual is seen.
//!
//! Profiles of parts of a feed, and of several feeds, merge into that of the whole. Their size
//! does not grow with the feed: values are kept as t-digests, subjects as HyperLogLog.
//!
//! # Invariants
//!
//! - The same portions in the same order give the same bytes.
//! - A profile says nothing about one person, but for the smallest and largest values; it is kept
//!   sealed for their sake.

use std::collections::BTreeMap;

use twinkeep_domain::{Events, Pack, Subject};

use crate::{Counts, Portion};

mod sketch;
#[cfg(test)]
mod tests;
mod wire;

pub use sketch::{Distinct, Sketch};
pub use wire::ProfileError;

/// One feed, or several, in numbers.
#[derive(Clone, Debug, Default)]
pub struct Profile {
    /// What became of the rows.
    pub counts: Counts,
    /// How many rows were refused, for each reason.
    pub reasons: BTreeMap<String, u64>,
    /// What there is under each code.
    pub codes: BTreeMap<String, CodeProfile>,
    /// Events under codes that came when there was no more room for another one.
    pub other_event_count: u64,
    /// Who there is.
    pub subjects: Distinct,
    /// How many events a subject has.
    pub events_per_subject: Sketch,
    /// The times of the first and the last event, in microseconds since 1970.
    pub span: Option<(i64, i64)>,
}

/// What there is under one code.
#[derive(Clone, Debug, Default)]
pub struct CodeProfile {
    /// Rows that became an event.
    pub events: u64,
    /// Rows whose value says "not recorded".
    pub missing: u64,
    /// Rows that were refused.
    pub refused: u64,
    /// Events with a text.
    pub texts: u64,
    /// The values, in the unit of the keep.
    pub values: Sketch,
    /// Who has an event.
    pub subjects: Distinct,
}

impl CodeProfile {
    /// Returns how many rows were read.
    pub fn rows(&self) -> u64 {
        self.events + self.missing + self.refused
    }

    fn merge(&mut self, other: &Self) {
        self.events += other.events;
        self.missing += other.missing;
        self.refused += other.refused;
        self.texts += other.texts;
        self.values.merge(&other.values);
        self.subjects.merge(&other.subjects);
    }
}

impl Profile {
    /// Adds what another profile says.
    pub fn merge(&mut self, other: &Self) {
        let counts = &mut self.counts;
        counts.read += other.counts.read;
        counts.accepted += other.counts.accepted;
        counts.missing += other.counts.missing;
        counts.quarantined += other.counts.quarantined;
        for (reason, count) in &other.reasons {
            *self.reasons.entry(reason.clone()).or_default() += count;
        }
        for (code, profile) in &other.codes {
            match self.room_for(code) {
                Some(known) => known.merge(profile),
                None => self.other_event_count += profile.events,
            }
        }
        self.other_event_count += other.other_event_count;
        self.subjects.merge(&other.subjects);
        self.events_per_subject.merge(&other.events_per_subject);
        self.span = match (self.span, other.span) {
            (Some((first, last)), Some((from, to))) => Some((first.min(from), last.max(to))),
            (one, another) => one.or(another),
        };
    }

    /// Adds a portion: its events, and the rows that were refused in it.
    pub(crate) fn add(&mut self, portion: &Portion, pack: &Pack) {
        let events = portion.screened.events();
        self.add_events(events);
        for row in &portion.quarantined {
            *self.reasons.entry(row.reason.code().to_owned()).or_default() += 1;
            let variable = row.parsed.as_ref().and_then(|parsed| pack.find(&parsed.name));
            let Some(variable) = variable else { continue };
            let code = pack.variables()[variable].code.as_str();
            if let Some(known) = self.room_for(code) {
                known.refused += 1;
            }
        }
    }

    /// Adds rows whose value says "not recorded", for each variable of the pack.
    pub(crate) fn add_missing(&mut self, pack: &Pack, counts: &[u64]) {
        for (variable, &count) in pack.variables().iter().zip(counts) {
            if 0 < count
                && let Some(known) = self.room_for(variable.code.as_str())
            {
                known.missing += count;
            }
        }
    }

    pub(crate) fn add_events(&mut self, events: &Events) {
        let mut codes: Vec<Option<(CodeProfile, Subject)>> = vec![None; events.codes().len()];
        for rows in events.rows.chunk_by(|left, right| left.subject == right.subject) {
            let subject = rows[0].subject;
            self.subjects.add(subject);
            self.events_per_subject.add(rows.len() as f64);
            let times = rows.iter().filter_map(|row| row.time);
            for micros in times.map(|time| time.micros()) {
                let (first, last) = self.span.unwrap_or((micros, micros));
                self.span = Some((first.min(micros), last.max(micros)));
            }
            for row in rows {
                let of_code = &mut codes[row.code as usize];
                let is_new = of_code.as_ref().is_none_or(|(_, last)| *last != subject);
                let (code, last) = of_code.get_or_insert_with(|| (CodeProfile::default(), subject));
                if is_new {
                    code.subjects.add(subject);
                    *last = subject;
                }
                code.events += 1;
                code.texts += u64::from(row.text.is_some());
                if let Some(value) = row.value {
                    code.values.add(value.into());
                }
            }
        }
        for (code, profile) in events.codes().iter().zip(codes) {
            let Some((profile, _)) = profile else { continue };
            match self.room_for(code.as_str()) {
                Some(known) => known.merge(&profile),
                None => self.other_event_count += profile.events,
            }
        }
    }

    /// Returns the profile of a code, if there is room for it.
    fn room_for(&mut self, code: &str) -> Option<&mut CodeProfile> {
        if !self.codes.contains_key(code) {
            if CODE_COUNT_MAX <= self.codes.len() {
                return None;
            }
            self.codes.insert(code.to_owned(), CodeProfile::default());
        }
        self.codes.get_mut(code)
    }
}

/// Codes that are looked at one by one: those of any pack, and as many others. Each takes up to
/// 8 KiB in memory.
const CODE_COUNT_MAX: usize = 2048;
