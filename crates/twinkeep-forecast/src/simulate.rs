//! Paths: what may happen to all targets together, as often as it is likely.
//!
//! A path gives each target a value at each moment. Over many paths the values of one moment are
//! spread as its calibrated forecast says, and values of different moments and targets go together
//! as [`crate::dependence`] learned. The values of a path are drawn as scores, which each
//! forecast's own curve turns into values.
//!
//! # Invariants
//!
//! - A path depends on the forecast, the seed, and its number: not on how many are drawn, in which
//!   order, by how many threads, or which targets are asked for.

use twinkeep_domain::{Basis, EventPoint, Forecast, Range, Timestamp, WindowAnswer, WindowKind};

use crate::curve::{BEND_COUNT, Curve};
use crate::dependence::{MEMORIES, Part, correlation};
use crate::features::SubjectState;
use crate::model::Model;
use crate::normal::{KNOTS, score};
use crate::random::{bits, mix};

#[cfg(test)]
mod tests;

/// Draws paths of one subject.
pub struct Simulator<'a> {
    forecast: Forecast,
    parts: &'a [Part],
    targets: Vec<Target>,
    windows: Vec<Window>,
    bank: &'a PathBank,
}

/// Standard paths at some moments, of which the paths of any subject are put together.
pub struct PathBank {
    horizons: Vec<f32>,
    /// Moments, in blocks of [`LANES`].
    block_count: usize,
    /// Standard paths of each part: [part][row][block].
    blocks: Vec<Block>,
    seed: u64,
}

/// A value target that is drawn.
struct Target {
    /// Its place among the targets of the pack.
    place: usize,
    /// How much of each factor it has, and of each part for itself.
    loadings: Vec<f32>,
    own: [f32; MEMORIES.len()],
    /// [block][bend]
    bends: Vec<[Block; BEND_COUNT]>,
    range: Range,
    /// The only values there are; empty if all are.
    values: Vec<f32>,
}

/// A window target that is drawn.
struct Window {
    /// Its place among the window targets of the pack.
    place: usize,
    /// Its place among all targets.
    component: usize,
    kind: WindowDraw,
}

enum WindowDraw {
    Total {
        curve: [f32; BEND_COUNT],
        whole: bool,
    },
    /// The scores below which it happens by each horizon, and those horizons.
    Event(Vec<(f32, f32)>),
}

/// What a thread needs to draw paths.
#[derive(Default)]
pub struct Scratch {
    /// The factors of this path: [block][factor].
    factors: Vec<Block>,
}

impl Model {
    /// Draws what the paths of all subjects are made of.
    ///
    /// Horizons are put in order, and those that nothing was learned about left out, as in
    /// [`Model::forecast`].
    pub fn path_bank(&self, horizons_hours: &[f32], seed: u64) -> PathBank {
        let limit = self.pack.forecast().horizon_hours;
        let mut horizons: Vec<f32> =
            horizons_hours.iter().copied().filter(|hours| (0.0..=limit).contains(hours)).collect();
        horizons.sort_by(f32::total_cmp);
        let block_count = horizons.len().div_ceil(LANES);
        let blocks = draw_bank(seed, &horizons, limit);
        PathBank { horizons, block_count, blocks, seed }
    }

    /// Returns what draws paths of a subject; `None` if the model never learned how its targets
    /// hang together.
    ///
    /// Only targets whose code is `wanted` are drawn; all, if none is.
    pub fn simulator<'a>(
        &'a self,
        bank: &'a PathBank,
        state: &SubjectState,
        prediction_time: Timestamp,
        wanted: &[&str],
    ) -> Option<Simulator<'a>> {
        let dependence = &self.dependence;
        if !dependence.is_known() {
            return None;
        }
        let forecast = self.forecast(state, prediction_time, &bank.horizons);
        let mut simulator = Simulator {
            targets: Vec::new(),
            windows: Vec::new(),
            parts: &dependence.parts,
            bank,
            forecast,
        };
        let is_wanted = |code: &str| wanted.is_empty() || wanted.contains(&code);
        for (place, answer) in simulator.forecast.targets.iter().enumerate() {
            if is_wanted(answer.code.as_str()) && !answer.points.is_empty() {
                let variable = &self.pack.variables()[self.targets[place].variable];
                let curves: Vec<Curve> =
                    answer.points.iter().map(|point| Curve::of(point, variable.range)).collect();
                let parts = &dependence.parts;
                let mut own = [0.0; MEMORIES.len()];
                parts.iter().zip(&mut own).for_each(|(part, own)| *own = part.own[place]);
                simulator.targets.push(Target {
                    place,
                    loadings: parts.iter().flat_map(|part| part.of(place)).copied().collect(),
                    own,
                    bends: blocks(&curves, bank.block_count),
                    range: variable.range,
                    values: variable.rules.values.clone(),
                });
            }
        }
        let kinds = self.pack.windows().iter().zip(&simulator.forecast.windows);
        for (place, (target, answer)) in kinds.enumerate() {
            let kind = match &answer.answer {
                _ if !is_wanted(target.code.as_str()) || answer.basis == Basis::AlreadyHappened => {
                    continue;
                }
                WindowAnswer::None => continue,
                WindowAnswer::Total(point) => WindowDraw::Total {
                    curve: Curve::of(point, NOT_NEGATIVE).bends(),
                    whole: matches!(target.kind, WindowKind::Count(_)),
                },
                WindowAnswer::Event(points) => {
                    let absent = matches!(&target.kind, WindowKind::Event(plan) if plan.absent);
                    WindowDraw::Event(thresholds(points, absent))
                }
            };
            let component = self.targets.len() + place;
            simulator.windows.push(Window { place, component, kind });
        }
        Some(simulator)
    }
}

impl Simulator<'_> {
    /// Returns the forecast whose paths are drawn.
    pub fn forecast(&self) -> &Forecast {
        &self.forecast
    }

    /// Returns the places of the value targets that are drawn among those of the pack.
    pub fn targets(&self) -> Vec<usize> {
        self.targets.iter().map(|target| target.place).collect()
    }

    /// Returns the places of the window targets that are drawn among those of the pack.
    pub fn windows(&self) -> Vec<usize> {
        self.windows.iter().map(|window| window.place).collect()
    }

    /// Returns how many values a path has: of each target, one a horizon.
    pub fn path_len(&self) -> usize {
        self.targets.len() * self.bank.horizons.len()
    }

    /// Draws one path: `values` are [target, horizon]; `windows` have a number for each window
    /// target: a total, or after how many hours the event has happened, infinite if it has not.
    ///
    /// Values beyond the length of a slice are not drawn.
    pub fn path(
        &self,
        number: u64,
        scratch: &mut Scratch,
        values: &mut [f32],
        windows: &mut [f32],
    ) {
        let draw = bits(self.bank.seed, [PATH_DRAW, number, 0]);
        self.draw_factors(draw, scratch);
        if !self.bank.horizons.is_empty() {
            let rows = values.chunks_exact_mut(self.bank.horizons.len());
            for (target, out) in self.targets.iter().zip(rows) {
                self.draw_target(draw, scratch, target, out);
            }
        }
        for (window, out) in self.windows.iter().zip(windows) {
            *out = window.outcome(self.lasting_score(draw, window.component));
        }
    }

    /// Gathers the factors of a path, each a standard path of its part, or its mirror image.
    fn draw_factors(&self, draw: u64, scratch: &mut Scratch) {
        let count: usize = self.parts.iter().map(|part| part.factor_count).sum();
        scratch.factors.clear();
        scratch.factors.resize(count * self.bank.block_count, [0.0; LANES]);
        let mut factor = 0;
        for (at, part) in self.parts.iter().enumerate() {
            for number in 0..part.factor_count {
                let (row, sign) = self.bank.pick(draw, at, number as u64);
                let places = scratch.factors.iter_mut().skip(factor).step_by(count);
                for (place, block) in places.zip(row) {
                    *place = block.map(|value| sign * value);
                }
                factor += 1;
            }
        }
    }

    fn draw_target(&self, draw: u64, scratch: &Scratch, target: &Target, out: &mut [f32]) {
        let mut own: [(&[Block], f32); MEMORIES.len()] = [(&[], 0.0); MEMORIES.len()];
        for (at, (own, weight)) in own.iter_mut().zip(target.own).enumerate() {
            let (row, sign) = self.bank.pick(draw, at, own_number(target.place));
            *own = (row, sign * weight);
        }
        let width = target.loadings.len();
        for (block, out) in out.chunks_mut(LANES).enumerate() {
            let mut scores = [0.0; LANES];
            for (row, weight) in &own {
                add(&mut scores, &row[block], *weight);
            }
            let factors = &scratch.factors[block * width..][..width];
            for (row, &weight) in factors.iter().zip(&target.loadings) {
                add(&mut scores, row, weight);
            }
            let values = target.values_of(block, &scores);
            out.copy_from_slice(&values[..out.len()]);
        }
        if !target.values.is_empty() {
            out.iter_mut().for_each(|value| *value = nearest(&target.values, *value));
        }
    }

    /// Returns the score of a target that only has the part that never fades.
    fn lasting_score(&self, draw: u64, component: usize) -> f32 {
        let Some(part) = self.parts.first() else { return 0.0 };
        let one = |number: u64| {
            let (row, sign) = row_of(draw, 0, number);
            sign * self.bank.lasting(row)
        };
        let common: f32 =
            part.of(component).iter().zip(0..).map(|(weight, number)| weight * one(number)).sum();
        common + part.own[component] * one(own_number(component))
    }
}

impl PathBank {
    /// Returns the moments, in order.
    pub fn horizons(&self) -> &[f32] {
        &self.horizons
    }

    /// Returns the number that a row of the part that never fades repeats.
    fn lasting(&self, row: usize) -> f32 {
        self.blocks.get(row * self.block_count.max(1)).map_or(0.0, |block| block[0])
    }

    fn pick(&self, draw: u64, part: usize, number: u64) -> (&[Block], f32) {
        let (row, sign) = row_of(draw, part, number);
        let from = (part * ROW_COUNT + row) * self.block_count.max(1);
        (&self.blocks[from..from + self.block_count], sign)
    }
}

/// Returns which row of a part's bank is drawn, and whether its mirror image.
fn row_of(draw: u64, part: usize, number: u64) -> (usize, f32) {
    let place = (number << 3) + part as u64;
    let bits = mix(draw.wrapping_add(place.wrapping_mul(GOLDEN)));
    ((bits as usize) % ROW_COUNT, if bits >> 63 == 0 { 1.0 } else { -1.0 })
}

impl Target {
    fn values_of(&self, block: usize, scores: &Block) -> Block {
        let bends = &self.bends[block];
        let mut values = [0.0; LANES];
        for lane in 0..LANES {
            values[lane] = bends[0][lane] + bends[1][lane] * scores[lane];
        }
        for (bend, knot) in bends[2..].iter().zip(KNOTS) {
            for lane in 0..LANES {
                values[lane] += bend[lane] * (scores[lane] - knot).max(0.0);
            }
        }
        values.map(|value| value.clamp(self.range.low, self.range.high))
    }
}

impl Window {
    fn outcome(&self, score: f32) -> f32 {
        match &self.kind {
            WindowDraw::Total { curve, whole } => {
                let mut value = curve[0] + curve[1] * score;
                for (bend, knot) in curve[2..].iter().zip(KNOTS) {
                    value += bend * (score - knot).max(0.0);
                }
                let value = value.max(0.0);
                if *whole { value.round() } else { value }
            }
            WindowDraw::Event(thresholds) => thresholds
                .iter()
                .find(|(threshold, _)| score < *threshold)
                .map_or(f32::INFINITY, |&(_, hours)| hours),
        }
    }
}

/// Returns the scores below which the event has happened by each horizon.
fn thresholds(points: &[EventPoint], absent: bool) -> Vec<(f32, f32)> {
    let of = |point: &EventPoint| {
        let probability = if absent { 1.0 - point.probability } else { point.probability };
        (score(f64::from(probability).clamp(0.0, 1.0)) as f32, point.horizon_hours)
    };
    points.iter().map(of).collect()
}

fn add(scores: &mut Block, row: &Block, weight: f32) {
    for (score, value) in scores.iter_mut().zip(row) {
        *score += weight * value;
    }
}

fn nearest(values: &[f32], wanted: f32) -> f32 {
    let near = |value: &f32| (value - wanted).abs();
    let found = values.iter().copied().min_by(|one, other| near(one).total_cmp(&near(other)));
    found.unwrap_or(wanted)
}

/// Puts the curves of a target beside each other; the last one fills the last block.
fn blocks(curves: &[Curve], block_count: usize) -> Vec<[Block; BEND_COUNT]> {
    let bends: Vec<[f32; BEND_COUNT]> = curves.iter().map(Curve::bends).collect();
    let of = |block: usize| {
        let mut out = [[0.0; LANES]; BEND_COUNT];
        for lane in 0..LANES {
            let Some(curve) = bends.get(block * LANES + lane).or(bends.last()) else { continue };
            for (row, &bend) in out.iter_mut().zip(curve) {
                row[lane] = bend;
            }
        }
        out
    };
    (0..block_count).map(of).collect()
}

/// Draws the standard paths of every part: mean 0, variance 1, and the memory of the part.
fn draw_bank(seed: u64, horizons: &[f32], limit: f32) -> Vec<Block> {
    let blocks = horizons.len().div_ceil(LANES).max(1);
    let mut bank = vec![[0.0; LANES]; MEMORIES.len() * ROW_COUNT * blocks];
    for (part, (&memory, rows)) in
        MEMORIES.iter().zip(bank.chunks_exact_mut(ROW_COUNT * blocks)).enumerate()
    {
        let keep: Vec<f32> = (0..blocks * LANES)
            .map(|at| match (horizons.get(at), at.checked_sub(1).and_then(|at| horizons.get(at))) {
                (Some(&now), Some(&before)) => correlation(memory, (now - before) / limit),
                _ if memory.is_infinite() => 1.0,
                _ => 0.0,
            })
            .collect();
        for (number, row) in rows.chunks_exact_mut(blocks).enumerate() {
            let draw = bits(seed, [BANK_DRAW, part as u64, number as u64]);
            let mut before = 0.0;
            for (at, value) in row.as_flattened_mut().iter_mut().enumerate() {
                let keep = if at == 0 { 0.0 } else { keep[at] };
                let place = mix(draw.wrapping_add((at as u64).wrapping_mul(GOLDEN)));
                // In the middle of one of 2^32 equal parts: never 0 or 1.
                let uniform = ((place >> 32) as f64 + 0.5) / 4_294_967_296.0;
                *value = keep * before + (1.0 - keep * keep).sqrt() * score(uniform) as f32;
                before = *value;
            }
        }
        let width = blocks * LANES;
        for at in 0..width {
            let squares: f32 =
                rows.as_flattened().iter().skip(at).step_by(width).map(|value| value * value).sum();
            let scale = (ROW_COUNT as f32 / squares.max(f32::MIN_POSITIVE)).sqrt();
            rows.as_flattened_mut().iter_mut().skip(at).step_by(width).for_each(|v| *v *= scale);
        }
    }
    bank
}

/// Returns the number of the draw that a target has for itself; factors have the numbers below.
fn own_number(component: usize) -> u64 {
    OWN_FROM + component as u64
}

impl std::fmt::Debug for Simulator<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Simulator(hidden)")
    }
}

impl std::fmt::Debug for PathBank {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PathBank({} moments)", self.horizons.len())
    }
}

impl std::fmt::Debug for Scratch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Scratch(hidden)")
    }
}

/// Times that are computed side by side: two registers of any processor.
const LANES: usize = 8;
type Block = [f32; LANES];

/// Standard paths of each part. A path combines dozens of them, so none repeats; the correlation
/// of two moments is that of this many draws: known to two hundredths.
const ROW_COUNT: usize = 2_048;

/// Totals have no other limit.
const NOT_NEGATIVE: Range = Range { low: 0.0, high: f32::MAX };

/// The draws of targets come after those of factors.
const OWN_FROM: u64 = 1 << 20;

/// What a pseudo-random choice is about.
const PATH_DRAW: u64 = 11;
const BANK_DRAW: u64 = 12;

/// Steps of a sequence that fills all bits evenly (SplitMix64).
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
