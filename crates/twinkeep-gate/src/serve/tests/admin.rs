//! The listener for operators: who comes in, what they can do, and what is not there.

use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt as _;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use twinkeep_app::{Caller, DetectionTarget, DrillRequest, Scope, drill_incident};

use super::certificates::{client_who_may, revoke};
use super::openapi::check;
use super::{Answer, Served, TestKeep, settings};
use crate::admin::{API, DOCUMENT};
use crate::lockout::FAILURE_COUNT_MAX;
use crate::testing::ask;
use crate::{GateSettings, TlsMaterial};

const OPERATOR: &[Scope] = &[Scope::Administer];

/// A gate with both listeners.
fn open(keep: &TestKeep) -> Served {
    let settings = settings();
    Served::open(keep, GateSettings { admin_listen: Some(settings.listen), ..settings })
}

impl Served {
    /// Asks at the listener for operators, showing a certificate.
    async fn operate(&self, shown: &TlsMaterial, method: &str, path: &str, body: &str) -> Answer {
        self.operate_with(shown, method, path, body, "").await
    }

    async fn operate_with(
        &self,
        shown: &TlsMaterial,
        method: &str,
        path: &str,
        body: &str,
        lines: &str,
    ) -> Answer {
        let admin = self.admin.as_ref().unwrap();
        let mut stream = admin.connect_as(&shown.cert_chain_pem, shown).await.unwrap();
        let kind = if body.is_empty() { "" } else { "Content-Type: application/json\r\n" };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{kind}{lines}\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        Answer::parse(&ask(&mut stream, request.as_bytes()).await)
    }
}

fn document() -> Value {
    serde_json::from_str(DOCUMENT).unwrap()
}

/// Holds an answer against the description.
#[track_caller]
fn described(path: &str, method: &str, answer: &Answer) -> Value {
    let document = document();
    let responses = &document["paths"][path][method]["responses"];
    let content = &responses[answer.status.to_string()]["content"];
    let kind = answer.header("content-type").unwrap();
    let schema = &content[kind]["schema"];
    assert!(schema.is_object(), "{method} {path}: {} {kind} is not described", answer.status);
    let body = answer.json();
    check(&document, schema, &body, path);
    body
}

#[test]
fn the_document_describes_exactly_the_routes() {
    let document = document();
    let mut described = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            assert_eq!(operation["security"], json!([{ "certificate": [] }]), "{path}");
            described.push((path.clone(), method.clone()));
        }
    }
    let mut real: Vec<_> =
        API.iter().map(|route| (route.path.to_owned(), route.method.to_owned())).collect();
    described.sort();
    real.sort();
    assert_eq!(described, real);
}

#[tokio::test]
async fn an_operator_makes_rotates_and_revokes_keys_and_the_ledger_says_who_did() {
    let keep = TestKeep::empty();
    let (id, shown) = client_who_may(&keep, OPERATOR);
    let served = open(&keep);
    let path = "/admin/v1/keys";
    let wanted = r#"{"name":"ward","scopes":["twins:read"],"roles":["nurse"],"days":30}"#;
    let once = "Idempotency-Key: one\r\n";
    let made = served.operate_with(&shown, "POST", path, wanted, once).await;
    let made = described(path, "post", &made);
    let key = made["id"].as_str().unwrap();
    assert_eq!((&made["scopes"][0], &made["roles"][0]), (&json!("twins:read"), &json!("nurse")));
    let secret = made["key"].as_str().unwrap();
    assert!(keep.app.authenticate(secret).is_ok());
    // Sent again, it makes no other key and shows none; another request under its name is refused.
    let again = served.operate_with(&shown, "POST", path, wanted, once).await;
    let again = described(path, "post", &again);
    assert_eq!((&again["id"], again.get("key")), (&made["id"], None));
    let other = served.operate_with(&shown, "POST", path, r#"{"name":"x"}"#, once).await;
    assert_eq!(described(path, "post", &other)["code"], "idempotency-key-reused");
    let list = served.operate(&shown, "GET", path, "").await;
    let list = described(path, "get", &list);
    assert_eq!(list["keys"].as_array().unwrap().len(), 2, "its own, and that of the test");
    let rotate = format!("{path}/{key}/rotate");
    let next = served.operate(&shown, "POST", &rotate, r#"{"overlap_days":0}"#).await;
    let next = described("/admin/v1/keys/{id}/rotate", "post", &next);
    assert!(keep.app.authenticate(secret).is_err());
    let revoke = format!("{path}/{}/revoke", next["id"].as_str().unwrap());
    let gone = served.operate(&shown, "POST", &revoke, "").await;
    assert_eq!(described("/admin/v1/keys/{id}/revoke", "post", &gone)["id"], next["id"]);
    assert!(keep.app.authenticate(next["key"].as_str().unwrap()).is_err());
    let caller = format!("cert:{id}");
    let mine: Vec<String> = keep
        .ledger()
        .into_iter()
        .filter(|line| line.actor == caller)
        .map(|line| format!("{} {}", line.action, line.outcome))
        .collect();
    let expected = [
        "key.created success",
        "key.created success",
        "key.created idempotency-key-reused",
        "admin.read success",
        "key.rotated success",
        "key.revoked success",
    ];
    assert_eq!(mine, expected);
}

#[tokio::test]
async fn what_is_wrong_is_refused_and_makes_nothing() {
    let keep = TestKeep::empty();
    let (_, shown) = client_who_may(&keep, OPERATOR);
    let served = open(&keep);
    for (path, body, status, code) in [
        ("/admin/v1/keys", r#"{"name":""}"#, 422, "key-name"),
        ("/admin/v1/keys", r#"{"name":"a","scopes":["root"]}"#, 422, "scope-unknown"),
        ("/admin/v1/keys", r#"{"name":"a","scopes":["admin"]}"#, 422, "key-scope"),
        ("/admin/v1/keys", r#"{"name":"a","days":0}"#, 422, "key-days"),
        ("/admin/v1/keys", r#"{"name":"a","key":"tk_mine"}"#, 422, "json-shape"),
        ("/admin/v1/keys", r#"{"name":"a","days":1.5}"#, 422, "key-days"),
        ("/admin/v1/keys", r#"["a",[],[],null,1]"#, 422, "json-shape"),
        ("/admin/v1/keys", "[", 400, "json-syntax"),
        ("/admin/v1/keys/00000000/rotate", "{}", 409, "key-not-live"),
        ("/admin/v1/keys/00000000/revoke", "", 404, "store-refused"),
        ("/admin/v1/certificates/00000000/revoke", "", 404, "certificate-unknown"),
        ("/admin/v1/budgets/reset", r#"{"caller":"key:none"}"#, 404, "budget-unknown"),
        ("/admin/v1/models/none/promote", r#"{"reason":"test"}"#, 404, "model-unknown"),
        ("/admin/v1/models/none/quarantine", r#"{"reason":"test"}"#, 404, "model-unknown"),
        ("/admin/v1/lockouts/lift", r#"{"address":"192.0.2.7"}"#, 404, "lockout-unknown"),
        ("/admin/v1/lockouts/lift", r#"{"address":"ward"}"#, 422, "address-form"),
        ("/admin/v1/sessions/0000000000000000/end", "", 404, "session-unknown"),
    ] {
        let answer = served.operate(&shown, "POST", path, body).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{path} {body}");
    }
    let keys = twinkeep_app::list_api_keys(&keep.app).unwrap();
    assert_eq!(keys.len(), 1, "that of the test");
}

#[tokio::test]
async fn nobody_comes_in_without_a_certificate_or_by_anything_else() {
    let keep = TestKeep::shared();
    let served = open(keep);
    let (_, operator) = client_who_may(keep, OPERATOR);
    let (_, other) = client_who_may(keep, &Scope::WITHOUT_CERTIFICATE);
    let admin = served.admin.as_ref().unwrap();
    let mut stream = admin.connect("http/1.1").await;
    let request = format!(
        "GET /admin/v1/status HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n\r\n",
        served.key
    );
    let mut answer = Vec::new();
    _ = stream.write_all(request.as_bytes()).await;
    _ = stream.flush().await;
    _ = stream.read_to_end(&mut answer).await;
    assert_eq!(answer, b"", "the handshake is refused");
    // A certificate with every other scope, one of somebody else, and a key beside one.
    let refused = served.operate(&other, "GET", "/admin/v1/status", "").await;
    assert_eq!((refused.status, refused.code().as_str()), (403, "scope-missing"));
    let foreign = crate::testing::self_signed().0;
    let refused = served.operate(&foreign, "GET", "/admin/v1/status", "").await;
    assert_eq!((refused.status, refused.code().as_str()), (401, "unauthenticated"));
    let key = format!("Authorization: Bearer {}\r\n", served.key);
    let refused = served.operate_with(&operator, "GET", "/admin/v1/status", "", &key).await;
    assert_eq!((refused.status, refused.code().as_str()), (401, "unauthenticated"));
    let status = served.operate(&operator, "GET", "/admin/v1/status", "").await;
    assert_eq!(described("/admin/v1/status", "get", &status)["pack"], "ward");
}

#[tokio::test]
async fn each_listener_serves_its_own_and_nothing_of_the_other() {
    let keep = TestKeep::shared();
    let served = open(keep);
    let (_, operator) = client_who_may(keep, &Scope::ALL);
    for route in API {
        let method = route.method.to_uppercase();
        let lines = format!("X-Api-Key: {}\r\n", served.key);
        let path = route.path.replace("{id}", "a").replace("{version}", "a");
        let answer = served.send(&method, &path, &lines, "").await;
        assert_eq!((answer.status, answer.code().as_str()), (404, "not-found"), "{path}");
    }
    for path in ["/", "/healthz", "/api/v1/twins", "/openapi.json", "/ca.crl", "/v2", "/admin"] {
        let answer = served.operate(&operator, "GET", path, "").await;
        assert_eq!((answer.status, answer.code().as_str()), (404, "not-found"), "{path}");
    }
    let document = served.operate(&operator, "GET", "/admin/v1/openapi.json", "").await;
    assert_eq!(document.json()["openapi"], "3.1.0");
    let wrong = served.operate(&operator, "DELETE", "/admin/v1/keys", "").await;
    assert_eq!((wrong.status, wrong.code().as_str()), (405, "method-not-allowed"));
}

#[tokio::test]
async fn a_revoked_operator_is_refused_on_a_connection_that_is_open() {
    let keep = TestKeep::shared();
    let served = open(keep);
    let (id, shown) = client_who_may(keep, OPERATOR);
    let admin = served.admin.as_ref().unwrap();
    let stream = admin.connect_as(&shown.cert_chain_pem, &shown).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    for (revoked, expected) in [(false, 200), (true, 401), (true, 401)] {
        if revoked {
            revoke(keep, &id);
        }
        let request = Request::get("/admin/v1/status").header("host", "localhost");
        let answer = sender.send_request(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(answer.status().as_u16(), expected);
        answer.into_body().collect().await.unwrap();
        sender.ready().await.unwrap();
    }
}

#[tokio::test]
async fn an_operator_lifts_a_lockout_and_ends_a_session() {
    let keep = TestKeep::empty();
    let (_, shown) = client_who_may(&keep, OPERATOR);
    let served = open(&keep);
    for _ in 0..FAILURE_COUNT_MAX {
        served.send("GET", "/api/v1/twins", "X-Api-Key: tk_no\r\n", "").await;
    }
    let key = format!("X-Api-Key: {}\r\n", served.key);
    assert_eq!(served.send("GET", "/api/v1/models", &key, "").await.status, 429);
    let list = served.operate(&shown, "GET", "/admin/v1/lockouts", "").await;
    let list = described("/admin/v1/lockouts", "get", &list);
    assert_eq!(list["lockouts"][0]["address"], "127.0.0.1");
    let body = r#"{"address":"127.0.0.1"}"#;
    let lifted = served.operate(&shown, "POST", "/admin/v1/lockouts/lift", body).await;
    described("/admin/v1/lockouts/lift", "post", &lifted);
    assert_eq!(served.send("GET", "/api/v1/models", &key, "").await.status, 200);

    let form = format!("key={}", served.key);
    let lines = format!(
        "Origin: https://localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\n",
        form.len()
    );
    let signed_in = served.send("POST", "/sign-in", &lines, &form).await;
    assert_eq!(signed_in.status, 303, "{signed_in:?}");
    let list = served.operate(&shown, "GET", "/admin/v1/sessions", "").await;
    let list = described("/admin/v1/sessions", "get", &list);
    let session = list["sessions"][0]["id"].as_str().unwrap();
    assert!(list["sessions"][0]["caller"].as_str().unwrap().starts_with("key:"));
    assert!(!signed_in.header("set-cookie").unwrap().contains(session));
    let path = format!("/admin/v1/sessions/{session}/end");
    let ended = served.operate(&shown, "POST", &path, "").await;
    described("/admin/v1/sessions/{id}/end", "post", &ended);
    let list = served.operate(&shown, "GET", "/admin/v1/sessions", "").await;
    assert_eq!(list.json()["sessions"], json!([]));
    let actions: Vec<String> = keep.ledger().into_iter().map(|line| line.action).collect();
    for action in ["lockout.lifted", "session.ended", "admin.read"] {
        assert!(actions.iter().any(|known| known == action), "{action}");
    }
}

#[tokio::test]
async fn what_is_looked_at_is_as_described() {
    let keep = TestKeep::shared();
    let served = open(keep);
    let (id, shown) = client_who_may(keep, OPERATOR);
    for path in ["/admin/v1/certificates", "/admin/v1/budgets", "/admin/v1/models"] {
        let answer = served.operate(&shown, "GET", path, "").await;
        assert_eq!(answer.status, 200, "{path} {}", answer.body);
        described(path, "get", &answer);
    }
    let target = DetectionTarget::Keep;
    let drill = DrillRequest { detector: "drill", severity: "low", target };
    let incident = drill_incident(&keep.app, &Caller::operator(), &drill).unwrap().id;
    for (path, method, pattern) in [
        ("/admin/v1/incidents".to_owned(), "GET", "/admin/v1/incidents"),
        (format!("/admin/v1/incidents/{incident}"), "GET", "/admin/v1/incidents/{id}"),
        (format!("/admin/v1/incidents/{incident}/ack"), "POST", "/admin/v1/incidents/{id}/ack"),
        ("/admin/v1/incidents/inc-0".to_owned(), "GET", "/admin/v1/incidents/{id}"),
    ] {
        let answer = served.operate(&shown, method, &path, "").await;
        let expected = if path.ends_with("inc-0") { 404 } else { 200 };
        assert_eq!(answer.status, expected, "{path} {}", answer.body);
        described(pattern, &method.to_ascii_lowercase(), &answer);
    }
    let path = format!("/admin/v1/certificates/{id}/revoke");
    let answer = served.operate(&shown, "POST", &path, "").await;
    assert_eq!(described("/admin/v1/certificates/{id}/revoke", "post", &answer)["id"], id);
    let answer = served.operate(&shown, "GET", "/admin/v1/keys", "").await;
    assert_eq!(answer.status, 401, "who revokes their own certificate is out");
}
