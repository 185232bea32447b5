//! Rule `cfn-ingress-world`: no port is open to everybody.
//!
//! Inline and standalone ingress count alike, IPv6 as IPv4, and two halves of the address space as
//! the whole. What is in a prefix list is not in the template.

use super::groups::{Ports, Source, gateways, ingresses};
use crate::facts::Check;
use crate::facts::cfn::Cfn;
use crate::outcome::{Judged, Outcome, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "cfn-ingress-world",
    title: "No security group is open to the whole world, but for HTTPS at the API gateway",
    severity: Severity::Critical,
    protects: "Anybody on the internet can connect, and try what the service behind forgot to close.",
    remedy: "name the group or the network that may connect instead of `0.0.0.0/0` and `::/0`",
    controls: &[
        Evidence {
            control: "hipaa-164.312(a)(1)",
            strength: Strength::Strong,
            because: "A port that is open to everybody restricts access for nobody.",
        },
        Evidence {
            control: "hipaa-164.312(e)(1)",
            strength: Strength::Strong,
            because: "Transmission security starts with who may connect.",
        },
        Evidence {
            control: "gdpr-32(1)(b)",
            strength: Strength::Strong,
            because: "Confidentiality needs a border around systems that process.",
        },
    ],
    check: Check::Cfn(Judge { judge }),
};

fn judge(facts: &Cfn) -> Vec<Judged> {
    let mut judged = Vec::new();
    for template in &facts.templates {
        let gateways = gateways(template);
        for ingress in ingresses(template) {
            let name = ingress.group.clone().unwrap_or_else(|| "a group elsewhere".to_owned());
            let front = ingress.group.as_ref().is_some_and(|group| gateways.contains(group));
            let https = matches!(&ingress.ports,
                Ports::Range { protocol, first: 443, last: 443 } if protocol == "tcp");
            let world = ingress.sources.iter().find_map(|source| match source {
                Source::World(range) => Some(range),
                _ => None,
            });
            let unknown = ingress.sources.iter().find_map(|source| match source {
                Source::Unknown(why) => Some(why),
                _ => None,
            });
            let outcome = match (world, unknown) {
                (Some(_), _) if front && https => Outcome::Pass,
                (Some(range), _) => Outcome::fail(
                    template.place(ingress.at),
                    format!("`{range}` may connect to {}", ingress.ports.words()),
                ),
                (None, Some(why)) => Outcome::not_checked(why),
                (None, None) => Outcome::Pass,
            };
            let at = ingress.at;
            let resource = format!("{name} in {}:{}:{}", template.path, at.line, at.column);
            judged.push(Judged::new(resource, outcome));
        }
    }
    judged
}
