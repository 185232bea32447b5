//! Real repositories: what is said of their commits is what git says, and more.

use std::path::Path;
use std::process::Stdio;

use super::{Options, PIPELINE_LINE, PRE_RECEIVE_HOOK, collect};
use crate::facts::git::Signature;
use repository::{Key, Repository};

pub(crate) mod repository;

/// Keys of every kind, signed and not signed, listed and not listed, and a merge: the verdicts are
/// those of `git verify-commit`.
#[test]
fn verdicts_are_those_of_git() {
    let mut repository = Repository::new();
    for (name, kind) in [
        ("ed", &["-t", "ed25519"][..]),
        ("rsa", &["-t", "rsa", "-b", "3072"]),
        ("nist", &["-t", "ecdsa", "-b", "256"]),
        ("nist384", &["-t", "ecdsa", "-b", "384"]),
        ("nist521", &["-t", "ecdsa", "-b", "521"]),
    ] {
        repository.ssh_key(name, kind);
        repository.list_ssh(name, "");
    }
    repository.ssh_key("stranger", &["-t", "ed25519"]);
    let curve = repository.gpg_key("curve@example.org", "ed25519", "");
    let rsa = repository.gpg_key("rsa@example.org", "rsa3072", "");
    let nist = repository.gpg_key("nist@example.org", "nistp256", "");
    let below = repository.gpg_key("below@example.org", "ed25519", "");
    repository.gpg(&["--quick-add-key", &below, "ed25519", "sign", "never"]);
    repository.list_gpg(&below, "");
    let keys = [
        Key::Ssh("ed"),
        Key::Ssh("rsa"),
        Key::Ssh("nist"),
        Key::Ssh("nist384"),
        Key::Ssh("nist521"),
        Key::Ssh("stranger"),
        Key::Gpg(&curve),
        Key::Gpg(&rsa),
        Key::Gpg(&nist),
        Key::Gpg(&below),
        Key::None,
    ];
    for key in keys {
        repository.commit(key, "file");
    }
    repository.git(&["switch", "--quiet", "-c", "side", "HEAD~2"]);
    repository.commit(Key::Ssh("ed"), "other");
    forge(&repository);
    repository.git(&["switch", "--quiet", "main"]);
    repository
        .signed(Key::Gpg(&curve), &["merge", "--quiet", "--no-ff", "-S", "-m", "Merge", "side"]);
    let facts = repository.facts();
    assert_eq!(facts.commits.len(), keys.len() + 2);
    assert_eq!(facts.commits.iter().filter(|commit| commit.is_merge).count(), 1);
    for commit in &facts.commits {
        let list = facts.list.as_ref().unwrap();
        let good = match &commit.signature {
            Signature::Good { key, reservation, .. } => {
                reservation.is_none() && list.signers.iter().any(|it| it.key == *key)
            }
            _ => false,
        };
        assert_eq!(good, repository.verifies(&commit.id), "{commit:?}");
    }
    let good = |it: &&crate::facts::git::Commit| matches!(it.signature, Signature::Good { .. });
    assert_eq!(facts.commits.iter().filter(good).count(), 11);
}

/// Another message under a signature that somebody made for this one.
fn forge(repository: &Repository) {
    let commit = repository.git(&["cat-file", "commit", "HEAD"]) + "\nand one more line\n";
    let mut command = repository.command(&["hash-object", "-t", "commit", "-w", "--stdin"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), commit.as_bytes()).unwrap();
    let id = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    repository.git(&["update-ref", "refs/heads/side", id.trim()]);
}

#[test]
fn a_key_that_was_revoked_or_has_ended_does_not_count() {
    let mut repository = Repository::new();
    let key = repository.gpg_key("gone@example.org", "ed25519", "");
    repository.commit(Key::Gpg(&key), "file");
    let good = repository.facts();
    assert!(matches!(&good.commits[0].signature, Signature::Good { reservation: None, .. }));
    // GnuPG writes a revocation beside each key that it makes, with a colon before it as a guard.
    let revocation = repository.path(&format!("gnupg/openpgp-revocs.d/{key}.rev"));
    let text = std::fs::read_to_string(&revocation).unwrap().replace(":-----BEGIN", "-----BEGIN");
    let plain = repository.path("revocation");
    std::io::Write::write_all(&mut std::fs::File::create(&plain).unwrap(), text.as_bytes())
        .unwrap();
    repository.gpg(&["--import", plain.to_str().unwrap()]);
    repository.list_line("# the same key, now revoked, instead of the line above");
    let list = std::fs::read_to_string(repository.path("list")).unwrap();
    assert!(list.contains("openpgp"));
    std::fs::remove_file(repository.path("list")).unwrap();
    repository.list_gpg(&key, "");
    let facts = repository.facts();
    let Signature::Good { reservation, .. } = &facts.commits[0].signature else {
        panic!("{facts:?}");
    };
    assert_eq!(reservation.as_deref(), Some("its key was revoked"));
    assert!(!repository.verifies(&facts.commits[0].id));
}

#[test]
fn only_what_came_since_is_looked_at_again() {
    let mut repository = Repository::new();
    repository.ssh_key("ada", &["-t", "ed25519"]);
    repository.list_ssh("ada", "");
    let first = repository.commit(Key::Ssh("ada"), "file");
    let second = repository.commit(Key::Ssh("ada"), "file");
    let third = repository.commit(Key::None, "file");
    let facts = repository.facts_since(Some(&second));
    assert_eq!(facts.commits.iter().map(|it| &it.id).collect::<Vec<_>>(), [&third]);
    assert!(facts.since.unwrap().is_ancestor);
    // History that was written anew does not have what was verified.
    repository.git(&["reset", "--quiet", "--hard", &first]);
    repository.commit(Key::Ssh("ada"), "another");
    let facts = repository.facts_since(Some(&second));
    assert!(!facts.since.unwrap().is_ancestor);
    assert_eq!(facts.commits.len(), 2);
}

#[test]
fn replaced_objects_and_shallow_copies_do_not_deceive() {
    let mut repository = Repository::new();
    repository.ssh_key("ada", &["-t", "ed25519"]);
    repository.list_ssh("ada", "");
    let unsigned = repository.commit(Key::None, "file");
    let signed = repository.commit(Key::Ssh("ada"), "file");
    repository.git(&["replace", "-f", &unsigned, &signed]);
    let facts = repository.facts();
    assert!(facts.commits.iter().any(|it| it.id == unsigned && it.signature == Signature::Missing));
    let copy = repository.folder().join("copy");
    let from = format!("file://{}", repository.work().display());
    repository.git(&["clone", "--quiet", "--depth", "1", &from, copy.to_str().unwrap()]);
    let facts = collect(&copy, Options { branch: None, signers: None, since: None }).unwrap();
    assert_eq!(facts.cut_at, [signed]);
}

/// Whoever may push could give an old release a new name, and needs nobody's key for that.
#[test]
fn a_signed_tag_under_another_name_does_not_count() {
    let mut repository = Repository::new();
    repository.ssh_key("ada", &["-t", "ed25519"]);
    repository.list_ssh("ada", "");
    repository.commit(Key::Ssh("ada"), "file");
    repository.signed(Key::Ssh("ada"), &["tag", "-s", "-m", "A release", "v1"]);
    repository.git(&["update-ref", "refs/tags/v2", "refs/tags/v1"]);
    let facts = repository.facts();
    let of = |name: &str| &facts.tags.iter().find(|tag| tag.name == name).unwrap().signature;
    assert!(matches!(of("v1"), Signature::Good { .. }));
    assert!(matches!(of("v2"), Signature::Bad { .. }));
}

#[test]
fn nothing_hides_behind_what_was_verified_before() {
    let mut repository = Repository::new();
    repository.ssh_key("ada", &["-t", "ed25519"]);
    repository.list_ssh("ada", "");
    let first = repository.commit(Key::Ssh("ada"), "file");
    let unsigned = repository.commit(Key::None, "file");
    let last = repository.commit(Key::Ssh("ada"), "file");
    let grafts = repository.work().join(".git/info/grafts");
    std::fs::create_dir_all(grafts.parent().unwrap()).unwrap();
    let line = format!("{last} {first}\n");
    std::io::Write::write_all(&mut std::fs::File::create(&grafts).unwrap(), line.as_bytes())
        .unwrap();
    let facts = repository.facts_since(Some(&first));
    assert!(facts.commits.iter().any(|it| it.id == unsigned));
    assert!(facts.cut_at.is_empty());
    std::fs::remove_file(&grafts).unwrap();
    // A branch whose unsigned commits are not in a shallow copy, and were not verified.
    repository.git(&["switch", "--quiet", "-c", "side", &first]);
    repository.commit(Key::None, "other");
    let end = repository.commit(Key::Ssh("ada"), "other");
    repository.commit(Key::Ssh("ada"), "other");
    repository.git(&["switch", "--quiet", "main"]);
    let merge = ["merge", "--quiet", "--no-ff", "-S", "-m", "Merge", "side"];
    repository.signed(Key::Ssh("ada"), &merge);
    let copy = repository.folder().join("copy");
    let from = format!("file://{}", repository.work().display());
    repository.git(&["clone", "--quiet", "--depth", "3", &from, copy.to_str().unwrap()]);
    let options = Options { branch: None, signers: None, since: Some(&last) };
    let facts = collect(&copy, options).unwrap();
    assert!(facts.since.unwrap().is_ancestor);
    assert_eq!((facts.commits.len(), facts.cut_at), (3, vec![end]));
}

#[test]
fn what_is_no_repository_or_branch_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { branch: None, signers: None, since: None };
    assert_eq!(collect(folder.path(), options).unwrap_err().code(), "collect-unexpected");
    let mut repository = Repository::new();
    repository.commit(Key::None, "file");
    for branch in ["other", "--all", "-h", "main --all"] {
        let options = Options { branch: Some(branch), ..options };
        let error = collect(&repository.work(), options).unwrap_err();
        assert_eq!(error.code(), "collect-unexpected", "{branch}");
    }
    let options = Options { signers: Some(Path::new("/nonexistent")), ..options };
    assert_eq!(collect(&repository.work(), options).unwrap_err().code(), "collect-read");
}

#[test]
fn the_hook_is_a_script() {
    let mut shell = std::process::Command::new("sh");
    let mut child = shell.arg("-n").stdin(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), PRE_RECEIVE_HOOK.as_bytes())
        .unwrap();
    assert!(child.wait().unwrap().success());
    assert!(PRE_RECEIVE_HOOK.contains("twinkeep scan") && PIPELINE_LINE.contains("--signers"));
}
