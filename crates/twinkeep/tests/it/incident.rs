//! Incidents: opened, contained at once, undone by two people, and never half.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{Place, write};
use crate::release::{approve, approver, damage, two_versions};
use crate::serve::{Server, key};

pub(crate) fn drill(place: &Place, args: &[&str]) -> Value {
    place.run(&[&["incident", "drill"], args].concat()).done()
}

pub(crate) fn steps(incident: &Value) -> Vec<String> {
    let steps = incident["steps"].as_array().unwrap().iter();
    let text = |step: &Value| {
        let (state, action) = (step["state"].as_str().unwrap(), step["action"].as_str().unwrap());
        match step["code"].as_str() {
            Some(code) => format!("{state} {action} {code}"),
            None => format!("{state} {action}"),
        }
    };
    steps.map(text).collect()
}

/// Actions of the ledger, the newest last.
pub(crate) fn actions(place: &Place) -> Vec<String> {
    let lines = place.run(&["ledger", "show", "--limit", "300"]).lines();
    lines.iter().map(|line| line["action"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_drill_says_what_it_would_do_does_it_and_is_undone() {
    let (place, [first, second]) = two_versions();
    let model = ["--as", "model-integrity", "--model", &second];
    let plan = drill(&place, &[&model[..], &["--dry-run"]].concat());
    let planned: Vec<&str> =
        plan["steps"].as_array().unwrap().iter().map(|it| it["action"].as_str().unwrap()).collect();
    assert_eq!(planned, ["preserve-evidence", "activate-backup", "quarantine-model", "notify"]);
    assert_eq!(plan["steps"][1]["before"]["in_service"], Value::from(second.clone()));
    assert_eq!(place.version("in-service"), second, "a plan does nothing");
    assert!(place.run(&["incident", "list", "--all"]).lines().is_empty());

    let incident = drill(&place, &model);
    assert_eq!((&incident["id"], &incident["state"]), (&"inc-1".into(), &"contained".into()));
    assert_eq!(incident["detector"], "drill");
    let done = ["preserve-evidence", "activate-backup", "quarantine-model", "notify"];
    assert_eq!(steps(&incident), done.map(|action| format!("done {action}")));
    assert_eq!(place.version("in-service"), first);
    assert_eq!(place.version("quarantined"), second);
    let weights = incident["evidence"].as_object().unwrap().keys();
    assert!(weights.filter(|name| name.starts_with(&second)).count() > 3, "{incident}");
    let clocks = incident["clocks"].as_array().unwrap();
    assert_eq!(clocks.len(), 2);
    assert_eq!(clocks[0]["rule"], "GDPR art. 33(1)");
    let left = clocks[0]["left_seconds"].as_i64().unwrap();
    assert!((71 * 3600..=72 * 3600).contains(&left), "{left}");
    for action in ["incident.opened", "model.rolled-back", "model.quarantined"] {
        assert!(actions(&place).contains(&action.to_owned()), "{action}");
    }

    // The same again is one incident, and nothing is done twice.
    let before = actions(&place).len();
    let again = drill(&place, &model);
    assert_eq!((&again["id"], &again["count"]), (&"inc-1".into(), &2.into()));
    assert_eq!(again["steps"], incident["steps"]);
    let quarantined = actions(&place).iter().filter(|it| *it == "model.quarantined").count();
    assert_eq!((quarantined, actions(&place).len()), (1, before + 1));

    // A version leaves quarantine with a second person's agreement only.
    let refused = place.run(&["incident", "rollback", "inc-1", "--reason", "a drill"]);
    assert_eq!(refused.refused(), "rollback-partial");
    approver(&place, "ada");
    let refused = place.run(&["incident", "rollback", "inc-1", "--reason", "a drill"]);
    assert_eq!(refused.refused(), "rollback-approval");
    place.run(&["incident", "request", "inc-1", "--out", "r.json"]).done();
    let agreed = approve(&place, "ada", "r.json");
    let undone = ["incident", "rollback", "inc-1", "--reason", "a drill", "--approval", &agreed];
    let ran = place.run(&undone);
    assert_eq!(ran.refused(), "rollback-partial", "a candidate serves by a release only");
    let report: Value = serde_json::from_str(ran.stdout.lines().next().unwrap()).unwrap();
    let expected = [
        "done preserve-evidence",
        "kept activate-backup release-again",
        "undone quarantine-model",
        "done notify",
    ];
    assert_eq!(steps(&report), expected);
    assert_eq!(place.version("candidate"), second);
    // An agreement is to the incident as it stood.
    assert_eq!(place.run(&undone).refused(), "approval");
    place.run(&["ledger", "verify"]).done();
}

/// Lets the shipped playbook for models do this besides keeping evidence and telling people.
fn model_playbook(place: &Place, without: &str) {
    let text = place.show(&["incident", "playbook", "show", "model"]).stdout;
    let step = format!("[[step]]\naction = \"{without}\"\n\n");
    assert_eq!(text.matches(&step).count(), 1, "{text}");
    write(&place.path("model.toml"), text.replace(&step, "").as_bytes());
    place.run(&["incident", "playbook", "import", "model.toml"]).done();
}

#[test]
fn what_people_put_into_service_since_serves_on_when_an_incident_is_undone() {
    let (place, [first, second]) = two_versions();
    model_playbook(&place, "quarantine-model");
    drill(&place, &["--as", "model-integrity", "--model", &second]);
    assert_eq!(place.version("in-service"), first);
    for version in [&second, &first] {
        place.run(&["model", "rollback", "--to", version, "--reason", "a decision"]).done();
    }
    let undo = ["incident", "rollback", "inc-1", "--reason", "tidy"];
    assert_eq!(place.run(&undo).refused(), "rollback-partial");
    let shown = place.run(&["incident", "show", "inc-1"]).done();
    assert_eq!(steps(&shown)[1], "kept activate-backup release-again");
    assert_eq!(place.version("in-service"), first);
}

#[test]
fn a_version_stays_away_while_another_incident_found_it_away() {
    let (place, [_, second]) = two_versions();
    for detector in ["model-integrity", "model-canary"] {
        drill(&place, &["--as", detector, "--model", &second]);
    }
    approver(&place, "ada");
    let undo = |file: &str| {
        place.run(&["incident", "request", "inc-1", "--out", file]).done();
        let agreed = approve(&place, "ada", file);
        let args = ["incident", "rollback", "inc-1", "--reason", "x", "--approval", &agreed];
        place.run(&args);
        steps(&place.run(&["incident", "show", "inc-1"]).done())[2].clone()
    };
    assert_eq!(undo("one.json"), "kept quarantine-model held-by-another");
    assert_eq!(place.version("quarantined"), second);
    place.run(&["incident", "close", "inc-2", "--reason", "over as well"]).done();
    assert_eq!(undo("two.json"), "undone quarantine-model");
}

#[test]
fn a_report_says_what_is_known_and_what_nobody_said() {
    let place = Place::with_keep();
    let incident = drill(&place, &[]);
    assert_eq!(incident["playbook"], "record");
    let report = place.run(&["incident", "report", "inc-1", "--out", "report.html"]).done();
    let missing = ["nature", "subjects", "records", "contact", "consequences", "measures"];
    assert_eq!(report["missing"], Value::from(missing.to_vec()));
    assert_eq!((&report["version"], &report["drill"]), (&1.into(), &true.into()));
    let page = fs::read_to_string(place.path("report.html")).unwrap();
    assert_eq!(page.matches("Missing: nobody has said.").count(), 6);
    let note =
        |about: &str, text: &str| place.run(&["incident", "note", "inc-1", text, "--about", about]);
    note("contact", "dpo@hospital.example").done();
    note("consequences", "unknown yet").done();
    note("consequences", "none: <b>nobody</b> was concerned").done();
    assert_eq!(note("consequence", "x").refused(), "note-about");
    assert_eq!(note("contact", "\u{1b}[2J").refused(), "incident-note");
    let report = place.run(&["incident", "report", "inc-1", "--out", "report.html"]).done();
    assert_eq!(report["version"], 4);
    let fields = report["fields"].as_array().unwrap();
    let of = |part: &str| fields.iter().find(|field| field["part"] == part).unwrap();
    assert!(of("consequences")["said"].as_str().unwrap().starts_with("none: "));
    assert_eq!(of("consequences")["said_before"].as_array().unwrap().len(), 1);
    let page = fs::read_to_string(place.path("report.html")).unwrap();
    assert!(page.contains("&lt;b&gt;nobody&lt;/b&gt;") && !page.contains("<b>"), "{page}");
    // What turns text around, or what nobody sees, is shown as its number; no line of a note looks like
    // one of ours.
    note("records", "\u{202e}lla\u{200b}\nstep       done").done();
    let shown = place.show(&["incident", "show", "inc-1"]).stdout;
    let text = place.show(&["incident", "report", "inc-1", "--out", "report.html"]).stdout;
    let page = fs::read_to_string(place.path("report.html")).unwrap();
    for text in [&shown, &text, &page] {
        assert!(text.contains("\\u{202e}lla\\u{200b}\n"), "{text}");
        assert!(!text.contains(['\u{202e}', '\u{200b}']), "{text}");
    }
    let steps = |text: &str| text.lines().filter(|line| line.starts_with("step       ")).count();
    assert_eq!((steps(&shown), steps(&text)), (incident["steps"].as_array().unwrap().len(), 0));
    for nobody in ["key:", "cert:", "key", "somebody"] {
        let drilled = place.run(&["incident", "drill", "--identity", nobody]);
        assert_eq!(drilled.refused(), "identity-name", "{nobody}");
    }
    assert_eq!(place.run(&["incident", "report", "inc-2"]).refused(), "incident-unknown");
    assert_eq!(place.run(&["incident", "show", "../1"]).refused(), "incident-unknown");
    place.run(&["incident", "ack", "inc-1"]).done();
    let closed = place.run(&["incident", "close", "inc-1", "--reason", "an exercise"]).done();
    assert_eq!(closed["state"], "closed");
    assert!(place.run(&["incident", "list"]).lines().is_empty());
    assert_eq!(place.run(&["incident", "list", "--all"]).lines().len(), 1);
    assert_eq!(drill(&place, &[])["id"], "inc-2", "what is closed is not extended");
}

#[test]
fn the_running_gate_obeys_containment_at_once_and_lets_go_again() {
    let (place, _) = Place::with_model();
    let (header, id) = key(&place, &[]);
    let (other, _) = key(&place, &[]);
    let server = Server::start(&place);
    let call = |path: &str, header: &str| server.call(path, &["-H", header]);
    assert_eq!(call("/api/v1/twins?limit=1", &header).status, 200);
    let caller = format!("key:{id}");
    let suspended = drill(&place, &["--as", "extraction", "--identity", &caller]);
    assert_eq!(steps(&suspended)[1], "done suspend-identity");
    let refused = call("/api/v1/twins?limit=1", &header);
    assert_eq!((refused.status, &refused.json()["code"]), (403, &"identity-suspended".into()));
    assert_eq!(call("/api/v1/twins?limit=1", &other).status, 200, "nobody else is");

    // Closing a route: a playbook of the keep says so.
    let shown = place.run(&["incident", "playbook", "show", "access"]).done();
    let text = shown["toml"].as_str().unwrap().to_owned();
    let text = text.replace("name = \"access\"", "name = \"routes\"");
    let text = text.replace("suspend-identity", "close-route");
    let text = text.replace("c27d9f30", "c27d9f31").replace("\"high\"", "\"critical\"");
    write(&place.path("routes.toml"), text.as_bytes());
    place.run(&["incident", "playbook", "import", "routes.toml"]).done();
    let route = ["--as", "extraction", "--severity", "critical", "--route", "/api/v1/twins"];
    let closed = drill(&place, &route);
    assert_eq!(steps(&closed)[1], "done close-route", "{closed}");
    let refused = call("/api/v1/twins?limit=1", &other);
    assert_eq!((refused.status, &refused.json()["code"]), (503, &"route-closed".into()));
    assert_eq!(call("/api/v1/models", &other).status, 200, "no other route is");
    let admin = ["--as", "extraction", "--severity", "critical", "--route", "/admin/v1/models"];
    assert_eq!(steps(&drill(&place, &admin))[1], "skipped close-route last-way-in");

    for incident in ["inc-1", "inc-2"] {
        let undo = ["incident", "rollback", incident, "--reason", "a drill"];
        let undone = place.run(&undo).done();
        assert!(steps(&undone)[1].starts_with("undone "), "{undone}");
    }
    assert_eq!(call("/api/v1/twins?limit=1", &header).status, 200);
    // What was done a moment ago is not done again at once: it would flap.
    let again = drill(&place, &["--as", "extraction", "--identity", &caller]);
    assert_eq!(again["count"], 2);
    assert_eq!(call("/api/v1/twins?limit=1", &header).status, 200);
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn nothing_is_learned_from_a_feed_on_hold_and_nothing_at_all_while_training_is_paused() {
    let place = Place::with_few_targets(240);
    let learned = |place: &Place| place.run(&["train"]);
    let feed = ["--as", "feed-poisoning", "--feed", "feed-1"];
    let held = drill(&place, &feed);
    assert_eq!(steps(&held)[1], "done hold-feed");
    assert_ne!(learned(&place).code, 0, "nobody is left to learn from");
    place.run(&["incident", "rollback", "inc-1", "--reason", "a drill"]).done();
    let paused = drill(&place, &[&feed[..], &["--severity", "critical"]].concat());
    assert!(steps(&paused).contains(&"done pause-training".to_owned()), "{paused}");
    assert_eq!(learned(&place).refused(), "training-paused");
    place.run(&["incident", "rollback", "inc-1", "--reason", "a drill"]).done();
    learned(&place).done();
}

#[test]
fn damage_that_the_gate_finds_is_an_incident_and_is_contained_without_a_word() {
    let (place, [first, second]) = two_versions();
    let config = place.path("keep/twinkeep.toml");
    let text = fs::read_to_string(&config).unwrap();
    let text = text.replace("verify_every_seconds = 900", "verify_every_seconds = 1");
    write(&config, text.as_bytes());
    let server = Server::start(&place);
    damage(&place, &second);
    let began = Instant::now();
    let incident = loop {
        let found = place.run(&["incident", "list"]).lines();
        if let Some(found) = found.into_iter().find(|it| it["state"] == "contained") {
            break found;
        }
        assert!(began.elapsed() < Duration::from_secs(120), "no incident in time");
        std::thread::sleep(Duration::from_millis(400));
    };
    assert_eq!(incident["detector"], "model-integrity");
    assert_eq!(incident["target"]["name"], Value::from(second.clone()));
    assert_eq!(place.version("in-service"), first);
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn a_drill_about_what_is_not_there_opens_nothing() {
    let place = Place::with_keep();
    for (detector, target, name, code) in [
        ("model-integrity", "--model", "m-\u{1b}[2J", "model-unknown"),
        ("model-integrity", "--model", "m-0123456789ab", "model-unknown"),
        ("feed-poisoning", "--feed", "../../x", "feed-unknown"),
        ("drift", "--route", "/x\ny", "route-name"),
    ] {
        let drill = ["incident", "drill", "--as", detector, target, name];
        assert_eq!(place.run(&drill).refused(), code, "{name:?}");
        assert_eq!(place.run(&[&drill[..], &["--dry-run"]].concat()).refused(), code, "{name:?}");
    }
    assert!(place.run(&["incident", "list", "--all"]).lines().is_empty());
}

#[test]
fn killed_anywhere_the_next_goes_on_and_does_nothing_twice() {
    let (place, [first, second]) = two_versions();
    let pristine = place.path("pristine");
    assert!(
        Command::new("cp")
            .args(["-a", "keep"])
            .arg(&pristine)
            .current_dir(place.folder())
            .status()
            .unwrap()
            .success()
    );
    place.copy("state", "pristine-state");
    let args = ["incident", "drill", "--as", "model-integrity", "--model", &second, "--quiet"];
    let started = Instant::now();
    place.run(&args).done();
    let whole = started.elapsed();
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let (mut begun, mut finished) = (0, 0);
    for _ in 0..POINTS {
        for folder in ["keep", "state"] {
            fs::remove_dir_all(place.path(folder)).unwrap();
        }
        place.copy("pristine", "keep");
        place.copy("pristine-state", "state");
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let mut child = place
            .command(&args)
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(whole.mul_f64((random % 1000) as f64 / 1000.0));
        let _ = child.kill();
        child.wait().unwrap();
        place.run(&["incident", "resume"]).done();
        let incidents = place.run(&["incident", "list", "--all"]).lines();
        let Some(incident) = incidents.first() else { continue };
        begun += 1;
        let done = ["preserve-evidence", "activate-backup", "quarantine-model", "notify"];
        assert_eq!(steps(incident), done.map(|action| format!("done {action}")), "{incident}");
        assert_eq!(incident["state"], "contained");
        assert_eq!(place.version("in-service"), first);
        assert_eq!(place.version("quarantined"), second);
        let actions = actions(&place);
        let count = |name: &str| actions.iter().filter(|it| *it == name).count();
        assert!(count("model.quarantined") <= 1 && count("model.rolled-back") <= 1, "{actions:?}");
        place.run(&["ledger", "verify"]).done();
        finished += 1;
    }
    println!("{POINTS} kills, {begun} of them after the incident was opened");
    assert_eq!(begun, finished);
}

#[test]
fn what_nobody_contained_yet_is_not_closed() {
    let (place, [_, second]) = two_versions();
    damage(&place, &second);
    let list = place.run(&["twin", "list", "--limit", "1"]).done();
    let subject = list["twins"][0]["subject"].as_str().unwrap();
    // Without a server, what is found beside an answer waits for whoever resumes.
    place.run(&["twin", "forecast", subject]);
    let close = ["incident", "close", "inc-1", "--reason", "seen"];
    assert_eq!(place.run(&close).refused(), "incident-pending");
    place.run(&["incident", "resume"]).done();
    assert_eq!(place.run(&close).done()["state"], "closed");
}

#[test]
fn a_playbook_goes_to_cacao_and_back_and_what_is_none_is_refused() {
    let place = Place::with_keep();
    for name in ["access", "feed", "feed-critical", "model", "record"] {
        place.run(&["incident", "playbook", "export", name, "--out", "it.json"]).done();
        let back = place.run(&["incident", "playbook", "check", "it.json"]).done();
        let shown = place.run(&["incident", "playbook", "show", name]).done();
        write(&place.path("it.toml"), shown["toml"].as_str().unwrap().as_bytes());
        assert_eq!(back, place.run(&["incident", "playbook", "check", "it.toml"]).done());
    }
    let imported = place.run(&["incident", "playbook", "import", "it.json"]).done();
    assert_eq!(imported["name"], "record");
    let list = place.run(&["incident", "playbook", "list"]).done();
    let record = list["playbooks"].as_array().unwrap().last().unwrap();
    assert_eq!((&record["name"], &record["from"]), (&"record".into(), &"keep".into()));
    // A file that is no playbook any more leaves the shipped one in force, and is told.
    write(&place.path("keep/playbooks/record.toml"), b"name = 1");
    let list = place.run(&["incident", "playbook", "list"]).done();
    assert_eq!(list["refused"]["record.toml"], "playbook-parse");
    assert_eq!(drill(&place, &[])["playbook"], "record");
    let check = |text: &str| {
        write(&place.path("bad.json"), text.as_bytes());
        place.run(&["incident", "playbook", "check", "bad.json"]).refused()
    };
    assert_eq!(check("{"), "cacao-json");
    assert_eq!(check(&"[".repeat(10_000)), "cacao-json");
    assert_eq!(check("{\"type\": \"playbook\"}"), "cacao-form");
    assert_eq!(place.run(&["incident", "playbook", "check", "nothing"]).refused(), "playbook-read");
}

/// Each costs two runs of the program and a look.
const POINTS: u32 = 8;
