//! The same gate over HTTP/2.

use axum::body::Body;
use axum::http::{Request, Response};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::{Served, TestKeep, settings};

async fn connect(served: &Served) -> SendRequest<Body> {
    let stream = served.client.connect("h2").await;
    let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

async fn send(sender: &mut SendRequest<Body>, request: Request<Body>) -> (Response<Incoming>, u16) {
    let response = sender.send_request(request).await.unwrap();
    let status = response.status().as_u16();
    (response, status)
}

#[tokio::test]
async fn a_head_is_answered_without_a_body_and_a_refusal_comes_before_the_body_was_sent() {
    let served = Served::open(TestKeep::shared(), settings());
    let mut sender = connect(&served).await;
    let feed = format!("https://localhost/api/v1/feeds/{}/1", "0".repeat(32));
    for (method, length, expected) in [("HEAD", 0, 404), ("PUT", 8 << 20, 403)] {
        let request = Request::builder()
            .method(method)
            .uri(&feed)
            .header("x-api-key", &served.key)
            .body(Body::from(vec![0; length]))
            .unwrap();
        let (response, status) = send(&mut sender, request).await;
        assert_eq!(status, expected, "{method}");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body.is_empty(), method == "HEAD", "{method}");
    }
}

#[tokio::test]
async fn requests_share_a_connection_and_get_the_same_answers() {
    let served = Served::open(TestKeep::shared(), settings());
    let mut sender = connect(&served).await;
    for _ in 0..20 {
        let request = Request::get("https://localhost/api/v1/twins?limit=2")
            .header("x-api-key", &served.key)
            .body(Body::empty())
            .unwrap();
        let (response, status) = send(&mut sender, request).await;
        assert_eq!(status, 200);
        assert_eq!(response.headers()["x-frame-options"], "DENY");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let json: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(json["twins"].as_array().unwrap().len(), 2);
    }
}

#[tokio::test]
async fn what_http_1_refuses_http_2_refuses_too() {
    let served = Served::open(TestKeep::shared(), settings());
    let mut sender = connect(&served).await;
    for (name, value) in [
        ("x_api_key", "k"),
        ("twinkeep-refusal", "http-host"),
        ("host", "other"),
        ("content_length", "1"),
    ] {
        let request = Request::get("https://localhost/healthz")
            .header(name, value)
            .body(Body::empty())
            .unwrap();
        assert_eq!(send(&mut sender, request).await.1, 400, "{name}");
    }
    for path in ["/%2e%2e/x", "/a//b", "/a;b"] {
        let request = Request::get(format!("https://localhost{path}")).body(Body::empty()).unwrap();
        assert_eq!(send(&mut sender, request).await.1, 400, "{path}");
    }
}
