//! Features as bytes: values are cut into at most 255 bins of about equal size.

/// One feature over all snapshots (or rows), as bins.
pub(crate) struct Column {
    /// A value belongs to the first bin whose cut point is not below it; the last bin has none.
    pub(crate) cuts: Vec<f32>,
    /// The bin of each snapshot; `cuts.len() + 1` where the value is missing.
    pub(crate) bins: Vec<u8>,
}

impl Column {
    /// Bins values by cut points that were found on training data.
    pub(crate) fn new(cuts: Vec<f32>, values: impl Iterator<Item = f32>) -> Self {
        let bins = values.map(|value| bin(&cuts, value)).collect();
        Self { cuts, bins }
    }

    /// Returns the bin of missing values; there are this many others.
    pub(crate) fn missing_bin(&self) -> usize {
        self.cuts.len() + 1
    }
}

/// Returns cut points such that each bin has about as many values; NaN values are passed over.
pub(crate) fn cut_points(values: impl Iterator<Item = f32>, bins_max: usize) -> Vec<f32> {
    let mut sorted: Vec<f32> = values.filter(|value| !value.is_nan()).collect();
    sorted.sort_by(f32::total_cmp);
    let bins_max = bins_max.clamp(2, BIN_COUNT_MAX);
    let mut distinct = sorted.clone();
    distinct.dedup();
    if distinct.len() <= bins_max {
        return distinct.windows(2).map(|pair| between(pair[0], pair[1])).collect();
    }
    let mut cuts: Vec<f32> = Vec::with_capacity(bins_max);
    for bin in 1..bins_max {
        let low = sorted[bin * sorted.len() / bins_max - 1];
        let next = sorted.partition_point(|&value| value <= low);
        if next == sorted.len() {
            break;
        }
        let cut = between(low, sorted[next]);
        if cuts.last().is_none_or(|&last| last < cut) {
            cuts.push(cut);
        }
    }
    cuts
}

fn bin(cuts: &[f32], value: f32) -> u8 {
    let at = if value.is_nan() { cuts.len() + 1 } else { cuts.partition_point(|&cut| cut < value) };
    // `cut_points` makes at most 254 cuts.
    u8::try_from(at).unwrap_or(u8::MAX)
}

/// Returns a number that is at least `low` and less than `high`, near the middle.
fn between(low: f32, high: f32) -> f32 {
    let middle = low + (high - low) / 2.0;
    if low <= middle && middle < high { middle } else { low }
}

/// A bin is a byte, and one is kept for missing values.
const BIN_COUNT_MAX: usize = 255;
