//! Who writes the catalog without the key is found out, whatever they insert, change, or remove.

use std::fs;
use std::path::Path;

use rusqlite::Connection;
use tempfile::TempDir;
use twinkeep_domain::{Split, Subject, Timestamp};

use super::{add, add_feed, new_feed, root, sample};
use crate::files::WriterLock;
use crate::layout::{CATALOG, KEYRING, path};
use crate::rows::{DIGESTED, DOOMED, STORE, SUBJECTS, Table};
use crate::{
    Delivery, ErasureRequest, FeedId, IncidentRecord, Incidents, NewApiKey, NewFeed, Replayed,
    Store, StoreError,
};

const REFUSED: &str = "store-row-changed";

fn later(micros: i64) -> Timestamp {
    Timestamp::from_micros(1_000_000 + micros)
}

fn api_key(id: &str, digest: u8) -> NewApiKey<'_> {
    NewApiKey {
        id,
        name: "dashboard",
        digest: [digest; 32],
        scopes: &["read"],
        created_at: later(0),
        expires_at: Some(later(10)),
    }
}

/// A store with at least two rows in every table.
fn full_store() -> (TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(dir.path(), &root()).unwrap();
    store.add_sender("sender-1", "identity 1", &[], later(0)).unwrap();
    store.add_sender("sender-2", "identity 2", &[], later(0)).unwrap();
    store.revoke_sender("sender-2", later(1)).unwrap();
    store.add_api_key(&api_key("key-1", 1)).unwrap();
    store.add_api_key(&api_key("key-2", 2)).unwrap();
    store.revoke_api_key("key-2", later(1)).unwrap();
    store.set_setting("pack", "icu").unwrap();
    store.set_setting("site", "north").unwrap();
    for number in [71, 72] {
        let subject = Subject::from_pseudonym(number).unwrap();
        let decision = "withdrawn".to_owned();
        store.set_consent(&crate::ConsentRecord { subject, decision }).unwrap();
    }
    for closed in [true, false] {
        let mut open = |_: &[IncidentRecord], number| {
            Some(IncidentRecord { number, closed, record: "found".to_owned() })
        };
        store.change_incidents(Incidents::Open, &mut open).unwrap();
    }
    add(&store, &sample(1, 12, 4)).unwrap();
    add(&store, &sample(2, 12, 4)).unwrap();
    for number in [1, 2] {
        let request = ErasureRequest {
            subject: Subject::from_pseudonym(number).unwrap(),
            reference: &format!("{number:032x}"),
            reason: "on paper",
            at: later(number),
            concerns: &|_, _| false,
            names: &|_, _| false,
        };
        store.erase(&request).unwrap();
    }
    let doom = |name| store.change(&[&DOOMED], |open| store.doom_file(open, name, None));
    doom("events/train/000000aa-00000001.parquet").unwrap();
    doom("events/train/000000aa-00000002.parquet").unwrap();
    for (seed, row) in [(8, 0), (9, 1)] {
        let rows = &std::iter::once(row..row + 1).collect::<Vec<_>>();
        let replayed = Some(Replayed { feed: FeedId(1), rows, because: "" });
        let sample = sample(seed, 1, 1);
        add_feed(&store, &sample, &NewFeed { replayed, ..new_feed(&sample) }).unwrap();
    }
    (dir, store)
}

/// Writes as somebody does who has the disk but no key.
fn forge(dir: &Path, sql: &str) {
    let connection = Connection::open(path(dir, CATALOG)).unwrap();
    connection.execute_batch("PRAGMA foreign_keys = OFF").unwrap();
    connection.execute_batch(sql).unwrap();
}

fn copy(from: &Path) -> TempDir {
    let to = tempfile::tempdir().unwrap();
    for name in [CATALOG, "catalog.sqlite-wal", KEYRING] {
        fs::copy(path(from, name), path(to.path(), name)).unwrap();
    }
    for folder in crate::layout::data_folders() {
        fs::create_dir_all(path(to.path(), &folder)).unwrap();
        for file in fs::read_dir(path(from, &folder)).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), path(to.path(), &folder).join(file.file_name())).unwrap();
        }
    }
    to
}

/// Returns what becomes of every way to read a table.
fn reads(store: &Store, table: &str) -> Vec<Result<(), StoreError>> {
    let subject = |number: usize| sample(1, 12, 4).mapping[number].0;
    let all = |read: &dyn Fn(Subject) -> Result<(), StoreError>| {
        (0..12).try_for_each(|number| read(subject(number)))
    };
    match table {
        "senders" => vec![
            store.senders().map(drop),
            store.sender("sender-1").map(drop),
            store.sender("nobody").map(drop),
            store.feeds().map(drop),
        ],
        "api_keys" => vec![
            store.api_keys().map(drop),
            store.api_key_by_digest(&[1; 32]).map(drop),
            store.api_key_by_digest(&[9; 32]).map(drop),
        ],
        "doomed" => vec![store.read(|connection| store.read_doomed(connection)).map(drop)],
        "erasures" => vec![store.erasures().map(drop), store.erasure("00").map(drop)],
        "settings" => {
            vec![
                store.setting("pack").map(drop),
                store.setting("nothing").map(drop),
                store.settings_below("p").map(drop),
            ]
        }
        "consents" => vec![store.consents().map(drop)],
        "incidents" => {
            vec![
                store.incidents(Incidents::All).map(drop),
                store.incidents(Incidents::One(7)).map(drop),
            ]
        }
        "feeds" => vec![store.feeds().map(drop), add(store, &sample(3, 2, 2)).map(drop)],
        "releases" => vec![store.quarantined(FeedId(1), 0, 10).map(drop), store.feeds().map(drop)],
        "quarantine" => vec![store.quarantined(FeedId(1), 0, 10).map(drop)],
        "shards" => Split::ALL
            .into_iter()
            .map(|split| store.cohort(split).map(drop))
            .chain([store.feeds().map(drop)])
            .collect(),
        "subjects" => vec![
            store.subjects(None, 100).map(drop),
            store.subject_counts().map(drop),
            all(&|subject| store.subject(subject).map(drop)),
            all(&|subject| store.source_of(subject).map(drop)),
            all(&|subject| store.timeline(subject).map(drop)),
            add(store, &sample(3, 12, 2)).map(drop),
        ],
        _ => vec![store.epoch().map(drop), store.setting("pack").map(drop)],
    }
}

fn code<T>(result: Result<T, StoreError>) -> &'static str {
    result.err().map_or("accepted", |error| error.code())
}

/// Forges a fresh copy, and expects every read to refuse it.
fn expect_refused(dir: &Path, table: &str, sql: &str) {
    let forged = copy(dir);
    // Opening must not execute what the table of doomed keys lists.
    let lock = WriterLock::take(forged.path()).unwrap();
    let store = Store::open(forged.path(), &root()).unwrap();
    forge(forged.path(), sql);
    drop(lock);
    for (number, result) in reads(&store, table).into_iter().enumerate() {
        assert_eq!(code(result), REFUSED, "read {number} after: {sql}");
    }
}

/// Forges a fresh copy, and expects it not to open.
fn expect_closed(dir: &Path, sql: &str) {
    let forged = copy(dir);
    forge(forged.path(), sql);
    assert_eq!(code(Store::open(forged.path(), &root())), REFUSED, "{sql}");
}

/// A change of a column that its type allows.
fn edit(table: &Table, column: &str) -> String {
    let Table { name, columns, .. } = table;
    let value = match column {
        "split" => "CASE split WHEN 'train' THEN 'tuning' ELSE 'train' END".to_owned(),
        "state" => "CASE state WHEN 'admitted' THEN 'rejected' ELSE 'admitted' END".to_owned(),
        "closed" => "1 - closed".to_owned(),
        "revoked_at" => "CASE WHEN revoked_at IS NULL THEN 7 END".to_owned(),
        _ => format!(
            "CASE typeof({column}) WHEN 'integer' THEN {column} + 1000 WHEN 'null' THEN \
            (SELECT CASE type WHEN 'BLOB' THEN x'00' ELSE 1 END FROM pragma_table_info('{name}') \
            WHERE name = '{column}') WHEN 'text' THEN {column} || 'x' ELSE {column} || x'00' END"
        ),
    };
    let value = match column {
        "content" | "digest" | "record" | "source" | "span" | "sha256" | "reasons" | "decision"
        | "staged" => "zeroblob(32)",
        _ => &value,
    };
    let first = columns[0];
    format!(
        "UPDATE {name} SET {column} = {value} WHERE {first} = (SELECT max({first}) FROM {name})"
    )
}

#[test]
fn every_column_that_is_edited_is_found() {
    let (dir, _store) = full_store();
    for table in DIGESTED.into_iter().chain([&SUBJECTS]) {
        for column in table.columns {
            // A subject or shard under another name is one that is gone; see the next test.
            if !(table.name == "subjects" && *column == "pseudonym") {
                expect_refused_somewhere(dir.path(), table, &edit(table, column));
            }
        }
        let mac = format!("UPDATE {} SET mac = zeroblob(32)", table.name);
        expect_refused(dir.path(), table.name, &mac);
    }
    for column in &STORE.columns[2..] {
        let value = match *column {
            "epoch" | "subject_count" | "live_count" | "live_last" => format!("{column} - 1"),
            "live_set" => "randomblob(32)".to_owned(),
            "key_check" => continue,
            _ => "zeroblob(32)".to_owned(),
        };
        expect_refused(dir.path(), "store", &format!("UPDATE store SET {column} = {value}"));
    }
}

/// Tables with a digest refuse as a whole; a subject's row refuses where it is read.
fn expect_refused_somewhere(dir: &Path, table: &Table, sql: &str) {
    if table.name != "subjects" {
        expect_refused(dir, table.name, sql);
        expect_closed(dir, sql);
        return;
    }
    let forged = copy(dir);
    let store = Store::open(forged.path(), &root()).unwrap();
    forge(forged.path(), sql);
    for (number, result) in reads(&store, "subjects").into_iter().enumerate() {
        assert_eq!(code(result), REFUSED, "read {number} after: {sql}");
    }
}

#[test]
fn every_row_that_is_removed_is_found() {
    let (dir, _store) = full_store();
    for table in DIGESTED {
        let Table { name, columns, .. } = table;
        let first = columns[0];
        let last = format!("DELETE FROM {name} WHERE {first} = (SELECT max({first}) FROM {name})");
        for sql in [last, format!("DELETE FROM {name}")] {
            expect_refused(dir.path(), name, &sql);
            expect_closed(dir.path(), &sql);
        }
    }
    for sql in [
        "DELETE FROM subjects WHERE pseudonym = (SELECT max(pseudonym) FROM subjects)",
        "UPDATE store SET epoch = epoch - 1",
    ] {
        expect_closed(dir.path(), sql);
    }
    expect_refused(dir.path(), "store", "DELETE FROM store");
    let store = Store::open(dir.path(), &root()).unwrap();
    forge(dir.path(), "DELETE FROM subjects");
    assert_eq!(code(store.subject_counts()), REFUSED);
}

#[test]
fn every_row_that_is_inserted_is_found() {
    let (dir, _store) = full_store();
    let last = |table: &str, key: &str| format!("FROM {table} ORDER BY {key} DESC LIMIT 1");
    let senders = "INSERT INTO senders SELECT 99, 'mallory', identity, added_at, NULL, NULL, NULL,
        mac";
    let keys = "INSERT INTO api_keys SELECT 'key-9', name, zeroblob(32), 'admin', created_at, NULL,
        NULL, NULL, mac";
    let feeds = "INSERT INTO feeds SELECT 99, zeroblob(32), source, site, ingested_at, NULL, NULL,
        1, 1, 1, 1, NULL, state, reasons, decision, NULL, 0, staged, mac";
    let shards = "INSERT INTO shards SELECT 99, feed, split, 'events/other', row_count,
        sha256, mac";
    let refused = "INSERT INTO quarantine SELECT 99, feed, 'quarantine/other', row_count,
        sha256, mac";
    for (table, sql) in [
        ("senders", format!("{senders} {}", last("senders", "id"))),
        ("api_keys", format!("{keys} {}", last("api_keys", "id"))),
        ("feeds", format!("{feeds} {}", last("feeds", "id"))),
        ("shards", format!("{shards} {}", last("shards", "id"))),
        ("quarantine", format!("{refused} {}", last("quarantine", "id"))),
        ("doomed", "INSERT INTO doomed VALUES ('events/x', NULL, NULL, NULL, x'')".to_owned()),
        ("erasures", "INSERT INTO erasures VALUES ('77', 1, 1, x'', x'')".to_owned()),
        (
            "releases",
            "INSERT INTO releases SELECT 99, 2, 0, 1, 3, mac FROM releases LIMIT 1".to_owned(),
        ),
        (
            "settings",
            "INSERT INTO settings SELECT 'new', value, mac FROM settings".to_owned() + " LIMIT 1",
        ),
        ("settings", "INSERT INTO settings VALUES ('new', 'value', x'')".to_owned()),
    ] {
        expect_refused(dir.path(), table, &sql);
        expect_closed(dir.path(), &sql);
    }
    let subject = "INSERT INTO subjects SELECT 1, split, source, event_count, span, mac
        FROM subjects LIMIT 1";
    expect_closed(dir.path(), subject);
    let store = Store::open(dir.path(), &root()).unwrap();
    forge(dir.path(), subject);
    assert_eq!(code(store.subject(Subject::from_pseudonym(1).unwrap())), REFUSED);
    assert_eq!(code(store.subjects(None, 10)), REFUSED);
    assert_eq!(code(store.subject_counts()), REFUSED);
}

#[test]
fn rows_that_swap_their_macs_are_found() {
    let (dir, _store) = full_store();
    for Table { name, columns, .. } in DIGESTED.into_iter().chain([&SUBJECTS]) {
        let key = columns[0];
        let swap = format!(
            "CREATE TEMP TABLE pair AS SELECT min({key}) AS a, max({key}) AS b FROM {name};
            CREATE TEMP TABLE macs AS SELECT {key} AS k, mac FROM {name};
            UPDATE {name} SET mac = (SELECT macs.mac FROM macs, pair
                WHERE macs.k = CASE {name}.{key} WHEN a THEN b ELSE a END)
                WHERE {key} IN (SELECT a FROM pair UNION SELECT b FROM pair)"
        );
        expect_refused(dir.path(), name, &swap);
    }
}

#[test]
fn a_row_that_is_replaced_by_its_own_past_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(dir.path(), &root()).unwrap();
    store.add_api_key(&api_key("key-1", 1)).unwrap();
    store.add_sender("sender-1", "identity", &[], later(0)).unwrap();
    forge(
        dir.path(),
        "CREATE TABLE past_keys AS SELECT * FROM api_keys;
        CREATE TABLE past_senders AS SELECT * FROM senders;",
    );
    store.revoke_api_key("key-1", later(1)).unwrap();
    store.revoke_sender("sender-1", later(1)).unwrap();
    assert!(!store.api_key_by_digest(&[1; 32]).unwrap().unwrap().is_live(later(2)));
    forge(
        dir.path(),
        "DELETE FROM api_keys; INSERT INTO api_keys SELECT * FROM past_keys;
        DELETE FROM senders; INSERT INTO senders SELECT * FROM past_senders;",
    );
    // Each row is authentic, and so is the number of rows.
    assert_eq!(code(store.api_key_by_digest(&[1; 32])), REFUSED);
    assert_eq!(code(store.sender("sender-1")), REFUSED);
    assert_eq!(code(store.revoke_api_key("key-1", later(1))), REFUSED);
}

#[test]
fn no_change_makes_a_forged_row_genuine() {
    let (dir, store) = full_store();
    forge(
        dir.path(),
        "UPDATE api_keys SET scopes = 'admin' WHERE id = 'key-1';
        UPDATE senders SET revoked_at = NULL; UPDATE settings SET value = 'x' WHERE name = 'site';",
    );
    assert_eq!(code(store.add_api_key(&api_key("key-3", 3))), REFUSED);
    assert_eq!(code(store.revoke_api_key("key-1", later(3))), REFUSED);
    assert_eq!(code(store.add_sender("sender-3", "identity", &[], later(3))), REFUSED);
    assert_eq!(code(store.revoke_sender("sender-2", later(3))), REFUSED);
    assert_eq!(code(store.set_setting("pack", "icu")), REFUSED);
    assert_eq!(code(add(&store, &sample(3, 2, 2))), REFUSED);
    // The last use of a key opens nothing and is not authenticated.
    store.touch_api_key("key-1", later(3)).unwrap();
    assert_eq!(code(store.api_key_by_digest(&[1; 32])), REFUSED);
}

#[test]
fn a_planted_trigger_view_table_or_column_does_nothing() {
    let (dir, store) = full_store();
    let trigger = "CREATE TRIGGER planted AFTER INSERT ON api_keys
        BEGIN UPDATE api_keys SET scopes = 'admin' WHERE id = new.id; END";
    expect_closed(dir.path(), trigger);
    expect_closed(dir.path(), "CREATE VIEW planted AS SELECT 1");
    expect_closed(dir.path(), "CREATE TABLE planted (id)");
    expect_closed(dir.path(), "ALTER TABLE api_keys ADD COLUMN planted INTEGER");
    // A store that is open already does not run it.
    forge(dir.path(), trigger);
    store.add_api_key(&api_key("key-3", 3)).unwrap();
    assert_eq!(store.api_key_by_digest(&[3; 32]).unwrap().unwrap().scopes, ["read"]);
}

#[test]
fn a_digest_that_was_read_in_the_catalog_is_not_the_keys() {
    let (dir, store) = full_store();
    let connection = Connection::open(path(dir.path(), CATALOG)).unwrap();
    let select = "SELECT digest FROM api_keys WHERE id = 'key-1'";
    let kept: [u8; 32] = connection.query_row(select, [], |row| row.get(0)).unwrap();
    assert_ne!(kept, [1; 32]);
    assert_eq!(store.api_key_by_digest(&kept).unwrap(), None);
}

#[test]
fn the_epoch_grows_with_every_change_but_the_last_use_of_a_key() {
    let (_dir, store) = full_store();
    let grown = |change: &dyn Fn() -> Result<(), StoreError>| {
        let before = store.epoch().unwrap();
        change().unwrap();
        store.epoch().unwrap() - before
    };
    assert_eq!(grown(&|| store.add_sender("sender-3", "identity", &[], later(0))), 1);
    assert_eq!(grown(&|| store.revoke_sender("sender-3", later(1))), 1);
    assert_eq!(grown(&|| store.add_api_key(&api_key("key-3", 3))), 1);
    assert_eq!(grown(&|| store.revoke_api_key("key-3", later(1))), 1);
    assert_eq!(grown(&|| store.set_setting("pack", "icu-2")), 1);
    assert_eq!(grown(&|| add(&store, &sample(3, 3, 3)).map(drop)), 1);
    assert_eq!(grown(&|| store.touch_api_key("key-1", later(1))), 0);
    let delivery = Some(Delivery { sender: "sender-1", sequence: 1, manifest_digest: [5; 32] });
    let sample = sample(4, 3, 3);
    let feed = NewFeed { delivery, ..new_feed(&sample) };
    let deliver = || add_feed(&store, &sample, &feed);
    assert_eq!(grown(&|| deliver().map(drop)), 1);
    let before = store.epoch().unwrap();
    assert_eq!(code(deliver()), "feed-replayed");
    assert_eq!(store.epoch().unwrap(), before);
}

#[test]
fn an_older_catalog_shows_its_older_epoch() {
    let (dir, store) = full_store();
    let old = copy(dir.path());
    store.revoke_api_key("key-1", later(1)).unwrap();
    let remembered = store.epoch().unwrap();
    // What the table of doomed keys lists would be executed, and that is a change.
    let _lock = WriterLock::take(old.path()).unwrap();
    let old = Store::open(old.path(), &root()).unwrap();
    assert!(old.epoch().unwrap() < remembered);
}
