//! What a twin is asked about the future: paths, what if, and how it went on with others.

use serde_json::Value;

use crate::harness::Place;
use crate::serve::Server;

/// A keep with a model in service that learned from enough people to draw paths.
fn ready() -> Place {
    let place = Place::with_patients(500);
    let trained = place.run(&["train"]).done();
    let figures = &trained["evaluation"]["trajectories"];
    assert_eq!(figures["path_count"], 16, "{figures}");
    assert!(50 < figures["subject_count"].as_u64().unwrap(), "{figures}");
    let version = trained["version"].as_str().unwrap();
    let card = place.run(&["model", "show", version]).done();
    assert!(card["card"]["evaluation"]["trajectories"].is_object(), "{card}");
    place.run(&["model", "release", version, "--reason", "test"]).done();
    place
}

fn subjects(place: &Place) -> Vec<String> {
    let list = place.run(&["twin", "list", "--limit", "500"]).done();
    let twins = list["twins"].as_array().unwrap().iter();
    twins.map(|twin| twin["subject"].as_str().unwrap().to_owned()).collect()
}

fn actions(place: &Place) -> Vec<String> {
    let lines = place.run(&["ledger", "show", "--limit", "1000"]).lines();
    lines.iter().map(|line| line["action"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_twin_is_asked_what_may_happen_what_if_and_how_it_went_on_with_others() {
    let place = ready();
    let subjects = subjects(&place);
    paths(&place, &subjects[0]);
    what_if(&place, &subjects[0]);
    others(&place, &subjects);
    let actions = actions(&place);
    for action in ["twin.simulated", "paths.writing", "twin.what_if", "twin.compared"] {
        assert!(actions.iter().any(|found| found == action), "{action} is not on record");
    }
    over_https(&place, &subjects[0]);
}

fn paths(place: &Place, subject: &str) {
    let ask = |seed: &str| {
        let args = ["twin", "simulate", subject, "--at", "24", "--paths", "400", "--seed", seed];
        place.run(&[&args[..], &["--target", "HR", "--target", "MAP", "--when", "HR>20"]].concat())
    };
    let answer = ask("3").done();
    assert_eq!(answer["targets"].as_array().unwrap().len(), 2);
    assert_eq!(answer["paths"].as_array().unwrap().len(), 3);
    assert_eq!(answer["horizons_hours"].as_array().unwrap().len(), 24);
    assert_eq!(answer["conditions"][0]["share"], 1.0);
    assert_eq!(ask("3").done(), answer);
    assert_ne!(ask("4").done()["paths"], answer["paths"]);
    let number = |value: &Value| value.as_f64().unwrap();
    for target in answer["targets"].as_array().unwrap() {
        let end = target["points"].as_array().unwrap().last().unwrap();
        // On the way it gets lower than it is at the end.
        assert!(number(&target["lowest"]["q50"]) <= number(&end["q50"]), "{target}");
        assert!(number(&end["q50"]) <= number(&target["highest"]["q50"]), "{target}");
    }
    let args = ["twin", "simulate", subject, "--at", "24", "--paths", "10", "--horizon", "6h"];
    let written = place.show(&[&args[..], &["--step", "2h", "--output", "paths.parquet"]].concat());
    assert_eq!(written.code, 0, "{}", written.stderr);
    assert!(written.stdout.contains("lowest on the way"), "{}", written.stdout);
    assert!(written.stdout.contains("none of them is what will happen"), "{}", written.stdout);
    let bytes = std::fs::read(place.path("paths.parquet")).unwrap();
    assert_eq!((&bytes[..4], &bytes[bytes.len() - 4..]), (&b"PAR1"[..], &b"PAR1"[..]));
    let refused = place.run(&["twin", "simulate", subject, "--paths", "100001"]);
    assert_eq!(refused.refused(), "paths");
}

fn what_if(place: &Place, subject: &str) {
    let ask = |change: &str| place.run(&["twin", "whatif", subject, "--at", "24", "--set", change]);
    let answer = ask("FiO2=50 %").done();
    let change = &answer["changes"][0];
    assert_eq!((&change["value"], &change["intervention"]), (&0.5.into(), &true.into()));
    assert!(20 <= change["supporting_subjects"].as_u64().unwrap(), "{change}");
    // Those of which there is a forecast; how many that is depends on who it is.
    let codes: Vec<&Value> =
        answer["targets"].as_array().unwrap().iter().map(|target| &target["code"]).collect();
    assert!(codes.contains(&&Value::from("FiO2")) && 10 < codes.len(), "{codes:?}");
    // How many are like this one is chance: where a value has too few, another one has enough.
    let show = |change| place.show(&["twin", "whatif", subject, "--at", "24", "--set", change]);
    let shown = ["HR=90", "HR=80", "HR=100"].map(show);
    let shown = shown.iter().find(|shown| !shown.stdout.is_empty()).unwrap();
    assert!(shown.stdout.contains("associational, not causal"), "{}", shown.stdout);
    assert!(shown.stdout.contains("nobody can set it"), "{}", shown.stdout);
    assert_eq!(ask("HR=290").refused(), "what-if-support");
    for wrong in ["HR", "HR=", "HR=999", "HR=80 mmHg", "Nothing=1"] {
        assert_eq!(ask(wrong).refused(), "what-if-change", "{wrong}");
    }
}

fn others(place: &Place, subjects: &[String]) {
    let found = place.run(&["twin", "similar", &subjects[0], "--at", "24"]);
    assert!(subjects[1..].iter().all(|subject| !found.stdout.contains(subject)));
    let answer = found.done();
    assert_eq!(answer["similar_subjects"], 50);
    let outcomes = answer["outcomes"].as_array().unwrap();
    assert!(outcomes.iter().any(|outcome| outcome["code"] == "HR"), "{answer}");
    assert!(outcomes.iter().all(|outcome| 20 <= outcome["subjects"].as_u64().unwrap()));
    let few = place.run(&["twin", "similar", &subjects[0], "--count", "5"]);
    assert_eq!(few.refused(), "similar-count");
}

fn over_https(place: &Place, subject: &str) {
    let made = place.run(&["key", "new", "test"]).done();
    let header = format!("Authorization: Bearer {}", made["key"].as_str().unwrap());
    let server = Server::start(place);
    let ask = |query: &str| {
        let path = format!("/api/v1/twins/{subject}/{query}&at_hours=24");
        let answer = server.call(&path, &["-H", &header]);
        (path, answer)
    };
    // How many are like this one is chance: where a value has too few, another one has enough.
    let set = ["what-if?set=HR%3D90", "what-if?set=HR%3D80", "what-if?set=HR%3D100"];
    let set = set.into_iter().find(|query| ask(query).1.status == 200).unwrap_or(set[0]);
    for query in ["trajectories?paths=200", set, "similar?count=40"] {
        let (path, answer) = ask(query);
        assert_eq!(answer.status, 200, "{query}: {}", answer.body);
        assert_eq!(answer.json()["subject"], subject, "{query}");
        assert_eq!(server.call(&path, &[]).status, 401, "{query}");
    }
}
