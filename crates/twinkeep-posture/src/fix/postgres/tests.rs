//! Tests of fixing a real PostgreSQL, and of giving back how it was.

use std::cell::RefCell;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::{Duration, Instant};

use super::{DatabaseServer, Parameter};
use crate::baseline::Baseline;
use crate::collect::host::Places;
use crate::collect::host::testing::skipped;
use crate::collect::postgres::testing::{Server, Session};
use crate::collect::postgres::{Machine, collect};
use crate::facts::postgres::Postgres;
use crate::facts::{FactFile, Facts};
use crate::fix::{
    Change, FixError, Journal, Plan, Services, State, Step, apply_in, plan, rollback_in, verify,
};
use crate::outcome::Severity;
use crate::scan::judge;

/// A server as its administrator reaches it.
#[derive(Debug)]
struct Admin<'a> {
    server: &'a Server,
    session: RefCell<Session>,
}

impl<'a> Admin<'a> {
    fn of(server: &'a Server) -> Admin<'a> {
        Admin { server, session: RefCell::new(server.session("admin")) }
    }
}

impl DatabaseServer for Admin<'_> {
    fn place(&self) -> &str {
        "ward"
    }

    fn ask(&self, query: &str) -> Result<String, String> {
        self.session.borrow_mut().ask(query)
    }

    fn run(&self, statement: &str) -> Result<(), String> {
        self.ask(statement).map(|_| ())
    }

    fn ask_anew(&self, query: &str) -> Result<String, String> {
        self.server.ask("admin", query)
    }
}

fn facts(server: &Server) -> Postgres {
    let machine = Machine::This(Places::default());
    collect("ward", &mut |query| server.ask("admin", query), &machine).unwrap()
}

fn planned(server: &Server) -> Plan {
    let planned = plan(&FactFile::new(0, vec![Facts::from(facts(server))]), Severity::Low);
    // It is a file in between.
    Plan::parse("plan", &serde_json::to_vec(&planned).unwrap()).unwrap()
}

/// What each step of a plan comes to in a new scan.
fn verified(server: &Server, planned: &Plan) -> Vec<(String, &'static str)> {
    let file = FactFile::new(0, vec![Facts::from(facts(server))]);
    let found = verify(planned, &judge(&file, None, &Baseline::default()));
    found.into_iter().map(|it| (it.rule, it.outcome.word())).collect()
}

fn services<'a>(server: &'a Admin<'_>) -> Services<'a> {
    Services { postgres: Some(server), ..Services::default() }
}

fn hba(server: &Server) -> String {
    fs::read_to_string(server.data().join("pg_hba.conf")).unwrap()
}

/// Altered settings, and the file of rules, with its owner and mode.
fn state(server: &Server) -> (String, String, u32, u32) {
    let metadata = fs::metadata(server.data().join("pg_hba.conf")).unwrap();
    let altered = server.ask("admin", super::ALTERED).unwrap();
    (altered, hba(server), metadata.uid(), metadata.mode())
}

/// A server with a certificate, and nothing else as it should be.
fn careless() -> Option<Server> {
    let rules = "local ward app password\nhost ward twin 10.0.0.0/8 md5\n\
        host ward twin 10.1.0.0 255.255.0.0 trust # old\nhost all all 127.0.0.1/32 md5\n\
        host ward twin 10.2.0.0/16 ldap ldapserver=a ldapprefix=b";
    let server = Server::start(&[], rules)?;
    server.certify();
    server.sql("ALTER SYSTEM SET ssl_min_protocol_version = 'TLSv1.1'");
    server.sql("ALTER SYSTEM SET password_encryption = 'MD5'");
    server.sql("ALTER SYSTEM SET log_connections = no");
    server.sql("SELECT pg_reload_conf()");
    server.sql(
        "SELECT pg_sleep(0.2); SET password_encryption = 'scram-sha-256'; \
        CREATE ROLE twin LOGIN PASSWORD 'a'; CREATE ROLE app LOGIN PASSWORD 'a'",
    );
    Some(server)
}

#[test]
fn a_server_is_repaired_by_plans_and_given_back_as_it_was() {
    let Some(server) = careless() else { return };
    let before = state(&server);
    let folder = tempfile::tempdir().unwrap();
    let admin = Admin::of(&server);

    // TLS comes last: a server may refuse it, and what needs it is planned once it is there.
    let first = planned(&server);
    let rules: Vec<&str> = first.steps.iter().map(|step| step.rule.as_str()).collect();
    let settings = ["pg-log-connections", "pg-log-connections", "pg-passwords"];
    let lines = ["pg-hba-method", "pg-hba-method", "pg-hba-method", "pg-trust"];
    assert_eq!(rules, [&settings[..], &lines, &["pg-tls"]].concat(), "{:?}", first.by_hand);
    let says: Vec<String> = first.steps.iter().map(|step| step.change.says()).collect();
    assert_eq!(says[7], "ALTER SYSTEM SET ssl = E'on' at ward");
    assert!(says[3].ends_with(":2: local ward app password -> local ward app scram-sha-256"));
    let journals = [folder.path().join("first"), folder.path().join("second")];
    let done = apply_in(services(&admin), &first, &journals[0]).unwrap();
    assert!(done.steps.iter().all(|step| step.state == State::Done));
    assert!(verified(&server, &first).iter().all(|(_, word)| *word == "pass"));
    assert_eq!(apply_in(services(&admin), &first, &journals[0]).unwrap(), done);

    let second = planned(&server);
    let rules: Vec<&str> = second.steps.iter().map(|step| step.rule.as_str()).collect();
    assert_eq!(rules, ["pg-tls-version", "pg-hba-tls", "pg-hba-tls"]);
    // The administrator of the test has no password, and an option may be a secret.
    let by_hand: Vec<(&str, &str)> =
        second.by_hand.iter().map(|it| (it.rule.as_str(), it.resource.as_str())).collect();
    assert!(by_hand.contains(&("pg-trust", "ward hba line 1")), "{by_hand:?}");
    assert!(by_hand.contains(&("pg-hba-tls", "ward hba line 6")), "{by_hand:?}");
    apply_in(services(&admin), &second, &journals[1]).unwrap();
    let open = verified(&server, &second);
    assert!(open.iter().all(|(_, word)| *word == "pass"), "{open:?}");
    let after = hba(&server);
    assert!(after.contains("hostssl ward twin 10.0.0.0/8 scram-sha-256\n"), "{after}");
    let kept = "hostssl ward twin 10.1.0.0 255.255.0.0 scram-sha-256 # old\n";
    assert!(after.contains(kept), "{after}");

    for journal in journals.iter().rev() {
        let undone = rollback_in(services(&admin), journal).unwrap();
        assert!(undone.steps.iter().all(|step| step.state == State::Undone));
        assert_eq!(rollback_in(services(&admin), journal).unwrap(), undone);
    }
    assert_eq!(state(&server), before);
    assert!(verified(&server, &first).iter().all(|(_, word)| *word == "fail"));
    // What holds is what stands there.
    assert_eq!(server.ask("admin", "SHOW password_encryption").unwrap().trim(), "md5");
}

#[test]
fn tls_without_a_certificate_is_taken_back_at_once() {
    let Some(server) = Server::start(&[], "") else { return };
    let admin = Admin::of(&server);
    let folder = tempfile::tempdir().unwrap();
    let mut only = planned(&server);
    only.steps.retain(|step| step.rule == "pg-tls");
    assert_eq!(only.steps.len(), 1);
    let failed = apply_in(services(&admin), &only, &folder.path().join("journal")).unwrap_err();
    assert!(matches!(&failed, FixError::Refused { says, .. } if says.contains("certificate")));
    // Otherwise it would never start again.
    assert_eq!(server.ask("admin", super::ALTERED).unwrap().trim(), "{}");
    assert_eq!(server.ask("admin", "SHOW ssl").unwrap().trim(), "off");
}

fn one(change: Change) -> Plan {
    let step = Step { rule: "a-rule".into(), resource: "it".into(), change };
    let (format, steps) = ("twinkeep-plan/1".into(), vec![step]);
    Plan { format, taken_us: 0, steps, also: Vec::new(), by_hand: Vec::new() }
}

fn edit(server: &Server, line: u32, from: &str, to: &str) -> Change {
    Change::EditHba {
        server: "ward".into(),
        path: server.data().join("pg_hba.conf").display().to_string(),
        line,
        from: from.into(),
        to: to.into(),
    }
}

#[test]
fn a_line_that_locks_out_whoever_writes_it_is_taken_back_at_once() {
    let Some(server) = Server::start(&[], "local all other trust") else { return };
    let admin = Admin::of(&server);
    let before = hba(&server);
    let folder = tempfile::tempdir().unwrap();
    let mut number = 0;
    let mut refused = |change| {
        number += 1;
        let journal = folder.path().join(format!("journal-{number}"));
        let failed = apply_in(services(&admin), &one(change), &journal).unwrap_err();
        assert!(matches!(failed, FixError::Refused { .. }), "{failed:?}");
        assert_eq!(hba(&server), before, "{failed}");
        let begun = Instant::now();
        while server.ask("admin", "SELECT 1").is_err() {
            assert!(begun.elapsed() < Duration::from_secs(120), "{failed}");
        }
        failed.to_string()
    };
    let mine = "local all admin trust";
    refused(edit(&server, 1, mine, "local all admin reject"));
    let unread = refused(edit(&server, 1, mine, "local all admin no-such-method"));
    assert!(unread.contains("line 1"), "{unread}");
    // A plan from elsewhere writes one line, and nothing below it.
    refused(edit(&server, 2, "local all other trust", "local all other trust\nlocal all x trust"));
    refused(edit(&server, 2, "local all other trust", "# local all other trust"));
}

#[test]
fn only_files_that_the_server_reads_are_written() {
    let Some(server) = Server::start(&[], "") else { return };
    let admin = Admin::of(&server);
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("pg_hba.conf");
    let text = "local all admin trust\n";
    fs::File::create(&other).unwrap().write_all(text.as_bytes()).unwrap();
    let (from, to) = ("local all admin trust", "local all admin peer");
    let Change::EditHba { server: name, line, from, to, .. } = edit(&server, 1, from, to) else {
        return;
    };
    let path = other.display().to_string();
    let change = Change::EditHba { server: name, path, line, from, to };
    let journal = folder.path().join("journal");
    let failed = apply_in(services(&admin), &one(change.clone()), &journal).unwrap_err();
    assert!(failed.to_string().contains("no rule there"), "{failed}");
    assert_eq!(fs::read_to_string(&other).unwrap(), text);

    // Without a server, and for another one, nothing is done.
    for change in [
        change,
        Change::SetParameter {
            server: "postgres://admin@other/ward".into(),
            parameter: Parameter::Ssl,
            from: None,
            to: Some("off".into()),
        },
    ] {
        let journal = folder.path().join("other");
        let failed = apply_in(Services::default(), &one(change.clone()), &journal).unwrap_err();
        assert!(failed.to_string().contains("no database server was given"), "{failed}");
    }
}

#[test]
fn what_somebody_changed_after_the_plan_is_not_written_over() {
    let Some(server) = Server::start(&[], "host all all 127.0.0.1/32 md5") else { return };
    let admin = Admin::of(&server);
    let folder = tempfile::tempdir().unwrap();
    let made = planned(&server);
    server.sql("ALTER SYSTEM SET log_connections = 'off'");
    let failed = apply_in(services(&admin), &made, &folder.path().join("journal")).unwrap_err();
    assert!(matches!(failed, FixError::Changed { .. }), "{failed}");
    let line = edit(&server, 2, "host all all 127.0.0.1/32 password", "local all all peer");
    let failed = apply_in(services(&admin), &one(line), &folder.path().join("other")).unwrap_err();
    assert!(matches!(failed, FixError::Changed { .. }), "{failed}");
}

/// A crash right after the change was written, and before the server was told to read it.
#[test]
fn wherever_it_is_killed_it_can_be_finished_or_undone() {
    let Some(server) = Server::start(&[], "local all other trust") else { return };
    let admin = Admin::of(&server);
    let folder = tempfile::tempdir().unwrap();
    let changes = [
        Change::SetParameter {
            server: "ward".into(),
            parameter: Parameter::LogDisconnections,
            from: None,
            to: Some("on".into()),
        },
        edit(&server, 2, "local all other trust", "local all other reject"),
    ];
    let before = state(&server);
    for (number, change) in changes.into_iter().enumerate() {
        for finish in [true, false] {
            let made = one(change.clone());
            let journal = folder.path().join(format!("journal-{number}-{finish}"));
            let (step, inverse) = (made.steps[0].clone(), change.inverse());
            let begun = super::super::JournalStep { step, inverse, state: State::Begun };
            let begun = Journal { format: "twinkeep-fix-journal/1".into(), steps: vec![begun] };
            let text = serde_json::to_vec(&begun).unwrap();
            super::super::files::write_private(&journal, &text).unwrap();
            match &change {
                Change::EditHba { path, .. } => {
                    let text = hba(&server).replace("other trust", "other reject");
                    super::rewrite(path, &text).unwrap();
                }
                _ => server.sql("ALTER SYSTEM SET log_disconnections = 'on'"),
            }
            if finish {
                apply_in(services(&admin), &made, &journal).unwrap();
                let holds = match &change {
                    Change::EditHba { .. } => server.ask("other", "SELECT 1").is_err(),
                    _ => server.ask("admin", "SHOW log_disconnections").unwrap().trim() == "on",
                };
                assert!(holds, "the server was told: {change:?}");
            }
            rollback_in(services(&admin), &journal).unwrap();
            assert_eq!(state(&server), before);
        }
    }
}

#[test]
fn a_setting_that_the_command_line_has_is_left_to_people() {
    let Some(server) = Server::start(&["password_encryption=md5"], "") else { return };
    let made = planned(&server);
    assert!(made.steps.iter().all(|step| step.rule != "pg-passwords"), "{made:?}");
    let hand = |it: &crate::fix::ByHand| it.rule == "pg-passwords" && it.resource == "ward";
    assert!(made.by_hand.iter().any(hand), "{:?}", made.by_hand);
}

/// The library of `pgaudit` for the version of the server that is installed; `.ci/peers.sh`
/// unpacks it. In a folder that the server's user can read.
fn pgaudit() -> Option<tempfile::TempDir> {
    let peer =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/peers/pgaudit/usr/lib/postgresql");
    let mut found: Vec<_> = fs::read_dir(peer).ok()?.flatten().map(|it| it.path()).collect();
    found.sort();
    let folder = tempfile::Builder::new().prefix("pgaudit").tempdir_in("/tmp").unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::copy(found.pop()?.join("lib/pgaudit.so"), folder.path().join("pgaudit.so")).ok()?;
    Some(folder)
}

#[test]
fn pgaudit_records_reads_once_a_plan_was_applied() {
    let Some(library) = pgaudit() else {
        skipped("pgaudit is not unpacked (.ci/peers.sh)");
        return;
    };
    let path = format!("dynamic_library_path={}:$libdir", library.path().display());
    let settings = ["shared_preload_libraries=pgaudit", &path, "logging_collector=on"];
    let settings = [&settings[..], &["log_directory=log", "log_filename=all.log"]].concat();
    let Some(server) = Server::start(&settings, "") else { return };
    let admin = Admin::of(&server);
    let folder = tempfile::tempdir().unwrap();
    server.sql("CREATE TABLE visits (id int)");
    let reads = || {
        server.sql("SELECT * FROM visits");
        let log = fs::read_to_string(server.data().join("log/all.log")).unwrap();
        log.lines()
            .filter(|line| line.contains("AUDIT: ") && line.contains(",READ,SELECT,"))
            .count()
    };
    let mut only = planned(&server);
    only.steps.retain(|step| step.rule == "pg-audit");
    assert_eq!(only.steps.len(), 1);
    assert_eq!((verified(&server, &only)[0].1, reads()), ("fail", 0));
    let journal = folder.path().join("journal");
    apply_in(services(&admin), &only, &journal).unwrap();
    assert_eq!(verified(&server, &only)[0].1, "pass");
    let begun = Instant::now();
    // Another process writes the log.
    while reads() == 0 {
        assert!(begun.elapsed() < Duration::from_secs(120), "nothing is recorded");
    }
    rollback_in(services(&admin), &journal).unwrap();
    assert_eq!(verified(&server, &only)[0].1, "fail");

    // Without the library, people have to load it.
    let Some(bare) = Server::start(&[], "") else { return };
    let made = planned(&bare);
    assert!(made.by_hand.iter().any(|it| it.rule == "pg-audit"), "{:?}", made.by_hand);
}

#[test]
fn a_value_cannot_reach_out_of_its_statement() {
    let to = Some("a\\'; DROP TABLE visits; --\n".to_owned());
    let statement = super::statement(Parameter::Ssl, &to);
    assert_eq!(statement, "ALTER SYSTEM SET ssl = E'a\\\\''; DROP TABLE visits; --'");
}
