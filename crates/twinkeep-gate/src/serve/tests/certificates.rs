//! Clients that show a certificate: on connections that stay open, that are resumed, and that carry
//! many requests.

use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt as _;
use hyper::client::conn::http1;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use twinkeep_app::{
    Caller, NewCertificateRequest, Scope, issue_certificate, revocation_list, revoke_certificate,
};
use twinkeep_vault::SecretBytes;
use twinkeep_vault::ecdsa::parse_pem;

use super::{Answer, Served, TestKeep, settings};
use crate::testing::{ask, self_signed};
use crate::{ClientCertificates, GateSettings, TlsMaterial};

/// A client of the keep's own authority: the id of its certificate, and what it shows.
fn client(keep: &TestKeep) -> (String, TlsMaterial) {
    client_who_may(keep, &Scope::WITHOUT_CERTIFICATE)
}

/// The same, of somebody who may do this.
pub(super) fn client_who_may(keep: &TestKeep, scopes: &[Scope]) -> (String, TlsMaterial) {
    let request = NewCertificateRequest {
        name: "test",
        identity: None,
        scopes,
        roles: &[],
        site: None,
        days: 1,
        csr: None,
    };
    let issued = issue_certificate(&keep.app, &Caller::operator(), request).unwrap();
    let key = issued.key.unwrap();
    let key = parse_pem("PRIVATE KEY", std::str::from_utf8(key.expose()).unwrap()).unwrap();
    let chain = issued.report.certificate.unwrap();
    (issued.report.id, TlsMaterial { cert_chain_pem: chain, key_pkcs8: SecretBytes::new(key) })
}

fn asking(client_certificates: ClientCertificates) -> GateSettings {
    GateSettings { client_certificates, ..settings() }
}

/// Gives up a certificate.
pub(super) fn revoke(keep: &TestKeep, id: &str) {
    revoke_certificate(&keep.app, &Caller::operator(), id).unwrap();
}

const TWINS: &[u8] =
    b"GET /api/v1/twins?limit=1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

fn twins(uri: &str) -> Request<Body> {
    let path = format!("{uri}/api/v1/twins?limit=1");
    Request::get(path).header("host", "localhost").body(Body::empty()).unwrap()
}

#[tokio::test]
async fn a_certificate_alone_lets_its_holder_in_and_says_so_in_the_ledger() {
    let keep = TestKeep::shared();
    let (id, shown) = client(keep);
    let served = Served::open(keep, asking(ClientCertificates::Asked));
    let mut stream = served.client.connect_as(&shown.cert_chain_pem, &shown).await.unwrap();
    let answer = Answer::parse(&ask(&mut stream, TWINS).await);
    assert_eq!(answer.status, 200);
    let caller = format!("cert:{id}");
    assert!(keep.ledger().iter().any(|line| line.actor == caller), "{caller}");
    // Nobody asks for one here: it is not looked at.
    let served = Served::open(keep, settings());
    let mut stream = served.client.connect_as(&shown.cert_chain_pem, &shown).await.unwrap();
    assert_eq!(Answer::parse(&ask(&mut stream, TWINS).await).status, 401);
}

#[tokio::test]
async fn a_header_that_speaks_of_a_certificate_is_a_header() {
    let keep = TestKeep::shared();
    let (_, shown) = client(keep);
    let served = Served::open(keep, asking(ClientCertificates::Asked));
    let pem = shown.cert_chain_pem.replace('\n', "");
    for name in ["X-Client-Cert", "X-SSL-Client-Cert", "X-Forwarded-Client-Cert", "Client-Cert"] {
        let lines = format!("{name}: {pem}\r\nX-SSL-Client-Verify: SUCCESS\r\n");
        assert_eq!(served.send("GET", "/api/v1/twins", &lines, "").await.status, 401, "{name}");
    }
    // The names by which the edge tells the worker are nobody else's.
    for name in ["twinkeep-certificate", "Twinkeep-Peer"] {
        let lines = format!("{name}: {pem}\r\n");
        assert_eq!(served.send("GET", "/api/v1/twins", &lines, "").await.status, 400, "{name}");
    }
}

#[tokio::test]
async fn a_revoked_certificate_is_refused_on_a_connection_that_is_open() {
    let keep = TestKeep::shared();
    let served = Served::open(keep, asking(ClientCertificates::Asked));
    let (id, shown) = client(keep);
    let stream = served.client.connect_as(&shown.cert_chain_pem, &shown).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    for (revoked, expected) in [(false, 200), (false, 200), (true, 401), (true, 401)] {
        if revoked {
            revoke(keep, &id);
        }
        let answer = sender.send_request(twins("")).await.unwrap();
        assert_eq!(answer.status().as_u16(), expected);
        answer.into_body().collect().await.unwrap();
        sender.ready().await.unwrap();
    }

    let (id, shown) = client(keep);
    let config = served.client.showing(&shown.cert_chain_pem, &shown);
    let stream = served.client.try_connect_by("h2", config).await.unwrap();
    let (mut sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    for (revoked, expected) in [(false, 200), (true, 401)] {
        if revoked {
            revoke(keep, &id);
        }
        let request = Request::get("https://localhost/api/v1/twins?limit=1");
        let answer = sender.send_request(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(answer.status().as_u16(), expected);
    }
}

#[tokio::test]
async fn a_resumed_session_shows_the_certificate_of_the_first_and_it_is_judged_anew() {
    let keep = TestKeep::shared();
    let served = Served::open(keep, asking(ClientCertificates::Asked));
    let (id, shown) = client(keep);
    let config = served.client.showing(&shown.cert_chain_pem, &shown);
    for (kind, expected) in [
        (rustls::HandshakeKind::Full, 200),
        (rustls::HandshakeKind::Resumed, 200),
        (rustls::HandshakeKind::Resumed, 401),
    ] {
        if expected == 401 {
            revoke(keep, &id);
        }
        let mut stream = served.client.try_connect_by("http/1.1", config.clone()).await.unwrap();
        assert_eq!(stream.get_ref().1.handshake_kind(), Some(kind));
        assert_eq!(Answer::parse(&ask(&mut stream, TWINS).await).status, expected);
    }
}

#[tokio::test]
async fn where_a_certificate_is_required_nobody_comes_in_without() {
    let keep = TestKeep::shared();
    let (_, shown) = client(keep);
    let served = Served::open(keep, asking(ClientCertificates::Required));
    let mut stream = served.client.connect("http/1.1").await;
    // In TLS 1.3 the client is done before the server has judged it.
    let mut answer = Vec::new();
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    _ = stream.write_all(TWINS).await;
    _ = stream.flush().await;
    _ = stream.read_to_end(&mut answer).await;
    assert_eq!(answer, b"");
    let mut stream = served.client.connect_as(&shown.cert_chain_pem, &shown).await.unwrap();
    assert_eq!(Answer::parse(&ask(&mut stream, TWINS).await).status, 200);
    assert!(self_signed().0.cert_chain_pem != shown.cert_chain_pem);
}

#[tokio::test]
async fn the_revocation_list_is_everybodys_and_names_what_was_revoked() {
    let keep = TestKeep::shared();
    let served = Served::open(keep, settings());
    let (id, _) = client(keep);
    let before = revocation_list(&keep.app).unwrap();
    revoke(keep, &id);
    let answer = served.send("GET", "/ca.crl", "", "").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/pkix-crl"));
    let after = revocation_list(&keep.app).unwrap();
    assert!(before.len() < after.len());
    assert_eq!(answer.header("content-length").unwrap().parse(), Ok(after.len()));
}
