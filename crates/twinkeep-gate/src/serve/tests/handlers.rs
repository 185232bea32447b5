//! Handlers that fail, forget, or outlive their client: the pipeline holds its promises anyway.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::routing::get;
use hyper::client::conn::http2::handshake;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::sync::watch::Sender;
use tokio_rustls::TlsAcceptor;

use super::{Answer, TestKeep, settings};
use crate::edge::{self, Edge};
use crate::gate::Gate;
use crate::testing::{Client, PATIENCE, self_signed};
use crate::tls::server_config;
use crate::{pipeline, routes};

/// Opens a gate that has `path` besides its own routes, until the sender is dropped.
async fn open(keep: &TestKeep, add: impl FnOnce(Router) -> Router) -> (Client, Sender<bool>) {
    let gate = Arc::new(Gate::new(Arc::clone(&keep.app), settings()));
    let (material, root) = self_signed();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = Client::new(listener.local_addr().unwrap(), root);
    let (shared, router) = (Arc::clone(&gate), add(routes::router(&gate)));
    let edge = Edge {
        answer: Box::new(move |peer, request| {
            Box::pin(pipeline::answer(Arc::clone(&shared), router.clone(), peer, request))
        }),
        ..super::super::edge(
            &gate,
            crate::door::Door::Public,
            routes::router(&gate),
            TlsAcceptor::from(
                server_config(&material, crate::ClientCertificates::NotAsked).unwrap(),
            ),
        )
    };
    let (stop, stopped) = tokio::sync::watch::channel(false);
    tokio::spawn(edge::run(edge::Lane::here(edge), listener, stopped));
    (client, stop)
}

async fn ask(client: &Client, path: &str) -> Answer {
    let text = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    Answer::parse(&client.raw(text.as_bytes()).await)
}

async fn boom() {
    panic!("a bug with a SECRET in it")
}

#[tokio::test]
async fn a_panic_is_an_internal_error_with_an_entry_and_the_gate_lives() {
    let keep = TestKeep::empty();
    let (client, _stop) = open(&keep, |router| router.route("/boom", get(boom))).await;
    let answer = ask(&client, "/boom").await;
    assert_eq!((answer.status, answer.code().as_str()), (500, "internal"));
    assert!(!answer.body.contains("SECRET"));
    assert_eq!(answer.header("x-frame-options"), Some("DENY"));
    let id = answer.json()["request_id"].as_str().unwrap().to_owned();
    let entries = keep.entries_about(&id);
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].outcome, "internal");
    assert_eq!(ask(&client, "/healthz").await.status, 200);
}

#[tokio::test]
async fn an_answer_that_nobody_recorded_does_not_leave() {
    let keep = TestKeep::empty();
    let leak = |router: Router| router.route("/leak", get(async || "a SECRET of the keep"));
    let (client, _stop) = open(&keep, leak).await;
    let answer = ask(&client, "/leak").await;
    assert_eq!((answer.status, answer.code().as_str()), (500, "internal"));
    assert!(!answer.body.contains("SECRET"));
}

#[tokio::test]
async fn what_was_begun_is_finished_although_the_client_left() {
    static FINISHED: AtomicBool = AtomicBool::new(false);
    static BEGUN: AtomicBool = AtomicBool::new(false);
    async fn slow() {
        BEGUN.store(true, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(500)).await;
        FINISHED.store(true, Ordering::SeqCst);
    }
    let keep = TestKeep::empty();
    let (client, _stop) = open(&keep, |router| router.route("/slow", get(slow))).await;
    let stream = client.connect("h2").await;
    let (mut sender, connection) =
        handshake::<_, _, Body>(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = Request::get("https://localhost/slow").body(Body::empty()).unwrap();
    let asked = tokio::spawn(sender.send_request(request));
    while !BEGUN.load(Ordering::SeqCst) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // The connection is gone while the handler is at work.
    asked.abort();
    connection.abort();
    let recorded = || keep.ledger().last().is_some_and(|line| line.outcome == "internal");
    let until = Instant::now() + PATIENCE;
    while !(FINISHED.load(Ordering::SeqCst) && recorded()) {
        assert!(Instant::now() < until, "the handler was cut off");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
