//! A database as a source: a real PostgreSQL, a real bastion, the real program.

use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};
use std::{fs, iter};

use serde_json::Value;

use crate::harness::{Place, write};
use crate::peers::{self, Authority, PASSWORD, Postgres, Sshd};

/// A keep, and a database with vital signs that it reads.
struct Ward {
    place: Place,
    server: Postgres,
}

impl Ward {
    fn start() -> Option<Self> {
        let authority = Authority::new(30);
        let server = Postgres::start(&authority)?;
        let place = Place::with_keep();
        authority.write(&place.path("ca.pem"));
        peers::write(&place.path("password"), &format!("{PASSWORD}\n"), 0o600);
        server.sql(
            "ward",
            "CREATE TABLE vitals (subject_id int, time timestamptz, code text,
                 numeric_value float8, updated_at timestamptz);
             INSERT INTO vitals SELECT s, '2026-01-01Z'::timestamptz + h * interval '1 hour', 'HR',
                 60 + s + h, '2026-02-01Z'::timestamptz + (s * 10 + h) * interval '1 minute'
                 FROM generate_series(1, 20) AS s, generate_series(0, 9) AS h;
             GRANT SELECT ON vitals TO twin",
        );
        Some(Self { place, server })
    }

    /// The arguments that read the table.
    fn arguments(&self) -> Vec<String> {
        let mut all = vec!["ingest".to_owned(), self.server.url("localhost")];
        all.extend(
            ["--ca", "ca.pem", "--password-file", "password", "--mapping", "meds-csv"]
                .map(str::to_owned),
        );
        all.extend(["--query", VITALS, "--key-file", "keep.kek"].map(str::to_owned));
        all
    }

    fn ingest(&self, more: &[&str]) -> crate::harness::Ran {
        let arguments = self.arguments();
        let all: Vec<&str> =
            arguments.iter().map(String::as_str).chain(more.iter().copied()).collect();
        self.place.run(&all)
    }

    fn feed_count(&self) -> usize {
        self.place.run(&["feed", "list"]).lines().len()
    }
}

const VITALS: &str = "SELECT subject_id, time, code, numeric_value, updated_at FROM vitals;";

#[test]
fn a_database_is_read_and_only_what_is_new_after_that() {
    let Some(ward) = Ward::start() else { return };
    let since = ["--since-column", "updated_at", "--site", "ward-3"];
    let first = ward.ingest(&since).done();
    assert_eq!((&first["read"], &first["accepted"]), (&Value::from(200), &Value::from(200)));
    assert_eq!(first["subjects"], 20);

    // Ten minutes around the mark come twice: the store keeps them once.
    let again = ward.ingest(&since).done();
    assert_eq!(again["reasons"]["duplicate"], again["read"]);
    assert!(again["read"].as_u64().unwrap() <= 11, "{again}");
    assert_eq!(ward.ingest(&since).done()["nothing_new"], true);

    ward.server.sql(
        "ward",
        "INSERT INTO vitals VALUES (21, '2026-01-02Z', 'HR', 90, '2026-03-01Z'),
                                   (1, '2026-01-03Z', 'HR', 91, '2026-03-01 00:01Z')",
    );
    let newer = ward.ingest(&since).done();
    assert_eq!(newer["events"], 2);
    let sum = ["accepted", "missing", "quarantined"].map(|name| newer[name].as_u64().unwrap());
    assert_eq!(newer["read"].as_u64().unwrap(), sum.iter().sum::<u64>());
    let shown = ward.place.run(&["twin", "show", "ward-3/21"]).done();
    assert_eq!(shown["event_count"].as_u64().or(shown["events"].as_u64()), Some(1), "{shown}");
    ward.place.run(&["ledger", "verify"]).done();

    // No mark shows in the clear.
    let needle = b"2026-03-01 00:01";
    for path in ward.place.files("keep") {
        let bytes = fs::read(&path).unwrap();
        assert!(!bytes.windows(needle.len()).any(|window| window == needle), "{}", path.display());
    }
}

#[test]
fn a_reading_that_is_cut_stores_nothing_and_moves_no_mark() {
    let Some(ward) = Ward::start() else { return };
    ward.server.sql("ward", "ALTER ROLE twin SET statement_timeout = '700ms'");
    // The last row takes too long: what came before it must not count.
    let slow =
        "SELECT *, pg_sleep(CASE WHEN subject_id = 20 THEN 5 ELSE 0 END)::text AS nap FROM vitals";
    let mut arguments = ward.arguments();
    let at = arguments.iter().position(|argument| argument == VITALS).unwrap();
    arguments[at] = slow.to_owned();
    arguments.extend(["--since-column".to_owned(), "updated_at".to_owned()]);
    let all: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let ran = ward.place.run(&all);
    assert_eq!((ran.refused().as_str(), ran.code), ("database-query", 1), "{}", ran.stderr);
    assert!(ran.stderr.contains("57014"), "{}", ran.stderr);
    assert_eq!(ward.feed_count(), 0);

    ward.server.sql("ward", "ALTER ROLE twin RESET statement_timeout");
    arguments[at] = VITALS.to_owned();
    let all: Vec<&str> = arguments.iter().map(String::as_str).collect();
    assert_eq!(ward.place.run(&all).done()["events"], 200);
}

#[test]
fn a_password_has_four_ways_in_and_none_through_the_url() {
    let Some(ward) = Ward::start() else { return };
    let url = ward.server.url("localhost");
    let with = url.replace("twin@", "twin:hunter2@");
    let ran = ward.place.run(&["ingest", &with, "--table", "vitals"]);
    assert_eq!((ran.refused().as_str(), ran.code), ("database-url-password", 2));
    assert!(!ran.stderr.contains("hunter2"), "{}", ran.stderr);
    assert!(ran.stderr.contains("--password-file"), "{}", ran.stderr);

    let port = ward.server.port;
    let escaped = PASSWORD.replace('\\', "\\\\").replace(':', "\\:");
    peers::write(
        &ward.place.path("pgpass"),
        &format!("localhost:{port}:ward:twin:{escaped}"),
        0o600,
    );
    let base = ["ingest", &url, "--ca", "ca.pem", "--table", "vitals", "--mapping", "meds-csv"];
    let run = |name: &str, value: &str| {
        let mut command = ward.place.command(&base);
        command.args(["--key-file", "keep.kek", "--json"]);
        command.env_remove("PGPASSWORD").env_remove("HOME").env(name, value);
        command.output().unwrap()
    };
    let wrong = run("PGPASSWORD", "wrong");
    assert_eq!(wrong.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("database-login"));
    let file = ward.place.path("pgpass").display().to_string();
    let by_file = run("PGPASSFILE", &file);
    assert!(by_file.status.success(), "{}", String::from_utf8_lossy(&by_file.stderr));
    // The same rows again are refused, as those of a file are.
    let again = run("PGPASSWORD", PASSWORD);
    assert!(
        String::from_utf8_lossy(&again.stderr).contains("feed-already-ingested"),
        "{}",
        String::from_utf8_lossy(&again.stderr)
    );
    peers::write(&ward.place.path("pgpass"), "x", 0o644);
    let open = run("PGPASSFILE", &file);
    assert!(String::from_utf8_lossy(&open.stderr).contains("password-file"));
}

#[test]
fn a_named_source_goes_through_its_bastion() {
    let Some(ward) = Ward::start() else { return };
    let Some(bastion) = Sshd::start("") else { return };
    let config = ward.place.path("keep/twinkeep.toml");
    let mut text = fs::read_to_string(&config).unwrap();
    text.push_str(&format!(
        "\n[source.ward]\nurl = \"{}\"\ntables = [\"public.vitals\"]\nmapping = \"meds-csv\"\n\
         site = \"ward-3\"\nsince_column = \"updated_at\"\nca = \"../ca.pem\"\n\
         password_file = \"../password\"\nssh = \"{}\"\nssh_known_hosts = \"{}\"\n\
         ssh_identity = \"{}\"\n",
        ward.server.url("localhost"),
        bastion.target(),
        bastion.file("known").display(),
        bastion.file("client").display(),
    ));
    write(&config, text.as_bytes());
    let report = ward.place.run(&["ingest", "source:ward"]).done();
    assert_eq!(report["events"], 200);
    let other = ward.place.run(&["ingest", "source:wrad"]);
    assert_eq!((other.refused().as_str(), other.code), ("source-unknown", 2));
    let more = ward.place.run(&["ingest", "source:ward", "--table", "x"]);
    assert_eq!(more.refused(), "source-options");

    write(
        &config,
        text.replace(
            &bastion.file("known").display().to_string(),
            &bastion.forged_known_hosts().display().to_string(),
        )
        .as_bytes(),
    );
    let forged = ward.place.run(&["ingest", "source:ward"]);
    assert_eq!((forged.refused().as_str(), forged.code), ("tunnel-host-key", 1));
}

/// `kill -9` leaves no tunnel behind: `ssh` sees that we are gone.
#[test]
fn a_program_that_is_killed_leaves_no_tunnel() {
    let Some(ward) = Ward::start() else { return };
    let Some(bastion) = Sshd::start("") else { return };
    let known = bastion.file("known").display().to_string();
    let identity = bastion.file("client").display().to_string();
    let mut arguments = ward.arguments();
    let at = arguments.iter().position(|argument| argument == VITALS).unwrap();
    arguments[at] = "SELECT * FROM vitals, generate_series(1, 100000000)".to_owned();
    let target = bastion.target();
    let ssh = ["--ssh", &target, "--ssh-known-hosts", &known, "--ssh-identity", &identity];
    let all: Vec<&str> = arguments.iter().map(String::as_str).chain(ssh).collect();
    let mut child =
        ward.place.command(&all).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let tunnel = wait(|| ssh_with(&known).into_iter().next());
    thread::sleep(Duration::from_millis(500));
    child.kill().unwrap();
    child.wait().unwrap();
    wait(|| (!ssh_with(&known).contains(&tunnel)).then_some(()));
    assert_eq!(ward.feed_count(), 0);
}

#[test]
fn options_of_databases_are_refused_for_files() {
    let place = Place::with_keep();
    place.synth("feed.tar.gz", 2, 0, 1);
    let ran = place.run(&["ingest", "feed.tar.gz", "--ca", "ca.pem"]);
    assert_eq!((ran.refused().as_str(), ran.code), ("database-options", 2));
}

#[test]
fn an_omop_schema_is_read_by_the_tables_that_its_mapping_knows() {
    let Some(ward) = Ward::start() else { return };
    ward.server.sql(
        "ward",
        "CREATE SCHEMA cdm;
         CREATE TABLE cdm.concept (concept_id int, concept_name text, vocabulary_id text, concept_code text);
         INSERT INTO cdm.concept VALUES (3027018, 'Heart rate', 'LOINC', '8867-4'), (8507, 'Male', 'Gender', 'M');
         CREATE TABLE cdm.person (person_id int, gender_concept_id int, year_of_birth int,
             month_of_birth int, day_of_birth int, race_concept_id int, ethnicity_concept_id int);
         INSERT INTO cdm.person VALUES (7, 8507, 1950, 2, 3, 0, 0);
         CREATE TABLE cdm.measurement (measurement_id int, person_id int, measurement_concept_id int,
             measurement_date date, measurement_datetime timestamp, value_as_number float8,
             value_as_concept_id int, unit_concept_id int, measurement_source_value text,
             measurement_source_concept_id int,
             unit_source_value text, value_source_value text);
         INSERT INTO cdm.measurement VALUES
             (1, 7, 3027018, '2026-01-01', '2026-01-01 10:00', 71, 0, 0, 'hr', 0, '', '71'),
             (2, 7, 3027018, '2026-01-01', '2026-01-01 11:00', 72, 0, 0, 'hr', 0, '', '72');
         CREATE TABLE cdm.secret_notes AS SELECT 1 AS a;
         GRANT USAGE ON SCHEMA cdm TO twin;
         GRANT SELECT ON cdm.concept, cdm.person, cdm.measurement TO twin",
    );
    let url = ward.server.url("localhost");
    let run = |more: &[&str]| {
        let all: Vec<&str> = ["ingest", &url, "--ca", "ca.pem", "--password-file", "password"]
            .into_iter()
            .chain(more.iter().copied())
            .chain(iter::once("--key-file"))
            .chain(iter::once("keep.kek"))
            .collect();
        ward.place.run(&all)
    };
    assert_eq!(run(&["--schema", "cdm"]).refused(), "database-schema-mapping");
    let empty = run(&["--schema", "cmd", "--mapping", "omop-5.4"]);
    assert_eq!(empty.refused(), "database-schema-empty");
    let report = run(&["--schema", "cdm", "--mapping", "omop-5.4"]).done();
    assert_eq!(report["subjects"], 1, "{report}");
    assert!(2 <= report["accepted"].as_u64().unwrap(), "{report}");
}

/// The processes of `ssh` with this text among their arguments.
fn ssh_with(text: &str) -> Vec<String> {
    let names = fs::read_dir("/proc").unwrap().flatten();
    names
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
        .filter(|pid| {
            let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            command.starts_with(b"ssh\0") && String::from_utf8_lossy(&command).contains(text)
        })
        .collect()
}

fn wait<T>(mut until: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = until() {
            return found;
        }
        assert!(begun.elapsed() < Duration::from_secs(120), "this does not happen");
        thread::sleep(Duration::from_millis(50));
    }
}
