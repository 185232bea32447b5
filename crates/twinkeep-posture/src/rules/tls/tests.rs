//! Each rule over facts that were collected from a real server.

use crate::collect::tls::tests::Server;
use crate::facts::Facts;
use crate::facts::tls::{NoHandshake, Tls};
use crate::rules::find;

/// What a rule says that is not in order.
fn fails(rule: &str, tls: &Tls) -> Vec<String> {
    let judged = find(rule).unwrap().check.judge(&Facts::from(tls.clone())).unwrap();
    assert!(!judged.is_empty());
    let failing = judged.iter().filter(|it| it.outcome.word() == "fail");
    failing.map(|it| it.outcome.says().to_owned()).collect()
}

const GOOD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nServer: gate\r\n\
                    Strict-Transport-Security: max-age=31536000; includeSubDomains\r\n\
                    X-Content-Type-Options: nosniff\r\nCache-Control: private, no-store\r\n\
                    Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n\
                    Set-Cookie: a=b; Secure; HttpOnly; SameSite=Strict\r\n\r\n<p>";

const BAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nServer: gate/1.2\r\n\
                   Strict-Transport-Security: max-age=60\r\nSet-Cookie: a=b; Secure\r\n\r\n<p>";

#[test]
fn a_server_in_order_passes_every_rule() {
    let server = Server::start(90, &["-tls1_3"], GOOD);
    let tls = server.facts(0);
    for rule in ["tls-version", "tls-old", "tls-certificate", "tls-expiry", "tls-headers"] {
        assert_eq!(fails(rule, &tls), [""; 0], "{rule}");
    }
}

#[test]
fn a_server_without_forward_secrecy_is_told_what_it_is() {
    let server = Server::start(90, &["-no_tls1_3", "-cipher", "AES128-GCM-SHA256"], GOOD);
    let tls = server.facts(0);
    assert_eq!((&tls.handshake, tls.no_handshake), (&None, Some(NoHandshake::Alert(40))));
    let said = "made no handshake with forward secrecy; it takes a key exchange without forward \
                secrecy, with TLS 1.2";
    assert_eq!(fails("tls-version", &tls), [said]);
    assert_eq!(fails("tls-old", &tls), ["takes a key exchange without forward secrecy"]);

    let options = ["-cipher", "ALL:@SECLEVEL=0", "-no_tls1_3", "-no_tls1_2"];
    let old = Server::start(90, &options, GOOD).facts(0);
    assert_eq!(fails("tls-version", &old), ["speaks TLS 1.1 at best"]);
    // Finite-field keys only: nothing old is taken, and nothing of today offered.
    let other = Server::start(90, &["-no_tls1_3", "-cipher", "DHE-RSA-AES256-GCM-SHA384"], GOOD);
    let said = &fails("tls-version", &other.facts(0))[0];
    assert!(said.starts_with("refused the handshake (alert 40)"), "{said}");
}

#[test]
fn a_server_that_is_not_fails_each_of_them() {
    let options = ["-cipher", "ALL:@SECLEVEL=0", "-no_tls1_3"];
    let server = Server::start(30, &options, BAD);
    let tls = server.asked("127.0.0.1", 27, true);
    assert_eq!(fails("tls-version", &tls), ["speaks TLSv1.2 at best"]);
    assert!(fails("tls-old", &tls).contains(&"speaks TLS 1.0".to_owned()));
    assert_eq!(
        fails("tls-certificate", &tls),
        ["has a certificate that is not believed: it is for other names"]
    );
    assert_eq!(fails("tls-expiry", &tls), ["has a certificate that ends in 2 days"]);
    assert_eq!(
        fails("tls-headers", &tls),
        [
            "sends Strict-Transport-Security for less than half a year",
            "does not send X-Content-Type-Options: nosniff",
            "does not send Cache-Control: no-store",
            "sends a page that others may show in a frame",
            "names the version of its server",
            "sets a cookie without Secure, HttpOnly, and SameSite"
        ]
    );
}
