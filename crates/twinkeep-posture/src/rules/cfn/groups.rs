//! The graph of security groups: who may connect to whom, from the groups themselves and from
//! ingress that is declared on its own.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::facts::cfn::{At, Resource, Says, Template, Value};

/// One permission to connect.
pub(super) struct Ingress {
    /// Where it stands.
    pub(super) at: At,
    /// The group that it opens, if it is one of the template.
    pub(super) group: Option<String>,
    /// Which ports it opens.
    pub(super) ports: Ports,
    /// Whom it opens them to.
    pub(super) sources: Vec<Source>,
}

/// Ports that are opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ports {
    /// All of all protocols: `-1`.
    All,
    /// From one to another, of one protocol.
    Range {
        /// `tcp`, `udp`, or a number.
        protocol: String,
        /// The first.
        first: i64,
        /// The last.
        last: i64,
    },
    /// Only the deployment knows.
    Unknown(String),
}

impl Ports {
    /// Whether HTTPS is among them; `None` if nobody knows.
    pub(super) fn has_https(&self) -> Option<bool> {
        match self {
            Ports::All => Some(true),
            Ports::Range { protocol, first, last } => {
                // UDP 443 is HTTP/3.
                Some(["tcp", "udp"].contains(&protocol.as_str()) && *first <= 443 && 443 <= *last)
            }
            Ports::Unknown(_) => None,
        }
    }

    /// What they are called in reports.
    pub(super) fn words(&self) -> String {
        match self {
            Ports::All => "all ports of all protocols".to_owned(),
            Ports::Range { protocol, first, last } if first == last => {
                format!("{protocol} {first}")
            }
            Ports::Range { protocol, first, last } => format!("{protocol} {first} to {last}"),
            Ports::Unknown(_) => "ports that are known when it is deployed".to_owned(),
        }
    }
}

/// Who may connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// So many addresses that it is everybody.
    World(String),
    /// A range of addresses.
    Addresses(String),
    /// A group of the template.
    Group(String),
    /// Nobody can tell from the template, and why.
    Unknown(String),
}

/// All permissions of a template.
pub(super) fn ingresses(template: &Template) -> Vec<Ingress> {
    let mut found = Vec::new();
    for resource in &template.resources {
        match resource.kind.as_str() {
            "AWS::EC2::SecurityGroup" => {
                for list in resource.properties.under(&["SecurityGroupIngress"]) {
                    for rule in list.items() {
                        found.push(ingress(Some(resource.name.clone()), rule));
                    }
                }
            }
            "AWS::EC2::SecurityGroupIngress" => {
                let mut groups = resource.properties.under(&["GroupId"]);
                groups.extend(resource.properties.under(&["GroupName"]));
                let mut named = groups.iter().filter_map(|value| group_of(template, value));
                let mut rule = ingress(named.next(), &resource.properties);
                rule.at = resource.at;
                found.push(rule);
            }
            _ => {}
        }
    }
    found
}

fn ingress(group: Option<String>, rule: &Value) -> Ingress {
    if let Says::Unknown(why) = &rule.says {
        let (ports, sources) = (Ports::Unknown(why.clone()), vec![Source::Unknown(why.clone())]);
        return Ingress { at: rule.at, group, ports, sources };
    }
    Ingress { at: rule.at, group, ports: ports(rule), sources: sources(rule) }
}

/// The widest that the ports may be.
fn ports(rule: &Value) -> Ports {
    let mut protocols = Vec::new();
    for value in rule.under(&["IpProtocol"]) {
        match &value.says {
            Says::Text(text) => protocols.push(text.to_ascii_lowercase()),
            Says::Unknown(why) => return Ports::Unknown(why.clone()),
            _ => return Ports::Unknown("`IpProtocol` is not said".to_owned()),
        }
    }
    if protocols.iter().any(|protocol| protocol == "-1" || protocol == "all") {
        return Ports::All;
    }
    let protocol = match protocols.first().map(String::as_str) {
        Some("6") => "tcp".to_owned(),
        Some("17") => "udp".to_owned(),
        Some(other) => other.to_owned(),
        None => return Ports::Unknown("`IpProtocol` is not said".to_owned()),
    };
    let numbers = |name: &str| -> Result<Vec<Option<i64>>, String> {
        let mut found = Vec::new();
        for value in rule.under(&[name]) {
            match &value.says {
                Says::Nothing => found.push(None),
                Says::Text(text) => match text.trim().parse() {
                    Ok(number) => found.push(Some(number)),
                    Err(_) => return Err(format!("`{name}` is not a number")),
                },
                Says::Unknown(why) => return Err(why.clone()),
                _ => return Err(format!("`{name}` is known when it is deployed")),
            }
        }
        Ok(found)
    };
    let (firsts, lasts) = match (numbers("FromPort"), numbers("ToPort")) {
        (Ok(firsts), Ok(lasts)) => (firsts, lasts),
        (Err(why), _) | (_, Err(why)) => return Ports::Unknown(why),
    };
    // Without a number, or with -1, all ports of the protocol are open.
    let bound = |found: Vec<Option<i64>>, open: i64| {
        found.into_iter().map(move |number| match number {
            Some(number) if number >= 0 => number,
            _ => open,
        })
    };
    let first = bound(firsts, 0).min().unwrap_or(0);
    let last = bound(lasts, 65_535).max().unwrap_or(65_535);
    Ports::Range { protocol, first, last }
}

fn sources(rule: &Value) -> Vec<Source> {
    let mut found = Vec::new();
    for name in ["CidrIp", "CidrIpv6"] {
        for value in rule.under(&[name]) {
            match value.says {
                Says::Nothing => {}
                Says::Text(text) => found.push(addresses(text)),
                // A network of the template is inside; which addresses it has is not known.
                Says::Resource { name, attribute } if attribute.as_deref() == Some("CidrBlock") => {
                    found.push(Source::Addresses(name));
                }
                // A parameter of SSM, or a resource of one's own, may say anything.
                Says::Resource { name, .. } => {
                    found.push(Source::Unknown(format!("`{name}` says it when it is deployed")));
                }
                Says::Unknown(why) => found.push(Source::Unknown(why)),
                _ => found.push(Source::Unknown(format!("`{name}` is no range of addresses"))),
            }
        }
    }
    for name in ["SourceSecurityGroupId", "SourceSecurityGroupName"] {
        for value in rule.under(&[name]) {
            match value.says {
                Says::Nothing => {}
                Says::Resource { name, .. } => found.push(Source::Group(name)),
                Says::Unknown(why) => found.push(Source::Unknown(why)),
                _ => found.push(Source::Unknown("the group is not of this template".to_owned())),
            }
        }
    }
    for value in rule.under(&["SourcePrefixListId"]) {
        if value.says != Says::Nothing {
            let why = "what is in a prefix list is not in the template";
            found.push(Source::Unknown(why.to_owned()));
        }
    }
    if found.is_empty() {
        found.push(Source::Unknown("no source is said".to_owned()));
    }
    found
}

/// Tells ranges that are everybody from ranges that are some.
fn addresses(range: String) -> Source {
    let Some((address, length)) = range.trim().split_once('/') else {
        return Source::Addresses(range);
    };
    let world = match (address.parse::<IpAddr>(), length.parse::<u8>()) {
        // Two halves are a whole: anything wider than the largest private network is everybody.
        (Ok(IpAddr::V4(_)), Ok(length)) => length < 8,
        (Ok(IpAddr::V6(address)), Ok(length)) => length < 16 && !address.is_unique_local(),
        _ => return Source::Unknown(format!("`{range}` is no range of addresses")),
    };
    if world { Source::World(range) } else { Source::Addresses(range) }
}

/// The group of the template that a value names.
fn group_of(template: &Template, value: &Value) -> Option<String> {
    let named = value.branches().into_iter().find_map(|value| match &value.says {
        Says::Resource { name, .. } => Some(name.clone()),
        _ => None,
    })?;
    let is_group =
        |resource: &&Resource| resource.name == named && resource.kind == "AWS::EC2::SecurityGroup";
    template.resources.iter().find(is_group).map(|resource| resource.name.clone())
}

/// The groups of the API gateway: those of its way into the network, those that say so, and, if
/// there are none, those with such a name.
pub(super) fn gateways(template: &Template) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for resource in &template.resources {
        let property = match resource.kind.as_str() {
            "AWS::ApiGatewayV2::VpcLink" => "SecurityGroupIds",
            "AWS::EC2::VPCEndpoint" if is_api_endpoint(resource) => "SecurityGroupIds",
            _ => continue,
        };
        for list in resource.properties.under(&[property]) {
            found.extend(list.items().into_iter().filter_map(|value| group_of(template, value)));
        }
    }
    let groups = || template.resources.iter().filter(|it| it.kind == "AWS::EC2::SecurityGroup");
    let declared = groups().filter(|group| {
        group
            .metadata
            .under(&["Twinkeep", "Role"])
            .iter()
            .any(|role| role.text() == Some("api-gateway"))
    });
    found.extend(declared.map(|group| group.name.clone()));
    if found.is_empty() {
        let named = groups().filter(|group| {
            let name = group.name.to_ascii_lowercase();
            ["apigw", "apigateway"].iter().any(|word| name.contains(word))
        });
        found.extend(named.map(|group| group.name.clone()));
    }
    found
}

fn is_api_endpoint(resource: &Resource) -> bool {
    resource.properties.under(&["ServiceName"]).iter().any(|value| match &value.says {
        Says::Text(text) => text.ends_with("execute-api"),
        _ => false,
    })
}
