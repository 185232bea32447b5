//! Budgets through the real server: they end, they outlive a kill, and answers get coarser.

use std::process::Command;

use serde_json::Value;

use crate::harness::{Place, write};
use crate::serve::{Server, key, ready};

fn with_budgets(place: Place, budgets: &str) -> Place {
    let path = place.path("keep/twinkeep.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let text = text.replace("rate_per_second = 5", "rate_per_second = 1000");
    write(&path, format!("{text}{budgets}").as_bytes());
    place
}

fn twins(server: &Server<'_>, header: &str) -> Vec<String> {
    let list = server.call("/api/v1/twins?limit=500", &["-H", header]).json();
    let twins = list["twins"].as_array().unwrap().iter();
    twins.map(|twin| twin["subject"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_budget_of_people_outlives_a_kill_and_ends() {
    let budget = "\n[[budget]]\ncallers = \"key:*\"\nunit = \"new-subjects\"\nlimit = 20\n\
        per = \"month\"\n";
    let place = with_budgets(Place::with_patients(60), budget);
    let (header, id) = key(&place, &["--scope", "twins:read"]);
    let server = Server::start(&place);
    let people = twins(&server, &header);
    let ask = |server: &Server<'_>, header: &str, person: &str| {
        server.call(&format!("/api/v1/twins/{person}"), &["-H", header]).status
    };
    for person in &people[..8] {
        assert_eq!(ask(&server, &header, person), 200);
        assert_eq!(ask(&server, &header, person), 200, "the same person costs nothing");
    }
    let process = server.process().to_string();
    assert!(Command::new("kill").args(["-KILL", &process]).status().unwrap().success());
    drop(server);

    let server = Server::start(&place);
    let answers: Vec<u32> = people.iter().map(|person| ask(&server, &header, person)).collect();
    let answered = answers.iter().filter(|&&status| status == 200).count();
    // Whom the last unit was spent on before the kill may cost one once more.
    assert!((19..=20).contains(&answered), "{answered}: {answers:?}");
    assert!(answers.iter().all(|status| [200, 429].contains(status)), "{answers:?}");
    let refused = server.call(&format!("/api/v1/twins/{}", people[59]), &["-H", &header]);
    assert_eq!(refused.json()["code"], "budget-exhausted");
    assert!(refused.head.contains("\r\nretry-after: "), "{}", refused.head);
    assert_eq!(ask(&server, &header, &people[0]), 200, "who was asked about stays known");

    // A successor of the key has no budget of its own; another key has.
    let next = place.run(&["key", "rotate", &id]).done();
    let next = format!("Authorization: Bearer {}", next["key"].as_str().unwrap());
    assert_eq!(ask(&server, &next, &people[59]), 429);
    assert_eq!(ask(&server, &next, &people[0]), 200);
    let (other, _) = key(&place, &["--scope", "twins:read"]);
    assert_eq!(ask(&server, &other, &people[59]), 200);

    let lines = place.run(&["budget", "list"]).lines();
    let caller = format!("key:{id}");
    let line = lines.iter().find(|line| line["caller"] == caller.as_str()).unwrap();
    assert_eq!((&line["spent"], &line["limit"]), (&20.into(), &20.into()));
    place.run(&["budget", "reset", &caller]).done();
    assert_eq!(ask(&server, &header, &people[59]), 200);
    assert_eq!(place.run(&["budget", "reset", "key:nobody"]).refused(), "budget-unknown");
    // The operator has no budget.
    place.run(&["twin", "show", &people[30]]).done();
}

#[test]
fn when_a_budget_of_answers_is_used_up_they_get_coarser() {
    let budgets = "\n[[budget]]\nunit = \"full-answers\"\nlimit = 2\nper = \"month\"\n\
        exhausted = \"coarse\"\n\n\
        [[budget]]\nunit = \"distinct-inputs\"\nlimit = 3\nper = \"month\"\n";
    let place = with_budgets(ready(), budgets);
    let (header, _) = key(&place, &["--scope", "twins:read", "--scope", "predict"]);
    let server = Server::start(&place);
    let person = &twins(&server, &header)[0];
    let path = format!("/api/v1/twins/{person}/forecast?receipt=true");
    let ask = || server.call(&path, &["-H", &header]).json();
    let (first, second, third) = (ask(), ask(), ask());
    assert!(first.get("coarse").is_none() && second.get("coarse").is_none(), "{second}");
    assert_eq!(third["coarse"], true, "{third}");
    assert!(third["receipt"].is_object(), "a coarse answer has a receipt of its own");
    let means = |answer: &Value| -> Vec<f64> {
        let targets = answer["targets"].as_array().unwrap().iter();
        let points = targets.flat_map(|target| target["points"].as_array().unwrap());
        points.map(|point| point["mean"].as_f64().unwrap()).collect()
    };
    let (exact, coarse) = (means(&first), means(&third));
    assert!(exact.len() == coarse.len() && exact != coarse);
    for (exact, coarse) in exact.iter().zip(&coarse) {
        assert!((exact - coarse).abs() <= 0.051 * exact.abs().max(1e-9), "{exact} {coarse}");
        let digits = format!("{:.1e}", coarse).parse::<f64>().unwrap();
        assert!((digits - coarse).abs() <= 1e-6 * coarse.abs(), "{coarse}");
    }
    let drivers = format!("/api/v1/twins/{person}/drivers?target=HR");
    let refused = server.call(&drivers, &["-H", &header]);
    assert_eq!((refused.status, &refused.json()["code"]), (429, &"budget-exhausted".into()));

    let predict = |value: u32| {
        let history = format!(
            r#"{{"events":[{{"time":0,"code":"HR","value":80}},{{"time":1,"code":"HR","value":{value}}}]}}"#
        );
        server.call("/predict", &["-H", &header, "--json", &history])
    };
    for value in [81, 82, 81, 83, 82] {
        let answer = predict(value);
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.json()["coarse"], true);
    }
    assert_eq!(predict(84).status, 429);
    assert_eq!(predict(81).status, 200);
}
