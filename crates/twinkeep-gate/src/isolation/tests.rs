//! Requests on their way from the edge to the worker, over a real socket pair.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header::{CONNECTION, CONTENT_LENGTH, HOST};
use axum::http::{Request, Response};
use http_body_util::BodyExt as _;
use hyper::body::Frame;
use tokio::net::UnixStream;

use super::edge_process;
use super::forward::{Forwarder, Sender};
use super::hello::Report;
use super::reception::{self, Desk};
use super::worker::Answering;
use crate::edge::filter::REFUSAL_HEADER;
use crate::edge::{Peer, Protocol, ShownCertificates, Streaming};
use crate::testing::{PATIENCE, all_at_once, self_signed};

/// Says what it was asked; remembers the last reports.
#[derive(Default)]
struct Echo(Mutex<Vec<Report>>);

impl Desk for Echo {
    fn answer(&self, peer: Peer, request: Request<Body>) -> Answering {
        Box::pin(echo(peer, request))
    }

    fn words(&self) -> Body {
        Body::from("\"stop\"\n")
    }

    fn metrics(&self) -> Answering {
        Box::pin(async { Response::new(Body::from("metrics")) })
    }

    fn report(&self, report: Report) {
        self.0.lock().unwrap().push(report);
    }
}

async fn echo(peer: Peer, request: Request<Body>) -> Response<Body> {
    match request.uri().path() {
        "/big" => return Response::new(Body::from(vec![b'x'; 1 << 20])),
        "/never" => std::future::pending::<()>().await,
        "/stream" => {
            let mut response = Response::new(Body::from("on and on"));
            response.extensions_mut().insert(Streaming);
            return response;
        }
        _ => {}
    }
    let (parts, body) = request.into_parts();
    let body = match body.collect().await {
        Ok(body) => body.to_bytes().len().to_string(),
        Err(_) => "broken".to_owned(),
    };
    let protocol = peer.protocol;
    let shown = peer.certificates.map_or(0, |shown| shown.chain().len());
    let headers: Vec<String> = parts
        .headers
        .iter()
        .map(|(name, value)| format!("{name}={}", value.to_str().unwrap()))
        .collect();
    let text = format!(
        "{protocol:?} {} {shown} | {} {} {:?} | {} | {body}",
        peer.address,
        parts.method,
        parts.uri,
        parts.version,
        headers.join(" ")
    );
    Response::new(Body::from(text))
}

/// Connects an edge to a worker that echoes.
async fn connected() -> (Forwarder, Sender, Arc<Echo>) {
    let (near, far) = super::channel::stream().unwrap();
    let far = std::os::unix::net::UnixStream::from(far);
    far.set_nonblocking(true).unwrap();
    let desk = Arc::new(Echo::default());
    let shared: Arc<dyn Desk> = Arc::clone(&desk) as Arc<dyn Desk>;
    tokio::spawn(reception::serve(shared, UnixStream::from_std(far).unwrap()));
    let line = edge_process::connect(near).await.unwrap();
    (Forwarder::new(line.clone()), line, desk)
}

fn peer(protocol: Protocol) -> Peer {
    let address = SocketAddr::from(([192, 0, 2, 7], 4711));
    Peer { address, protocol, certificates: None }
}

async fn ask(forwarder: &Forwarder, peer: Peer, request: Request<Body>) -> String {
    let response = forwarder.clone().answer(peer, request).await;
    let body = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}

#[tokio::test]
async fn a_request_arrives_as_the_client_sent_it() {
    let (forwarder, ..) = connected().await;
    let request = Request::post("/a?b=c")
        .header(HOST, "keep.example")
        .header(CONNECTION, "keep-alive")
        .header(CONTENT_LENGTH, "5")
        .body(Body::from("hello"))
        .unwrap();
    assert_eq!(
        ask(&forwarder, peer(Protocol::Http1), request).await,
        "Http1 192.0.2.7:4711 0 | POST /a?b=c HTTP/1.1 | host=keep.example content-length=5 | 5"
    );
    let request = Request::get("https://keep.example:8443/a").header(HOST, "keep.example:8443");
    let mut shown = peer(Protocol::Http2);
    let certificate = self_signed().1;
    shown.certificates = ShownCertificates::from_chain(vec![certificate.clone(), certificate]);
    assert_eq!(
        ask(&forwarder, shown, request.body(Body::empty()).unwrap()).await,
        "Http2 192.0.2.7:4711 2 | GET https://keep.example:8443/a HTTP/2.0 |  | 0"
    );
}

#[tokio::test]
async fn what_the_edge_refused_is_told_and_ends_the_connection() {
    let (forwarder, ..) = connected().await;
    for (protocol, close) in [(Protocol::Http1, true), (Protocol::Http2, false)] {
        let request = Request::get("/refused").header(REFUSAL_HEADER, "http-host");
        let request = request.body(Body::empty()).unwrap();
        let response = forwarder.clone().answer(peer(protocol), request).await;
        assert_eq!(response.headers().contains_key(CONNECTION), close);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert!(String::from_utf8_lossy(&body).contains("twinkeep-refusal=http-host"));
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_is_broken_there_too() {
    let (forwarder, ..) = connected().await;
    let frames = [Ok(Frame::data(Bytes::from("half"))), Err("gone")];
    let body = Body::new(Frames(frames.into_iter().collect()));
    let request = Request::post("/").header(CONTENT_LENGTH, "9").body(body).unwrap();
    let answer = ask(&forwarder, peer(Protocol::Http1), request).await;
    assert!(answer.ends_with("| content-length=9 | broken"), "{answer}");
}

#[tokio::test]
async fn an_answer_that_goes_on_is_marked_and_nothing_of_ours_reaches_the_client() {
    let (forwarder, ..) = connected().await;
    let request = Request::get("/stream").body(Body::empty()).unwrap();
    let response = forwarder.answer(peer(Protocol::Http1), request).await;
    assert!(response.extensions().get::<Streaming>().is_some());
    assert!(response.headers().keys().all(|name| !name.as_str().starts_with("twinkeep-")));
}

#[tokio::test]
async fn clients_that_give_up_cost_the_others_nothing() {
    let (forwarder, ..) = connected().await;
    let given_up = (0..3000).map(|_| {
        let request = Request::get("/never").body(Body::empty()).unwrap();
        let asked = forwarder.clone().answer(peer(Protocol::Http2), request);
        tokio::time::timeout(Duration::from_millis(1), asked)
    });
    assert!(all_at_once(given_up).await.iter().all(Result::is_err));
    let request = Request::get("/").body(Body::empty()).unwrap();
    let asked = tokio::time::timeout(PATIENCE, ask(&forwarder, peer(Protocol::Http2), request));
    assert!(asked.await.unwrap().starts_with("Http2"));
}

#[tokio::test]
async fn clients_that_do_not_read_take_nothing_from_the_others() {
    let (forwarder, ..) = connected().await;
    let mut unread = Vec::new();
    for _ in 0..200 {
        let request = Request::get("/big").body(Body::empty()).unwrap();
        unread.push(forwarder.clone().answer(peer(Protocol::Http1), request).await);
    }
    let request = Request::get("/big").body(Body::empty()).unwrap();
    let asked = tokio::time::timeout(PATIENCE, ask(&forwarder, peer(Protocol::Http1), request));
    assert_eq!(asked.await.unwrap().len(), 1 << 20);
}

#[tokio::test]
async fn what_the_edge_says_of_itself_arrives_and_a_lie_about_the_form_does_not() {
    let (_, mut line, desk) = connected().await;
    let counts = [("idle".to_owned(), 3)].into();
    edge_process::report(&mut line, &Report::TurnedAway(counts)).await.unwrap();
    for (path, body, status) in [
        (reception::REPORT, "{\"turned-away\":{\"idle\":-1}}", 400),
        (reception::REPORT, "", 400),
        ("/predict", "", 404),
    ] {
        let request = reception::internal(path, Body::from(body));
        assert_eq!(line.send_request(request).await.unwrap().status(), status, "{path} {body}");
    }
    assert!(
        matches!(&desk.0.lock().unwrap()[..], [Report::TurnedAway(counts)] if counts["idle"] == 3)
    );
}

/// Frames, and then nothing.
struct Frames(VecDeque<Result<Frame<Bytes>, &'static str>>);

impl hyper::body::Body for Frames {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
        Poll::Ready(self.0.pop_front())
    }
}
