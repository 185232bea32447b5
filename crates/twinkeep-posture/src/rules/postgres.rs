//! Rules about servers of PostgreSQL.

use std::net::IpAddr;

use crate::facts::postgres::{HbaRule, Postgres, Table};
use crate::outcome::{Judged, Outcome, Place};

pub(super) mod anywhere;
pub(crate) mod audit;
mod fixes;
pub(crate) mod hba_method;
pub(crate) mod hba_tls;
pub(crate) mod log_connections;
pub(crate) mod passwords;
pub(super) mod powerful_roles;
pub(super) mod public_tables;
pub(super) mod role_expiry;
pub(super) mod row_security;
pub(super) mod storage;
pub(crate) mod tls;
pub(crate) mod tls_version;
pub(crate) mod trust;

#[cfg(test)]
mod testing;

/// Says something of the server as a whole.
fn on_server(facts: &Postgres, outcome: Outcome) -> Vec<Judged> {
    vec![Judged::new(&facts.place, outcome)]
}

/// Names something of a server.
fn resource(facts: &Postgres, kind: &str, name: &str) -> String {
    format!("{} {kind} {name}", facts.place)
}

/// Returns a setting, or that nobody knows it.
fn setting<'a>(facts: &'a Postgres, name: &str) -> Result<&'a str, Outcome> {
    let hidden = || Outcome::not_checked(format!("the role may not see the setting `{name}`"));
    if facts.overridden.contains(name) {
        let why = format!("a role or a database has a `{name}` of its own (`pg_db_role_setting`)");
        return Err(Outcome::not_checked(why));
    }
    facts.settings.get(name).map(String::as_str).ok_or_else(hidden)
}

/// Judges each rule about who may connect how.
fn each_hba(facts: &Postgres, wrong: fn(&HbaRule) -> Option<String>) -> Vec<Judged> {
    let rules = match facts.hba.seen() {
        Ok(rules) => rules,
        Err(why) => return on_server(facts, Outcome::not_checked(why)),
    };
    // The server takes over all lines of a file, or none, and then goes by those that it had.
    let is_taken = !rules.iter().any(|rule| rule.broken);
    let judged = |rule: &HbaRule| {
        let at = || Place { path: rule.file.clone(), line: Some(rule.line), column: None };
        let outcome = match wrong(rule) {
            _ if rule.broken => Outcome::not_checked("the server cannot read the line"),
            Some(what) => Outcome::fail(at(), what),
            None if is_taken => Outcome::Pass,
            None => {
                Outcome::not_checked("the server cannot read another line, and takes over none")
            }
        };
        Judged::new(resource(facts, "hba line", &rule.line.to_string()), outcome)
    };
    rules.iter().map(judged).collect()
}

/// Judges each table whose columns are called as data of people are.
fn each_table(facts: &Postgres, wrong: fn(&Table) -> Option<String>) -> Vec<Judged> {
    let judged = |table: &Table| {
        let fail = |what| Outcome::fail(Place::of(&table.name), what);
        let outcome = wrong(table).map_or(Outcome::Pass, fail);
        Judged::new(resource(facts, "table", &table.name), outcome)
    };
    facts.tables.iter().map(judged).collect()
}

/// Returns whether a rule is for this machine only. The mask decides: half of the internet
/// begins with 127, too, if it is short enough.
fn is_loopback(rule: &HbaRule) -> bool {
    let address: Option<IpAddr> = rule.address.parse().ok();
    let mask: Option<IpAddr> = rule.mask.parse().ok();
    match (address, mask) {
        (Some(IpAddr::V4(address)), Some(IpAddr::V4(mask))) => {
            address.is_loopback() && mask.octets()[0] == 255
        }
        (Some(IpAddr::V6(address)), Some(IpAddr::V6(mask))) => {
            address.is_loopback() && mask.segments() == [0xffff; 8]
        }
        _ => rule.kind == "local",
    }
}

/// Returns whether a rule is for every address.
fn is_anywhere(rule: &HbaRule) -> bool {
    let mask: Option<IpAddr> = rule.mask.parse().ok();
    rule.address == "all" || mask.is_some_and(|mask| mask.is_unspecified())
}
