//! A pack is valid by construction: every contradiction is refused when it is put together.

use super::{ForecastPlan, Pack, PackError, Range, UnitConversion, Variable, VariableKind, Words};
use crate::{Code, SplitPlan};

fn variable(code: &str, aliases: &[&str]) -> Variable {
    Variable {
        code: Code::new(code).unwrap(),
        title: code.to_owned(),
        unit: "1".to_owned(),
        loinc: None,
        kind: VariableKind::Series,
        target: true,
        range: Range { low: 0.0, high: 1.0 },
        missing: Vec::new(),
        aliases: aliases
            .iter()
            .map(|&name| UnitConversion { name: name.to_owned(), factor: 1.0, offset: 0.0 })
            .collect(),
    }
}

fn plan() -> ForecastPlan {
    ForecastPlan {
        cuts_hours: vec![24.0],
        evaluation_cut_hours: 24.0,
        horizon_hours: 24.0,
        step_hours: 1.0,
        memory_hours: [2.0, 6.0, 24.0],
        buckets_hours: vec![8.0, 24.0],
        history_event_count_min: 1,
        splits: SplitPlan::new(60, 20).unwrap(),
    }
}

fn pack(variables: Vec<Variable>, plan: ForecastPlan) -> Result<Pack, PackError> {
    let words = Words { subject: "patient".into(), subjects: "patients".into() };
    Pack::new("icu".into(), "Intensive care".into(), 1, words, variables, plan)
}

#[test]
fn codes_and_aliases_find_their_variable() {
    let pack = pack(vec![variable("A", &[]), variable("B", &["b1", "b2"])], plan()).unwrap();
    assert_eq!(pack.find("A"), Some(0));
    assert_eq!(pack.find("b2"), Some(1));
    assert_eq!(pack.find("C"), None);
}

#[test]
fn a_name_used_twice_is_refused() {
    let result = pack(vec![variable("A", &[]), variable("B", &["A"])], plan());
    assert_eq!(result.unwrap_err(), PackError::DuplicateName("A".into()));
}

#[test]
fn an_empty_range_is_refused() {
    let mut bad = variable("A", &[]);
    bad.range = Range { low: 1.0, high: f32::NAN };
    assert_eq!(pack(vec![bad], plan()).unwrap_err(), PackError::Range("A".into()));
}

#[test]
fn a_pack_without_variables_or_targets_is_refused() {
    assert_eq!(pack(vec![], plan()).unwrap_err(), PackError::VariableCount);
    let mut input = variable("A", &[]);
    input.target = false;
    assert_eq!(pack(vec![input], plan()).unwrap_err(), PackError::NoTarget);
}

#[test]
fn a_contradictory_plan_is_refused() {
    let broken: [fn(&mut ForecastPlan); 5] = [
        |plan| plan.cuts_hours.clear(),
        |plan| plan.evaluation_cut_hours = 12.0,
        |plan| plan.step_hours = 48.0,
        |plan| plan.memory_hours = [6.0, 2.0, 24.0],
        |plan| plan.buckets_hours = vec![8.0],
    ];
    for change in broken {
        let mut plan = plan();
        change(&mut plan);
        let result = pack(vec![variable("A", &[])], plan);
        assert!(matches!(result, Err(PackError::ForecastPlan(_))));
    }
}
