//! One subject's observations, linked into series, and what surrounds each: its context.
//!
//! The context of an observation is what says how it should be: the same variable before and
//! after, the subject's own level, and the variables that move with it, at the same moment.

use serde::{Deserialize, Serialize};
use twinkeep_domain::Event;

use super::scale::Scale;

/// No such observation.
pub(super) const NONE: u32 = u32::MAX;

/// Variables that a context looks at besides its own.
pub(super) const CORRELATES: usize = 4;

/// Numbers in a context: a constant, seven of the own series, two for each correlate.
pub(super) const FEATURES: usize = 8 + 2 * CORRELATES;

/// How much of a series surrounds an observation; each kind of context has its own model.
pub(super) const STRATA: usize = 4;

/// One value of one variable at one moment.
#[derive(Clone, Copy)]
pub(super) struct Obs {
    /// Which event.
    pub row: u32,
    pub variable: u16,
    /// Hours since the subject's first event; below every time for what holds at all times.
    pub hours: f32,
    /// Robust standard deviations.
    pub z: f32,
    /// The observations of the same variable before and after.
    pub prev: u32,
    pub next: u32,
}

/// What surrounds an observation.
pub(super) struct Context {
    pub stratum: usize,
    pub features: [f32; FEATURES],
    /// How far the neighbors are from each other: where nothing is steady, little is strange.
    pub roughness: f32,
}

/// What a frame must know about a variable.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Lens {
    pub scale: Scale,
    /// The usual hours between two values.
    pub gap_hours: f32,
    pub correlates: [u16; CORRELATES],
}

/// One subject; filled again for the next, so that nothing is allocated anew.
#[derive(Default)]
pub(super) struct Frame {
    pub obs: Vec<Obs>,
    sums: Vec<f32>,
    counts: Vec<u32>,
    latest: Vec<u32>,
}

impl Frame {
    pub(super) fn new(variable_count: usize) -> Self {
        Self {
            obs: Vec::new(),
            sums: vec![0.0; variable_count],
            counts: vec![0; variable_count],
            latest: vec![NONE; variable_count],
        }
    }

    /// Takes the rows of one subject, in the order of time. `rows[0]` is event `base`; where
    /// `left_out` says so, an event is as if it were not there.
    pub(super) fn fill(
        &mut self,
        rows: &[Event],
        base: usize,
        variable_of: &[Option<u16>],
        lenses: &[Lens],
        left_out: impl Fn(usize) -> bool,
    ) {
        self.clear();
        let start = rows.iter().find_map(|event| event.time);
        for (row, event) in (base..).zip(rows) {
            let Some(&Some(variable)) = variable_of.get(event.code as usize) else { continue };
            let Some(value) = event.value.filter(|value| value.is_finite()) else { continue };
            if left_out(row) {
                continue;
            }
            let hours = match (event.time, start) {
                (Some(time), Some(start)) => time.hours_since(start) as f32,
                _ => f32::NEG_INFINITY,
            };
            let at = usize::from(variable);
            let z = lenses[at].scale.apply(value);
            let index = self.obs.len() as u32;
            let prev = self.latest[at];
            if let Some(before) = self.obs.get_mut(prev as usize) {
                before.next = index;
            }
            self.latest[at] = index;
            self.sums[at] += z.clamp(-Z_CLIP, Z_CLIP);
            self.counts[at] += 1;
            self.obs.push(Obs { row: row as u32, variable, hours, z, prev, next: NONE });
        }
    }

    /// Calls `each` for every observation, in order, with its context.
    pub(super) fn contexts(&mut self, lenses: &[Lens], mut each: impl FnMut(&Obs, &Context)) {
        for obs in &self.obs {
            self.latest[usize::from(obs.variable)] = NONE;
        }
        let mut start = 0;
        while let Some(first) = self.obs.get(start) {
            let hours = first.hours;
            let mut end = start;
            while let Some(obs) = self.obs.get(end).filter(|obs| obs.hours == hours) {
                self.latest[usize::from(obs.variable)] = end as u32;
                end += 1;
            }
            for obs in &self.obs[start..end] {
                each(obs, &self.context(obs, &lenses[usize::from(obs.variable)], lenses));
            }
            start = end;
        }
    }

    /// Calls `each` for every variable that the subject has, with the values of its series.
    pub(super) fn series(&self, mut each: impl FnMut(u16, &[f32])) {
        let mut values = Vec::new();
        for first in self.obs.iter().filter(|obs| obs.prev == NONE) {
            values.clear();
            let mut next = Some(first);
            while let Some(obs) = next {
                values.push(obs.z);
                next = self.at(obs.next);
            }
            each(first.variable, &values);
        }
    }

    /// Returns the observation at `index`, if there is one.
    pub(super) fn at(&self, index: u32) -> Option<&Obs> {
        self.obs.get(index as usize)
    }

    fn clear(&mut self) {
        for obs in &self.obs {
            let at = usize::from(obs.variable);
            (self.sums[at], self.counts[at], self.latest[at]) = (0.0, 0, NONE);
        }
        self.obs.clear();
    }

    fn context(&self, obs: &Obs, lens: &Lens, lenses: &[Lens]) -> Context {
        let clip = |obs: &Obs| obs.z.clamp(-Z_CLIP, Z_CLIP);
        let mut features = [0.0; FEATURES];
        features[0] = 1.0;
        let mut roughness = 0.0;
        let (prev, next) = (self.at(obs.prev), self.at(obs.next));
        let near = |other: &Obs| 1.0 / (1.0 + gap(obs, other) / lens.gap_hours);
        let stratum = match (prev, next) {
            (None, None) => 0,
            (Some(one), None) | (None, Some(one)) => {
                let further = if prev.is_some() { one.prev } else { one.next };
                features[1] = clip(one);
                features[3] = clip(self.at(further).unwrap_or(one));
                features[6] = features[1] * near(one);
                roughness = (features[1] - features[3]).abs();
                1
            }
            (Some(prev), Some(next)) => {
                features[1] = clip(prev);
                features[2] = clip(next);
                features[3] = clip(self.at(prev.prev).unwrap_or(prev));
                features[4] = clip(self.at(next.next).unwrap_or(next));
                features[6] = features[1] * near(prev);
                features[7] = features[2] * near(next);
                let steps =
                    [(1, 3), (2, 4), (1, 2)].map(|(a, b)| (features[a] - features[b]).abs());
                roughness = steps.iter().sum::<f32>() / 3.0;
                let far = NEAR_GAPS * lens.gap_hours < gap(obs, prev).max(gap(obs, next));
                2 + usize::from(far)
            }
        };
        let at = usize::from(obs.variable);
        if 1 < self.counts[at] {
            features[5] = (self.sums[at] - clip(obs)) / (self.counts[at] - 1) as f32;
        }
        for (slot, &other) in lens.correlates.iter().enumerate() {
            let Some(&latest) = self.latest.get(usize::from(other)) else { continue };
            let Some(now) = self.at(latest) else { continue };
            let fresh = FRESH_GAPS * lenses[usize::from(other)].gap_hours;
            if fresh < gap(obs, now) {
                continue;
            }
            features[8 + 2 * slot] = clip(now);
            if let Some(before) = self.at(now.prev) {
                features[9 + 2 * slot] = clip(now) - clip(before);
            }
        }
        Context { stratum, features, roughness }
    }
}

/// Hours between two observations; what holds at all times is near to everything.
fn gap(left: &Obs, right: &Obs) -> f32 {
    let gap = (left.hours - right.hours).abs();
    if gap.is_finite() { gap } else { 0.0 }
}

/// One absurd value must not drown the rest of a context.
const Z_CLIP: f32 = 6.0;

/// Neighbors within this many usual gaps are near.
const NEAR_GAPS: f32 = 2.0;

/// A correlate's value is used up to this many of its usual gaps.
const FRESH_GAPS: f32 = 2.0;
