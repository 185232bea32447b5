//! Rules over templates of CloudFormation.

use crate::facts::cfn::{At, Cfn, Resource, Says, Template, Value};
use crate::outcome::{Judged, Outcome};

pub(super) mod bucket_acl;
pub(super) mod bucket_block;
pub(super) mod bucket_encryption;
pub(super) mod bucket_policy;

pub(super) mod database_encryption;
pub(super) mod database_public;
pub(super) mod file_system_encryption;
mod groups;
pub(super) mod ingress_gateway;
pub(super) mod ingress_ports;
pub(super) mod ingress_world;
pub(super) mod jwt;
pub(super) mod mtls;
pub(super) mod notebook_internet;
pub(super) mod queue_encryption;
mod services;
pub(super) mod table_encryption;
pub(super) mod template;
pub(super) mod training_encryption;
pub(super) mod volume_encryption;

#[cfg(test)]
mod tests;

/// Asks about each resource of some types.
fn resources(
    facts: &Cfn,
    kinds: &[&str],
    judge: impl Fn(&Template, &Resource) -> Outcome,
) -> Vec<Judged> {
    let mut judged = Vec::new();
    for template in &facts.templates {
        let found = template.resources.iter();
        for resource in found.filter(|resource| kinds.contains(&resource.kind.as_str())) {
            judged.push(Judged::new(template.label(resource), judge(template, resource)));
        }
    }
    judged
}

/// What one possible value of a property means to a rule.
enum Verdict {
    Good,
    Bad(String),
    Unknown(String),
}

/// Judges all that a property may be: one bad value is a failure, and one unknown value keeps the
/// good ones from counting.
fn all(
    template: &Template,
    values: &[Value],
    fallback: At,
    judge: impl Fn(&Value) -> Verdict,
) -> Outcome {
    let mut unknown = None;
    for value in values {
        match judge(value) {
            Verdict::Good => {}
            Verdict::Bad(what) => {
                let at = if value.at == At::default() { fallback } else { value.at };
                return Outcome::fail(template.place(at), what);
            }
            Verdict::Unknown(why) => unknown = unknown.or(Some(why)),
        }
    }
    match unknown {
        Some(why) => Outcome::not_checked(why),
        None => Outcome::Pass,
    }
}

/// Judges whether a property is `true`, whatever conditions and parameters say.
fn must_be_true(template: &Template, resource: &Resource, path: &[&str]) -> Outcome {
    let name = path.join(".");
    all(template, &resource.properties.under(path), resource.at, |value| match &value.says {
        Says::Text(text) if text.eq_ignore_ascii_case("true") => Verdict::Good,
        Says::Text(_) => Verdict::Bad(format!("`{name}` is not true")),
        Says::Nothing => Verdict::Bad(format!("`{name}` is not set")),
        Says::Unknown(why) => Verdict::Unknown(format!("`{name}`: {why}")),
        _ => Verdict::Unknown(format!("`{name}` is known when it is deployed")),
    })
}

/// Judges whether a property is set to anything, such as a key.
fn must_be_set(template: &Template, resource: &Resource, path: &[&str]) -> Outcome {
    let name = path.join(".");
    all(template, &resource.properties.under(path), resource.at, |value| match &value.says {
        Says::Nothing => Verdict::Bad(format!("`{name}` is not set")),
        Says::Text(text) if text.is_empty() => Verdict::Bad(format!("`{name}` is empty")),
        // A parameter without a default is set by who deploys it.
        _ => Verdict::Good,
    })
}

/// The worse of two outcomes about one resource.
fn worse(one: Outcome, other: Outcome) -> Outcome {
    // The order of outcomes is that of badness.
    one.min(other)
}
