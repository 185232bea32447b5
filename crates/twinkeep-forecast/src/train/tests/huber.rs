//! Where sensors fail now and then, Huber's loss gives the better mean.

use std::collections::BTreeMap;

use twinkeep_domain::{Cohort, Pack, Timeline};

use super::super::train;
use crate::testing::{LEVEL, cohort, config, event, pack, uniform};
use crate::{TrainConfig, evaluate};

/// One value of `level` in twelve is a fault: far off, to one side only.
fn with_faults(seed: u64, count: i64) -> Cohort {
    let mut cohort = cohort(seed, count);
    for (number, timeline) in (0_i64..).zip(&mut cohort.timelines) {
        let mut events = timeline.events().to_vec();
        for (step, event) in (0_u64..).zip(&mut events) {
            if event.code as usize == LEVEL && uniform(seed + 9, number, step) < 1.0 / 12.0 {
                event.value = Some(400.0);
            }
        }
        *timeline = Timeline::new(event(number, None, LEVEL, 0.0).subject, events).unwrap();
    }
    cohort
}

#[test]
fn faults_of_a_sensor_do_not_bend_a_mean_that_is_learned_with_hubers_loss() {
    let huber = |delta| pack().with_huber(BTreeMap::from([(LEVEL, delta)])).unwrap();
    let error = |pack: &Pack| {
        let config = TrainConfig { rounds_max: 60, ..config() };
        let of = |seed, count| with_faults(seed, count);
        let model = train(pack, &config, &of(1, 300), &of(2, 200), &mut |_| ()).unwrap();
        // Measured where nothing fails.
        let evaluation = evaluate(pack, &model, &cohort(3, 200));
        (evaluation.targets[LEVEL].rmse.unwrap(), evaluation.targets[LEVEL].mae.unwrap())
    };
    let ((squared, mae), (robust, robust_mae)) = (error(&pack()), error(&huber(5.0)));
    assert!(robust < 0.5 * squared, "{robust} instead of {squared}");
    assert!((robust_mae - mae).abs() < 0.2 * mae, "the median is as before: {robust_mae}, {mae}");
}

#[test]
fn a_loss_that_makes_no_sense_is_refused() {
    let with = |at, delta| pack().with_huber(BTreeMap::from([(at, delta)])).is_ok();
    assert!(with(LEVEL, 1.0));
    for delta in [0.0, -1.0, f32::NAN, f32::INFINITY] {
        assert!(!with(LEVEL, delta), "{delta}");
    }
    assert!(!with(crate::testing::GROUP, 1.0), "what is no target has no loss");
}
