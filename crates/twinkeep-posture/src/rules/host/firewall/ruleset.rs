//! The rules of nftables, as `nft -j list ruleset` tells them, and what they come to for a port.
//!
//! Whoever comes from elsewhere and opens a connection is asked for; what holds for some of them
//! only (an address, an interface, a rate) neither opens nor closes a port for all.

use serde_json::Value;

use crate::facts::host::Protocol;

/// Whose packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// Where packets go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Port {
    /// Its number.
    pub(super) number: u16,
    /// What comes there.
    pub(super) protocol: Protocol,
}

impl Port {
    /// The protocol, as rules name it.
    fn word(self) -> &'static str {
        match self.protocol {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        }
    }

    /// The protocol, as the header of IP numbers it.
    fn protocol_number(self) -> u64 {
        match self.protocol {
            Protocol::Tcp => 6,
            Protocol::Udp => 17,
        }
    }
}

/// Why a port can be reached; what is worse comes later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reach {
    /// It cannot, but for those whom a condition lets in.
    Closed,
    /// A rule names the port.
    ByRule,
    /// Nobody said that it should not be.
    ByDefault,
}

/// All chains and rules.
pub(super) struct Ruleset<'a> {
    chains: Vec<&'a Value>,
    rules: Vec<&'a Value>,
    sets: Vec<&'a Value>,
}

/// Whether a rule is about the packet.
enum About {
    /// It is.
    All { port_named: bool },
    /// It is, under a condition.
    Some,
    /// It is not.
    Nothing,
}

/// Chains do not jump further than this.
const DEPTH_MAX: usize = 16;

impl<'a> Ruleset<'a> {
    pub(super) fn read(said: &'a Value) -> Ruleset<'a> {
        let items = || said["nftables"].as_array().into_iter().flatten();
        let of = |kind: &'static str| items().filter_map(move |item| item.get(kind)).collect();
        Ruleset { chains: of("chain"), rules: of("rule"), sets: of("set") }
    }

    /// Why a port can be reached: every chain at the input has to let it through.
    pub(super) fn reach(&self, family: Family, port: Port) -> Reach {
        let families: &[&str] = match family {
            Family::V4 => &["inet", "ip"],
            Family::V6 => &["inet", "ip6"],
        };
        let at_input = self.chains.iter().filter(|chain| {
            chain["hook"] == "input"
                && chain["type"] == "filter"
                && families.iter().any(|family| chain["family"] == *family)
        });
        let reached = at_input.map(|chain| {
            let default = if chain["policy"] == "drop" { Reach::Closed } else { Reach::ByDefault };
            self.walk(chain, port, DEPTH_MAX).unwrap_or(default)
        });
        reached.min().unwrap_or(Reach::ByDefault)
    }

    /// What a chain decides, if it decides anything.
    fn walk(&self, chain: &Value, port: Port, depth: usize) -> Option<Reach> {
        let same = |rule: &&&Value| {
            rule["family"] == chain["family"]
                && rule["table"] == chain["table"]
                && rule["chain"] == chain["name"]
        };
        for rule in self.rules.iter().filter(same) {
            let expressions = rule["expr"].as_array().map_or(&[][..], Vec::as_slice);
            let mut port_named = match self.about(rule, expressions, port) {
                About::Nothing | About::Some => continue,
                About::All { port_named } => port_named,
            };
            for expression in expressions {
                let expression = match expression.get("vmap") {
                    None => expression,
                    Some(map) => match self.mapped(rule, map, port) {
                        Some(verdict) => {
                            port_named |= is_port(&map["key"]);
                            verdict
                        }
                        None => continue,
                    },
                };
                let has = |name: &str| expression.get(name).is_some();
                if has("accept") {
                    return Some(if port_named { Reach::ByRule } else { Reach::ByDefault });
                }
                if has("drop") || has("reject") {
                    return Some(Reach::Closed);
                }
                if has("return") {
                    return None;
                }
                let target = ["jump", "goto"].iter().find_map(|name| expression.get(*name));
                if let Some(name) = target.map(|it| &it["target"])
                    && 0 < depth
                    && let Some(chain) = self.chain(chain, name)
                    && let Some(reach) = self.walk(chain, port, depth - 1)
                {
                    // The port may have been named on the way.
                    let named = port_named && reach == Reach::ByDefault;
                    return Some(if named { Reach::ByRule } else { reach });
                }
            }
        }
        None
    }

    fn chain(&self, beside: &Value, name: &Value) -> Option<&'a Value> {
        let same = |chain: &&&Value| {
            chain["family"] == beside["family"]
                && chain["table"] == beside["table"]
                && chain["name"] == *name
        };
        self.chains.iter().find(same).copied()
    }

    fn set(&self, beside: &Value, name: &str) -> Option<&'a Value> {
        let same = |set: &&&Value| {
            set["family"] == beside["family"]
                && set["table"] == beside["table"]
                && set["name"] == name
        };
        self.sets.iter().find(same).copied()
    }

    /// The verdict that a map has for a new connection to a port.
    fn mapped<'m>(&self, rule: &Value, map: &'m Value, port: Port) -> Option<&'m Value> {
        let key = &map["key"];
        map["data"]["set"].as_array()?.iter().find_map(|entry| {
            let (right, verdict) = (entry.get(0)?, entry.get(1)?);
            let holds = if is_port(key) {
                self.contains(rule, right, u64::from(port.number)) == Some(true)
            } else {
                names(right, if key["ct"]["key"] == "state" { "new" } else { port.word() })
            };
            holds.then_some(verdict)
        })
    }

    /// Whether a rule is about a new connection from elsewhere to a port.
    fn about(&self, rule: &Value, expressions: &[Value], port: Port) -> About {
        let mut port_named = false;
        let mut condition = false;
        for expression in expressions {
            if expression.get("limit").is_some() {
                condition = true;
            }
            let of_map = expression.get("vmap").map(|map| is_known(&map["key"], port));
            condition |= of_map == Some(false);
            let Some(matched) = expression.get("match") else { continue };
            let (left, right) = (&matched["left"], &matched["right"]);
            let negated = matched["op"] == "!=";
            let holds = if is_port(left) {
                port_named = !negated;
                match left["payload"]["protocol"].as_str() {
                    Some(of) if of == port.word() || of == "th" => {
                        self.contains(rule, right, u64::from(port.number))
                    }
                    _ => Some(false),
                }
            } else if left["meta"]["key"] == "l4proto" || left["payload"]["field"] == "protocol" {
                let number = port.protocol_number();
                Some(names(right, port.word()) || self.contains(rule, right, number) == Some(true))
            } else if left["ct"]["key"] == "state" {
                Some(names(right, "new"))
            } else if left["meta"]["key"] == "iifname" || left["meta"]["key"] == "iif" {
                // Whoever comes from elsewhere does not come by the loopback.
                if names(right, "lo") { Some(false) } else { None }
            } else {
                None
            };
            match holds.map(|it| it != negated) {
                Some(true) => {}
                Some(false) => return About::Nothing,
                None => condition = true,
            }
        }
        if condition { About::Some } else { About::All { port_named } }
    }

    /// Whether a number is one of those; `None` for a set that is not there.
    fn contains(&self, rule: &Value, right: &Value, number: u64) -> Option<bool> {
        if let Some(one) = right.as_u64() {
            return Some(one == number);
        }
        if let Some(range) = right["range"].as_array() {
            let end = |at: usize| range.get(at).and_then(Value::as_u64);
            return Some((end(0)?..=end(1)?).contains(&number));
        }
        if let Some(name) = right.as_str() {
            let set = self.set(rule, name.strip_prefix('@')?)?;
            // A set that nobody filled has no elements.
            let Some(elements) = set.get("elem") else { return Some(false) };
            return self.contains(rule, elements, number);
        }
        if let Some(element) = right.get("elem") {
            return self.contains(rule, &element["val"], number);
        }
        let of_set = right["set"].as_array().or_else(|| right.as_array())?;
        let mut known = Some(false);
        for one in of_set {
            match self.contains(rule, one, number) {
                Some(true) => return Some(true),
                Some(false) => {}
                None => known = None,
            }
        }
        known
    }
}

/// Whether a word is the one, or one of those.
fn names(right: &Value, word: &str) -> bool {
    let of_set = right["set"].as_array().or_else(|| right.as_array());
    right == word || of_set.is_some_and(|words| words.iter().any(|it| it == word))
}

/// Whether something is asked about the port that a connection goes to.
fn is_port(left: &Value) -> bool {
    left["payload"]["field"] == "dport"
}

/// Whether a map asks what is known of every new connection to a port.
fn is_known(key: &Value, port: Port) -> bool {
    let of_port = is_port(key)
        && [port.word(), "th"].iter().any(|protocol| key["payload"]["protocol"] == *protocol);
    of_port || key["ct"]["key"] == "state" || key["meta"]["key"] == "l4proto"
}

#[cfg(test)]
mod tests;
