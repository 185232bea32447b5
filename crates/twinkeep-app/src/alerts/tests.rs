//! Tests of what an alert says, and when it is tried again.

use std::collections::BTreeMap;

use serde_json::Value;
use twinkeep_watch::{Detector, Severity, Target};

use super::ocsf::{Origin, event};
use super::words::{line, text, without_people};
use super::{Alert, AlertStage, next_try};

fn alert(target: Target) -> Alert {
    Alert {
        incident: Some("inc-7".to_owned()),
        stage: AlertStage::Contained,
        detector: Detector::Extraction,
        target,
        severity: Severity::High,
        began_us: 1_614_265_330_000_000,
        seen_us: 1_614_265_331_000_000,
        figures: BTreeMap::from([("queries".to_owned(), 14.0), ("odd".to_owned(), f64::NAN)]),
        subjects: 3,
        actions: vec!["suspend-identity".to_owned(), "notify".to_owned()],
    }
}

#[test]
fn nothing_that_leads_to_a_person_leaves_the_keep() {
    let secret = "jane.doe@hospital.example";
    for target in [
        Target::Identity(format!("token:{secret}")),
        Target::Address(format!("192.0.2.7 {secret}")),
        Target::File(format!("incoming/{secret}.csv")),
    ] {
        let told = without_people(&alert(target));
        let origin = Origin { id: "msg_1", keep: "twinkeep.local/keep/1", queued_us: 0 };
        let all = [
            line(&told),
            text(&told, origin.keep),
            event(&told, &origin).to_string(),
            serde_json::to_string(&told).unwrap(),
        ]
        .concat();
        assert!(!all.contains("jane") && !all.contains("192.0.2.7"), "{all}");
    }
    let named = without_people(&alert(Target::Model("m-1\r\nBcc: x\u{1b}".to_owned())));
    assert_eq!(named.target, Target::Model("m-1??Bcc:?x?".to_owned()));
    assert_eq!(named.figures.len(), 1);
}

#[test]
fn an_event_has_what_ocsf_requires_of_its_class() {
    let origin = Origin { id: "msg_1", keep: "twinkeep.local/keep/1", queued_us: 5_000_000 };
    let of = |alert: &Alert| event(&without_people(alert), &origin);
    let incident = of(&alert(Target::Model("m-1".to_owned())));
    assert_eq!(incident["class_uid"], 2005);
    assert_eq!(incident["type_uid"], 200_502);
    assert_eq!(incident["finding_info_list"][0]["uid"], "inc-7");
    assert_eq!(incident["time"], 5_000);
    let found = Alert {
        incident: None,
        stage: AlertStage::Noticed,
        ..alert(Target::Feed("feed-1".to_owned()))
    };
    let found = of(&found);
    assert_eq!((&found["class_uid"], &found["type_uid"]), (&2004.into(), &200_401.into()));
    assert_eq!(found["finding_info"]["uid"], "msg_1");
    assert_eq!(found["resources"][0]["uid"], "feed-1");
    for event in [&incident, &found] {
        for key in [
            "activity_id",
            "category_uid",
            "class_uid",
            "metadata",
            "severity_id",
            "status_id",
            "time",
            "type_uid",
        ] {
            assert!(event.get(key).is_some_and(|value| *value != Value::Null), "{key}");
        }
    }
}

#[test]
fn pauses_double_up_to_an_hour_and_chance_adds_up_to_half() {
    let seconds = |attempts, chance| next_try(0, attempts, chance) / 1_000_000;
    assert_eq!([1, 2, 3, 4].map(|attempts| seconds(attempts, 0)), [2, 4, 8, 16]);
    assert_eq!(seconds(12, 0), 3600);
    assert_eq!(seconds(u32::MAX, 0), 3600);
    assert_eq!(seconds(1, u16::MAX), 3);
    assert_eq!(seconds(u32::MAX, u16::MAX), 5400);
    assert_eq!(next_try(i64::MAX, 5, 7), i64::MAX);
}
