//! How many of many tests may be believed.

/// Returns, for each p-value, whether it is a discovery, such that the expected share of false ones
/// among them is at most `rate`.
///
/// Benjamini and Hochberg: Controlling the false discovery rate, 1995; it holds for independent
/// tests and for those that depend on each other positively (Benjamini and Yekutieli, 2001). If
/// nothing changed at all, the chance of any discovery is at most `rate`: judged daily with a rate
/// of 0.01, there is one in a hundred days.
pub fn benjamini_hochberg(p_values: &[f64], rate: f64) -> Vec<bool> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&one, &other| p_values[one].total_cmp(&p_values[other]));
    let bound = |rank: usize| rate * (rank + 1) as f64 / p_values.len() as f64;
    let last = (0..order.len()).rev().find(|&rank| p_values[order[rank]] <= bound(rank));
    let mut found = vec![false; p_values.len()];
    for &index in order.iter().take(last.map_or(0, |last| last + 1)) {
        found[index] = true;
    }
    found
}
