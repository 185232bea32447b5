//! Hostile bodies are refused, with the right status, and not repeated.

use std::time::Duration;

use axum::body::Body;
use axum::http::Request;

use super::{BodyLimits, parse, read};
use crate::api::predict::PredictWire;

const LIMITS: BodyLimits = BodyLimits { size_max: 100, time: Duration::from_secs(5) };

fn request(kind: &str, body: impl Into<Body>) -> Request<Body> {
    Request::post("/predict").header("content-type", kind).body(body.into()).unwrap()
}

async fn code(request: Request<Body>) -> (u16, &'static str) {
    let refusal = read::<PredictWire>(request, LIMITS).await.err().expect("refused");
    (refusal.status.as_u16(), refusal.code)
}

#[tokio::test]
async fn a_body_of_another_type_or_size_is_refused() {
    let good = r#"{"events":[]}"#;
    assert!(read::<PredictWire>(request("application/json", good), LIMITS).await.is_ok());
    let charset = request("application/JSON; charset=utf-8", good);
    assert!(read::<PredictWire>(charset, LIMITS).await.is_ok());
    for kind in ["text/plain", "application/jsonp", "", "application/x-www-form-urlencoded"] {
        assert_eq!(code(request(kind, good)).await, (415, "media-type"));
    }
    assert_eq!(code(request("application/json", " ".repeat(101))).await, (413, "body-size"));
    let mut announced = request("application/json", good);
    announced.headers_mut().insert("content-length", "101".parse().unwrap());
    assert_eq!(code(announced).await, (413, "body-size"));
}

#[test]
fn hostile_json_is_refused_and_not_repeated() {
    let deep = "[".repeat(100_000);
    let nested = format!(r#"{{"events":{deep}"#);
    let cases = [
        ("", 400),
        ("{", 400),
        ("nul", 400),
        (r#"{"events":[]} x"#, 400),
        (r#"{"events":[]}{"events":[]}"#, 400),
        (r#"{"events":NaN}"#, 400),
        (r#"{"events":[{"time":0,"code":"HR","value":Infinity}]}"#, 400),
        (r#"{"events":[{"time":0,"code":"HR","value":1e999}]}"#, 400),
        (r#"{"events":[{"time":0,"code":"HR","value":01}]}"#, 400),
        (r#"{"events":[],"events":[]}"#, 422),
        (r#"{"events":[],"SECRET":1}"#, 422),
        (r#"{"events":[{"time":0,"code":"HR","value":"SECRET"}]}"#, 422),
        (r#"{"events":[{"time":0,"code":"HR","value":1,"value":2}]}"#, 422),
        (r#"{"events":[{"time":{},"code":"HR","value":1}]}"#, 422),
        (r#"{"events":[{"time":0,"value":1}]}"#, 422),
        (r#"{"events":"SECRET"}"#, 422),
        (r#"{"events":[],"prediction_time":"SECRET"}"#, 422),
        ("null", 422),
        ("[]", 422),
        ("\u{feff}{}", 400),
        (&deep, 422),
        (&nested, 422),
    ];
    for (text, status) in cases {
        let shown = &text[..text.len().min(60)];
        let refusal = parse::<PredictWire>(text.as_bytes()).err().expect(shown);
        assert_eq!(refusal.status.as_u16(), status, "{shown}: {}", refusal.message);
        assert!(!refusal.message.contains("SECRET"), "{}", refusal.message);
    }
    let not_utf8 = b"{\"events\":[{\"time\":0,\"code\":\"\xff\",\"value\":1}]}";
    assert!(parse::<PredictWire>(not_utf8).is_err());
}
