//! Models from elsewhere: what is verified, what is quarantined, and what a hand on the disk changes.

use std::fs::{self, File};
use std::io::Write as _;
use std::num::NonZero;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use twinkeep_domain::Timestamp;
use twinkeep_vault::SecretKey;
use twinkeep_vault::chain::Revocations;
use twinkeep_vault::ecdsa::EcdsaKey;

use super::{IMPORTS_DIR, Import};
use crate::oms::{Model, Serialization, Signer, Trust, sign_model};
use crate::{
    Decision, ImportStatus, Imported, ModelId, Registry, RegistryError, RegistryKeys, VersionId,
};

const NOW: Timestamp = Timestamp::from_micros(1_795_219_200_000_000);

/// A registry, a model beside it, and whoever signs.
struct Place {
    dir: TempDir,
    registry: Registry,
    root: SecretKey,
    pkcs8: Vec<u8>,
    maker: EcdsaKey,
}

fn keys(root: &SecretKey, pkcs8: &[u8]) -> RegistryKeys {
    let root = SecretKey::from_slice(root.expose()).unwrap();
    RegistryKeys { signer: EcdsaKey::from_pkcs8(pkcs8).unwrap(), root }
}

fn write(path: &Path, bytes: &[u8]) {
    File::create(path).unwrap().write_all(bytes).unwrap();
}

fn tensors(data: &[u8]) -> Vec<u8> {
    let length = data.len();
    let header =
        format!(r#"{{"a":{{"dtype":"U8","shape":[{length}],"data_offsets":[0,{length}]}}}}"#);
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (root, signer) = (SecretKey::random(), EcdsaKey::generate().unwrap());
        let pkcs8 = signer.expose_pkcs8().to_vec();
        let registry = Registry::create(&dir.path().join("models"), keys(&root, &pkcs8)).unwrap();
        let place = Self { dir, registry, root, pkcs8, maker: EcdsaKey::generate().unwrap() };
        fs::create_dir(place.model()).unwrap();
        // Larger than what is sealed at once.
        place.put("weights.bin", &tensors(&vec![7; 2_500_000]));
        place.put("config.json", br#"{"layers":3}"#);
        place.put("README.md", b"# Rarely seen words\n");
        place
    }

    fn model(&self) -> PathBuf {
        self.dir.path().join("model")
    }

    fn put(&self, name: &str, bytes: &[u8]) {
        write(&self.model().join(name), bytes);
    }

    fn bundle(&self, serialization: Serialization) -> Vec<u8> {
        let model = Model { path: &self.model(), ignored: &[], signature_file: None };
        let signed = sign_model(model, serialization, Signer::Key(&self.maker), &mut |_| ());
        signed.unwrap().0.encode().unwrap()
    }

    fn import(&self, bundle: Option<&[u8]>, trusted: bool) -> Result<Imported, RegistryError> {
        let public = self.maker.public_pem().unwrap();
        let import = Import {
            path: &self.model(),
            bundle,
            signature_file: None,
            trust: trusted.then_some(Trust::Key(&public)),
            revoked: &Revocations::NONE,
        };
        self.registry.import(import, "tester", NOW, &mut |_| ())
    }

    fn import_signed(&self) -> Imported {
        self.import(Some(&self.bundle(Serialization::default())), true).unwrap()
    }

    fn reopen(&self) -> Registry {
        Registry::open(&self.dir.path().join("models"), keys(&self.root, &self.pkcs8)).unwrap()
    }

    /// All files of the registry.
    fn kept(&self) -> Vec<PathBuf> {
        let (mut found, mut dirs) = (Vec::new(), vec![self.dir.path().join("models")]);
        while let Some(dir) = dirs.pop() {
            for item in fs::read_dir(dir).unwrap() {
                let path = item.unwrap().path();
                if path.is_dir() { dirs.push(path) } else { found.push(path) }
            }
        }
        found
    }
}

#[test]
fn what_is_signed_and_data_only_is_verified_and_opens_again() {
    let place = Place::new();
    let imported = place.import_signed();
    assert_eq!((imported.status, imported.code), (ImportStatus::Verified, "verified"));
    assert!(imported.record.id.as_str().starts_with("i-"));
    let names: Vec<&str> = imported.files.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names, ["README.md", "config.json", "weights.bin"]);
    let again = place.reopen();
    assert_eq!(again.verify_import(&imported.record.id).unwrap(), imported.files);
    assert_eq!(again.list_imports().unwrap(), [imported.record]);
    assert!(again.list().unwrap().is_empty(), "it is no version");
}

#[test]
fn shards_and_a_single_file_are_imported_as_they_were_signed() {
    let place = Place::new();
    let serialization = Serialization { shard_size: NonZero::new(300_000), allow_symlinks: false };
    let imported = place.import(Some(&place.bundle(serialization)), true).unwrap();
    assert_eq!(imported.status, ImportStatus::Verified, "{}", imported.reason);
    let file = place.model().join("weights.bin");
    let model = Model { path: &file, ignored: &[], signature_file: None };
    let signer = Signer::Key(&place.maker);
    let signed = sign_model(model, Serialization::default(), signer, &mut |_| ()).unwrap();
    let (bundle, public) = (signed.0.encode().unwrap(), place.maker.public_pem().unwrap());
    let import = Import {
        path: &file,
        bundle: Some(&bundle),
        signature_file: None,
        trust: Some(Trust::Key(&public)),
        revoked: &Revocations::NONE,
    };
    let imported = place.registry.import(import, "tester", NOW, &mut |_| ()).unwrap();
    assert_eq!((imported.status, imported.files.len()), (ImportStatus::Verified, 1));
}

#[test]
fn whatever_is_not_signed_by_somebody_who_is_believed_is_quarantined() {
    let place = Place::new();
    let bundle = place.bundle(Serialization::default());
    let code = |bundle: Option<&[u8]>, trusted| {
        let imported = place.import(bundle, trusted).unwrap();
        assert_eq!(imported.status, ImportStatus::Quarantined);
        let refused = place.registry.verify_import(&imported.record.id);
        assert!(matches!(refused, Err(RegistryError::ImportQuarantined { .. })));
        imported.code
    };
    assert_eq!(code(None, true), "model-unsigned");
    assert_eq!(code(Some(&bundle), false), "model-signer-unknown");
    assert_eq!(code(Some(b"{}"), true), "model-signature-malformed");
    place.put("config.json", br#"{"layers":4}"#);
    assert_eq!(code(Some(&bundle), true), "model-file-changed");
    place.put("config.json", br#"{"layers":3}"#);
    place.put("more.json", b"{}");
    assert_eq!(code(Some(&bundle), true), "model-file-unsigned");
    fs::remove_file(place.model().join("more.json")).unwrap();
    fs::remove_file(place.model().join("config.json")).unwrap();
    assert_eq!(code(Some(&bundle), true), "model-file-missing");
}

#[test]
fn a_signature_does_not_make_data_of_what_is_none() {
    let place = Place::new();
    place.put("helper.pkl", b"cos\nsystem\n(S'id'\ntR.");
    let imported = place.import_signed();
    assert_eq!((imported.status, imported.code), (ImportStatus::Quarantined, "unsupported"));
    assert_eq!(imported.reason, "unsupported, not scanned: 1 of 4 files");
    fs::remove_file(place.model().join("helper.pkl")).unwrap();
    let mut cut = tensors(&[1; 100]);
    cut.pop();
    place.put("weights.bin", &cut);
    assert_eq!(place.import_signed().code, "unsound");
}

#[test]
fn a_better_signature_verifies_what_is_there_and_a_worse_one_takes_nothing_back() {
    let place = Place::new();
    let first = place.import(None, false).unwrap();
    let second = place.import_signed();
    assert_eq!((&first.record.id, second.status), (&second.record.id, ImportStatus::Verified));
    let third = place.import(None, false).unwrap();
    assert_eq!((third.status, third.code), (ImportStatus::Quarantined, "model-unsigned"));
    assert_eq!(third.record.status, ImportStatus::Verified);
    assert_eq!(place.registry.list_imports().unwrap()[0].steps.len(), 2);
}

#[test]
fn what_somebody_took_away_does_not_come_back() {
    let place = Place::new();
    let id = place.import_signed().record.id;
    place.registry.quarantine_import(&id, "tester", "a rumor", NOW).unwrap();
    let again = place.import_signed();
    assert_eq!((again.status, again.code), (ImportStatus::Quarantined, "held"));
    let reopened = place.reopen();
    assert!(matches!(reopened.verify_import(&id), Err(RegistryError::ImportQuarantined { .. })));
    let held = reopened.quarantine_import(&id, "tester", "again", NOW).unwrap();
    assert_eq!(held.steps.len(), 2, "once is enough");
}

#[test]
fn nothing_of_it_is_readable_on_the_disk() {
    let place = Place::new();
    place.put("helper.py", b"print('Rarely seen words')");
    place.import_signed();
    for path in place.kept() {
        let bytes = fs::read(&path).unwrap();
        for secret in [b"Rarely".as_slice(), b"README", b"helper", b"layers"] {
            assert!(
                !bytes.windows(secret.len()).any(|found| found == secret),
                "{}",
                path.display()
            );
        }
    }
}

#[test]
fn any_change_of_what_is_kept_is_found() {
    let place = Place::new();
    place.put("weights.bin", &tensors(&[7; 50]));
    let id = place.import_signed().record.id;
    let dir = place.dir.path().join("models").join(IMPORTS_DIR);
    let mut paths = vec![dir.join(format!("{id}.key"))];
    paths.extend(fs::read_dir(dir.join(id.as_str())).unwrap().map(|item| item.unwrap().path()));
    assert_eq!(paths.len(), 5);
    let check = || {
        let refused = place.registry.verify_import(&id);
        assert!(matches!(refused, Err(RegistryError::Import { .. })), "{refused:?}");
    };
    for path in &paths {
        let whole = fs::read(path).unwrap();
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            write(path, &changed);
            check();
        }
        for length in [0, 1, whole.len() - 1] {
            write(path, &whole[..length]);
            check();
        }
        fs::remove_file(path).unwrap();
        check();
        write(path, &whole);
    }
    // Two files that change places, and one that nobody knows.
    let folder = dir.join(id.as_str());
    for (from, to) in [("0.enc", "x"), ("1.enc", "0.enc"), ("x", "1.enc")] {
        fs::rename(folder.join(from), folder.join(to)).unwrap();
    }
    check();
    for (from, to) in [("0.enc", "x"), ("1.enc", "0.enc"), ("x", "1.enc")] {
        fs::rename(folder.join(from), folder.join(to)).unwrap();
    }
    write(&folder.join("more"), b"");
    check();
    fs::remove_file(folder.join("more")).unwrap();
    place.registry.verify_import(&id).unwrap();
}

/// A sealed file has the size of what was read, so that its end can be taken away whole.
#[test]
fn a_file_that_lost_its_last_chunk_is_refused() {
    let place = Place::new();
    let id = place.import_signed().record.id;
    let path = place.dir.path().join("models").join(IMPORTS_DIR).join(id.as_str()).join("2.enc");
    let whole = fs::read(&path).unwrap();
    let chunk = (1 << 20) + 28;
    assert!(2 * chunk < whole.len());
    for length in [chunk, 2 * chunk] {
        write(&path, &whole[..length]);
        assert!(matches!(place.registry.verify_import(&id), Err(RegistryError::Import { .. })));
    }
}

#[test]
fn an_import_is_no_version_and_a_version_no_import() {
    let place = Place::new();
    let id = place.import_signed().record.id;
    assert!(VersionId::parse(id.as_str()).is_none());
    assert_eq!(ModelId::parse(id.as_str()), Some(ModelId::Import(id.clone())));
    // Whoever gives the material the name of a version finds that no state knows it.
    let fake = VersionId::parse(&id.as_str().replacen('i', "m", 1)).unwrap();
    let models = place.dir.path().join("models");
    let from = models.join(IMPORTS_DIR).join(id.as_str());
    fs::rename(from, models.join(fake.as_str())).unwrap();
    assert!(matches!(place.registry.load(&fake), Err(RegistryError::Unknown { .. })));
    let decision = Decision { by: "tester", reason: "x", approved_by: &[], at: NOW };
    let released = place.registry.release(&fake, &decision, false);
    assert!(matches!(released, Err(RegistryError::Unknown { .. })));
    assert!(place.registry.in_service().unwrap().is_none());
}

#[test]
fn what_is_no_model_leaves_nothing_behind() {
    let place = Place::new();
    let before = place.kept();
    symlink("/etc/passwd", place.model().join("link")).unwrap();
    let refused = place.import(None, false).unwrap_err();
    assert_eq!(refused.code(), "model-folder");
    fs::remove_dir_all(place.model()).unwrap();
    assert!(place.import(None, false).is_err());
    fs::create_dir(place.model()).unwrap();
    assert_eq!(place.import(None, false).unwrap_err().code(), "model-folder");
    let lock = place.dir.path().join("models").join(IMPORTS_DIR).join("lock");
    let after: Vec<PathBuf> = place.kept().into_iter().filter(|path| *path != lock).collect();
    assert_eq!(after, before);
}

#[test]
fn what_a_crash_left_is_removed_and_what_nobody_recorded_is_written_again() {
    let place = Place::new();
    let id = place.import_signed().record.id;
    let imports = place.dir.path().join("models").join(IMPORTS_DIR);
    // The power went while an import was being written.
    fs::create_dir(imports.join("0123.part")).unwrap();
    write(&imports.join("0123.part/0.enc"), b"half");
    write(&imports.join("i-0123456789ab.key.99.part"), b"half");
    let reopened = place.reopen();
    assert!(!imports.join("0123.part").exists());
    reopened.verify_import(&id).unwrap();
    // The power went before the state was written.
    place.put("config.json", br#"{"layers":5}"#);
    let state = place.dir.path().join("models/state.json");
    let old = fs::read(&state).unwrap();
    let second = place.import_signed().record.id;
    write(&state, &old);
    let reopened = place.reopen();
    assert!(matches!(reopened.show_import(&second), Err(RegistryError::ImportUnknown { .. })));
    let place = Place { registry: reopened, ..place };
    assert_eq!(place.import_signed().record.id, second);
    place.registry.verify_import(&second).unwrap();
}
