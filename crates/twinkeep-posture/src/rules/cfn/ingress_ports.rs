//! Rule `cfn-ingress-ports`: no group opens more ports than it needs.
//!
//! Quoted numbers are numbers, a missing port means all of them, and `-1` means all protocols too.

use super::groups::{Ports, Source, ingresses};
use crate::facts::Check;
use crate::facts::cfn::Cfn;
use crate::outcome::{Judged, Outcome, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "cfn-ingress-ports",
    title: "Every ingress opens one port of one protocol",
    severity: Severity::Medium,
    protects: "Ports that nobody thought of are open too: of databases, of debuggers, of notebooks.",
    remedy: "say the one port in `FromPort` and `ToPort`, and the protocol instead of `-1`",
    controls: &[
        Evidence {
            control: "hipaa-164.312(a)(1)",
            strength: Strength::Partial,
            because: "Ports that no service needs are access that nobody granted on purpose.",
        },
        Evidence {
            control: "hipaa-164.308(a)(1)(ii)(B)",
            strength: Strength::Partial,
            because: "Fewer open ports are less risk.",
        },
    ],
    check: Check::Cfn(Judge { judge }),
};

fn judge(facts: &Cfn) -> Vec<Judged> {
    let mut judged = Vec::new();
    for template in &facts.templates {
        for ingress in ingresses(template) {
            let name = ingress.group.clone().unwrap_or_else(|| "a group elsewhere".to_owned());
            // Members of a cluster may talk to each other as they like.
            let itself = |source: &Source| matches!(source, Source::Group(it) if *it == name);
            let outcome = match &ingress.ports {
                Ports::Range { first, last, .. } if first == last => Outcome::Pass,
                // ICMP has types where others have ports.
                Ports::Range { protocol, .. }
                    if protocol.starts_with("icmp") || protocol == "1" =>
                {
                    Outcome::Pass
                }
                _ if ingress.sources.iter().all(itself) => Outcome::Pass,
                Ports::Unknown(why) => Outcome::not_checked(why),
                wide => {
                    Outcome::fail(template.place(ingress.at), format!("opens {}", wide.words()))
                }
            };
            let at = ingress.at;
            let resource = format!("{name} in {}:{}:{}", template.path, at.line, at.column);
            judged.push(Judged::new(resource, outcome));
        }
    }
    judged
}
