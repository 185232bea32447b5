//! A pack is valid by construction: every contradiction is refused when it is put together.

use super::{
    CodeList, ForecastPlan, GroupRange, OtherCodes, Pack, PackError, Range, Rule, Screening, Sex,
    SubjectCodes, UnitConversion, Variable, VariableKind, VariableRules, Words,
};
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
            .map(|&name| UnitConversion {
                name: name.to_owned(),
                factor: 1.0,
                offset: 0.0,
                value: None,
            })
            .collect(),
        rules: VariableRules::default(),
    }
}

fn plan() -> ForecastPlan {
    ForecastPlan {
        cuts_hours: vec![24.0],
        cuts_every_hours: None,
        observed_until: Default::default(),
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

fn screened(screening: Screening) -> Result<Pack, PackError> {
    pack(vec![variable("a", &[]), variable("b", &[])], plan())?.with_screening(screening)
}

#[test]
fn a_rule_about_a_code_that_is_not_there_is_refused() {
    let less = |codes: &[&str]| Screening {
        rules: vec![Rule::Less(codes.iter().map(|&code| code.to_owned()).collect())],
        ..Screening::default()
    };
    assert!(screened(less(&["a", "b"])).is_ok());
    assert_eq!(screened(less(&["a", "c"])), Err(PackError::UnknownCode("c".into())));
    assert!(matches!(screened(less(&["a"])), Err(PackError::Rule(..))));
    let age = SubjectCodes { age: Some("a".into()), ..SubjectCodes::default() };
    let screening = Screening { subject: age, ..Screening::default() };
    assert!(matches!(screened(screening), Err(PackError::Rule(..))), "a series is no age");
}

#[test]
fn a_rule_that_can_never_hold_is_refused() {
    let group = |low, high| GroupRange {
        sex: None,
        age_min: None,
        age_max: None,
        range: Range { low, high },
    };
    let refused = |rules: VariableRules| {
        let variable = Variable { rules, ..variable("a", &[]) };
        matches!(pack(vec![variable], plan()), Err(PackError::Rule(..)))
    };
    let none = VariableRules::default;
    assert!(!refused(VariableRules { ranges: vec![group(0.2, 0.8)], ..none() }));
    assert!(refused(VariableRules { ranges: vec![group(0.2, 1.8)], ..none() }));
    assert!(refused(VariableRules { ranges: vec![group(0.8, 0.2)], ..none() }));
    assert!(refused(VariableRules { values: vec![0.0, 2.0], ..none() }));
    assert!(refused(VariableRules { texts: vec![("x".into(), 2.0)], ..none() }));
    assert!(refused(VariableRules { change_max_per_hour: Some(0.0), ..none() }));
    assert!(refused(VariableRules { molar_mass: Some(f32::NAN), ..none() }));
    assert!(refused(VariableRules { valence: Some(0), ..none() }));
    assert!(refused(VariableRules { required_percent: Some(101.0), ..none() }));
}

#[test]
fn a_range_for_a_group_holds_for_nobody_of_whom_too_little_is_known() {
    let group = GroupRange {
        sex: Some(Sex::Female),
        age_min: Some(0.0),
        age_max: Some(17.0),
        range: Range { low: 0.0, high: 1.0 },
    };
    assert!(group.fits(Some(17.9), Some(Sex::Female)), "17 years are completed");
    assert!(!group.fits(Some(18.0), Some(Sex::Female)));
    assert!(!group.fits(Some(17.0), Some(Sex::Male)));
    assert!(!group.fits(None, Some(Sex::Female)));
    assert!(!group.fits(Some(5.0), None));
}

#[test]
fn a_text_stands_for_a_number_in_any_case() {
    let rules = VariableRules { texts: vec![("größer".into(), 1.0)], ..VariableRules::default() };
    assert_eq!(rules.number_of(" GRÖSSER"), None);
    assert_eq!(rules.number_of(" Größer "), Some(1.0));
}

#[test]
fn a_code_list_is_closed_open_or_open_for_some() {
    let closed = CodeList { other: OtherCodes::Refuse, accept: vec!["LOINC//".into()] };
    assert!(closed.keeps("LOINC//8867-4") && !closed.keeps("SNOMED//1"));
    assert!(CodeList { other: OtherCodes::Keep, accept: vec![] }.keeps("SNOMED//1"));
}

#[test]
fn a_loinc_code_is_a_name() {
    let mut with_loinc = variable("a", &["x"]);
    with_loinc.loinc = Some("8867-4".into());
    let found = pack(vec![with_loinc.clone()], plan()).unwrap();
    assert_eq!(found.find("LOINC//8867-4"), Some(0));
    let both = vec![
        with_loinc.clone(),
        Variable { code: Code::new("b").unwrap(), aliases: vec![], ..with_loinc },
    ];
    assert_eq!(pack(both, plan()), Err(PackError::DuplicateName("LOINC//8867-4".into())));
}
