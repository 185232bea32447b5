//! Which version serves: what a release asks for, who takes over, and the way back.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{Place, write};
use crate::serve::Server;
use crate::splits;
use crate::template;

fn train(place: &Place, args: &[&str]) -> String {
    let report = place.run(&[&["train"], args].concat()).done();
    report["version"].as_str().unwrap().to_owned()
}

fn release(place: &Place, version: &str) -> Value {
    place.run(&["model", "release", version, "--reason", "test"]).done()
}

/// A keep with two versions that served, the second one still does.
pub(crate) fn two_versions() -> (Place, [String; 2]) {
    let place = template::copy("two-versions", || {
        let place = Place::with_patients(240);
        let versions = ["42", "7"].map(|seed| train(&place, &["--seed", seed]));
        let first = release(&place, &versions[0]);
        assert_eq!(first["state"], "in-service");
        assert_eq!(first["backup_version"], Value::Null);
        let second = release(&place, &versions[1]);
        assert_eq!(
            (&second["retired"], &second["backup_version"]),
            (&first["version"], &first["version"])
        );
        place
    });
    let versions = ["retired", "in-service"].map(|state| place.version(state));
    (place, versions)
}

fn states(place: &Place) -> Vec<String> {
    let lines = place.run(&["model", "list"]).lines();
    lines.iter().map(|line| line["state"].as_str().unwrap().to_owned()).collect()
}

fn forecast(place: &Place) -> Value {
    let list = place.run(&["twin", "list", "--limit", "1"]).done();
    place.run(&["twin", "forecast", list["twins"][0]["subject"].as_str().unwrap()]).done()
}

/// Changes a byte of the weights of a version.
pub(crate) fn damage(place: &Place, version: &str) {
    let folder = format!("keep/models/{version}");
    let files = place.files(&folder);
    let largest = files.iter().max_by_key(|file| fs::metadata(file).unwrap().len()).unwrap();
    place.flip(largest, 12_345);
}

#[test]
fn the_backup_answers_the_very_request_that_found_the_damage() {
    let (place, [first, second]) = two_versions();
    assert_eq!(forecast(&place)["model"], Value::from(second.clone()));
    damage(&place, &second);
    assert_eq!(forecast(&place)["model"], Value::from(first.clone()));
    assert_eq!(states(&place), ["in-service", "quarantined"]);
    let lines = place.run(&["ledger", "show", "--limit", "100"]).lines();
    let found = lines.iter().find(|line| line["action"] == "model.quarantined").unwrap();
    assert_eq!(found["details"]["replaced_by"], Value::from(first.clone()));
    let refused = place.run(&["model", "release", &second, "--reason", "please"]);
    assert_eq!(refused.refused(), "model-state");
    // Nobody stands behind the last one.
    damage(&place, &first);
    let list = place.run(&["twin", "list", "--limit", "1"]).done();
    let twin = list["twins"][0]["subject"].as_str().unwrap();
    assert!(place.run(&["twin", "forecast", twin]).refused().starts_with("model-"));
    assert_eq!(place.run(&["twin", "forecast", twin]).refused(), "model-none");
}

#[test]
fn a_version_that_served_before_comes_back_by_a_rollback_only_and_on_record() {
    let (place, [first, second]) = two_versions();
    let again = place.run(&["model", "release", &first, "--reason", "it was better"]);
    assert_eq!(again.refused(), "model-older");
    let back = place.run(&["model", "rollback", "--reason", "drift"]).done();
    assert_eq!(
        (&back["version"], &back["retired"]),
        (&Value::from(first.clone()), &Value::from(second.clone()))
    );
    assert_eq!(back["backup_version"], Value::Null, "what was rolled back from is no backup");
    assert_eq!(forecast(&place)["model"], Value::from(first.clone()));
    let refused = place.run(&["model", "rollback", "--to", &first, "--reason", "x"]).refused();
    assert_eq!(refused, "model-state");
    let backup = place.run(&["model", "backup", &second, "--reason", "it loads"]).done();
    assert_eq!(backup["backup"], true);
    let taken = place.run(&["model", "quarantine", &first, "--reason", "suspicion"]).done();
    assert_eq!(taken["replaced_by"], Value::from(second.clone()));
    assert_eq!(forecast(&place)["model"], Value::from(second.clone()));
    // A third one stands by until it is promoted.
    let third = train(&place, &["--seed", "9"]);
    let stands_by = ["model", "release", &third, "--stand-by", "--reason", "checked"];
    let standing = place.run(&stands_by).done();
    assert_eq!(
        (&standing["state"], &standing["backup"]),
        (&Value::from("released"), &Value::from(true))
    );
    assert_eq!(forecast(&place)["model"], Value::from(second.clone()));
    let promoted = place.run(&["model", "promote", &third, "--reason", "now"]).done();
    assert_eq!(promoted["backup_version"], Value::from(second));
    assert_eq!(forecast(&place)["model"], Value::from(third));
    let actions: Vec<Value> = place
        .run(&["ledger", "show", "--limit", "100"])
        .lines()
        .iter()
        .map(|line| line["action"].clone())
        .collect();
    for action in ["model.rolled-back", "model.backup-named", "model.quarantined", "model.promoted"]
    {
        assert!(actions.contains(&Value::from(action)), "{action}");
    }
}

#[test]
fn a_version_that_is_worse_is_not_released_unless_somebody_insists() {
    let place = Place::with_few_targets(500);
    // Two fifths are held out: on the 50 that a pack holds out of so many, chance can hide what is
    // worse.
    let split = |at: usize| ["train", "held_out", "tuning", "train", "held_out"][at % 5];
    let numbers = splits::numbers(&place, "feed.tar.gz").into_iter().enumerate();
    let splits = splits::csv(numbers.map(|(at, number)| (number, split(at))));
    write(&place.path("splits.csv"), splits.as_bytes());
    let by_file = ["--splits", "splits.csv"];
    let good = train(&place, &by_file);
    release(&place, &good);
    // With so many subjects in a leaf nothing can be learned.
    let worse = train(&place, &[&by_file[..], &["--leaf-subjects", "100000"]].concat());
    let ask = [&["model", "release", &worse, "--reason", "cheaper"], &by_file[..]].concat();
    let refused = place.run(&ask);
    assert_eq!(refused.refused(), "model-worse");
    assert_eq!(states(&place), ["in-service", "candidate"]);
    let insisted = ["model", "release", &worse, "--reason", "cheaper", "--without-comparison"];
    let done = place.run(&insisted).done();
    let checks = done["checks"].as_array().unwrap();
    assert!(checks.iter().any(|it| it["found"] == "not compared, as was asked"), "{done}");
    let lines = place.run(&["ledger", "show", "--limit", "100"]).lines();
    let released = |line: &&Value| line["details"]["accuracy"] == "not compared, as was asked";
    assert_eq!(lines.iter().filter(released).count(), 1, "it is on record");
    // The other way around it is compared, and passes.
    let better = train(&place, &[&by_file[..], &["--seed", "5"]].concat());
    let ask = [&["model", "release", &better, "--reason", "test"], &by_file[..]].concat();
    let checks = place.run(&ask).done()["checks"].clone();
    let checks = checks.as_array().unwrap();
    assert!(
        checks.iter().any(|it| it["found"].as_str().unwrap().contains("smaller")),
        "{checks:?}"
    );
}

#[test]
fn a_version_comes_out_the_same_again_as_long_as_its_data_is_there() {
    let (place, version) = Place::with_version();
    let again = place.run(&["model", "reproduce", &version]).done();
    let record = place.run(&["model", "show", &version]).done();
    assert_eq!(again["weights_sha256"], record["training"]["weights_sha256"]);
    let options = ["model", "release", &version, "--reproduce", "--reason", "test"];
    let checks = place.run(&options).done()["checks"].clone();
    assert!(checks.as_array().unwrap().iter().any(|it| it["check"] == "reproduced"), "{checks}");
    place.synth("more.tar.gz", 20, 0, 43);
    place.seal("more.tar.gz").done();
    place.run(&["ingest", "more.tar.gz.sealed"]).done();
    let changed = place.run(&["model", "reproduce", &version]);
    assert_eq!(changed.refused(), "reproduce-data-changed");
}

/// Makes an identity and names it an approver.
pub(crate) fn approver(place: &Place, name: &str) {
    place.run(&["identity", "new", name, "--key-file", &format!("{name}.kek")]).done();
    place.run(&["model", "approver", "add", &format!("{name}.identity.pub")]).done();
}

/// Somebody agrees to a request; returns where the approval is.
pub(crate) fn approve(place: &Place, name: &str, request: &str) -> String {
    let (identity, key) = (format!("{name}.identity"), format!("{name}.kek"));
    let out = format!("{request}.{name}");
    let args = ["model", "approve", request, "--identity", &identity, "--key-file", &key];
    place.run(&[&args[..], &["--reason", "looked at it", "--out", &out]].concat()).done();
    out
}

#[test]
fn as_many_approvers_agree_as_the_keep_asks_for_each_to_this_version_now() {
    let (place, version) = Place::with_version();
    let other = train(&place, &["--seed", "7"]);
    for name in ["ada", "bob", "eve"] {
        approver(&place, name);
    }
    assert_eq!(place.run(&["model", "approver", "require", "4"]).refused(), "approver");
    let list = place.run(&["model", "approver", "require", "2"]).done();
    assert_eq!(
        (list["approvers"].as_array().unwrap().len(), &list["required"]),
        (3, &Value::from(2))
    );
    let release = |approvals: &[&str]| {
        let args = ["model", "release", &version, "--reason", "test"];
        let approvals = approvals.iter().flat_map(|file| ["--approval", *file]);
        place.run(&args.into_iter().chain(approvals).collect::<Vec<_>>())
    };
    assert_eq!(release(&[]).refused(), "model-approvals");
    place.run(&["model", "request", &version, "--out", "r.json"]).done();
    place.run(&["model", "request", &other, "--out", "o.json"]).done();
    let (ada, bob) = (approve(&place, "ada", "r.json"), approve(&place, "bob", "r.json"));
    // A stranger, the same person twice, another version, and a changed request do not count.
    place.run(&["identity", "new", "mallory", "--key-file", "mallory.kek"]).done();
    let mallory = approve(&place, "mallory", "r.json");
    assert_eq!(release(&[&ada, &mallory]).refused(), "approval");
    assert_eq!(release(&[&ada, &ada]).refused(), "model-approvals");
    assert_eq!(release(&[&ada, &approve(&place, "bob", "o.json")]).refused(), "approval");
    let asked = fs::read_to_string(place.path("r.json")).unwrap();
    let changed = asked.replace("\"decisions\": 1", "\"decisions\": 2");
    assert_ne!(changed, asked);
    write(&place.path("c.json"), changed.as_bytes());
    assert_eq!(release(&[&ada, &approve(&place, "bob", "c.json")]).refused(), "approval");
    release(&[&ada, &bob]).done();
    // Out of quarantine only with a second person, whose old agreement does not count.
    place.run(&["model", "quarantine", &version, "--reason", "suspicion"]).done();
    let restore = |file: &str| {
        place.run(&["model", "restore", &version, "--reason", "clean", "--approval", file])
    };
    assert_eq!(restore(&ada).refused(), "approval");
    place.run(&["model", "request", &version, "--for", "restore", "--out", "q.json"]).done();
    restore(&approve(&place, "eve", "q.json")).done();
    assert_eq!(states(&place), ["candidate", "candidate"]);
    assert_eq!(release(&[&ada, &bob]).refused(), "approval", "something was decided since");
    let steps = place.run(&["ledger", "show", "--limit", "200"]).lines();
    let added = steps.iter().filter(|line| line["action"] == "approver.added");
    assert_eq!(added.count(), 3);
}

#[test]
fn damage_on_the_disk_is_found_while_the_gate_serves_and_no_request_is_lost() {
    let (place, [first, second]) = two_versions();
    let config = place.path("keep/twinkeep.toml");
    let text = fs::read_to_string(&config).unwrap();
    let text = text.replace("verify_every_seconds = 900", "verify_every_seconds = 1");
    assert!(text.contains("verify_every_seconds = 1\n"), "{text}");
    write(&config, text.as_bytes());
    let made = place.run(&["key", "new", "test"]).done();
    let header = format!("Authorization: Bearer {}", made["key"].as_str().unwrap());
    let server = Server::start(&place);
    let list = server.call("/api/v1/twins?limit=1", &["-H", &header]).json();
    let path = format!("/api/v1/twins/{}/forecast", list["twins"][0]["subject"].as_str().unwrap());
    let model = || {
        let answer = server.call(&path, &["-H", &header]);
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()["model"].as_str().unwrap().to_owned()
    };
    assert_eq!(model(), second);
    damage(&place, &second);
    let began = Instant::now();
    while model() != first {
        assert!(began.elapsed() < Duration::from_secs(120), "the damage was not found in time");
        std::thread::sleep(Duration::from_millis(400));
    }
    assert_eq!(states(&place), ["in-service", "quarantined"]);
    assert_eq!(server.stop(), Some(0));
}
