//! Signatures over folders, and the public vectors of the format.

mod models;

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tempfile::TempDir;
use twinkeep_vault::chain::Revocations;
use twinkeep_vault::ecdsa::EcdsaKey;

use super::{Bundle, Demand, Model, OmsError, Statement, Trust, sign_folder, verify_model};

fn write(path: &Path, bytes: &[u8]) {
    File::create(path).unwrap().write_all(bytes).unwrap();
}

fn verify(path: &Path, bundle: &[u8], trust: Trust<'_>) -> Result<Statement, OmsError> {
    let model = Model { path, ignored: &[], signature_file: Some("model.sig") };
    let demand = Demand { trust, revoked: &Revocations::NONE, others: false, legacy: false };
    verify_model(model, bundle, demand, &mut |_| ())
}

/// A folder with three files, signed.
struct Signed {
    dir: TempDir,
    bundle: Vec<u8>,
    public_pem: String,
}

impl Signed {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        write(&dir.path().join("config.json"), b"{}");
        fs::create_dir(dir.path().join("sub")).unwrap();
        write(&dir.path().join("sub/weights"), &[7; 5000]);
        write(&dir.path().join("sub.txt"), b"");
        let key = EcdsaKey::generate().unwrap();
        let bundle = sign_folder(dir.path(), "m", "model.sig", &key).unwrap().encode().unwrap();
        write(&dir.path().join("model.sig"), &bundle);
        Self { dir, bundle, public_pem: key.public_pem().unwrap() }
    }

    fn verify(&self) -> Result<Statement, OmsError> {
        verify(self.dir.path(), &self.bundle, Trust::Key(&self.public_pem))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

#[test]
fn a_signed_folder_verifies_and_lists_its_files_by_code_point() {
    let signed = Signed::new();
    let statement = signed.verify().unwrap();
    let names: Vec<&String> = statement.files().keys().collect();
    assert_eq!(names, ["config.json", "sub.txt", "sub/weights"]);
    assert_eq!(statement.ignored(), ["model.sig"]);
}

#[test]
fn a_changed_missing_or_added_file_is_refused_by_name() {
    let signed = Signed::new();
    write(&signed.path("config.json"), b"{ }");
    assert!(matches!(signed.verify(), Err(OmsError::Changed { name }) if name == "config.json"));
    fs::remove_file(signed.path("config.json")).unwrap();
    assert!(matches!(signed.verify(), Err(OmsError::Missing { name }) if name == "config.json"));
    write(&signed.path("config.json"), b"{}");
    signed.verify().unwrap();
    write(&signed.path("sub/more"), b"");
    assert!(matches!(signed.verify(), Err(OmsError::Unsigned { name }) if name == "sub/more"));
    // What Git keeps in the top folder is no part of a model; below, it is a file as any other.
    fs::rename(signed.path("sub/more"), signed.path(".gitignore")).unwrap();
    signed.verify().unwrap();
    fs::rename(signed.path(".gitignore"), signed.path("sub/.gitignore")).unwrap();
    let refused = signed.verify();
    assert!(matches!(refused, Err(OmsError::Unsigned { name }) if name == "sub/.gitignore"));
}

#[test]
fn a_link_is_refused_even_to_the_same_content() {
    let signed = Signed::new();
    fs::rename(signed.path("config.json"), signed.path("sub/c")).unwrap();
    symlink(signed.path("sub/c"), signed.path("config.json")).unwrap();
    assert!(matches!(signed.verify(), Err(OmsError::Folder { .. })));
    let key = EcdsaKey::generate().unwrap();
    assert!(sign_folder(signed.dir.path(), "m", "model.sig", &key).is_err());
}

#[test]
fn an_empty_folder_cannot_be_signed() {
    let dir = tempfile::tempdir().unwrap();
    let key = EcdsaKey::generate().unwrap();
    let refused = sign_folder(dir.path(), "m", "model.sig", &key);
    assert!(matches!(refused, Err(OmsError::Folder { .. })));
}

#[test]
fn another_key_is_refused() {
    let mut signed = Signed::new();
    signed.public_pem = EcdsaKey::generate().unwrap().public_pem().unwrap();
    assert!(matches!(signed.verify(), Err(OmsError::Signature)));
}

/// Signs any text as if it were a statement.
fn forge(payload: &str) -> Result<Statement, OmsError> {
    sign_as(payload, &super::pae("application/vnd.in-toto+json", payload.as_bytes()))
}

/// Makes a bundle of a payload, with a signature over other bytes, and reads it.
fn sign_as(payload: &str, pae: &[u8]) -> Result<Statement, OmsError> {
    let (bundle, public_pem) = bundle_as(payload, pae);
    bundle?.verify(Trust::Key(&public_pem), &Revocations::NONE)
}

fn bundle_as(payload: &str, pae: &[u8]) -> (Result<Bundle, OmsError>, String) {
    let key = EcdsaKey::generate().unwrap();
    let bundle = format!(
        r#"{{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{{"publicKey":{{"hint":""}}}},"dsseEnvelope":{{"payload":"{}","payloadType":"application/vnd.in-toto+json","signatures":[{{"sig":"{}","keyid":null}}]}}}}"#,
        STANDARD.encode(payload),
        STANDARD.encode(key.sign(pae).unwrap()),
    );
    (Bundle::parse(bundle.as_bytes()), key.public_pem().unwrap())
}

/// SHA-256 of nothing, and the digest of a model that has one empty file.
const EMPTY_DIGEST: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const EMPTY_ROOT: &str = "5df6e0e2761359d30a8275058e299fcc0381534545f55cf43e41983f5d4c9456";

fn sound_statement() -> String {
    format!(
        r#"{{"_type":"https://in-toto.io/Statement/v1","subject":[{{"name":"m","digest":{{"sha256":"{EMPTY_ROOT}"}}}}],"predicateType":"https://model_signing/signature/v1.0","predicate":{{"serialization":{{"method":"files","hash_type":"sha256"}},"resources":[{{"name":"a","algorithm":"sha256","digest":"{EMPTY_DIGEST}"}}]}}}}"#
    )
}

#[test]
fn a_statement_that_is_signed_but_unsound_is_refused() {
    let sound = sound_statement();
    let (digest, root) = (EMPTY_DIGEST, EMPTY_ROOT);
    forge(&sound).unwrap();
    let resource = format!(r#"{{"name":"a","algorithm":"sha256","digest":"{digest}"}}"#);
    let repeated = format!("{resource},{resource}");
    for (from, to) in [
        ("Statement/v1", "Statement/v2"),
        ("signature/v1.0", "signature/v2.0"),
        (root, digest),
        (resource.as_str(), ""),
        (resource.as_str(), repeated.as_str()),
        (r#""name":"a""#, r#""name":"../a""#),
        (r#""name":"a""#, r#""name":"/a""#),
        (r#""name":"a""#, r#""name":"a//b""#),
        (r#""name":"a""#, r#""name":"a\\b""#),
        (r#""name":"a""#, r#""name":"a","name":"b""#),
        (r#""method":"files""#, r#""method":"shards""#),
        (r#""hash_type":"sha256""#, r#""hash_type":"blake3""#),
        (r#""algorithm":"sha256""#, r#""algorithm":"md5""#),
    ] {
        assert!(sound.contains(from), "{from}");
        assert!(forge(&sound.replace(from, to)).is_err(), "{to}");
    }
}

/// Releases of the reference client before 1.0 signed another encoding by mistake, and later ones
/// still take it if the right one does not hold.
#[test]
fn a_signature_over_the_old_encoding_is_refused() {
    let old = format!(
        r#"{{"_type":"https://in-toto.io/Statement/v1","subject":[{{"name":"a","digest":{{"sha256":"{EMPTY_DIGEST}"}},"annotations":{{"actual_hash_algorithm":"file-sha256"}}}}],"predicateType":"https://model_signing/Digests/v0.1"}}"#
    );
    forge(&old).unwrap();
    // Whoever asks for it gets statements of that time, and no others.
    for (payload, taken) in [(old, true), (sound_statement(), false)] {
        let pae = super::legacy::pae("application/vnd.in-toto+json", payload.as_bytes());
        assert!(matches!(sign_as(&payload, &pae), Err(OmsError::Signature)));
        let (bundle, public_pem) = bundle_as(&payload, &pae);
        let asked = bundle.unwrap().verify_legacy(Trust::Key(&public_pem), &Revocations::NONE);
        assert_eq!(asked.is_ok(), taken);
    }
}

/// The vectors of the specification; they come without keys and files, so that their shape is
/// what can be checked.
#[test]
fn the_public_vectors_are_read_or_refused() {
    let Some(folder) = vectors() else {
        return;
    };
    let read = |name: &str| fs::read(folder.join(name)).unwrap();
    let bundle = Bundle::parse(&read("valid/key.bundle.json")).unwrap();
    let statement = Statement::parse(&bundle.payload).unwrap();
    assert_eq!(statement.files().len(), 2);
    assert_eq!(statement.ignored().len(), 5);
    let certified = Bundle::parse(&read("valid/certificate.bundle.json")).unwrap();
    assert!(matches!(certified.verify(Trust::Key(""), &Revocations::NONE), Err(OmsError::Method)));
    let refused = Bundle::parse(&read("valid/sigstore.bundle.json")).unwrap_err();
    assert!(matches!(refused, OmsError::Unsupported { .. }));
    for kind in ["invalid", "invalid-payload"] {
        for item in fs::read_dir(folder.join(kind)).unwrap() {
            let bytes = fs::read(item.unwrap().path()).unwrap();
            let parsed = Bundle::parse(&bytes).and_then(|b| Statement::parse(&b.payload));
            assert!(parsed.is_err());
        }
    }
}

fn vectors() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let data = std::env::var_os("TWINKEEP_DATA").map_or_else(beside, PathBuf::from);
    let folder = data.join("vectors/model-signing/v1.0");
    if folder.is_dir() {
        return Some(folder);
    }
    let _ = writeln!(std::io::stderr(), "skipped: no model-signing vectors");
    None
}

/// What the reference client (`model_signing` 1.1.1) signed. Its names sort differently by code
/// point (`sub.txt` first) than part by part (`sub/weights` first), which is what it does.
#[test]
fn a_folder_that_the_reference_client_signed_verifies() {
    let valid = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../conformance/model-signing/reference/valid");
    let public_pem = fs::read_to_string(valid.join("key.pub")).unwrap();
    let bundle = fs::read(valid.join("model/model.sig")).unwrap();
    let verify = |bundle: &[u8]| verify(&valid.join("model"), bundle, Trust::Key(&public_pem));
    let statement = verify(&bundle).unwrap();
    let names: Vec<&String> = statement.files().keys().collect();
    assert_eq!(names, ["config.json", "sub.txt", "sub/weights"]);
    let mut bundle: serde_json::Value = serde_json::from_slice(&bundle).unwrap();
    let payload = bundle["dsseEnvelope"]["payload"].as_str().unwrap();
    let payload = String::from_utf8(STANDARD.decode(payload).unwrap()).unwrap();
    let changed = STANDARD.encode(payload.replace("config.json", "config.yaml"));
    bundle["dsseEnvelope"]["payload"] = serde_json::json!(changed);
    let refused = verify(&serde_json::to_vec(&bundle).unwrap());
    assert!(matches!(refused, Err(OmsError::Signature)));
}
