//! Collects facts about a server of PostgreSQL by asking it, and changes nothing.
//!
//! Whoever calls brings the connection: a function that runs one query and returns the one text
//! that it gives. No query can fail for want of a right, because a server ends a transaction in
//! which one did: what the role may read is asked for first. No row of a table is read.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

use super::CollectError;
use crate::facts::Known;
use crate::facts::postgres::{HbaRule, Origin, Postgres, Role, Table};
use crate::phi;

mod here;
mod offer;

pub(crate) use here::Line;
pub use here::Machine;
pub(crate) use offer::offers_tls;

/// Asks a server.
///
/// `place` is how it is named in messages, and `ask` runs a query and returns its one text. A
/// server on this machine shows what its files lie on, the lines of `pg_hba.conf`, and whether it
/// takes TLS.
pub fn collect(
    place: &str,
    ask: &mut dyn FnMut(&'static str) -> Result<String, String>,
    machine: &Machine,
) -> Result<Postgres, CollectError> {
    let mut ask = |query| {
        let target = place.to_owned();
        ask(query).map_err(|why| CollectError::Unreachable { target, why })
    };
    let general: General = read(place, &ask(GENERAL)?)?;
    let mut hba = hba_that_holds(place, &mut ask, &general)?;
    let passwords = if general.may_read_passwords {
        Known::Seen(read(place, &ask(PASSWORDS)?)?)
    } else {
        Known::Unknown("the role may not read pg_authid; ask as a superuser".to_owned())
    };
    let altered = if general.may_read_files {
        Known::Seen(read(place, &ask(ALTERED)?)?)
    } else {
        Known::Unknown("the role may not read pg_file_settings; ask as a superuser".to_owned())
    };
    let cluster = if general.may_read_control { Some(ask(CLUSTER)?) } else { None };
    let columns: Vec<TableRow> = read(place, &ask(TABLES)?)?;
    let folder = general.settings.get("data_directory").map(String::as_str);
    let storage = machine.storage(folder, cluster.as_deref());
    let is_here = machine.has(folder, cluster.as_deref());
    if let Known::Seen(rules) = &mut hba
        && is_here
    {
        here::add_lines(rules);
    }
    let offers_tls = match (general.over_tls, is_here) {
        (true, _) => Known::Seen(true),
        (false, true) => offer::offered(&general.settings),
        (false, false) => Known::Unknown(
            "whoever asked came without TLS, and it is not known that the server is on this \
             machine; run the scan as root there"
                .to_owned(),
        ),
    };
    Ok(Postgres {
        place: place.to_owned(),
        version: general.version,
        settings: general.settings,
        origins: general.origins,
        overridden: general.overridden,
        altered,
        offers_tls,
        hba,
        roles: general.roles,
        passwords,
        tables: columns.into_iter().filter_map(TableRow::table).collect(),
        storage,
    })
}

/// The rules about who may connect how, if they are those that hold: the server shows what is in the
/// file now, and goes by what it read last.
fn hba_that_holds(
    place: &str,
    ask: &mut dyn FnMut(&'static str) -> Result<String, CollectError>,
    general: &General,
) -> Result<Known<Vec<HbaRule>>, CollectError> {
    let unknown = |why: &str| Ok(Known::Unknown(why.to_owned()));
    if !(general.may_read_hba && general.is_superuser) {
        return unknown("the role may not read pg_hba_file_rules; ask as a superuser");
    }
    let rules = hba_rules(place, ask, general.settings.get("hba_file"))?;
    // Older servers include nothing. A file that the server cannot open is a broken line, of which
    // nothing holds anyway, and to read it would be an error.
    let is_whole = rules.iter().all(|rule| !rule.broken);
    let query =
        if INCLUDES_VERSION <= general.version && is_whole { ALL_HBA_CHANGED } else { HBA_CHANGED };
    if ask(query)?.trim() != "false" {
        return unknown(
            "pg_hba.conf, or a file that it includes, was changed since the server read it: run \
             `SELECT pg_reload_conf()`, and scan again",
        );
    }
    Ok(Known::Seen(rules))
}

/// The rules about who may connect how, as the server reads them from the file now.
pub(crate) fn hba_rules(
    place: &str,
    ask: &mut dyn FnMut(&'static str) -> Result<String, CollectError>,
    file: Option<&String>,
) -> Result<Vec<HbaRule>, CollectError> {
    let rows: Vec<HbaRow> = read(place, &ask(HBA)?)?;
    Ok(rows.into_iter().map(|row| row.rule(file)).collect())
}

fn read<T: for<'a> Deserialize<'a>>(place: &str, text: &str) -> Result<T, CollectError> {
    serde_json::from_str(text).map_err(|_| CollectError::Unexpected {
        what: place.to_owned(),
        why: "its catalog is not the one of PostgreSQL 10 or newer".to_owned(),
    })
}

/// What every role may ask.
#[derive(Deserialize)]
struct General {
    version: u32,
    settings: BTreeMap<String, String>,
    origins: BTreeMap<String, Origin>,
    overridden: BTreeSet<String>,
    is_superuser: bool,
    over_tls: bool,
    may_read_hba: bool,
    may_read_passwords: bool,
    may_read_files: bool,
    may_read_control: bool,
    roles: Vec<Role>,
}

/// A row of `pg_hba_file_rules`; columns that are new or unknown are passed over.
#[derive(Deserialize)]
struct HbaRow {
    file_name: Option<String>,
    line_number: u32,
    #[serde(rename = "type")]
    kind: Option<String>,
    database: Option<Vec<String>>,
    user_name: Option<Vec<String>>,
    address: Option<String>,
    netmask: Option<String>,
    auth_method: Option<String>,
    options: Option<Value>,
    error: Option<Value>,
}

impl HbaRow {
    /// Before version 16, all rules are in one file, which the view does not name.
    fn rule(self, file: Option<&String>) -> HbaRule {
        let usual = || file.cloned().unwrap_or_else(|| "pg_hba.conf".to_owned());
        HbaRule {
            file: self.file_name.unwrap_or_else(usual),
            line: self.line_number,
            kind: self.kind.unwrap_or_default(),
            databases: self.database.unwrap_or_default(),
            users: self.user_name.unwrap_or_default(),
            address: self.address.unwrap_or_default(),
            mask: self.netmask.unwrap_or_default(),
            method: self.auth_method.unwrap_or_default(),
            broken: self.error.is_some(),
            text: None,
            has_options: self.options.is_some(),
        }
    }
}

#[derive(Deserialize)]
struct TableRow {
    name: String,
    columns: Vec<String>,
    row_security: bool,
    public: bool,
}

impl TableRow {
    /// Returns the table, if its columns are called as data of people are.
    fn table(self) -> Option<Table> {
        let kinds = phi::kinds_of_headers(&self.columns);
        let (name, row_security, public) = (self.name, self.row_security, self.public);
        (!kinds.is_empty()).then_some(Table { name, kinds, row_security, public })
    }
}

/// Settings, roles, and what the role may read. A setting that only some may see is left out. A role
/// may do what the roles may that it can become, and as much as a superuser with the server's files.
const GENERAL: &str = "SELECT json_build_object(
    'version', current_setting('server_version_num')::int,
    'settings', (SELECT coalesce(json_object_agg(name, setting), '{}') FROM pg_settings
        WHERE name IN ('ssl', 'ssl_min_protocol_version', 'password_encryption',
            'log_connections', 'log_disconnections', 'shared_preload_libraries', 'pgaudit.log',
            'data_directory', 'hba_file', 'listen_addresses', 'port')),
    'origins', (SELECT coalesce(json_object_agg(name,
            json_build_object('context', context, 'source', source)), '{}') FROM pg_settings
        WHERE name IN ('ssl', 'ssl_min_protocol_version', 'password_encryption',
            'log_connections', 'log_disconnections', 'pgaudit.log')),
    'overridden', (SELECT coalesce(json_agg(DISTINCT lower(split_part(said, '=', 1))), '[]')
        FROM pg_db_role_setting, unnest(setconfig) said),
    'is_superuser', current_setting('is_superuser') = 'on',
    'over_tls', coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false),
    'may_read_hba', has_table_privilege('pg_catalog.pg_hba_file_rules', 'SELECT')
        AND has_function_privilege('pg_catalog.pg_hba_file_rules()', 'EXECUTE'),
    'may_read_files', has_table_privilege('pg_catalog.pg_file_settings', 'SELECT')
        AND has_function_privilege('pg_catalog.pg_show_all_file_settings()', 'EXECUTE'),
    'may_read_control', has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE'),
    'may_read_passwords', has_table_privilege('pg_catalog.pg_authid', 'SELECT'),
    'roles', (SELECT coalesce(json_agg(json_build_object(
            'name', r.rolname, 'first', r.oid = 10, 'superuser', may.superuser,
            'create_role', may.create_role, 'bypass_rls', may.bypass_rls,
            'expires', coalesce(r.rolvaliduntil < 'infinity', false)) ORDER BY r.rolname), '[]')
        FROM pg_roles r, LATERAL (SELECT bool_or(o.rolcreaterole) AS create_role,
                bool_or(o.rolbypassrls) AS bypass_rls,
                bool_or(o.rolsuper OR o.rolname IN ('pg_execute_server_program',
                    'pg_read_server_files', 'pg_write_server_files')) AS superuser
            FROM pg_roles o WHERE pg_has_role(r.oid, o.oid, 'MEMBER')) may
        WHERE r.rolcanlogin))::text";

const HBA: &str = "SELECT coalesce(json_agg(to_json(rule) ORDER BY line_number), '[]')::text
    FROM pg_hba_file_rules rule";

/// Whether the file was written since the server read it, or is gone. What was put in its place may
/// be older, and so the time of its inode counts, too. The server tells both in whole seconds: what is
/// written within the second in which it read the file is not noticed.
const HBA_CHANGED: &str = "SELECT coalesce(
        greatest(file.modification, file.change) > pg_conf_load_time(), true)::text
    FROM pg_stat_file(current_setting('hba_file'), true) file";

/// The same of all files that are included, also of those that have no lines any more and of which
/// the server therefore shows nothing. Of one that may be missing and is, the folder tells whether
/// it went. Only names leave the files, and none of them leaves the server.
const ALL_HBA_CHANGED: &str = r##"WITH RECURSIVE named(name, optional) AS (
        SELECT current_setting('hba_file'), false
    UNION
        SELECT CASE WHEN found.name ~ '^/' THEN found.name
            ELSE regexp_replace(named.name, '[^/]*$', '') || found.name END, found.optional
        FROM named, LATERAL pg_stat_file(named.name, true) here, LATERAL (
            SELECT named.name || '/' || entry AS name, false AS optional
            FROM pg_ls_dir(CASE WHEN here.isdir THEN named.name END, true, false) entry
            WHERE entry ~ '^[^.].*[.]conf$'
        UNION ALL
            SELECT replace(said[2], '"', ''), said[1] = 'include_if_exists'
            FROM regexp_matches(replace(replace(encode(pg_read_binary_file(
                    CASE WHEN NOT here.isdir THEN named.name END, 0, here.size, true), 'escape'),
                    chr(13), ''), repeat(chr(92), 2) || chr(10), ''),
                '^[[:blank:]]*"?(include|include_dir|include_if_exists)"?[[:blank:]]+' ||
                '(("[^"]*"|[^[:space:],"#])+)', 'gn') said) found)
    SELECT coalesce(bool_or(coalesce(greatest(last.modification, last.change)
        > pg_conf_load_time(), true)), true)::text
    FROM named, LATERAL pg_stat_file(named.name, true) here, LATERAL pg_stat_file(
        CASE WHEN optional AND here.size IS NULL THEN regexp_replace(named.name, '[^/]*$', '.')
            ELSE named.name END, true) last"##;

/// The first version whose `pg_hba.conf` may include other files.
const INCLUDES_VERSION: u32 = 160_000;

/// What `ALTER SYSTEM` set; of a setting that is there twice, the last holds.
pub(crate) const ALTERED: &str =
    "SELECT coalesce(json_object_agg(name, setting), '{}')::text FROM (
        SELECT DISTINCT ON (name) name, setting FROM pg_file_settings
        WHERE sourcefile = current_setting('data_directory') || '/postgresql.auto.conf'
            AND name IN ('ssl', 'ssl_min_protocol_version', 'password_encryption',
                'log_connections', 'log_disconnections', 'pgaudit.log')
        ORDER BY name, seqno DESC) altered";

/// What tells this cluster from all others.
const CLUSTER: &str = "SELECT system_identifier::text FROM pg_control_system()";

/// How passwords are stored; not what is stored.
const PASSWORDS: &str = "SELECT coalesce(json_object_agg(rolname, CASE
        WHEN rolpassword IS NULL THEN 'nothing'
        WHEN rolpassword LIKE 'SCRAM-SHA-256$%' THEN 'scram'
        WHEN rolpassword LIKE 'md5%' THEN 'md5'
        ELSE 'other' END), '{}')::text FROM pg_authid WHERE rolcanlogin";

/// Tables with the names of their columns; views show the rows of others, and those of their owner
/// unless they ask as whoever reads them. One column that everybody may read is enough.
const TABLES: &str = "SELECT coalesce(json_agg(json_build_object(
        'name', n.nspname || '.' || c.relname,
        'columns', (SELECT coalesce(json_agg(a.attname ORDER BY a.attnum), '[]')
            FROM pg_attribute a
            WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
        'row_security', c.relrowsecurity OR coalesce((SELECT bool_or(option_value::boolean)
            FROM pg_options_to_table(c.reloptions) WHERE option_name = 'security_invoker'), false),
        'public', has_any_column_privilege('public', c.oid, 'SELECT')
            AND has_schema_privilege('public', n.oid, 'USAGE'))
        ORDER BY n.nspname, c.relname), '[]')::text
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'";

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
