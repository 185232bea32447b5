//! What is said of paths is what they show.

use twinkeep_domain::{
    Code, Cohort, Event, ForecastPlan, Pack, Range, SplitPlan, Subject, Timeline, Timestamp,
    Variable, VariableKind, Words,
};
use twinkeep_forecast::{CodeMap, Model, SubjectState, TrainConfig, train};

use super::{Condition, PathPlan, Side, trajectories};

fn pack() -> Pack {
    let variable = |code: &str| Variable {
        code: Code::new(code).unwrap(),
        title: code.to_owned(),
        unit: "1".to_owned(),
        loinc: None,
        kind: VariableKind::Series,
        target: true,
        range: Range { low: 0.0, high: 100.0 },
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
    let variables = vec![variable("a"), variable("b")];
    Pack::new("test".into(), "Test".into(), 1, words, variables, plan).unwrap()
}

fn cohort(from: i64) -> Cohort {
    let codes = ["a", "b"].map(|code| Code::new(code).unwrap()).to_vec();
    let life = |number: i64| {
        let subject = Subject::from_pseudonym(number).unwrap();
        let events = (0..16_i64).flat_map(|hour| [(hour, 0_u32), (hour, 1)]).map(|(hour, code)| {
            let noise = (number * 7_919 + hour * 104_729 + i64::from(code) * 31) % 41;
            Event {
                subject,
                time: Some(Timestamp::RELATIVE_ORIGIN.plus_hours(hour as f64 + 0.5)),
                code,
                value: Some(30.0 + noise as f32),
                text: None,
            }
        });
        Timeline::new(subject, events.collect()).unwrap()
    };
    Cohort { codes, timelines: (from..from + 200).map(life).collect() }
}

fn model() -> Model {
    let config = TrainConfig { rounds_max: 5, ..TrainConfig::default() };
    train(&pack(), &config, &cohort(0), &cohort(1_000), &mut |_| ()).unwrap()
}

#[test]
fn shares_and_extremes_are_those_of_the_paths() {
    let (model, cohort) = (model(), cohort(5_000));
    let codes = CodeMap::new(&pack(), &cohort.codes);
    let mut state = SubjectState::new(&pack());
    let now = Timestamp::RELATIVE_ORIGIN.plus_hours(8.0);
    let past = cohort.timelines[0].events().iter().filter(|event| event.time <= Some(now));
    past.for_each(|event| state.apply(&codes, event));
    let bank = model.path_bank(&[2.0, 4.0, 8.0], 1);
    let simulator = model.simulator(&bank, &state, now, &[]).unwrap();
    let conditions = [
        Condition { target: 1, side: Side::Above, value: 55.0 },
        Condition { target: 0, side: Side::Below, value: 40.0 },
        Condition { target: 0, side: Side::Below, value: -1.0 },
    ];
    let ask = |conditions: &[Condition]| {
        let plan = PathPlan { path_count: 500, example_count: 2, conditions };
        let mut paths: Vec<Vec<f32>> = Vec::new();
        let found = trajectories(&simulator, &plan, &mut |path| {
            assert_eq!(path.number, paths.len() as u64);
            paths.push(path.values.to_vec());
            Ok::<(), ()>(())
        });
        (found.unwrap(), paths)
    };
    let (found, paths) = ask(&conditions[..2]);
    let share = |holds: &dyn Fn(&Vec<f32>) -> bool| {
        paths.iter().filter(|path| holds(path)).count() as f32 / 500.0
    };
    let high = |path: &Vec<f32>| path[3..].iter().any(|&value| 55.0 < value);
    let low = |path: &Vec<f32>| path[..3].iter().any(|&value| value < 40.0);
    assert_eq!(found.shares, [share(&high), share(&low)]);
    assert_eq!(found.share_of_all, Some(share(&|path| high(path) && low(path))));
    assert!((0.01..0.99).contains(&found.shares[0]), "{}", found.shares[0]);
    let mut lowest: Vec<f32> = paths.iter().map(|path| path[0].min(path[1]).min(path[2])).collect();
    lowest.sort_by(f32::total_cmp);
    assert_eq!(found.targets[0].lowest, [lowest[25], lowest[250], lowest[474]]);
    assert_eq!(found.examples.len(), 2);
    assert_eq!(found.examples[1].values, paths[1]);
    let (never, _) = ask(&conditions);
    assert_eq!((never.shares[2], never.share_of_all), (0.0, Some(0.0)));
    assert_eq!(format!("{never:?}"), "Trajectories(hidden)");
}

#[test]
fn who_receives_the_paths_can_stop_them() {
    let model = model();
    let bank = model.path_bank(&[1.0], 1);
    let state = SubjectState::new(&pack());
    let now = Timestamp::RELATIVE_ORIGIN;
    let simulator = model.simulator(&bank, &state, now, &[]).unwrap();
    let plan = PathPlan { path_count: 10, example_count: 0, conditions: &[] };
    let mut count = 0;
    let stopped = trajectories(&simulator, &plan, &mut |_| {
        count += 1;
        if count == 3 { Err("full") } else { Ok(()) }
    });
    assert!(matches!(stopped, Err("full")));
    assert_eq!(count, 3);
}
