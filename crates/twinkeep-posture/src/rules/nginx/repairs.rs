//! What would be edited in the files of an nginx so that rules pass.
//!
//! All edits are worked out against the files as they are. Each rule then gets its own change of
//! each file, on top of those of the rules before it in the table of rules, so that a plan can make them
//! one after the other, and take them back in the other order, each past `nginx -t`.

use std::collections::{BTreeMap, BTreeSet};

use super::{REPAIRED, name};
use crate::facts::Check;
use crate::facts::nginx::{Edit, Location, Nginx, Server};
use crate::fix::{Change, Gate};
use crate::outcome::{Judged, Outcome, Place};
use crate::parse::nginx::tree::{Configuration, Node};
use crate::rule::Judge;

/// The changes of files that a rule asks for, if it asks for one for this resource.
pub(super) fn changes(facts: &Nginx, judged: &Judged, rule: &str) -> Vec<Change> {
    let repairs = &facts.repairs;
    let helps =
        repairs.edits.iter().any(|edit| edit.rule == rule && edit.resource == judged.resource);
    let rank = |rule: &str| REPAIRED.iter().position(|known| known.id == rule);
    let Some(mine) = rank(rule).filter(|_| helps) else { return Vec::new() };
    let mut changes = Vec::new();
    for (path, text) in &repairs.sources {
        let with = |last: usize| {
            let edits = repairs.edits.iter().filter(|edit| {
                edit.path == *path && rank(&edit.rule).is_some_and(|rank| rank < last)
            });
            edited(text, edits.collect())
        };
        let (from, to) = (with(mine), with(mine + 1));
        if from != to {
            let gate = Some(Gate::Nginx { config: facts.main.clone() });
            changes.push(Change::Rewrite { path: path.clone(), from, to, gate });
        }
    }
    changes
}

/// A text with edits made; two that are the same are one.
fn edited(text: &str, mut edits: Vec<&Edit>) -> String {
    edits.sort_by_key(|edit| (edit.start, edit.end));
    let mut made: Vec<&Edit> = Vec::new();
    for edit in edits {
        let same = made.iter().any(|other| {
            (other.start, other.end, &other.text) == (edit.start, edit.end, &edit.text)
        });
        let overlaps = made.last().is_some_and(|last| edit.start < last.end);
        if !same && !overlaps {
            made.push(edit);
        }
    }
    let mut result = String::with_capacity(text.len());
    let mut at = 0;
    for edit in made {
        result.push_str(text.get(at..edit.start).unwrap_or_default());
        result.push_str(&edit.text);
        at = edit.end;
    }
    result.push_str(text.get(at..).unwrap_or_default());
    result
}

/// Works out all edits of a configuration.
pub(crate) fn find(configuration: &Configuration, facts: &Nginx) -> Vec<Edit> {
    let mut index = BTreeMap::new();
    chains(&configuration.nodes, &[], &mut index);
    let mut finder = Finder { index, edits: Vec::new(), rule: "", resource: String::new() };
    for rule in REPAIRED {
        let Check::Nginx(Judge { judge }) = &rule.check else { continue };
        let failed: BTreeSet<(String, Place)> = judge(facts)
            .into_iter()
            .filter_map(|judged| match judged.outcome {
                Outcome::Fail { at, .. } => Some((judged.resource, at)),
                _ => None,
            })
            .collect();
        finder.rule = rule.id;
        for server in &facts.servers {
            finder.server(facts, server, &failed);
        }
    }
    finder.edits
}

/// A directive, with all that it stands in, the outermost first.
type Chain<'a> = Vec<&'a Node>;

/// Every directive by its place.
fn chains<'a>(nodes: &'a [Node], above: &[&'a Node], index: &mut BTreeMap<Place, Chain<'a>>) {
    for node in nodes {
        let mut chain = above.to_vec();
        chain.push(node);
        chains(node.children(), &chain, index);
        // A file that is included twice stands in two places; the first will do.
        index.entry(node.at()).or_insert(chain);
    }
}

struct Finder<'a> {
    index: BTreeMap<Place, Chain<'a>>,
    edits: Vec<Edit>,
    rule: &'static str,
    resource: String,
}

impl<'a> Finder<'a> {
    fn server(&mut self, facts: &Nginx, server: &Server, failed: &BTreeSet<(String, Place)>) {
        let Some(chain) = server.at.as_ref().and_then(|at| self.index.get(at)).cloned() else {
            return;
        };
        self.resource = name(server);
        let settings = [&server.protocols, &server.ciphers, &server.tokens];
        let mut places: Vec<&Place> =
            settings.iter().filter_map(|it| it.as_ref()).map(|it| &it.at).collect();
        places.extend(&server.at);
        let fails = |resource: &str, places: &[&Place]| {
            places.iter().any(|&at| failed.contains(&(resource.to_owned(), at.clone())))
        };
        if fails(&self.resource, &places) {
            match self.rule {
                "nginx-tls-protocols" => {
                    let at = server.protocols.as_ref().map(|setting| &setting.at);
                    self.set(at, &chain, "ssl_protocols TLSv1.2 TLSv1.3;");
                }
                "nginx-tls-ciphers" => {
                    let at = server.ciphers.as_ref().map(|setting| &setting.at);
                    self.set(at, &chain, "ssl_ciphers HIGH:!aNULL:!eNULL:!MD5:!3DES:!RC4;");
                }
                "nginx-server-tokens" => {
                    let at = server.tokens.as_ref().map(|setting| &setting.at);
                    self.set(at, &chain, "server_tokens off;");
                }
                _ => {}
            }
        }
        for location in &server.locations {
            let resource = format!("{}, {}", name(server), location.name);
            let mut places: Vec<&Place> =
                location.headers.iter().map(|header| &header.at).collect();
            places.extend(location.upstream.as_ref().map(|upstream| &upstream.at));
            places.extend(location.limits.iter().map(|limit| &limit.at));
            let others = [&location.at, &location.limits_dry, &location.log_off, &location.listing];
            places.extend(others.into_iter().flatten());
            if fails(&resource, &places) {
                self.resource = resource;
                self.location(facts, location);
            }
        }
    }

    fn location(&mut self, facts: &Nginx, location: &Location) {
        let Some(chain) = location.at.as_ref().and_then(|at| self.index.get(at)).cloned() else {
            return;
        };
        match self.rule {
            "nginx-hsts" => {
                self.header(location, &chain, "Strict-Transport-Security", "\"max-age=31536000\"");
            }
            "nginx-nosniff" => self.header(location, &chain, "X-Content-Type-Options", "nosniff"),
            "nginx-framing" => self.header(location, &chain, "X-Frame-Options", "SAMEORIGIN"),
            "nginx-rate-limit" => self.limit(facts, location, &chain),
            "nginx-access-log" => self.replace(location.log_off.as_ref(), ""),
            "nginx-listing" => self.replace(location.listing.as_ref(), "autoindex off;"),
            "nginx-powered-by" => {
                let scheme = location.upstream.as_ref().map(|upstream| upstream.scheme.as_str());
                let kind = match scheme {
                    Some("grpc" | "grpcs") => "grpc",
                    Some("fastcgi") => "fastcgi",
                    Some("uwsgi" | "suwsgi") => "uwsgi",
                    Some("scgi") => "scgi",
                    _ => "proxy",
                };
                let directive = format!("{kind}_hide_header");
                let level = nearest(&chain, &directive);
                self.insert(level, &format!("{directive} X-Powered-By;"));
            }
            _ => {}
        }
    }

    /// Replaces the header if it is there and wrong, and else adds it at the level that counts.
    fn header(&mut self, location: &Location, chain: &Chain<'a>, header: &str, value: &str) {
        let text = format!("add_header {header} {value} always;");
        let wrong = location.headers.iter().find(|it| it.name.eq_ignore_ascii_case(header));
        match wrong {
            Some(wrong) => self.replace(Some(&wrong.at), &text),
            None => self.insert(nearest(chain, "add_header"), &text),
        }
    }

    fn limit(&mut self, facts: &Nginx, location: &Location, chain: &Chain<'a>) {
        if let Some(dry) = &location.limits_dry {
            self.replace(Some(dry), "limit_req_dry_run off;");
            return;
        }
        let Some(outer) = chain.first().copied() else { return };
        let zone = match facts.zones.iter().find(|zone| !zone.evaded) {
            Some(zone) => zone.name.clone(),
            None => {
                self.insert(
                    Some(outer),
                    "limit_req_zone $binary_remote_addr zone=twinkeep_clients:10m rate=10r/s;",
                );
                "twinkeep_clients".to_owned()
            }
        };
        // Limits of its own are all that a level has.
        let has = |node: &&&Node| node.children().iter().any(|inner| inner.is("limit_req"));
        let level = chain.iter().rev().find(has).copied().unwrap_or(outer);
        self.insert(Some(level), &format!("limit_req zone={zone} burst=20 nodelay;"));
    }

    /// Replaces the setting where it is made, and else makes it in the outermost block.
    fn set(&mut self, at: Option<&Place>, chain: &Chain<'a>, text: &str) {
        match at {
            Some(at) => self.replace(Some(at), text),
            None => self.insert(chain.first().copied(), text),
        }
    }

    fn replace(&mut self, at: Option<&Place>, text: &str) {
        let Some(node) =
            at.and_then(|at| self.index.get(at)).and_then(|chain| chain.last().copied())
        else {
            return;
        };
        self.edit(node, node.name.start, node.end, text.to_owned());
    }

    /// Adds a line at the start of a block.
    fn insert(&mut self, into: Option<&'a Node>, text: &str) {
        let Some((node, block)) = into.and_then(|node| Some((node, node.block.as_ref()?))) else {
            return;
        };
        let indent = " ".repeat(node.name.column as usize + 3);
        self.edit(node, block.open, block.open, format!("\n{indent}{text}"));
    }

    fn edit(&mut self, node: &Node, start: usize, end: usize, text: String) {
        let (rule, resource) = (self.rule.to_owned(), self.resource.clone());
        self.edits.push(Edit { rule, resource, path: node.path.to_string(), start, end, text });
    }
}

/// The innermost block that has such a directive itself, or else the server.
fn nearest<'a>(chain: &Chain<'a>, directive: &str) -> Option<&'a Node> {
    let has = |node: &&&Node| node.children().iter().any(|inner| inner.is(directive));
    let server = || chain.iter().find(|node| node.is("server"));
    chain.iter().rev().find(has).or_else(server).copied()
}
