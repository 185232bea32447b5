//! What services are told by their environment: containers of ECS and App Runner, and functions.

use super::{Verdict, all};
use crate::facts::cfn::{Cfn, Resource, Says, Template, Value};
use crate::outcome::{Judged, Outcome};

/// Asks whether each service is told that something is on.
pub(super) fn must_be_on(facts: &Cfn, variable: &str) -> Vec<Judged> {
    let mut judged = Vec::new();
    for template in &facts.templates {
        for resource in &template.resources {
            let label = template.label(resource);
            match resource.kind.as_str() {
                "AWS::ECS::TaskDefinition" => {
                    judged.extend(containers(template, resource, variable));
                }
                "AWS::Lambda::Function" | "AWS::Serverless::Function" => {
                    let values = resource.properties.under(&["Environment", "Variables", variable]);
                    judged.push(Judged::new(label, is_on(template, resource, &values, variable)));
                }
                "AWS::AppRunner::Service" => {
                    judged.push(Judged::new(label, app_runner(template, resource, variable)));
                }
                "AWS::EKS::Cluster" | "AWS::EKS::FargateProfile" => {
                    let why = "what pods are told is not in the template";
                    judged.push(Judged::new(label, Outcome::not_checked(why)));
                }
                _ => {}
            }
        }
    }
    judged
}

fn containers(template: &Template, task: &Resource, variable: &str) -> Vec<Judged> {
    let lists = task.properties.under(&["ContainerDefinitions"]);
    let containers: Vec<&Value> = lists.iter().flat_map(Value::items).collect();
    if containers.is_empty() {
        let what = "has no containers that the template says";
        return vec![Judged::new(template.label(task), Outcome::not_checked(what))];
    }
    let judge = |(number, container): (usize, &&Value)| {
        let name =
            container.under(&["Name"]).first().and_then(|name| name.text().map(str::to_owned));
        let name = name.unwrap_or_else(|| format!("number {}", number + 1));
        let values = named(container, &["Environment"], variable);
        let mut outcome = is_on(template, task, &values, variable);
        if matches!(outcome, Outcome::Fail { .. })
            && values.iter().all(|it| it.says == Says::Nothing)
        {
            if elsewhere(container, variable) {
                outcome = Outcome::not_checked(format!("`{variable}` is not said in the template"));
            } else {
                outcome = Outcome::fail(
                    template.place(container.at),
                    format!("is not told `{variable}`"),
                );
            }
        }
        Judged::new(format!("{}, container {name}", template.label(task)), outcome)
    };
    containers.iter().enumerate().map(judge).collect()
}

/// Whether a variable may come from a secret or from a file.
fn elsewhere(container: &Value, variable: &str) -> bool {
    let secret = named(container, &["Secrets"], variable);
    let files = container.under(&["EnvironmentFiles"]);
    secret.iter().chain(&files).any(|value| value.says != Says::Nothing)
}

fn app_runner(template: &Template, service: &Resource, variable: &str) -> Outcome {
    let path = [
        "SourceConfiguration",
        "ImageRepository",
        "ImageConfiguration",
        "RuntimeEnvironmentVariables",
    ];
    let values = named(&service.properties, &path, variable);
    is_on(template, service, &values, variable)
}

/// The values of a variable in lists of names and values.
fn named(value: &Value, path: &[&str], variable: &str) -> Vec<Value> {
    let mut found = Vec::new();
    for list in value.under(path) {
        let before = found.len();
        for item in list.items() {
            if let Says::Unknown(_) = item.says {
                found.push(item.clone());
            }
            let names = item.under(&["Name"]);
            if names.iter().any(|name| name.text() == Some(variable)) {
                let values = item.under(&["Value"]);
                let from = item.under(&["ValueFrom"]);
                let set = from.iter().any(|value| value.says != Says::Nothing);
                found.extend(if set { from } else { values });
            }
        }
        // In this branch of the conditions nobody says it.
        if found.len() == before {
            found.push(Value { at: value.at, says: Says::Nothing });
        }
    }
    found
}

fn is_on(template: &Template, resource: &Resource, values: &[Value], variable: &str) -> Outcome {
    all(template, values, resource.at, |value| match &value.says {
        Says::Text(text) if ON.iter().any(|on| text.eq_ignore_ascii_case(on)) => Verdict::Good,
        Says::Text(_) => Verdict::Bad(format!("`{variable}` is not on")),
        Says::Nothing => Verdict::Bad(format!("is not told `{variable}`")),
        Says::Unknown(why) => Verdict::Unknown(format!("`{variable}`: {why}")),
        _ => Verdict::Unknown(format!("`{variable}` is known when it is deployed")),
    })
}

/// What services take for yes.
const ON: &[&str] = &["true", "1"];
