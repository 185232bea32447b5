//! Tests beside a real server: facts as its administrator and as a role without rights.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::thread;
use std::time::Duration;

use super::testing::Server;
use super::{Machine, collect};
use crate::collect::host::Places;
use crate::collect::host::testing::Disk;
use crate::facts::postgres::{Postgres, StoredPassword};
use crate::facts::{FactFile, Known};
use crate::fix::plan;
use crate::outcome::Severity;
use crate::rules;

fn facts(server: &Server, role: &str) -> Postgres {
    collect("ward", &mut |query| server.ask(role, query), &Machine::Other).unwrap()
}

/// Returns what a rule says, worst first, without what it says it of.
fn word(facts: &Postgres, rule: &str) -> &'static str {
    let rule = rules::find(rule).unwrap();
    let judged = rule.check.judge(&crate::facts::Facts::Postgres(Box::new(facts.clone()))).unwrap();
    judged.iter().map(|judged| &judged.outcome).min().map_or("nothing", |outcome| outcome.word())
}

#[test]
fn a_careless_server_fails_what_it_should() {
    let hba = "local all all trust\nhost all all 127.0.0.1/32 md5\nhost all all 0.0.0.0/0 password\n\
        host all all all scram-sha-256\nhostnossl all all 10.0.0.0/8 scram-sha-256";
    let Some(server) = Server::start(&["password_encryption=md5"], hba) else { return };
    server.sql(
        "CREATE ROLE ana LOGIN PASSWORD 'a'; CREATE ROLE boss SUPERUSER LOGIN; \
         CREATE TABLE visits (id int, patient_name text, date_of_birth date, ssn text); \
         CREATE TABLE stock (id int, amount int); GRANT SELECT ON visits TO PUBLIC",
    );
    let found = facts(&server, "admin");
    assert_eq!(found.hba.seen().unwrap().len(), 6);
    assert_eq!(found.passwords.seen().unwrap()["ana"], StoredPassword::Md5);
    assert_eq!(found.tables.len(), 1, "{:?}", found.tables);
    for rule in [
        "pg-anywhere",
        "pg-audit",
        "pg-hba-method",
        "pg-hba-tls",
        "pg-log-connections",
        "pg-passwords",
        "pg-powerful-roles",
        "pg-public-tables",
        "pg-role-expiry",
        "pg-row-security",
        "pg-tls",
        "pg-trust",
    ] {
        assert_eq!(word(&found, rule), "fail", "{rule}");
    }
    assert_eq!(word(&found, "pg-storage"), "not-checked");
    assert_eq!(word(&found, "pg-tls-version"), "not-applicable");

    // A role without rights gets as far as it may, and nothing that it cannot see passes.
    let less = facts(&server, "ana");
    for rule in ["pg-trust", "pg-hba-tls", "pg-hba-method", "pg-anywhere", "pg-audit"] {
        assert_eq!(word(&less, rule), "not-checked", "{rule}");
    }
    assert_eq!(word(&less, "pg-tls"), "fail");
}

#[test]
fn a_careful_server_passes_what_it_should() {
    let hba = "hostssl ward twin 10.0.0.0/8 scram-sha-256\nhostssl ward app 10.0.0.0/8 cert\n\
        host all all 0.0.0.0/0 reject";
    let settings = ["log_connections=on", "log_disconnections=on", "ssl=on"];
    let Some(server) = Server::start(&settings, hba) else { return };
    server.sql(
        "CREATE ROLE twin LOGIN PASSWORD 'a' VALID UNTIL '2099-01-01'; CREATE ROLE app LOGIN; \
         CREATE TABLE visits (id int, patient_name text, date_of_birth date, ssn text); \
         ALTER TABLE visits ENABLE ROW LEVEL SECURITY",
    );
    // Nobody has seen TLS who came by a socket and did not ask for it.
    assert_eq!(word(&facts(&server, "admin"), "pg-tls"), "not-checked");
    let machine = Machine::This(Places::default());
    let found = collect("ward", &mut |query| server.ask("admin", query), &machine).unwrap();
    for rule in [
        "pg-anywhere",
        "pg-hba-method",
        "pg-hba-tls",
        "pg-log-connections",
        "pg-passwords",
        "pg-powerful-roles",
        "pg-public-tables",
        "pg-role-expiry",
        "pg-row-security",
        "pg-tls",
        "pg-tls-version",
    ] {
        assert_eq!(word(&found, rule), "pass", "{rule}");
    }
    // The test itself comes by a socket without a password.
    assert_eq!(word(&found, "pg-trust"), "fail");
    let text = serde_json::to_string(&found).unwrap();
    assert!(!text.contains("SCRAM-SHA-256$"), "no hash is in the facts");
    assert_eq!(serde_json::from_str::<Postgres>(&text).unwrap(), found);
}

/// A view shows rows that row security hides, one column may be open, and a role is what it may
/// become.
#[test]
fn what_views_columns_and_memberships_open_is_seen() {
    let scram = ["password_encryption=scram-sha-256"];
    let Some(server) = Server::start(&scram, "local all other trust") else { return };
    server.sql(
        "CREATE TABLE visits (id int, patient_name text, ssn text); \
         ALTER TABLE visits ENABLE ROW LEVEL SECURITY; CREATE ROLE bo LOGIN",
    );
    let words = || {
        let found = facts(&server, "admin");
        ["pg-public-tables", "pg-row-security", "pg-powerful-roles"].map(|it| word(&found, it))
    };
    assert_eq!(words(), ["pass", "pass", "pass"]);
    server.sql("GRANT admin TO bo; GRANT SELECT (ssn) ON visits TO PUBLIC");
    assert_eq!(words(), ["fail", "pass", "fail"]);
    server.sql("REVOKE SELECT (ssn) ON visits FROM PUBLIC; REVOKE admin FROM bo");
    server.sql("CREATE VIEW seen AS SELECT * FROM visits; GRANT SELECT ON seen TO PUBLIC");
    assert_eq!(words(), ["fail", "fail", "pass"]);
    // What holds for whoever asks does not hold for everybody.
    assert_eq!(word(&facts(&server, "admin"), "pg-passwords"), "pass");
    server.sql("ALTER ROLE bo SET password_encryption = 'md5'");
    assert_eq!(word(&facts(&server, "admin"), "pg-passwords"), "not-checked");
}

/// A server that was told to use TLS without a certificate says that it does, and offers none; with
/// one it is what it says.
#[test]
fn tls_that_is_on_and_not_offered_does_not_pass() {
    let Some(server) = Server::start(&[], "host all all 10.0.0.0/8 scram-sha-256") else { return };
    let machine = Machine::This(Places::default());
    let found = || collect("ward", &mut |query| server.ask("admin", query), &machine).unwrap();
    assert_eq!((word(&found(), "pg-tls"), found().offers_tls), ("fail", Known::Seen(false)));
    let reload = || {
        server.sql("SELECT pg_reload_conf()");
        server.sql("SELECT pg_sleep(0.3)");
    };
    server.sql("ALTER SYSTEM SET ssl = on");
    reload();
    let lame = found();
    assert_eq!(lame.settings["ssl"], "on");
    assert_eq!((word(&lame, "pg-tls"), &lame.offers_tls), ("fail", &Known::Seen(false)));
    let rule = rules::find("pg-tls").unwrap();
    let judged = rule.check.judge(&crate::facts::Facts::Postgres(Box::new(lame.clone()))).unwrap();
    assert!(judged[0].outcome.says().contains("offers no TLS"), "{judged:?}");
    // A plan must not ask clients for what they cannot have.
    let file = FactFile::new(0, vec![lame.into()]);
    let planned = plan(&file, Severity::Informational);
    assert!(planned.steps.iter().all(|step| step.rule != "pg-hba-tls"), "{planned:?}");

    server.certify();
    reload();
    assert_eq!((word(&found(), "pg-tls"), found().offers_tls), ("pass", Known::Seen(true)));
}

/// What stands in the file, and what the server goes by, are two things until it is told to read it.
#[test]
fn lines_that_the_server_did_not_take_over_do_not_pass() {
    let Some(server) = Server::start(&[], "local all other trust") else { return };
    let write = |text: &str| {
        let mut file = fs::File::create(server.data().join("pg_hba.conf")).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    };
    assert_eq!(word(&facts(&server, "admin"), "pg-trust"), "fail");
    // The server tells times of files in whole seconds.
    server.sql("SELECT pg_sleep(1.1)");
    write("local all all peer\n");
    assert_eq!(word(&facts(&server, "admin"), "pg-trust"), "not-checked");
    // It is told, and takes over nothing: the administrator still comes in.
    write("local all all peer\nhost nonsense\n");
    server.sql("SELECT pg_reload_conf()");
    server.sql("SELECT pg_sleep(0.3)");
    let found = facts(&server, "admin");
    let rule = rules::find("pg-trust").unwrap();
    let judged = rule.check.judge(&crate::facts::Facts::Postgres(Box::new(found))).unwrap();
    let words: Vec<&str> = judged.iter().map(|judged| judged.outcome.word()).collect();
    assert_eq!(words, ["not-checked", "not-checked"]);
}

/// From version 16 on, what is included counts as the main file does, also when nothing is left of
/// it to show.
#[test]
fn lines_of_included_files_that_the_server_did_not_take_over_do_not_pass() {
    let Some(server) = Server::start_with_includes("") else { return };
    let data = server.data();
    let put = |name: &str, text: &str| {
        let mut file = fs::File::create(data.join(name)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    };
    let says = || word(&facts(&server, "admin"), "pg-anywhere");
    let loaded = || server.ask("admin", "SELECT pg_conf_load_time()::text").unwrap();
    let reload = || {
        let before = loaded();
        server.sql("SELECT pg_reload_conf()");
        let is_new = (0..1_200).any(|_| {
            thread::sleep(Duration::from_millis(50));
            loaded() != before
        });
        assert!(is_new, "the server reads its files again");
        // It tells times of files in whole seconds.
        server.sql("SELECT pg_sleep(1.1)");
    };
    fs::create_dir(data.join("more.d")).unwrap();
    put("more.d/a.conf", "host all all 10.0.0.0/8 scram-sha-256\n");
    let lines = ["local all admin trust", "include_dir more.d", "include_if_exists \"not yet\"\n"];
    put("pg_hba.conf", &lines.join("\n"));
    reload();
    assert_eq!(says(), "pass");
    // Each change once before the server takes it over, and once after.
    put("more.d/a.conf", "host all all 0.0.0.0/0 scram-sha-256\n");
    assert_eq!(says(), "not-checked");
    reload();
    assert_eq!(says(), "fail");
    put("more.d/a.conf", "# nobody\n");
    assert_eq!(says(), "not-checked", "the server still goes by what is gone");
    reload();
    assert_eq!(says(), "pass");
    put("not yet", "include more.d/b\n");
    put("more.d/b", "host all all 0.0.0.0/0 scram-sha-256\n");
    reload();
    assert_eq!(says(), "fail");
    fs::remove_file(data.join("not yet")).unwrap();
    assert_eq!(says(), "not-checked", "what may be missing is gone");
    reload();
    assert_eq!(says(), "pass");
}

/// A server whose files lie in a folder that the kernel encrypts, on a disk that is mounted; then
/// with a tablespace beside that folder.
#[test]
fn all_folders_of_a_server_have_to_lie_on_encrypted_storage() {
    let Some(disk) = Disk::mount() else { return };
    let (secret, clear) = (disk.path().join("secret"), disk.path().join("clear"));
    let Some(server) = Server::start_in(&secret, &[], "") else { return };
    let machine = Machine::This(Places::default());
    let of = |machine: &Machine| {
        let ask = &mut |query| server.ask("admin", query);
        word(&collect("ward", ask, machine).unwrap(), "pg-storage")
    };
    assert_eq!(of(&machine), "pass");
    assert_eq!(of(&Machine::Other), "not-checked");
    let space = clear.join("space");
    fs::create_dir(&space).unwrap();
    let owner = fs::metadata(server.data()).unwrap().uid();
    chown(&space, Some(owner), Some(owner)).unwrap();
    server.sql(&format!("CREATE TABLESPACE fast LOCATION '{}'", space.display()));
    assert_eq!(of(&machine), "fail", "a tablespace lies in the clear");
    server.sql("DROP TABLESPACE fast");
    assert_eq!(of(&machine), "pass");
    // Another cluster at the path that the server names says nothing about this one.
    let other = |query: &'static str| match query {
        super::CLUSTER => Ok("7".to_owned()),
        _ => server.ask("admin", query),
    };
    let found = collect("ward", &mut |query| other(query), &machine).unwrap();
    assert_eq!(word(&found, "pg-storage"), "not-checked");
    assert!(found.hba.seen().unwrap().iter().all(|rule| rule.text.is_none()));
}

#[test]
fn an_answer_that_is_none_is_an_error() {
    for wrong in ["", "{}", "[]", "{\"version\":1}"] {
        let failed = collect("ward", &mut |_| Ok(wrong.to_owned()), &Machine::Other);
        assert_eq!(failed.unwrap_err().code(), "collect-unexpected", "{wrong}");
    }
    let failed = collect("ward", &mut |_| Err("gone".to_owned()), &Machine::Other);
    assert_eq!(failed.unwrap_err().code(), "collect-unreachable");
}
