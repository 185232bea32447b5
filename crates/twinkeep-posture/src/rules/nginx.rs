//! Rules over the configuration of an nginx.

use crate::facts::nginx::{Location, Nginx, Server, Upstream};
use crate::outcome::{Judged, Outcome, Place};
use crate::rule::Rule;

pub(crate) mod access_log;
pub(super) mod client_certificate;
pub(crate) mod framing;
pub(crate) mod hsts;
pub(super) mod includes;
pub(super) mod listener;
pub(crate) mod listing;
pub(crate) mod nosniff;
pub(crate) mod powered_by;
pub(crate) mod rate_limit;
pub(crate) mod repairs;
pub(crate) mod server_tokens;
pub(super) mod static_key;
pub(crate) mod tls_ciphers;
pub(crate) mod tls_protocols;
pub(super) mod upstream_plain;
pub(super) mod upstream_verify;

#[cfg(test)]
mod tests;

/// The rules whose failures can be repaired, the worst first: a plan for what is bad alone is then
/// the start of the plan for everything. The table of all rules has them in the same order.
const REPAIRED: &[&Rule] = &[
    &rate_limit::RULE,
    &tls_ciphers::RULE,
    &tls_protocols::RULE,
    &access_log::RULE,
    &hsts::RULE,
    &listing::RULE,
    &framing::RULE,
    &nosniff::RULE,
    &powered_by::RULE,
    &server_tokens::RULE,
];

/// What a server is called in reports.
fn name(server: &Server) -> String {
    format!("server {}", server.name)
}

/// Where a server starts.
fn start(server: &Server) -> Place {
    server.at.clone().unwrap_or_else(|| Place::of(&server.name))
}

/// Whether anybody can speak TLS to a server.
fn speaks_tls(server: &Server) -> bool {
    server.listens.iter().any(|listen| listen.tls)
}

/// Asks about each server that speaks TLS.
fn tls_servers(facts: &Nginx, judge: impl Fn(&Server) -> Outcome) -> Vec<Judged> {
    let servers = facts.servers.iter().filter(|server| speaks_tls(server));
    servers.map(|server| Judged::new(name(server), judge(server))).collect()
}

/// Asks about each place where a server answers that a rule is for.
fn locations(facts: &Nginx, judge: impl Fn(&Server, &Location) -> Option<Outcome>) -> Vec<Judged> {
    let mut judged = Vec::new();
    for server in &facts.servers {
        for location in &server.locations {
            if let Some(outcome) = judge(server, location) {
                let resource = format!("{}, {}", name(server), location.name);
                judged.push(Judged::new(resource, outcome));
            }
        }
    }
    judged
}

/// Asks about each upstream that a rule is for: of locations, and of connections.
fn upstreams(facts: &Nginx, judge: impl Fn(&Upstream) -> Option<Outcome>) -> Vec<Judged> {
    let mut judged = locations(facts, |_, location| judge(location.upstream.as_ref()?));
    for server in &facts.servers {
        if let Some(outcome) = server.upstream.as_ref().and_then(&judge) {
            judged.push(Judged::new(name(server), outcome));
        }
    }
    judged
}

/// Where a place of answers starts.
fn location_start(location: &Location) -> Place {
    location.at.clone().unwrap_or_else(|| Place::of(&location.name))
}

/// What is wrong if a header is not added, naming the trap of inheritance if that is why.
fn missing_header(location: &Location, header: &str) -> Outcome {
    let lost = location.lost.iter().any(|lost| lost == header);
    let why = if lost {
        format!("loses `{header}` of the level above, because it adds headers of its own")
    } else {
        format!("adds no `{header}`")
    };
    Outcome::fail(location_start(location), why)
}

/// Asks whether a place adds a header to all answers, errors included, with a value that will do.
fn adds_header(location: &Location, header: &str, good: impl Fn(&str) -> bool) -> Outcome {
    let mut found: Option<Outcome> = None;
    for added in location.headers.iter().filter(|added| added.name == header) {
        let wrong = if !good(&added.value) {
            "has a value that does not protect"
        } else if !added.always {
            "is not added to errors, without `always`"
        } else {
            return Outcome::Pass;
        };
        found = Some(Outcome::fail(added.at.clone(), format!("`{header}` {wrong}")));
    }
    found.unwrap_or_else(|| missing_header(location, header))
}
