//! Keyed digests of histories: what tells that two are alike, and nothing of what is in them.
//!
//! A history is a series of stretches: three values of one variable in a row, each as the part of
//! its distribution that it lies in. Of the keyed digests of all stretches the smallest are kept, of
//! each person some: how many of them are in another history tells how much of the one is in the
//! other (Broder: On the resemblance and containment of documents, 1997).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::trail::Trail;

/// A secret that digests depend on.
#[derive(Clone, Copy)]
pub struct MixKey([u64; 2]);

/// What is known of a history that was asked about, in order of time.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// Of each event, the sum of the digests of all up to it: a longer history that begins so has
    /// the same sum there.
    sums: Vec<u64>,
    /// Digests of stretches, increasing, each once.
    stretches: Vec<u32>,
    /// Of each event its digest.
    trail: Trail,
}

/// Digests of stretches of people whom a model learned from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Members {
    /// How many people.
    people: u32,
    /// Of each person the smallest digests, in the order of people.
    digests: Vec<Vec<u32>>,
}

/// One event, as far as digests need it.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    /// When, in microseconds; the least number for what holds at all times.
    pub time_us: i64,
    /// Of what: the number of the variable, or another number above all of them.
    pub code: u32,
    /// The bits of the value; 0 if there is none.
    pub value: u32,
    /// In which part of its distribution the value lies, if the variable has one.
    pub part: Option<u8>,
}

impl MixKey {
    /// Takes a secret.
    pub fn new(secret: [u8; 16]) -> Self {
        let half = |at: usize| {
            let bytes = secret.iter().skip(at).take(8);
            bytes.fold(0_u64, |number, &byte| number << 8 | u64::from(byte))
        };
        Self([half(0), half(8)])
    }

    /// Digests words: SipHash-2-4 (Aumasson and Bernstein, 2012), over whole words.
    pub fn digest(&self, words: &[u64]) -> u64 {
        let [k0, k1] = self.0;
        let mut v = [
            k0 ^ 0x736f_6d65_7073_6575,
            k1 ^ 0x646f_7261_6e64_6f6d,
            k0 ^ 0x6c79_6765_6e65_7261,
            k1 ^ 0x7465_6462_7974_6573,
        ];
        let last = (words.len() as u64 * 8) << 56;
        for &word in words.iter().chain([&last]) {
            v[3] ^= word;
            sip_round(&mut v);
            sip_round(&mut v);
            v[0] ^= word;
        }
        v[2] ^= 0xff;
        (0..4).for_each(|_| sip_round(&mut v));
        v[0] ^ v[1] ^ v[2] ^ v[3]
    }
}

fn sip_round(v: &mut [u64; 4]) {
    v[0] = v[0].wrapping_add(v[1]);
    v[1] = v[1].rotate_left(13) ^ v[0];
    v[0] = v[0].rotate_left(32);
    v[2] = v[2].wrapping_add(v[3]);
    v[3] = v[3].rotate_left(16) ^ v[2];
    v[0] = v[0].wrapping_add(v[3]);
    v[3] = v[3].rotate_left(21) ^ v[0];
    v[2] = v[2].wrapping_add(v[1]);
    v[1] = v[1].rotate_left(17) ^ v[2];
    v[2] = v[2].rotate_left(32);
}

impl History {
    /// Digests a history; the order in which events of one moment are given does not matter.
    pub fn new(key: &MixKey, mut marks: Vec<Mark>) -> Self {
        marks.sort_by_key(|mark| (mark.time_us, mark.code, mark.value));
        let mut sums = Vec::with_capacity(marks.len());
        let mut sum = 0_u64;
        let mut rows: BTreeMap<u32, Vec<u8>> = BTreeMap::new();
        let mut trail = Trail::default();
        for mark in &marks {
            let words = [mark.time_us as u64, u64::from(mark.code) << 32 | u64::from(mark.value)];
            let digest = key.digest(&words);
            sum = sum.wrapping_add(digest);
            sums.push(sum);
            match mark.time_us {
                i64::MIN => trail.always.push(digest as u32),
                time_us => trail.timed.push((time_us, digest as u32)),
            }
            if let Some(part) = mark.part {
                rows.entry(mark.code).or_default().push(part);
            }
        }
        let mut stretches: Vec<u32> = rows
            .iter()
            .flat_map(|(&code, parts)| {
                parts.windows(STRETCH_LEN).map(move |parts| {
                    let parts = parts.iter().fold(0, |all, &part| all << 8 | u64::from(part));
                    (key.digest(&[u64::from(code), parts]) >> 32) as u32
                })
            })
            .collect();
        stretches.sort_unstable();
        stretches.dedup();
        Self { sums, stretches, trail }
    }

    /// Returns its events, as they are compared one by one.
    pub(crate) fn trail(&self) -> &Trail {
        &self.trail
    }

    /// Returns how many events there are.
    pub fn len(&self) -> usize {
        self.sums.len()
    }

    /// Returns whether there is none.
    pub fn is_empty(&self) -> bool {
        self.sums.is_empty()
    }

    /// Returns the digest of all events.
    pub(crate) fn sum(&self) -> u64 {
        self.sums.last().copied().unwrap_or(0)
    }

    /// Returns whether this is another history that has gone on.
    pub(crate) fn continues(&self, len: u32, sum: u64) -> bool {
        let at = (len as usize).checked_sub(1).and_then(|at| self.sums.get(at));
        at.map_or(len == 0, |&found| found == sum)
    }
}

impl Members {
    /// Keeps what tells people of histories again; fewer digests of each, where there are many
    /// people.
    pub fn new<'a>(histories: impl ExactSizeIterator<Item = &'a History>) -> Self {
        let people = histories.len();
        let each = (DIGEST_COUNT_MAX / people.max(1)).clamp(DIGESTS_EACH_MIN, DIGESTS_EACH_MAX);
        let most = DIGEST_COUNT_MAX / each;
        let digests = histories.take(most).map(|history| {
            let smallest: Vec<u32> = history.stretches.iter().copied().take(each).collect();
            // Whoever has so few stretches is like many others.
            if smallest.len() < SHARED_COUNT_MIN { Vec::new() } else { smallest }
        });
        Self { people: u32::try_from(people).unwrap_or(u32::MAX), digests: digests.collect() }
    }

    /// Returns whether there are digests of anybody.
    pub fn is_empty(&self) -> bool {
        self.digests.iter().all(Vec::is_empty)
    }

    /// Makes what finds people fast.
    pub(crate) fn index(&self) -> MemberIndex {
        let mut people: Vec<(u32, u32)> = (0_u32..)
            .zip(&self.digests)
            .flat_map(|(person, digests)| digests.iter().map(move |&digest| (digest, person)))
            .collect();
        people.sort_unstable();
        let sizes = self.digests.iter().map(|digests| digests.len() as u32).collect();
        let highest = self.digests.iter().map(|it| it.last().copied().unwrap_or(0)).collect();
        MemberIndex { people, sizes, highest }
    }
}

/// Who has which digest.
#[derive(Clone, Debug, Default)]
pub(crate) struct MemberIndex {
    /// Digest and person, increasing.
    people: Vec<(u32, u32)>,
    sizes: Vec<u32>,
    /// The highest digest that is kept of each: what of a history lies above is not compared.
    highest: Vec<u32>,
}

impl MemberIndex {
    /// Returns whose history this one nearly is.
    pub(crate) fn find(&self, history: &History) -> Option<u32> {
        let mut shared: BTreeMap<u32, u32> = BTreeMap::new();
        for &digest in &history.stretches {
            let from = self.people.partition_point(|&(known, _)| known < digest);
            let same = self.people.iter().skip(from).take_while(|&&(known, _)| known == digest);
            for &(_, person) in same.take(COMMON_COUNT_MAX) {
                *shared.entry(person).or_default() += 1;
            }
        }
        let of_them = |&(person, count): &(u32, u32)| {
            let at = person as usize;
            let highest = self.highest.get(at).copied().unwrap_or(0);
            let asked = history.stretches.partition_point(|&digest| digest <= highest) as u32;
            let fewest = self.sizes.get(at).copied().unwrap_or(0).min(asked);
            SHARED_COUNT_MIN as u32 <= count && f64::from(fewest) * SHARED_SHARE <= f64::from(count)
        };
        let best = shared.into_iter().filter(of_them).max_by_key(|&(_, count)| count);
        best.map(|(person, _)| person)
    }
}

/// Three values in a row: two are like those of many, four change with any of them.
const STRETCH_LEN: usize = 3;

/// Some 10 MiB as JSON, of which a document may have 16.
const DIGEST_COUNT_MAX: usize = 800_000;

const DIGESTS_EACH_MIN: usize = 8;

const DIGESTS_EACH_MAX: usize = 32;

/// Fewer in common say nothing.
const SHARED_COUNT_MIN: usize = 5;

/// The share that must be in common: small changes of some values leave more.
const SHARED_SHARE: f64 = 0.5;

/// Of a digest that many people have, some are enough: it tells nobody from anybody.
const COMMON_COUNT_MAX: usize = 64;
