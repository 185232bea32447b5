//! The loss by which attacks tell what a model knows: the CRPS of a forecast, from its quantiles.

use twinkeep_domain::{ForecastPoint, QUANTILES};

use crate::boost::pinball;

/// Returns twice the pinball losses, each weighted with the range of probabilities that is nearest
/// to its quantile.
pub(super) fn crps(point: &ForecastPoint, value: f32) -> f64 {
    let mut sum = 0.0;
    for (at, (quantile, probability)) in point.quantiles.iter().zip(QUANTILES).enumerate() {
        sum += 2.0 * weight(at) * f64::from(pinball(value - quantile, probability));
    }
    sum
}

fn weight(at: usize) -> f64 {
    let low = at.checked_sub(1).map_or(0.0, |before| middle(before, at));
    let high = if at + 1 < QUANTILES.len() { middle(at, at + 1) } else { 1.0 };
    high - low
}

fn middle(one: usize, other: usize) -> f64 {
    f64::from(QUANTILES[one] + QUANTILES[other]) / 2.0
}

#[cfg(test)]
mod tests {
    use super::{crps, weight};
    use twinkeep_domain::ForecastPoint;

    #[test]
    fn the_weights_add_up_to_all_probabilities() {
        assert!(((0..7).map(weight).sum::<f64>() - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_certain_forecast_costs_its_error() {
        let point =
            ForecastPoint { horizon_hours: 1.0, mean: 3.0, quantiles: [3.0; 7], outer: [3.0; 2] };
        assert!((crps(&point, 5.0) - 2.0).abs() < 0.05);
        assert_eq!(crps(&point, 3.0), 0.0);
    }
}
