//! Attacks as a person meets them: run, shown, and in the way of a release.

use std::fs;

use serde_json::{Value, json};

use crate::harness::{Place, icu_with_targets, write};

/// The `icu` pack with few targets, so that a shadow takes a second, and with another `[privacy]`.
fn pack(privacy: &str) -> String {
    let text = icu_with_targets(&["HR", "Temp", "Urine"]);
    format!("{text}\n[privacy]\n{privacy}\n")
}

/// A keep of made-up patients under such a pack.
fn place(privacy: &str, stays: u32) -> Place {
    let place = Place::empty();
    write(&place.path("own.toml"), pack(privacy).as_bytes());
    place.run(&["init", "keep", "--pack", "own.toml", "--key-file", "keep.kek"]).done();
    place.synth("feed.tar.gz", stays, 0, 42);
    place.run(&["ingest", "feed.tar.gz"]).done();
    place
}

fn trained(place: &Place) -> String {
    place.run(&["train"]).done()["version"].as_str().unwrap().to_owned()
}

fn attack(place: &Place, args: &[&str], version: &str) -> Value {
    let args: Vec<&str> =
        ["attack"].iter().chain(args).copied().chain(["--model", version]).collect();
    place.run(&args).done()
}

#[test]
fn an_attacked_version_shows_what_was_found_and_says_it_in_words() {
    let place = place("", 240);
    let version = trained(&place);
    assert_eq!(place.run(&["attack", "show", &version]).lines().len(), 0);
    let report = attack(&place, &["membership", "--shadows", "4"], &version);
    let found = &report["membership"];
    for side in ["version", "procedure", "threshold"] {
        let auc = found[side]["auc"].as_f64().unwrap();
        let (low, high) = (&found[side]["auc_low"], &found[side]["auc_high"]);
        assert!(low.as_f64().unwrap() <= auc && auc <= high.as_f64().unwrap(), "{report}");
        assert!(found[side]["tpr_at_fpr_0_1_percent"].is_null(), "240 people cannot say");
    }
    assert_eq!(report["over"], Value::Array(Vec::new()));
    let shown = place.run(&["attack", "show", &version]).lines();
    assert_eq!(shown, std::slice::from_ref(&report));
    let again = attack(&place, &["membership", "--shadows", "4", "--threads", "1"], &version);
    assert_eq!(again["membership"], *found, "the same attack finds the same");
    let text = place.show(&["attack", "show", &version]).stdout;
    assert!(text.contains("likelihood ratio, this version"), "{text}");
    assert!(text.contains("too few people"), "{text}");
    assert_eq!(place.run(&["model", "list"]).lines()[0]["attacked"][0], "membership");
    place.run(&["model", "release", &version, "--reason", "test"]).done();
    let actions = place.run(&["ledger", "show", "--limit", "1000"]).lines();
    assert!(actions.iter().any(|line| line["action"] == "model.attacked"));
}

#[test]
fn extraction_and_poisoning_are_measured() {
    let place = place("", 360);
    let version = trained(&place);
    let report = attack(&place, &["extraction", "--answers", "50,200"], &version);
    let trials = report["extraction"]["trials"].as_array().unwrap();
    assert_eq!(trials.len(), 8);
    assert!(trials.iter().all(|trial| 50 <= trial["answer_count"].as_u64().unwrap()), "{report}");
    let args = ["poisoning", "--canaries", "3", "--kind", "outliers", "--rates", "0.05"];
    let report = attack(&place, &args, &version);
    let planted = report["canaries"]["planted"].as_array().unwrap();
    assert_eq!(planted.len(), 2);
    let trials = report["poisoning"]["trials"].as_array().unwrap();
    assert_eq!(trials.len(), 1);
    let share = trials[0]["poisoned_share"].as_f64().unwrap();
    assert!((0.03..0.06).contains(&share), "{report}");
    assert!(trials[0]["poisoned_mase"].is_f64(), "{report}");
    let kinds: Vec<String> = place
        .run(&["attack", "show", &version])
        .lines()
        .iter()
        .map(|report| report["attack"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(kinds, ["extraction", "poisoning"]);
    let wrong = ["attack", "poisoning", "--model", &version, "--kind", "gossip"];
    assert_eq!(place.run(&wrong).refused(), "attack-kind");
    let text = place.show(&["attack", "show", &version]).stdout;
    assert!(text.contains("real histories") && text.contains("canaries planted once"), "{text}");
}

#[test]
fn a_version_over_a_limit_of_the_pack_does_not_enter_service() {
    // Nobody's model guesses at exactly this, and nobody's gap is this small.
    let place = place(
        "required_attacks = [\"membership\"]\nmax_membership_auc = 0.5\n\
         max_generalization_gap = 0\nmax_tpr_at_fpr_0_1_percent = 0.9",
        240,
    );
    let version = trained(&place);
    let release = ["model", "release", &version, "--reason", "test"];
    assert_eq!(place.run(&release).refused(), "model-not-attacked");
    let report = attack(&place, &["membership", "--shadows", "4"], &version);
    let over = report["over"].as_array().unwrap();
    let named: Vec<&str> = over.iter().map(|over| over["limit"].as_str().unwrap()).collect();
    assert!(named.contains(&"max_tpr_at_fpr_0_1_percent"), "what cannot be measured is not held");
    let ran = place.run(&release);
    assert_eq!((ran.refused(), ran.code), ("model-privacy".to_owned(), 1));
    assert!(ran.stderr.contains("max_tpr_at_fpr_0_1_percent"), "{}", ran.stderr);
    let subject = place.run(&["twin", "list", "--limit", "1"]).done();
    let subject = subject["twins"][0]["subject"].as_str().unwrap();
    assert_eq!(place.run(&["twin", "forecast", subject]).refused(), "model-none");
    // Nobody makes a report go away.
    let mut reports = place.files("keep/models");
    reports.retain(|path| path.extension().is_some_and(|it| it == "attack"));
    assert_eq!(reports.len(), 1);
    place.flip(&reports[0], 999);
    assert_eq!(place.run(&release).refused(), "attack-report");
    fs::remove_file(&reports[0]).unwrap();
    assert_eq!(place.run(&release).refused(), "attack-report");
}

#[test]
fn protection_by_the_pack_is_applied_and_its_price_is_told() {
    let place = place("leaf_subjects_min = 30\nteachers = 2\nleaf_step_max = 3", 240);
    let report = place.run(&["train", "--privacy-cost"]).done();
    let cost = &report["privacy"];
    assert_eq!((&cost["leaf_subjects_min"], &cost["teachers"]), (&json!(30), &json!(2)));
    assert!(cost["mase_median"].is_f64() && cost["mase_median_without"].is_f64(), "{cost}");
    assert_eq!(cost["mase_median"], report["evaluation"]["mase_median"]);
    let version = report["version"].as_str().unwrap();
    let record = place.run(&["model", "show", version]).done();
    assert_eq!(record["training"]["configuration"]["leaf_subjects_min"], 30);
    assert_eq!(record["training"]["configuration"]["teachers"], 2);
    assert_eq!(record["card"]["privacy"]["teachers"], 2);
    assert_eq!(place.run(&["train", "--leaf-subjects", "29"]).refused(), "train-leaf-subjects");
    let text = place.show(&["train", "--leaf-subjects", "50"]).stdout;
    assert!(text.contains("privacy: at least 50 subjects in a leaf, 2 teachers"), "{text}");
    assert!(text.contains("`--privacy-cost` measures"), "{text}");
}

#[test]
fn the_search_tries_teachers_and_leaves_and_says_what_to_write_into_the_pack() {
    let limits = "max_membership_auc = 1\nmax_tpr_at_fpr_1_percent = 1\n\
                  max_tpr_at_fpr_0_1_percent = 1";
    let place = place(limits, 520);
    let version = trained(&place);
    let args = ["membership", "--shadows", "4", "--search", "0,40", "--teachers", "0,2"];
    let report = attack(&place, &args, &version);
    let levels = report["search"].as_array().unwrap();
    let tried: Vec<_> =
        levels.iter().map(|level| (&level["teachers"], &level["leaf_subjects_min"])).collect();
    let (none, two, forty) = (&json!(0), &json!(2), &json!(40));
    assert_eq!(tried, [(none, none), (none, forty), (two, none), (two, forty)]);
    assert_eq!(levels.iter().filter(|level| level["recommended"] == true).count(), 1);
    assert!(report["membership"]["one_answer"]["auc"].is_f64(), "{report}");
    // 520 people cannot show what is found at 0.1 % alarms; the limit at 1 % stands for it.
    assert!(report["membership"]["procedure"]["tpr_at_fpr_0_1_percent"].is_null());
    assert_eq!(report["over"], json!([]));
    let text = place.show(&["attack", "show", &version]).stdout;
    assert!(text.contains('→') && text.contains("one answer for each"), "{text}");
    place.run(&["model", "release", &version, "--reason", "test"]).done();
}

#[test]
fn a_version_whose_data_changed_is_not_attacked() {
    let place = place("", 240);
    let version = trained(&place);
    place.synth("more.tar.gz", 20, 0, 43);
    place.run(&["ingest", "more.tar.gz"]).done();
    let args = ["attack", "membership", "--model", &version, "--shadows", "4"];
    assert_eq!(place.run(&args).refused(), "attack-data-changed");
    let odd = ["attack", "membership", "--shadows", "5", "--model", &trained(&place)];
    assert_eq!(place.run(&odd).refused(), "attack-plan");
    assert_eq!(place.run(&["attack", "membership"]).refused(), "model-none");
}

#[test]
fn noise_is_stated_with_whom_it_hides_and_does_not_come_from_the_seed() {
    let place = place("noise = { epsilon = 8, delta = 1e-6 }", 240);
    let report = place.run(&["train"]).done();
    assert_eq!(report["privacy"]["noise"]["epsilon"], 8.0);
    let version = report["version"].as_str().unwrap();
    let shown = place.run(&["model", "show", version]).done();
    assert_eq!(shown["training"]["configuration"]["noise"]["delta"], 1e-6);
    assert_eq!(shown["card"]["privacy"]["noise"]["epsilon"], 8.0);
    let text = place.show(&["train"]).stdout;
    assert!(text.contains("ε = 8 at δ = 0.000001 for the training split"), "{text}");
    let again = place.run(&["train"]).done();
    assert_ne!(again["weights_sha256"], report["weights_sha256"], "the noise is on record");
    place.run(&["model", "release", version, "--reason", "test"]).done();
    let subject = place.run(&["twin", "list", "--limit", "1"]).done();
    let subject = subject["twins"][0]["subject"].as_str().unwrap();
    let answer = place.run(&["twin", "forecast", subject]).done();
    assert_eq!(answer["targets"].as_array().unwrap().len(), 3);
}
