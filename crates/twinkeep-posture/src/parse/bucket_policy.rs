//! Policies of buckets (the IAM policy language): which statements let anybody in, in the sense
//! that AWS gives to "public", and whether requests without TLS are refused.
//!
//! A statement is public unless its principal, or a condition on who asks or from where, is fixed:
//! a value without a wildcard or a variable.

use std::net::IpAddr;

use serde_json::{Map, Value};

/// A policy.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// Its statements, in order.
    pub statements: Vec<Statement>,
}

/// One statement.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// Its name in messages: its `Sid`, or its place, from 1.
    pub name: String,
    /// Whether it denies instead of allowing.
    pub effect: Effect,
    /// For whom.
    pub principals: Principals,
    /// What.
    pub actions: Matches,
    /// On what.
    pub resources: Matches,
    /// Operator, key in lower case, and values.
    pub conditions: Vec<Condition>,
}

/// What a statement does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It lets in.
    Allow,
    /// It keeps out.
    Deny,
}

/// For whom a statement is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principals {
    /// Anybody: `*`, or all but some (`NotPrincipal`).
    Anybody,
    /// These and nobody else: accounts, roles, services, by their names in the policy.
    These(Vec<String>),
}

/// Patterns with `*` and `?`, or all but those.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matches {
    patterns: Vec<String>,
    negated: bool,
}

/// One condition. All of a statement's must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    operator: String,
    key: String,
    values: Vec<String>,
}

/// Why a policy cannot be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the policy is not what a policy should be")]
pub struct PolicyError;

impl Policy {
    /// Reads a policy.
    pub fn parse(value: &Value) -> Result<Policy, PolicyError> {
        let map = value.as_object().ok_or(PolicyError)?;
        let found = map.get("Statement").ok_or(PolicyError)?;
        let list = match found {
            Value::Array(list) => list.as_slice(),
            Value::Object(_) => std::slice::from_ref(found),
            _ => return Err(PolicyError),
        };
        let read = |(index, value)| Statement::parse(index, value);
        Ok(Policy { statements: list.iter().enumerate().map(read).collect::<Result<_, _>>()? })
    }

    /// Returns the statements that let anybody do something.
    pub fn public(&self) -> impl Iterator<Item = &Statement> {
        self.statements.iter().filter(|statement| statement.is_public())
    }

    /// Returns whether everybody who asks without TLS is refused everything in a bucket.
    pub fn refuses_plaintext(&self, bucket: &str) -> bool {
        let denies = |resource: &str| {
            self.statements.iter().any(|statement| statement.denies_plaintext(resource))
        };
        denies(bucket) && denies(&format!("{bucket}/*"))
    }

    /// Returns the accounts, and other names, that are let in and are not this account.
    pub fn others(&self, account: &str) -> Vec<String> {
        let allowed = self.statements.iter().filter(|statement| statement.effect == Effect::Allow);
        let named = allowed.flat_map(|statement| match &statement.principals {
            Principals::These(names) => names.iter().collect::<Vec<_>>(),
            // Whoever fulfils the conditions is let in, and those may name an account.
            Principals::Anybody => {
                let conditions = statement.conditions.iter().filter(|it| it.is_fixed());
                conditions.flat_map(|condition| &condition.values).collect()
            }
        });
        let mut others: Vec<String> = named
            .filter_map(|name| account_of(name))
            .filter(|number| *number != account)
            .map(str::to_owned)
            .collect();
        others.sort();
        others.dedup();
        others
    }

    /// Returns whether it lets in somebody by a canonical name, which does not tell the account.
    pub fn names_canonical(&self) -> bool {
        let canonical =
            |name: &String| name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        self.statements.iter().any(|statement| match &statement.principals {
            Principals::These(names) => {
                statement.effect == Effect::Allow && names.iter().any(canonical)
            }
            Principals::Anybody => false,
        })
    }
}

impl Statement {
    fn parse(index: usize, value: &Value) -> Result<Statement, PolicyError> {
        let map = value.as_object().ok_or(PolicyError)?;
        let effect = match map.get("Effect").and_then(Value::as_str) {
            Some("Allow") => Effect::Allow,
            Some("Deny") => Effect::Deny,
            _ => return Err(PolicyError),
        };
        let principals = match (map.get("Principal"), map.get("NotPrincipal")) {
            (Some(principal), None) => Principals::parse(principal)?,
            // All but some is nearly everybody; but who is not denied may come.
            (None, Some(_)) if effect == Effect::Allow => Principals::Anybody,
            (None, Some(_)) => Principals::These(Vec::new()),
            _ => return Err(PolicyError),
        };
        let conditions = match map.get("Condition") {
            None => Vec::new(),
            Some(found) => conditions(found)?,
        };
        let name = match map.get("Sid").and_then(Value::as_str) {
            Some(sid) if is_plain(sid) => format!("`{sid}`"),
            _ => format!("number {}", index + 1),
        };
        Ok(Statement {
            name,
            effect,
            principals,
            actions: Matches::parse(map, "Action")?,
            resources: Matches::parse(map, "Resource")?,
            conditions,
        })
    }

    /// Returns whether it lets anybody in.
    pub fn is_public(&self) -> bool {
        self.effect == Effect::Allow
            && self.principals == Principals::Anybody
            && !self.conditions.iter().any(Condition::is_fixed)
    }

    /// Returns what it lets do, for a message.
    pub fn says(&self) -> String {
        let plain = self.actions.patterns.iter().filter(|action| is_action(action));
        let list = plain.take(3).cloned().collect::<Vec<_>>().join(", ");
        let more = if self.actions.patterns.len() > 3 { ", …" } else { "" };
        let but = if self.actions.negated { "everything but " } else { "" };
        format!("{but}{list}{more}")
    }

    fn denies_plaintext(&self, resource: &str) -> bool {
        let [condition] = self.conditions.as_slice() else { return false };
        self.effect == Effect::Deny
            && self.principals == Principals::Anybody
            && condition.is_plaintext()
            && self.actions.cover("s3:*")
            && self.resources.cover_bucket(resource)
    }
}

impl Principals {
    fn parse(value: &Value) -> Result<Principals, PolicyError> {
        let map = match value {
            Value::String(text) if text == "*" => return Ok(Principals::Anybody),
            Value::Object(map) => map,
            _ => return Err(PolicyError),
        };
        let mut names = Vec::new();
        for value in map.values() {
            names.extend(texts(value)?);
        }
        if names.iter().any(|name| !is_constant(name)) {
            return Ok(Principals::Anybody);
        }
        if names.is_empty() { Err(PolicyError) } else { Ok(Principals::These(names)) }
    }
}

impl Matches {
    fn parse(map: &Map<String, Value>, name: &str) -> Result<Matches, PolicyError> {
        match (map.get(name), map.get(&format!("Not{name}"))) {
            (Some(value), None) => Ok(Matches { patterns: texts(value)?, negated: false }),
            (None, Some(value)) => Ok(Matches { patterns: texts(value)?, negated: true }),
            _ => Err(PolicyError),
        }
    }

    /// Returns whether one of the patterns stands for everything that `pattern` stands for.
    fn cover(&self, pattern: &str) -> bool {
        !self.negated
            && self.patterns.iter().any(|own| {
                glob(own.to_ascii_lowercase().as_bytes(), pattern.to_ascii_lowercase().as_bytes())
            })
    }

    fn cover_bucket(&self, resource: &str) -> bool {
        let covers = |pattern: &String| {
            // `arn:aws:s3:::NAME`, in whatever partition of AWS.
            let name = match pattern.split_once(":s3:::") {
                Some((_, name)) => name,
                None => pattern.as_str(),
            };
            glob(name.as_bytes(), resource.as_bytes())
        };
        !self.negated && self.patterns.iter().any(covers)
    }
}

impl Condition {
    /// A condition, as it stands in a policy.
    pub fn new(operator: &str, key: &str, values: Vec<String>) -> Condition {
        let (operator, key) = (operator.to_ascii_lowercase(), key.to_ascii_lowercase());
        Condition { operator, key, values }
    }

    /// Returns whether it holds for a fixed set of people or places only.
    pub fn is_fixed(&self) -> bool {
        let operator = self.operator.as_str();
        // `IfExists` and `ForAllValues` also hold where the key is missing.
        if operator.ends_with("ifexists") || operator.starts_with("forallvalues:") {
            return false;
        }
        let operator = operator.strip_prefix("foranyvalue:").unwrap_or(operator);
        let fixed: fn(&str) -> bool = match (operator, self.key.as_str()) {
            ("ipaddress", "aws:sourceip") => is_narrow,
            ("ipaddress", _) => return false,
            (_, "s3:dataaccesspointarn") => is_access_point,
            (_, key) if FIXING_KEYS.contains(&key) => is_constant,
            _ => return false,
        };
        let compares = matches!(
            operator,
            "stringequals"
                | "stringequalsignorecase"
                | "stringlike"
                | "arnequals"
                | "arnlike"
                | "ipaddress"
        );
        compares && !self.values.is_empty() && self.values.iter().all(|value| fixed(value))
    }

    fn is_plaintext(&self) -> bool {
        matches!(self.operator.as_str(), "bool" | "boolifexists")
            && self.key == "aws:securetransport"
            && self.values.iter().all(|value| value.eq_ignore_ascii_case("false"))
            && !self.values.is_empty()
    }
}

fn conditions(value: &Value) -> Result<Vec<Condition>, PolicyError> {
    let mut found = Vec::new();
    for (operator, keys) in value.as_object().ok_or(PolicyError)? {
        for (key, values) in keys.as_object().ok_or(PolicyError)? {
            found.push(Condition::new(operator, key, texts(values)?));
        }
    }
    Ok(found)
}

fn is_constant(value: &str) -> bool {
    !value.is_empty() && !value.contains(['*', '?']) && !value.contains("${")
}

/// The name of an access point may have a wildcard, the account must not.
fn is_access_point(value: &str) -> bool {
    let mut parts = value.splitn(6, ':');
    let account = parts.nth(4).unwrap_or_default();
    is_constant(account) && parts.next().is_some()
}

/// A range wider than /8 (or /32 of IPv6) is the internet.
fn is_narrow(value: &str) -> bool {
    let (address, length) = match value.split_once('/') {
        Some((address, length)) => (address, length.parse::<u8>().ok()),
        None => (value, Some(128)),
    };
    let Ok(address) = address.parse::<IpAddr>() else { return false };
    match (address, length) {
        (_, None) => false,
        (IpAddr::V4(_), Some(length)) => length >= 8,
        (IpAddr::V6(_), Some(length)) => length >= 32,
    }
}

/// Returns the account of a principal: a number, or the ARN of something in it.
fn account_of(principal: &str) -> Option<&str> {
    let number = |text: &str| text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    if number(principal) {
        return Some(principal);
    }
    principal.strip_prefix("arn:")?.split(':').nth(3).filter(|part| number(part))
}

/// One text, or a list of them. Numbers and truth values are written without quotes by some.
fn texts(value: &Value) -> Result<Vec<String>, PolicyError> {
    let text = |value: &Value| match value {
        Value::String(text) => Ok(text.clone()),
        Value::Bool(_) | Value::Number(_) => Ok(value.to_string()),
        _ => Err(PolicyError),
    };
    match value {
        Value::Array(list) => list.iter().map(text).collect(),
        other => Ok(vec![text(other)?]),
    }
}

/// Returns whether a text has no sign that could do something to a terminal or a page.
fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.len() <= 100 && text.chars().all(|c| c.is_ascii_alphanumeric())
}

fn is_action(text: &str) -> bool {
    text.len() <= 100 && text.chars().all(|c| c.is_ascii_alphanumeric() || ":*?-".contains(c))
}

/// Matches `*` and `?`, in time linear in the product of the lengths, without recursion.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&byte) if byte == b'?' || byte == text[t] => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((at, from)) = star else { return false };
                star = Some((at, from + 1));
                p = at + 1;
                t = from + 1;
            }
        }
    }
    pattern[p..].iter().all(|&byte| byte == b'*')
}

/// What says who asks or from where (Amazon S3 user guide, "The meaning of public").
const FIXING_KEYS: &[&str] = &[
    "aws:principalaccount",
    "aws:principalarn",
    "aws:principalorgid",
    "aws:sourceaccount",
    "aws:sourcearn",
    "aws:sourceorgid",
    "aws:sourceowner",
    "aws:sourcevpc",
    "aws:sourcevpce",
    "aws:userid",
    "s3:dataaccesspointaccount",
    "s3:x-amz-server-side-encryption-aws-kms-key-id",
];

#[cfg(test)]
mod tests;
