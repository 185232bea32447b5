//! What holds at each place where an nginx answers: directives inherited as nginx inherits them.
//!
//! A directive with one value is taken from the nearest level that has it. So are lists
//! (`add_header`, `limit_req`, `proxy_hide_header`), and as a whole: a location that adds one
//! header loses all that the levels above add, unless `add_header_inherit merge` says otherwise.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::facts::nginx::{Header, Listen, Location, Nginx, Server, Setting, StaticKey, Zone};
use crate::outcome::Place;
use crate::parse::nginx::tree::{Configuration, Node};
use crate::secret::of_name;

mod keys;
mod upstream;

/// More holds at the places of a configuration than is written down.
///
/// Each place inherits from all levels above it, so that a file of a few megabytes could say that
/// ten thousand headers hold at ten thousand places.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("more than {FACTS_MAX} headers and limits hold at its places together")]
pub struct TooMany;

/// Works out what holds where.
pub fn facts(configuration: &Configuration) -> Result<Nginx, TooMany> {
    let paths = configuration.files.iter().map(|file| file.path.display().to_string());
    let files: Vec<String> = paths.collect();
    let mut facts = Nginx {
        main: files.first().cloned().unwrap_or_default(),
        files,
        unread: configuration.unread.clone(),
        ..Nginx::default()
    };
    let top = Level::new(&configuration.nodes);
    let mut left = FACTS_MAX;
    for outer in top.nodes.iter().filter(|node| node.is("http") || node.is("stream")) {
        let inside = Level::new(outer.children());
        facts.zones.extend(inside.all("limit_req_zone").iter().filter_map(|node| zone(node)));
        keys::collect(inside.nodes, &mut facts.static_keys);
        for server in inside.all("server") {
            let here = Level::new(server.children());
            let levels = Levels { above: vec![top.clone(), inside.clone()], here };
            facts.servers.push(self::server(server, outer.is("stream"), &levels, &mut left)?);
        }
    }
    Ok(facts)
}

/// What stands in one block, by name: a place of many is not searched through for each setting.
#[derive(Clone)]
struct Level<'a> {
    nodes: &'a [Node],
    by_name: Rc<BTreeMap<&'a str, Vec<&'a Node>>>,
}

impl<'a> Level<'a> {
    fn new(nodes: &'a [Node]) -> Level<'a> {
        let mut by_name: BTreeMap<&str, Vec<&Node>> = BTreeMap::new();
        for node in nodes {
            by_name.entry(&node.name.text).or_default().push(node);
        }
        Level { nodes, by_name: Rc::new(by_name) }
    }

    /// The directives of a name, in order.
    fn all(&self, name: &str) -> &[&'a Node] {
        self.by_name.get(name).map_or(&[], Vec::as_slice)
    }
}

/// The levels that a place inherits from, the outermost first.
#[derive(Clone)]
struct Levels<'a> {
    above: Vec<Level<'a>>,
    here: Level<'a>,
}

impl<'a> Levels<'a> {
    fn inside(&self, here: &'a [Node]) -> Levels<'a> {
        let mut above = self.above.clone();
        above.push(self.here.clone());
        Levels { above, here: Level::new(here) }
    }

    /// The levels, the nearest first.
    fn outward(&self) -> impl Iterator<Item = &Level<'a>> + '_ {
        std::iter::once(&self.here).chain(self.above.iter().rev())
    }

    /// The nearest directive of a name.
    fn nearest(&self, name: &str) -> Option<&'a Node> {
        self.outward().find_map(|level| level.all(name).last().copied())
    }

    /// All directives of a name at the nearest level that has one.
    fn nearest_all(&self, name: &str) -> Vec<&'a Node> {
        let found = self.outward().map(|level| level.all(name)).find(|found| !found.is_empty());
        found.unwrap_or_default().to_vec()
    }

    /// All directives of a name at all levels.
    fn everywhere(&self, name: &str) -> impl Iterator<Item = &'a Node> + '_ {
        let found: Vec<&[&Node]> = self.outward().map(|level| level.all(name)).collect();
        found.into_iter().flatten().copied()
    }

    fn setting(&self, name: &str) -> Option<Setting> {
        self.nearest(name).map(setting)
    }

    fn says(&self, name: &str, word: &str) -> Option<&'a Node> {
        self.nearest(name).filter(|node| node.argument(0) == Some(word))
    }
}

fn setting(node: &Node) -> Setting {
    Setting { words: node.words(), at: node.at() }
}

fn zone(node: &Node) -> Option<Zone> {
    let name = node.arguments.iter().find_map(|word| word.text.strip_prefix("zone="))?;
    let name = name.split(':').next().unwrap_or(name);
    let key = node.argument(0).unwrap_or_default();
    let sent = ["$http_", "${http_", "$arg_", "${arg_", "$cookie_", "${cookie_"];
    let evaded = key.is_empty() || sent.iter().any(|prefix| key.contains(prefix));
    Some(Zone { name: name.to_owned(), at: node.at(), evaded })
}

/// `ssl_protocols`: of several at one level all count together.
fn protocols(levels: &Levels<'_>) -> Option<Setting> {
    let all = levels.nearest_all("ssl_protocols");
    let old = |node: &&Node| {
        node.arguments.iter().any(|word| !matches!(word.text.as_str(), "TLSv1.2" | "TLSv1.3"))
    };
    let shown = all.iter().copied().find(old).or(all.first().copied())?;
    Some(Setting { words: all.iter().flat_map(|node| node.words()).collect(), at: shown.at() })
}

/// Where it says that nothing is logged: `off` counts before and after other logs.
fn log_off(levels: &Levels<'_>) -> Option<Place> {
    let all = levels.nearest_all("access_log");
    let off = all.iter().find(|node| node.argument(0) == Some("off"));
    let is_nowhere = all.iter().all(|node| node.argument(0) == Some("/dev/null"));
    let nowhere = all.first().filter(|_| is_nowhere);
    off.or(nowhere).map(|node| node.at())
}

fn server(
    node: &Node,
    stream: bool,
    levels: &Levels<'_>,
    left: &mut usize,
) -> Result<Server, TooMany> {
    let listens = listens(node);
    let here = levels.here.nodes;
    let name = levels
        .here
        .all("server_name")
        .iter()
        .filter_map(|node| node.argument(0))
        .find(|name| !name.is_empty() && *name != "_")
        .map(str::to_owned)
        .or_else(|| listens.first().map(|listen| listen.address.clone()));
    Ok(Server {
        name: name.unwrap_or_default(),
        at: Some(node.at()),
        stream,
        redirects: redirects(here),
        protocols: protocols(levels),
        ciphers: levels.setting("ssl_ciphers"),
        client_verification: levels.setting("ssl_verify_client"),
        unverified_refused: here.iter().any(refuses_unverified),
        tokens: levels.setting("server_tokens"),
        upstream: if stream { upstream::of_connections(levels, &listens) } else { None },
        locations: if stream { Vec::new() } else { locations(node, levels, left)? },
        listens,
    })
}

fn listens(server: &Node) -> Vec<Listen> {
    let ssl_on = server
        .children()
        .iter()
        .any(|node| node.is("ssl") && node.argument(0).is_some_and(|word| word == "on"));
    let mut listens: Vec<Listen> = server
        .children()
        .iter()
        .filter(|node| node.is("listen"))
        .filter_map(|node| {
            let address = node.argument(0)?;
            let tls =
                node.arguments.iter().skip(1).any(|word| word.text == "ssl" || word.text == "quic");
            Some(Listen {
                at: node.at(),
                address: address.to_owned(),
                local: local_address(address),
                tls: tls || ssl_on,
            })
        })
        .collect();
    if listens.is_empty() {
        listens.push(Listen {
            at: server.at(),
            address: "*:80".to_owned(),
            local: false,
            tls: ssl_on,
        });
    }
    listens
}

/// Whether an address of `listen`, or of an upstream, is this machine.
fn local_address(address: &str) -> bool {
    if address.starts_with("unix:") {
        return true;
    }
    let host = match address.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => address.split(':').next().unwrap_or(address),
    };
    host == "localhost"
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whether a server only sends clients to `https`: it answers with nothing else.
fn redirects(here: &[Node]) -> bool {
    let to_https = |node: &Node| match node.name.text.as_str() {
        "return" => {
            matches!(node.argument(0), Some("301" | "302" | "307" | "308"))
                && node.argument(1).is_some_and(|to| to.starts_with("https://"))
                || node.argument(0).is_some_and(|to| to.starts_with("https://"))
        }
        _ => false,
    };
    let refuses = |node: &Node| {
        node.is("return") && matches!(node.argument(0), Some("400" | "403" | "404" | "410" | "444"))
    };
    if here.iter().any(|node| to_https(node) || refuses(node)) {
        // `return` in the server runs before any location is looked up.
        return true;
    }
    let mut locations = here.iter().filter(|node| node.is("location")).peekable();
    let all = here.iter().any(|node| node.is("location") && catches_all(node));
    let challenge = |node: &Node| {
        node.arguments.iter().any(|word| word.text.starts_with("/.well-known/acme-challenge"))
    };
    locations.peek().is_some()
        && all
        && locations.all(|node| {
            let inside = node.children();
            // What a location within it answers comes before its own `return`.
            !inside.iter().any(|node| node.is("location"))
                && (challenge(node) || inside.iter().any(|node| to_https(node) || refuses(node)))
        })
}

fn catches_all(location: &Node) -> bool {
    let words = &location.arguments;
    words.last().is_some_and(|word| word.text == "/")
        && words.first().is_some_and(|word| matches!(word.text.as_str(), "/" | "^~"))
}

/// `if ($ssl_client_verify != SUCCESS) { return 403; }`
fn refuses_unverified(node: &Node) -> bool {
    let condition: String = node.words().concat();
    node.is("if")
        && condition.contains("$ssl_client_verify!=")
        && condition.contains("SUCCESS")
        && node.children().iter().any(|node| {
            node.is("return") && node.argument(0).is_some_and(|code| code.starts_with('4'))
        })
}

/// The places in a server where requests are answered.
fn locations(
    server: &Node,
    levels: &Levels<'_>,
    left: &mut usize,
) -> Result<Vec<Location>, TooMany> {
    let mut found = Vec::new();
    let caught = levels.here.all("location").iter().any(|node| catches_all(node));
    if !caught {
        push(&mut found, location("server".to_owned(), server, levels), left)?;
    }
    nested(levels, "", &mut found, left)?;
    Ok(found)
}

/// Keeps a place, as long as they do not hold too much together.
fn push(found: &mut Vec<Location>, one: Location, left: &mut usize) -> Result<(), TooMany> {
    let holds = 1
        + one.name.len() / 64
        + one.headers.len()
        + one.lost.len()
        + one.hidden.len()
        + one.limits.len();
    *left = left.checked_sub(holds).ok_or(TooMany)?;
    found.push(one);
    Ok(())
}

fn nested(
    levels: &Levels<'_>,
    above: &str,
    found: &mut Vec<Location>,
    left: &mut usize,
) -> Result<(), TooMany> {
    for node in levels.here.nodes {
        let own = match node.name.text.as_str() {
            "location" => true,
            // Such an `if` is a place of its own: what it adds replaces what the location adds.
            "if" | "limit_except" => node
                .children()
                .iter()
                .any(|inner| inner.is("add_header") || upstream::passes(inner)),
            _ => false,
        };
        if own {
            let name = format!("{above}{} {}", node.name.text, node.words().join(" "));
            let inner = levels.inside(node.children());
            let mut here = location(name.clone(), node, &inner);
            if node.is("if") && here.upstream.is_none() {
                here.upstream = upstream::find(levels);
            }
            push(found, here, left)?;
            nested(&inner, &format!("{name} > "), found, left)?;
        }
    }
    Ok(())
}

fn location(name: String, node: &Node, levels: &Levels<'_>) -> Location {
    let (headers, lost) = headers(levels);
    let upstream = upstream::find(levels);
    let hides = match upstream.as_ref().map(|upstream| upstream.scheme.as_str()) {
        Some("grpc" | "grpcs") => "grpc_hide_header",
        Some("fastcgi") => "fastcgi_hide_header",
        Some("uwsgi") => "uwsgi_hide_header",
        Some("scgi") => "scgi_hide_header",
        _ => "proxy_hide_header",
    };
    let cleared = levels.everywhere("more_clear_headers").flat_map(Node::words);
    let hidden = levels.nearest_all(hides).into_iter().flat_map(Node::words).chain(cleared);
    Location {
        name,
        at: Some(node.at()),
        upstream,
        headers,
        lost,
        limits: levels.nearest_all("limit_req").into_iter().filter_map(limit).collect(),
        limits_dry: levels.says("limit_req_dry_run", "on").map(Node::at),
        hidden: hidden.map(|name| name.to_ascii_lowercase()).collect(),
        log_off: log_off(levels),
        listing: levels.says("autoindex", "on").map(Node::at),
    }
}

/// The zone that a `limit_req` names.
fn limit(node: &Node) -> Option<Setting> {
    let zone = node.arguments.iter().find_map(|word| word.text.strip_prefix("zone="))?;
    Some(Setting { words: vec![zone.to_owned()], at: node.at() })
}

/// The headers that are added here, and the names of those that are lost.
fn headers(levels: &Levels<'_>) -> (Vec<Header>, Vec<String>) {
    let merge = levels.says("add_header_inherit", "merge").is_some();
    let mut headers: Vec<Header> = Vec::new();
    let mut lost = Vec::new();
    let inherits = levels.here.all("add_header_inherit");
    let mut shadowed = inherits.iter().any(|node| node.argument(0) == Some("off"));
    for (distance, level) in levels.outward().enumerate() {
        let added = level.all("add_header");
        let own = added.iter().filter_map(|node| header(node));
        if merge || !shadowed || distance == 0 {
            headers.extend(own);
        } else {
            lost.extend(own.map(|header| header.name));
        }
        shadowed |= !added.is_empty();
    }
    // What the module headers-more sets is never replaced by `add_header`.
    headers.extend(levels.everywhere("more_set_headers").flat_map(|node| {
        node.arguments.iter().filter_map(|word| {
            let (name, value) = word.text.split_once(':')?;
            Some(Header {
                name: name.trim().to_ascii_lowercase(),
                value: of_name(name.trim(), value.trim()).into_owned(),
                always: true,
                at: node.at(),
            })
        })
    }));
    headers.retain(|header| !header.value.is_empty());
    lost.sort();
    lost.dedup();
    let kept: BTreeSet<&str> = headers.iter().map(|header| header.name.as_str()).collect();
    lost.retain(|name| !kept.contains(name.as_str()));
    (headers, lost)
}

fn header(node: &Node) -> Option<Header> {
    Some(Header {
        name: node.argument(0)?.to_ascii_lowercase(),
        value: of_name(node.argument(0)?, node.argument(1)?).into_owned(),
        always: node.argument(2) == Some("always"),
        at: node.at(),
    })
}

/// Whether a name of a header or variable is of something that proves who asks.
fn proves_who(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('-', "_");
    ["key", "token", "auth", "secret", "password"].iter().any(|word| name.contains(word))
        && !name.ends_with("keepalive")
}

impl StaticKey {
    fn new(name: &str, node: &Node) -> StaticKey {
        StaticKey { name: name.to_owned(), at: node.at() }
    }
}

/// Some hundred places with some ten headers each are a large configuration.
const FACTS_MAX: usize = 500_000;
