//! Real servers of OpenSSL, and what is said of them.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::{Limits, Question, Trust, collect, collect_within, parse_head};
use crate::facts::tls::{NoHandshake, Offer, Tls};

/// A server on loopback, with a certificate for `localhost` that holds for some days.
pub(crate) struct Server {
    folder: tempfile::TempDir,
    child: Child,
    port: u16,
}

impl Server {
    pub(crate) fn start(days: u32, options: &[&str], answer: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let made = Command::new("openssl")
            .current_dir(folder.path())
            .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"])
            .args([
                "-addext",
                "subjectAltName=DNS:localhost",
                "-addext",
                "basicConstraints=CA:FALSE",
            ])
            .args(["-keyout", "key.pem", "-out", "cert.pem", "-days", &days.to_string()])
            .stderr(Stdio::null())
            .status();
        assert!(made.unwrap().success());
        let mut page = std::fs::File::create(folder.path().join("page")).unwrap();
        page.write_all(answer.as_bytes()).unwrap();
        let mut child = Command::new("openssl")
            .current_dir(folder.path())
            .args([
                "s_server",
                "-accept",
                "127.0.0.1:0",
                "-key",
                "key.pem",
                "-cert",
                "cert.pem",
                "-HTTP",
            ])
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let accepting =
            lines.map_while(Result::ok).find(|line| line.starts_with("ACCEPT")).unwrap();
        let port = accepting.rsplit(':').next().unwrap().trim().parse().unwrap();
        Self { folder, child, port }
    }

    /// Asks the server, believing its own certificate, some days from now.
    pub(crate) fn facts(&self, days_later: i64) -> Tls {
        self.asked("localhost", days_later, true)
    }

    pub(crate) fn asked(&self, host: &str, days_later: i64, believed: bool) -> Tls {
        let der = der(self.folder.path());
        let authorities = if believed { vec![der.clone()] } else { Vec::new() };
        let now_s =
            super::certificate::read(&der).unwrap().not_before_s + 3600 + days_later * 86_400;
        let question = Question { host, port: self.port, path: "/page", now_s };
        collect(question, Trust::Authorities(&authorities)).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn der(folder: &Path) -> Vec<u8> {
    let mut command = Command::new("openssl");
    command.current_dir(folder).args(["x509", "-in", "cert.pem", "-outform", "DER"]);
    command.output().unwrap().stdout
}

fn taken(facts: &Tls) -> Vec<Offer> {
    let taken = facts.attempts.iter().filter(|attempt| attempt.taken == Some(true));
    taken.map(|attempt| attempt.offer).collect()
}

const PAGE: &str = "HTTP/1.1 200 OK\r\nServer: test\r\nSet-Cookie: session=secret; Secure\r\n\r\nx";

#[test]
fn a_server_of_today_refuses_what_is_old() {
    let server = Server::start(90, &["-tls1_3"], PAGE);
    let facts = server.facts(0);
    let handshake = facts.handshake.as_ref().unwrap();
    assert_eq!((handshake.version.as_str(), &handshake.distrust), ("TLSv1.3", &None));
    assert_eq!(handshake.certificate.as_ref().unwrap().rsa_bits, Some(2048));
    assert_eq!(taken(&facts), []);
    let answer = facts.answer.as_ref().unwrap();
    assert_eq!(answer.status, 200);
    // The value of a cookie is a secret.
    assert!(!format!("{facts:?}").contains("secret"));
}

#[test]
fn a_server_of_yesterday_takes_what_it_should_not() {
    let weak = "ALL:COMPLEMENTOFALL:@SECLEVEL=0";
    let server = Server::start(90, &["-cipher", weak], PAGE);
    let facts = server.facts(0);
    let taken = taken(&facts);
    for offer in [Offer::Tls10, Offer::Tls11, Offer::NoForwardSecrecy, Offer::NoAuthentication] {
        assert!(taken.contains(&offer), "{offer:?}: {taken:?}");
    }
}

#[test]
fn a_certificate_is_believed_for_its_name_its_time_and_its_issuer() {
    let server = Server::start(90, &[], PAGE);
    let distrust = |facts: Tls| facts.handshake.unwrap().distrust;
    assert_eq!(distrust(server.facts(0)), None);
    assert_eq!(distrust(server.facts(100)).as_deref(), Some("it has expired"));
    assert_eq!(
        distrust(server.asked("127.0.0.1", 0, true)).as_deref(),
        Some("it is for other names")
    );
    assert_eq!(
        distrust(server.asked("localhost", 0, false)).as_deref(),
        Some("there is no authority to believe")
    );
}

#[test]
fn what_is_no_server_of_tls_is_said_to_be_that() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let plain = std::thread::spawn(move || {
        // One handshake, and one for each offer.
        for stream in listener.incoming().take(1 + Offer::ALL.len()) {
            let _ = stream.unwrap().write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    let question = Question { host: "127.0.0.1", port, path: "/", now_s: 1_780_000_000 };
    let facts = collect(question, Trust::Authorities(&[])).unwrap();
    plain.join().unwrap();
    assert_eq!((facts.handshake.as_ref(), facts.no_handshake), (None, Some(NoHandshake::Other)));
    assert_eq!(taken(&facts), []);
    let closed = collect(question, Trust::Authorities(&[])).unwrap_err();
    assert_eq!(closed.code(), "collect-unreachable");
    for (host, path) in [("a b", "/"), ("localhost", "x"), ("localhost", "/\r\nX: y")] {
        let question = Question { host, path, ..question };
        assert!(collect(question, Trust::System).is_err(), "{host} {path}");
    }
}

/// Whoever says nothing, and whoever says a byte at a time, is left after the same time.
#[test]
fn a_peer_that_does_not_answer_is_not_waited_for_and_not_judged() {
    let limits = Limits {
        handshake: std::time::Duration::from_millis(300),
        attempt: std::time::Duration::from_millis(300),
    };
    for drips in [false, true] {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let peer = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            // A record of 16 KiB, and a message in it of as much: it does not end in time.
            let head = [22, 3, 3, 0x40, 0, 2, 0, 0x3f, 0xfc];
            let bytes = head.into_iter().chain(std::iter::repeat(3));
            for byte in bytes.take(if drips { usize::MAX } else { 0 }) {
                if stream.write_all(&[byte]).is_err() {
                    return 0;
                }
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            // Until the other side hangs up.
            std::io::copy(&mut stream, &mut std::io::sink()).unwrap_or_default();
            listener.set_nonblocking(true).unwrap();
            listener.incoming().take_while(Result::is_ok).count()
        });
        let question = Question { host: "127.0.0.1", port, path: "/", now_s: 1_780_000_000 };
        let facts = collect_within(question, Trust::Authorities(&[]), limits).unwrap();
        assert_eq!(facts.no_handshake, Some(NoHandshake::Silent), "drips: {drips}");
        assert_eq!(facts.attempts, []);
        assert_eq!(peer.join().unwrap(), 0, "it is asked once");
        let found = crate::rules::find("tls-version").unwrap();
        let judged = found.check.judge(&crate::facts::Facts::from(facts)).unwrap();
        assert_eq!(judged[0].outcome.word(), "not-checked");
    }
}

#[test]
fn heads_and_certificates_that_are_cut_or_changed_are_survived() {
    let head = b"HTTP/1.1 200 OK\r\nServer: x\r\nSet-Cookie: a=b\r\n\r\n";
    for length in 0..head.len() {
        parse_head(&head[..length]);
    }
    assert_eq!(parse_head(b"SSH-2.0-OpenSSH\r\n"), None);
    let server = Server::start(2, &[], PAGE);
    let whole = der(server.folder.path());
    for at in 0..whole.len() {
        super::certificate::read(&whole[..at]);
        let mut changed = whole.clone();
        changed[at] ^= 0x55;
        super::certificate::read(&changed);
    }
}
