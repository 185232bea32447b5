//! Where requests go on to: `proxy_pass` and its likes, with `upstream` blocks resolved.

use super::{Levels, local_address};
use crate::facts::nginx::{Host, Listen, Upstream};
use crate::parse::nginx::tree::Node;

/// Whether a directive passes requests on.
pub(super) fn passes(node: &Node) -> bool {
    scheme_of(&node.name.text).is_some()
}

/// Where requests go on to from here. It is not inherited: only the level itself counts.
pub(super) fn find(levels: &Levels<'_>) -> Option<Upstream> {
    let node = levels.here.nodes.iter().find(|node| passes(node))?;
    let default = scheme_of(&node.name.text)?;
    let target = node.argument(0)?;
    let (scheme, address) = match target.split_once("://") {
        Some((scheme, address)) => (scheme.to_ascii_lowercase(), address),
        None => (default.to_owned(), target),
    };
    let prefix = match default {
        "grpc" => "grpc",
        "uwsgi" => "uwsgi",
        _ => "proxy",
    };
    let verified = levels.says(&format!("{prefix}_ssl_verify"), "on").is_some();
    let certificate = levels.nearest(&format!("{prefix}_ssl_certificate")).is_some();
    Some(Upstream { at: node.at(), scheme, hosts: hosts(levels, address), verified, certificate })
}

/// Where connections go on to from a server of `stream`, which knows `proxy_pass` only.
///
/// It speaks TLS if `proxy_ssl` says so. Where it ends no TLS itself and reads the beginning of that
/// of clients, to choose by the name that they want, that goes through to the upstream.
pub(super) fn of_connections(levels: &Levels<'_>, listens: &[Listen]) -> Option<Upstream> {
    let node = levels.here.all("proxy_pass").last()?;
    let ends_tls = listens.iter().any(|listen| listen.tls);
    let scheme = if levels.says("proxy_ssl", "on").is_some() {
        "tls"
    } else if !ends_tls && levels.says("ssl_preread", "on").is_some() {
        "preread"
    } else {
        "tcp"
    };
    Some(Upstream {
        at: node.at(),
        scheme: scheme.to_owned(),
        hosts: hosts(levels, node.argument(0)?),
        verified: levels.says("proxy_ssl_verify", "on").is_some(),
        certificate: levels.nearest("proxy_ssl_certificate").is_some(),
    })
}

fn scheme_of(directive: &str) -> Option<&'static str> {
    Some(match directive {
        "proxy_pass" => "http",
        "grpc_pass" => "grpc",
        "fastcgi_pass" => "fastcgi",
        "uwsgi_pass" => "uwsgi",
        "scgi_pass" => "scgi",
        _ => return None,
    })
}

/// The hosts that an address stands for; none if a variable says it.
fn hosts(levels: &Levels<'_>, address: &str) -> Vec<Host> {
    let address = if address.starts_with("unix:") {
        address
    } else {
        address.split(['/', '?']).next().unwrap_or(address)
    };
    if address.contains('$') {
        return Vec::new();
    }
    let named = levels
        .above
        .iter()
        .flat_map(|level| level.all("upstream"))
        .find(|node| node.argument(0) == Some(address));
    let Some(group) = named else { return vec![host(address)] };
    let servers = group.children().iter().filter(|node| node.is("server"));
    servers.filter_map(|node| node.argument(0)).map(host).collect()
}

fn host(address: &str) -> Host {
    // A name and a password before it are told to nobody.
    let address = address.rsplit('@').next().unwrap_or(address);
    Host { name: address.to_owned(), local: local_address(address) }
}
