//! A median that holds the last value where values are written down again as they were.

use twinkeep_domain::{Cohort, Event, Timeline};

use crate::testing::{LEVEL, NOISE, cohort, config, pack};
use crate::{Model, evaluate, train};

/// As [`cohort`], where the level of every other subject is written down again as it was.
fn repeated(seed: u64, count: i64) -> Cohort {
    let Cohort { codes, timelines } = cohort(seed, count);
    let again = |(number, timeline): (i64, Timeline)| {
        let mut first = None;
        let change = |event: &Event| {
            let mut event = event.clone();
            if number % 2 == 0 && usize::try_from(event.code) == Ok(LEVEL) {
                event.value = *first.get_or_insert(event.value);
            }
            event
        };
        let events = timeline.events().iter().map(change).collect();
        Timeline::new(timeline.subject(), events).unwrap()
    };
    Cohort { codes, timelines: (0..).zip(timelines).map(again).collect() }
}

fn trained(teachers: usize) -> Model {
    let config = crate::TrainConfig { teachers, ..config() };
    train(&pack(), &config, &repeated(1, 500), &repeated(2, 300), &mut |_| ()).unwrap()
}

#[test]
fn what_is_mostly_written_down_again_is_held_and_what_is_not_is_not() {
    for teachers in [0, 3] {
        let model = trained(teachers);
        assert!(0.0 < model.targets[LEVEL].hold, "{teachers} teachers");
        assert_eq!(model.targets[NOISE].hold, 0.0, "{teachers} teachers");
        let mut free = model.clone();
        free.targets[LEVEL].hold = 0.0;
        let new = repeated(3, 400);
        let error = |model: &Model| evaluate(&pack(), model, &new).targets[LEVEL].mase.unwrap();
        let (held, free) = (error(&model), error(&free));
        assert!(held < free, "{teachers} teachers: {held}, {free}");
        let again = Model::from_tensors(&pack(), &model.to_tensors()).unwrap();
        assert_eq!(again.targets[LEVEL].hold, model.targets[LEVEL].hold);
    }
}
