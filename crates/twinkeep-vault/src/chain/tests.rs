//! Chains that hold, and all the ways in which they do not.

use std::slice::from_ref;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CustomExtension, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ECDSA_P521_SHA512, PKCS_ED25519,
    RevokedCertParams, SerialNumber, SignatureAlgorithm, date_time_ymd,
};
use twinkeep_domain::Timestamp;

use super::{COUNT_MAX, ChainError, RevocationError, Revocations, certifies, verify_chain};
use crate::digest::{sha256, to_hex};
use crate::ecdsa::pem;

/// 2026-11-21T00:00:00Z.
const NOW: Timestamp = Timestamp::from_micros(1_795_219_200_000_000);

/// Somebody with a key and a certificate.
struct Party {
    params: CertificateParams,
    key: KeyPair,
    der: Vec<u8>,
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(2025, 1, 1);
    params.not_after = date_time_ymd(2035, 1, 1);
    params
}

fn authority(name: &str, path_len: BasicConstraints) -> CertificateParams {
    let mut params = params(name);
    params.is_ca = IsCa::Ca(path_len);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

fn signer(name: &str) -> CertificateParams {
    let mut params = params(name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
    params
}

impl Party {
    fn root_on(params: CertificateParams, algorithm: &'static SignatureAlgorithm) -> Self {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let der = params.self_signed(&key).unwrap().der().to_vec();
        Self { params, key, der }
    }

    fn root(params: CertificateParams) -> Self {
        Self::root_on(params, &PKCS_ECDSA_P384_SHA384)
    }

    fn issue_on(&self, params: CertificateParams, algorithm: &'static SignatureAlgorithm) -> Self {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let issuer = Issuer::from_params(&self.params, &self.key);
        let der = params.signed_by(&key, &issuer).unwrap().der().to_vec();
        Self { params, key, der }
    }

    fn issue(&self, params: CertificateParams) -> Self {
        self.issue_on(params, &PKCS_ECDSA_P256_SHA256)
    }

    fn public_pem(&self) -> String {
        self.key.public_key_pem().replace("\r\n", "\n")
    }
}

fn verify(leaf: &Party, others: &[&Party], anchors: &[&Party]) -> Result<String, ChainError> {
    let ders = |parties: &[&Party]| parties.iter().map(|one| one.der.clone()).collect::<Vec<_>>();
    verify_chain(&leaf.der, &ders(others), &ders(anchors), NOW, &Revocations::NONE)
}

const ANY: BasicConstraints = BasicConstraints::Unconstrained;

#[test]
fn a_chain_to_a_trusted_authority_gives_the_key_of_the_signer() {
    for algorithm in
        [&PKCS_ECDSA_P256_SHA256, &PKCS_ECDSA_P384_SHA384, &PKCS_ECDSA_P521_SHA512, &PKCS_ED25519]
    {
        let root = Party::root_on(authority("root", ANY), algorithm);
        let middle = root.issue_on(authority("middle", ANY), algorithm);
        let leaf = middle.issue(signer("leaf"));
        assert_eq!(verify(&leaf, &[&middle], &[&root]), Ok(leaf.public_pem()));
        // The order says nothing, and an anchor in the chain does no harm.
        let stranger = Party::root(authority("stranger", ANY));
        assert!(verify(&leaf, &[&stranger, &root, &middle], &[&stranger, &root]).is_ok());
        // Whoever trusts the one in the middle need not have the root.
        assert!(verify(&leaf, &[], &[&middle]).is_ok());
        assert!(certifies(&leaf.der, &leaf.public_pem()));
        assert!(!certifies(&middle.der, &leaf.public_pem()));
    }
}

#[test]
fn a_certificate_that_is_trusted_itself_needs_nobody() {
    let own = Party::root(signer("own"));
    assert!(verify(&own, &[], &[&own]).is_ok());
    assert_eq!(verify(&own, &[&own], &[]), Err(ChainError::Untrusted));
    let other = Party::root(signer("own"));
    assert_eq!(verify(&own, &[], &[&other]), Err(ChainError::Untrusted));
}

#[test]
fn a_chain_that_is_broken_or_leads_elsewhere_is_not_believed() {
    let root = Party::root(authority("root", ANY));
    let middle = root.issue(authority("middle", ANY));
    let leaf = middle.issue(signer("leaf"));
    assert_eq!(verify(&leaf, &[], &[&root]), Err(ChainError::Untrusted));
    // Same names, other keys.
    let imposter = Party::root(authority("root", ANY));
    assert_eq!(verify(&leaf, &[&middle], &[&imposter]), Err(ChainError::Untrusted));
    let fake = imposter.issue(authority("middle", ANY));
    assert_eq!(verify(&leaf, &[&fake], &[&root]), Err(ChainError::Untrusted));
    // One changed bit.
    let mut changed = leaf.der.clone();
    let last = changed.len() - 1;
    changed[last] ^= 1;
    let others = [middle.der.clone()];
    let found = verify_chain(&changed, &others, from_ref(&root.der), NOW, &Revocations::NONE);
    assert_eq!(found, Err(ChainError::Untrusted));
}

#[test]
fn only_authorities_vouch_and_only_as_far_as_they_may() {
    let root = Party::root(authority("root", ANY));
    let no_authority = root.issue(signer("no authority"));
    let leaf = no_authority.issue(signer("leaf"));
    assert_eq!(verify(&leaf, &[&no_authority], &[&root]), Err(ChainError::Untrusted));
    let mut params = authority("no signing", ANY);
    params.key_usages = vec![KeyUsagePurpose::CrlSign];
    let no_signing = root.issue(params);
    let leaf = no_signing.issue(signer("leaf"));
    assert_eq!(verify(&leaf, &[&no_signing], &[&root]), Err(ChainError::Untrusted));
    let narrow = Party::root(authority("narrow", BasicConstraints::Constrained(0)));
    let direct = narrow.issue(signer("direct"));
    assert!(verify(&direct, &[], &[&narrow]).is_ok());
    let middle = narrow.issue(authority("middle", ANY));
    let far = middle.issue(signer("far"));
    assert_eq!(verify(&far, &[&middle], &[&narrow]), Err(ChainError::Untrusted));
}

#[test]
fn what_has_ended_or_was_made_for_something_else_is_refused() {
    let root = Party::root(authority("root", ANY));
    let mut ended = signer("ended");
    (ended.not_before, ended.not_after) = (date_time_ymd(2025, 1, 1), date_time_ymd(2026, 1, 1));
    assert_eq!(verify(&root.issue(ended), &[], &[&root]), Err(ChainError::Expired));
    let mut to_come = signer("to come");
    to_come.not_before = date_time_ymd(2030, 1, 1);
    assert_eq!(verify(&root.issue(to_come), &[], &[&root]), Err(ChainError::Expired));
    let mut old = authority("old", ANY);
    old.not_after = date_time_ymd(2026, 1, 1);
    let old = Party::root(old);
    assert_eq!(verify(&old.issue(signer("leaf")), &[], &[&old]), Err(ChainError::Untrusted));
    let mut server = signer("server");
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    assert_eq!(verify(&root.issue(server), &[], &[&root]), Err(ChainError::Purpose));
    let mut encrypts = signer("encrypts");
    encrypts.key_usages = vec![KeyUsagePurpose::KeyEncipherment];
    assert_eq!(verify(&root.issue(encrypts), &[], &[&root]), Err(ChainError::Purpose));
}

#[test]
fn what_must_be_understood_and_is_not_makes_a_certificate_unusable() {
    let strange = |mut params: CertificateParams| {
        let mut extension = CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![5, 0]);
        extension.set_criticality(true);
        params.custom_extensions = vec![extension];
        params
    };
    let root = Party::root(authority("root", ANY));
    let leaf = root.issue(strange(signer("leaf")));
    assert_eq!(verify(&leaf, &[], &[&root]), Err(ChainError::Purpose));
    let middle = root.issue(strange(authority("middle", ANY)));
    let leaf = middle.issue(signer("leaf"));
    assert_eq!(verify(&leaf, &[&middle], &[&root]), Err(ChainError::Untrusted));
}

#[test]
fn a_heap_of_certificates_costs_nothing() {
    let root = Party::root(authority("root", ANY));
    let leaf = root.issue(signer("leaf"));
    let many = vec![root.der.clone(); COUNT_MAX + 1];
    assert_eq!(
        verify_chain(&leaf.der, &many, &[], NOW, &Revocations::NONE),
        Err(ChainError::TooMany)
    );
    assert_eq!(
        verify_chain(&[0x30, 0], &[], &[], NOW, &Revocations::NONE),
        Err(ChainError::Malformed)
    );
    let longer = [&leaf.der[..], b"x"].concat();
    assert_eq!(
        verify_chain(&longer, &[], &[], NOW, &Revocations::NONE),
        Err(ChainError::Malformed)
    );
    // Authorities that have signed each other.
    let ring: Vec<Party> = (0..8).map(|_| Party::root(authority("ring", ANY))).collect();
    let leaf = ring[0].issue(signer("leaf"));
    let crossed: Vec<Vec<u8>> = ring
        .iter()
        .flat_map(|one| ring.iter().map(move |other| (one, other)))
        .take(COUNT_MAX)
        .map(|(one, other)| {
            let issuer = Issuer::from_params(&one.params, &one.key);
            other.params.signed_by(&other.key, &issuer).unwrap().der().to_vec()
        })
        .collect();
    let found = verify_chain(&leaf.der, &crossed, from_ref(&root.der), NOW, &Revocations::NONE);
    assert_eq!(found, Err(ChainError::Untrusted));
}

/// A list of an authority: which serial numbers it withdrew, and until when the list holds.
fn list(issuer: &Party, serials: &[u64], ends: i32) -> Vec<u8> {
    let revoked = |serial: &u64| RevokedCertParams {
        serial_number: SerialNumber::from(*serial),
        revocation_time: date_time_ymd(2025, 6, 1),
        reason_code: None,
        invalidity_date: None,
    };
    let params = CertificateRevocationListParams {
        this_update: date_time_ymd(2025, 6, 1),
        next_update: date_time_ymd(ends, 1, 1),
        crl_number: SerialNumber::from(1),
        issuing_distribution_point: None,
        revoked_certs: serials.iter().map(revoked).collect(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    let signer = Issuer::from_params(&issuer.params, &issuer.key);
    params.signed_by(&signer).unwrap().der().to_vec()
}

fn lists(ders: &[Vec<u8>]) -> Revocations {
    let mut revoked = Revocations::default();
    let text: String = ders.iter().map(|der| pem("X509 CRL", der)).collect();
    revoked.add(&text).unwrap();
    revoked
}

fn authority_with_lists(name: &str) -> CertificateParams {
    let mut params = authority(name, ANY);
    params.key_usages.push(KeyUsagePurpose::CrlSign);
    params
}

fn numbered(mut params: CertificateParams, serial: u64) -> CertificateParams {
    params.serial_number = Some(SerialNumber::from(serial));
    params
}

#[test]
fn a_certificate_on_a_list_of_its_authority_is_refused() {
    let root = Party::root(authority_with_lists("root"));
    let middle = root.issue(numbered(authority_with_lists("middle"), 7));
    let leaf = middle.issue(numbered(signer("leaf"), 8));
    let verify = |lists: &Revocations| {
        let (others, anchors) = ([middle.der.clone()], [root.der.clone()]);
        verify_chain(&leaf.der, &others, &anchors, NOW, lists).map(drop)
    };
    let (clean, of_root) = (list(&middle, &[1, 7], 2030), list(&root, &[1, 8], 2030));
    assert_eq!(verify(&lists(from_ref(&clean))), Ok(()));
    assert_eq!(verify(&lists(&[clean.clone(), of_root.clone()])), Ok(()));
    // The leaf itself, and the authority above it.
    assert_eq!(verify(&lists(&[list(&middle, &[8], 2030)])), Err(ChainError::Revoked));
    let above = list(&root, &[7], 2030);
    assert_eq!(verify(&lists(&[clean.clone(), above])), Err(ChainError::Revoked));
    // Two lists of one authority: the worse one counts.
    let both = lists(&[clean, list(&middle, &[8], 2030)]);
    assert_eq!(verify(&both), Err(ChainError::Revoked));
    // A list that is about others, out of date, or from somebody of the same name says nothing.
    assert_eq!(verify(&lists(&[of_root])), Err(ChainError::Unlisted));
    assert_eq!(verify(&lists(&[list(&middle, &[], 2026)])), Err(ChainError::Unlisted));
    let imposter = Party::root(authority_with_lists("middle"));
    assert_eq!(verify(&lists(&[list(&imposter, &[], 2030)])), Err(ChainError::Unlisted));
}

#[test]
fn a_key_that_was_withdrawn_is_refused_wherever_it_stands() {
    let root = Party::root(authority("root", ANY));
    let middle = root.issue(authority("middle", ANY));
    let leaf = middle.issue(signer("leaf"));
    for withdrawn in [&root, &middle, &leaf] {
        let mut revoked = Revocations::default();
        revoked.add(&to_hex(&sha256(withdrawn.public_pem().as_bytes()))).unwrap();
        let (others, anchors) = ([middle.der.clone()], [root.der.clone()]);
        let found = verify_chain(&leaf.der, &others, &anchors, NOW, &revoked);
        assert_eq!(found, Err(ChainError::Revoked));
    }
}

#[test]
fn a_file_that_does_not_tell_what_was_withdrawn_is_refused() {
    let add = |text: &str| Revocations::default().add(text);
    assert_eq!(add(""), Err(RevocationError::Empty));
    assert_eq!(add("# nothing\n"), Err(RevocationError::Empty));
    assert_eq!(add(&"0a".repeat(32)), Ok(()));
    assert_eq!(add(&format!("\n{}", "0a".repeat(31))), Err(RevocationError::Line { line: 2 }));
    assert_eq!(add(&pem("X509 CRL", b"nothing")), Err(RevocationError::List));
    assert_eq!(add(&pem("CERTIFICATE", b"another thing")), Err(RevocationError::List));
    let root = Party::root(authority_with_lists("root"));
    let whole = list(&root, &[1], 2030);
    assert_eq!(add(&pem("X509 CRL", &whole)), Ok(()));
    for length in 0..whole.len() {
        assert_eq!(add(&pem("X509 CRL", &whole[..length])), Err(RevocationError::List));
    }
}
