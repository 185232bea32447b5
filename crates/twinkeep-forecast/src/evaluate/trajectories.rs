//! Whether paths go together as real lives do: correlations between targets, and over time.
//!
//! Every path is looked at only at the moments at which the real subject was observed, so that a
//! real correlation and a simulated one are of the same subjects and moments. Correlations are of
//! the values themselves, and of their ranks, which a few extreme values do not decide.

use serde::Serialize;
use twinkeep_domain::{Cohort, Event, Pack, Timeline, Timestamp};

use super::EvaluationPlan;
use crate::features::SubjectState;
use crate::simulate::Scratch;
use crate::{CodeMap, Model};

/// How paths compare with what was observed; no personal data.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TrajectoryEvaluation {
    /// Subjects whose paths were drawn.
    pub subject_count: u64,
    /// Paths of each.
    pub path_count: u64,
    /// Pairs of targets that enough subjects have at one moment.
    pub pair_count: u64,
    /// How much of the differences among the correlations of such pairs the paths have: 1 is all.
    pub correlation_r2: Option<f64>,
    /// Mean distance of a simulated correlation from the real one.
    pub correlation_error: Option<f64>,
    /// What it would be if one path of each subject were the truth: on so few subjects, even
    /// paths that are right in everything do not reach 1.
    pub correlation_r2_expected: Option<f64>,
    /// As `correlation_r2`, of ranks.
    pub rank_correlation_r2: Option<f64>,
    /// As `correlation_r2_expected`, of ranks.
    pub rank_correlation_r2_expected: Option<f64>,
    /// As `correlation_error`, of ranks.
    pub rank_correlation_error: Option<f64>,
    /// Mean distance of the correlation of a target with itself, some time later, from the real
    /// one: over all targets and lags that were measured.
    pub autocorrelation_error: Option<f64>,
    /// As `autocorrelation_error`, of ranks.
    pub rank_autocorrelation_error: Option<f64>,
    /// By how much later.
    pub lags: Vec<LagEvaluation>,
    /// The pairs whose correlation is furthest from the real one, by ranks.
    pub worst: Vec<PairEvaluation>,
}

/// How targets hang together with themselves, so much later; means over targets.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LagEvaluation {
    /// How much later.
    pub lag_hours: f32,
    /// How many targets enough subjects have twice, so far apart.
    pub target_count: u64,
    /// The correlation of observed ranks.
    pub real: f64,
    /// The correlation of simulated ranks.
    pub simulated: f64,
    /// Mean distance of the two.
    pub error: f64,
}

/// The correlation of two targets at one moment, by ranks.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PairEvaluation {
    /// One target, ...
    pub one: String,
    /// ... and another.
    pub other: String,
    /// How often both were observed at one moment.
    pub value_count: u64,
    /// The correlation of observed ranks.
    pub real: f64,
    /// The correlation of simulated ranks.
    pub simulated: f64,
}

/// Draws paths of the subjects of a cohort and compares them with what was observed; `None` if
/// the model draws none.
pub fn evaluate_trajectories(
    pack: &Pack,
    plan: &EvaluationPlan<'_>,
    model: &Model,
    held_out: &Cohort,
    seed: u64,
) -> Option<TrajectoryEvaluation> {
    let codes = CodeMap::new(pack, &held_out.codes);
    let stride = held_out.timelines.len().div_ceil(SUBJECT_COUNT_MAX).max(1);
    let timelines = || held_out.timelines.iter().step_by(stride);
    let step = plan.horizon_hours / CELL_COUNT as f32;
    let horizons: Vec<f32> = (1..=CELL_COUNT).map(|cell| cell as f32 * step).collect();
    let target_count = pack.targets().count();
    let mut ranks = Ranks { values: vec![Vec::new(); target_count] };
    for life in timelines().filter_map(|timeline| Life::of(pack, plan, &codes, timeline)) {
        for seen in &life.seen {
            ranks.values[seen.target].push(seen.value);
        }
    }
    ranks.values.iter_mut().for_each(|values| values.sort_unstable_by(f32::total_cmp));
    let bank = model.path_bank(&horizons, seed);
    let mut sums = Sums::new(target_count);
    let (mut scratch, mut subject_count) = (Scratch::default(), 0);
    for life in timelines().filter_map(|timeline| Life::of(pack, plan, &codes, timeline)) {
        let simulator = model.simulator(&bank, &life.state, life.cut, &[])?;
        let mut row_of = vec![None; target_count];
        let drawn = simulator.targets();
        drawn.iter().enumerate().for_each(|(row, &target)| row_of[target] = Some(row));
        let seen: Vec<Seen> =
            life.seen.into_iter().filter(|seen| row_of[seen.target].is_some()).collect();
        if seen.is_empty() {
            continue;
        }
        subject_count += 1;
        let mut points: Vec<Point> = seen.iter().map(|seen| ranks.point(seen)).collect();
        sums.add(&points, REAL);
        let mut values = vec![0.0; simulator.path_len()];
        for path in 0..PATH_COUNT {
            simulator.path(subject_count * PATH_COUNT + path, &mut scratch, &mut values, &mut []);
            for (point, seen) in points.iter_mut().zip(&seen) {
                let row = row_of[seen.target].unwrap_or_default();
                let value = values[row * CELL_COUNT + seen.cell];
                *point = ranks.point(&Seen { value, ..*seen });
            }
            // The last one stands for the truth of the simulation.
            sums.add(&points, if path + 1 == PATH_COUNT { TRUTH } else { SIMULATED });
        }
    }
    Some(sums.finish(pack, subject_count, step))
}

/// What was observed of a subject after the cut.
struct Life {
    state: SubjectState,
    cut: Timestamp,
    seen: Vec<Seen>,
}

#[derive(Clone, Copy)]
struct Seen {
    target: usize,
    cell: usize,
    value: f32,
}

impl Life {
    fn of(
        pack: &Pack,
        plan: &EvaluationPlan<'_>,
        codes: &CodeMap,
        timeline: &Timeline,
    ) -> Option<Self> {
        let start = codes.start(timeline)?;
        let cut = start.plus_hours(f64::from(plan.cut_hours));
        let known =
            timeline.events().partition_point(|event| event.time.is_none_or(|time| time < cut));
        let (past, future) = timeline.events().split_at(known);
        let mut state = SubjectState::new(pack);
        past.iter().for_each(|event| state.apply(codes, event));
        let mut target_of = vec![None; pack.variables().len()];
        for (at, (variable, _)) in pack.targets().enumerate() {
            target_of[variable] = Some(at);
        }
        let row = |event: &Event| {
            let hours = event.time?.hours_since(cut) as f32;
            let target = target_of[codes.variable(event.code)?]?;
            let value = event.value.filter(|value| value.is_finite())?;
            let cell =
                (hours / plan.horizon_hours * CELL_COUNT as f32).ceil().max(1.0) as usize - 1;
            (hours <= plan.horizon_hours && cell < CELL_COUNT).then_some(Seen {
                target,
                cell,
                value,
            })
        };
        let mut seen: Vec<Seen> = future.iter().filter_map(row).collect();
        seen.sort_by_key(|seen| (seen.target, seen.cell));
        seen.dedup_by_key(|seen| (seen.target, seen.cell));
        (!seen.is_empty()).then_some(Self { state, cut, seen })
    }
}

/// The observed values of each target, sorted: they say which rank a value has.
struct Ranks {
    values: Vec<Vec<f32>>,
}

/// A value and its rank.
struct Point {
    target: usize,
    cell: usize,
    both: [f64; 2],
}

impl Ranks {
    fn point(&self, seen: &Seen) -> Point {
        let values = &self.values[seen.target];
        let below = values.partition_point(|&value| value < seen.value);
        let up_to = values.partition_point(|&value| value <= seen.value);
        let rank = (below + up_to) as f64 / (2 * values.len().max(1)) as f64;
        // From the middle: sums of squares of large values lose digits.
        let middle = values.get(values.len() / 2).copied().unwrap_or(0.0);
        let value = f64::from(seen.value) - f64::from(middle);
        Point { target: seen.target, cell: seen.cell, both: [value, rank - 0.5] }
    }
}

/// Sums over pairs, of values and of ranks.
#[derive(Clone, Copy, Default)]
struct Pair {
    count: u64,
    subjects: u64,
    sums: [[f64; 5]; 2],
}

impl Pair {
    fn add(&mut self, one: &Point, other: &Point) {
        self.count += 1;
        for (sums, (x, y)) in self.sums.iter_mut().zip(one.both.into_iter().zip(other.both)) {
            for (sum, part) in sums.iter_mut().zip([x, y, x * x, y * y, x * y]) {
                *sum += part;
            }
        }
    }

    fn correlation(&self, of: usize) -> Option<f64> {
        let count = self.count as f64;
        let [x, y, xx, yy, xy] = self.sums[of];
        let spread = (xx - x * x / count) * (yy - y * y / count);
        (0.0 < spread).then(|| ((xy - x * y / count) / spread.sqrt()).clamp(-1.0, 1.0))
    }
}

struct Sums {
    size: usize,
    /// [kind][row * size + column]: two targets at one moment.
    pairs: [Vec<Pair>; 3],
    /// [kind][target * lags + lag]: one target at two moments.
    lags: [Vec<Pair>; 3],
}

impl Sums {
    fn new(size: usize) -> Self {
        let all = |count: usize| vec![Pair::default(); count];
        Self {
            size,
            pairs: [(); 3].map(|()| all(size * size)),
            lags: [(); 3].map(|()| all(size * LAGS.len())),
        }
    }

    /// Adds the points of one subject, or of one path.
    fn add(&mut self, points: &[Point], kind: usize) {
        let mut touched = Vec::new();
        for (at, one) in points.iter().enumerate() {
            for other in &points[at + 1..] {
                if one.cell == other.cell {
                    let place = one.target * self.size + other.target;
                    self.pairs[kind][place].add(one, other);
                    touched.push(place);
                } else if one.target == other.target {
                    let lag = LAGS.iter().position(|&lag| one.cell + lag == other.cell);
                    if let Some(lag) = lag {
                        self.lags[kind][one.target * LAGS.len() + lag].add(one, other);
                    }
                }
            }
        }
        touched.sort_unstable();
        touched.dedup();
        touched.into_iter().for_each(|place| self.pairs[kind][place].subjects += 1);
    }

    fn finish(&self, pack: &Pack, subject_count: u64, step: f32) -> TrajectoryEvaluation {
        let codes: Vec<&str> = pack.targets().map(|(_, variable)| variable.code.as_str()).collect();
        let [values, ranks] = [0, 1].map(|of| self.matched(REAL, of));
        let [own_values, own_ranks] = [0, 1].map(|of| self.matched(TRUTH, of));
        let mut worst: Vec<PairEvaluation> = ranks
            .iter()
            .map(|&(place, real, simulated)| PairEvaluation {
                one: codes[place / self.size].to_owned(),
                other: codes[place % self.size].to_owned(),
                value_count: self.pairs[0][place].count,
                real,
                simulated,
            })
            .collect();
        let off = |pair: &PairEvaluation| (pair.real - pair.simulated).abs();
        worst.sort_by(|one, other| off(other).total_cmp(&off(one)));
        worst.truncate(WORST_COUNT);
        let [by_value, by_rank] = [0, 1].map(|of| self.lagged(of));
        let mean = |all: &[Vec<(f64, f64)>]| error(&all.concat());
        let lags = LAGS.iter().zip(&by_rank).filter(|(_, found)| !found.is_empty());
        TrajectoryEvaluation {
            subject_count,
            path_count: PATH_COUNT - 1,
            pair_count: ranks.len() as u64,
            correlation_r2: r2(&values),
            correlation_error: error(&bare(&values)),
            correlation_r2_expected: r2(&own_values),
            rank_correlation_r2: r2(&ranks),
            rank_correlation_r2_expected: r2(&own_ranks),
            rank_correlation_error: error(&bare(&ranks)),
            autocorrelation_error: mean(&by_value),
            rank_autocorrelation_error: mean(&by_rank),
            lags: lags.map(|(&lag, found)| lag_evaluation(lag as f32 * step, found)).collect(),
            worst,
        }
    }

    /// Returns place, true, and simulated correlation of each pair that enough subjects have.
    fn matched(&self, truth: usize, of: usize) -> Vec<(usize, f64, f64)> {
        let (real, simulated) = (&self.pairs[truth], &self.pairs[SIMULATED]);
        let enough =
            |pair: &Pair| VALUE_COUNT_MIN <= pair.count && SUBJECT_COUNT_MIN <= pair.subjects;
        (0..real.len())
            .filter(|&place| place / self.size < place % self.size && enough(&real[place]))
            .filter_map(|place| {
                Some((place, real[place].correlation(of)?, simulated[place].correlation(of)?))
            })
            .collect()
    }

    /// Returns, for each lag, real and simulated correlation of each target that has enough.
    fn lagged(&self, of: usize) -> Vec<Vec<(f64, f64)>> {
        let (real, simulated) = (&self.lags[REAL], &self.lags[SIMULATED]);
        let of_lag = |lag: usize| {
            (0..self.size)
                .map(|target| target * LAGS.len() + lag)
                .filter(|&place| VALUE_COUNT_MIN <= real[place].count)
                .filter_map(|place| {
                    real[place].correlation(of).zip(simulated[place].correlation(of))
                })
                .collect()
        };
        (0..LAGS.len()).map(of_lag).collect()
    }
}

fn lag_evaluation(lag_hours: f32, found: &[(f64, f64)]) -> LagEvaluation {
    let count = found.len().max(1) as f64;
    LagEvaluation {
        lag_hours,
        target_count: found.len() as u64,
        real: found.iter().map(|pair| pair.0).sum::<f64>() / count,
        simulated: found.iter().map(|pair| pair.1).sum::<f64>() / count,
        error: error(found).unwrap_or(0.0),
    }
}

fn bare(found: &[(usize, f64, f64)]) -> Vec<(f64, f64)> {
    found.iter().map(|&(_, real, simulated)| (real, simulated)).collect()
}

fn error(found: &[(f64, f64)]) -> Option<f64> {
    let sum: f64 = found.iter().map(|(real, simulated)| (real - simulated).abs()).sum();
    (!found.is_empty()).then(|| sum / found.len() as f64)
}

/// Returns the coefficient of determination; it needs two correlations that differ.
fn r2(found: &[(usize, f64, f64)]) -> Option<f64> {
    let count = found.len() as f64;
    let mean = found.iter().map(|pair| pair.1).sum::<f64>() / count;
    let all: f64 = found.iter().map(|pair| (pair.1 - mean).powi(2)).sum();
    let rest: f64 = found.iter().map(|pair| (pair.1 - pair.2).powi(2)).sum();
    (0.0 < all).then(|| 1.0 - rest / all)
}

/// What pairs are of: lives, paths, and paths that are taken for lives.
const REAL: usize = 0;
const SIMULATED: usize = 1;
const TRUTH: usize = 2;

/// Moments of the horizon that are told apart.
const CELL_COUNT: usize = 24;

/// How much later, in such moments.
const LAGS: [usize; 5] = [1, 2, 4, 8, 16];

/// Paths of each subject, with one that is taken for a life: the noise of the others is then a
/// quarter of that of a life.
const PATH_COUNT: u64 = 17;

/// Most subjects: a correlation of 4,000 is known to a hundredth.
const SUBJECT_COUNT_MAX: usize = 4_000;

/// A correlation of fewer values, or of fewer subjects, is more noise than sign: of 200 subjects it
/// is known to a fifteenth.
const VALUE_COUNT_MIN: u64 = 200;
const SUBJECT_COUNT_MIN: u64 = 200;

/// As many as a person looks at.
const WORST_COUNT: usize = 5;
