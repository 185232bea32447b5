//! The database itself: who is trusted, who is let in, and that nothing is written.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use twinkeep_connect::{
    Column, Database, DatabaseError, DatabaseRequest, DatabaseUrl, Newer, Query, Security,
};
use twinkeep_vault::SecretBytes;

use crate::peers::{Authority, PASSWORD, Postgres};

/// A server, and the authority that vouches for it.
struct Site {
    server: Postgres,
    authority: Authority,
    ca: PathBuf,
    dir: tempfile::TempDir,
}

impl Site {
    fn start() -> Option<Self> {
        let authority = Authority::new(30);
        let server = Postgres::start(&authority)?;
        let dir = tempfile::tempdir().unwrap();
        let ca = dir.path().join("ca.pem");
        authority.write(&ca);
        Some(Self { server, authority, ca, dir })
    }

    fn open_at(&self, host: &str, ca: &Path, password: &str) -> Result<Database, DatabaseError> {
        let url = DatabaseUrl::parse(&self.server.url(host)).unwrap();
        let password = SecretBytes::new(password.as_bytes().to_vec());
        let password = (!password.expose().is_empty()).then_some(&password);
        let security = Security::Verified { ca: Some(ca), client: None };
        Database::open(DatabaseRequest { url: &url, password, security, tunnel: None })
    }

    fn open(&self) -> Database {
        self.open_at("localhost", &self.ca, PASSWORD).unwrap()
    }
}

fn query(text: &str) -> Query {
    Query::new(text).unwrap()
}

fn read(database: &mut Database, text: &str, newer: Option<&Newer>) -> String {
    let mut rows = String::new();
    let mut reader = database.copy(&query(text), newer).unwrap();
    reader.read_to_string(&mut rows).unwrap();
    assert_eq!(reader.read(&mut [0; 8]).unwrap(), 0, "the end stays the end");
    rows
}

#[test]
fn only_the_server_that_was_meant_is_trusted() {
    let Some(site) = Site::start() else { return };
    site.open().finish().unwrap();
    let refused = |opened: Result<Database, DatabaseError>| opened.unwrap_err().code();

    let other_ca = site.dir.path().join("other.pem");
    Authority::new(0).write(&other_ca);
    assert_eq!(refused(site.open_at("localhost", &other_ca, PASSWORD)), "tls-untrusted");
    assert_eq!(refused(site.open_at("127.0.0.1", &site.ca, PASSWORD)), "tls-host-name");
    assert_eq!(refused(site.open_at("localhost", &site.ca, "wrong")), "database-login");
    assert_eq!(refused(site.open_at("localhost", &site.ca, "")), "database-login");
    let nothing = site.dir.path().join("no-such.pem");
    assert_eq!(refused(site.open_at("localhost", &nothing, PASSWORD)), "tls-file");

    site.server.present(&site.authority.issue("db.example", 0));
    assert_eq!(refused(site.open_at("localhost", &site.ca, PASSWORD)), "tls-host-name");

    let old = Authority::new(3000);
    old.write(&site.ca);
    site.server.present(&old.issue("localhost", 1000));
    assert_eq!(refused(site.open_at("localhost", &site.ca, PASSWORD)), "tls-expired");

    // Whoever is in between and says "no TLS here" gets nothing.
    site.server.set("ssl", "off");
    assert_eq!(refused(site.open_at("localhost", &site.ca, PASSWORD)), "database-no-tls");
}

#[test]
fn without_tls_only_a_socket_of_this_machine_is_read() {
    let Some(site) = Site::start() else { return };
    let password = SecretBytes::new(PASSWORD.as_bytes().to_vec());
    let open = |url: &str, security| {
        let url = DatabaseUrl::parse(url).unwrap();
        let password = Some(&password);
        Database::open(DatabaseRequest { url: &url, password, security, tunnel: None })
    };
    let network = open(&site.server.url("localhost"), Security::DangerPlaintext);
    assert_eq!(network.unwrap_err().code(), "database-plaintext");

    let dir = site.server.socket_dir().display().to_string().replace('/', "%2F");
    let url = site.server.url(&dir);
    let mut database = open(&url, Security::DangerPlaintext).unwrap();
    assert_eq!(read(&mut database, "SELECT 1 AS one", None), "one\n1\n");
    let verified = open(&url, Security::Verified { ca: Some(&site.ca), client: None });
    assert_eq!(verified.unwrap_err().code(), "database-socket-tls");
}

#[test]
fn a_query_can_only_read() {
    let Some(site) = Site::start() else { return };
    site.server.sql("ward", "CREATE TABLE t AS SELECT 1 AS a; ALTER TABLE t OWNER TO twin");
    site.server.sql(
        "ward",
        "CREATE FUNCTION sly() RETURNS int LANGUAGE sql AS 'DELETE FROM t RETURNING 1'",
    );
    let state = |text: &str| {
        let mut database = site.open();
        let answer = match database.copy(&query(text), None) {
            Ok(mut rows) => {
                let read = rows.read_to_end(&mut Vec::new());
                drop(rows);
                assert!(read.is_err(), "{text}");
                database.finish().unwrap_err()
            }
            Err(error) => error,
        };
        let DatabaseError::Query { answer } = answer else { panic!("{text}: {answer:?}") };
        answer.state
    };
    // Read-only transaction.
    assert_eq!(state("SELECT sly()"), "25006");
    assert_eq!(state("SELECT nextval('x') FROM (SELECT 1) AS a"), "42P01");
    assert_eq!(state("DELETE FROM t RETURNING a"), "25006");
    // One statement, which gives rows, and stays in its frame.
    assert_eq!(state("DROP TABLE t"), "");
    assert_eq!(state("SELECT 1; DELETE FROM t"), "42601");
    assert_eq!(state("SELECT 1) TO PROGRAM 'true' --"), "42601");
    assert_eq!(state("SELECT a FROM t) TO STDOUT; DELETE FROM t; COPY (SELECT 1"), "42601");
    assert_eq!(state("SELECT $1::int"), "");
    assert_eq!(state("SELECT set_config('transaction_read_only', 'off', false)"), "25001");
    assert_eq!(site.server.sql("ward", "SELECT count(*) FROM t"), "1");
}

#[test]
fn an_error_about_a_row_shows_nothing_of_it() {
    let Some(site) = Site::start() else { return };
    site.server.sql("ward", "CREATE TABLE t AS SELECT 'Smith'::text AS a");
    site.server.sql("ward", "GRANT SELECT ON t TO twin");
    let mut database = site.open();
    let mut rows = database.copy(&query("SELECT a::int FROM t"), None).unwrap();
    let said = rows.read_to_end(&mut Vec::new()).unwrap_err();
    drop(rows);
    let error = database.finish().unwrap_err();
    assert_eq!(error.code(), "database-query");
    let shown = format!("{said} {said:?} {error} {error:?}");
    assert!(!shown.contains("Smith"), "{shown}");
    assert!(shown.contains("22P02"), "{shown}");
}

#[test]
fn rows_come_as_text_that_means_the_same_anywhere() {
    let Some(site) = Site::start() else { return };
    site.server.sql("ward", "ALTER DATABASE ward SET TimeZone = 'Asia/Tokyo'");
    site.server.sql("ward", "ALTER ROLE twin SET DateStyle = 'German'");
    let mut database = site.open();
    let rows = read(
        &mut database,
        "SELECT '2026-03-01T10:00:00Z'::timestamptz AS at, NULL::int AS none, \
         'a,\"b\"' AS text, 0.1::float8 + 0.2::float8 AS sum -- the end;",
        None,
    );
    assert_eq!(
        rows,
        "at,none,text,sum\n2026-03-01 10:00:00+00,,\"a,\"\"b\"\"\",0.30000000000000004\n"
    );
    database.finish().unwrap();
}

#[test]
fn only_what_is_newer_is_asked_for() {
    let Some(site) = Site::start() else { return };
    site.server.sql(
        "ward",
        "CREATE TABLE \"Vitals\" (id bigint, \"At\" timestamptz);
         INSERT INTO \"Vitals\" VALUES (1, '2026-01-01 10:00Z'), (2, '2026-01-01 10:55Z'),
         (3, '2026-01-01 11:00Z'), (4, NULL), (5, 'infinity'), (6, now() + interval '3 days');
         GRANT SELECT ON \"Vitals\" TO twin",
    );
    let mut database = site.open();
    let table = Query::table("public.Vitals").unwrap();
    let columns = database.columns(&table).unwrap();
    assert_eq!(columns[0].kind, "bigint");
    let at = columns[1].clone();
    assert_eq!(at, Column { name: "At".to_owned(), kind: "timestamp with time zone".to_owned() });
    // A time that is yet to come hides nothing after it.
    let mark = database.highest(&table, &at).unwrap().unwrap();
    assert_eq!(mark, "2026-01-01 11:00:00+00");
    let ids = |newer: Newer, database: &mut Database| {
        let rows = read(database, table.text(), Some(&newer));
        rows.lines()
            .skip(1)
            .map(|row| row.split(',').next().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let newer = Newer { column: at.clone(), mark: mark.clone(), overlap: None };
    assert_eq!(ids(newer, &mut database), ["2", "3", "5", "6"]);
    let newer = Newer { column: at, mark, overlap: Some("0".to_owned()) };
    assert_eq!(ids(newer, &mut database), ["3", "5", "6"]);
    let id = columns[0].clone();
    assert_eq!(database.highest(&table, &id).unwrap().unwrap(), "6");
    let newer = Newer { column: id, mark: "6".to_owned(), overlap: Some("1".to_owned()) };
    assert_eq!(ids(newer, &mut database), ["5", "6"]);
    assert_eq!(database.tables("public").unwrap(), ["Vitals"]);
}

#[test]
fn a_connection_that_is_cut_is_never_taken_for_the_end() {
    let Some(site) = Site::start() else { return };
    let endless = query("SELECT generate_series(1, 2000000000) AS n");
    let mut database = site.open();
    let mut rows = database.copy(&endless, None).unwrap();
    let mut block = vec![0; 1 << 16];
    rows.read_exact(&mut block).unwrap();
    site.server.sql(
        "ward",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'twin'",
    );
    assert!(std::io::copy(&mut rows, &mut std::io::sink()).is_err());
    drop(rows);
    assert!(["database-cut", "database-query"].contains(&database.finish().unwrap_err().code()));

    site.server.sql("ward", "ALTER ROLE twin SET statement_timeout = '3s'");
    let mut database = site.open();
    let mut rows =
        database.copy(&query("SELECT 1 AS n UNION ALL SELECT 1 FROM pg_sleep(30)"), None).unwrap();
    assert!(rows.read_to_end(&mut Vec::new()).is_err());
    drop(rows);
    assert_eq!(
        database.finish().unwrap_err().to_string(),
        "the database refuses the query: canceling statement due to statement timeout (SQLSTATE 57014)"
    );
}

/// The server waits while we do: two seconds of not reading must not fill our memory.
#[test]
fn memory_does_not_grow_with_the_rows() {
    // Other tests have memory of their own: this one runs in a process of its own.
    if std::env::var_os("TWINKEEP_TEST_ALONE").is_none() {
        let test = "postgres::memory_does_not_grow_with_the_rows";
        let status = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture"])
            .env("TWINKEEP_TEST_ALONE", "1")
            .status();
        assert!(status.unwrap().success());
        return;
    }
    let Some(site) = Site::start() else { return };
    let before = resident();
    let mut database = site.open();
    let wide = "SELECT n, repeat('x', 100) AS text FROM generate_series(1, 1000000) AS n";
    let mut rows = database.copy(&query(wide), None).unwrap();
    rows.read_exact(&mut vec![0; 4096]).unwrap();
    thread::sleep(Duration::from_secs(1));
    let mut size = 4096;
    let mut block = vec![0; 1 << 16];
    let mut most = 0;
    loop {
        match rows.read(&mut block).unwrap() {
            0 => break,
            count => size += count,
        }
        most = most.max(resident());
    }
    drop(rows);
    database.finish().unwrap();
    assert!(100_000_000 < size);
    let grown = most.saturating_sub(before);
    println!("{} MB of rows, {} KiB more memory", size / 1_000_000, grown >> 10);
    assert!(grown < 24 << 20, "memory grew by {} KiB", grown >> 10);
}

/// Resident memory of this process, in bytes.
fn resident() -> usize {
    let text = fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() << 10
}
