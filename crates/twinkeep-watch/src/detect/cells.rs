//! A grid over numbers, to which they are told apart at once: what lies in an earlier cell is less
//! than what lies in a later one.

/// Cells of one width from a least to a largest number; what lies beside them is in the outer ones.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cells {
    least: f64,
    scale: f64,
    last: usize,
}

impl Cells {
    /// Divides what lies between two numbers.
    pub(super) fn between(least: f64, largest: f64, count: usize) -> Self {
        let scale = count as f64 / (largest - least);
        // No width, or more than a number holds: all of them are in one cell.
        let scale = if scale.is_finite() { scale } else { 0.0 };
        Self { least, scale, last: count.saturating_sub(1) }
    }

    /// Returns in which cell a number lies.
    pub(super) fn of(self, value: f64) -> usize {
        // INVARIANT: a larger number is in no earlier cell: neither step rounds one past another.
        (((value - self.least) * self.scale) as usize).min(self.last)
    }

    /// Returns finite numbers cell by cell, and where each cell ends.
    pub(super) fn group(values: &[f64]) -> (Vec<f64>, Vec<usize>) {
        let (least, largest) = values
            .iter()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |it, &at| (it.0.min(at), it.1.max(at)));
        let count = (values.len() / CELL_VALUES).clamp(1, CELL_COUNT_MAX);
        let cells = Self::between(least, largest, count);
        let mut ends = vec![0; count];
        values.iter().for_each(|&value| ends[cells.of(value)] += 1);
        let mut sum = 0;
        for end in &mut ends {
            // For now, where the cell begins: it grows to its end as the cell is filled.
            (sum, *end) = (sum + *end, sum);
        }
        let mut grouped = vec![0.0; values.len()];
        for &value in values {
            let place = &mut ends[cells.of(value)];
            grouped[*place] = value;
            *place += 1;
        }
        (grouped, ends)
    }
}

/// So many values a cell on average.
const CELL_VALUES: usize = 16;

/// As many cells as stay in the nearest memory while they are filled.
const CELL_COUNT_MAX: usize = 4096;
