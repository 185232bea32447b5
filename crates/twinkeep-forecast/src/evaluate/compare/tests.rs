//! Comparisons of forecasters whose errors are known.

use std::collections::BTreeMap;

use super::{Differences, Errors, groups_of};
use crate::testing::{cohort, config, pack};
use crate::{EvaluationPlan, Forecaster, SubjectState, train};
use twinkeep_domain::{Forecast, Subject, Timestamp};

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
fn who_is_worse_on_everybody_is_worse_for_each_of_them() {
    let pack = pack();
    let plan = EvaluationPlan::of(&pack);
    let model = train(&pack, &config(), &cohort(1, 60), &cohort(2, 40), &mut |_| ()).unwrap();
    let people = cohort(3, 60);
    let errors = |forecaster: &dyn Forecaster| Errors::of(&pack, &plan, forecaster, &people);
    let (own, off) = (errors(&model), errors(&Off(&model, 30.0)));
    let same = own.beyond(&own, &|_| true);
    assert_eq!(same.all.len(), 60);
    assert!(same.all.values().all(|more| *more == 0.0));
    let mean = |found: &Differences| found.all.values().sum::<f64>() / found.all.len() as f64;
    let worse = off.beyond(&own, &|_| true);
    assert!(0.1 < mean(&worse), "{}", mean(&worse));
    let better = own.beyond(&off, &|_| true);
    assert!((mean(&better) + mean(&worse)).abs() < 1e-9, "paired: one is the other turned around");
    let some: Vec<Subject> = worse.all.keys().copied().take(7).collect();
    let of_some = off.beyond(&own, &|subject| some.contains(&subject));
    assert!(of_some.all.keys().eq(&some));
    assert!(of_some.by_target.values().all(|each| each.len() <= 7));
    let nobody = off.beyond(&own, &|_| false);
    assert!(nobody.all.is_empty() && nobody.by_target.is_empty());
    assert!(own.carry_forward(&|_| false).is_empty());
    let units = own.carry_forward(&|_| true).into_iter();
    let twice: BTreeMap<String, f64> = units.map(|(code, unit)| (code, 2.0 * unit)).collect();
    let half = off.beyond_in(&twice, &own, &|_| true);
    assert!((mean(&worse) - 2.0 * mean(&half)).abs() < 1e-9, "the unit is the caller's");
    assert!(off.beyond_in(&BTreeMap::new(), &own, &|_| true).all.is_empty());
}

#[test]
fn everybody_is_in_one_group_of_each_division() {
    let (pack, people) = (pack(), cohort(3, 60));
    let groups = groups_of(&pack, &EvaluationPlan::of(&pack), &people);
    let mut by: BTreeMap<&str, usize> = BTreeMap::new();
    for (group, members) in &groups {
        *by.entry(&group.by).or_default() += members.len();
    }
    assert_eq!(by.len(), pack.subgroups().len());
    assert!(by.values().all(|count| *count == 60), "{by:?}");
}
