//! Rows that are authenticated: who has the disk but no key can neither write nor remove one.
//!
//! Every row carries an HMAC over its table's name and its columns. The row of `store` also holds,
//! for each table, a digest of these MACs in the order of the key, so that a row that was removed
//! or replaced by an earlier version of itself is noticed. That row has the epoch, which grows
//! with every change: whoever remembers it elsewhere notices an older catalog as a whole.
//!
//! # Invariants
//!
//! - A change verifies all rows of a table before it authenticates them anew: what was forged is
//!   never made genuine.
//! - Results are chosen among verified rows; no index decides who is let in.

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, Row, ToSql, Transaction, TransactionBehavior};
use twinkeep_vault::digest::{Sha256, equal_in_constant_time, hmac_sha256};
use twinkeep_vault::{Purpose, SecretKey};

use crate::error::catalog;
use crate::{Store, StoreError};

/// A table whose rows are authenticated.
pub(crate) struct Table {
    pub(crate) name: &'static str,
    /// What the MAC covers; the primary key comes first.
    pub(crate) columns: &'static [&'static str],
    /// What it does not cover.
    pub(crate) uncovered: &'static [&'static str],
}

impl Table {
    /// Returns the columns to select: the MAC, then those it covers (from column 1), then others.
    pub(crate) fn selection(&self) -> String {
        let columns = ["mac"].iter().chain(self.columns).chain(self.uncovered);
        let columns: Vec<_> = columns.map(|column| format!("{}.{column}", self.name)).collect();
        columns.join(", ")
    }

    fn changed(&self) -> StoreError {
        StoreError::RowChanged { table: self.name }
    }
}

/// Computes and compares the MACs.
pub(crate) struct Rows(SecretKey);

impl Rows {
    pub(crate) fn new(root: &SecretKey) -> Self {
        Self(root.derive(Purpose::CatalogColumn, b"row-mac"))
    }

    /// Returns the key of the MACs, from which others are derived.
    pub(crate) fn key(&self) -> &SecretKey {
        &self.0
    }

    /// Compares a row, read as [`Table::selection`], with its MAC; returns the MAC.
    pub(crate) fn check(&self, table: &Table, row: &Row<'_>) -> Result<[u8; 32], StoreError> {
        self.check_at(table, row, 0)
    }

    /// As [`Rows::check`], for a row whose MAC is in this column.
    pub(crate) fn check_at(
        &self,
        table: &Table,
        row: &Row<'_>,
        first: usize,
    ) -> Result<[u8; 32], StoreError> {
        let mac = self.mac(table, row, first).map_err(catalog(CHECK))?;
        match row.get_ref(first).map_err(catalog(CHECK))? {
            ValueRef::Blob(found) if equal_in_constant_time(found, &mac) => Ok(mac),
            _ => Err(table.changed()),
        }
    }

    /// Visits all rows of a table by increasing key, and verifies that they are what was written
    /// last. What was visited counts only if this succeeds.
    pub(crate) fn scan(
        &self,
        connection: &Connection,
        table: &Table,
        visit: &mut dyn FnMut(&Row<'_>) -> rusqlite::Result<()>,
    ) -> Result<(), StoreError> {
        let cannot = catalog(CHECK);
        let expected: Vec<u8> = self.head(connection, |row| row.get(table.name))?;
        let Table { name, columns, .. } = table;
        let select = format!("SELECT {} FROM {name} ORDER BY {}", table.selection(), columns[0]);
        let mut statement = connection.prepare_cached(&select).map_err(&cannot)?;
        let mut rows = statement.query([]).map_err(&cannot)?;
        let mut digest = Sha256::default();
        while let Some(row) = rows.next().map_err(&cannot)? {
            digest.update(&self.check(table, row)?);
            visit(row).map_err(&cannot)?;
        }
        match equal_in_constant_time(&digest.finish(), &expected) {
            true => Ok(()),
            false => Err(table.changed()),
        }
    }

    /// Verifies the row of `store` and reads from it.
    pub(crate) fn head<T>(
        &self,
        connection: &Connection,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let cannot = catalog(CHECK);
        let select = format!("SELECT {} FROM store WHERE id = 1", STORE.selection());
        let mut statement = connection.prepare_cached(&select).map_err(&cannot)?;
        let mut rows = statement.query([]).map_err(&cannot)?;
        let row = rows.next().map_err(&cannot)?.ok_or_else(|| STORE.changed())?;
        self.check(&STORE, row)?;
        read(row).map_err(cannot)
    }

    /// Verifies everything that can be verified without reading all subjects.
    pub(crate) fn check_all(&self, connection: &Connection) -> Result<(), StoreError> {
        for table in DIGESTED {
            self.scan(connection, table, &mut |_| Ok(()))?;
        }
        let known: i64 = self.head(connection, |row| row.get("subject_count"))?;
        let found: i64 = connection
            .query_row("SELECT count(*) FROM subjects", [], |row| row.get(0))
            .map_err(catalog(CHECK))?;
        if found != known {
            return Err(SUBJECTS.changed());
        }
        self.scan_live(connection, &mut |_| Ok(()))
    }

    /// Inserts a row with its MAC, and returns the MAC. `values` are the columns of the table.
    pub(crate) fn insert(
        &self,
        transaction: &Connection,
        table: &Table,
        values: &[&dyn ToSql],
    ) -> Result<[u8; 32], StoreError> {
        let cannot = catalog("insert a row");
        let mac = self.mac_of(table, values).map_err(&cannot)?;
        let Table { name, columns, .. } = table;
        let places: Vec<_> = (1..=columns.len() + 1).map(|number| format!("?{number}")).collect();
        let insert = format!(
            "INSERT INTO {name} (mac, {}) VALUES ({})",
            columns.join(", "),
            places.join(", ")
        );
        let mut all: Vec<&dyn ToSql> = vec![&mac];
        all.extend(values);
        transaction
            .prepare_cached(&insert)
            .and_then(|mut insert| insert.execute(all.as_slice()))
            .map_err(cannot)?;
        Ok(mac)
    }

    /// Replaces a row with its MAC. `values` are the columns of the table, the key first.
    pub(crate) fn replace(
        &self,
        transaction: &Connection,
        table: &Table,
        values: &[&dyn ToSql],
    ) -> Result<(), StoreError> {
        let cannot = catalog("replace a row");
        let mac = self.mac_of(table, values).map_err(&cannot)?;
        let Table { name, columns, .. } = table;
        let places = columns.iter().enumerate().skip(1);
        let places: Vec<_> =
            places.map(|(index, column)| format!("{column} = ?{}", index + 2)).collect();
        let update =
            format!("UPDATE {name} SET mac = ?1, {} WHERE {} = ?2", places.join(", "), columns[0]);
        let mut all: Vec<&dyn ToSql> = vec![&mac];
        all.extend(values);
        transaction
            .prepare_cached(&update)
            .and_then(|mut update| update.execute(all.as_slice()))
            .map_err(cannot)?;
        Ok(())
    }

    /// Authenticates a row as it is now. Its columns were just written, or verified before.
    pub(crate) fn seal(
        &self,
        transaction: &Connection,
        table: &Table,
        key: &dyn ToSql,
    ) -> Result<(), StoreError> {
        let cannot = catalog("authenticate a row");
        let Table { name, columns, .. } = table;
        let select = format!("SELECT {} FROM {name} WHERE {} = ?1", table.selection(), columns[0]);
        let mac = transaction
            .prepare_cached(&select)
            .and_then(|mut select| select.query_row([key], |row| self.mac(table, row, 0)))
            .map_err(&cannot)?;
        let update = format!("UPDATE {name} SET mac = ?2 WHERE {} = ?1", columns[0]);
        transaction
            .prepare_cached(&update)
            .and_then(|mut update| update.execute(rusqlite::params![key, mac]))
            .map_err(cannot)?;
        Ok(())
    }

    /// Authenticates tables as they are now, and the next epoch.
    pub(crate) fn seal_tables(
        &self,
        transaction: &Connection,
        tables: &[&Table],
    ) -> Result<(), StoreError> {
        let cannot = catalog("authenticate a table");
        for Table { name, columns, .. } in tables {
            let select = format!("SELECT mac FROM {name} ORDER BY {}", columns[0]);
            let mut statement = transaction.prepare_cached(&select).map_err(&cannot)?;
            let mut rows = statement.query([]).map_err(&cannot)?;
            let mut digest = Sha256::default();
            while let Some(row) = rows.next().map_err(&cannot)? {
                digest.update(&row.get::<_, [u8; 32]>(0).map_err(&cannot)?);
            }
            let update = format!("UPDATE store SET {name} = ?1");
            transaction.execute(&update, [digest.finish()]).map_err(&cannot)?;
        }
        transaction.execute("UPDATE store SET epoch = epoch + 1", []).map_err(cannot)?;
        self.seal(transaction, &STORE, &1)
    }

    fn mac(&self, table: &Table, row: &Row<'_>, first: usize) -> rusqlite::Result<[u8; 32]> {
        let mut text = message(table);
        for column in first + 1..=first + table.columns.len() {
            append_value(&mut text, row.get_ref(column)?);
        }
        Ok(hmac_sha256(&self.0, &text))
    }

    fn mac_of(&self, table: &Table, values: &[&dyn ToSql]) -> rusqlite::Result<[u8; 32]> {
        let mut text = message(table);
        for value in values {
            match value.to_sql()? {
                ToSqlOutput::Borrowed(value) => append_value(&mut text, value),
                ToSqlOutput::Owned(value) => append_value(&mut text, ValueRef::from(&value)),
                _ => return Err(rusqlite::Error::InvalidQuery),
            }
        }
        Ok(hmac_sha256(&self.0, &text))
    }
}

impl Store {
    /// Reads from one state of the catalog.
    pub(crate) fn read<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut connection = self.connection();
        let transaction = connection.transaction().map_err(catalog("begin"))?;
        read(&transaction)
    }

    /// Verifies tables, changes them, and authenticates them anew: all of it or nothing.
    pub(crate) fn change<T>(
        &self,
        tables: &[&Table],
        change: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.change_on(&mut self.connection(), tables, change)
    }

    /// As [`Store::change`], on a connection of the caller's: readers of this process go on.
    pub(crate) fn change_on<T>(
        &self,
        connection: &mut Connection,
        tables: &[&Table],
        change: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut changed = None;
        self.change_if(connection, tables, |transaction| {
            changed = Some(change(transaction)?);
            Ok(true)
        })?;
        // INVARIANT: `change_if` failed, or called what fills this.
        changed.ok_or(StoreError::Refused { what: "change", state: "not made" })
    }

    /// As [`Store::change_on`], but nothing is written if `change` finds that nothing is to be.
    pub(crate) fn change_if(
        &self,
        connection: &mut Connection,
        tables: &[&Table],
        change: impl FnOnce(&Transaction<'_>) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        let transaction = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(catalog("begin"))?;
        for table in tables {
            self.rows.scan(&transaction, table, &mut |_| Ok(()))?;
        }
        if !change(&transaction)? {
            return Ok(());
        }
        self.rows.seal_tables(&transaction, tables)?;
        let committed = transaction.commit().map_err(catalog("commit"));
        self.versions.note_change();
        committed
    }
}

/// Begins what a MAC covers.
fn message(table: &Table) -> Vec<u8> {
    let mut text = Vec::new();
    append(&mut text, TEXT, table.name.as_bytes());
    text
}

fn append_value(text: &mut Vec<u8>, value: ValueRef<'_>) {
    match value {
        ValueRef::Null => append(text, NULL, b""),
        ValueRef::Integer(value) => append(text, INTEGER, &value.to_be_bytes()),
        ValueRef::Real(value) => append(text, REAL, &value.to_be_bytes()),
        ValueRef::Text(bytes) => append(text, TEXT, bytes),
        ValueRef::Blob(bytes) => append(text, BLOB, bytes),
    }
}

/// Appends a value so that no two lists of values give the same bytes.
fn append(text: &mut Vec<u8>, kind: u8, bytes: &[u8]) {
    text.push(kind);
    text.extend((bytes.len() as u64).to_be_bytes());
    text.extend(bytes);
}

const NULL: u8 = 0;
const INTEGER: u8 = 1;
const REAL: u8 = 2;
const TEXT: u8 = 3;
const BLOB: u8 = 4;

const CHECK: &str = "check the rows";

/// The one row of `store`. Its key check is sealed besides.
pub(crate) const STORE: Table = Table {
    name: "store",
    columns: &[
        "id",
        "schema_version",
        "epoch",
        "key_check",
        "subject_count",
        "senders",
        "feeds",
        "quarantine",
        "shards",
        "api_keys",
        "settings",
        "releases",
        "live_count",
        "live_last",
        "live_set",
        "doomed",
        "erasures",
        "consents",
        "incidents",
    ],
    uncovered: &[],
};

pub(crate) const SENDERS: Table = Table {
    name: "senders",
    columns: &[
        "id",
        "key_id",
        "identity",
        "added_at",
        "revoked_at",
        "last_sequence",
        "last_manifest",
    ],
    uncovered: &[],
};

pub(crate) const FEEDS: Table = Table {
    name: "feeds",
    columns: &[
        "id",
        "content",
        "source",
        "site",
        "ingested_at",
        "sender",
        "sequence",
        "rows_read",
        "rows_accepted",
        "rows_missing",
        "rows_quarantined",
        "replayed",
        "state",
        "reasons",
        "decision",
        "decided_at",
        "profile",
        "staged",
    ],
    uncovered: &[],
};

pub(crate) const QUARANTINE: Table = Table {
    name: "quarantine",
    columns: &["id", "feed", "file", "row_count", "sha256"],
    uncovered: &[],
};

/// Rows are named by their place among the refused rows of the feed, in the order of its files:
/// whoever writes such a file again must leave every row in its place.
pub(crate) const RELEASES: Table = Table {
    name: "releases",
    columns: &["id", "feed", "first_row", "row_count", "released"],
    uncovered: &[],
};

pub(crate) const SHARDS: Table = Table {
    name: "shards",
    columns: &["id", "feed", "split", "file", "row_count", "sha256"],
    uncovered: &[],
};

/// Its last use is not covered: it opens nothing, and noting it must not end an epoch.
pub(crate) const API_KEYS: Table = Table {
    name: "api_keys",
    columns: &["id", "name", "digest", "scopes", "created_at", "expires_at", "revoked_at"],
    uncovered: &["last_used_at"],
};

pub(crate) const SETTINGS: Table =
    Table { name: "settings", columns: &["name", "value"], uncovered: &[] };

/// Has no digest but a count: there may be millions, and one is read at a time.
pub(crate) const SUBJECTS: Table = Table {
    name: "subjects",
    columns: &["pseudonym", "split", "source", "event_count", "span"],
    uncovered: &[],
};

/// Covered by the number of events in the subject's row: a range that is missing is noticed.
pub(crate) const RANGES: Table = Table {
    name: "ranges",
    columns: &["subject", "shard", "first_row", "row_count", "span"],
    uncovered: &[],
};

/// Covered by a digest in the feed's row, if the feed is held, or in the memory of its writer.
pub(crate) const STAGED: Table = Table {
    name: "staged",
    columns: &[
        "id",
        "feed",
        "subject",
        "split",
        "source",
        "file",
        "first_row",
        "row_count",
        "span",
    ],
    uncovered: &[],
};

/// Has no digest: the row of its feed says whether there is one, and it never changes.
pub(crate) const PROFILES: Table =
    Table { name: "profiles", columns: &["feed", "profile"], uncovered: &[] };

/// Has no digest but a count and a sum: rows come one by one.
pub(crate) const LIVE_ROWS: Table =
    Table { name: "live_rows", columns: &["id", "refused", "subject", "content"], uncovered: &[] };

/// Has no digest: a request that is forgotten is one that nobody repeats.
pub(crate) const LIVE_REQUESTS: Table = Table {
    name: "live_requests",
    columns: &["id", "name", "body", "answer", "hour"],
    uncovered: &[],
};

pub(crate) const DOOMED: Table = Table {
    name: "doomed",
    columns: &["what", "successor", "row_count", "sha256"],
    uncovered: &[],
};

pub(crate) const ERASURES: Table = Table {
    name: "erasures",
    columns: &["reference", "erased_at", "complete", "record"],
    uncovered: &[],
};

pub(crate) const CONSENTS: Table =
    Table { name: "consents", columns: &["subject", "decision"], uncovered: &[] };

pub(crate) const INCIDENTS: Table =
    Table { name: "incidents", columns: &["id", "closed", "record"], uncovered: &[] };

/// The tables of which the row of `store` has a digest.
pub(crate) const DIGESTED: [&Table; 11] = [
    &SENDERS,
    &FEEDS,
    &QUARANTINE,
    &RELEASES,
    &SHARDS,
    &API_KEYS,
    &SETTINGS,
    &DOOMED,
    &ERASURES,
    &CONSENTS,
    &INCIDENTS,
];
