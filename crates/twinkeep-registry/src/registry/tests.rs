//! The registry against whoever can write to its folder.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use twinkeep_domain::{Tensor, TensorData, Timestamp};
use twinkeep_vault::SecretKey;
use twinkeep_vault::ecdsa::EcdsaKey;

use super::{Decision, Registry, RegistryKeys, Released};
use crate::{RegistryError, Status, VerificationError, VersionId};

mod service;

const NOW: Timestamp = Timestamp::from_micros(1_795_000_000_000_000);

struct Sample {
    dir: TempDir,
    pkcs8: Vec<u8>,
    registry: Registry,
}

impl Sample {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let pkcs8 = EcdsaKey::generate().unwrap().expose_pkcs8().to_vec();
        let registry = Registry::create(dir.path(), keys(&pkcs8)).unwrap();
        Self { dir, pkcs8, registry }
    }

    fn submit(&self, value: f32) -> VersionId {
        self.registry.submit(&tensors(value), &documents(), "operator", NOW).unwrap()
    }

    fn release(&self, id: &VersionId) -> Result<Released, RegistryError> {
        self.registry.release(id, &because("better than before"), false)
    }

    /// A sample with one version in service.
    fn served() -> (Self, VersionId) {
        let sample = Self::new();
        let id = sample.submit(1.0);
        sample.release(&id).unwrap();
        (sample, id)
    }

    fn reopen(&self) -> Result<Registry, RegistryError> {
        Registry::open(self.dir.path(), keys(&self.pkcs8))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn file(&self, id: &VersionId, name: &str) -> PathBuf {
        self.path(id.as_str()).join(name)
    }

    /// Checks that neither `load` nor `verify` takes the version, and returns the code.
    fn refused(&self, id: &VersionId) -> &'static str {
        let verified = self.registry.verify(id).unwrap_err();
        let loaded = self.registry.load(id).unwrap_err();
        assert_eq!(verified.code(), loaded.code());
        assert!(matches!(loaded, RegistryError::Verification { .. }), "{loaded}");
        loaded.code()
    }
}

fn because(reason: &str) -> Decision<'_> {
    Decision { by: "operator", reason, approved_by: &[], at: NOW }
}

fn keys(pkcs8: &[u8]) -> RegistryKeys {
    RegistryKeys {
        signer: EcdsaKey::from_pkcs8(pkcs8).unwrap(),
        root: SecretKey::from_slice(&[7; 32]).unwrap(),
    }
}

fn tensors(value: f32) -> Vec<Tensor> {
    vec![Tensor { name: "w".into(), shape: vec![2], data: TensorData::F32(vec![value, 0.5]) }]
}

fn documents() -> BTreeMap<String, Vec<u8>> {
    let document = |name: &str| (name.to_owned(), format!("the {name}").into_bytes());
    ["card.json", "pack.toml", "training.json"].into_iter().map(document).collect()
}

fn overwrite(path: &Path, bytes: &[u8]) {
    File::create(path).unwrap().write_all(bytes).unwrap();
}

/// What is in quarantine is closed to all but root.
fn open_to_us(path: &Path) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn a_released_version_loads_as_it_was_submitted_and_no_other_does() {
    let sample = Sample::new();
    let (first, second) = (sample.submit(1.0), sample.submit(2.0));
    assert_eq!(sample.registry.in_service().unwrap(), None);
    let refused = sample.registry.load(&first).unwrap_err();
    assert!(matches!(refused, RegistryError::Transition { status: Status::Candidate, .. }));
    assert_eq!(sample.release(&first).unwrap().retired, None);
    let model = sample.registry.load(&first).unwrap();
    assert_eq!((&model.tensors, &model.documents), (&tensors(1.0), &documents()));
    assert_eq!(sample.release(&second).unwrap().retired, Some(first.clone()));
    assert_eq!(sample.registry.in_service().unwrap(), Some(second.clone()));
    let refused = sample.registry.load(&first).unwrap_err();
    assert!(matches!(refused, RegistryError::Transition { status: Status::Retired, .. }));
    let registry = sample.reopen().unwrap();
    assert_eq!(registry.load(&second).unwrap().into_inner().tensors, tensors(2.0));
    let statuses: Vec<Status> = registry.list().unwrap().iter().map(|one| one.status).collect();
    assert_eq!(statuses, [Status::Retired, Status::InService]);
    assert_eq!(registry.verify(&first).unwrap().files.len(), 5);
    assert_eq!(registry.documents(&first).unwrap(), documents());
}

#[test]
fn the_weights_lie_on_disk_as_ciphertext_only() {
    let sample = Sample::new();
    let marker = b"a marker that is long enough to be unique".to_vec();
    let tensor = Tensor {
        name: "t".into(),
        shape: vec![marker.len()],
        data: TensorData::U8(marker.clone()),
    };
    let id = sample.registry.submit(&[tensor], &documents(), "operator", NOW).unwrap();
    for item in fs::read_dir(sample.path(id.as_str())).unwrap() {
        let bytes = fs::read(item.unwrap().path()).unwrap();
        assert!(!bytes.windows(marker.len()).any(|window| window == marker));
    }
}

#[test]
fn one_flipped_bit_in_any_file_of_a_version_is_refused() {
    let (sample, id) = Sample::served();
    let mut files: Vec<PathBuf> =
        fs::read_dir(sample.path(id.as_str())).unwrap().map(|item| item.unwrap().path()).collect();
    files.push(sample.path(&format!("{id}.key")));
    assert_eq!(files.len(), 7);
    for path in files {
        let bytes = fs::read(&path).unwrap();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << (at % 8);
            overwrite(&path, &changed);
            sample.refused(&id);
        }
        for length in [0, bytes.len() / 2, bytes.len() - 1] {
            overwrite(&path, &bytes[..length]);
            sample.refused(&id);
        }
        overwrite(&path, &[bytes.as_slice(), b"\n"].concat());
        sample.refused(&id);
        fs::remove_file(&path).unwrap();
        sample.refused(&id);
        overwrite(&path, &bytes);
        sample.registry.load(&id).unwrap();
    }
}

#[test]
fn one_flipped_bit_in_the_state_is_refused() {
    let (sample, id) = Sample::served();
    let path = sample.path("state.json");
    let bytes = fs::read(&path).unwrap();
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1 << (at % 8);
        overwrite(&path, &changed);
        let refused = sample.registry.load(&id).unwrap_err();
        assert!(matches!(refused, RegistryError::State { .. }), "byte {at}: {refused}");
    }
    fs::remove_file(&path).unwrap();
    assert!(sample.registry.load(&id).is_err());
    assert!(sample.reopen().is_err());
}

#[test]
fn a_state_written_by_hand_releases_nothing() {
    let sample = Sample::new();
    let id = sample.submit(1.0);
    let forger = EcdsaKey::generate().unwrap();
    let mut state = sample.registry.read_state().unwrap();
    state.step(&id, super::step(Status::InService, "me", "because", NOW).unwrap());
    overwrite(&sample.path("state.json"), &state.sign(&forger).unwrap());
    let refused = sample.registry.load(&id).unwrap_err();
    assert!(matches!(refused, RegistryError::State { .. }));
    assert!(matches!(sample.reopen(), Err(RegistryError::State { .. })));
}

#[test]
fn an_older_state_is_refused_by_whoever_saw_a_newer_one() {
    let (sample, id) = Sample::served();
    let path = sample.path("state.json");
    let old = fs::read(&path).unwrap();
    let counter = sample.registry.counter().unwrap();
    sample.registry.quarantine(&id, "operator", "found to be poisoned", NOW).unwrap();
    overwrite(&path, &old);
    let refused = sample.registry.load(&id).unwrap_err();
    assert!(matches!(refused, RegistryError::RolledBack { .. }), "{refused}");
    let reopened = sample.reopen().unwrap();
    let refused = reopened.refuse_older_than(counter + 1).unwrap_err();
    assert!(matches!(refused, RegistryError::RolledBack { .. }));
    assert!(reopened.load(&id).is_err());
}

#[test]
fn files_swapped_between_two_versions_are_refused() {
    let (sample, served) = Sample::served();
    let other = sample.submit(2.0);
    let swap = |one: PathBuf, two: PathBuf| {
        let between = sample.path("between");
        fs::rename(&one, &between).unwrap();
        fs::rename(&two, &one).unwrap();
        fs::rename(&between, &two).unwrap();
    };
    let weights = "weights.safetensors.enc";
    swap(sample.file(&served, weights), sample.file(&other, weights));
    assert_eq!(sample.refused(&served), "model-signature");
    swap(sample.file(&served, weights), sample.file(&other, weights));
    let key = |id: &VersionId| sample.path(&format!("{id}.key"));
    swap(key(&served), key(&other));
    assert_eq!(sample.refused(&served), "model-key");
    swap(key(&served), key(&other));
    swap(sample.path(served.as_str()), sample.path(other.as_str()));
    assert_eq!(sample.refused(&served), "model-name");
    swap(key(&served), key(&other));
    assert_eq!(sample.refused(&served), "model-name");
}

#[test]
fn what_is_not_a_plain_file_of_the_version_is_refused() {
    let (sample, id) = Sample::served();
    overwrite(&sample.file(&id, "more.json"), b"");
    assert_eq!(sample.refused(&id), "model-signature");
    fs::remove_file(sample.file(&id, "more.json")).unwrap();
    fs::create_dir(sample.file(&id, "sub")).unwrap();
    assert_eq!(sample.refused(&id), "model-folder");
    fs::remove_dir(sample.file(&id, "sub")).unwrap();
    let card = sample.file(&id, "card.json");
    fs::rename(&card, sample.path("card.json")).unwrap();
    symlink(sample.path("card.json"), &card).unwrap();
    assert_eq!(sample.refused(&id), "model-folder");
    fs::remove_file(&card).unwrap();
    fs::rename(sample.path("card.json"), &card).unwrap();
    sample.registry.load(&id).unwrap();
    fs::rename(sample.path(id.as_str()), sample.path("elsewhere")).unwrap();
    symlink(sample.path("elsewhere"), sample.path(id.as_str())).unwrap();
    assert_eq!(sample.refused(&id), "model-folder");
    fs::remove_file(sample.path(id.as_str())).unwrap();
    assert_eq!(sample.refused(&id), "model-folder");
}

#[test]
fn a_version_signed_by_another_keep_is_refused() {
    let (sample, id) = Sample::served();
    let foreign = Sample::new();
    let theirs = foreign.submit(3.0);
    let folder = sample.path(id.as_str());
    fs::remove_dir_all(&folder).unwrap();
    fs::rename(foreign.path(theirs.as_str()), &folder).unwrap();
    assert_eq!(sample.refused(&id), "model-signature");
}

#[test]
fn a_changed_version_is_not_released() {
    let sample = Sample::new();
    let id = sample.submit(1.0);
    overwrite(&sample.file(&id, "card.json"), b"a better card");
    let refused = sample.release(&id).unwrap_err();
    let changed = matches!(
        &refused,
        RegistryError::Verification { source: VerificationError::Signature { .. }, .. }
    );
    assert!(changed, "{refused}");
    assert_eq!(sample.registry.show(&id).unwrap().status, Status::Candidate);
}

#[test]
fn a_quarantined_version_is_moved_away_and_cannot_be_used() {
    let (sample, id) = Sample::served();
    let registry = &sample.registry;
    registry.quarantine(&id, "watch", "card.json was changed", NOW).unwrap();
    registry.quarantine(&id, "watch", "again", NOW).unwrap();
    assert_eq!(registry.in_service().unwrap(), None);
    let record = registry.show(&id).unwrap();
    assert_eq!(record.steps.len(), 3);
    assert_eq!(record.steps[2].reason, "card.json was changed");
    assert!(!sample.path(id.as_str()).exists());
    assert!(sample.path("quarantine").join(id.as_str()).join("card.json").exists());
    assert!(sample.path("quarantine").join(format!("{id}.key")).exists());
    // Nobody opens them by mistake; opening the registry sees to it, too.
    let inside = sample.path("quarantine").join(id.as_str());
    let modes = || {
        let files = fs::read_dir(&inside).unwrap().map(|entry| entry.unwrap().path());
        let files = files.chain([sample.path("quarantine").join(format!("{id}.key"))]);
        files.map(|file| fs::metadata(file).unwrap().permissions().mode() & 0o7777).collect()
    };
    let nobody = |modes: Vec<u32>| 3 < modes.len() && modes.iter().all(|mode| *mode == 0);
    assert!(nobody(modes()));
    open_to_us(&inside.join("card.json"));
    sample.reopen().unwrap();
    assert!(nobody(modes()));
    open_to_us(&inside.join("card.json"));
    for refused in [
        sample.release(&id).unwrap_err(),
        registry.load(&id).unwrap_err(),
        registry.verify(&id).unwrap_err(),
        registry.documents(&id).unwrap_err(),
    ] {
        let status = Status::Quarantined;
        assert!(matches!(refused, RegistryError::Transition { status: s, .. } if s == status));
    }
    // Putting a copy back changes nothing.
    fs::create_dir(sample.path(id.as_str())).unwrap();
    fs::copy(
        sample.path("quarantine").join(id.as_str()).join("card.json"),
        sample.file(&id, "card.json"),
    )
    .unwrap();
    assert!(sample.reopen().unwrap().load(&id).is_err());
}

#[test]
fn a_crash_leaves_a_version_that_nobody_loads_or_a_move_that_is_finished() {
    let (sample, id) = Sample::served();
    // Stopped while a version was written: a folder without its name.
    fs::create_dir(sample.path("m-0123456789ab.part")).unwrap();
    overwrite(&sample.path("m-0123456789ab.part/card.json"), b"half");
    // Stopped after the name, before the state: a folder that the state does not know.
    let state = fs::read(sample.path("state.json")).unwrap();
    let unknown = sample.submit(2.0);
    overwrite(&sample.path("state.json"), &state);
    let registry = sample.reopen().unwrap();
    assert!(!sample.path("m-0123456789ab.part").exists());
    assert!(matches!(registry.load(&unknown), Err(RegistryError::Unknown { .. })));
    assert!(matches!(
        registry.release(&unknown, &because("why not"), false),
        Err(RegistryError::Unknown { .. })
    ));
    registry.load(&id).unwrap();
    // Stopped between the state and the move to quarantine.
    registry.quarantine(&id, "operator", "a reason", NOW).unwrap();
    fs::rename(sample.path("quarantine").join(id.as_str()), sample.path(id.as_str())).unwrap();
    sample.reopen().unwrap();
    assert!(sample.path("quarantine").join(id.as_str()).exists());
}

#[test]
fn a_document_that_could_replace_another_file_is_not_taken() {
    let sample = Sample::new();
    for name in ["../card.json", "/tmp/card.json", "model.sig", "tensors.json", ".hidden", "A.json"]
    {
        let documents = BTreeMap::from([(name.to_owned(), Vec::new())]);
        let refused = sample.registry.submit(&tensors(1.0), &documents, "operator", NOW);
        assert!(matches!(refused, Err(RegistryError::Submission { .. })), "{name}");
    }
    let mut tensors = tensors(f32::NAN);
    let refused = sample.registry.submit(&tensors, &documents(), "operator", NOW);
    assert!(matches!(refused, Err(RegistryError::Tensors { .. })));
    tensors.clear();
    assert!(sample.registry.submit(&tensors, &documents(), "operator", NOW).is_err());
    assert_eq!(sample.registry.list().unwrap(), []);
    let id = sample.submit(1.0);
    assert!(sample.registry.release(&id, &because(""), false).is_err());
    assert!(sample.registry.release(&id, &because("a\nb"), false).is_err());
}

#[test]
fn a_registry_is_created_once_and_opens_only_with_its_keys() {
    let (sample, id) = Sample::served();
    let again = Registry::create(sample.dir.path(), keys(&sample.pkcs8));
    assert!(matches!(again, Err(RegistryError::Exists)));
    let other_signer = EcdsaKey::generate().unwrap().expose_pkcs8().to_vec();
    let opened = Registry::open(sample.dir.path(), keys(&other_signer));
    assert!(matches!(opened, Err(RegistryError::State { .. })));
    let mut other_root = keys(&sample.pkcs8);
    other_root.root = SecretKey::from_slice(&[8; 32]).unwrap();
    let opened = Registry::open(sample.dir.path(), other_root).unwrap();
    assert_eq!(opened.load(&id).unwrap_err().code(), "model-key");
}

#[test]
fn the_report_of_an_attack_reads_back_and_any_change_of_it_shows() {
    let sample = Sample::new();
    let (id, other) = (sample.submit(1.0), sample.submit(2.0));
    assert!(sample.registry.attack_reports(&id).unwrap().is_empty());
    let record = |id: &VersionId, kind: &str, report: &[u8]| {
        sample.registry.record_attack(id, kind, report, "operator", NOW)
    };
    record(&id, "membership", b"a marker that is nowhere else").unwrap();
    record(&id, "extraction", b"second").unwrap();
    record(&other, "membership", b"third").unwrap();
    let registry = sample.reopen().unwrap();
    let found = registry.attack_reports(&id).unwrap();
    assert_eq!(found["membership"], b"a marker that is nowhere else");
    assert_eq!(found["extraction"], b"second");
    let files = || -> Vec<PathBuf> {
        let all = fs::read_dir(sample.dir.path()).unwrap().map(|item| item.unwrap().path());
        let mut all: Vec<PathBuf> =
            all.filter(|path| path.extension().is_some_and(|it| it == "attack")).collect();
        all.sort();
        all
    };
    assert_eq!(files().len(), 3);
    let of = |kind: &str| {
        let starts = format!("{id}.{kind}");
        let own = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with(&starts);
        files().into_iter().find(own).unwrap()
    };
    let path = of("membership");
    let bytes = fs::read(&path).unwrap();
    assert!(!bytes.windows(8).any(|window| window == b"a marker"), "the report is not sealed");
    let refused = || sample.registry.attack_reports(&id).unwrap_err().code();
    for at in (0..bytes.len()).step_by(7) {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        overwrite(&path, &changed);
        assert_eq!(refused(), "attack-report");
    }
    let others: Vec<u8> = fs::read(of("extraction")).unwrap();
    for wrong in [&bytes[..bytes.len() - 1], &[], &others] {
        overwrite(&path, wrong);
        assert_eq!(refused(), "attack-report");
    }
    // A report that is gone is no version without a report.
    fs::remove_file(&path).unwrap();
    assert_eq!(refused(), "attack-report");
    // A new one takes its place, and the old one goes.
    record(&id, "membership", b"again").unwrap();
    assert_eq!(sample.registry.attack_reports(&id).unwrap()["membership"], b"again");
    let old = of("membership");
    record(&id, "membership", b"once more").unwrap();
    assert!(!old.exists());
    assert_eq!(files().len(), 3);
    assert_eq!(record(&id, "../x", b"x").unwrap_err().code(), "model-submission");
    sample.registry.quarantine(&id, "operator", "test", NOW).unwrap();
    assert_eq!(record(&id, "membership", b"x").unwrap_err().code(), "model-state");
}
