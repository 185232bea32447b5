//! Examples: nothing from after a cut gets into what was known at it.

use twinkeep_domain::{Cohort, Timeline};

use super::Examples;
use crate::features::FeatureLayout;
use crate::testing::{LEVEL, NOISE, cohort, event, pack};

mod windows;

fn collect(cohort: &Cohort) -> Examples {
    let pack = pack();
    Examples::collect(&pack, &FeatureLayout::new(&pack), cohort, &pack.forecast().cuts_hours)
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn the_future_never_leaks_into_the_features() {
    let honest = cohort(1, 20);
    let mut planted = honest.clone();
    for timeline in &mut planted.timelines {
        let cut = timeline.start().unwrap().plus_hours(24.0);
        let mut events = timeline.events().to_vec();
        for event in events.iter_mut().filter(|event| event.time.is_some_and(|time| cut <= time)) {
            event.value = Some(-77.0);
        }
        *timeline = Timeline::new(timeline.subject(), events).unwrap();
    }
    let (honest, planted) = (collect(&honest), collect(&planted));
    assert_eq!(bits(&honest.shared), bits(&planted.shared));
    for (one, other) in honest.targets.iter().zip(&planted.targets) {
        assert_eq!(bits(&one.own), bits(&other.own));
        assert_ne!(one.value, other.value);
    }
}

#[test]
fn an_observation_at_the_cut_is_an_example_and_not_history() {
    let events: Vec<_> = [0.0, 1.0, 2.0, 12.0, 36.0, 36.1]
        .into_iter()
        .map(|hours| event(1, Some(hours), LEVEL, hours as f32))
        .collect();
    let timeline = Timeline::new(events[0].subject, events).unwrap();
    let examples = collect(&Cohort { codes: cohort(1, 1).codes, timelines: vec![timeline] });
    let level = &examples.targets[LEVEL];
    // Cuts at 12 and 24 hours, horizon 24 hours.
    assert_eq!(level.snapshot, [0, 0, 1, 1]);
    assert_eq!(level.value, [12.0, 36.0, 36.0, 36.1]);
    assert_eq!(level.horizon[..3], [0.0, 24.0, 12.0]);
    assert_eq!(level.anchors[0][0], 2.0);
    assert_eq!(level.anchors[1][0], 12.0);
    assert!(examples.targets[NOISE].value.is_empty());
}

#[test]
fn a_history_that_is_too_short_is_no_snapshot() {
    let events = vec![event(1, Some(0.0), LEVEL, 1.0), event(1, Some(13.0), LEVEL, 2.0)];
    let timeline = Timeline::new(events[0].subject, events).unwrap();
    let examples = collect(&Cohort { codes: cohort(1, 1).codes, timelines: vec![timeline] });
    assert!(examples.subjects.is_empty() && examples.shared.is_empty());
}
