//! Takes out of a template what looks like a secret: facts say what is there, and never what it is.
//! Programs are left out altogether.

use crate::facts::cfn::{Entry, Says, Template, Value};
use crate::secret::of_name;

/// Takes secrets out of all resources.
pub(super) fn template(template: &mut Template) {
    for resource in &mut template.resources {
        value(&mut resource.properties, "");
        value(&mut resource.metadata, "");
    }
}

/// Values nest no deeper than templates are read.
fn value(of: &mut Value, name: &str) {
    match &mut of.says {
        Says::Text(text) => {
            let clean = of_name(name, text);
            if clean != *text {
                *text = clean.into_owned();
            }
        }
        Says::List(values) | Says::OneOf(values) => {
            values.iter_mut().for_each(|inner| value(inner, name));
        }
        Says::Map(entries) => {
            entries.retain(|entry| !SCRIPTS.contains(&entry.key.as_str()));
            let named = named(entries);
            for entry in entries {
                let says_value = ["Value", "ParameterValue"].contains(&entry.key.as_str());
                match &named {
                    Some(named) if says_value => value(&mut entry.value, named),
                    _ => value(&mut entry.value, &entry.key),
                }
            }
        }
        Says::Nothing | Says::Resource { .. } | Says::Unknown(_) => {}
    }
}

/// Programs that run on a machine or in a function: a secret in one may look like any other word,
/// and no rule reads them.
const SCRIPTS: &[&str] = &["UserData", "ZipFile", "AWS::CloudFormation::Init"];

/// What a list of names and values calls its value: `{Name: API_KEY, Value: …}`.
fn named(entries: &[Entry]) -> Option<String> {
    let names = ["Name", "Key", "ParameterName", "ParameterKey"];
    let entry = entries.iter().find(|entry| names.contains(&entry.key.as_str()))?;
    entry.value.text().map(str::to_owned)
}
