//! Tests of certificates, with OpenSSL as the judge where it is there.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use twinkeep_domain::Timestamp;

use super::{CertificateAuthority, CertificateError};
use crate::SecretBytes;
use crate::ecdsa::{EcdsaKey, parse_pem};

/// 2026-11-21T00:00:00Z.
const NOW: Timestamp = Timestamp::from_micros(1_795_219_200_000_000);

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

fn write(path: &Path, text: &str) {
    File::create(path).unwrap().write_all(text.as_bytes()).unwrap();
}

#[test]
#[expect(clippy::print_stdout, reason = "a skipped test says so")]
fn openssl_accepts_a_server_for_its_names_and_its_time_only() {
    let dir = tempfile::tempdir().unwrap();
    let (ca, server) = (dir.path().join("ca.pem"), dir.path().join("server.pem"));
    let authority = CertificateAuthority::create("Twinkeep test", NOW).unwrap();
    let issued = authority.issue_server(&names(&["keep.example", "127.0.0.1", "::1"]), NOW);
    write(&ca, authority.cert_pem());
    write(&server, &issued.unwrap().cert_pem);
    let verify = |options: &[&str]| {
        let output = Command::new("openssl")
            .args(["verify", "-x509_strict", "-purpose", "sslserver", "-CAfile"])
            .arg(&ca)
            .args(options)
            .arg(&server)
            .output();
        output.map(|output| output.status.success())
    };
    let now = NOW.micros() / 1_000_000;
    let at = |days: i64| (now + days * 86_400).to_string();
    let today = at(0);
    let Ok(valid) = verify(&["-attime", &today, "-verify_hostname", "keep.example"]) else {
        println!("skipped: openssl is not here");
        return;
    };
    assert!(valid);
    assert!(verify(&["-attime", &today, "-verify_ip", "127.0.0.1"]).unwrap());
    assert!(verify(&["-attime", &today, "-verify_ip", "::1"]).unwrap());
    assert!(verify(&["-attime", &at(59), "-verify_hostname", "keep.example"]).unwrap());
    assert!(!verify(&["-attime", &at(61), "-verify_hostname", "keep.example"]).unwrap());
    assert!(!verify(&["-attime", &at(-1), "-verify_hostname", "keep.example"]).unwrap());
    assert!(!verify(&["-attime", &today, "-verify_hostname", "other.example"]).unwrap());
}

#[test]
fn a_stored_authority_issues_again() {
    let authority = CertificateAuthority::create("Twinkeep test", NOW).unwrap();
    let key = SecretBytes::new(authority.expose_key().to_vec());
    let restored = CertificateAuthority::from_parts(authority.cert_pem(), key).unwrap();
    assert_eq!(restored.cert_pem(), authority.cert_pem());
    let server = restored.issue_server(&names(&["localhost"]), NOW).unwrap();
    assert!(parse_pem("CERTIFICATE", &server.cert_pem).is_some());
    assert!(EcdsaKey::from_pkcs8(server.key.expose()).is_some());
}

#[test]
fn parts_that_do_not_belong_together_are_refused() {
    let one = CertificateAuthority::create("one", NOW).unwrap();
    let other = CertificateAuthority::create("other", NOW).unwrap();
    let key = |bytes: &[u8]| SecretBytes::new(bytes.to_vec());
    let refused = |pem: &str, bytes: &[u8]| {
        CertificateAuthority::from_parts(pem, key(bytes)).unwrap_err().code()
    };
    assert_eq!(refused(one.cert_pem(), other.expose_key()), "certificate-parts");
    assert_eq!(refused(one.cert_pem(), b""), "certificate-parts");
    assert_eq!(refused("", one.expose_key()), "certificate-parts");
    let cut = &one.cert_pem()[..200];
    assert_eq!(refused(cut, one.expose_key()), "certificate-parts");
}

#[test]
fn names_and_times_that_no_certificate_can_carry_are_refused() {
    let authority = CertificateAuthority::create("one", NOW).unwrap();
    for bad in ["", "a b", "-a", "a..b", "1.2.3", "a_b", "*", "a\0b", "é.example", "*.*.a"] {
        let refused = authority.issue_server(&names(&["localhost", bad]), NOW);
        let is_named =
            matches!(&refused, Err(CertificateError::ServerName { name }) if name == bad);
        assert!(is_named, "`{bad}`");
    }
    assert!(matches!(authority.issue_server(&[], NOW), Err(CertificateError::NameCount)));
    for time in [i64::MIN, -1_000_000, i64::MAX] {
        let refused = CertificateAuthority::create("one", Timestamp::from_micros(time));
        assert_eq!(refused.unwrap_err().code(), "certificate-time");
    }
    for name in ["", "a\nb", "é", &"x".repeat(65)] {
        assert_eq!(CertificateAuthority::create(name, NOW).unwrap_err().code(), "certificate-name");
    }
}

#[test]
fn a_renewed_server_has_its_old_key_and_says_until_when_and_where_the_list_is() {
    let at = "https://keep.example:8443/ca.crl";
    let authority = CertificateAuthority::create("one", NOW).unwrap().with_list_at(Some(at));
    let wanted = names(&["keep.example", "127.0.0.1", "::1"]);
    let first = authority.issue_server(&wanted, NOW).unwrap();
    let later = NOW.plus_hours(24.0 * 40.0);
    let next = authority.renew_server(&first.key, &wanted, later).unwrap();
    let point = |pem: &str| {
        let der = parse_pem("CERTIFICATE", pem).unwrap();
        let (_, read) = x509_parser::parse_x509_certificate(&der).unwrap();
        read.public_key().raw.to_vec()
    };
    assert_eq!(point(&first.cert_pem), point(&next));
    let read = authority.issued_server(&next).unwrap();
    assert_eq!((read.names, read.list_at.as_deref()), (wanted.clone(), Some(at)));
    assert_eq!(read.not_after, later.plus_hours(24.0 * super::SERVER_DAYS as f64));
    assert!(read.not_after.hours_since(read.not_before) <= 24.0 * 90.0);
    // A client's certificate names the place, too.
    let client = authority.issue_client(client("ward.example", None), NOW).unwrap();
    assert_eq!(authority.issued_server(&client.cert_pem).unwrap().list_at.as_deref(), Some(at));
    // Another authority of the same name, and what is cut short or no certificate.
    let other = CertificateAuthority::create("one", NOW).unwrap();
    assert_eq!(other.issued_server(&next), None);
    assert_eq!(authority.issued_server(&next[..next.len() / 2]), None);
    assert_eq!(authority.issued_server(""), None);
    let broken = SecretBytes::new(vec![1, 2, 3]);
    assert!(matches!(authority.renew_server(&broken, &wanted, NOW), Err(CertificateError::Parts)));
}

#[test]
fn private_keys_are_not_printed() {
    let authority = CertificateAuthority::create("one", NOW).unwrap();
    let server = authority.issue_server(&names(&["localhost"]), NOW).unwrap();
    assert_eq!(format!("{authority:?}"), "CertificateAuthority(key hidden)");
    assert!(format!("{server:?}").contains("SecretBytes(hidden)"));
}

fn client<'a>(identity: &'a str, csr: Option<&'a str>) -> super::ClientRequest<'a> {
    super::ClientRequest { name: "Ward dashboard", identity, days: 90, csr }
}

#[test]
fn a_client_is_a_client_and_no_server_and_has_one_name() {
    let authority = CertificateAuthority::create("Twinkeep test", NOW).unwrap();
    for identity in ["spiffe://mesh.example/ward", "ward.example"] {
        let issued = authority.issue_client(client(identity, None), NOW).unwrap();
        let trusted =
            crate::client_chain::ClientAuthority::parse(authority.cert_pem(), &[]).unwrap();
        let der = parse_pem("CERTIFICATE", &issued.cert_pem).unwrap();
        let known = trusted.verify(&[&der], NOW).unwrap();
        assert_eq!((known.names, known.serial), (vec![identity.to_owned()], issued.serial));
        assert_eq!(issued.sha256, crate::digest::sha256(&der));
        assert!(EcdsaKey::from_pkcs8(issued.key.unwrap().expose()).is_some());
        assert!(trusted.verify(&[&der], NOW.plus_hours(24.0 * 90.1)).is_err());
        // The keep's server is no client of it.
        let server = authority.issue_server(&names(&["keep.example"]), NOW).unwrap();
        let server = parse_pem("CERTIFICATE", &server.cert_pem).unwrap();
        assert!(trusted.verify(&[&server], NOW).is_err());
    }
    for identity in ["", "*.example", "Ward.example", "https://a/b", "spiffe://a/b/../c", "a\0b"] {
        let refused = authority.issue_client(client(identity, None), NOW);
        assert!(matches!(refused, Err(CertificateError::Identity)), "{identity}");
    }
}

#[test]
fn of_a_request_the_key_is_taken_and_nothing_else() {
    let authority = CertificateAuthority::create("Twinkeep test", NOW).unwrap();
    let request = |key: &rcgen::KeyPair| {
        let mut params = rcgen::CertificateParams::new(vec!["root.example".to_owned()]).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.serialize_request(key).unwrap().pem().unwrap()
    };
    let trusted = crate::client_chain::ClientAuthority::parse(authority.cert_pem(), &[]).unwrap();
    for algorithm in [
        &rcgen::PKCS_ECDSA_P256_SHA256,
        &rcgen::PKCS_ECDSA_P384_SHA384,
        &rcgen::PKCS_ED25519,
        &rcgen::PKCS_RSA_SHA256,
    ] {
        let csr = request(&rcgen::KeyPair::generate_for(algorithm).unwrap());
        let issued = authority.issue_client(client("ward.example", Some(&csr)), NOW).unwrap();
        assert!(issued.key.is_none());
        let der = parse_pem("CERTIFICATE", &issued.cert_pem).unwrap();
        assert_eq!(trusted.verify(&[&der], NOW).unwrap().names, ["ward.example"]);
    }
    let key = rcgen::KeyPair::generate().unwrap();
    let point = rcgen::PublicKeyData::der_bytes(&key).to_vec();
    let csr = request(&key);
    let der = parse_pem("CERTIFICATE REQUEST", &csr).unwrap();
    for byte in 0..der.len() {
        let mut forged = der.clone();
        forged[byte] ^= 1;
        let forged = crate::ecdsa::pem("CERTIFICATE REQUEST", &forged);
        let made = authority.issue_client(client("ward.example", Some(&forged)), NOW);
        // What is around the signature may be written differently; the key may not be another.
        let Ok(made) = made else { continue };
        let made = parse_pem("CERTIFICATE", &made.cert_pem).unwrap();
        assert!(made.windows(65).any(|window| window == point), "byte {byte}");
    }
    for text in ["", "-----BEGIN CERTIFICATE REQUEST-----", &csr[..csr.len() / 2]] {
        let refused = authority.issue_client(client("ward.example", Some(text)), NOW);
        assert!(matches!(refused, Err(CertificateError::Request)));
    }
}

#[test]
#[expect(clippy::print_stdout, reason = "a skipped test says so")]
fn openssl_reads_the_list_of_what_was_withdrawn() {
    let dir = tempfile::tempdir().unwrap();
    let authority = CertificateAuthority::create("Twinkeep test", NOW).unwrap();
    let (good, bad) = (
        authority.issue_client(client("good.example", None), NOW).unwrap(),
        authority.issue_client(client("bad.example", None), NOW).unwrap(),
    );
    let withdrawn = super::Withdrawn { serial: bad.serial, since: NOW, superseded: false };
    let list = authority.revocation_list(&[withdrawn], NOW, 7).unwrap();
    write(&dir.path().join("ca.pem"), authority.cert_pem());
    write(&dir.path().join("ca.crl"), &super::revocation_list_pem(&list));
    write(&dir.path().join("good.pem"), &good.cert_pem);
    write(&dir.path().join("bad.pem"), &bad.cert_pem);
    let at = (NOW.micros() / 1_000_000 + 60).to_string();
    let verify = |file: &str| {
        Command::new("openssl")
            .current_dir(dir.path())
            .args(["verify", "-x509_strict", "-purpose", "sslclient", "-CAfile", "ca.pem"])
            .args(["-crl_check", "-CRLfile", "ca.crl", "-attime", &at, file])
            .output()
    };
    let Ok(found) = verify("good.pem") else {
        println!("skipped: openssl is not here");
        return;
    };
    assert!(found.status.success(), "{}", String::from_utf8_lossy(&found.stderr));
    let found = verify("bad.pem").unwrap();
    assert!(!found.status.success());
    assert!(String::from_utf8_lossy(&found.stderr).contains("revoked"));
}
