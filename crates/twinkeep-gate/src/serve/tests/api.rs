//! The API as a client meets it.

use serde_json::json;
use twinkeep_app::{Caller, Scope};

use super::{Answer, Served, TestKeep, new_key, settings};
use crate::Rate;
use crate::testing::{all_at_once, ask};

/// What a client may do wrong: each line is method, path, and the code that it gets.
const WRONG: &[(&str, &str, u16, &str)] = &[
    ("GET", "/api/v1/nothing", 404, "not-found"),
    ("GET", "/predict", 405, "method-not-allowed"),
    ("DELETE", "/api/v1/twins", 405, "method-not-allowed"),
    ("GET", "/api/v1/twins/sub-0000000000000000", 404, "subject-unknown"),
    ("GET", "/api/v1/twins/x/forecast", 404, "subject-unknown"),
    ("GET", "/api/v1/twins/x/drivers?target=HR", 404, "subject-unknown"),
    ("GET", "/api/v1/twins/x/drivers", 422, "query-shape"),
    ("GET", "/api/v1/twins/x/trajectories", 404, "subject-unknown"),
    ("GET", "/api/v1/twins/x/trajectories?paths=SECRET", 422, "query-shape"),
    ("GET", "/api/v1/twins/x/trajectories?paths=10001", 422, "paths"),
    ("GET", "/api/v1/twins/x/trajectories?show=101", 422, "paths"),
    ("GET", "/api/v1/twins/x/what-if?set=HR%3D80", 404, "subject-unknown"),
    ("GET", "/api/v1/twins/x/what-if", 422, "query-shape"),
    ("GET", "/api/v1/twins/x/similar", 404, "subject-unknown"),
    ("GET", "/api/v1/twins/x/similar?count=SECRET", 422, "query-shape"),
    ("GET", "/api/v1/twins/x/history", 404, "subject-unknown"),
    ("GET", "/api/v1/twins/x/history?from=SECRET", 422, "time-shape"),
    ("GET", "/api/v1/twins/x/history?to=2026-01-01", 422, "time-shape"),
    ("GET", "/api/v1/twins/x?at=SECRET", 422, "time-shape"),
    ("GET", "/api/v1/twins/x?at=2026-01-01T00:00:00Z&at_hours=1", 422, "query-shape"),
    ("GET", "/api/v1/twins?limit=SECRET", 422, "query-shape"),
    ("GET", "/api/v1/twins?SECRET=1", 422, "query-shape"),
    ("GET", "/api/v1/twins?limit=1&limit=2", 422, "query-shape"),
    ("GET", "/api/v1/twins//forecast", 400, "http-path"),
    ("GET", "/api/v1/twins/%2e%2e/x", 400, "http-path"),
    ("GET", "/api/v1/twins/../twins", 400, "http-path"),
];

pub(super) fn history(hours: u32) -> serde_json::Value {
    let events: Vec<_> = (0..hours)
        .map(|hour| json!({"time": hour, "code": "HR", "value": 80 + hour % 5}))
        .collect();
    json!({ "events": events })
}

#[tokio::test]
async fn a_history_in_the_request_is_forecast() {
    let served = Served::open(TestKeep::shared(), settings());
    let answer = served.predict(&history(24).to_string()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let json = answer.json();
    let heart = &json["targets"][0];
    assert_eq!(heart["code"], "HR");
    assert_eq!(heart["points"].as_array().unwrap().len(), 6);
    let point = &heart["points"][5];
    let number = |name: &str| point[name].as_f64().unwrap();
    assert!(number("q05") <= number("q50") && number("q50") <= number("q95"));
    assert!((60.0..110.0).contains(&number("q50")), "{point}");
    // One horizon, the other route, and the other way to say who one is.
    let mut asked = history(24);
    asked["horizons_hours"] = json!([6]);
    asked["prediction_time"] = json!(20);
    let body = asked.to_string();
    let lines = format!(
        "Authorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n",
        served.key,
        body.len()
    );
    let answer = served.send("POST", "/api/v1/predict", &lines, &body).await;
    assert_eq!(answer.json()["targets"][0]["points"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn twins_are_listed_by_pages_shown_and_forecast() {
    let served = Served::open(TestKeep::shared(), settings());
    let mut seen = Vec::new();
    let mut after = String::new();
    loop {
        let page = served.get(&format!("/api/v1/twins?limit=50{after}")).await.json();
        let subjects = page["twins"].as_array().unwrap().iter();
        seen.extend(subjects.map(|twin| twin["subject"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        after = format!("&after={next}");
    }
    assert_eq!(seen.len(), 300);
    assert!(seen.is_sorted());
    let twin = served.get(&format!("/api/v1/twins/{}", seen[7])).await.json();
    assert_eq!(twin["subject"], seen[7].as_str());
    assert_eq!(twin["variables"].as_array().unwrap().len(), 3);
    let path = format!("/api/v1/twins/{}/forecast?at_hours=24&horizons_hours=4,8", seen[7]);
    let forecast = served.get(&path).await.json();
    assert_eq!(forecast["targets"][0]["points"].as_array().unwrap().len(), 2, "{forecast}");
    let path = format!("/api/v1/twins/{}/drivers?target=HR&ahead_hours=8&at_hours=24", seen[7]);
    let why = served.get(&path).await.json();
    assert_eq!(why["median"], forecast["targets"][0]["points"][1]["q50"], "{why}");
    assert!(why["drivers"].as_array().unwrap().len() <= 8, "{why}");
    let unknown = served.get(&path.replace("=HR", "=SECRET")).await;
    assert_eq!((unknown.status, unknown.code().as_str()), (422, "target-unknown"));
}

#[tokio::test]
async fn paths_of_a_twin_are_drawn_and_asked() {
    let served = Served::open(TestKeep::shared(), settings());
    let list = served.get("/api/v1/twins?limit=1").await.json();
    let path =
        format!("/api/v1/twins/{}/trajectories", list["twins"][0]["subject"].as_str().unwrap());
    let asked = format!("{path}?target=HR&when=HR%3C1,HR%3E1&horizon_hours=8&step_hours=2&show=2");
    let answer = served.get(&asked).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let json = answer.json();
    assert_eq!(json["path_count"], 1_000);
    assert_eq!(json["horizons_hours"], json!([2.0, 4.0, 6.0, 8.0]));
    assert_eq!(json["targets"].as_array().unwrap().len(), 1);
    assert_eq!(json["conditions"][0]["share"], 0.0);
    assert_eq!(json["conditions"][1]["share"], 1.0);
    assert_eq!(json["share_of_all"], 0.0);
    assert_eq!(json["paths"][1]["values"][0].as_array().unwrap().len(), 4);
    assert_eq!(served.get(&asked).await.json(), json);
    let other = served.get(&format!("{asked}&seed=1")).await.json();
    assert_ne!(other["paths"], json["paths"]);
    for (query, code) in [
        ("target=SECRET", "target-unknown"),
        ("when=SECRET", "condition"),
        ("when=HR%3CSECRET", "condition"),
        ("when=HR%3Cnan", "condition"),
        ("when=Age%3C3", "condition"),
        ("target=Temp&when=HR%3C3", "condition"),
        ("paths=0", "paths"),
        ("step_hours=0", "path-steps"),
        ("step_hours=0.0001", "path-steps"),
        ("step_hours=-1", "path-steps"),
        ("horizon_hours=nan", "path-steps"),
        ("horizon_hours=1000", "horizons"),
        ("at_hours=1e9", "at-hours"),
    ] {
        let refused = served.get(&format!("{path}?{query}")).await;
        assert_eq!((refused.status, refused.code().as_str()), (422, code), "{query}");
        assert!(!refused.body.contains("SECRET"), "{refused:?}");
    }
}

#[tokio::test]
async fn what_if_is_answered_where_others_had_such_values_and_refused_elsewhere() {
    let served = Served::open(TestKeep::shared(), settings());
    let list = served.get("/api/v1/twins?limit=1").await.json();
    let path = format!("/api/v1/twins/{}/what-if", list["twins"][0]["subject"].as_str().unwrap());
    let answer = served.get(&format!("{path}?set=HR%3D80&horizons_hours=4,8&at_hours=24")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let json = answer.json();
    let change = &json["changes"][0];
    assert!(20 <= change["supporting_subjects"].as_u64().unwrap(), "{json}");
    assert_eq!(change["intervention"], false);
    assert!(json["label"].as_str().unwrap().contains("not causal"));
    let heart = &json["targets"][0]["points"][0];
    let number = |part: &str| heart[part]["q50"].as_f64().unwrap();
    let difference = heart["difference"].as_f64().unwrap();
    assert!((number("changed") - number("as_is") - difference).abs() < 0.02, "{json}");
    // The same as the forecast of who is not changed.
    let plain = path.replace("/what-if", "/forecast?horizons_hours=4&at_hours=24");
    assert_eq!(
        served.get(&plain).await.json()["targets"][0]["points"][0]["q50"],
        heart["as_is"]["q50"]
    );
    for (query, status, code) in [
        ("set=HR%3D290", 409, "what-if-support"),
        ("set=SECRET", 422, "what-if-change"),
        ("set=SECRET%3D1", 422, "what-if-change"),
        ("set=HR%3DSECRET", 422, "what-if-change"),
        ("set=HR%3D80SECRET", 422, "what-if-change"),
        ("set=HR%3D9000", 422, "what-if-change"),
        ("set=HR%3D80,HR%3D81", 422, "what-if-change"),
        ("set=,", 422, "what-if-change"),
        ("set=HR%3D80&horizons_hours=x", 422, "query-shape"),
    ] {
        let refused = served.get(&format!("{path}?{query}")).await;
        assert_eq!((refused.status, refused.code().as_str()), (status, code), "{query}");
        assert!(!refused.body.contains("SECRET"), "{refused:?}");
    }
}

#[tokio::test]
async fn others_are_summed_up_and_nobody_is_named() {
    let served = Served::open(TestKeep::shared(), settings());
    let list = served.get("/api/v1/twins?limit=300").await.json();
    let subjects: Vec<&str> = list["twins"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["subject"].as_str().unwrap())
        .collect();
    let path = format!("/api/v1/twins/{}/similar", subjects[0]);
    let answer = served.get(&format!("{path}?at_hours=24&count=30")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(subjects[1..].iter().all(|subject| !answer.body.contains(subject)));
    let json = answer.json();
    assert_eq!((&json["compared_subjects"], &json["similar_subjects"]), (&json!(290), &json!(30)));
    let outcome = &json["outcomes"][0];
    assert_eq!((&outcome["code"], &outcome["subjects"]), (&json!("HR"), &json!(30)));
    assert!(outcome["q25"].as_f64() <= outcome["q50"].as_f64());
    // After the last event of all there is nobody who was observed longer.
    let few = served.get(&path).await;
    assert_eq!((few.status, few.code().as_str()), (409, "similar-too-few"));
    let small = served.get(&format!("{path}?count=19")).await;
    assert_eq!((small.status, small.code().as_str()), (422, "similar-count"));
}

#[tokio::test]
async fn a_twin_is_shown_as_it_was_and_forecast_from_what_was_known_then() {
    let served = Served::open(TestKeep::shared(), settings());
    let list = served.get("/api/v1/twins?limit=1").await.json();
    let path = format!("/api/v1/twins/{}", list["twins"][0]["subject"].as_str().unwrap());
    let now = served.get(&path).await.json();
    assert!(now.get("at").is_none(), "{now}");
    let at = "2000-01-02T00:00:00Z";
    let then = served.get(&format!("{path}?at={at}")).await.json();
    assert_eq!(then["at"], at);
    assert_eq!(then["end"], "2000-01-01T23:30:00Z");
    // A static value, 24 heart rates, and 6 temperatures.
    assert_eq!(then["event_count"], 31);
    let rate = &then["variables"].as_array().unwrap()[1];
    assert_eq!((&rate["count"], &rate["age_hours"]), (&json!(24), &json!(0.5)));
    let history = served.get(&format!("{path}/history?code=HR&to={at}&limit=1000")).await.json();
    let events = history["events"].as_array().unwrap();
    assert_eq!(events.len(), 24);
    assert_eq!(events[23]["value"], rate["last"]);
    assert_eq!(events[23]["unit"], "/min");
    assert!(history.get("next").is_none());
    // The same moment, said in two ways, and marked as a look back.
    let forecast = served.get(&format!("{path}/forecast?at={at}")).await.json();
    assert_eq!(forecast["looks_back"], true);
    let hours = now["start"].as_str().unwrap();
    assert_eq!(hours, "2000-01-01T00:30:00Z");
    assert_eq!(served.get(&format!("{path}/forecast?at_hours=23.5")).await.json(), forecast);
    for asked in ["trajectories?paths=50", "what-if?set=Temp%3D37", "similar?count=30"] {
        let by_time = served.get(&format!("{path}/{asked}&at={at}")).await;
        let by_hours = served.get(&format!("{path}/{asked}&at_hours=23.5")).await;
        // Whether enough others were like this depends on the keep's random split.
        let unsupported = by_time.status == 409 && by_time.code() == "what-if-support";
        if unsupported && asked.starts_with("what-if") {
            assert_eq!(by_hours.code(), by_time.code());
        } else {
            assert_eq!(by_time.status, 200, "{by_time:?}");
            assert_eq!(by_time.json(), by_hours.json(), "{asked}");
        }
        let both = served.get(&format!("{path}/{asked}&at={at}&at_hours=23.5")).await;
        assert_eq!(both.code(), "query-shape");
    }
    let last = now["end"].as_str().unwrap();
    let newest = served.get(&format!("{path}/forecast?at={last}")).await.json();
    assert!(newest.get("looks_back").is_none(), "{newest}");
    for (moment, status) in [("1999-12-31T00:00:00Z", 422), ("2000-01-09T00:00:00Z", 422)] {
        let answer = served.get(&format!("{path}?at={moment}")).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, "at-hours"), "{moment}");
    }
    assert_eq!(served.get(&format!("{path}?at_hours=NaN")).await.code(), "at-hours");
}

#[tokio::test]
async fn a_history_is_read_page_by_page_and_every_event_is_on_one_of_them() {
    let keep = TestKeep::shared();
    let served = Served::open(keep, settings());
    let list = served.get("/api/v1/twins?limit=1").await.json();
    let path = format!("/api/v1/twins/{}", list["twins"][0]["subject"].as_str().unwrap());
    let all = served.get(&format!("{path}/history?limit=5000")).await.json();
    let all = all["events"].as_array().unwrap();
    assert_eq!(served.get(&path).await.json()["event_count"], all.len());
    assert!(all[0].get("time").is_none() && all[0]["code"] == "Age", "{}", all[0]);
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let page = served.get(&format!("{path}/history?limit=7{after}")).await.json();
        seen.extend(page["events"].as_array().unwrap().clone());
        let Some(next) = page["next"].as_str() else { break };
        after = format!("&after={next}");
    }
    assert_eq!(&seen, all);
    let from = served.get(&format!("{path}/history?from=2000-01-02T20:00:00Z")).await.json();
    let from = from["events"].as_array().unwrap();
    assert!(from.len() == 4 && from.iter().all(|event| event["time"].is_string()), "{from:?}");
    for place in ["x", "1", "1.x", "always", "9999999999999999999999.1", "1.-1"] {
        let answer = served.get(&format!("{path}/history?after={place}")).await;
        assert_eq!((answer.status, answer.code().as_str()), (422, "history-place"), "{place}");
    }
    let entries = keep.ledger();
    assert!(entries.iter().any(|line| line.action == "twin.history" && line.subject.is_some()));
}

#[tokio::test]
async fn mistakes_get_their_status_and_code_and_are_not_repeated() {
    let served = Served::open(TestKeep::shared(), settings());
    for &(method, path, status, code) in WRONG {
        let lines = format!("Authorization: Bearer {}\r\n", served.key);
        let answer = served.send(method, path, &lines, "").await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{method} {path}");
        assert!(!answer.body.contains("SECRET"), "{answer:?}");
    }
    let answer = served.send("GET", "/predict", "", "").await;
    assert_eq!(answer.header("allow"), Some("POST"));
    for (body, code) in [
        (r#"{"events":[{"time":1,"code":"SECRET","value":1}]}"#, "history-code"),
        (r#"{"events":[{"time":1,"code":"HR","value":123456}]}"#, "history-value"),
        (r#"{"events":[{"time":1,"code":"HR","value":1e39}]}"#, "history-value"),
        (r#"{"events":[{"code":"HR","value":80}]}"#, "history-time"),
        (r#"{"events":[]}"#, "history-empty"),
        (r#"{"events":[{"time":1,"code":"HR","value":80}],"horizons_hours":[0]}"#, "horizons"),
        (r#"{"events":[{"time":1,"code":"HR","value":80}],"horizons_hours":[1e9]}"#, "horizons"),
    ] {
        let answer = served.predict(body).await;
        assert_eq!((answer.status, answer.code().as_str()), (422, code), "{body}");
        assert!(!answer.body.contains("SECRET") && !answer.body.contains("123456"), "{answer:?}");
    }
}

#[tokio::test]
async fn without_a_valid_key_nothing_is_told() {
    let keep = TestKeep::shared();
    let served = Served::open(keep, settings());
    let expired = "tk_".to_owned() + &"a".repeat(40);
    let cases = [
        String::new(),
        "Authorization: Bearer\r\n".to_owned(),
        "Authorization: Basic dGs6\r\n".to_owned(),
        format!("Authorization: Bearer {expired}\r\n"),
        format!("X-Api-Key: {expired}\r\n"),
        "X-Api-Key: ' OR 1=1 --\r\n".to_owned(),
        format!("X-Api-Key: {}x\r\n", served.key),
        format!("X-Api-Key: {}\r\n", &served.key[..42]),
        format!("X-Api-Key: {}\r\n", served.key.to_uppercase()),
        format!("Cookie: __Host-twinkeep={}\r\n", served.key),
    ];
    let mut bodies = Vec::new();
    for lines in &cases {
        for path in ["/api/v1/twins", "/api/v1/twins/sub-0000000000000000"] {
            let answer = served.send("GET", path, lines, "").await;
            assert_eq!(answer.status, 401, "{lines}");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"twinkeep\""));
            let mut json = answer.json();
            json["request_id"] = json!(null);
            bodies.push(json);
        }
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "the answers differ: {bodies:?}");
    let both = format!("X-Api-Key: {0}\r\nAuthorization: Bearer {0}\r\n", served.key);
    let answer = served.send("GET", "/api/v1/twins", &both, "").await;
    assert_eq!((answer.status, answer.code().as_str()), (400, "credentials-ambiguous"));
    // A key in the address is no key.
    let path = format!("/api/v1/twins?api_key={}", served.key);
    assert_eq!(served.send("GET", &path, "", "").await.status, 401);
}

#[tokio::test]
async fn a_key_does_what_its_scopes_say_until_it_is_revoked() {
    let keep = TestKeep::shared();
    let mut served = Served::open(keep, settings());
    served.key = new_key(keep, &[Scope::Predict]);
    assert_eq!(served.predict(&history(24).to_string()).await.status, 200);
    let answer = served.get("/api/v1/twins").await;
    assert_eq!((answer.status, answer.code().as_str()), (403, "scope-missing"));
    let keys = twinkeep_app::list_api_keys(&keep.app).unwrap();
    let newest = keep.app.authenticate(&served.key).unwrap().id;
    let id = newest.strip_prefix("key:").unwrap();
    assert!(keys.iter().any(|key| key.id == id));
    twinkeep_app::revoke_api_key(&keep.app, &Caller::operator(), id).unwrap();
    assert_eq!(served.predict(&history(24).to_string()).await.status, 401);
}

#[tokio::test]
async fn five_a_second_with_burst_ten_lets_eleven_through_and_says_when_to_come_back() {
    let rate = Rate { per_second: 5, burst: 10 };
    let served =
        Served::open(TestKeep::shared(), crate::GateSettings { identity_rate: rate, ..settings() });
    let request = format!(
        "GET /api/v1/twins?limit=1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Authorization: Bearer {}\r\n\r\n",
        served.key
    );
    // Opened before: handshakes alone may take a slow machine longer than the rate permits.
    let opened = all_at_once((0..60).map(|_| served.client.connect("http/1.1"))).await;
    let begin = std::time::Instant::now();
    let asked = opened.into_iter().map(|mut stream| {
        let request = request.as_bytes();
        async move { Answer::parse(&ask(&mut stream, request).await) }
    });
    let answers = all_at_once(asked).await;
    let took = begin.elapsed().as_secs_f64();
    let accepted = answers.iter().filter(|answer| answer.status == 200).count();
    let most = 11 + (took * 5.0).ceil() as usize;
    assert!((11..=most).contains(&accepted), "{accepted} in {took} s");
    let mut refused = answers.iter().filter(|answer| answer.status == 429);
    assert_eq!(accepted + refused.clone().count(), 60);
    let refused = refused.next().unwrap();
    assert_eq!(refused.code(), "rate-limited");
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(refused.header("ratelimit-policy"), Some("\"default\";q=11;w=3"));
    assert!(refused.header("ratelimit").unwrap().starts_with("\"default\";r=0;t="));
    // Somebody else is not affected.
    let mut other = served;
    other.key = new_key(TestKeep::shared(), &Scope::WITHOUT_CERTIFICATE);
    assert_eq!(other.get("/api/v1/twins?limit=1").await.status, 200);
}

#[tokio::test]
async fn guessing_keys_is_limited_and_does_not_lock_out_who_has_one() {
    let address_rate = Rate { per_second: 1, burst: 3 };
    let served =
        Served::open(TestKeep::shared(), crate::GateSettings { address_rate, ..settings() });
    assert_eq!(served.get("/api/v1/twins?limit=1").await.status, 200);
    let guess = |guess: u32| {
        let (served, lines) = (&served, format!("X-Api-Key: tk_{guess:a>40}\r\n"));
        async move { served.send("GET", "/api/v1/twins", &lines, "").await.status }
    };
    let statuses = all_at_once((0..40).map(guess)).await;
    let count = |status: u16| statuses.iter().filter(|found| **found == status).count();
    assert!(4 <= count(401) && 0 < count(429), "{statuses:?}");
    assert_eq!(count(401) + count(429), 40);
    assert_eq!(served.get("/api/v1/twins?limit=1").await.status, 200);
}

#[tokio::test]
async fn health_and_the_description_need_no_key() {
    let served = Served::open(TestKeep::shared(), settings());
    let health = served.send("GET", "/healthz", "", "").await;
    assert_eq!((health.status, health.body.as_str()), (200, "{\"status\":\"ok\"}"));
    let document = served.send("GET", "/openapi.json", "", "").await;
    assert_eq!(document.json()["openapi"], "3.1.0");
}

#[tokio::test]
async fn without_a_model_the_gate_says_so() {
    let keep = TestKeep::empty();
    let served = Served::open(&keep, settings());
    let answer = served.predict(&history(24).to_string()).await;
    assert_eq!((answer.status, answer.code().as_str()), (503, "model-none"));
    assert_eq!(served.get("/api/v1/twins").await.json(), json!({"twins": []}));
}

#[tokio::test]
async fn everybody_together_has_a_rate_and_who_is_over_their_own_takes_nothing_of_it() {
    let keep = TestKeep::shared();
    let own = Rate { per_second: 1, burst: 1 };
    let total = Some(Rate { per_second: 1, burst: 4 });
    let served = Served::open(
        keep,
        crate::GateSettings { identity_rate: own, total_rate: total, ..settings() },
    );
    let other = new_key(keep, &Scope::WITHOUT_CERTIFICATE);
    let ask = async |key: &str| {
        let lines = format!("X-Api-Key: {key}\r\n");
        served.send("GET", "/api/v1/twins?limit=1", &lines, "").await.status
    };
    let mut answered = 0;
    for _ in 0..6 {
        answered += u32::from(ask(&served.key).await == 200);
    }
    // A slow machine lets more through as seconds pass.
    assert!((2..=6).contains(&answered), "{answered}");
    let first = ask(&other).await;
    assert_eq!(first, 200, "what the first was refused cost nobody else");
    let answers = all_at_once((0..40).map(|_| served.get("/healthz"))).await;
    let refused = answers.iter().find(|answer| answer.status == 429).expect("somebody is refused");
    assert_eq!(refused.code(), "rate-limited");
    assert!(refused.header("retry-after").is_some());
}
