//! Models that are not in a keep, signed and verified with keys and certificates as OpenSSL makes
//! them, and by the reference client where it is installed.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use crate::harness::{Place, peer, write, write_private};

/// Runs a program in a place; it must succeed.
#[track_caller]
fn call(place: &Place, program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).current_dir(place.path("")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A key on a curve, as OpenSSL writes it, its public half, and a certificate that an authority on
/// the same curve gave to it.
fn make_keys(place: &Place, curve: &str) {
    let openssl = |args: &[&str]| call(place, "openssl", args);
    for name in ["ca.key", "maker.key"] {
        openssl(&["ecparam", "-name", curve, "-genkey", "-noout", "-out", name]);
        fs::set_permissions(place.path(name), fs::Permissions::from_mode(0o600)).unwrap();
    }
    openssl(&["ec", "-in", "maker.key", "-pubout", "-out", "maker.pub"]);
    write(
        &place.path("leaf.ext"),
        b"basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n\
          extendedKeyUsage=codeSigning\n",
    );
    openssl(&[
        "req",
        "-x509",
        "-new",
        "-key",
        "ca.key",
        "-out",
        "ca.pem",
        "-days",
        "30",
        "-subj",
        "/CN=test authority",
        "-addext",
        "keyUsage=critical,keyCertSign,cRLSign",
    ]);
    openssl(&["req", "-new", "-key", "maker.key", "-out", "maker.csr", "-subj", "/CN=maker"]);
    openssl(&[
        "x509",
        "-req",
        "-in",
        "maker.csr",
        "-CA",
        "ca.pem",
        "-CAkey",
        "ca.key",
        "-set_serial",
        "4660",
        "-days",
        "20",
        "-extfile",
        "leaf.ext",
        "-out",
        "maker.pem",
    ]);
}

/// A model with names that sort differently by code point than part by part.
fn make_model(place: &Place, name: &str) {
    fs::create_dir_all(place.path(&format!("{name}/sub"))).unwrap();
    write(&place.path(&format!("{name}/config.json")), b"{}");
    write(&place.path(&format!("{name}/sub.txt")), b"text");
    write(&place.path(&format!("{name}/sub/weights.bin")), &[7; 300_000]);
    write(&place.path(&format!("{name}/sub/empty")), b"");
}

const CURVES: [&str; 3] = ["prime256v1", "secp384r1", "secp521r1"];

#[test]
fn a_folder_is_signed_and_verified_by_keys_and_certificates_on_every_curve() {
    if peer("openssl").is_none() {
        return;
    }
    for curve in CURVES {
        let place = Place::empty();
        make_keys(&place, curve);
        make_model(&place, "m");
        place.run(&["model", "sign", "m", "--private-key", "maker.key"]).done();
        let by_key = ["model", "verify", "m", "--public-key", "maker.pub"];
        let report = place.run(&by_key).done();
        assert_eq!((&report["method"], &report["resources"]), (&"key".into(), &4.into()));
        let by_certificate = ["model", "verify", "m", "--authority", "ca.pem"];
        assert_eq!(place.run(&by_certificate).refused(), "model-signature-method");

        let sign =
            ["model", "sign", "m", "--private-key", "maker.key", "--certificate", "maker.pem"];
        place.run(&sign).done();
        let report = place.run(&by_certificate).done();
        assert_eq!(report["method"], "certificate");
        assert_eq!(place.run(&by_key).refused(), "model-signature-method");

        write(&place.path("m/sub/empty"), b"x");
        assert_eq!(place.run(&by_certificate).refused(), "model-file-changed");
        fs::remove_file(place.path("m/sub/empty")).unwrap();
        assert_eq!(place.run(&by_certificate).refused(), "model-file-missing");
        write(&place.path("m/sub/empty"), b"");
        write(&place.path("m/more"), b"");
        let refused = place.run(&by_certificate);
        assert_eq!((refused.refused().as_str(), refused.code), ("model-file-unsigned", 1));
        let lenient = [by_certificate.as_slice(), &["--allow-unsigned"]].concat();
        place.run(&lenient).done();
    }
}

#[test]
fn whoever_was_revoked_is_refused_by_the_key_and_by_the_list_of_the_authority() {
    if peer("openssl").is_none() {
        return;
    }
    let place = Place::empty();
    make_keys(&place, "secp384r1");
    make_model(&place, "m");
    let report = place.run(&["model", "sign", "m", "--private-key", "maker.key"]).done();
    let verify = ["model", "verify", "m", "--public-key", "maker.pub", "--revoked", "lost"];
    write(&place.path("lost"), format!("# another\n{}\n", "0".repeat(64)).as_bytes());
    place.run(&verify).done();
    let signer = report["signer"].as_str().unwrap();
    write(&place.path("lost"), format!("{signer}  # a laptop was stolen\n").as_bytes());
    assert_eq!(place.run(&verify).refused(), "model-signer-revoked");
    write(&place.path("lost"), b"maker\n");
    let unclear = place.run(&verify);
    assert_eq!((unclear.refused().as_str(), unclear.code), ("model-revocation-file", 2));

    let sign = ["model", "sign", "m", "--private-key", "maker.key", "--certificate", "maker.pem"];
    place.run(&sign).done();
    write(
        &place.path("ca.conf"),
        b"[ca]\ndefault_ca=own\n[own]\ndatabase=index\ncrlnumber=number\ndefault_md=sha384\n\
          default_crl_days=7\n",
    );
    write(&place.path("number"), b"01\n");
    let list = |index: &str, file: &str| {
        write(&place.path("index"), index.as_bytes());
        call(
            &place,
            "openssl",
            &[
                "ca", "-gencrl", "-config", "ca.conf", "-keyfile", "ca.key", "-cert", "ca.pem",
                "-out", file,
            ],
        );
    };
    list("", "none.crl");
    list("R\t401231000000Z\t250101000000Z\t1234\tunknown\t/CN=maker\n", "maker.crl");
    let verify =
        |list| place.run(&["model", "verify", "m", "--authority", "ca.pem", "--revoked", list]);
    verify("none.crl").done();
    assert_eq!(verify("maker.crl").refused(), "certificate-revoked");
}

#[test]
fn a_key_that_others_can_read_signs_nothing() {
    if peer("openssl").is_none() {
        return;
    }
    let place = Place::empty();
    make_keys(&place, "prime256v1");
    make_model(&place, "m");
    fs::set_permissions(place.path("maker.key"), fs::Permissions::from_mode(0o644)).unwrap();
    let sign = ["model", "sign", "m", "--private-key", "maker.key"];
    assert_eq!(place.run(&sign).refused(), "model-key-file");
    write_private(&place.path("maker.key"), b"-----BEGIN PRIVATE KEY-----\nAAAA\n");
    assert_eq!(place.run(&sign).refused(), "model-key-file");
    assert!(!place.path("m/model.sig").exists());
    fs::create_dir(place.path("empty")).unwrap();
    make_keys(&place, "prime256v1");
    let sign = ["model", "sign", "empty", "--private-key", "maker.key"];
    assert_eq!(place.run(&sign).refused(), "model-folder");
    assert!(!place.path("empty/model.sig").exists());
}

/// What we sign, the reference client (`model_signing` of PyPI) verifies, and the other way round: three curves, by key and by
/// certificate, and each refuses what was changed.
#[test]
fn the_reference_client_verifies_what_we_sign_and_we_what_it_signs() {
    let (Some(reference), Some(_)) = (peer("model_signing"), peer("openssl")) else { return };
    for curve in CURVES {
        let place = Place::empty();
        make_keys(&place, curve);
        for name in ["key", "certificate"] {
            for signer in ["ours", "theirs"] {
                make_model(&place, &format!("{name}-{signer}"));
            }
        }
        let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let run = |line: &str| {
            let words = words(line);
            place.run(&words.iter().map(String::as_str).collect::<Vec<_>>())
        };
        let theirs = |line: &str| {
            let mut command = Command::new(reference);
            command.args(words(line)).current_dir(place.path(""));
            command.output().unwrap().status.success()
        };
        run("model sign key-ours --private-key maker.key").done();
        let sign = "model sign certificate-ours --private-key maker.key --certificate maker.pem";
        run(&format!("{sign} --certificate ca.pem")).done();
        let by_key = "verify key key-ours --signature key-ours/model.sig --public_key maker.pub";
        let by_certificate = "verify certificate certificate-ours --signature \
            certificate-ours/model.sig --certificate_chain ca.pem";
        assert!(theirs(by_key) && theirs(by_certificate), "{curve}");

        let sign = "sign key key-theirs --signature key-theirs/model.sig --private_key maker.key";
        assert!(theirs(sign), "{curve}");
        let sign = "sign certificate certificate-theirs --signature certificate-theirs/model.sig \
            --private_key maker.key --signing_certificate maker.pem --certificate_chain ca.pem";
        assert!(theirs(sign), "{curve}");
        run("model verify key-theirs --public-key maker.pub").done();
        run("model verify certificate-theirs --authority ca.pem").done();
        for name in ["key-ours", "certificate-ours", "key-theirs", "certificate-theirs"] {
            write(&place.path(&format!("{name}/sub.txt")), b"test");
        }
        assert!(!theirs(by_key) && !theirs(by_certificate), "{curve}");
        for changed in [
            "model verify key-theirs --public-key maker.pub",
            "model verify certificate-theirs --authority ca.pem",
        ] {
            assert_eq!(run(changed).refused(), "model-file-changed", "{curve}");
        }
    }
}
