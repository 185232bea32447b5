//! Summaries of many values, and of many subjects, that merge and stay small.

use datasketches::hll::{HllSketch, HllType, HllUnion};
use datasketches::tdigest::TDigestMut;
use twinkeep_domain::Subject;

/// Many values: how many, their sum, and their quantiles.
#[derive(Clone, Debug, Default)]
pub struct Sketch {
    digest: Option<TDigestMut>,
    sum: f64,
}

impl Sketch {
    /// Adds a value; what is not finite is passed over.
    pub fn add(&mut self, value: f64) {
        if !value.is_finite() {
            return;
        }
        if self.digest.is_none() {
            self.digest = TDigestMut::new(COMPRESSION).ok();
        }
        if let Some(digest) = &mut self.digest {
            digest.update(value);
            self.sum += value;
        }
    }

    /// Adds the values of another one.
    pub fn merge(&mut self, other: &Self) {
        match (&mut self.digest, &other.digest) {
            (Some(digest), Some(more)) => digest.merge(more),
            (None, Some(more)) => self.digest = Some(more.clone()),
            (_, None) => {}
        }
        self.sum += other.sum;
    }

    /// Returns how many values there are.
    pub fn count(&self) -> u64 {
        self.digest.as_ref().map_or(0, TDigestMut::total_weight)
    }

    /// Returns the mean; `None` if there are no values.
    pub fn mean(&self) -> Option<f64> {
        (0 < self.count()).then(|| self.sum / self.count() as f64)
    }

    /// Returns the smallest and the largest value.
    pub fn range(&self) -> Option<(f64, f64)> {
        let digest = self.digest.as_ref()?;
        digest.min_value().zip(digest.max_value())
    }

    /// Returns the values below which these shares of all lie.
    pub fn quantiles(&self, shares: &[f64]) -> Option<Vec<f64>> {
        self.digest.clone()?.quantiles(shares).ok()?
    }

    /// Returns which share of the values lies below each of these, which increase; a value that is
    /// met counts half.
    pub fn shares_below(&self, values: &[f64]) -> Option<Vec<f64>> {
        let mut digest = self.digest.clone()?;
        values.iter().map(|&value| digest.rank(value).ok()?).collect()
    }

    pub(super) fn to_parts(&self) -> (Vec<u8>, f64) {
        (self.digest.clone().map(|mut digest| digest.serialize()).unwrap_or_default(), self.sum)
    }

    pub(super) fn from_parts(digest: &[u8], sum: f64) -> Option<Self> {
        if digest.is_empty() {
            return Some(Self::default());
        }
        Some(Self { digest: Some(TDigestMut::deserialize(digest).ok()?), sum })
    }
}

/// Many subjects: how many different ones, within a few percent.
#[derive(Clone, Debug, Default)]
pub struct Distinct(Option<HllSketch>);

impl Distinct {
    /// Adds a subject.
    pub fn add(&mut self, subject: Subject) {
        if self.0.is_none() {
            self.0 = HllSketch::new(REGISTERS_LOG2, HllType::Hll8).ok();
        }
        if let Some(sketch) = &mut self.0 {
            sketch.update(subject.reveal());
        }
    }

    /// Adds the subjects of another one.
    pub fn merge(&mut self, other: &Self) {
        let Some(more) = &other.0 else { return };
        let union = HllUnion::new(REGISTERS_LOG2).map(|mut union| {
            union.update(more);
            if let Some(sketch) = &self.0 {
                union.update(sketch);
            }
            union.to_sketch(HllType::Hll8)
        });
        self.0 = union.ok().or_else(|| self.0.take());
    }

    /// Returns about how many there are.
    pub fn count(&self) -> f64 {
        self.0.as_ref().map_or(0.0, HllSketch::estimate)
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        self.0.as_ref().map(HllSketch::serialize).unwrap_or_default()
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if bytes.is_empty() {
            return Some(Self::default());
        }
        HllSketch::deserialize(bytes).ok().map(|sketch| Self(Some(sketch)))
    }
}

/// Quantiles in the middle are right within 1 %, and far better at the ends.
const COMPRESSION: u16 = 100;

/// 1,024 registers: right within 3 %.
const REGISTERS_LOG2: u8 = 10;
