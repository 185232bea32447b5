//! Models that are not ours: certificates, shards, single files, links.

use std::fs;
use std::num::NonZero;
use std::os::unix::fs::symlink;
use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P384_SHA384, date_time_ymd,
};
use twinkeep_domain::Timestamp;
use twinkeep_vault::chain::Revocations;
use twinkeep_vault::digest::{sha256, to_hex};
use twinkeep_vault::ecdsa::{Curve, EcdsaKey};

use super::write;
use crate::oms::{
    Demand, Model, OmsError, Serialization, Signer, Statement, Trust, sign_model, verify_model,
};

/// 2026-11-21T00:00:00Z.
const NOW: Timestamp = Timestamp::from_micros(1_795_219_200_000_000);

fn model(path: &Path) -> Model<'_> {
    Model { path, ignored: &[], signature_file: None }
}

fn sign(path: &Path, serialization: Serialization, key: &EcdsaKey) -> Result<Vec<u8>, OmsError> {
    let signed = sign_model(model(path), serialization, Signer::Key(key), &mut |_| ());
    signed.and_then(|(bundle, _)| bundle.encode())
}

fn verify(path: &Path, bundle: &[u8], key: &EcdsaKey) -> Result<Statement, OmsError> {
    let public = key.public_pem().unwrap();
    demand(path, bundle, Trust::Key(&public), &Revocations::NONE)
}

fn demand(
    path: &Path,
    bundle: &[u8],
    trust: Trust<'_>,
    revoked: &Revocations,
) -> Result<Statement, OmsError> {
    let demand = Demand { trust, revoked, others: false, legacy: false };
    verify_model(model(path), bundle, demand, &mut |_| ())
}

fn shards(size: u64) -> Serialization {
    Serialization { shard_size: NonZero::new(size), allow_symlinks: false }
}

#[test]
fn every_curve_signs_a_folder_and_a_single_file() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("m")).unwrap();
    let file = dir.path().join("m/weights.onnx");
    write(&file, &[3; 10_000]);
    for curve in [Curve::P256, Curve::P384, Curve::P521] {
        let key = EcdsaKey::generate_on(curve).unwrap();
        for path in [dir.path().join("m"), file.clone()] {
            let bundle = sign(&path, Serialization::default(), &key).unwrap();
            let statement = verify(&path, &bundle, &key).unwrap();
            assert_eq!(statement.files().keys().collect::<Vec<_>>(), ["weights.onnx"]);
            let other = EcdsaKey::generate_on(curve).unwrap();
            assert!(matches!(verify(&path, &bundle, &other), Err(OmsError::Signature)));
        }
    }
}

#[test]
fn shards_name_their_place_and_any_change_of_a_file_shows() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("a"), &[1; 25]);
    write(&dir.path().join("empty"), b"");
    let key = EcdsaKey::generate().unwrap();
    let bundle = sign(dir.path(), shards(10), &key).unwrap();
    let statement = verify(dir.path(), &bundle, &key).unwrap();
    let names: Vec<&String> = statement.files().keys().collect();
    assert_eq!(names, ["a:0:10", "a:10:20", "a:20:25"]);
    write(&dir.path().join("a"), &[[1; 24].as_slice(), &[2]].concat());
    let changed = verify(dir.path(), &bundle, &key);
    assert!(matches!(changed, Err(OmsError::Changed { name }) if name == "a:20:25"));
    write(&dir.path().join("a"), &[1; 24]);
    assert!(matches!(verify(dir.path(), &bundle, &key), Err(OmsError::Missing { .. })));
}

#[test]
fn a_folder_without_files_cannot_be_signed() {
    let dir = tempfile::tempdir().unwrap();
    let key = EcdsaKey::generate().unwrap();
    let refused = |serialization| sign(dir.path(), serialization, &key).unwrap_err().code();
    assert_eq!(refused(Serialization::default()), "model-folder");
    fs::create_dir(dir.path().join(".git")).unwrap();
    write(&dir.path().join(".git/config"), b"x");
    assert_eq!(refused(Serialization::default()), "model-folder");
    // Shards of nothing are nothing.
    write(&dir.path().join("empty"), b"");
    assert_eq!(refused(shards(5)), "model-folder");
}

#[test]
fn links_are_followed_only_if_asked_and_never_out_or_in_circles() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("m");
    fs::create_dir_all(root.join("sub")).unwrap();
    write(&root.join("sub/a"), b"a");
    write(&dir.path().join("outside"), b"b");
    let key = EcdsaKey::generate().unwrap();
    let follow = Serialization { shard_size: None, allow_symlinks: true };
    symlink("sub/a", root.join("link")).unwrap();
    assert_eq!(sign(&root, Serialization::default(), &key).unwrap_err().code(), "model-folder");
    let bundle = sign(&root, follow, &key).unwrap();
    let statement = verify(&root, &bundle, &key).unwrap();
    assert_eq!(statement.files().keys().collect::<Vec<_>>(), ["link", "sub/a"]);
    for (name, target) in
        [("out", "../outside"), ("circle", "."), ("sub/up", ".."), ("nowhere", "missing")]
    {
        symlink(target, root.join(name)).unwrap();
        assert_eq!(sign(&root, follow, &key).unwrap_err().code(), "model-folder", "{name}");
        assert_eq!(verify(&root, &bundle, &key).unwrap_err().code(), "model-folder", "{name}");
        fs::remove_file(root.join(name)).unwrap();
    }
    verify(&root, &bundle, &key).unwrap();
}

/// An authority, and a key with a certificate of it that ends in a year.
struct Certified {
    authority: Vec<u8>,
    chain: Vec<Vec<u8>>,
    key: EcdsaKey,
}

fn certified(ends: i32) -> Certified {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    authority.not_before = date_time_ymd(2019, 1, 1);
    let authority_key = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
    let authority_der = authority.self_signed(&authority_key).unwrap().der().to_vec();
    let mut own = CertificateParams::default();
    own.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    own.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
    (own.not_before, own.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(ends, 1, 1));
    let own_key = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
    let issuer = Issuer::from_params(&authority, &authority_key);
    let leaf = own.signed_by(&own_key, &issuer).unwrap().der().to_vec();
    Certified {
        chain: vec![leaf, authority_der.clone()],
        authority: authority_der,
        key: EcdsaKey::from_pkcs8(&own_key.serialize_der()).unwrap(),
    }
}

/// The reference client takes an expired certificate: it looks at the time of its first day.
#[test]
fn a_certificate_is_believed_for_its_authority_and_its_time_only() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("a"), b"a");
    let bundle = |one: &Certified| {
        let signer = Signer::Certificate(&one.key, &one.chain);
        let signed = sign_model(model(dir.path()), Serialization::default(), signer, &mut |_| ());
        signed.unwrap().0.encode().unwrap()
    };
    let verify = |bundle: &[u8], trust| {
        demand(dir.path(), bundle, trust, &Revocations::NONE).map_err(|error| error.code())
    };
    let valid = certified(2030);
    let signed = bundle(&valid);
    let own = [valid.authority.clone()];
    assert!(verify(&signed, Trust::Authorities(&own, NOW)).is_ok());
    let others = [certified(2030).authority];
    let refused = verify(&signed, Trust::Authorities(&others, NOW)).unwrap_err();
    assert_eq!(refused, "certificate-untrusted");
    let public = valid.key.public_pem().unwrap();
    assert_eq!(verify(&signed, Trust::Key(&public)).unwrap_err(), "model-signature-method");
    let expired = certified(2021);
    let anchors = [expired.authority.clone()];
    let refused = verify(&bundle(&expired), Trust::Authorities(&anchors, NOW)).unwrap_err();
    assert_eq!(refused, "certificate-expired");
    // The certificate of somebody else does not go with this key.
    let signer = Signer::Certificate(&valid.key, &expired.chain);
    let mixed = sign_model(model(dir.path()), Serialization::default(), signer, &mut |_| ());
    assert_eq!(mixed.unwrap_err().code(), "model-signer");
}

#[test]
fn files_that_were_not_signed_are_left_alone_only_if_asked() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("a"), b"a");
    let key = EcdsaKey::generate().unwrap();
    let bundle = sign(dir.path(), Serialization::default(), &key).unwrap();
    write(&dir.path().join("cache"), b"c");
    assert!(matches!(verify(dir.path(), &bundle, &key), Err(OmsError::Unsigned { .. })));
    let public = key.public_pem().unwrap();
    let lenient = |bundle: &[u8]| {
        let trust = Trust::Key(&public);
        let demand = Demand { trust, revoked: &Revocations::NONE, others: true, legacy: true };
        verify_model(model(dir.path()), bundle, demand, &mut |_| ())
    };
    lenient(&bundle).unwrap();
    write(&dir.path().join("a"), b"b");
    assert!(matches!(lenient(&bundle), Err(OmsError::Changed { .. })));
}

#[test]
fn a_key_that_was_revoked_is_refused_by_itself_and_in_a_certificate() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("a"), b"a");
    let one = certified(2030);
    let public = one.key.public_pem().unwrap();
    let mut revoked = Revocations::default();
    revoked.add(&format!("# lost\n{} # another\n", "0".repeat(64))).unwrap();
    let by_key = sign(dir.path(), Serialization::default(), &one.key).unwrap();
    let signer = Signer::Certificate(&one.key, &one.chain);
    let signed = sign_model(model(dir.path()), Serialization::default(), signer, &mut |_| ());
    let certified = signed.unwrap().0.encode().unwrap();
    let anchors = [one.authority.clone()];
    let trusts = [(&by_key, Trust::Key(&public)), (&certified, Trust::Authorities(&anchors, NOW))];
    for (bundle, trust) in trusts {
        demand(dir.path(), bundle, trust, &revoked).unwrap();
    }
    revoked.add(&to_hex(&sha256(public.as_bytes()))).unwrap();
    let codes = trusts
        .map(|(bundle, trust)| demand(dir.path(), bundle, trust, &revoked).unwrap_err().code());
    assert_eq!(codes, ["model-signer-revoked", "certificate-revoked"]);
}
