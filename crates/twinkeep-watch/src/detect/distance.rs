//! How far two samples, or two distributions, are from each other.

/// Returns the largest difference between the distribution functions of two samples.
///
/// Kolmogorov 1933, Smirnov 1939. 0 if one of the samples is empty.
pub fn kolmogorov_smirnov(one: &[f64], other: &[f64]) -> f64 {
    let mut largest: f64 = 0.0;
    steps(one, other, &mut |_, one, other| largest = largest.max((one - other).abs()));
    largest
}

/// Returns by how much one sample has to be moved, on average, to become the other: the area
/// between their distribution functions.
///
/// The Wasserstein distance of order 1 (Vallender 1974). 0 if one of the samples is empty.
pub fn wasserstein(one: &[f64], other: &[f64]) -> f64 {
    let mut area = 0.0;
    let mut before: Option<(f64, f64)> = None;
    steps(one, other, &mut |at, one, other| {
        if let Some((start, height)) = before {
            area += height * (at - start);
        }
        before = Some((at, (one - other).abs()));
    });
    area
}

/// Returns the population stability index of two distributions over the same bins: the sum of
/// (p - q) ln(p / q). Infinite where a bin is empty in one of them only.
///
/// Siddiqi: Credit risk scorecards, 2006; the symmetric divergence of Jeffreys, 1946.
pub fn population_stability(one: &[f64], other: &[f64]) -> f64 {
    let part = |(&one, &other): (&f64, &f64)| match one == other {
        true => 0.0,
        false => (one - other) * (one / other).ln(),
    };
    one.iter().zip(other).map(part).sum()
}

/// Returns the Jensen-Shannon distance of two distributions over the same bins, from 0 to 1.
///
/// Lin: Divergence measures based on the Shannon entropy, 1991; the root of the divergence in bits
/// is a metric (Endres and Schindelin, 2003).
pub fn jensen_shannon(one: &[f64], other: &[f64]) -> f64 {
    let part = |share: f64, middle: f64| match share == 0.0 {
        true => 0.0,
        false => share * (share / middle).log2(),
    };
    let both = one.iter().zip(other).map(|(&one, &other)| {
        let middle = f64::midpoint(one, other);
        part(one, middle) + part(other, middle)
    });
    (both.sum::<f64>() / 2.0).max(0.0).sqrt()
}

/// Visits every different value of both samples, in order, with both distribution functions there.
fn steps(one: &[f64], other: &[f64], visit: &mut dyn FnMut(f64, f64, f64)) {
    if one.is_empty() || other.is_empty() {
        return;
    }
    let [one, other] = [one, other].map(|sample| {
        let mut sample = sample.to_vec();
        sample.sort_by(f64::total_cmp);
        sample
    });
    let (mut i, mut j) = (0, 0);
    while i < one.len() || j < other.len() {
        let at = match (one.get(i), other.get(j)) {
            (Some(&one), Some(&other)) => one.min(other),
            (Some(&at), None) | (None, Some(&at)) => at,
            (None, None) => return,
        };
        i += one[i..].iter().take_while(|&&value| value <= at).count();
        j += other[j..].iter().take_while(|&&value| value <= at).count();
        visit(at, i as f64 / one.len() as f64, j as f64 / other.len() as f64);
    }
}
