//! Tests on real databases, which `sqlite3` of Python makes.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use super::collect;
use crate::facts::sqlite::Sqlite;
use crate::facts::{FactFile, Facts};
use crate::{baseline::Baseline, scan::judge};

/// Runs statements on a database file.
#[expect(clippy::print_stdout, reason = "a skipped test says so")]
fn make(path: &Path, statements: &str) -> bool {
    let program = "import sqlite3, sys\nc = sqlite3.connect(sys.argv[1])\n\
        c.executescript(sys.argv[2])\nc.commit()\nc.close()";
    let ran = Command::new("python3").args(["-c", program]).arg(path).arg(statements).status();
    let made = ran.is_ok_and(|status| status.success());
    if !made {
        assert!(std::env::var_os("CI").is_none(), "python3 with sqlite3 is not installed");
        println!("skipped: python3 with sqlite3 is not installed");
    }
    made
}

fn words(facts: &Sqlite, rule: &str) -> Vec<(String, &'static str)> {
    let file = FactFile::new(0, vec![Facts::Sqlite(Box::new(facts.clone()))]);
    let report = judge(&file, None, &Baseline::default());
    let mut said: Vec<_> = report
        .findings
        .iter()
        .filter(|finding| finding.rule == rule)
        .map(|finding| {
            let name = finding.resource.rsplit('/').next().unwrap_or_default();
            (name.to_owned(), finding.outcome.word())
        })
        .collect();
    said.sort();
    said
}

#[test]
fn databases_of_people_are_found_by_content_and_not_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let people = "CREATE TABLE visits(id INTEGER PRIMARY KEY, patient_name TEXT, ssn TEXT); \
        INSERT INTO visits VALUES (1, 'Ada Lovelace', '078-05-1120')";
    if !make(&at("cache.bin"), people) {
        return;
    }
    assert!(make(&at("stock.db"), "CREATE TABLE stock(id INTEGER, amount INTEGER)"));
    fs::create_dir(at("deep")).unwrap();
    // As many columns and tables as need further pages of the schema, and overflow pages.
    let many: String = (0..400).map(|n| format!("CREATE TABLE t{n}(a{n} TEXT, b TEXT);")).collect();
    let wide: String = (0..1_500).map(|n| format!("column_{n} TEXT, ")).collect();
    let large = format!("{many} CREATE TABLE wide({wide} date_of_birth TEXT, ssn TEXT);");
    assert!(make(&at("deep/large.db"), &large));
    fs::File::create(at("text.db")).unwrap().set_len(4096).unwrap();
    symlink(at("cache.bin"), at("link.db")).unwrap();
    fs::set_permissions(at("cache.bin"), fs::Permissions::from_mode(0o644)).unwrap();
    fs::set_permissions(at("deep/large.db"), fs::Permissions::from_mode(0o600)).unwrap();

    let facts = collect(folder.path()).unwrap();
    let plain = words(&facts, "sqlite-plaintext");
    let expected = [("cache.bin", "fail"), ("large.db", "fail"), ("stock.db", "pass")];
    assert_eq!(plain, expected.map(|(name, word)| (name.to_owned(), word)));
    let modes = words(&facts, "sqlite-modes");
    let expected = [("cache.bin", "fail"), ("large.db", "pass"), ("stock.db", "not-applicable")];
    assert_eq!(modes, expected.map(|(name, word)| (name.to_owned(), word)));
    let text = serde_json::to_string(&facts).unwrap();
    assert!(!text.contains("Lovelace") && !text.contains("078-05"), "no value is in the facts");
    assert!(text.contains("visits"));
}

#[test]
fn tables_that_lie_in_a_log_are_not_passed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("live.db");
    if !make(&path, "CREATE TABLE stock(id INTEGER)") {
        return;
    }
    fs::File::create(folder.path().join("live.db-wal")).unwrap().set_len(4096).unwrap();
    let said = words(&collect(folder.path()).unwrap(), "sqlite-plaintext");
    assert_eq!(said, [("live.db".to_owned(), "not-checked")]);
}

#[test]
fn what_lies_beside_a_database_is_seen_and_a_link_there_is_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("live.db");
    if !make(&path, "CREATE TABLE visits(patient_name TEXT, ssn TEXT)") {
        return;
    }
    let journal = folder.path().join("live.db-journal");
    fs::File::create(&journal).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    fs::set_permissions(&journal, fs::Permissions::from_mode(0o640)).unwrap();
    symlink("/etc/passwd", folder.path().join("live.db-wal")).unwrap();
    let facts = collect(folder.path()).unwrap();
    let expected = [("live.db", "pass"), ("live.db-journal", "fail")];
    let expected = expected.map(|(name, word)| (name.to_owned(), word));
    assert_eq!(words(&facts, "sqlite-modes"), expected);
    let [missed] = facts.not_checked.as_slice() else { panic!("{:?}", facts.not_checked) };
    assert!(missed.path.ends_with("live.db-wal") && missed.why.contains("link"), "{missed:?}");
}

#[test]
fn a_damaged_database_is_not_clean_and_does_no_harm() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("whole.db");
    let statements = "CREATE TABLE visits(id INTEGER, patient_name TEXT, ssn TEXT)";
    if !make(&path, statements) {
        return;
    }
    let whole = fs::read(&path).unwrap();
    let damaged = folder.path().join("damaged.db");
    let write = |bytes: &[u8]| {
        use std::io::Write as _;
        fs::File::create(&damaged).unwrap().write_all(bytes).unwrap();
    };
    // Cut off within the page of the schema, and with bytes of it turned: no panic, and never clean
    // because a page is gone.
    for length in (100..4096).step_by(97) {
        write(&whole[..length]);
        let facts = collect(&damaged).unwrap();
        assert!(facts.databases[0].tables.seen().is_err(), "{length}");
    }
    for at in 16..1024.min(whole.len()) {
        let mut turned = whole.clone();
        turned[at] ^= 0xFF;
        write(&turned);
        collect(&damaged).unwrap();
    }
}

#[test]
fn a_row_of_the_schema_that_is_none_is_counted_and_not_passed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("odd.db");
    if !make(&path, "CREATE TABLE visits(id INTEGER, patient_name TEXT, ssn TEXT)") {
        return;
    }
    let mut bytes = fs::read(&path).unwrap();
    let kind = bytes.windows(11).position(|it| it == b"tablevisits").unwrap();
    // SQLite itself has only the four kinds of rows; a fifth is a table to nobody.
    bytes[kind] = 0xFF;
    fs::File::create(&path)
        .and_then(|mut file| {
            use std::io::Write as _;
            file.write_all(&bytes)
        })
        .unwrap();
    let facts = collect(&path).unwrap();
    assert_eq!(facts.databases[0].unread_rows, 1);
    assert_eq!(words(&facts, "sqlite-plaintext"), [("odd.db".to_owned(), "not-checked")]);
}
