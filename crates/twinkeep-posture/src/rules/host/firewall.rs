//! Rule `host-firewall`: whatever listens is reachable only because a rule says so.

use self::ruleset::{Family, Port, Reach, Ruleset};
use crate::facts::Check;
use crate::facts::host::{Host, Listener, Protocol};
use crate::outcome::{Judged, Outcome, Place, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

mod ruleset;

pub(in crate::rules) const RULE: Rule = Rule {
    id: "host-firewall",
    title: "Sockets that listen are reachable from elsewhere only by a rule that names their port",
    severity: Severity::High,
    protects: "What was started for a moment, such as a notebook on port 8888, is open to the network.",
    remedy: "make the chain of the hook `input` drop by default, and accept the ports that are meant to be open (`nft add chain inet filter input '{ policy drop; }'`)",
    controls: &[
        Evidence {
            control: "hipaa-164.312(e)(1)",
            strength: Strength::Partial,
            because: "Only what is meant to be reached can be.",
        },
        Evidence {
            control: "hipaa-164.312(a)(1)",
            strength: Strength::Partial,
            because: "Programs that nobody meant to offer give access to nobody.",
        },
        Evidence {
            control: "gdpr-32(1)(b)",
            strength: Strength::Partial,
            because: "What is not offered cannot be attacked.",
        },
    ],
    check: Check::Host(Judge { judge }),
};

fn judge(host: &Host) -> Vec<Judged> {
    let listeners = match host.listeners.seen() {
        Ok(listeners) => listeners,
        Err(why) => return vec![Judged::new("listeners", Outcome::not_checked(why))],
    };
    let offered = listeners.iter().filter(|it| !it.address.is_loopback());
    let judged = offered.map(|listener| {
        let kind = if listener.protocol == Protocol::Udp { "UDP " } else { "" };
        let name = format!("{} {kind}port {}", listener.address, listener.port);
        let outcome = match host.firewall.seen() {
            Ok(said) => judge_port(&Ruleset::read(said), listener),
            Err(why) => Outcome::not_checked(why),
        };
        Judged::new(name, outcome)
    });
    judged.collect()
}

fn judge_port(rules: &Ruleset<'_>, listener: &Listener) -> Outcome {
    let port = listener.port;
    // A socket on all addresses of IPv6 takes connections of IPv4, too.
    let families: &[Family] = match listener.address {
        std::net::IpAddr::V4(_) => &[Family::V4],
        std::net::IpAddr::V6(_) => &[Family::V4, Family::V6],
    };
    let to = Port { number: port, protocol: listener.protocol };
    let reach = families.iter().map(|family| rules.reach(*family, to)).max();
    match reach.unwrap_or(Reach::ByDefault) {
        Reach::ByDefault => Outcome::fail(
            Place::of(format!("port {port}")),
            "anybody can reach it, and no rule of the firewall names it",
        ),
        Reach::ByRule | Reach::Closed => Outcome::Pass,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::judge;
    use crate::facts::Known;
    use crate::facts::host::{Host, Listener, Protocol};

    fn word(address: &str, port: u16, rules: &[serde_json::Value], policy: &str) -> &'static str {
        let mut all = vec![
            json!({"metainfo": {"version": "1.0.6"}}),
            json!({"chain": {"family": "inet", "table": "filter", "name": "input", "type": "filter",
                             "hook": "input", "prio": 0, "policy": policy}}),
        ];
        all.extend(rules.iter().map(|expr| {
            json!({"rule": {"family": "inet", "table": "filter", "chain": "input", "expr": expr}})
        }));
        let protocol = Protocol::Tcp;
        let listener = Listener { address: address.parse().unwrap(), port, protocol, uid: 0 };
        let host = Host {
            firewall: Known::Seen(json!({"nftables": all})),
            listeners: Known::Seen(vec![listener]),
            ..Host::default()
        };
        judge(&host).first().map_or("nothing", |it| it.outcome.word())
    }

    /// A rule for TCP opens no port of UDP, and the two are told apart.
    #[test]
    fn datagrams_are_judged_by_rules_of_their_own() {
        let of = |rule: &str, protocol| {
            let left = json!({"payload": {"protocol": rule, "field": "dport"}});
            let expr = json!([{"match": {"op": "==", "left": left, "right": 53}}, {"drop": null}]);
            let said = json!({"nftables": [
                {"chain": {"family": "inet", "table": "filter", "name": "input", "type": "filter",
                           "hook": "input", "prio": 0, "policy": "accept"}},
                {"rule": {"family": "inet", "table": "filter", "chain": "input", "expr": expr}},
            ]});
            let address = "0.0.0.0".parse().unwrap();
            let listener = Listener { address, port: 53, protocol, uid: 0 };
            let host = Host {
                firewall: Known::Seen(said),
                listeners: Known::Seen(vec![listener]),
                ..Host::default()
            };
            let judged = judge(&host).remove(0);
            (judged.resource, judged.outcome.word())
        };
        let [tcp, udp] = ["0.0.0.0 port 53", "0.0.0.0 UDP port 53"].map(str::to_owned);
        assert_eq!(of("tcp", Protocol::Udp), (udp.clone(), "fail"));
        assert_eq!(of("udp", Protocol::Udp), (udp, "pass"));
        assert_eq!(of("udp", Protocol::Tcp), (tcp, "fail"));
    }

    fn port(value: serde_json::Value) -> serde_json::Value {
        let left = json!({"payload": {"protocol": "tcp", "field": "dport"}});
        json!({"match": {"op": "==", "left": left, "right": value}})
    }

    #[test]
    fn what_is_open_by_default_fails_and_what_a_rule_names_passes() {
        let accept = || json!({"accept": null});
        assert_eq!(word("0.0.0.0", 8888, &[], "accept"), "fail");
        assert_eq!(word("0.0.0.0", 8888, &[], "drop"), "pass");
        assert_eq!(word("127.0.0.1", 8888, &[], "accept"), "nothing");
        let named = json!([port(json!(443)), accept()]);
        assert_eq!(word("0.0.0.0", 443, std::slice::from_ref(&named), "drop"), "pass");
        assert_eq!(word("0.0.0.0", 8888, &[named], "drop"), "pass");
        let range = json!([port(json!({"range": [8000, 9000]})), {"drop": null}]);
        assert_eq!(word("0.0.0.0", 8888, &[range], "accept"), "pass");
        let set = json!([port(json!({"set": [22, {"range": [8880, 8890]}]})), {"reject": null}]);
        assert_eq!(word("::", 8888, std::slice::from_ref(&set), "accept"), "pass");
        assert_eq!(word("::", 22, std::slice::from_ref(&set), "accept"), "pass");
        assert_eq!(word("::", 23, &[set], "accept"), "fail");
    }

    #[test]
    fn a_rule_that_accepts_everything_is_a_default() {
        let all = json!([{"counter": {"packets": 0, "bytes": 0}}, {"accept": null}]);
        assert_eq!(word("0.0.0.0", 8888, &[all], "drop"), "fail");
        let state = json!({"match": {"op": "in", "left": {"ct": {"key": "state"}},
                                     "right": ["established", "related"]}});
        assert_eq!(word("0.0.0.0", 8888, &[json!([state, {"accept": null}])], "drop"), "pass");
        let loopback = json!({"match": {"op": "==", "left": {"meta": {"key": "iifname"}},
                                        "right": "lo"}});
        assert_eq!(word("0.0.0.0", 8888, &[json!([loopback, {"accept": null}])], "drop"), "pass");
    }
}
