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
    assert!(verify(&["-attime", &at(396), "-verify_hostname", "keep.example"]).unwrap());
    assert!(!verify(&["-attime", &at(398), "-verify_hostname", "keep.example"]).unwrap());
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
fn private_keys_are_not_printed() {
    let authority = CertificateAuthority::create("one", NOW).unwrap();
    let server = authority.issue_server(&names(&["localhost"]), NOW).unwrap();
    assert_eq!(format!("{authority:?}"), "CertificateAuthority(key hidden)");
    assert!(format!("{server:?}").contains("SecretBytes(hidden)"));
}
