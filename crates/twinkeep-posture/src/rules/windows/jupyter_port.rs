//! Rule `win-jupyter-port`: notebooks are reached from known networks only.
//!
//! Every rule that lets connections in is asked whether its ports, ranges, or programs cover the
//! port, and whether all its remote addresses are inside of the networks that were named.

use std::net::IpAddr;

use super::{blocks_inbound, on};
use crate::facts::Check;
use crate::facts::windows::{FirewallProfile, FirewallRule, Windows};
use crate::outcome::Place;
use crate::outcome::{Judged, Outcome, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "win-jupyter-port",
    title: "Port 8888 is reached from this computer or from the networks of the VPN only",
    severity: Severity::Critical,
    protects: "Whoever reaches a notebook runs code as its user, with all data that the user may read.",
    remedy: "bind Jupyter to 127.0.0.1, and limit each rule that covers port 8888 to the networks of the VPN (`Set-NetFirewallRule -RemoteAddress`)",
    controls: &[
        Evidence {
            control: "hipaa-164.310(b)",
            strength: Strength::Strong,
            because: "It decides from where work with health data can be done.",
        },
        Evidence {
            control: "hipaa-164.312(a)(1)",
            strength: Strength::Strong,
            because: "A notebook gives access to all that its user may read.",
        },
        Evidence {
            control: "gdpr-32(1)(b)",
            strength: Strength::Strong,
            because: "Confidentiality ends where anybody nearby can run code.",
        },
    ],
    check: Check::Windows(Judge { judge }),
};

fn judge(facts: &Windows) -> Vec<Judged> {
    vec![on(facts, "port 8888", outcome(facts))]
}

fn outcome(facts: &Windows) -> Outcome {
    let Some(rules) = &facts.firewall_rules else {
        return Outcome::not_checked("the rules of the firewall could not be read");
    };
    let mut unknown = None;
    for rule in rules.iter().filter(|rule| rule.action.eq_ignore_ascii_case("Allow")) {
        match opens(rule) {
            Some(true) => {}
            Some(false) => continue,
            None => {
                unknown = unknown.or(Some(rule));
                continue;
            }
        }
        let remote = rule.remote_addresses.as_deref().unwrap_or_default();
        let far = remote.iter().find(|range| !inside(range, &facts.choices.jupyter_networks));
        match far {
            Some(range) => {
                let what = format!("the rule lets `{range}` in, which is not a network of the VPN");
                return Outcome::fail(Place::of(&rule.name), what);
            }
            None if remote.is_empty() => unknown = unknown.or(Some(rule)),
            None => {}
        }
    }
    if let Some(rule) = unknown {
        return Outcome::not_checked(format!(
            "rule `{}` has parts that could not be read",
            rule.name
        ));
    }
    // Without a firewall that blocks, rules say nothing: who listens on all addresses is reached.
    let Some(profiles) = &facts.firewall_profiles else {
        return Outcome::not_checked("whether the firewall is on could not be read");
    };
    let shut = |it: &FirewallProfile| it.enabled == "True" && blocks_inbound(it);
    if profiles.iter().all(shut) && profiles.len() >= 3 {
        return Outcome::Pass;
    }
    let Some(listeners) = &facts.listeners else {
        return Outcome::not_checked("what listens could not be read");
    };
    let open = listeners.iter().find(|listener| {
        let local = listener.address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        listener.port == PORT && !local
    });
    match open {
        Some(listener) => Outcome::fail(
            Place::of(format!("{}:{}", listener.address, listener.port)),
            "it listens beyond this computer, and the firewall is off or open in a profile",
        ),
        None => Outcome::Pass,
    }
}

/// Whether a rule opens the port; `None` if nobody knows.
fn opens(rule: &FirewallRule) -> Option<bool> {
    let protocol = rule.protocol.as_deref()?;
    if !["TCP", "Any", "6"].iter().any(|known| protocol.eq_ignore_ascii_case(known)) {
        return Some(false);
    }
    let ports = rule.local_ports.as_deref()?;
    let covers = ports.iter().any(|range| covers(range));
    // A rule for another program opens the port for that program only.
    let program = rule.program.as_deref()?.to_ascii_lowercase();
    let other = program != "any"
        && !program.is_empty()
        && !["python", "jupyter", "conda", "pythonw"].iter().any(|name| program.contains(name));
    Some(covers && !other)
}

fn covers(range: &str) -> bool {
    if range.eq_ignore_ascii_case("Any") {
        return true;
    }
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    match (first.trim().parse::<u16>(), last.trim().parse::<u16>()) {
        (Ok(first), Ok(last)) => (first..=last).contains(&PORT),
        // Words such as `RPC` stand for ports that Windows hands out itself.
        _ => false,
    }
}

/// Whether all addresses of a range are in one of the networks.
fn inside(range: &str, networks: &[String]) -> bool {
    let Some((first, last)) = bounds(range) else { return false };
    if first.is_loopback() && last.is_loopback() {
        return true;
    }
    networks.iter().any(|network| {
        bounds(network).is_some_and(|(from, to)| {
            from.is_ipv4() == first.is_ipv4() && from <= first && last <= to
        })
    })
}

/// The first and the last address of `a`, `a-b`, `a/24`, or `a/255.255.255.0`.
fn bounds(range: &str) -> Option<(IpAddr, IpAddr)> {
    if let Some((first, last)) = range.split_once('-') {
        let (first, last) = (first.trim().parse::<IpAddr>().ok()?, last.trim().parse().ok()?);
        let same_family = match last {
            IpAddr::V4(_) => first.is_ipv4(),
            IpAddr::V6(_) => first.is_ipv6(),
        };
        return same_family.then_some((first, last));
    }
    let Some((address, length)) = range.split_once('/') else {
        let address = range.trim().parse().ok()?;
        return Some((address, address));
    };
    match address.trim().parse().ok()? {
        IpAddr::V4(address) => {
            let length = match length.parse::<u32>() {
                Ok(length) => length,
                Err(_) => u32::from(length.parse::<std::net::Ipv4Addr>().ok()?).leading_ones(),
            };
            let hosts = u32::MAX.checked_shr(length).unwrap_or(0);
            let first = u32::from(address) & !hosts;
            (length <= 32).then(|| (IpAddr::V4(first.into()), IpAddr::V4((first | hosts).into())))
        }
        IpAddr::V6(address) => {
            let length = length.parse::<u32>().ok()?;
            let hosts = u128::MAX.checked_shr(length).unwrap_or(0);
            let first = u128::from(address) & !hosts;
            (length <= 128).then(|| (IpAddr::V6(first.into()), IpAddr::V6((first | hosts).into())))
        }
    }
}

/// The port on which Jupyter listens unless it is told otherwise.
const PORT: u16 = 8888;
