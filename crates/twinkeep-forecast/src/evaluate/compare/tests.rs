//! Comparisons of forecasters whose errors are known.

use super::{Difference, compare};
use crate::testing::{cohort, config, pack};
use crate::{EvaluationPlan, Forecaster, SubjectState, train};
use twinkeep_domain::{Forecast, Timestamp};

/// Says what another says, and something else on top.
struct Off<'a>(&'a dyn Forecaster, f32);

impl Forecaster for Off<'_> {
    fn forecast(&self, state: &SubjectState, now: Timestamp, horizons: &[f32]) -> Forecast {
        let mut forecast = self.0.forecast(state, now, horizons);
        for point in forecast.targets.iter_mut().flat_map(|target| &mut target.points) {
            for quantile in &mut point.quantiles {
                *quantile += self.1;
            }
        }
        forecast
    }

    fn typical(&self, target: usize) -> f32 {
        self.0.typical(target)
    }
}

#[test]
fn who_is_worse_on_everybody_is_found_and_chance_is_not() {
    let pack = pack();
    let plan = EvaluationPlan::of(&pack);
    let model = train(&pack, &config(), &cohort(1, 60), &cohort(2, 40), &mut |_| ()).unwrap();
    let people = cohort(3, 60);
    let against = |new: &dyn Forecaster| compare(&pack, &plan, [new, &model], &people).all;
    let same = against(&model);
    assert_eq!((same.subject_count, same.mean, same.standard_error), (60, 0.0, 0.0));
    assert!(!same.is_worse(0.0, 0.0));
    let off = Off(&model, 30.0);
    let worse = against(&off);
    assert!(worse.is_worse(0.01, 3.0), "{worse:?}");
    let better = compare(&pack, &plan, [&model, &off], &people).all;
    assert!(!better.is_worse(0.0, 0.0));
    assert!((better.mean + worse.mean).abs() < 1e-9, "paired: one is the other turned around");
}

#[test]
fn a_difference_is_the_mean_and_its_standard_error_by_hand() {
    let found = Difference::of(&[1.0, 2.0, 3.0, 6.0]);
    assert_eq!((found.subject_count, found.mean), (4, 3.0));
    // The sum of squares is 4 + 1 + 0 + 9, over 3 and over 4.
    assert!((found.standard_error - (14.0_f64 / 12.0).sqrt()).abs() < 1e-12);
    assert!(found.is_worse(2.9, 2.0) && !found.is_worse(3.1, 2.0) && !found.is_worse(2.9, 3.0));
    assert!(!Difference::of(&[5.0]).is_worse(0.0, 0.0), "of one person nothing follows");
    assert!(!Difference::of(&[]).is_worse(0.0, 0.0));
}
