//! Real trees, and what is said of them.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use super::{Options, collect};
use crate::facts::phi::{Content, Phi};

const PEOPLE: &str = "mrn,last_name,ssn\n4471123,Okafor,212-12-1234\n4471124,Smith,213-12-1234\n";

fn put(root: &Path, name: &str, text: &str) {
    let path = root.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut file = fs::File::create(path).unwrap();
    std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
}

fn scan(root: &Path) -> Phi {
    collect(root, Options::verdicts(2026)).unwrap()
}

fn names(phi: &Phi) -> Vec<&str> {
    let paths = phi.files.iter().map(|file| Path::new(&file.file.path));
    paths.map(|path| path.file_name().unwrap().to_str().unwrap()).collect()
}

#[test]
fn a_tree_is_walked_and_what_is_of_people_is_told() {
    let root = tempfile::tempdir().unwrap();
    put(root.path(), "a/people.csv", PEOPLE);
    put(root.path(), "a/vitals.csv", "time,heart_rate\n1,80\n2,81\n3,79\n");
    put(root.path(), "b/c/readme.md", "# A program\n\nIt has no data.\n");
    let phi = scan(root.path());
    assert_eq!(phi.file_count, 3);
    assert_eq!(names(&phi), ["people.csv"]);
    let file = &phi.files[0];
    assert_eq!(file.content, Content::Personal);
    assert_eq!(file.repository, None);
    assert!(file.places.iter().any(|place| place.kind == "ssn" && place.rows == 2));
    assert_eq!(scan(&root.path().join("a/people.csv")).files, phi.files);
}

#[test]
fn a_repository_above_a_file_is_known_at_any_depth() {
    let root = tempfile::tempdir().unwrap();
    put(root.path(), "work/.git/config", "[core]\n");
    put(root.path(), "work/data/people.csv", PEOPLE);
    put(root.path(), "work/top.csv", PEOPLE);
    put(root.path(), "outside.csv", PEOPLE);
    let phi = scan(root.path());
    assert_eq!(names(&phi), ["outside.csv", "people.csv", "top.csv"]);
    let inside: Vec<bool> = phi.files.iter().map(|file| file.repository.is_some()).collect();
    assert_eq!(inside, [false, true, true]);
}

/// Links lead out, pipes wait, and a second name is the same file.
#[test]
fn links_pipes_and_second_names_do_not_lead_astray() {
    let outside = tempfile::tempdir().unwrap();
    put(outside.path(), "people.csv", PEOPLE);
    let root = tempfile::tempdir().unwrap();
    symlink(outside.path(), root.path().join("folder")).unwrap();
    symlink(root.path(), root.path().join("circle")).unwrap();
    symlink(outside.path().join("people.csv"), root.path().join("file.csv")).unwrap();
    let made = Command::new("mkfifo").arg(root.path().join("pipe")).status().unwrap();
    assert!(made.success());
    assert_eq!(scan(root.path()).file_count, 0);
    put(root.path(), "one.csv", PEOPLE);
    fs::hard_link(root.path().join("one.csv"), root.path().join("two.csv")).unwrap();
    assert_eq!(names(&scan(root.path())), ["one.csv"]);
}

/// Root reads everything, so that this is seen by other accounts only.
#[test]
fn what_may_not_be_read_is_not_clean() {
    let root = tempfile::tempdir().unwrap();
    put(root.path(), "closed/people.csv", PEOPLE);
    put(root.path(), "closed.csv", PEOPLE);
    fs::set_permissions(root.path().join("closed"), Permissions::from_mode(0o000)).unwrap();
    fs::set_permissions(root.path().join("closed.csv"), Permissions::from_mode(0o000)).unwrap();
    let phi = scan(root.path());
    let is_root = rustix::process::geteuid().is_root();
    assert_eq!(phi.not_checked.len(), if is_root { 0 } else { 2 });
    assert_eq!(phi.files.len(), if is_root { 2 } else { 0 });
    fs::set_permissions(root.path().join("closed"), Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn what_cannot_be_looked_into_is_not_clean() {
    let root = tempfile::tempdir().unwrap();
    put(root.path(), "report.pdf", "%PDF-1.7\n");
    let phi = scan(root.path());
    assert_eq!(phi.not_checked.len(), 1);
    assert_eq!(phi.not_checked[0].why, "a PDF document");
}

#[test]
fn a_tree_that_is_not_there_is_an_error() {
    let error = collect(Path::new("/nonexistent/tree"), Options::verdicts(2026)).unwrap_err();
    assert_eq!(error.code(), "collect-read");
}
