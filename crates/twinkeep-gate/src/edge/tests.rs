//! The edge under attack: raw sockets against the real listener, through a real TLS client.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{Request, Response};
use http_body_util::BodyExt as _;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::watch::Sender;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::admission::Admission;
use super::filter::REFUSAL_HEADER;
use super::tally::Tally;
use super::watch::StallLimits;
use super::{Edge, EdgeLimits, Lane, Peer};
use crate::testing::{self, Client, PATIENCE, read_to_close, self_signed};
use crate::tls::ClientCertificates::{self, Asked, NotAsked};
use crate::tls::server_config;

/// Short enough to test a stall; a test takes the one limit from here that it is about.
const SHORT: EdgeLimits = EdgeLimits {
    handshake: Duration::from_millis(800),
    stall: StallLimits {
        head: Duration::from_millis(800),
        idle: Duration::from_millis(1200),
        request: Duration::from_millis(2500),
        write: Duration::from_millis(800),
        read_rate_min: 1 << 30,
        write_rate_min: 1 << 20,
        connection: Duration::from_secs(600),
        drain: Duration::from_millis(800),
    },
};

/// Shorter than whoever reads until a connection is closed has patience.
const LONG: Duration = Duration::from_secs(60);

/// So long that what ends a connection is something else, however busy the machine is.
const PATIENT: EdgeLimits = EdgeLimits {
    handshake: LONG,
    stall: StallLimits {
        head: LONG,
        idle: Duration::from_secs(90),
        request: LONG,
        write: LONG,
        ..SHORT.stall
    },
};

const SHORT_HANDSHAKE: EdgeLimits = EdgeLimits { handshake: SHORT.handshake, ..PATIENT };

const SHORT_HEAD: EdgeLimits =
    EdgeLimits { stall: StallLimits { head: SHORT.stall.head, ..PATIENT.stall }, ..PATIENT };

const SHORT_IDLE: EdgeLimits =
    EdgeLimits { stall: StallLimits { idle: SHORT.stall.idle, ..PATIENT.stall }, ..PATIENT };

const SHORT_REQUEST: EdgeLimits =
    EdgeLimits { stall: StallLimits { request: SHORT.stall.request, ..PATIENT.stall }, ..PATIENT };

const SHORT_WRITE: EdgeLimits =
    EdgeLimits { stall: StallLimits { write: SHORT.stall.write, ..PATIENT.stall }, ..PATIENT };

struct Server {
    client: Client,
    tally: Arc<Tally>,
    stop: Sender<bool>,
    running: JoinHandle<()>,
}

/// Answers with what it was asked; `/big` with 32 MiB, `/slow` after 300 ms, `/early`
/// without reading the body.
async fn echo(request: Request<Body>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    match parts.uri.path() {
        "/big" => return Response::new(Body::from(vec![b'x'; 32 << 20])),
        "/early" => return Response::new(Body::from("[early]")),
        "/slow" => tokio::time::sleep(Duration::from_millis(300)).await,
        _ => {}
    }
    let refusal = parts.headers.get(REFUSAL_HEADER).map(|value| value.to_str().unwrap().to_owned());
    if let Some(refusal) = refusal {
        return Response::new(Body::from(format!("refused {refusal}")));
    }
    let body = match body.collect().await {
        Ok(body) => format!("{} bytes", body.to_bytes().len()),
        Err(_) => "broken body".to_owned(),
    };
    Response::new(Body::from(format!("[{} {} {body}]", parts.method, parts.uri)))
}

/// Says what the client showed in the handshake.
fn shown(peer: &Peer) -> Response<Body> {
    let chain = peer.certificates.as_ref().map(super::ShownCertificates::chain);
    Response::new(Body::from(format!("[{:?}]", chain.map(|chain| chain[0].to_vec()))))
}

async fn start(limits: EdgeLimits, per_address: usize) -> Server {
    start_asking(limits, per_address, NotAsked).await
}

async fn start_asking(
    limits: EdgeLimits,
    per_address: usize,
    certificates: ClientCertificates,
) -> Server {
    let (material, root) = self_signed();
    let listener = TcpListener::bind("127.0.0.1:0".parse::<SocketAddr>().unwrap()).await.unwrap();
    let client = Client::new(listener.local_addr().unwrap(), root);
    let tally = Arc::new(Tally::default());
    let edge = Edge {
        tls: TlsAcceptor::from(server_config(&material, certificates).unwrap()),
        admission: Admission::new(100, per_address),
        limits,
        tally: Arc::clone(&tally),
        answer: Box::new(|peer, request| {
            Box::pin(async move {
                if request.uri().path() == "/who" { shown(&peer) } else { echo(request).await }
            })
        }),
    };
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let running = tokio::spawn(super::run(Lane::here(edge), listener, stopped));
    Server { client, tally, stop, running }
}

impl Server {
    /// Returns what was counted, once it is `name`: the count follows the close.
    async fn counted(&self, name: &str) -> bool {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            if self.tally.take().contains_key(name) {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        false
    }
}

/// Answers with the name of the thread that it is asked on.
async fn start_on_two_threads() -> (Server, tokio::runtime::Runtime) {
    let (material, root) = self_signed();
    let listener = TcpListener::bind("127.0.0.1:0".parse::<SocketAddr>().unwrap()).await.unwrap();
    let client = Client::new(listener.local_addr().unwrap(), root);
    let tally = Arc::new(Tally::default());
    let edge = || Edge {
        tls: TlsAcceptor::from(server_config(&material, NotAsked).unwrap()),
        admission: Admission::new(100, 100),
        limits: PATIENT,
        tally: Arc::clone(&tally),
        answer: Box::new(|_, _| {
            Box::pin(async {
                let name = std::thread::current().name().unwrap_or_default().to_owned();
                Response::new(Body::from(name))
            })
        }),
    };
    let other = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("other")
        .enable_all()
        .build()
        .unwrap();
    let mut lanes = Lane::here(edge());
    lanes.push(Lane { edge: Arc::new(edge()), runtime: other.handle().clone() });
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let running = tokio::spawn(super::run(lanes, listener, stopped));
    (Server { client, tally, stop, running }, other)
}

#[tokio::test]
async fn connections_go_round_the_loops_and_all_end_when_told() {
    let (server, other) = start_on_two_threads().await;
    let ask = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let mut answers = Vec::new();
    for _ in 0..4 {
        answers.push(server.client.raw(ask).await.ends_with("other"));
    }
    assert_eq!(answers, [false, true, false, true]);
    // One that is open on either, and quiet.
    let held = [server.client.connect("http/1.1").await, server.client.connect("h2").await];
    server.stop.send_replace(true);
    tokio::time::timeout(PATIENCE, server.running).await.unwrap().unwrap();
    drop(held);
    other.shutdown_background();
}

#[tokio::test]
async fn a_tcp_connection_without_tls_is_closed() {
    let server = start(SHORT_HANDSHAKE, 100).await;
    let mut stream = server.client.connect_tcp().await;
    assert_eq!(read_to_close(&mut stream).await, "");
    assert!(server.counted("handshake-stalled").await);
}

#[tokio::test]
async fn half_a_handshake_is_closed() {
    let server = start(SHORT_HANDSHAKE, 100).await;
    let mut stream = server.client.connect_tcp().await;
    stream.write_all(&[22, 3, 1, 2, 0, 1, 0]).await.unwrap();
    stream.flush().await.unwrap();
    read_to_close(&mut stream).await;
    assert!(server.counted("handshake-stalled").await);
    let server = start(PATIENT, 100).await;
    let mut stream = server.client.connect_tcp().await;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    stream.flush().await.unwrap();
    assert!(!read_to_close(&mut stream).await.contains("HTTP"));
    assert!(server.counted("tls-failed").await);
}

#[tokio::test]
async fn a_secured_connection_that_asks_nothing_is_closed() {
    let server = start(SHORT_IDLE, 100).await;
    for protocol in ["http/1.1", "h2"] {
        let mut stream = server.client.connect(protocol).await;
        read_to_close(&mut stream).await;
        assert!(server.counted("idle").await, "{protocol}");
    }
}

#[tokio::test]
async fn half_a_head_is_closed() {
    let server = start(SHORT_HEAD, 100).await;
    for start in ["G", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nHost: a\r\n", "\r"] {
        let mut stream = server.client.connect("http/1.1").await;
        stream.write_all(start.as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
        assert_eq!(read_to_close(&mut stream).await, "", "{start:?}");
        assert!(server.counted("head-stalled").await, "{start:?}");
    }
}

#[tokio::test]
async fn a_head_that_drips_is_closed_on_time() {
    let server = start(SHORT_HEAD, 100).await;
    let (mut reader, mut writer) = tokio::io::split(server.client.connect("http/1.1").await);
    let drip = tokio::spawn(async move {
        for byte in b"GET / HTTP/1.1\r\nHost: a\r\nX: ".iter().chain(std::iter::repeat(&b'x')) {
            if writer.write_all(&[*byte]).await.is_err() || writer.flush().await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    read_to_close(&mut reader).await;
    drip.abort();
    assert!(server.counted("head-stalled").await);
}

#[tokio::test]
async fn half_an_http2_preface_is_closed() {
    let server = start(SHORT_HEAD, 100).await;
    let mut stream = server.client.connect("h2").await;
    stream.write_all(b"PRI * HTTP/2.0\r\n").await.unwrap();
    stream.flush().await.unwrap();
    read_to_close(&mut stream).await;
    assert!(server.counted("head-stalled").await);
}

#[tokio::test]
async fn an_http2_connection_that_only_pings_is_closed() {
    let server = start(SHORT_IDLE, 100).await;
    let (mut reader, mut writer) = tokio::io::split(server.client.connect("h2").await);
    writer.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    writer.flush().await.unwrap();
    let pings = tokio::spawn(async move {
        while writer.write_all(b"\0\0\x08\x06\0\0\0\0\0pingpong").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    read_to_close(&mut reader).await;
    pings.abort();
    assert!(server.counted("idle").await);
}

#[tokio::test]
async fn a_flood_of_frames_that_ask_for_nothing_is_closed_at_once() {
    let server = start(PATIENT, 100).await;
    for frame in [&b"\0\0\x08\x06\0\0\0\0\0pingpong"[..], b"\0\0\0\x04\0\0\0\0\0"] {
        let (mut reader, mut writer) = tokio::io::split(server.client.connect("h2").await);
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
        writer.write_all(preface).await.unwrap();
        let flood = frame.repeat(100);
        let flooding = tokio::spawn(async move { while writer.write_all(&flood).await.is_ok() {} });
        read_to_close(&mut reader).await;
        flooding.abort();
        assert!(server.counted("frames-flooded").await);
    }
}

#[tokio::test]
async fn a_body_that_never_ends_is_closed() {
    let server = start(SHORT_REQUEST, 100).await;
    let mut stream = server.client.connect("http/1.1").await;
    stream.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n1").await.unwrap();
    stream.flush().await.unwrap();
    read_to_close(&mut stream).await;
    assert!(server.counted("request-stalled").await);
}

#[tokio::test]
async fn an_answer_that_is_not_read_is_closed() {
    let server = start(SHORT_WRITE, 100).await;
    let mut stream = server.client.connect("http/1.1").await;
    stream.write_all(b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    stream.flush().await.unwrap();
    assert!(server.counted("answer-not-read").await);
}

#[tokio::test]
async fn an_answer_that_is_read_too_slowly_is_closed() {
    let server = start(SHORT_WRITE, 100).await;
    let mut stream = server.client.connect("http/1.1").await;
    stream.write_all(b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    stream.flush().await.unwrap();
    let mut piece = [0; 1000];
    let begin = Instant::now();
    while begin.elapsed() < PATIENCE && stream.read_exact(&mut piece).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(20)).await;
        if !server.tally.take().is_empty() {
            return;
        }
    }
    panic!("a trickle of an answer was not cut off");
}

#[tokio::test]
async fn an_http2_answer_that_is_not_read_is_closed() {
    let server = start(SHORT_IDLE, 100).await;
    let stream = TokioIo::new(server.client.connect("h2").await);
    let mut client = http2::Builder::new(TokioExecutor::new());
    // The connection itself is read, and pings are answered: only this answer is left lying.
    let (mut sender, connection) =
        client.initial_stream_window_size(1).handshake::<_, Body>(stream).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get("https://localhost/big").body(Body::empty()).unwrap();
    let _unread = sender.send_request(request).await.unwrap();
    // The library took the whole answer over, so to the watch nothing is under way any more.
    assert!(server.counted("idle").await);
}

#[tokio::test]
async fn good_requests_are_answered_in_order_on_one_connection() {
    let server = start(PATIENT, 100).await;
    let answer = server
        .client
        .raw(
            b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n\
              POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello\
              POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n\
              GET /d HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        )
        .await;
    let found: Vec<&str> =
        answer.split('[').skip(1).map(|rest| &rest[..rest.find(']').unwrap()]).collect();
    assert_eq!(
        found,
        ["GET /slow 0 bytes", "POST /b 5 bytes", "POST /c 3 bytes", "GET /d 0 bytes"]
    );
}

#[tokio::test]
async fn a_client_that_waits_for_100_continue_gets_it() {
    let server = start(PATIENT, 100).await;
    let mut stream = server.client.connect("http/1.1").await;
    let head = b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 2\r\n\
                 Expect: 100-continue\r\n\r\n";
    stream.write_all(head).await.unwrap();
    stream.flush().await.unwrap();
    let mut interim = [0; 25];
    stream.read_exact(&mut interim).await.unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"hi").await.unwrap();
    stream.flush().await.unwrap();
    let answer = read_to_close(&mut stream).await;
    assert!(answer.contains("[POST / 2 bytes]"), "{answer}");
}

#[tokio::test]
async fn the_key_exchange_is_post_quantum_and_tls_1_2_is_not_spoken() {
    let server = start(PATIENT, 100).await;
    let stream = server.client.connect("http/1.1").await;
    let group = stream.get_ref().1.negotiated_key_exchange_group().unwrap().name();
    assert_eq!(group, rustls::NamedGroup::X25519MLKEM768);
    assert!(server.client.try_connect_tls12().await.is_err());
}

#[tokio::test]
async fn a_certificate_that_a_client_shows_is_known_if_it_holds_the_key() {
    let server = start_asking(PATIENT, 100, Asked).await;
    let ask = b"GET /who HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let (mine, certificate) = self_signed();
    let (other, _) = self_signed();
    let expected = format!("[Some({:?})]", certificate.to_vec());
    let mut stream = server.client.connect_as(&mine.cert_chain_pem, &mine).await.unwrap();
    assert!(testing::ask(&mut stream, ask).await.ends_with(&expected));
    // Somebody who has seen the certificate does not have its key.
    if let Ok(mut stream) = server.client.connect_as(&mine.cert_chain_pem, &other).await {
        // In TLS 1.3 the client is done before the server has judged it.
        _ = stream.write_all(ask).await;
        _ = stream.flush().await;
        assert_eq!(read_to_close(&mut stream).await, "");
    }
    assert!(server.counted("tls-failed").await);
    assert!(server.client.raw(ask).await.ends_with("[None]"));
    let server = start(PATIENT, 100).await;
    let mut stream = server.client.connect_as(&mine.cert_chain_pem, &mine).await.unwrap();
    assert!(testing::ask(&mut stream, ask).await.ends_with("[None]"));
}

#[tokio::test]
async fn a_smuggled_request_is_not_answered() {
    let server = start(PATIENT, 100).await;
    let hidden = "GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n";
    let heads = [
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 35\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0,0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer_Encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET / HTTP/1.1\nHost: a\n\n",
        "GET / HTTP/1.1\r\nHost: a\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\rX: y\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n X: y\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n",
        "GET https://other/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.0\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1 \r\nHost: a\r\n\r\n",
        "GET / HTTP/9.9\r\nHost: a\r\n\r\n",
        "GET /\r\n\r\n",
        "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX_Api_Key: k\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nTwinkeep-Refusal: http-host\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nExpect: wonders\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ];
    for head in heads {
        let answer = server.client.raw(format!("{head}{hidden}").as_bytes()).await;
        assert!(answer.contains("refused http-"), "{head:?}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{head:?}: {answer}");
        assert!(!answer.contains("hidden"), "{head:?}: {answer}");
    }
}

#[tokio::test]
async fn a_malformed_chunk_ends_the_connection_after_its_answer() {
    let server = start(PATIENT, 100).await;
    for chunks in ["3\nabc\r\n0\r\n\r\n", "3;x=y\r\nabc\r\n0\r\n\r\n", "0\r\nX: y\r\n\r\n", "g\r\n"]
    {
        let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        let hidden = "GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n";
        let answer = server.client.raw(format!("{head}{chunks}{hidden}").as_bytes()).await;
        assert!(answer.contains("broken body"), "{chunks:?}: {answer}");
        assert!(!answer.contains("hidden"), "{chunks:?}: {answer}");
    }
}

#[tokio::test]
async fn one_address_cannot_take_all_connections() {
    let server = start(PATIENT, 2).await;
    let _first = server.client.connect_tcp().await;
    let _second = server.client.connect_tcp().await;
    let mut third = server.client.connect_tcp().await;
    assert_eq!(read_to_close(&mut third).await, "");
    assert!(server.counted("connections-full-for-address").await);
}

#[tokio::test]
async fn stopping_finishes_what_is_under_way_and_takes_nothing_new() {
    let stall = StallLimits { drain: Duration::from_secs(20), ..PATIENT.stall };
    let server = start(EdgeLimits { stall, ..PATIENT }, 100).await;
    let mut busy = server.client.connect("http/1.1").await;
    busy.write_all(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    busy.flush().await.unwrap();
    let idle = server.client.connect("http/1.1").await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.stop.send(true).unwrap();
    let answer = read_to_close(&mut busy).await;
    assert!(answer.contains("[GET /slow 0 bytes]"), "{answer}");
    tokio::time::timeout(PATIENCE, server.running).await.unwrap().unwrap();
    assert!(server.client.try_connect("http/1.1").await.is_err());
    drop(idle);
}

#[tokio::test]
async fn stopping_does_not_wait_for_a_client_that_stalls() {
    // Only the stop ends this request in time.
    let stall = StallLimits { request: PATIENCE * 5, ..PATIENT.stall };
    let server = start(EdgeLimits { stall, ..PATIENT }, 100).await;
    let mut stuck = server.client.connect("http/1.1").await;
    stuck.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n").await.unwrap();
    stuck.flush().await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.stop.send(true).unwrap();
    tokio::time::timeout(PATIENCE, server.running).await.unwrap().unwrap();
}

#[tokio::test]
async fn the_edge_says_nothing_about_itself() {
    let server = start(PATIENT, 100).await;
    let answer = server.client.raw(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    assert!(!answer.to_ascii_lowercase().contains("server:"), "{answer}");
}

/// Longer than it takes until a quiet connection is let go of by the HTTP library.
const QUIET: Duration = Duration::from_millis(800);

#[tokio::test]
async fn a_connection_that_was_quiet_answers_again() {
    let server = start(PATIENT, 10).await;
    let mut stream = server.client.connect("http/1.1").await;
    let request = b"POST /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello";
    // Whole, cut in the head, and cut in the body.
    for cut in [request.len(), 10, request.len() - 2] {
        stream.write_all(&request[..cut]).await.unwrap();
        stream.flush().await.unwrap();
        tokio::time::sleep(QUIET).await;
        stream.write_all(&request[cut..]).await.unwrap();
        stream.flush().await.unwrap();
        let mut answer = String::new();
        while !answer.ends_with(']') {
            let mut piece = [0; 4096];
            let count = stream.read(&mut piece).await.unwrap();
            assert!(0 < count, "closed after {answer}");
            answer.push_str(&String::from_utf8_lossy(&piece[..count]));
        }
        assert!(answer.ends_with("[POST /a 5 bytes]"), "{answer}");
        tokio::time::sleep(QUIET).await;
    }
}

#[tokio::test]
async fn what_is_left_of_a_body_is_never_taken_for_a_head() {
    let server = start(PATIENT, 10).await;
    let hidden = "GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for (now, later) in [(hidden.len(), 0), (0, hidden.len()), (10, hidden.len() - 10)] {
        let mut stream = server.client.connect("http/1.1").await;
        let head = format!(
            "POST /early HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n",
            hidden.len()
        );
        let begin = format!("{head}{}", &hidden[..now]);
        stream.write_all(begin.as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
        tokio::time::sleep(QUIET).await;
        // The server may have closed its side by now.
        let _ = stream.write_all(&hidden.as_bytes()[hidden.len() - later..]).await;
        let _ = stream.flush().await;
        tokio::time::sleep(QUIET).await;
        let _ = stream.shutdown().await;
        let answer = read_to_close(&mut stream).await;
        assert_eq!(answer.matches("[early]").count(), 1, "{answer}");
        assert!(!answer.contains("smuggled"), "{answer}");
    }
}
