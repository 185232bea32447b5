//! The catalog: SQLite with a fixed schema, and columns that are sealed.
//!
//! Write-ahead log, `synchronous=FULL`: a transaction that was committed survives a power cut.
//! A sealed value is bound to its table, column, and row, so that moving it elsewhere is noticed.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use twinkeep_domain::Timestamp;
use twinkeep_vault::{Purpose, SecretBytes, SecretKey, open, seal};

use crate::StoreError;
use crate::error::catalog;
use crate::rows::{DIGESTED, Rows};

/// Opens the catalog's file, which exists.
pub(crate) fn connect(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(catalog("open"))?;
    wait_for_others(&mut connection)?;
    connection.execute_batch(PRAGMAS).map_err(catalog("open"))?;
    // A trigger that was planted must not write with the hand of whoever has the key.
    for dangerous in
        [DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW]
    {
        connection.set_db_config(dangerous, false).map_err(catalog("open"))?;
    }
    Ok(connection)
}

/// Has a connection wait while another one writes. SQLite's own waiting asks ten times a second:
/// where a sync takes long, and somebody writes one transaction after the other, it would meet none
/// of the moments in between, which are shorter than a millisecond.
pub(crate) fn wait_for_others(connection: &mut Connection) -> Result<(), StoreError> {
    let mut begun = Instant::now();
    let wait = move |tries: i32| {
        if tries == 0 {
            begun = Instant::now();
        }
        thread::sleep(Duration::from_millis(1));
        begun.elapsed() < BUSY_TIME_MAX
    };
    connection.busy_handler(Some(wait)).map_err(catalog("open"))
}

/// Opens a copy of a catalog, to look at it only.
pub(crate) fn connect_read_only(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(path, flags).map_err(catalog("open"))
}

/// Makes the tables.
pub(crate) fn create(connection: &Connection, root: &SecretKey) -> Result<(), StoreError> {
    let cannot = catalog("create the tables");
    connection.execute_batch(SCHEMA).map_err(&cannot)?;
    let check = Columns::new(root).seal("store", "key_check", 1, KEY_CHECK);
    connection
        .execute(
            "INSERT INTO store (id, schema_version, epoch, key_check) VALUES (1, ?1, 0, ?2)",
            (SCHEMA_VERSION, check),
        )
        .map_err(cannot)?;
    Rows::new(root).seal_tables(connection, &DIGESTED)
}

/// Compares the catalog with this program and with the key, and verifies its rows.
pub(crate) fn check(connection: &Connection, root: &SecretKey) -> Result<(), StoreError> {
    let row = "SELECT schema_version, key_check FROM store";
    let (found, check): (i64, Vec<u8>) = connection
        .query_row(row, [], |row| Ok((row.get(0)?, row.get(1)?)))
        .map_err(catalog("read the version"))?;
    if found != SCHEMA_VERSION {
        return Err(StoreError::SchemaVersion { found, known: SCHEMA_VERSION });
    }
    let opened = Columns::new(root).open("store", "key_check", 1, &check);
    match opened {
        Ok(text) if text.expose() == KEY_CHECK => {}
        _ => return Err(StoreError::WrongKey),
    }
    let pristine = Connection::open_in_memory().map_err(catalog("open"))?;
    pristine.execute_batch(SCHEMA).map_err(catalog("open"))?;
    if schema(connection)? != schema(&pristine)? {
        return Err(StoreError::RowChanged { table: "sqlite_schema" });
    }
    Rows::new(root).check_all(connection)
}

/// Returns the text of everything that was ever created.
fn schema(connection: &Connection) -> Result<Vec<(String, Option<String>)>, StoreError> {
    let cannot = catalog("read the schema");
    let mut statement =
        connection.prepare("SELECT name, sql FROM sqlite_schema ORDER BY name").map_err(&cannot)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).map_err(&cannot)?;
    rows.collect::<Result<_, _>>().map_err(cannot)
}

/// Seals and opens values of the catalog.
pub(crate) struct Columns(SecretKey);

impl Columns {
    pub(crate) fn new(root: &SecretKey) -> Self {
        Self(root.derive(Purpose::CatalogColumn, b""))
    }

    /// For what is kept about one subject: it is gone when the subject's key is destroyed.
    pub(crate) fn of_subject(key: &SecretKey) -> Self {
        Self(key.clone())
    }

    pub(crate) fn seal(&self, table: &str, column: &str, row: i64, value: &[u8]) -> Vec<u8> {
        seal(&self.0, Purpose::CatalogColumn, context(table, column, row).as_bytes(), value)
    }

    pub(crate) fn open(
        &self,
        table: &'static str,
        column: &str,
        row: i64,
        sealed: &[u8],
    ) -> Result<SecretBytes, StoreError> {
        open(&self.0, Purpose::CatalogColumn, context(table, column, row).as_bytes(), sealed)
            .map_err(|source| StoreError::Sealed { table, source })
    }

    /// Opens a sealed text.
    pub(crate) fn open_text(
        &self,
        table: &'static str,
        column: &str,
        row: i64,
        sealed: &[u8],
    ) -> Result<String, StoreError> {
        let bytes = self.open(table, column, row, sealed)?;
        Ok(String::from_utf8_lossy(bytes.expose()).into_owned())
    }
}

fn context(table: &str, column: &str, row: i64) -> String {
    format!("{table}/{column}/{row}")
}

/// Reads a time that may be absent.
pub(crate) fn time(micros: Option<i64>) -> Option<Timestamp> {
    micros.map(Timestamp::from_micros)
}

/// Raised when a table changes; a migration comes with it.
pub(crate) const SCHEMA_VERSION: i64 = 4;

const KEY_CHECK: &[u8] = b"twinkeep event store";

/// How long to wait for the transactions of others; each takes milliseconds, and a sync of a slow
/// disk now and then seconds.
const BUSY_TIME_MAX: Duration = Duration::from_secs(60);

const PRAGMAS: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA foreign_keys = ON;
    PRAGMA secure_delete = ON;
    PRAGMA temp_store = MEMORY;
    PRAGMA trusted_schema = OFF;
";

/// Sealed columns are marked; everything else may be read by whoever has the disk.
///
/// Opening compares this text with what the catalog says: any change to it, even of a comment,
/// is a new [`SCHEMA_VERSION`].
const SCHEMA: &str = "
    CREATE TABLE store (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        schema_version INTEGER NOT NULL,
        epoch INTEGER NOT NULL,
        key_check BLOB NOT NULL, -- sealed
        subject_count INTEGER NOT NULL DEFAULT 0,
        senders BLOB NOT NULL DEFAULT x'', -- digests of the MACs of a table
        feeds BLOB NOT NULL DEFAULT x'',
        quarantine BLOB NOT NULL DEFAULT x'',
        shards BLOB NOT NULL DEFAULT x'',
        api_keys BLOB NOT NULL DEFAULT x'',
        settings BLOB NOT NULL DEFAULT x'',
        releases BLOB NOT NULL DEFAULT x'',
        live_count INTEGER NOT NULL DEFAULT 0,
        live_last INTEGER NOT NULL DEFAULT 0, -- the highest number of a row so far
        live_set BLOB NOT NULL DEFAULT (zeroblob(32)), -- keyed sum of the rows
        doomed BLOB NOT NULL DEFAULT x'',
        erasures BLOB NOT NULL DEFAULT x'',
        consents BLOB NOT NULL DEFAULT x'',
        incidents BLOB NOT NULL DEFAULT x'',
        mac BLOB NOT NULL DEFAULT x''
    ) STRICT;

    CREATE TABLE senders (
        id INTEGER PRIMARY KEY,
        key_id TEXT NOT NULL UNIQUE,
        identity TEXT NOT NULL,
        added_at INTEGER NOT NULL,
        revoked_at INTEGER,
        last_sequence INTEGER,
        last_manifest BLOB,
        mac BLOB NOT NULL DEFAULT x''
    ) STRICT;

    CREATE TABLE feeds (
        id INTEGER PRIMARY KEY,
        content BLOB NOT NULL UNIQUE, -- keyed digest: a stolen disk confirms no guess
        source BLOB NOT NULL, -- sealed
        site TEXT NOT NULL,
        ingested_at INTEGER NOT NULL,
        sender INTEGER REFERENCES senders (id),
        sequence INTEGER,
        rows_read INTEGER NOT NULL,
        rows_accepted INTEGER NOT NULL,
        rows_missing INTEGER NOT NULL,
        rows_quarantined INTEGER NOT NULL,
        replayed INTEGER REFERENCES feeds (id), -- whose refused rows these are
        state TEXT NOT NULL CHECK (state IN ('admitted', 'held', 'rejected')),
        reasons BLOB NOT NULL, -- sealed: why it was held
        decision BLOB NOT NULL, -- sealed: why it was released or rejected
        decided_at INTEGER,
        profile INTEGER NOT NULL, -- whether there is one
        staged BLOB NOT NULL, -- digest of the MACs of its rows in staged
        mac BLOB NOT NULL DEFAULT x'',
        UNIQUE (sender, sequence)
    ) STRICT;

    CREATE TABLE profiles (
        feed INTEGER PRIMARY KEY REFERENCES feeds (id),
        profile BLOB NOT NULL, -- sealed
        mac BLOB NOT NULL DEFAULT x''
    ) STRICT;

    CREATE TABLE quarantine (
        id INTEGER PRIMARY KEY,
        feed INTEGER NOT NULL REFERENCES feeds (id),
        file TEXT NOT NULL UNIQUE,
        row_count INTEGER NOT NULL,
        sha256 BLOB NOT NULL,
        mac BLOB NOT NULL DEFAULT x''
    ) STRICT;

    -- Refused rows that were screened again and passed: by their place in the feed's quarantine.
    CREATE TABLE releases (
        id INTEGER PRIMARY KEY,
        feed INTEGER NOT NULL REFERENCES feeds (id),
        first_row INTEGER NOT NULL,
        row_count INTEGER NOT NULL,
        released INTEGER NOT NULL REFERENCES feeds (id), -- the feed that they are of now
        mac BLOB NOT NULL DEFAULT x''
    ) STRICT;

    CREATE TABLE shards (
        id INTEGER PRIMARY KEY,
        feed INTEGER NOT NULL REFERENCES feeds (id),
        split TEXT NOT NULL CHECK (split IN ('train', 'tuning', 'held_out')),
        file TEXT NOT NULL UNIQUE,
        row_count INTEGER NOT NULL,
        sha256 BLOB NOT NULL,
        mac BLOB NOT NULL DEFAULT x''
    ) STRICT;

    CREATE TABLE subjects (
        pseudonym INTEGER PRIMARY KEY,
        split TEXT NOT NULL CHECK (split IN ('train', 'tuning', 'held_out')),
        source BLOB NOT NULL, -- sealed
        event_count INTEGER NOT NULL,
        span BLOB NOT NULL, -- sealed: first and last time
        mac BLOB NOT NULL DEFAULT x''
    ) STRICT;

    CREATE TABLE ranges (
        subject INTEGER NOT NULL REFERENCES subjects (pseudonym),
        shard INTEGER NOT NULL REFERENCES shards (id),
        first_row INTEGER NOT NULL,
        row_count INTEGER NOT NULL,
        span BLOB NOT NULL, -- sealed: first and last time, and whether there are static events
        mac BLOB NOT NULL DEFAULT x'',
        PRIMARY KEY (subject, shard)
    ) STRICT, WITHOUT ROWID;

    -- What becomes rows of subjects and ranges when the feed is admitted.
    CREATE TABLE staged (
        id INTEGER PRIMARY KEY,
        feed INTEGER NOT NULL,
        subject INTEGER NOT NULL,
        split TEXT NOT NULL CHECK (split IN ('train', 'tuning', 'held_out')),
        source BLOB NOT NULL, -- sealed
        file TEXT, -- the shard; none if the feed names the subject and has no event of it
        first_row INTEGER NOT NULL,
        row_count INTEGER NOT NULL,
        span BLOB NOT NULL, -- sealed
        mac BLOB NOT NULL DEFAULT x''
    ) STRICT;
    CREATE INDEX staged_subject ON staged (feed, subject);

    CREATE TABLE api_keys (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        digest BLOB NOT NULL UNIQUE, -- keyed digest
        scopes TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        expires_at INTEGER,
        revoked_at INTEGER,
        last_used_at INTEGER,
        mac BLOB NOT NULL DEFAULT x''
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE live_rows (
        id INTEGER PRIMARY KEY,
        refused INTEGER NOT NULL CHECK (refused IN (0, 1)),
        subject INTEGER, -- null if the event was refused for want of one
        content BLOB NOT NULL, -- sealed, with the subject's key where there is one
        mac BLOB NOT NULL DEFAULT x''
    ) STRICT;

    CREATE INDEX live_rows_subject ON live_rows (subject);

    CREATE TABLE live_requests (
        id INTEGER PRIMARY KEY,
        name BLOB NOT NULL UNIQUE, -- keyed digest
        body BLOB NOT NULL, -- keyed digest
        answer BLOB NOT NULL, -- sealed
        hour INTEGER NOT NULL,
        mac BLOB NOT NULL DEFAULT x''
    ) STRICT;

    CREATE INDEX live_requests_hour ON live_requests (hour);

    CREATE TABLE doomed ( -- keys that are to be destroyed
        what TEXT PRIMARY KEY, -- a file, or a subject
        successor TEXT, -- the file that took its place
        row_count INTEGER,
        sha256 BLOB,
        mac BLOB NOT NULL DEFAULT x''
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE erasures (
        reference TEXT PRIMARY KEY, -- keyed digest
        erased_at INTEGER NOT NULL,
        complete INTEGER NOT NULL, -- whether all keys are destroyed
        record BLOB NOT NULL, -- sealed
        mac BLOB NOT NULL DEFAULT x''
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE consents ( -- what a person, or the law, decided about being asked about
        subject INTEGER PRIMARY KEY, -- perhaps of nobody who is here
        decision BLOB NOT NULL, -- sealed
        mac BLOB NOT NULL DEFAULT x''
    ) STRICT;

    CREATE TABLE incidents (
        id INTEGER PRIMARY KEY,
        closed INTEGER NOT NULL CHECK (closed IN (0, 1)),
        record BLOB NOT NULL, -- sealed: what was found, about whom, and what was done
        mac BLOB NOT NULL DEFAULT x''
    ) STRICT;

    CREATE TABLE settings (
        name TEXT PRIMARY KEY,
        value TEXT NOT NULL,
        mac BLOB NOT NULL DEFAULT x''
    ) STRICT, WITHOUT ROWID;
";
