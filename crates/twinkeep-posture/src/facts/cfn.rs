//! What is known about templates of CloudFormation: their resources, with functions worked out.
//!
//! A value that depends on a condition or a parameter is *one of* several; one that only the
//! deployment knows is *unknown*, with the reason. A rule that finds an unknown value says that it
//! could not check.

use serde::{Deserialize, Serialize};

use crate::outcome::Place;

/// Templates that belong together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cfn {
    /// Those that were read.
    pub templates: Vec<Template>,
    /// Files that look like templates and could not be read.
    pub unread: Vec<Unread>,
}

/// A file that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unread {
    /// Which, and where in it.
    pub at: Place,
    /// Why.
    pub why: String,
}

/// One template.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Template {
    /// Its file.
    pub path: String,
    /// What it creates.
    pub resources: Vec<Resource>,
    /// Parts that are only known after a macro ran, and where they are.
    pub macros: Vec<Macro>,
}

/// A macro, which may rewrite what a template says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Macro {
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub at: At,
}

/// A resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resource {
    /// Its logical id.
    pub name: String,
    /// Its type: `AWS::S3::Bucket`.
    pub kind: String,
    /// Where its logical id stands.
    pub at: At,
    /// Its properties.
    pub properties: Value,
    /// Its metadata, which may say what role it has.
    pub metadata: Value,
}

/// Where in its file something stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct At {
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1.
    pub column: u32,
}

/// A value, and where it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Value {
    /// Where it stands.
    pub at: At,
    /// What it says.
    pub says: Says,
}

/// What a value says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Says {
    /// Nothing: it is absent, `null`, or `AWS::NoValue`.
    #[default]
    Nothing,
    /// Text; numbers and booleans too, as CloudFormation takes one for the other.
    Text(String),
    /// Values in order.
    List(Vec<Value>),
    /// Values by name.
    Map(Vec<Entry>),
    /// A resource of the template, or an attribute of one.
    Resource {
        /// The logical id.
        name: String,
        /// The attribute, if it is one.
        attribute: Option<String>,
    },
    /// One of these; which one is decided by a condition or a parameter.
    OneOf(Vec<Value>),
    /// Something that only the deployment knows, and why.
    Unknown(String),
}

/// A value and its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The name.
    pub key: String,
    /// The value.
    pub value: Value,
}

impl Value {
    /// What it may be: itself, or each of what it is one of.
    pub fn branches(&self) -> Vec<&Value> {
        match &self.says {
            Says::OneOf(values) => values.iter().flat_map(Value::branches).collect(),
            _ => vec![self],
        }
    }

    /// All that may stand under a path of names. What is missing on the way is `Nothing`, at the
    /// place where it is missing.
    pub fn under(&self, path: &[&str]) -> Vec<Value> {
        let Some((first, rest)) = path.split_first() else {
            return self.branches().into_iter().cloned().collect();
        };
        let mut found = Vec::new();
        for branch in self.branches() {
            match &branch.says {
                Says::Map(entries) => match entries.iter().find(|entry| entry.key == *first) {
                    Some(entry) => found.extend(entry.value.under(rest)),
                    None => found.push(Value { at: branch.at, says: Says::Nothing }),
                },
                Says::Unknown(_) | Says::Nothing => found.push(branch.clone()),
                // A reference stands where names are expected: only the deployment knows.
                _ => found.push(Value {
                    at: branch.at,
                    says: Says::Unknown(format!("`{first}` is not said by name")),
                }),
            }
        }
        found
    }

    /// All items that may be in a list; an item that is a list by condition is taken apart too. A
    /// single value counts as a list of one, as CloudFormation takes it.
    pub fn items(&self) -> Vec<&Value> {
        match &self.says {
            Says::Nothing => Vec::new(),
            Says::List(items) => items.iter().flat_map(Value::items).collect(),
            Says::OneOf(values) => values.iter().flat_map(Value::items).collect(),
            _ => vec![self],
        }
    }

    /// The text, if it is one.
    pub fn text(&self) -> Option<&str> {
        match &self.says {
            Says::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl Template {
    /// A place in it.
    pub fn place(&self, at: At) -> Place {
        Place { path: self.path.clone(), line: Some(at.line), column: Some(at.column) }
    }

    /// What a resource is called in reports.
    pub fn label(&self, resource: &Resource) -> String {
        format!("{} in {}", resource.name, self.path)
    }
}
