//! Tests of incidents, playbooks, and plans: no keep, no clock.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{
    Action, CacaoError, Incident, Measure, OnFailure, PlanFacts, PlanLimits, Playbook,
    PlaybookError, State, Step, StepState, clocks, from_cacao, parse_incident_id, plan, to_cacao,
};
use crate::{Detection, Detector, Severity, Target};

fn detection(detector: Detector, target: Target, severity: Severity) -> Detection {
    Detection {
        detector,
        target,
        severity,
        began_us: 5,
        seen_us: 9,
        says: "something is wrong".to_owned(),
        figures: BTreeMap::new(),
        evidence: BTreeMap::new(),
        subjects: BTreeSet::new(),
    }
}

fn shipped() -> BTreeMap<String, Playbook> {
    let parsed = Playbook::SHIPPED.iter().map(|(name, text)| {
        let playbook = Playbook::parse(text).unwrap();
        assert_eq!(playbook.name, *name);
        (playbook.name.clone(), playbook)
    });
    parsed.collect()
}

fn done(steps: &[Step]) -> Vec<String> {
    let planned = steps.iter().filter(|step| step.state == StepState::Planned);
    planned.map(|step| step.measure.to_string()).collect()
}

fn code_of(steps: &[Step], action: Action) -> &str {
    let found = steps.iter().find(|step| step.measure.action == action);
    found.map(|step| step.code.as_str()).unwrap()
}

#[test]
fn every_detector_has_a_playbook_and_every_shipped_one_survives_a_round_trip() {
    let playbooks = shipped();
    let ids: BTreeSet<&str> = playbooks.values().map(|it| it.id.as_str()).collect();
    assert_eq!(ids.len(), playbooks.len());
    for playbook in playbooks.values() {
        assert_eq!(&Playbook::parse(&playbook.to_toml()).unwrap(), playbook);
    }
    for detector in [
        Detector::Drift,
        Detector::FeedPoisoning,
        Detector::ModelPoisoning,
        Detector::ModelIntegrity,
        Detector::ModelCanary,
        Detector::FileAccess,
        Detector::Extraction,
        Detector::MembershipProbing,
        Detector::AuthenticationFailures,
        Detector::UnusualAccess,
        Detector::BreakGlass,
        Detector::LedgerDisagreement,
        Detector::Posture,
        Detector::Drill,
    ] {
        let found = detection(detector, Target::Keep, Severity::Informational);
        let chosen = Playbook::choose(&playbooks, &found).unwrap();
        assert_eq!(chosen.name, "record", "{detector:?}");
    }
}

#[test]
fn the_playbook_with_the_highest_severity_that_fits_is_chosen() {
    let playbooks = shipped();
    let chosen = |severity| {
        let found = detection(Detector::FeedPoisoning, Target::Keep, severity);
        Playbook::choose(&playbooks, &found).unwrap().name.clone()
    };
    assert_eq!(chosen(Severity::Low), "record");
    assert_eq!(chosen(Severity::Medium), "feed");
    assert_eq!(chosen(Severity::High), "feed");
    assert_eq!(chosen(Severity::Critical), "feed-critical");
}

#[test]
fn a_playbook_out_of_order_or_with_more_than_it_says_is_refused() {
    let model = Playbook::SHIPPED.iter().find(|it| it.0 == "model").unwrap().1;
    let refused = |text: &str| Playbook::parse(text).unwrap_err();
    let swapped = model.replace("preserve-evidence", "quarantine-model");
    assert!(matches!(refused(&swapped), PlaybookError::Order { number: 2, .. }));
    let last = model.replace("action = \"notify\"", "action = \"preserve-evidence\"");
    assert!(matches!(refused(&last), PlaybookError::Order { number: 4, .. }));
    let revoking = model.replace("quarantine-model", "revoke-credential");
    assert_eq!(refused(&revoking).code(), "playbook-irreversible");
    assert!(
        Playbook::parse(&revoking.replace("severity", "irreversible = true\nseverity")).is_ok()
    );
    for (old, new) in [
        ("name = \"model\"", "name = \"../model\""),
        ("name = \"model\"", "name = \"\""),
        ("playbook--3f0a5c1e-7b64-4d0f", "playbook--3f0a5c1e-7b64-1d0f"),
        ("playbook--", "action--"),
        ("2026-11-23T00:00:00.000Z", "today"),
        ("action = \"quarantine-model\"", "action = \"quarantine-model\"\non = \"a\\u0007\""),
        ("action = \"notify\"", "action = \"notify\"\non = \"x\""),
    ] {
        assert_eq!(refused(&model.replace(old, new)).code(), "playbook-value", "{new}");
    }
    assert_eq!(refused(&format!("{model}more = 1\n")).code(), "playbook-parse");
    assert_eq!(refused("").code(), "playbook-parse");
}

#[test]
fn what_is_planned_fits_the_target_and_stays_within_the_guard_rails() {
    let playbooks = shipped();
    let limits = PlanLimits::default();
    let model = Target::Model("m-1".to_owned());
    let mut facts = PlanFacts {
        now_us: 1_000_000_000_000,
        in_service: Some("m-1".to_owned()),
        backup: Some("m-0".to_owned()),
        ..PlanFacts::default()
    };
    let steps = plan(&playbooks["model"], &model, &facts, &limits);
    let all = ["preserve-evidence", "activate-backup m-1", "quarantine-model m-1", "notify"];
    assert_eq!(done(&steps), all);

    facts.backup = None;
    let steps = plan(&playbooks["model"], &model, &facts, &limits);
    assert_eq!(code_of(&steps, Action::ActivateBackup), "no-backup");
    facts.in_service = Some("m-2".to_owned());
    facts.backup = Some("m-0".to_owned());
    let steps = plan(&playbooks["model"], &model, &facts, &limits);
    assert_eq!(code_of(&steps, Action::ActivateBackup), "not-in-service");

    let quarantine = Measure::new(Action::QuarantineModel, "m-1");
    facts.in_place.insert(quarantine.clone());
    let steps = plan(&playbooks["model"], &model, &facts, &limits);
    assert_eq!(code_of(&steps, Action::QuarantineModel), "in-place");
    facts.in_place.clear();
    facts.recent.insert(quarantine, facts.now_us - 1);
    let steps = plan(&playbooks["model"], &model, &facts, &limits);
    assert_eq!(code_of(&steps, Action::QuarantineModel), "cool-down");

    // A playbook for a model does nothing to somebody who calls.
    let caller = Target::Identity("key:1".to_owned());
    let steps = plan(&playbooks["model"], &caller, &facts, &limits);
    assert_eq!(done(&steps), ["preserve-evidence", "notify"]);
    assert_eq!(code_of(&steps, Action::QuarantineModel), "target-other");
}

#[test]
fn nobody_shuts_operators_out_and_nothing_grows_without_bound() {
    let playbooks = shipped();
    let limits = PlanLimits { identities_max: 2, ..PlanLimits::default() };
    let caller = Target::Identity("cert:ada".to_owned());
    let mut facts = PlanFacts::default();
    facts.last_ways_in.insert("cert:ada".to_owned());
    let steps = plan(&playbooks["access"], &caller, &facts, &limits);
    assert_eq!(code_of(&steps, Action::SuspendIdentity), "last-way-in");

    let mut many = playbooks["access"].clone();
    let suspend = many.steps[1].clone();
    for name in ["key:1", "key:2", "key:3", "key:2"] {
        let on = Some(name.to_owned());
        many.steps.insert(many.steps.len() - 1, super::PlaybookStep { on, ..suspend.clone() });
    }
    many.steps.remove(1);
    let steps = plan(&many, &Target::Keep, &PlanFacts::default(), &limits);
    let codes: Vec<&str> = steps.iter().map(|step| step.code.as_str()).collect();
    assert_eq!(codes, ["", "", "", "blast-radius", "twice", ""]);
}

#[test]
fn an_incident_takes_only_so_much_and_nothing_that_a_terminal_obeys() {
    let mut wild = detection(Detector::Extraction, Target::Keep, Severity::Low);
    wild.says = "\u{1b}[2J".repeat(1000);
    wild.figures = (0..1000).map(|it| (format!("f{it}"), f64::from(it))).collect();
    wild.figures.insert("a".to_owned(), f64::NAN);
    wild.evidence = (0..1000).map(|it| (format!("e{it}"), "x".repeat(5000))).collect();
    wild.subjects = (0..5000).map(|it| format!("{it:032x}")).collect();
    let mut incident = Incident::open(&wild, 3);
    assert_eq!((incident.began_us, incident.aware_us, incident.count), (3, 3, 1));
    incident.extend(&Detection { severity: Severity::High, ..wild.clone() }, 8);
    assert_eq!((incident.count, incident.last_us), (2, 8));
    assert_eq!(incident.severity, Severity::High);
    assert_eq!((incident.subjects.len(), incident.figures.len()), (2000, 64));
    assert!(
        !incident.says.contains('\u{1b}') && incident.figures.values().all(|it| it.is_finite())
    );
    assert!(incident.is_of(&wild, None));
    incident.closed_us = Some(9);
    assert!(!incident.is_of(&wild, None) && incident.state() == State::Closed);
}

#[test]
fn an_incident_is_contained_when_all_is_done_and_nothing_failed() {
    let found = detection(Detector::Drill, Target::Keep, Severity::Low);
    let mut incident = Incident::open(&found, 1);
    let playbooks = shipped();
    incident.steps =
        plan(&playbooks["record"], &Target::Keep, &PlanFacts::default(), &PlanLimits::default());
    incident.settle(2);
    assert_eq!(incident.state(), State::Open);
    for step in &mut incident.steps {
        step.state = StepState::Done;
    }
    incident.settle(3);
    assert_eq!((incident.state(), incident.contained_us), (State::Contained, Some(3)));
}

#[test]
fn what_a_guard_rail_left_out_and_what_was_undone_is_not_contained() {
    let found =
        detection(Detector::Extraction, Target::Identity("key:a".to_owned()), Severity::High);
    let mut incident = Incident::open(&found, 1);
    let facts = PlanFacts { last_ways_in: ["key:a".to_owned()].into(), ..PlanFacts::default() };
    incident.steps = plan(&shipped()["access"], &found.target, &facts, &PlanLimits::default());
    let suspend = incident.steps.iter().position(|step| step.code == "last-way-in").unwrap();
    for step in incident.steps.iter_mut().filter(|step| step.state == StepState::Planned) {
        step.state = StepState::Done;
    }
    incident.settle(2);
    assert_eq!((incident.state(), incident.contained_us), (State::Open, None));
    // Somebody else may administer now: it was done after all.
    let again = Step { state: StepState::Done, ..incident.steps[suspend].clone() };
    incident.steps.push(again);
    incident.settle(3);
    assert_eq!((incident.state(), incident.contained_us), (State::Contained, Some(3)));
    incident.steps.last_mut().unwrap().state = StepState::Undone;
    assert_eq!(incident.state(), State::Open);
}

#[test]
fn the_clocks_run_from_awareness() {
    let [gdpr, hipaa] = clocks(0, 3_600_000_000);
    assert_eq!((gdpr.deadline_us, gdpr.left_seconds), (72 * 3_600_000_000, 71 * 3600));
    assert_eq!(hipaa.left_seconds, (60 * 24 - 1) * 3600);
    assert!(clocks(0, i64::MAX)[0].left_seconds < 0);
    assert_eq!(clocks(i64::MAX, 0)[1].deadline_us, i64::MAX);
}

#[test]
fn names_of_incidents_have_one_form() {
    assert_eq!(parse_incident_id("inc-17"), Some(17));
    for other in ["17", "inc-", "inc-017", "inc--1", "INC-1", "inc-1 ", "inc-99999999999999999999"]
    {
        assert_eq!(parse_incident_id(other), None, "{other}");
    }
}

#[test]
fn what_failed_and_was_undone_is_not_contained() {
    let found = detection(Detector::Drill, Target::Keep, Severity::Low);
    let mut incident = Incident::open(&found, 1);
    let playbooks = shipped();
    let target = Target::Model("m-1".to_owned());
    let (facts, limits) = (PlanFacts::default(), PlanLimits::default());
    incident.steps = plan(&playbooks["model"], &target, &facts, &limits);
    for step in &mut incident.steps {
        let quarantines = step.measure.action == Action::QuarantineModel;
        step.state = if quarantines { StepState::Undone } else { StepState::Done };
        step.failed_us = quarantines.then_some(2);
    }
    incident.settle(3);
    assert_eq!(incident.state(), State::Open);
    assert!(incident.failed_last().is_empty() && incident.lacks_what_failed());
    // Somebody tried again: once in vain, and then it succeeded.
    let quarantine = Measure { action: Action::QuarantineModel, on: "m-1".to_owned() };
    let tried = incident.steps.iter().find(|step| step.measure == quarantine).unwrap().clone();
    incident.steps.push(Step { state: StepState::Failed, ..tried.clone() });
    assert_eq!(incident.failed_last(), [quarantine].into());
    incident.steps.push(Step { state: StepState::Done, failed_us: None, ..tried });
    assert!(incident.failed_last().is_empty());
    incident.settle(4);
    assert_eq!(incident.state(), State::Contained);
    // What is written without it, as programs before did, still reads.
    let text = serde_json::to_string(&incident.steps[0]).unwrap();
    assert!(!text.contains("failed_us"), "{text}");
    assert_eq!(serde_json::from_str::<Step>(&text).unwrap(), incident.steps[0]);
}

#[test]
fn what_cacao_says_and_this_program_does_not_do_is_refused() {
    let whole = to_cacao(&shipped()["model"]);
    let action = |number: usize| {
        let steps = whole["workflow"].as_object().unwrap();
        steps.keys().filter(|id| id.starts_with("action--")).nth(number).unwrap().clone()
    };
    let of = |place: &[&str], value: serde_json::Value| {
        let mut changed = whole.clone();
        let (last, parts) = place.split_last().unwrap();
        let inner = parts.iter().fold(&mut changed, |inner, part| &mut inner[*part]);
        inner[*last] = value;
        from_cacao(&changed.to_string()).map_err(|error| error.code())
    };
    let first = action(0);
    let step = ["workflow", first.as_str()];
    let in_step = |part, value| of(&[&step[..], &[part]].concat(), value);
    let extension = "extension-definition--6f1c0d52-83be-4a97-b2e4-5d90c7f8a136";
    let ours =
        |part, value| of(&[&step[..], &["step_extensions", extension, part]].concat(), value);
    for time in ["2020-01-01T00:00:00.000Z", "2099-01-01T00:00:00.000Z"] {
        assert_eq!(of(&["valid_until"], time.into()), Err("cacao-form"), "{time}");
        assert_eq!(of(&["valid_from"], time.into()), Err("cacao-form"), "{time}");
    }
    assert_eq!(of(&["workflow_exception"], first.clone().into()), Err("cacao-form"));
    for part in ["delay", "timeout"] {
        assert_eq!(in_step(part, 5_000.into()), Err("cacao-unknown"), "{part}");
        assert_eq!(in_step(part, "5".into()), Err("cacao-unknown"), "{part}");
        assert!(in_step(part, 0.into()).is_ok(), "{part}");
    }
    let bash = serde_json::json!({ "type": "bash", "command": "rm -r /srv" });
    let manual = serde_json::json!({ "type": "manual", "command": "look" });
    for commands in [vec![], vec![bash.clone()], vec![manual.clone(), bash]] {
        assert_eq!(in_step("commands", commands.into()), Err("cacao-unknown"));
    }
    assert!(in_step("commands", vec![manual].into()).is_ok());
    assert_eq!(in_step("targets", vec!["target--x"].into()), Err("cacao-unknown"));
    for time in ["2026-13-01T00:00:00.000Z", "2026-01-32T00:00:00.000Z", "2026-01-01T24:00:00.000Z"]
    {
        assert_eq!(of(&["created"], time.into()), Err("playbook-value"), "{time}");
    }
    for wrong in ["retry", "Stop", ""] {
        assert_eq!(ours("on_failure", wrong.into()), Err("cacao-unknown"), "{wrong}");
    }
    assert_eq!(ours("on_failure", 7.into()), Err("cacao-unknown"));
    assert_eq!(ours("on_failed", "stop".into()), Err("cacao-unknown"));
    let said = |part, value| of(&["playbook_extensions", extension, part], value);
    assert_eq!(said("severities", "high".into()), Err("cacao-form"));
    assert_eq!(said("irreversible", "true".into()), Err("cacao-form"));
    assert!(said("irreversible", true.into()).is_ok());
    // The workflow goes on after a failure, and the extension says that it does not.
    assert_eq!(ours("on_failure", "undo".into()), Err("cacao-unknown"));
    assert_eq!(in_step("on_failure", 7.into()), Err("cacao-branch"));
    assert_eq!(in_step("on_failure", "end--nowhere".into()), Err("cacao-branch"));
    assert_eq!(in_step("on_completion", 7.into()), Err("cacao-branch"));
}

#[test]
fn every_shipped_playbook_comes_back_from_cacao() {
    for playbook in shipped().values() {
        let document = to_cacao(playbook).to_string();
        assert_eq!(&from_cacao(&document).unwrap(), playbook);
    }
}

#[test]
fn what_follows_a_step_that_fails_survives_cacao_and_is_in_its_words() {
    let mut playbook = shipped()["model"].clone();
    for follows in [OnFailure::Continue, OnFailure::Stop, OnFailure::Undo] {
        playbook.steps[1].on_failure = follows;
        let document = to_cacao(&playbook);
        let workflow = document["workflow"].as_object().unwrap();
        let named = |name: &str| workflow.iter().find(|step| step.1["name"] == name).unwrap();
        let (backup, quarantine) = (named("activate-backup").1, named("quarantine-model").0);
        let told = named("notify").0;
        match follows {
            OnFailure::Continue => {
                assert_eq!(backup["on_completion"], quarantine.as_str());
                assert!(backup["on_success"].is_null() && backup["on_failure"].is_null());
            }
            OnFailure::Stop | OnFailure::Undo => {
                assert_eq!(backup["on_success"], quarantine.as_str());
                assert_eq!(backup["on_failure"], told.as_str());
                assert!(backup["on_completion"].is_null());
            }
        }
        assert_eq!(from_cacao(&document.to_string()).unwrap(), playbook);
    }
    // Success alone says nothing of failure: then people are told, and nothing more is done.
    let mut document = to_cacao(&playbook);
    let workflow = document["workflow"].as_object_mut().unwrap();
    let backup = workflow.values_mut().find(|step| step["name"] == "activate-backup").unwrap();
    backup.as_object_mut().unwrap().remove("on_failure");
    backup["step_extensions"] = serde_json::from_str(
        &backup["step_extensions"].to_string().replace("\"undo\"", "\"stop\""),
    )
    .unwrap();
    assert_eq!(from_cacao(&document.to_string()).unwrap().steps[1].on_failure, OnFailure::Stop);
}

#[test]
fn a_workflow_that_is_no_plain_list_of_our_actions_is_refused() {
    let model = to_cacao(&shipped()["model"]).to_string();
    let refused = |text: &str| from_cacao(text).unwrap_err();
    let document: serde_json::Value = serde_json::from_str(&model).unwrap();
    let ids: Vec<&String> = document["workflow"].as_object().unwrap().keys().collect();
    let of = |kind: &str| ids.iter().filter(|id| id.starts_with(kind)).collect::<Vec<_>>();
    let (first, end) = (of("action--")[0].as_str(), of("end--")[0].as_str());
    // Back to the first step: it would never end.
    let circle = model.replace(
        &format!("\"on_completion\":\"{end}\""),
        &format!("\"on_completion\":\"{first}\""),
    );
    assert!(matches!(refused(&circle), CacaoError::Branch { .. }));
    let nowhere =
        model.replace(&format!("\"on_completion\":\"{end}\""), "\"on_completion\":\"end--x\"");
    assert!(matches!(refused(&nowhere), CacaoError::Branch { .. }));
    for (old, new, code) in [
        ("\"type\":\"action\"", "\"type\":\"parallel\"", "cacao-step"),
        ("\"action\":\"quarantine-model\"", "\"action\":\"format-disk\"", "cacao-step"),
        ("cacao-2.0", "cacao-1.1", "cacao-form"),
        ("\"revoked\":false", "\"revoked\":true", "cacao-form"),
        ("\"detectors\":[", "\"detectors\":[7,", "cacao-form"),
        ("\"action\":\"preserve-evidence\"", "\"action\":\"notify\"", "playbook-order"),
        (
            "\"action\":\"quarantine-model\"",
            "\"action\":\"revoke-credential\"",
            "playbook-irreversible",
        ),
    ] {
        let changed = model.replace(old, new);
        assert_ne!(changed, model, "{old}");
        assert_eq!(refused(&changed).code(), code, "{new}");
    }
    for text in ["", "[]", "{}", "null", "{\"type\":\"playbook\",\"spec_version\":\"cacao-2.0\"}"] {
        assert!(from_cacao(text).is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in ".{0,400}") {
        let _ = Playbook::parse(&text);
        let _ = from_cacao(&text);
    }

    #[test]
    fn the_same_facts_give_the_same_plan_in_the_order_of_phases(
        in_service in any::<bool>(), backup in any::<bool>(), now in 0_i64..1 << 50,
    ) {
        let facts = PlanFacts {
            now_us: now,
            in_service: in_service.then(|| "m-1".to_owned()),
            backup: backup.then(|| "m-0".to_owned()),
            ..PlanFacts::default()
        };
        for playbook in shipped().values() {
            let target = Target::Model("m-1".to_owned());
            let steps = plan(playbook, &target, &facts, &PlanLimits::default());
            prop_assert_eq!(&steps, &plan(playbook, &target, &facts, &PlanLimits::default()));
            prop_assert_eq!(steps.len(), playbook.steps.len());
            let phases: Vec<_> = steps.iter().map(|step| step.measure.action.phase()).collect();
            prop_assert!(phases.is_sorted());
        }
    }
}
