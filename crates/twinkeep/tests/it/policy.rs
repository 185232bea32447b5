//! Who may do what, and about whom: policies, purposes, broken glass, consent, and keys that change.

use serde_json::Value;

use crate::harness::{Place, write};
use crate::serve::{Server, key};

const PURPOSE: &str = "X-Purpose-Of-Use: ";

/// A keep with patients, and a gate that answers as often as a test asks.
fn place() -> Place {
    with_gate(Place::with_patients(60), "")
}

fn with_gate(place: Place, more: &str) -> Place {
    let path = place.path("keep/twinkeep.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let text = text.replace("rate_per_second = 5", "rate_per_second = 1000");
    let text = text.replace("[consent]\nrequired = false\n", more);
    write(&path, text.as_bytes());
    place
}

fn status(server: &Server<'_>, path: &str, headers: &[&str]) -> (u32, String) {
    let args: Vec<&str> = headers.iter().flat_map(|header| ["-H", header]).collect();
    let answer = server.call(path, &args);
    let code = match answer.status {
        200 => String::new(),
        _ => answer.json()["code"].as_str().unwrap_or_default().to_owned(),
    };
    (answer.status, code)
}

fn ledger(place: &Place) -> Vec<Value> {
    place.run(&["ledger", "show", "--limit", "300"]).lines()
}

#[test]
fn a_policy_decides_by_role_and_purpose_from_the_next_request_on() {
    let place = place();
    let reader: &[&str] = &["--scope", "twins:read"];
    let (nurse, _) = key(&place, &[reader, &["--role", "nurse"]].concat());
    let (clerk, _) = key(&place, reader);
    let server = Server::start(&place);
    let list = |headers: &[&str]| status(&server, "/api/v1/twins?limit=1", headers);
    assert_eq!(list(&[&clerk]).0, 200);
    let advertise = format!("{PURPOSE}HMARKT");
    assert_eq!(list(&[&clerk, &advertise]), (403, "policy-denied".to_owned()));
    assert_eq!(list(&[&clerk, &format!("{PURPOSE}to look")]), (400, "purpose-code".to_owned()));
    let treat = format!("{PURPOSE}TREAT");
    assert_eq!(list(&[&clerk, &treat, &advertise]), (400, "purpose-code".to_owned()));

    let rule = r#"@id("nurses") permit (principal in Role::"nurse", action in Action::"look", resource)
        when { context.purpose == "TREAT" };"#;
    write(&place.path("strict.cedar"), rule.as_bytes());
    write(&place.path("wrong.cedar"), rule.replace("purpose", "reason").as_bytes());
    place.run(&["policy", "check", "strict.cedar"]).done();
    for verb in ["check", "apply"] {
        assert_eq!(place.run(&["policy", verb, "wrong.cedar"]).refused(), "policy-invalid");
    }
    assert_eq!(list(&[&clerk]).0, 200, "nothing was applied");
    let test = |more: &[&str]| {
        let args = [&["policy", "test", "list-twins", "--file", "strict.cedar"], more].concat();
        place.run(&args).done()
    };
    assert_eq!(test(&["--role", "nurse", "--purpose", "TREAT"])["because"][0], "nurses");
    assert_eq!(test(&["--role", "nurse"])["permitted"], false);

    place.run(&["policy", "apply", "strict.cedar"]).done();
    assert_eq!(list(&[&clerk, &treat]), (403, "policy-denied".to_owned()));
    assert_eq!(list(&[&nurse]), (403, "policy-denied".to_owned()));
    assert_eq!(list(&[&nurse, &treat]).0, 200);
    assert_eq!(place.run(&["policy", "show"]).done()["shipped"], false);
    place.run(&["policy", "apply"]).done();
    assert_eq!(list(&[&clerk]).0, 200, "the file that `init` wrote is what the program ships");
    assert_eq!(place.run(&["policy", "show"]).done()["shipped"], true);

    let lines = ledger(&place);
    let count = |text: &str| lines.iter().filter(|line| line.to_string().contains(text)).count();
    assert_eq!(count("\"policy.applied\""), 3, "{lines:#?}");
    assert_eq!(count("\"policy-denied\""), 3);
    assert!(1 <= count("\"TREAT\""), "an entry says for what purpose");
}

#[test]
fn who_withdrew_consent_is_asked_about_in_an_emergency_only() {
    let place = place();
    let reader: &[&str] = &["--scope", "twins:read"];
    let (doctor, _) = key(&place, &[reader, &["--role", "emergency"]].concat());
    let (clerk, _) = key(&place, reader);
    let server = Server::start(&place);
    let list = server.call("/api/v1/twins?limit=2", &["-H", &clerk]).json();
    let name = |index: usize| list["twins"][index]["subject"].as_str().unwrap().to_owned();
    let (one, other) = (name(0), name(1));
    let (path, others) = (format!("/api/v1/twins/{one}"), format!("/api/v1/twins/{other}"));
    assert_eq!(status(&server, &path, &[&clerk]).0, 200);

    let withdrawn = place.run(&["subject", "consent", &one, "--withdraw"]).done();
    assert_eq!(
        (&withdrawn["state"], &withdrawn["may_be_asked"]),
        (&"withdrawn".into(), &false.into())
    );
    for path in [path.clone(), format!("{path}/history"), format!("{path}/changes")] {
        assert_eq!(status(&server, &path, &[&clerk]), (403, "consent-withdrawn".to_owned()));
    }
    assert_eq!(status(&server, &others, &[&clerk]).0, 200);
    assert!(!server.call("/api/v1/twins?limit=500", &["-H", &clerk]).body.contains(&one));
    assert_eq!(place.run(&["twin", "show", &one]).refused(), "consent-withdrawn");

    let emergency = format!("{PURPOSE}ETREAT");
    let why = "X-Break-Glass: found unconscious in the lobby";
    let refused = (403, "consent-withdrawn".to_owned());
    assert_eq!(status(&server, &path, &[&doctor, &emergency]), refused);
    assert_eq!(status(&server, &path, &[&doctor, why]), refused);
    assert_eq!(status(&server, &path, &[&clerk, &emergency, why]), refused);
    assert_eq!(status(&server, &path, &[&doctor, &emergency, why]).0, 200);
    let empty = "X-Break-Glass;";
    assert_eq!(
        status(&server, &path, &[&doctor, &emergency, empty]),
        (400, "glass-reason".to_owned())
    );
    let broken = place.run(&["policy", "glass"]).lines();
    assert_eq!(broken.len(), 1, "{broken:?}");
    assert_eq!(broken[0]["reason"], "found unconscious in the lobby");
    let mut incidents = place.run(&["incident", "list"]).lines();
    incidents.retain(|incident| incident["detector"] == "break-glass");
    assert_eq!(incidents.len(), 1, "a person has to look: {incidents:?}");
    assert_eq!(incidents[0]["target"]["kind"], "identity", "{incidents:?}");

    let given = ["subject", "consent", &one, "--give", "--basis", "care"];
    place.run(&given).done();
    assert_eq!(status(&server, &path, &[&clerk]).0, 200);
    assert_eq!(place.run(&["subject", "consent", &one]).done()["basis"], "care");
    assert_eq!(
        place.run(&["subject", "consent", &one, "--give", "--basis", "whim"]).refused(),
        "consent-basis"
    );
    let lines = ledger(&place);
    let alarms = ["ledger", "export", "--format", "ocsf", "--action", "glass.broken"];
    let alarms = place.run(&alarms).stdout;
    assert_eq!(alarms.matches("\"severity_id\":4").count(), 1, "{alarms}");
    assert!(!lines.iter().any(|line| line.to_string().contains("lobby")), "reasons are sealed");

    place.run(&["subject", "erase", &one, "--reason", "asked", "--confirm", &one]).done();
    let erased = place.run(&["subject", "consent", &one, "--withdraw"]);
    assert_eq!(erased.refused(), "subject-erased");
}

#[test]
fn where_a_basis_is_required_nobody_is_asked_about_without_one() {
    let place = with_gate(Place::with_keep(), "[consent]\nrequired = true\n");
    std::fs::create_dir(place.path("stays")).unwrap();
    for record in ["4711", "4712"] {
        let text = format!("Time,Parameter,Value\n00:00,RecordID,{record}\n00:10,HR,80\n");
        write(&place.path(&format!("stays/{record}.txt")), text.as_bytes());
    }
    place.run(&["ingest", "stays"]).done();
    let (clerk, _) = key(&place, &["--scope", "twins:read"]);
    let server = Server::start(&place);
    let consent = |args: &[&str]| place.run(&[&["subject", "consent"], args].concat()).done();
    let ask = |report: &Value| {
        let path = format!("/api/v1/twins/{}", report["subject"].as_str().unwrap());
        status(&server, &path, &[&clerk])
    };
    let (one, other) = (consent(&["4711"]), consent(&["4712"]));
    assert_eq!((&one["state"], &one["may_be_asked"]), (&"none".into(), &false.into()));
    assert_eq!(ask(&one), (403, "consent-missing".to_owned()));
    consent(&["4711", "--give", "--basis", "research"]);
    assert_eq!(ask(&one).0, 200);
    assert_eq!(ask(&other), (403, "consent-missing".to_owned()));
    let list = server.call("/api/v1/twins", &["-H", &clerk]).json();
    assert_eq!(list["twins"].as_array().unwrap().len(), 1, "{list}");
    assert_eq!(place.run(&["twin", "list"]).done()["twins"].as_array().unwrap().len(), 2);
}

#[test]
fn a_key_has_one_successor_and_lives_on_for_a_while() {
    let place = place();
    let (old, id) = key(&place, &["--scope", "twins:read", "--role", "nurse", "--site", "north"]);
    let server = Server::start(&place);
    let ask = |header: &str| status(&server, "/api/v1/twins?limit=1", &[header]).0;
    let made = place.run(&["key", "rotate", &id]).done();
    let new = format!("Authorization: Bearer {}", made["key"].as_str().unwrap());
    assert_eq!((ask(&old), ask(&new)), (200, 200));
    assert_eq!(place.run(&["key", "rotate", &id]).refused(), "key-not-live");
    let listed = place.run(&["key", "list"]).lines();
    let line = |id: &Value| listed.iter().find(|line| line["id"] == *id).unwrap().clone();
    let (first, second) = (line(&id.as_str().into()), line(&made["id"]));
    assert_eq!(first["successor"], made["id"]);
    assert!(first["expires"].as_str() < second["expires"].as_str(), "{first} {second}");
    for name in ["name", "scopes", "roles", "site"] {
        assert_eq!(first[name], second[name], "{name}");
    }
    assert!(first["last_used"].is_string(), "{first}");
    let id = made["id"].as_str().unwrap();
    let next = place.run(&["key", "rotate", id, "--overlap-days", "0"]).done();
    assert_eq!(ask(&new), 401, "without an overlap it ends at once");
    let next = format!("Authorization: Bearer {}", next["key"].as_str().unwrap());
    assert_eq!(ask(&next), 200);
    assert_eq!(place.run(&["key", "rotate", "nobody"]).refused(), "key-not-live");
}
