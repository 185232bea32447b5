//! Each rule over facts that were collected from a real file: a failing one, and a passing one.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::baseline::Baseline;
use crate::collect::phi::{Options, collect};
use crate::facts::{FactFile, Facts};
use crate::fix::{apply, plan, rollback, verify};
use crate::outcome::{Outcome, Severity};
use crate::rules::find;
use crate::scan::judge;

const PEOPLE: &str = "mrn,last_name,ssn\n4471123,Okafor,212-12-1234\n4471124,Smith,213-12-1234\n";

const BIRTHS: &str = "dob,zip,sex\n1950-01-02,10001,F\n1961-03-04,10002,M\n1940-05-06,10003,F\n\
                      1975-07-08,10004,M\n1988-09-10,10005,F\n";

fn put(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut file = fs::File::create(path).unwrap();
    std::io::Write::write_all(&mut file, bytes).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
}

/// What a rule says about a tree: each outcome once.
fn outcomes(rule: &str, root: &Path) -> Vec<String> {
    let facts = Facts::from(collect(root, Options::verdicts(2026)).unwrap());
    let judged = find(rule).unwrap().check.judge(&facts).unwrap();
    let says = |outcome: &Outcome| format!("{} {}", outcome.word(), outcome.says());
    judged.iter().map(|it| says(&it.outcome).trim().to_owned()).collect()
}

#[test]
fn readable_people_fail_and_an_encrypted_copy_passes() {
    let root = tempfile::tempdir().unwrap();
    put(&root.path().join("people.csv"), PEOPLE.as_bytes());
    assert_eq!(
        outcomes("phi-plaintext", root.path()),
        ["fail can be read and has name (2), record-number (2), ssn (2)"]
    );
    let sealed = [&b"age-encryption.org/v1\n"[..], &[7; 40]].concat();
    put(&root.path().join("people.csv"), &sealed);
    assert_eq!(outcomes("phi-plaintext", root.path()), ["pass"]);
    put(&root.path().join("people.csv"), b"time,heart_rate\n1,80\n2,81\n");
    assert_eq!(outcomes("phi-plaintext", root.path()), ["pass"]);
    put(&root.path().join("people.csv"), b"%PDF-1.7\n");
    assert_eq!(outcomes("phi-plaintext", root.path()), ["not-checked a PDF document"]);
}

#[test]
fn the_mode_of_a_readable_file_counts() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("people.csv");
    put(&path, PEOPLE.as_bytes());
    assert_eq!(outcomes("phi-modes", root.path()), ["pass"]);
    fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    assert_eq!(
        outcomes("phi-modes", root.path()),
        ["fail mode 0640 lets others than its owner in"]
    );
}

#[test]
#[expect(clippy::print_stdout, reason = "a skipped test says so")]
fn the_place_of_a_readable_file_counts() {
    // The folder for temporary files is itself a shared place, and so may be that of the sources.
    let root = tempfile::Builder::new().tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
    put(&root.path().join("people.csv"), PEOPLE.as_bytes());
    let said = outcomes("phi-place", root.path());
    if said.iter().any(|it| it.contains("which all accounts share")) {
        println!("skipped: the sources lie where all accounts may put files");
        return;
    }
    assert_eq!(said, ["pass"]);
    put(&root.path().join(".git/HEAD"), b"ref: refs/heads/main\n");
    assert_eq!(
        outcomes("phi-place", root.path()),
        ["fail lies in a repository, whose history keeps it"]
    );
    let other = tempfile::Builder::new().tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
    put(&other.path().join("Dropbox/people.csv"), PEOPLE.as_bytes());
    let said = outcomes("phi-place", other.path());
    assert_eq!(said, ["fail lies in a folder `Dropbox`, which is synchronized or served"]);
}

#[test]
fn births_without_names_count() {
    let root = tempfile::tempdir().unwrap();
    put(&root.path().join("cohort.csv"), BIRTHS.as_bytes());
    let said = outcomes("phi-combination", root.path());
    assert_eq!(said.len(), 1);
    assert!(said[0].starts_with("fail has no names, and has birth-date (5)"), "{said:?}");
    put(&root.path().join("cohort.csv"), b"age,sex\n74,F\n63,M\n84,F\n49,M\n36,F\n");
    assert_eq!(outcomes("phi-combination", root.path()), ["pass"]);
}

/// Plan, apply, verify, roll back, and verify.
#[test]
fn a_mode_is_closed_by_a_plan_and_given_back_as_it_was() {
    let root = tempfile::tempdir().unwrap();
    let beside = tempfile::tempdir().unwrap();
    let path = root.path().join("people.csv");
    put(&path, PEOPLE.as_bytes());
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    let taken = || {
        let phi = collect(root.path(), Options::verdicts(2026)).unwrap();
        FactFile::new(0, vec![Facts::from(phi)])
    };
    let planned = plan(&taken(), Severity::Low);
    let steps: Vec<&str> = planned.steps.iter().map(|step| step.rule.as_str()).collect();
    assert_eq!(steps, ["phi-modes"]);
    let verified = || {
        let report = judge(&taken(), None, &Baseline::default());
        verify(&planned, &report)[0].outcome.word().to_owned()
    };
    assert_eq!(verified(), "fail");
    let journal = beside.path().join("journal");
    apply(&planned, &journal).unwrap();
    assert_eq!(verified(), "pass");
    rollback(&journal).unwrap();
    assert_eq!(verified(), "fail");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o644);
}
