//! What is missing in papers is named.

use serde_json::json;

use twinkeep_posture::facts::keep::Covered;

use super::{bill_missing, covered, decides, epsilon_per_mille, origin_missing};
use crate::LedgerLine;

const SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

#[test]
fn a_provenance_without_data_or_program_lacks_them() {
    let part = |name: &str, sha256: &str| json!({ "name": name, "digest": { "sha256": sha256 } });
    let of = |materials: serde_json::Value, program: &str| {
        json!({ "predicate": {
            "buildDefinition": { "resolvedDependencies": materials },
            "runDetails": { "builder": { "builderDependencies": [part("twinkeep", program)] } },
        } })
    };
    let whole = json!([part("pack.toml", SHA256), part("event shard", SHA256)]);
    assert!(origin_missing(&of(whole.clone(), SHA256)).is_empty());
    let lacks = |it| origin_missing(&it).into_iter().collect::<Vec<_>>();
    assert_eq!(lacks(of(whole, "")), ["the digest of the program"]);
    let changed = json!([part("pack.toml", "0"), part("event shard", SHA256)]);
    assert_eq!(lacks(of(changed, SHA256)), ["the digest of `pack.toml`"]);
    assert_eq!(lacks(json!([[[]]])).len(), 3);
}

#[test]
fn a_bill_without_a_part_or_a_digest_lacks_it() {
    let part =
        |name: &str| json!({ "bom-ref": name, "name": name, "hashes": [{ "content": SHA256 }] });
    let of = |parts: &[&str]| {
        let mut model = part("model");
        model["modelCard"] = json!({});
        let parts: Vec<_> = parts.iter().map(|name| part(name)).collect();
        json!({ "metadata": { "component": model }, "components": parts })
    };
    let whole = of(&["data", "program", "pack"]);
    assert!(bill_missing(&whole).is_empty());
    assert_eq!(bill_missing(&of(&["data", "pack"])), ["`program`".to_owned()].into());
    let mut bare = whole;
    bare["components"][0]["hashes"] = json!([]);
    assert_eq!(bill_missing(&bare), ["the digest of `data`".to_owned()].into());
    assert!(bill_missing(&json!("text")).len() > 3);
}

#[test]
fn coverage_is_told_by_target_and_epsilon_is_rounded_up() {
    let target = |code: &str, count: u64, share: serde_json::Value| json!({ "code": code, "value_count": count, "coverage_90": share });
    let evaluation = json!({ "targets": [
        target("HR", 412, json!(0.7109)),
        target("Lactate", 0, json!(null)),
        target("GCS", 7, json!(1.0)),
    ] });
    let expected = [("HR", 412, 710), ("GCS", 7, 1000)];
    let expected =
        expected.map(|(code, values, per_mille)| (code.to_owned(), Covered { values, per_mille }));
    assert_eq!(covered(&evaluation), expected.into());
    assert!(covered(&json!({ "targets": "none" })).is_empty());

    let epsilon = |it| epsilon_per_mille(&json!({ "privacy": { "noise": { "epsilon": it } } }));
    assert_eq!(epsilon(json!(10)), Some(10_000));
    assert_eq!(epsilon(json!(10.0001)), Some(10_001));
    assert_eq!(epsilon(json!(1e300)), Some(u64::MAX));
    assert_eq!([json!(null), json!("1"), json!(0), json!(-3)].map(epsilon), [None; 4]);
}

#[test]
fn what_was_trained_shown_or_refused_is_no_decision() {
    let is_one = |action: &str, outcome: &str| {
        decides(&LedgerLine {
            index: 0,
            time: "2026-11-23T12:00:00Z".into(),
            action: action.into(),
            actor: "operator".into(),
            outcome: outcome.into(),
            subject: None,
            details: serde_json::Map::new(),
        })
    };
    assert!(is_one("model.released", "success") && is_one("containment.applied", "success"));
    assert!(!is_one("model.trained", "success") && !is_one("model.read", "success"));
    assert!(!is_one("model.released", "release-limits"));
}
