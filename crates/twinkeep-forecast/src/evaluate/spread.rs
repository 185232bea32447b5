//! How much each target varies in training: what DT-GPT divides errors by, so that targets of
//! different units can be put side by side.

use twinkeep_domain::{Cohort, Pack};

use crate::CodeMap;

/// Returns the standard deviation of each target's values in the training split, in the pack's
/// order, after two rounds in which values farther than three deviations from the mean are left
/// out (the definition of DT-GPT, npj Digital Medicine 8:588).
///
/// `None` where there are fewer than two values or all are the same.
pub fn training_spreads(pack: &Pack, train: &Cohort) -> Vec<Option<f32>> {
    let codes = CodeMap::new(pack, &train.codes);
    let mut values: Vec<Vec<f32>> = vec![Vec::new(); pack.variables().len()];
    for event in train.timelines.iter().flat_map(|timeline| timeline.events()) {
        let variable = codes.variable(event.code).filter(|_| event.time.is_some());
        if let (Some(variable), Some(value)) = (variable, event.value)
            && value.is_finite()
        {
            values[variable].push(value);
        }
    }
    let spread = |variable: usize| filtered_deviation(&values[variable]).map(|it| it as f32);
    pack.targets().map(|(variable, _)| spread(variable)).collect()
}

fn filtered_deviation(values: &[f32]) -> Option<f64> {
    let (mut mean, mut deviation) = moments(values, |_| true)?;
    for _ in 0..ROUNDS {
        let limit = FAR * deviation;
        (mean, deviation) = moments(values, |value| (value - mean).abs() <= limit)?;
    }
    (0.0 < deviation).then_some(deviation)
}

/// Returns mean and standard deviation of the values that are kept, if there are two.
fn moments(values: &[f32], kept: impl Fn(f64) -> bool) -> Option<(f64, f64)> {
    let kept = || values.iter().map(|&value| f64::from(value)).filter(|&value| kept(value));
    let count = kept().count();
    let mean = kept().sum::<f64>() / count as f64;
    let squares: f64 = kept().map(|value| (value - mean).powi(2)).sum();
    (2 <= count).then(|| (mean, (squares / count as f64).sqrt()))
}

/// How often values that are far off are left out, and what is far.
const ROUNDS: usize = 2;
const FAR: f64 = 3.0;

#[cfg(test)]
mod tests {
    use super::filtered_deviation;

    #[test]
    fn values_that_are_far_off_do_not_stretch_the_scale() {
        // 1000 values of deviation 1, one of 50, and one of 10,000, which hides the 50 at first.
        let mut values: Vec<f32> =
            (0..1000).map(|at| if at % 2 == 0 { 1.0 } else { -1.0 }).collect();
        values.extend([50.0, 10_000.0]);
        let found = filtered_deviation(&values).unwrap();
        assert!((found - 1.0).abs() < 1e-9, "{found}");
    }

    #[test]
    fn where_nothing_varies_there_is_no_scale() {
        assert_eq!(filtered_deviation(&[]), None);
        assert_eq!(filtered_deviation(&[3.0]), None);
        assert_eq!(filtered_deviation(&[3.0; 9]), None);
    }
}
