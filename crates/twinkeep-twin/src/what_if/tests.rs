//! What is changed changes what is expected; who was never seen is not supported.

use twinkeep_domain::{
    Code, Cohort, Event, ForecastPlan, Pack, Range, SplitPlan, Subject, Timeline, Timestamp,
    Variable, VariableKind, Words,
};
use twinkeep_forecast::{CodeMap, Model, SubjectState, TrainConfig, train};

use super::{Change, WhatIf, what_if};

const DOSE: usize = 0;
const EFFECT: usize = 1;
const SEX: usize = 2;

fn pack() -> Pack {
    let variable = |code: &str, kind, target| Variable {
        code: Code::new(code).unwrap(),
        title: code.to_owned(),
        unit: "1".to_owned(),
        loinc: None,
        kind,
        target,
        range: Range { low: -100.0, high: 100.0 },
        missing: Vec::new(),
        aliases: Vec::new(),
        rules: Default::default(),
    };
    let plan = ForecastPlan {
        cuts_hours: vec![8.0],
        cuts_every_hours: None,
        observed_until: Default::default(),
        evaluation_cut_hours: 8.0,
        horizon_hours: 8.0,
        step_hours: 1.0,
        memory_hours: [1.0, 2.0, 4.0],
        buckets_hours: vec![8.0],
        history_event_count_min: 1,
        splits: SplitPlan::new(60, 20).unwrap(),
    };
    let words = Words { subject: "unit".into(), subjects: "units".into() };
    let variables = vec![
        variable("dose", VariableKind::Series, false),
        variable("effect", VariableKind::Series, true),
        variable("sex", VariableKind::Static, false),
    ];
    Pack::new("test".into(), "Test".into(), 1, words, variables, plan).unwrap()
}

/// A dose between 0 and 30 is observed once; the effect is 10 before it and half of it more after.
/// Women (sex 0) get no dose above 20.
fn life(number: i64) -> Timeline {
    let subject = Subject::from_pseudonym(number).unwrap();
    let event = |hours: Option<f64>, code: usize, value: f32| Event {
        subject,
        time: hours.map(|hours| Timestamp::RELATIVE_ORIGIN.plus_hours(hours)),
        code: u32::try_from(code).unwrap(),
        value: Some(value),
        text: None,
    };
    let sex = (number % 2) as f32;
    let dose = (number * 7_919 % 21) as f32 + 10.0 * sex;
    let mut events = vec![event(None, SEX, sex), event(Some(0.0), EFFECT, 10.0)];
    events.push(event(Some(7.0), DOSE, dose));
    for hour in 9..15_i64 {
        let noise = (number * 104_729 + hour * 31) % 5;
        events.push(event(Some(hour as f64), EFFECT, 10.0 + dose / 2.0 + noise as f32 / 10.0));
    }
    Timeline::new(subject, events).unwrap()
}

fn cohort(from: i64, count: i64) -> Cohort {
    let codes = ["dose", "effect", "sex"].map(|code| Code::new(code).unwrap()).to_vec();
    Cohort { codes, timelines: (from..from + count).map(life).collect() }
}

fn model(count: i64) -> Model {
    let config = TrainConfig { rounds_max: 60, rare_snapshots: 10, ..TrainConfig::default() };
    let config = TrainConfig { leaf_snapshots_min: 20.0, ..config };
    train(&pack(), &config, &cohort(0, count), &cohort(5_000, 200), &mut |_| ()).unwrap()
}

fn ask(model: &Model, number: i64, changes: &[Change]) -> WhatIf {
    let cohort = cohort(number, 1);
    let codes = CodeMap::new(&pack(), &cohort.codes);
    let now = Timestamp::RELATIVE_ORIGIN.plus_hours(8.0);
    let mut state = SubjectState::new(&pack());
    let past = cohort.timelines[0].events().iter().filter(|event| event.time <= Some(now));
    past.for_each(|event| state.apply(&codes, event));
    what_if(model, &state, now, &[4.0], changes)
}

fn medians(outcome: &WhatIf) -> [f32; 2] {
    [&outcome.as_is, &outcome.changed].map(|forecast| forecast.targets[0].points[0].median())
}

#[test]
fn what_is_expected_follows_the_change() {
    let model = model(1_200);
    // What came before the change is still in the mean of recent values, so it is not all of it.
    let dose = |value: f32| Change { variable: DOSE, value };
    let [_, low] = medians(&ask(&model, 9_001, &[dose(12.0)]));
    let [_, high] = medians(&ask(&model, 9_001, &[dose(28.0)]));
    assert!(low + 1.5 < high && 14.0 < low && high < 26.0, "{low} {high}");
    let same = ask(&model, 9_001, &[]);
    let [as_is, changed] = medians(&same);
    assert_eq!(as_is, changed);
    assert!(same.support.is_empty());
    assert_eq!(format!("{same:?} {:?}", dose(1.0)), "WhatIf(hidden) Change(hidden)");
}

#[test]
fn a_value_that_nobody_like_this_had_is_not_supported() {
    let model = model(1_200);
    let support = |number: i64, variable: usize, value: f32| {
        let found = ask(&model, number, &[Change { variable, value }]).support[0];
        assert!((150..300).contains(&found.similar_count), "{found:?}");
        found.supporting_count
    };
    // Men got 10 to 30, women 0 to 20.
    assert!(20 <= support(9_001, DOSE, 25.0));
    assert!(20 <= support(9_002, DOSE, 15.0));
    assert!(support(9_002, DOSE, 28.0) < 20, "{}", support(9_002, DOSE, 28.0));
    assert!(support(9_001, DOSE, 2.0) < 20);
    assert_eq!(support(9_001, DOSE, 90.0), 0);
    assert_eq!(support(9_001, SEX, 0.5), 0);
    assert!(20 <= support(9_001, SEX, 1.0));
}

#[test]
fn a_model_of_few_subjects_supports_nothing() {
    let config = TrainConfig { rounds_max: 1, ..TrainConfig::default() };
    let model = train(&pack(), &config, &cohort(0, 39), &cohort(5_000, 30), &mut |_| ()).unwrap();
    let found = ask(&model, 9_001, &[Change { variable: DOSE, value: 15.0 }]);
    assert_eq!((found.support[0].similar_count, found.support[0].supporting_count), (0, 0));
    let again = Model::from_tensors(&pack(), &model.to_tensors()).unwrap();
    assert_eq!(again.to_tensors(), model.to_tensors());
}

#[test]
fn the_picture_of_the_training_subjects_survives_storage_and_tells_of_no_small_group() {
    let model = model(300);
    let tensors = model.to_tensors();
    let again = Model::from_tensors(&pack(), &tensors).unwrap();
    assert_eq!(again.to_tensors(), tensors);
    let ints = |name: &str| match &tensors.iter().find(|it| it.name == name).unwrap().data {
        twinkeep_domain::TensorData::I32(data) => data.clone(),
        _ => panic!("{name}"),
    };
    assert!(ints("support.sizes").iter().all(|&size| 40 <= size));
    assert_eq!(ints("support.sizes").iter().sum::<i32>(), 300);
    assert!(ints("support.counts").iter().all(|&count| count == 0 || 3 <= count));
}
