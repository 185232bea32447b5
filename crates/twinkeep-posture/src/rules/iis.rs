//! Rules over the configuration of an IIS.
//!
//! A `web.config` alone does not say what the server above it says: what nothing says is then not
//! checked, and never the default.

use crate::facts::iis::{Iis, Scope};
use crate::outcome::{Judged, Outcome};
use crate::rule::Rule;

pub(crate) mod access_log;
pub(super) mod anonymous;
pub(crate) mod debug;
pub(super) mod files;
pub(crate) mod framing;
pub(crate) mod hsts;
pub(super) mod legacy_tls;
pub(super) mod listener;
pub(crate) mod listing;
pub(crate) mod nosniff;
pub(crate) mod powered_by;
pub(super) mod rate_limit;
pub(crate) mod repairs;
pub(super) mod request_limits;
pub(super) mod server_header;
pub(super) mod static_key;
pub(super) mod upstream_plain;

#[cfg(test)]
mod tests;

/// The rules whose failures can be repaired, the worst first: a plan for what is bad alone is then
/// the start of the plan for everything. The table of all rules has them in the same order.
const REPAIRED: &[&Rule] = &[
    &access_log::RULE,
    &debug::RULE,
    &hsts::RULE,
    &listing::RULE,
    &framing::RULE,
    &nosniff::RULE,
    &powered_by::RULE,
];

/// Asks about each place where it answers.
fn scopes(facts: &Iis, judge: impl Fn(&Scope) -> Option<Outcome>) -> Vec<Judged> {
    let judged = facts.scopes.iter();
    judged.filter_map(|scope| Some(Judged::new(&scope.name, judge(scope)?))).collect()
}

/// What nothing says, and the server may.
fn unsaid() -> Outcome {
    Outcome::not_checked(
        "nothing here says it, and the server's own applicationHost.config was not scanned",
    )
}

/// Asks whether a place adds a header with a value that will do.
fn adds_header(scope: &Scope, header: &str, good: impl Fn(&str) -> bool) -> Outcome {
    match scope.headers.iter().find(|added| added.name == header) {
        Some(added) if good(&added.value) => {
            let mut rewritten = scope.rewritten.iter().filter(|it| it.name == header);
            match rewritten.find(|it| !good(&it.value)) {
                Some(bad) => Outcome::fail(
                    bad.at.clone(),
                    format!("an outbound rule makes `{header}` one that does not protect"),
                ),
                None => Outcome::Pass,
            }
        }
        Some(added) => {
            Outcome::fail(added.at.clone(), format!("`{header}` has a value that does not protect"))
        }
        None if knows_headers(scope, header) => {
            Outcome::fail(scope.place(None), format!("adds no `{header}`"))
        }
        None => unsaid(),
    }
}

/// Whether a header that is not there cannot come from above.
fn knows_headers(scope: &Scope, header: &str) -> bool {
    scope.complete || scope.cleared || scope.removed.iter().any(|name| name == header)
}

/// Asks of a setting whether it is off, which it is by default.
fn is_off(scope: &Scope, setting: &str, bad: &[&str], what: &str) -> Outcome {
    match scope.says(setting) {
        Some(value) if bad.contains(&value.as_str()) => {
            Outcome::fail(scope.place(Some(setting)), what)
        }
        Some(_) => Outcome::Pass,
        None if scope.complete => Outcome::Pass,
        None => unsaid(),
    }
}
