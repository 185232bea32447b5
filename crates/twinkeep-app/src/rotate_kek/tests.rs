//! Tests of rotation: an interruption at each step leaves a keep that opens.

use std::path::{Path, PathBuf};

use twinkeep_domain::Timestamp;
use twinkeep_vault::{KekSource, SecretBytes};

use super::{Step, rotate};
use crate::{App, AppError, Config, InitRequest, Surroundings, init_keep, shipped_pack_text};

fn surroundings() -> Surroundings {
    Surroundings { clock: || Timestamp::RELATIVE_ORIGIN, state_dir: None }
}

fn key_file(dir: &Path, name: &str) -> KekSource {
    KekSource::KeyFile(dir.join(name))
}

fn keep(dir: &Path) -> PathBuf {
    let root = dir.join("keep");
    init_keep(&InitRequest {
        dir: &root,
        pack: shipped_pack_text("icu").unwrap(),
        secret: &key_file(dir, "one"),
        config: Config::default(),
        now: Timestamp::RELATIVE_ORIGIN,
    })
    .unwrap();
    root
}

#[test]
fn after_a_rotation_the_new_secret_opens_the_keep_and_the_old_one_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let root = keep(dir.path());
    let one = key_file(dir.path(), "one");
    let app = App::open(&root, &one, &surroundings()).unwrap();
    let before = app.pseudonyms.pseudonym(&twinkeep_domain::SourceSubject::new("7").unwrap());
    let passphrase = || KekSource::Passphrase(SecretBytes::new(b"correct horse battery".to_vec()));
    let report = rotate(&app, &one, &passphrase(), &|_| Ok(())).unwrap();
    assert_eq!((report.from.as_str(), report.to.as_str()), ("key-file", "argon2id"));
    assert_eq!(report.generation, 2);

    let refused = App::open(&root, &one, &surroundings()).err().unwrap();
    assert_eq!(refused.code(), "kek-method");
    let app = App::open(&root, &passphrase(), &surroundings()).unwrap();
    let after = app.pseudonyms.pseudonym(&twinkeep_domain::SourceSubject::new("7").unwrap());
    assert_eq!(before, after, "people keep their pseudonyms");
    let names: Vec<String> = std::fs::read_dir(root.join("keys"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".key"))
        .collect();
    assert!(names.iter().all(|name| name.ends_with(".2.key")), "{names:?}");
    let same = rotate(&app, &passphrase(), &passphrase(), &|_| Ok(()));
    assert!(same.is_ok(), "the same passphrase with a new salt is another key");
}

#[test]
fn an_interruption_at_any_step_leaves_a_keep_that_opens_and_rotates() {
    for (step, opens_with) in
        [(Step::Wrapped, "one"), (Step::Replaced, "two"), (Step::Removed, "two")]
    {
        let dir = tempfile::tempdir().unwrap();
        let root = keep(dir.path());
        let (one, two) = (key_file(dir.path(), "one"), key_file(dir.path(), "two"));
        let app = App::open(&root, &one, &surroundings()).unwrap();
        let cut = |at| match at == step {
            true => Err(AppError::environment("cut", "the power was cut")),
            false => Ok(()),
        };
        assert_eq!(rotate(&app, &one, &two, &cut).unwrap_err().code(), "cut");
        let current = key_file(dir.path(), opens_with);
        let app = App::open(&root, &current, &surroundings()).unwrap();
        rotate(&app, &current, &key_file(dir.path(), "three"), &|_| Ok(())).unwrap();
        App::open(&root, &key_file(dir.path(), "three"), &surroundings()).unwrap();
        let left = std::fs::read_dir(root.join("keys")).unwrap();
        let left = left.filter(|entry| {
            entry.as_ref().unwrap().path().extension().is_some_and(|kind| kind == "key")
        });
        assert_eq!(left.count(), super::WRAPPED.len(), "nothing old is left after {step:?}");
    }
}

#[test]
fn the_secret_that_opens_the_keep_already_is_no_new_one() {
    let dir = tempfile::tempdir().unwrap();
    let root = keep(dir.path());
    let one = key_file(dir.path(), "one");
    let app = App::open(&root, &one, &surroundings()).unwrap();
    let refused = rotate(&app, &one, &key_file(dir.path(), "one"), &|_| Ok(())).unwrap_err();
    assert_eq!(refused.code(), "kek-same");
    assert!(App::open(&root, &one, &surroundings()).is_ok());
}
