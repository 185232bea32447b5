//! How good probabilities are: ranking, sharpness, and whether they come true.
//!
//! A subject that was lost before a horizon says nothing about it, and those who are lost first
//! are not like the others. So each one that is known counts for those like it that were lost:
//! the inverse of the probability of still being observed (Graf et al., Statistics in Medicine
//! 18:2529, 1999), which is 1 where nobody is lost.

use serde::Serialize;

#[cfg(test)]
mod tests;

/// The measurements of an event at one horizon; no personal data.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EventEvaluation {
    /// Hours after the cut.
    pub horizon_hours: f32,
    /// Subjects of whom it is known whether it had happened by then.
    pub known_count: u64,
    /// Of those, how many it happened to; of an absence, to how many it did not.
    pub event_count: u64,
    /// Share of the subjects to whom it happened: what one would say without looking.
    pub base_rate: Option<f64>,
    /// Mean of the probabilities; as good as the base rate if they are not biased.
    pub probability_mean: Option<f64>,
    /// Probability that of two subjects the one with the event had the higher probability.
    pub auc: Option<f64>,
    /// Share of the subjects of whom the right thing is said, if an event is said to come where its
    /// probability is a half or more.
    pub accuracy: Option<f64>,
    /// That of always saying what happens to more of them.
    pub base_accuracy: Option<f64>,
    /// That of saying that what happened in the time before, as long, happens again.
    pub carry_forward_accuracy: Option<f64>,
    /// That of saying that it will be as in the same time 52 weeks before, of who was observed then.
    pub seasonal_accuracy: Option<f64>,
    /// Mean squared distance from what happened.
    pub brier: Option<f64>,
    /// That of always saying the base rate.
    pub base_brier: Option<f64>,
    /// Mean surprise: the negative logarithm of the probability of what happened.
    pub log_loss: Option<f64>,
    /// That of always saying the base rate.
    pub base_log_loss: Option<f64>,
    /// What was said against what came true, by fifths of the probabilities.
    pub calibration: Vec<CalibrationBin>,
}

/// Subjects of whom about the same was said.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CalibrationBin {
    /// How many.
    pub count: u64,
    /// Mean of the probabilities.
    pub said: f64,
    /// Share to whom it happened.
    pub came_true: f64,
}

/// What was said of one subject, and what became of it.
#[derive(Clone, Debug)]
pub(super) struct Followed {
    /// By horizon.
    pub(super) probabilities: Vec<f32>,
    /// When something happened, and whether it was the event and not a competing cause.
    pub(super) happened: Option<(f32, bool)>,
    /// How long it was observed.
    pub(super) observed_hours: f32,
    /// What simpler guesses say, by horizon: what happened in the time before, and in the same time
    /// a year before if it was observed then.
    pub(super) guesses: Vec<(bool, Option<bool>)>,
}

/// Measures the probabilities of one horizon; `absent` turns what happened around.
pub(super) fn measure(
    all: &[Followed],
    at: usize,
    horizon_hours: f32,
    absent: bool,
) -> EventEvaluation {
    let observed = Observed::new(all);
    let rows: Vec<Row> = all
        .iter()
        .filter_map(|one| {
            let (happened, weight) = observed.outcome(one, horizon_hours)?;
            let probability = f64::from(*one.probabilities.get(at)?).clamp(0.0, 1.0);
            let (before, season) = one.guesses.get(at).copied().unwrap_or_default();
            Some(Row {
                probability,
                happened: happened != absent,
                weight,
                before: before != absent,
                season: season.map(|season| season != absent),
            })
        })
        .collect();
    summarize(rows, horizon_hours)
}

#[derive(Clone, Copy)]
struct Row {
    probability: f64,
    happened: bool,
    weight: f64,
    before: bool,
    season: Option<bool>,
}

fn summarize(mut rows: Vec<Row>, horizon_hours: f32) -> EventEvaluation {
    rows.sort_by(|one, other| one.probability.total_cmp(&other.probability));
    let all: f64 = rows.iter().map(|row| row.weight).sum();
    let mean = |of: &dyn Fn(&Row) -> f64| {
        let sum: f64 = rows.iter().map(|row| row.weight * of(row)).sum();
        (!rows.is_empty() && 0.0 < all).then(|| sum / all)
    };
    let yes = |row: &Row| f64::from(u8::from(row.happened));
    let base = mean(&yes);
    let surprise = |probability: f64, row: &Row| {
        let right = if row.happened { probability } else { 1.0 - probability };
        -right.max(PROBABILITY_MIN).ln()
    };
    let right =
        |of: &dyn Fn(&Row) -> bool| mean(&|row| f64::from(u8::from(of(row) == row.happened)));
    let seasonal: Vec<(&Row, bool)> =
        rows.iter().filter_map(|row| Some((row, row.season?))).collect();
    let observed: f64 = seasonal.iter().map(|(row, _)| row.weight).sum();
    let came: f64 = seasonal
        .iter()
        .filter(|(row, season)| *season == row.happened)
        .map(|(row, _)| row.weight)
        .sum();
    EventEvaluation {
        horizon_hours,
        known_count: rows.len() as u64,
        event_count: rows.iter().filter(|row| row.happened).count() as u64,
        base_rate: base,
        probability_mean: mean(&|row| row.probability),
        auc: auc(&rows),
        accuracy: right(&|row| 0.5 <= row.probability),
        base_accuracy: base.map(|base| base.max(1.0 - base)),
        carry_forward_accuracy: right(&|row| row.before),
        seasonal_accuracy: (0.0 < observed).then(|| came / observed),
        brier: mean(&|row| (row.probability - yes(row)).powi(2)),
        base_brier: base.map(|base| base * (1.0 - base)),
        log_loss: mean(&|row| surprise(row.probability, row)),
        base_log_loss: base.and_then(|base| mean(&|row| surprise(base, row))),
        calibration: calibration(&rows),
    }
}

/// Rows must be by increasing probability; equal ones count half.
fn auc(rows: &[Row]) -> Option<f64> {
    let (mut below, mut pairs) = (0.0, 0.0);
    for same in rows.chunk_by(|one, other| one.probability == other.probability) {
        let sum = |happened: bool| -> f64 {
            same.iter().filter(|row| row.happened == happened).map(|row| row.weight).sum()
        };
        let (yes, no) = (sum(true), sum(false));
        pairs += yes * (below + no / 2.0);
        below += no;
    }
    let yes: f64 = rows.iter().filter(|row| row.happened).map(|row| row.weight).sum();
    (0.0 < yes * below).then(|| pairs / (yes * below))
}

fn calibration(rows: &[Row]) -> Vec<CalibrationBin> {
    let size = rows.len().div_ceil(BIN_COUNT).max(BIN_SIZE_MIN);
    let bin = |part: &[Row]| {
        let all: f64 = part.iter().map(|row| row.weight).sum();
        let mean =
            |of: fn(&Row) -> f64| part.iter().map(|row| row.weight * of(row)).sum::<f64>() / all;
        CalibrationBin {
            count: part.len() as u64,
            said: mean(|row| row.probability),
            came_true: mean(|row| f64::from(u8::from(row.happened))),
        }
    };
    // A last part that is too small would point at people.
    rows.chunks(size).filter(|part| BIN_SIZE_MIN <= part.len()).map(bin).collect()
}

/// The Kaplan-Meier estimate of still being observed.
struct Observed {
    /// By increasing time: the probability of being observed after it.
    steps: Vec<(f32, f64)>,
}

impl Observed {
    fn new(all: &[Followed]) -> Self {
        let mut ends: Vec<(f32, bool)> = all
            .iter()
            .map(|one| match one.happened {
                Some((hours, _)) => (hours, false),
                None => (one.observed_hours, true),
            })
            .collect();
        // What happens at the moment of a loss is known: it comes first.
        ends.sort_by(|one, other| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1)));
        let (mut steps, mut share, mut left) = (Vec::new(), 1.0, ends.len() as f64);
        for (hours, lost) in ends {
            if lost {
                share *= (left - 1.0) / left;
                steps.push((hours, share));
            }
            left -= 1.0;
        }
        Self { steps }
    }

    /// Returns whether it happened by a horizon, and how many subjects this one stands for; `None`
    /// if it is not known.
    fn outcome(&self, one: &Followed, horizon_hours: f32) -> Option<(bool, f64)> {
        match one.happened {
            Some((hours, own)) if hours <= horizon_hours => {
                Some((own, 1.0 / self.share(|end| end < hours).max(SHARE_MIN)))
            }
            None if one.observed_hours < horizon_hours => None,
            _ => Some((false, 1.0 / self.share(|end| end < horizon_hours).max(SHARE_MIN))),
        }
    }

    fn share(&self, before: impl Fn(f32) -> bool) -> f64 {
        let count = self.steps.partition_point(|step| before(step.0));
        count.checked_sub(1).map_or(1.0, |at| self.steps[at].1)
    }
}

/// Fifths: with more, each has too few subjects to say what came true.
const BIN_COUNT: usize = 5;

/// Fewer subjects say nothing, and what is said of them could be about one.
const BIN_SIZE_MIN: usize = 10;

/// Nobody stands for more than twenty others.
const SHARE_MIN: f64 = 0.05;

/// One certain and wrong answer must not hide all others.
const PROBABILITY_MIN: f64 = 1e-6;
