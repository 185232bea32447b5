//! What would make a server of PostgreSQL pass: settings that hold without a restart, and lines of
//! `pg_hba.conf` on this machine.
//!
//! What would lock out somebody who can come in now is left to people: a role without a password
//! that is stored as SCRAM, a server without TLS.

use crate::collect::postgres::Line;
use crate::facts::postgres::{HbaRule, Postgres, StoredPassword};
use crate::fix::{Change, Parameter};
use crate::outcome::Judged;
use crate::rules::postgres::{is_loopback, resource};

/// Sets a setting, if what was judged is the server, and `ALTER SYSTEM` can do it.
pub(super) fn set(
    facts: &Postgres,
    judged: &Judged,
    parameter: Parameter,
    value: &str,
) -> Vec<Change> {
    let Ok(altered) = facts.altered.seen() else { return Vec::new() };
    let can = facts.origins.get(parameter.name()).is_some_and(|origin| {
        // What a command line or a role says counts more than what is altered.
        let from_files = matches!(origin.source.as_str(), "default" | "configuration file");
        from_files && !matches!(origin.context.as_str(), "internal" | "postmaster")
    });
    let now = facts.settings.get(parameter.name()).map(String::as_str);
    if judged.resource != facts.place || !can || now == Some(value) {
        return Vec::new();
    }
    let (server, to) = (facts.place.clone(), Some(value.to_owned()));
    let from = altered.get(parameter.name()).cloned();
    vec![Change::SetParameter { server, parameter, from, to }]
}

/// Rewrites the line of a rule so that it asks for TLS and for SCRAM, as far as that locks nobody
/// out. Which of the rules wants it makes no difference, but it must hold afterwards.
pub(super) fn line(
    facts: &Postgres,
    judged: &Judged,
    wrong: fn(&HbaRule) -> Option<String>,
) -> Vec<Change> {
    let Ok(rules) = facts.hba.seen() else { return Vec::new() };
    let is_it =
        |rule: &&HbaRule| resource(facts, "hba line", &rule.line.to_string()) == judged.resource;
    // The same number in two files names two rules, and then nobody knows which is meant.
    let mut found = rules.iter().filter(is_it);
    let (Some(rule), None) = (found.next(), found.next()) else { return Vec::new() };
    let Some((text, line)) = rule.text.as_ref().and_then(|text| Some((text, Line::parse(text)?)))
    else {
        return Vec::new();
    };
    let mut better = rule.clone();
    let has_tls =
        facts.settings.get("ssl").is_some_and(on) && facts.offers_tls.seen() != Ok(&false);
    if rule.kind == "host" && !is_loopback(rule) && has_tls {
        better.kind = "hostssl".to_owned();
    }
    if WEAK.contains(&rule.method.as_str()) && all_have_scram(facts, rule) {
        better.method = "scram-sha-256".to_owned();
    }
    if wrong(&better).is_some() {
        return Vec::new();
    }
    vec![Change::EditHba {
        server: facts.place.clone(),
        path: rule.file.clone(),
        line: rule.line,
        from: text.clone(),
        to: line.with(&better.kind, &better.method),
    }]
}

fn on(value: &String) -> bool {
    value == "on"
}

/// Methods that `scram-sha-256` takes the place of.
const WEAK: &[&str] = &["trust", "password", "md5", "ident"];

/// Whether each role that the rule lets in can log in with SCRAM, or could not log in before.
fn all_have_scram(facts: &Postgres, rule: &HbaRule) -> bool {
    let Ok(passwords) = facts.passwords.seen() else { return false };
    let named = |role: &str| rule.users.iter().any(|user| user == role);
    // Groups, patterns, and files of names may mean anybody.
    let anybody = rule.users.iter().any(|user| {
        user == "all" || user.starts_with(['+', '/', '@']) || !passwords.contains_key(user)
    });
    let needs_password = matches!(rule.method.as_str(), "password" | "md5");
    passwords.iter().filter(|(role, _)| anybody || named(role)).all(|(_, stored)| match stored {
        StoredPassword::Scram => true,
        StoredPassword::Nothing => needs_password,
        StoredPassword::Md5 | StoredPassword::Other => false,
    })
}

/// What `pgaudit` records, and reads and writes as well; nothing if classes are taken out.
pub(super) fn audited(classes: &str) -> Option<String> {
    let mut all: Vec<String> = ["read", "write", "role", "ddl"].map(str::to_owned).into();
    for class in classes.split(',').map(|class| class.trim().to_ascii_lowercase()) {
        let is_word = class.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !is_word {
            return None;
        }
        if !class.is_empty() && class != "none" && !all.contains(&class) {
            all.push(class);
        }
    }
    Some(all.join(", "))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{audited, line};
    use crate::facts::Known;
    use crate::facts::postgres::{HbaRule, Postgres, StoredPassword};
    use crate::fix::Change;
    use crate::outcome::{Judged, Outcome};
    use crate::rules::postgres::testing::hba;

    #[test]
    fn classes_that_are_recorded_stay() {
        assert_eq!(audited("none").unwrap(), "read, write, role, ddl");
        assert_eq!(audited("DDL, misc_set").unwrap(), "read, write, role, ddl, misc_set");
        assert_eq!(audited("all, -read"), None);
    }

    /// What would be written for a line, if anything.
    fn written(
        (kind, address, method): (&str, &str, &str),
        user: &str,
        stored: StoredPassword,
        wrong: fn(&HbaRule) -> Option<String>,
    ) -> Option<String> {
        let mut facts = hba(kind, address, method);
        facts.settings = BTreeMap::from([("ssl".to_owned(), "on".to_owned())]);
        let scram = ("app".to_owned(), StoredPassword::Scram);
        facts.passwords = Known::Seen(BTreeMap::from([scram, ("twin".to_owned(), stored)]));
        let Known::Seen(rules) = &mut facts.hba else { return None };
        rules[0].users = vec![user.to_owned()];
        rules[0].text = Some(format!("{kind} all {user} {address} {method}"));
        let judged = Judged::new("ward hba line 7", Outcome::not_checked(""));
        match line(&facts, &judged, wrong).pop() {
            Some(Change::EditHba { to, .. }) => Some(to),
            _ => None,
        }
    }

    #[test]
    fn nobody_who_can_come_in_is_locked_out() {
        let weak = |rule: &HbaRule| (rule.method != "scram-sha-256").then(String::new);
        let open = |rule: &HbaRule| (rule.kind == "host").then(String::new);
        let (md5, none) = (StoredPassword::Md5, StoredPassword::Nothing);
        let network = |method| ("host", "10.0.0.0/8", method);
        let both = |user: &str| Some(format!("hostssl all {user} 10.0.0.0/8 scram-sha-256"));
        assert_eq!(written(network("md5"), "app", md5, weak), both("app"));
        for user in ["all", "twin", "+nurses", "/^t", "@names", "unknown"] {
            assert_eq!(written(network("md5"), user, md5, weak), None, "{user}");
            // TLS is asked for all the same.
            let tls = Some(format!("hostssl all {user} 10.0.0.0/8 md5"));
            assert_eq!(written(network("md5"), user, md5, open), tls, "{user}");
        }
        // Who has no password could not come in before, but where nobody was asked for one.
        assert_eq!(written(network("password"), "all", none, weak), both("all"));
        assert_eq!(written(network("trust"), "all", none, weak), None);
        let here = ("host", "127.0.0.1/32", "md5");
        let scram = Some("host all app 127.0.0.1/32 scram-sha-256".to_owned());
        assert_eq!(written(here, "app", md5, weak), scram);
        assert_eq!(written(("host", "10.0.0.0/8", "ldap"), "app", md5, weak), None);
    }

    #[test]
    fn without_tls_nothing_asks_for_it() {
        let mut facts = hba("host", "10.0.0.0/8", "scram-sha-256");
        facts.settings = BTreeMap::from([("ssl".to_owned(), "off".to_owned())]);
        let Known::Seen(rules) = &mut facts.hba else { return };
        rules[0].text = Some("host all all 10.0.0.0/8 scram-sha-256".to_owned());
        let judged = Judged::new("ward hba line 7", Outcome::not_checked(""));
        let open = |rule: &HbaRule| (rule.kind == "host").then(String::new);
        let planned = |facts: &Postgres| line(facts, &judged, open).len();
        assert_eq!(planned(&facts), 0);
        facts.settings.insert("ssl".to_owned(), "on".to_owned());
        assert_eq!(planned(&facts), 1);
        // Two files that are included may have the same line.
        let Known::Seen(rules) = &mut facts.hba else { return };
        rules.push(rules[0].clone());
        assert_eq!(planned(&facts), 0);
    }
}
