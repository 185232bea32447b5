//! What many paths of one subject say together, that no forecast of one moment can say: how low a
//! value will get on the way, and how likely it is that several things come about.

use std::fmt;

use twinkeep_forecast::{Scratch, Simulator};

#[cfg(test)]
mod tests;

/// Something that may come about on a path: that a target is above or below a value at some moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Condition {
    /// The target's place among the value targets of the pack.
    pub target: usize,
    /// Which side of the value.
    pub side: Side,
    /// The value, in the target's unit.
    pub value: f32,
}

/// A side of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Above it.
    Above,
    /// Below it.
    Below,
}

/// What is asked of the paths.
#[derive(Clone, Copy, Debug)]
pub struct PathPlan<'a> {
    /// How many are drawn.
    pub path_count: u32,
    /// How many of them are told one by one.
    pub example_count: usize,
    /// What may come about on them.
    pub conditions: &'a [Condition],
}

/// What the paths say.
#[derive(Clone, PartialEq)]
pub struct Trajectories {
    /// How many were drawn.
    pub path_count: u32,
    /// By value target.
    pub targets: Vec<TargetPaths>,
    /// By window target.
    pub windows: Vec<WindowPaths>,
    /// Share of the paths on which each condition comes about at some moment.
    pub shares: Vec<f32>,
    /// Share of the paths on which all of them come about, each at a moment of its own.
    pub share_of_all: Option<f32>,
    /// The first paths.
    pub examples: Vec<PathExample>,
}

/// How far one target gets on its paths.
#[derive(Clone, Copy, PartialEq)]
pub struct TargetPaths {
    /// Its place among the value targets of the pack.
    pub place: usize,
    /// The lowest value of a path.
    pub lowest: Spread,
    /// The highest.
    pub highest: Spread,
    /// The mean over its moments.
    pub mean: Spread,
}

/// What happens in one window on the paths.
#[derive(Clone, Copy, PartialEq)]
pub struct WindowPaths {
    /// Its place among the window targets of the pack.
    pub place: usize,
    /// The total; of an event, the hours after which it has happened, infinite where it has not.
    pub total: Spread,
    /// Share of the paths on which the event happens.
    pub share: f32,
}

/// Three quantiles over paths: 5 %, the median, and 95 %.
pub type Spread = [f32; 3];

/// One path, while it is there.
#[derive(Clone, Copy)]
pub struct DrawnPath<'a> {
    /// Its number.
    pub number: u64,
    /// [target, horizon], as [`Simulator::path`] draws them.
    pub values: &'a [f32],
    /// A number for each window target.
    pub windows: &'a [f32],
}

/// One path.
#[derive(Clone, PartialEq)]
pub struct PathExample {
    /// Its number.
    pub number: u64,
    /// [target, horizon], as [`Simulator::path`] draws them.
    pub values: Vec<f32>,
    /// A number for each window target.
    pub windows: Vec<f32>,
}

/// Draws paths and says what they say; `drawn` gets every path.
pub fn trajectories<E>(
    simulator: &Simulator<'_>,
    plan: &PathPlan<'_>,
    drawn: &mut dyn FnMut(DrawnPath<'_>) -> Result<(), E>,
) -> Result<Trajectories, E> {
    let places = simulator.targets();
    let row_of = |target: usize| places.iter().position(|&place| place == target);
    let conditions: Vec<(Option<usize>, &Condition)> =
        plan.conditions.iter().map(|one| (row_of(one.target), one)).collect();
    let mut values = vec![0.0; simulator.path_len()];
    let mut windows = vec![0.0; simulator.windows().len()];
    let moments = simulator.path_len().checked_div(places.len()).unwrap_or(0);
    let mut marks = vec![Marks::default(); places.len()];
    let mut outcomes: Vec<Vec<f32>> = vec![Vec::new(); windows.len()];
    let mut met = vec![0_u32; conditions.len()];
    let (mut all_met, mut examples) = (0_u32, Vec::new());
    let mut scratch = Scratch::default();
    for number in 0..u64::from(plan.path_count) {
        simulator.path(number, &mut scratch, &mut values, &mut windows);
        drawn(DrawnPath { number, values: &values, windows: &windows })?;
        for (marks, row) in marks.iter_mut().zip(values.chunks_exact(moments.max(1))) {
            marks.add(row);
        }
        for (outcomes, &outcome) in outcomes.iter_mut().zip(&windows) {
            outcomes.push(outcome);
        }
        let mut all = true;
        for ((row, condition), met) in conditions.iter().zip(&mut met) {
            let row = row.and_then(|row| values.get(row * moments..(row + 1) * moments));
            let comes = row.is_some_and(|row| row.iter().any(|&value| condition.holds(value)));
            *met += u32::from(comes);
            all &= comes;
        }
        all_met += u32::from(all);
        if examples.len() < plan.example_count {
            let (values, windows) = (values.clone(), windows.clone());
            examples.push(PathExample { number, values, windows });
        }
    }
    let share = |count: u32| count as f32 / plan.path_count.max(1) as f32;
    let window = |(place, outcomes): (usize, Vec<f32>)| {
        let happened = outcomes.iter().filter(|outcome| outcome.is_finite()).count();
        WindowPaths { place, share: share(happened as u32), total: spread(outcomes) }
    };
    Ok(Trajectories {
        path_count: plan.path_count,
        targets: places.into_iter().zip(marks).map(|(place, marks)| marks.finish(place)).collect(),
        windows: simulator.windows().into_iter().zip(outcomes).map(window).collect(),
        shares: met.into_iter().map(share).collect(),
        share_of_all: (1 < plan.conditions.len()).then(|| share(all_met)),
        examples,
    })
}

impl Condition {
    fn holds(&self, value: f32) -> bool {
        match self.side {
            Side::Above => self.value < value,
            Side::Below => value < self.value,
        }
    }
}

/// One number a path.
#[derive(Clone, Default)]
struct Marks {
    lowest: Vec<f32>,
    highest: Vec<f32>,
    mean: Vec<f32>,
}

impl Marks {
    fn add(&mut self, row: &[f32]) {
        self.lowest.push(row.iter().copied().fold(f32::INFINITY, f32::min));
        self.highest.push(row.iter().copied().fold(f32::NEG_INFINITY, f32::max));
        self.mean.push(row.iter().sum::<f32>() / row.len().max(1) as f32);
    }

    fn finish(self, place: usize) -> TargetPaths {
        let Self { lowest, highest, mean } = self;
        TargetPaths { place, lowest: spread(lowest), highest: spread(highest), mean: spread(mean) }
    }
}

/// Returns the 5 % quantile, the median, and the 95 % quantile.
fn spread(mut values: Vec<f32>) -> Spread {
    let Some(last) = values.len().checked_sub(1) else { return [f32::NAN; 3] };
    [0.05, 0.5, 0.95].map(|probability: f64| {
        let at = (probability * last as f64).round() as usize;
        *values.select_nth_unstable_by(at.min(last), f32::total_cmp).1
    })
}

impl fmt::Debug for Trajectories {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Trajectories(hidden)")
    }
}

impl fmt::Debug for TargetPaths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TargetPaths(hidden)")
    }
}

impl fmt::Debug for WindowPaths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WindowPaths(hidden)")
    }
}

impl fmt::Debug for DrawnPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DrawnPath(hidden)")
    }
}

impl fmt::Debug for PathExample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PathExample(hidden)")
    }
}
