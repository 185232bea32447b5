//! Detector *repetition*: the same exact values in too many people.
//!
//! A backdoor needs a trigger that the poisoner can repeat: one code, or two at one moment, set to
//! constants. Each value may be ordinary, so no range and no outlier test sees it; what is not
//! ordinary is how many people have it. And whoever replays people under new names repeats whole
//! stretches of their series.
//!
//! - Values and pairs of values at one moment are counted, once a person, in a table of a fixed
//!   size, and compared with the same table of the reference: a binomial test, and the tables'
//!   collisions can only hide and never accuse.
//! - Of every person's stretches of four values the sixteen with the smallest hash are compared:
//!   two people who share half of them are one.
//!
//! What else a trigger's carrier reports may be the poison itself, so all of it is held. A trigger
//! is one or a few repetitions; where there are many, it is no trigger but noise that somebody
//! made, and only the rows that carry them are held.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use serde::{Deserialize, Serialize};
use twinkeep_domain::{Code, Event};

/// How often the reference repeats itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Repetition {
    /// People who were counted.
    subjects: u64,
    /// Values and pairs that were counted.
    keys: u64,
    cells: Vec<u16>,
    /// Stretches and whose they are, by hash.
    sketches: Vec<(u64, i64)>,
}

impl Repetition {
    /// Counts the subjects of a reference.
    pub(super) fn learn(rows: &[Event], codes: &[Code], subjects: &[Range<usize>]) -> Self {
        let names: Vec<u64> = codes.iter().map(name).collect();
        let (cells, keys) = count(rows, &names, subjects);
        let mut sketches = Vec::new();
        for range in subjects {
            let rows = &rows[range.clone()];
            let who = rows.first().map_or(0, |event| event.subject.reveal());
            sketches.extend(sketch(rows, &names).into_iter().map(|hash| (hash, who)));
        }
        sketches.sort_unstable();
        Self { subjects: subjects.len() as u64, keys, cells, sketches }
    }

    /// Calls `mark` for the rows that carry what repeats too often.
    pub(super) fn find(
        &self,
        rows: &[Event],
        codes: &[Code],
        subjects: &[Range<usize>],
        mark: &mut dyn FnMut(usize),
    ) {
        let names: Vec<u64> = codes.iter().map(name).collect();
        let triggers = self.triggers(rows, &names, subjects);
        for (key, who) in &triggers {
            for range in who.iter().map(|&at| &subjects[at]) {
                if triggers.len() <= TRIGGERS_MAX {
                    range.clone().for_each(&mut *mark);
                } else {
                    carriers(rows, range, &names, *key, mark);
                }
            }
        }
        for at in self.replayed(rows, &names, subjects) {
            subjects[at].clone().for_each(&mut *mark);
        }
    }

    /// Finds what repeats too often, and whose it is. What is explained by a stronger repetition
    /// in the same people is left out: a trigger makes all pairs with its parts frequent.
    fn triggers(
        &self,
        rows: &[Event],
        names: &[u64],
        subjects: &[Range<usize>],
    ) -> Vec<(u64, Vec<usize>)> {
        let (cells, keys) = count(rows, names, subjects);
        // A feed of longer stays has more chances for each value.
        let by_subject = subjects.len() as f64 / self.subjects.max(1) as f64;
        let share = by_subject.max(keys as f64 / self.keys.max(1) as f64);
        let known = |cell: usize| Known {
            count: f64::from(self.cells.get(cell).copied().unwrap_or(u16::MAX)),
            people: self.subjects as f64,
            share,
        };
        let strange: Vec<bool> = cells
            .iter()
            .enumerate()
            .map(|(cell, &count)| known(cell).is_exceeded_by(f64::from(count)))
            .collect();
        if !strange.contains(&true) {
            return Vec::new();
        }
        // Of the keys that share a strange cell, only those that are too many on their own.
        let mut exact: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        let mut keys = Vec::new();
        for (at, range) in subjects.iter().enumerate() {
            subject_keys(&rows[range.clone()], names, &mut keys);
            for &key in keys.iter().filter(|&&key| strange[cell(key)]) {
                exact.entry(key).or_default().push(at);
            }
        }
        let chance = |key: u64, count: usize| known(cell(key)).chance_log10(count as f64);
        let mut order: Vec<(f64, u64, Vec<usize>)> =
            exact.into_iter().map(|(key, who)| (chance(key, who.len()), key, who)).collect();
        order.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let mut explained = vec![false; subjects.len()];
        let mut triggers = Vec::new();
        for (_, key, who) in order {
            let left = who.iter().filter(|&&at| !explained[at]).count();
            if known(cell(key)).is_exceeded_by(left as f64) {
                who.iter().for_each(|&at| explained[at] = true);
                triggers.push((key, who));
            }
        }
        triggers
    }

    fn replayed(
        &self,
        rows: &[Event],
        names: &[u64],
        subjects: &[Range<usize>],
    ) -> BTreeSet<usize> {
        let mut all: Vec<(u64, usize)> = Vec::new();
        for (at, range) in subjects.iter().enumerate() {
            let hashes = sketch(&rows[range.clone()], names);
            all.extend(hashes.into_iter().map(|hash| (hash, at)));
        }
        all.sort_unstable();
        let mut shared: BTreeMap<(usize, i64), usize> = BTreeMap::new();
        let pseudonym = |at: usize| rows.get(subjects[at].start).map(|row| row.subject.reveal());
        for group in all.chunk_by(|a, b| a.0 == b.0) {
            let from = self.sketches.partition_point(|known| known.0 < group[0].0);
            let known = self.sketches[from..].iter().take_while(|known| known.0 == group[0].0);
            let known: Vec<i64> = known.map(|known| known.1).take(CROWD).collect();
            // A stretch that many share is a habit, not a copy.
            if CROWD <= group.len() + known.len() {
                continue;
            }
            for &(_, at) in group {
                let others = group.iter().filter_map(|&(_, other)| pseudonym(other));
                for other in others.chain(known.iter().copied()) {
                    if pseudonym(at) != Some(other) {
                        *shared.entry((at, other)).or_default() += 1;
                    }
                }
            }
        }
        let copies = shared.into_iter().filter(|&(_, count)| SKETCH_SHARED_MIN <= count);
        copies.map(|((at, _), _)| at).collect()
    }
}

/// What the reference says of a repetition.
#[derive(Clone, Copy)]
struct Known {
    /// How many of its people have it.
    count: f64,
    people: f64,
    /// How many people the portion has for each of the reference.
    share: f64,
}

impl Known {
    /// Whether a count is beyond chance, and beyond what another population may bring.
    fn is_exceeded_by(self, count: f64) -> bool {
        COUNT_MIN <= count
            && self.count <= COMMON_SHARE * self.people
            && RATIO_MIN * (self.count + 1.0) * self.share <= count
            && self.chance_log10(count) < CHANCE_LOG10
    }

    /// Chernoff's bound on the chance that so many of all who have it are in the portion, as a
    /// logarithm. What the reference counted is itself a matter of chance.
    fn chance_log10(self, count: f64) -> f64 {
        let all = count + self.count + 1.0;
        let usual = self.share / (1.0 + self.share);
        let found = count / all;
        if found <= usual {
            return 0.0;
        }
        let rest = (1.0 - found) * ((1.0 - found) / (1.0 - usual)).ln();
        -all * (found * (found / usual).ln() + rest) / std::f64::consts::LN_10
    }
}

fn count(rows: &[Event], names: &[u64], subjects: &[Range<usize>]) -> (Vec<u16>, u64) {
    let mut cells = vec![0_u16; CELLS];
    let (mut keys, mut total) = (Vec::new(), 0);
    for range in subjects {
        subject_keys(&rows[range.clone()], names, &mut keys);
        total += keys.len() as u64;
        for &key in &keys {
            let cell = &mut cells[cell(key)];
            *cell = cell.saturating_add(1);
        }
    }
    (cells, total)
}

/// Collects each value, and each pair of values at one moment, of one subject, once.
fn subject_keys(rows: &[Event], names: &[u64], keys: &mut Vec<u64>) {
    keys.clear();
    for moment in rows.chunk_by(|a, b| a.time == b.time) {
        let from = keys.len();
        let values = moment.iter().filter_map(|event| single(event, names));
        keys.extend(values.take(MOMENT_MAX));
        let to = keys.len();
        for a in from..to {
            for b in a + 1..to {
                keys.push(pair(keys[a], keys[b]));
            }
        }
    }
    keys.sort_unstable();
    keys.dedup();
}

/// Calls `mark` for the rows of one subject that make a key.
fn carriers(
    rows: &[Event],
    range: &Range<usize>,
    names: &[u64],
    key: u64,
    mark: &mut dyn FnMut(usize),
) {
    let mut start = range.start;
    for moment in rows[range.clone()].chunk_by(|a, b| a.time == b.time) {
        let values: Vec<(usize, u64)> = (start..)
            .zip(moment)
            .filter_map(|(row, event)| Some((row, single(event, names)?)))
            .take(MOMENT_MAX)
            .collect();
        start += moment.len();
        for (at, &(row, value)) in values.iter().enumerate() {
            if value == key {
                mark(row);
            }
            for &(other_row, other) in &values[at + 1..] {
                if pair(value, other) == key {
                    mark(row);
                    mark(other_row);
                }
            }
        }
    }
}

/// Commutative, so that the order at one moment does not matter.
fn pair(a: u64, b: u64) -> u64 {
    mix(a.wrapping_add(b) ^ PAIR)
}

fn single(event: &Event, names: &[u64]) -> Option<u64> {
    let value = event.value? + 0.0;
    let name = names.get(event.code as usize)?;
    Some(mix(name ^ u64::from(value.to_bits())))
}

/// Returns the smallest hashes of the subject's stretches; none if there are too few to compare.
fn sketch(rows: &[Event], names: &[u64]) -> Vec<u64> {
    let mut windows: BTreeMap<u32, [u32; STRETCH]> = BTreeMap::new();
    let mut hashes = Vec::new();
    for event in rows.iter().filter(|event| event.time.is_some()) {
        let (Some(value), Some(name)) = (event.value, names.get(event.code as usize)) else {
            continue;
        };
        let window = windows.entry(event.code).or_insert([u32::MAX; STRETCH]);
        window.rotate_left(1);
        window[STRETCH - 1] = (value + 0.0).to_bits();
        // A flat line says nothing about who it is of; three different values in four do.
        let distinct: BTreeSet<u32> = window.iter().copied().collect();
        if window[0] != u32::MAX && STRETCH - 1 <= distinct.len() {
            hashes.push(window.iter().fold(*name, |hash, bits| mix(hash ^ u64::from(*bits))));
        }
    }
    if hashes.len() < STRETCHES_MIN {
        return Vec::new();
    }
    hashes.sort_unstable();
    hashes.dedup();
    hashes.truncate(SKETCH);
    hashes
}

fn name(code: &Code) -> u64 {
    code.as_str().bytes().fold(PAIR, |hash, byte| mix(hash ^ u64::from(byte)))
}

fn cell(key: u64) -> usize {
    (key % CELLS as u64) as usize
}

/// The finalizer of SplitMix64: every bit of the input reaches every bit of the output.
pub(super) fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Tells a pair from a value.
const PAIR: u64 = 0x7061_6972;

/// 2 MiB: some four million different pairs of 4,000 stays share a cell with three others.
const CELLS: usize = 1 << 20;

/// Values of one moment that are paired: a moment with thousands is a bulk load, not a person.
const MOMENT_MAX: usize = 32;

/// A trigger in fewer people teaches a model nothing.
const COUNT_MIN: f64 = 8.0;

/// Another hospital may have a value three times as often.
const RATIO_MIN: f64 = 3.0;

/// Some hundred thousand repetitions are tested in a portion: one false alarm in a thousand.
const CHANCE_LOG10: f64 = -8.0;

/// What this share of clean people have cannot be a trigger: they would teach the opposite.
const COMMON_SHARE: f64 = 0.02;

/// More repetitions than this are no trigger.
const TRIGGERS_MAX: usize = 8;

/// Values in a stretch.
const STRETCH: usize = 4;

/// Stretches of a person that are compared, ...
const SKETCH: usize = 16;

/// ... and how many two may share by chance, and one more.
const SKETCH_SHARED_MIN: usize = 8;

/// Fewer stretches do not tell people apart.
const STRETCHES_MIN: usize = 16;

/// A stretch of this many people says nothing about two of them.
const CROWD: usize = 12;
