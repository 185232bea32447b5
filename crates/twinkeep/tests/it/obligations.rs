//! In what form a policy permits answers, through the real server.

use serde_json::{Value, json};

use crate::harness::{Place, write};
use crate::serve::{Server, key, ready};

const POLICY: &str = r#"
@id("by-scope")
permit (principal, action in [Action::"look"], resource);
@id("doctors")
permit (principal in Role::"doctor", action in [Action::"ask"], resource);
@id("nurses") @round("clinical") @top("2") @hide("intervals last backtest driver-values demographics")
permit (principal in Role::"nurse", action in [Action::"ask", Action::"look"], resource)
unless { action == Action::"explain" };
@id("nurses-why") @top("2") @hide("backtest driver-values")
permit (principal in Role::"nurse", action == Action::"explain", resource);
@id("researchers") @noise("0.5")
permit (principal in Role::"researcher", action in [Action::"ask"], resource);
"#;

/// Makes a key for each role and returns their headers.
fn keys<const N: usize>(place: &Place, roles: [&str; N]) -> [String; N] {
    let scopes: &[&str] = &["--scope", "twins:read", "--scope", "predict"];
    roles.map(|role| key(place, &[scopes, &["--role", role]].concat()).0)
}

fn heart_rate(answer: &Value) -> &Value {
    let targets = answer["targets"].as_array().unwrap();
    targets.iter().find(|target| target["code"] == "HR").unwrap()
}

fn middle(answer: &Value) -> f64 {
    heart_rate(answer)["points"][0]["q50"].as_f64().unwrap()
}

#[test]
fn answers_have_the_form_that_the_policy_obliges_to() {
    let place = ready();
    let path = place.path("keep/twinkeep.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    write(&path, text.replace("rate_per_second = 5", "rate_per_second = 1000").as_bytes());
    let wrong = POLICY.replace("@noise(\"0.5\")", "@noise(\"a lot\")");
    write(&place.path("wrong.cedar"), wrong.as_bytes());
    assert_eq!(place.run(&["policy", "apply", "wrong.cedar"]).refused(), "policy-invalid");
    write(&place.path("policy.cedar"), POLICY.as_bytes());
    place.run(&["policy", "apply", "policy.cedar"]).done();
    let told = place.run(&["policy", "test", "explain", "--role", "researcher"]).done();
    assert_eq!((&told["permitted"], &told["can_be_met"]), (&json!(true), &json!(false)));

    let [doctor, nurse, researcher, other] =
        keys(&place, ["doctor", "nurse", "researcher", "researcher"]);
    let server = Server::start(&place);
    let get = |path: &str, header: &str| {
        let answer = server.call(path, &["-H", header]);
        (answer.status, answer.json())
    };
    let list = get("/api/v1/twins?limit=1", &doctor).1;
    let person = format!("/api/v1/twins/{}", list["twins"][0]["subject"].as_str().unwrap());
    let forecast = format!("{person}/forecast?horizons_hours=3,24");
    let ask = |header: &str| {
        let (status, answer) = get(&forecast, header);
        assert_eq!(status, 200, "{answer}");
        answer
    };

    let exact = ask(&doctor);
    assert!(heart_rate(&exact)["points"][0]["q05"].is_number());
    let rounded = ask(&nurse);
    let point = heart_rate(&rounded)["points"][0].as_object().unwrap();
    assert_eq!(point.keys().collect::<Vec<_>>(), ["horizon_hours", "mean", "q50"]);
    assert_eq!(middle(&rounded), middle(&exact).round());
    assert!(heart_rate(&rounded).get("last").is_none());

    // The same question gets the same noise, however often; another caller gets another.
    let blurred = middle(&ask(&researcher));
    assert_ne!(blurred, middle(&exact));
    for _ in 0..3 {
        assert_eq!(middle(&ask(&researcher)), blurred);
    }
    assert_ne!(middle(&ask(&other)), blurred);
    let changes = get(&format!("{person}/drivers?target=HR"), &researcher);
    assert_eq!((changes.0, &changes.1["code"]), (403, &json!("obligation-unmet")));

    let why = get(&format!("{person}/drivers?target=HR&ahead_hours=6"), &nurse).1;
    let all = get(&format!("{person}/drivers?target=HR&ahead_hours=6"), &doctor).1;
    assert!(why["drivers"].as_array().unwrap().len() <= 2 && why.get("backtest").is_none());
    assert!(why["drivers"].as_array().unwrap().iter().all(|one| one.get("value").is_none()));
    let sum = |answer: &Value| {
        let drivers = answer["drivers"].as_array().unwrap().iter();
        let named: f64 = drivers.map(|one| one["contribution"].as_f64().unwrap()).sum();
        named + answer["others"].as_f64().unwrap()
    };
    assert!((sum(&why) - sum(&all)).abs() < 1e-2, "{why} {all}");

    // Age is left out of the state, and the paths have no rounded form.
    let codes = |header: &str| {
        let variables = get(&person, header).1["variables"].as_array().unwrap().clone();
        variables.iter().map(|one| one["code"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert!(codes(&doctor).contains(&"Age".to_owned()));
    assert!(!codes(&nurse).contains(&"Age".to_owned()));
    assert_eq!(get(&format!("{person}/what-if?set=HR%3D90"), &nurse).0, 403);
    // So have forecasts from a history in the request.
    let history = json!({"events": [
        {"time": 0, "code": "HR", "value": 88}, {"time": 1, "code": "HR", "value": 90},
        {"time": 2, "code": "HR", "value": 91}, {"time": 3, "code": "HR", "value": 90},
        {"time": 4, "code": "HR", "value": 92}, {"time": 5, "code": "HR", "value": 93},
    ]})
    .to_string();
    let predict = |header: &str| {
        let json = ["-H", "Content-Type: application/json", "-d", &history];
        server.call("/predict", &[&["-H", header], &json[..]].concat()).json()
    };
    assert_eq!(middle(&predict(&nurse)), middle(&predict(&doctor)).round());
    assert_ne!(middle(&predict(&researcher)), middle(&predict(&doctor)));
}
