//! How far apart two distributions are, and whether one is the other in another unit.

use twinkeep_domain::Variable;

use crate::profile::Sketch;

/// How far apart two distributions are.
pub(super) struct Distance {
    /// The largest difference between shares below a value (Kolmogorov and Smirnov).
    pub shift: f64,
    /// The population stability index over tenths of the history.
    pub stability: f64,
    pub median_before: f64,
    pub median_now: f64,
}

impl Distance {
    /// Compares two distributions; `None` if one of them is empty.
    pub(super) fn between(known: &Sketch, new: &Sketch) -> Option<Self> {
        let (before, now) = (known.quantiles(&GRID)?, new.quantiles(&GRID)?);
        let shift = shift(known, new, &before, &now)?;
        let middle = GRID.len() / 2;
        let stability = stability(known, new)?;
        Some(Self { shift, stability, median_before: before[middle], median_now: now[middle] })
    }

    pub(super) fn sentence(&self, code: &str) -> String {
        let Self { shift, stability, median_before, median_now } = self;
        format!(
            "the values of `{code}` have moved: median {}, before {}; {:.0} % of them lie elsewhere \
             (stability index {stability:.2})",
            short(*median_now),
            short(*median_before),
            100.0 * shift
        )
    }
}

/// One distribution as the other one in another unit: `factor × value + offset`.
pub(super) struct Slip {
    factor: f64,
    offset: f64,
    /// How far apart they are once it is undone.
    pub rest: f64,
}

impl Slip {
    /// Looks for a factor, or a factor and an offset, that makes the new distribution the old one.
    pub(super) fn between(known: &Sketch, new: &Sketch) -> Option<Self> {
        let (before, now) = (known.quantiles(&QUARTERS)?, new.quantiles(&QUARTERS)?);
        let by_factor = (before[1] != 0.0).then(|| (now[1] / before[1], 0.0));
        let spread = before[2] - before[0];
        let factor = (now[2] - now[0]) / spread;
        let by_both = (0.0 < spread).then(|| (factor, now[1] - factor * before[1]));
        [by_factor, by_both]
            .into_iter()
            .flatten()
            .filter(|(factor, _)| 0.0 < *factor && SLIP_MIN < factor.ln().abs())
            .filter_map(|(factor, offset)| {
                let rest = Self::rest(known, new, factor, offset)?;
                Some(Self { factor, offset, rest })
            })
            .reduce(|best, other| if other.rest + SIMPLER < best.rest { other } else { best })
    }

    fn rest(known: &Sketch, new: &Sketch, factor: f64, offset: f64) -> Option<f64> {
        let now = new.quantiles(&GRID)?;
        let undone: Vec<f64> = now.iter().map(|value| (value - offset) / factor).collect();
        // Where the quantiles of the new one lie in the old one, and should.
        let shares = known.shares_below(&undone)?;
        let apart = GRID.iter().zip(shares).map(|(share, found)| (share - found).abs());
        Some(apart.fold(0.0, f64::max))
    }

    pub(super) fn sentence(&self, code: &str, variable: Option<&Variable>) -> String {
        let unit = variable.map(|variable| variable.unit.as_str()).filter(|unit| *unit != "1");
        let keep = unit.map(|unit| format!(" than {unit}")).unwrap_or_default();
        let offset = if self.offset == 0.0 {
            String::new()
        } else {
            format!(" and {} added", short(self.offset))
        };
        format!(
            "the values of `{code}` look as if they were in another unit{keep}: {} times those \
             before{offset}",
            short(self.factor)
        )
    }
}

/// The largest difference between the shares below a value, over the quantiles of both.
fn shift(known: &Sketch, new: &Sketch, before: &[f64], now: &[f64]) -> Option<f64> {
    let mut values = [before, now].concat();
    values.sort_by(f64::total_cmp);
    let (left, right) = (known.shares_below(&values)?, new.shares_below(&values)?);
    Some(left.iter().zip(right).map(|(left, right)| (left - right).abs()).fold(0.0, f64::max))
}

/// Sum of (new − old) ln(new ÷ old) over tenths of the history, as banks watch their scores.
fn stability(known: &Sketch, new: &Sketch) -> Option<f64> {
    let mut edges = known.quantiles(&TENTHS)?;
    edges.dedup();
    let shares = |sketch: &Sketch| -> Option<Vec<f64>> {
        let below = sketch.shares_below(&edges)?;
        let ends = below.iter().copied().chain([1.0]);
        let starts = [0.0].into_iter().chain(below.iter().copied());
        // A tenth that is empty in one of them would make the sum infinite.
        Some(ends.zip(starts).map(|(end, start)| (end - start).max(SHARE_MIN)).collect())
    };
    let (old, new) = (shares(known)?, shares(new)?);
    Some(old.iter().zip(new).map(|(old, new)| (new - old) * (new / old).ln()).sum())
}

/// Writes a number with three digits that mean something.
fn short(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return value.to_string();
    }
    let digits = (2.0 - value.abs().log10().floor()).clamp(0.0, 12.0) as usize;
    let text = format!("{value:.digits$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// Where distributions are compared.
const GRID: [f64; 39] = {
    let mut grid = [0.0; 39];
    let mut at = 0;
    while at < grid.len() {
        grid[at] = (at + 1) as f64 / 40.0;
        at += 1;
    }
    grid
};

const QUARTERS: [f64; 3] = [0.25, 0.5, 0.75];

const TENTHS: [f64; 9] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9];

/// A share that counts as none.
const SHARE_MIN: f64 = 1e-4;

/// How much closer a factor and an offset must come than a factor alone.
const SIMPLER: f64 = 0.015;

/// The smallest factor between units that matters, as a logarithm: 1.2.
const SLIP_MIN: f64 = 0.182;
