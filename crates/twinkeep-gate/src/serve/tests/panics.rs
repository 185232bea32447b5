//! A bug in a handler is one answer lost, and known.

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::{Answer, TestKeep, settings};
use crate::edge::{self, Edge};
use crate::gate::Gate;
use crate::pipeline;
use crate::testing::{Client, self_signed};
use crate::tls::server_config;

async fn boom() {
    panic!("a bug with a SECRET in it")
}

#[tokio::test]
async fn a_panic_is_an_internal_error_with_an_entry_and_the_gate_lives() {
    let keep = TestKeep::empty();
    let gate = Arc::new(Gate::new(Arc::clone(&keep.app), settings()));
    let (material, root) = self_signed();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = Client::new(listener.local_addr().unwrap(), root);
    let router = Router::new().route("/boom", get(boom)).route("/fine", get(async || "fine"));
    let shared = Arc::clone(&gate);
    let edge = Edge {
        answer: Box::new(move |peer, request| {
            Box::pin(pipeline::answer(Arc::clone(&shared), router.clone(), peer, request))
        }),
        ..super::super::edge(&gate, TlsAcceptor::from(server_config(&material).unwrap()))
    };
    let (_stop, stopped) = tokio::sync::watch::channel(false);
    tokio::spawn(edge::run(Arc::new(edge), listener, stopped));
    let get = async |path: &str| {
        let text = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        Answer::parse(&client.raw(text.as_bytes()).await)
    };
    let answer = get("/boom").await;
    assert_eq!((answer.status, answer.code().as_str()), (500, "internal"));
    assert!(!answer.body.contains("SECRET"));
    assert_eq!(answer.header("x-frame-options"), Some("DENY"));
    let id = answer.json()["error"]["request_id"].as_str().unwrap().to_owned();
    let entries = keep.entries_about(&id);
    assert_eq!(entries.len(), 1);
    assert_eq!(
        (entries[0].action.as_str(), entries[0].outcome.as_str()),
        ("request.refused", "internal")
    );
    assert_eq!(get("/fine").await.body, "fine");
}
