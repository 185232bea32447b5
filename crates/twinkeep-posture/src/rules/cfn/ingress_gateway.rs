//! Rule `cfn-ingress-gateway`: only the API gateway reaches services by HTTPS.
//!
//! The group of the gateway is the one of a VPC link or of an endpoint for `execute-api`, or says
//! `Metadata: {Twinkeep: {Role: api-gateway}}`, or has such a name if there is no other.

use super::groups::{Ingress, Source, gateways, ingresses};
use crate::facts::Check;
use crate::facts::cfn::Cfn;
use crate::facts::cfn::Template;
use crate::outcome::{Judged, Outcome, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};
use std::collections::BTreeSet;

pub(in crate::rules) const RULE: Rule = Rule {
    id: "cfn-ingress-gateway",
    title: "HTTPS of every service is open to the security group of the API gateway only",
    severity: Severity::High,
    protects: "Who reaches a service around the gateway is not limited, not logged, and perhaps not even asked for a token.",
    remedy: "say `SourceSecurityGroupId: !GetAtt GatewayGroup.GroupId` as the only source of port 443",
    controls: &[
        Evidence {
            control: "hipaa-164.312(a)(1)",
            strength: Strength::Strong,
            because: "Authorization happens at the gateway, so nobody may reach a service around it.",
        },
        Evidence {
            control: "hipaa-164.312(d)",
            strength: Strength::Partial,
            because: "The gateway is where entities are authenticated.",
        },
        Evidence {
            control: "gdpr-25(2)",
            strength: Strength::Partial,
            because: "Access by default is for those who need it only.",
        },
    ],
    check: Check::Cfn(Judge { judge }),
};

fn judge(facts: &Cfn) -> Vec<Judged> {
    let mut judged = Vec::new();
    for template in &facts.templates {
        let gateways = gateways(template);
        let ingresses = ingresses(template);
        let groups = template.resources.iter().filter(|it| it.kind == "AWS::EC2::SecurityGroup");
        for group in groups.filter(|group| !gateways.contains(&group.name)) {
            let mine: Vec<&Ingress> = ingresses
                .iter()
                .filter(|ingress| ingress.group.as_ref() == Some(&group.name))
                .collect();
            let resource = template.label(group);
            if mine.is_empty() {
                judged.push(Judged::new(resource, Outcome::Pass));
                continue;
            }
            let outcome = mine.iter().map(|ingress| of(template, &gateways, ingress)).min();
            judged.push(Judged::new(resource, outcome.unwrap_or(Outcome::Pass)));
        }
        for ingress in ingresses.iter().filter(|ingress| ingress.group.is_none()) {
            let resource = format!("a group elsewhere in {}:{}", template.path, ingress.at.line);
            judged.push(Judged::new(resource, of(template, &gateways, ingress)));
        }
    }
    judged
}

fn of(template: &Template, gateways: &BTreeSet<String>, ingress: &Ingress) -> Outcome {
    match ingress.ports.has_https() {
        Some(false) => return Outcome::Pass,
        Some(true) => {}
        None => return Outcome::not_checked(ingress.ports.words()),
    }
    let mut outcome = Outcome::Pass;
    for source in &ingress.sources {
        let from = match source {
            Source::Group(name) if gateways.contains(name) => continue,
            Source::Group(name) => format!("group `{name}`"),
            Source::World(range) | Source::Addresses(range) => format!("`{range}`"),
            Source::Unknown(why) => {
                outcome = outcome.min(Outcome::not_checked(why));
                continue;
            }
        };
        let which = match gateways.is_empty() {
            true => "and no group is that of an API gateway",
            false => "which is not the API gateway",
        };
        let what = format!("{} is open to {from}, {which}", ingress.ports.words());
        return Outcome::fail(template.place(ingress.at), what);
    }
    outcome
}
