//! Certificates that an attacker shows, or an authority made by mistake.

use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    RevokedCertParams, SanType, SerialNumber, date_time_ymd,
};
use twinkeep_domain::Timestamp;

use super::ClientChainError::{
    self, Authority, Early, Expired, List, Malformed, Name, Purpose, Revoked, Unlisted, Untrusted,
};
use super::{ClientAuthority, VerifiedClient, is_dns_name, is_spiffe_id};
use crate::ecdsa::pem;

/// 2026-11-21T00:00:00Z, and the same in seconds.
const NOW: Timestamp = Timestamp::from_micros(SECONDS as i64 * 1_000_000);
const SECONDS: u64 = 1_795_219_200;
const DAY: u64 = 86_400;

/// Somebody who signs.
struct Ca {
    issuer: Issuer<'static, KeyPair>,
    der: Vec<u8>,
}

fn params(name: &str, from: u64, until: u64) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(1970, 1, 1) + Duration::from_secs(from);
    params.not_after = date_time_ymd(1970, 1, 1) + Duration::from_secs(until);
    params
}

fn ca_params(name: &str) -> CertificateParams {
    let mut params = params(name, SECONDS - DAY, SECONDS + 100 * DAY);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

impl Ca {
    fn new(name: &str) -> Self {
        let (params, key) = (ca_params(name), KeyPair::generate().unwrap());
        let der = params.self_signed(&key).unwrap().der().to_vec();
        Self { issuer: Issuer::new(params, key), der }
    }

    /// An authority below this one.
    fn below(&self, name: &str, serial: u8) -> Self {
        let (mut params, key) = (ca_params(name), KeyPair::generate().unwrap());
        params.serial_number = Some(SerialNumber::from(u64::from(serial)));
        let der = params.signed_by(&key, &self.issuer).unwrap().der().to_vec();
        Self { issuer: Issuer::new(params, key), der }
    }

    fn issue(&self, change: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
        let mut params = params("client", SECONDS - DAY, SECONDS + DAY);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.serial_number = Some(SerialNumber::from(7_u64));
        params.subject_alt_names = vec![uri("spiffe://mesh.example/ward")];
        change(&mut params);
        params.signed_by(&KeyPair::generate().unwrap(), &self.issuer).unwrap().der().to_vec()
    }

    /// A list of serial numbers, in date from one day to another, counted from now.
    fn list(&self, serials: &[u64], from: i64, until: i64) -> Vec<u8> {
        let at = |days: i64| {
            let seconds = SECONDS as i64 + days * DAY as i64;
            date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds as u64)
        };
        let revoked = |serial: &u64| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: at(from),
            reason_code: None,
            invalidity_date: None,
        };
        let params = CertificateRevocationListParams {
            this_update: at(from),
            next_update: at(until),
            crl_number: SerialNumber::from(1_u64),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.issuer).unwrap().der().to_vec()
    }

    fn trusted(&self, lists: &[Vec<u8>]) -> ClientAuthority {
        ClientAuthority::parse(&pem("CERTIFICATE", &self.der), lists).unwrap()
    }
}

fn uri(text: &str) -> SanType {
    SanType::URI(text.try_into().unwrap())
}

fn host(text: &str) -> SanType {
    SanType::DnsName(text.try_into().unwrap())
}

fn judge(ca: &ClientAuthority, chain: &[&[u8]]) -> Result<VerifiedClient, ClientChainError> {
    ca.verify(chain, NOW)
}

#[track_caller]
fn refused(ca: &ClientAuthority, leaf: &[u8]) -> ClientChainError {
    judge(ca, &[leaf]).unwrap_err()
}

#[test]
fn a_client_of_the_authority_is_known_by_its_name_until_it_expires() {
    let ca = Ca::new("ca");
    let client = judge(&ca.trusted(&[]), &[&ca.issue(|_| ())]).unwrap();
    assert_eq!(client.names, ["spiffe://mesh.example/ward"]);
    assert_eq!(client.serial, "07");
    assert_eq!(client.until.micros(), (SECONDS + DAY) as i64 * 1_000_000);
    let named =
        ca.issue(|params| params.subject_alt_names = vec![host("a.example"), host("b.example")]);
    assert_eq!(judge(&ca.trusted(&[]), &[&named]).unwrap().names, ["a.example", "b.example"]);
}

#[test]
fn who_signed_when_and_what_for_must_be_right() {
    let (ca, other) = (Ca::new("ca"), Ca::new("ca"));
    let trusted = ca.trusted(&[]);
    assert_eq!(refused(&trusted, &other.issue(|_| ())), Untrusted, "another key of the same name");
    let server = ca.issue(|params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    });
    assert_eq!(refused(&trusted, &server), Purpose);
    let authority = ca.issue(|params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
    assert_eq!(refused(&trusted, &authority), Purpose);
    // A root that is shown as a client is no client either.
    assert!(matches!(refused(&trusted, &ca.der), Purpose | Untrusted | Name));
    let old = ca.issue(|params| {
        params.not_after = date_time_ymd(1970, 1, 1) + Duration::from_secs(SECONDS - 1);
    });
    assert_eq!(refused(&trusted, &old), Expired);
    let new = ca.issue(|params| {
        params.not_before = date_time_ymd(1970, 1, 1) + Duration::from_secs(SECONDS + 60);
    });
    assert_eq!(refused(&trusted, &new), Early);
}

#[test]
fn a_client_cannot_sign_for_another() {
    let ca = Ca::new("ca");
    let key = KeyPair::generate().unwrap();
    let mut first = params("client", SECONDS - DAY, SECONDS + DAY);
    first.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    first.subject_alt_names = vec![uri("spiffe://mesh.example/ward")];
    let der = first.signed_by(&key, &ca.issuer).unwrap().der().to_vec();
    let forged = Ca { issuer: Issuer::new(first, key), der };
    let leaf =
        forged.issue(|params| params.subject_alt_names = vec![uri("spiffe://mesh.example/root")]);
    assert!(judge(&ca.trusted(&[]), &[&leaf, &forged.der]).is_err());
}

#[test]
fn names_that_do_not_say_who_it_is_are_refused() {
    let ca = Ca::new("ca");
    let trusted = ca.trusted(&[]);
    let names: [&[SanType]; 12] = [
        &[],
        &[uri("spiffe://mesh.example/ward"), uri("spiffe://mesh.example/root")],
        &[uri("spiffe://mesh.example/ward"), uri("https://mesh.example/")],
        &[uri("SPIFFE://mesh.example/ward")],
        &[uri("spiffe://mesh.example/ward/../root")],
        &[uri("spiffe://mesh.example/%72oot")],
        &[uri("https://mesh.example/ward")],
        &[host("*.clinic.example")],
        &[host("ward.clinic.example\0.evil.example")],
        &[host("xn--wrd-qla.clinic.example")],
        &[host("good.example"), host("Bad.example")],
        &[SanType::Rfc822Name("somebody@clinic.example".try_into().unwrap())],
    ];
    for names in names {
        let leaf = ca.issue(|params| params.subject_alt_names = names.to_vec());
        let refused = refused(&trusted, &leaf);
        assert!(matches!(refused, Name | Malformed), "{names:?}: {refused:?}");
    }
}

#[test]
fn an_intermediate_leads_to_the_root_and_may_be_withdrawn() {
    let root = Ca::new("root");
    let middle = root.below("middle", 9);
    let leaf = middle.issue(|_| ());
    let trusted = root.trusted(&[]);
    assert!(judge(&trusted, &[&leaf, &middle.der]).is_ok());
    assert_eq!(refused(&trusted, &leaf), Untrusted);
    let (of_middle, of_root) = (middle.list(&[], 0, 7), root.list(&[9], 0, 7));
    assert!(judge(&root.trusted(std::slice::from_ref(&of_middle)), &[&leaf, &middle.der]).is_ok());
    let both = root.trusted(&[of_middle, of_root]);
    assert_eq!(judge(&both, &[&leaf, &middle.der]).unwrap_err(), Revoked);
    let many: Vec<&[u8]> = std::iter::once(&leaf[..]).chain([&middle.der[..]; 7]).collect();
    assert_eq!(judge(&trusted, &many).unwrap_err(), Malformed);
}

#[test]
fn a_list_that_is_in_date_and_genuine_decides() {
    let (ca, other) = (Ca::new("ca"), Ca::new("ca"));
    let leaf = ca.issue(|_| ());
    let cases: [(Vec<u8>, Result<(), ClientChainError>); 5] = [
        (ca.list(&[1, 2], 0, 7), Ok(())),
        (ca.list(&[1, 7], 0, 7), Err(Revoked)),
        (ca.list(&[], -14, -7), Err(Unlisted)),
        (other.list(&[], 0, 7), Err(Unlisted)),
        (Ca::new("somebody else").list(&[7], 0, 7), Err(Unlisted)),
    ];
    for (index, (list, expected)) in cases.iter().enumerate() {
        for list in [list.clone(), pem("X509 CRL", list).into_bytes()] {
            let found = judge(&ca.trusted(&[list]), &[&leaf]).map(drop);
            assert_eq!(found, *expected, "case {index}");
        }
    }
}

#[test]
fn what_is_no_certificate_and_no_list_is_refused() {
    let ca = Ca::new("ca");
    let (trusted, leaf) = (ca.trusted(&[]), ca.issue(|_| ()));
    assert_eq!(judge(&trusted, &[]).unwrap_err(), Malformed);
    for end in 0..leaf.len() {
        assert!(judge(&trusted, &[&leaf[..end]]).is_err(), "{end}");
    }
    assert!(judge(&trusted, &[&[&leaf[..], b"\0"].concat()]).is_err());
    for bit in 0..leaf.len() * 8 {
        let mut flipped = leaf.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(judge(&trusted, &[&flipped]).is_err(), "bit {bit}");
    }
    let parse = |roots: &str, lists: &[Vec<u8>]| ClientAuthority::parse(roots, lists).unwrap_err();
    let root = pem("CERTIFICATE", &ca.der);
    assert_eq!(parse("", &[]), Authority);
    assert_eq!(parse(&root[..root.len() / 2], &[]), Authority);
    for list in
        [Vec::new(), ca.list(&[], 0, 7)[..50].to_vec(), b"-----BEGIN X509 CRL-----\n".to_vec()]
    {
        assert_eq!(parse(&root, &[list]), List);
    }
}

#[test]
fn names_have_one_spelling() {
    for id in ["spiffe://a/b", "spiffe://mesh-1.example/ns/ward/Sa_1.2"] {
        assert!(is_spiffe_id(id), "{id}");
    }
    for id in [
        "",
        "spiffe://",
        "spiffe://a",
        "spiffe://a/",
        "spiffe:///b",
        "spiffe://A/b",
        "spiffe://a//b",
        "spiffe://a/./b",
        "spiffe://a/..",
        "spiffe://a:1/b",
        "spiffe://u@a/b",
        "spiffe://a/b?c",
        "spiffe://a/b#c",
        "spiffe://a/b%20c",
        "spiffe://a/\u{e9}",
        "spiffe://a/b\0c",
        "http://a/b",
    ] {
        assert!(!is_spiffe_id(id), "{id}");
    }
    assert!(!is_spiffe_id(&format!("spiffe://a/{}", "b".repeat(2048))));
    for name in ["localhost", "a.b-c.example", "1.example"] {
        assert!(is_dns_name(name), "{name}");
    }
    for name in [
        "",
        ".",
        "a.",
        ".a",
        "a..b",
        "-a",
        "a-",
        "A",
        "a_b",
        "*.a",
        "127.0.0.1",
        "1",
        "a b",
        "\u{430}",
        "xn--a",
        "a\0b",
    ] {
        assert!(!is_dns_name(name), "{name}");
    }
}
