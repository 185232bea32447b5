//! Works out the functions of a template as far as the template alone allows.
//!
//! `If` gives both branches. A parameter gives its allowed values, or else its default; without
//! either it is unknown, as are imports and what only the account or the region says.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use super::{Kind, Node, redact};
use crate::facts::cfn::{At, Entry, Macro, Resource, Says, Template, Value};

/// Works out a template.
pub fn template(path: &str, root: &Node) -> Template {
    let none = Node { at: root.at, kind: Kind::Null };
    let resources = root.get("Resources").unwrap_or(&none);
    let resolver = Resolver {
        made: Cell::new(0),
        parameters: parameters(root.get("Parameters").unwrap_or(&none)),
        mappings: root.get("Mappings").unwrap_or(&none),
        resources: resources.entries().iter().map(|(key, _)| key.text.as_str()).collect(),
    };
    let mut template =
        Template { path: path.to_owned(), macros: macros(root, resources), ..Template::default() };
    for (key, node) in resources.entries() {
        let Some(kind) = node.get("Type").and_then(Node::text) else { continue };
        let part = |name| node.get(name).map(|node| resolver.value(node, 0));
        template.resources.push(Resource {
            name: key.text.clone(),
            kind: kind.to_owned(),
            at: key.at,
            properties: part("Properties").unwrap_or(Value { at: key.at, says: Says::Nothing }),
            metadata: part("Metadata").unwrap_or(Value { at: key.at, says: Says::Nothing }),
        });
    }
    redact::template(&mut template);
    template
}

/// The macros that rewrite a template, or a part of it; that of serverless functions is known.
fn macros(root: &Node, resources: &Node) -> Vec<Macro> {
    let mut found = Vec::new();
    if let Some(node) = root.get("Transform") {
        let names = match &node.kind {
            Kind::List(items) => items.iter().collect(),
            _ => vec![node],
        };
        for node in names {
            let name = node.text().or_else(|| node.get("Name").and_then(Node::text));
            let name = name.unwrap_or("a macro");
            if !name.starts_with("AWS::Serverless") && name != "AWS::SecretsManager-2020-07-23" {
                found.push(Macro { name: name.to_owned(), at: node.at });
            }
        }
    }
    if let Kind::Call(name, _) = &resources.kind {
        found.push(Macro { name: name.clone(), at: resources.at });
    }
    for (key, _) in resources.entries().iter().filter(|(key, _)| key.text.starts_with("Fn::")) {
        found.push(Macro { name: key.text.clone(), at: key.at });
    }
    for (_, resource) in resources.entries() {
        included(resource, &mut found);
    }
    found
}

/// What is put into a part of a resource when it is deployed: `Fn::Transform` stands beside the
/// properties that can be read, and `Transform` of the template does not tell of it.
fn included(node: &Node, found: &mut Vec<Macro>) {
    let the_macro = |at| Macro { name: TRANSFORM.to_owned(), at };
    match &node.kind {
        Kind::Null | Kind::Scalar(_) => {}
        Kind::List(items) => items.iter().for_each(|item| included(item, found)),
        Kind::Map(entries) => {
            for (key, inner) in entries {
                found.extend((key.text == TRANSFORM).then(|| the_macro(key.at)));
                included(inner, found);
            }
        }
        Kind::Call(name, argument) => {
            found.extend((name == TRANSFORM).then(|| the_macro(node.at)));
            included(argument, found);
        }
    }
}

/// What parameters may be.
fn parameters(node: &Node) -> BTreeMap<String, Says> {
    let mut found = BTreeMap::new();
    for (key, parameter) in node.entries() {
        let name = &key.text;
        let kind = parameter.get("Type").and_then(Node::text).unwrap_or("String");
        let list = kind == "CommaDelimitedList" || kind.starts_with("List<");
        let parse = |text: &str| {
            if !list {
                return Says::Text(text.to_owned());
            }
            let items = text.split(',').map(|item| Says::Text(item.trim().to_owned()));
            Says::List(items.map(|says| Value { at: key.at, says }).collect())
        };
        let texts = |node: &Node| match &node.kind {
            Kind::List(items) => items.iter().filter_map(Node::text).map(parse).collect(),
            _ => Vec::new(),
        };
        let allowed: Vec<Says> = parameter.get("AllowedValues").map(texts).unwrap_or_default();
        let default = parameter.get("Default").and_then(Node::text);
        let hidden = parameter.get("NoEcho").and_then(Node::text);
        let says = if hidden.is_some_and(|it| it.eq_ignore_ascii_case("true")) {
            Says::Unknown(format!("parameter `{name}` is not to be shown (`NoEcho`)"))
        } else if kind.starts_with("AWS::SSM::") {
            Says::Unknown(format!("parameter `{name}` is looked up when it is deployed"))
        } else if !allowed.is_empty() && !list {
            one_of(allowed.into_iter().map(|says| Value { at: key.at, says }).collect())
        } else if let Some(default) = default {
            parse(default)
        } else {
            Says::Unknown(format!("parameter `{name}` has no default"))
        };
        found.insert(name.clone(), says);
    }
    found
}

struct Resolver<'a> {
    /// How much was worked out: a mapping or a parameter may be named from everywhere.
    made: Cell<usize>,
    parameters: BTreeMap<String, Says>,
    mappings: &'a Node,
    resources: BTreeSet<&'a str>,
}

impl Resolver<'_> {
    fn value(&self, node: &Node, depth: usize) -> Value {
        if depth > DEPTH_MAX {
            return unknown(node.at, "it is nested too deep");
        }
        self.made.set(self.made.get().saturating_add(1));
        if self.made.get() > VALUES_MAX {
            return unknown(node.at, "the template is too large");
        }
        let says = match &node.kind {
            Kind::Null => Says::Nothing,
            Kind::Scalar(text) => Says::Text(text.clone()),
            Kind::List(items) => {
                let values = items.iter().map(|item| self.value(item, depth + 1));
                Says::List(values.filter(|value| value.says != Says::Nothing).collect())
            }
            Kind::Map(entries) => Says::Map(
                entries
                    .iter()
                    .map(|(key, node)| Entry {
                        key: key.text.clone(),
                        value: self.value(node, depth + 1),
                    })
                    .collect(),
            ),
            Kind::Call(name, argument) => self.call(name, argument, depth + 1),
        };
        Value { at: node.at, says }
    }

    fn call(&self, name: &str, argument: &Node, depth: usize) -> Says {
        match name {
            "Ref" => self.named(argument.text().unwrap_or_default()),
            "Fn::GetAtt" => self.attribute(argument),
            "Fn::Sub" => self.substituted(argument, depth),
            "Fn::If" => match self.arguments(argument).as_slice() {
                [_, yes, no] => one_of(vec![self.value(yes, depth), self.value(no, depth)]),
                _ => wrong(name),
            },
            "Fn::FindInMap" => self.found_in_map(argument, depth),
            "Fn::Join" => match self.arguments(argument).as_slice() {
                [between, parts] => self.joined(between, &self.value(parts, depth)),
                _ => wrong(name),
            },
            "Fn::Select" => match self.arguments(argument).as_slice() {
                [index, list] => self.selected(index, &self.value(list, depth)),
                _ => wrong(name),
            },
            "Fn::Split" => match self.arguments(argument).as_slice() {
                [between, text] => split(between, &self.value(text, depth), argument.at),
                _ => wrong(name),
            },
            // What is encoded says the same.
            "Fn::Base64" | "Fn::ToJsonString" => self.value(argument, depth).says,
            "Fn::ImportValue" => Says::Unknown("it is imported from another stack".to_owned()),
            other => Says::Unknown(format!("`{other}` is worked out when it is deployed")),
        }
    }

    fn arguments<'n>(&self, node: &'n Node) -> Vec<&'n Node> {
        match &node.kind {
            Kind::List(items) => items.iter().collect(),
            _ => Vec::new(),
        }
    }

    /// `Ref`: a parameter, a resource, or what AWS fills in.
    fn named(&self, name: &str) -> Says {
        if name == "AWS::NoValue" {
            return Says::Nothing;
        }
        if let Some(says) = self.parameters.get(name) {
            let size = match says {
                Says::List(items) | Says::OneOf(items) => items.len(),
                _ => 1,
            };
            self.made.set(self.made.get().saturating_add(size));
            if self.made.get() > VALUES_MAX {
                return Says::Unknown("the template is too large".to_owned());
            }
            return says.clone();
        }
        if self.resources.contains(name) {
            return Says::Resource { name: name.to_owned(), attribute: None };
        }
        Says::Unknown(format!("`{name}` is known when it is deployed"))
    }

    fn attribute(&self, argument: &Node) -> Says {
        let words: Vec<&str> = match &argument.kind {
            Kind::Scalar(text) => text.splitn(2, '.').collect(),
            Kind::List(items) => items.iter().filter_map(Node::text).collect(),
            _ => Vec::new(),
        };
        let [name, attribute] = words.as_slice() else { return wrong("Fn::GetAtt") };
        Says::Resource { name: (*name).to_owned(), attribute: Some((*attribute).to_owned()) }
    }

    fn substituted(&self, argument: &Node, depth: usize) -> Says {
        let (text, own) = match &argument.kind {
            Kind::Scalar(text) => (text.as_str(), None),
            Kind::List(items) => (items.first().and_then(Node::text).unwrap_or(""), items.get(1)),
            _ => return wrong("Fn::Sub"),
        };
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let Some((name, after)) = after.split_once('}') else { break };
            parts.push(Says::Text(before.to_owned()));
            parts.push(match (name.strip_prefix('!'), own.and_then(|own| own.get(name))) {
                (Some(literal), _) => Says::Text(format!("${{{literal}}}")),
                (None, Some(node)) => self.value(node, depth).says,
                (None, None) => match name.split_once('.') {
                    Some((name, attribute)) => Says::Resource {
                        name: name.to_owned(),
                        attribute: Some(attribute.to_owned()),
                    },
                    None => self.named(name),
                },
            });
            rest = after;
        }
        parts.push(Says::Text(rest.to_owned()));
        parts.retain(|part| *part != Says::Text(String::new()));
        // `${Group.GroupId}` alone is the reference itself.
        if let [Says::Resource { .. }] = parts.as_slice()
            && let Some(only) = parts.pop()
        {
            return only;
        }
        concatenated(&parts, "", argument.at)
    }

    fn found_in_map(&self, argument: &Node, depth: usize) -> Says {
        let arguments = self.arguments(argument);
        let (Some(map), Some(first), Some(second)) =
            (arguments.first(), arguments.get(1), arguments.get(2))
        else {
            return wrong("Fn::FindInMap");
        };
        let Some(map) = map.text().and_then(|name| self.mappings.get(name)) else {
            return Says::Unknown("no such mapping".to_owned());
        };
        let mut found = Vec::new();
        for row in self.rows(map, first, depth) {
            found.extend(
                self.rows(row, second, depth).into_iter().map(|node| self.value(node, depth)),
            );
        }
        if found.is_empty() {
            return Says::Unknown("the mapping has no such entry".to_owned());
        }
        one_of(found)
    }

    /// The entries of a mapping that a key may stand for: all of them if nobody knows the key.
    fn rows<'n>(&self, map: &'n Node, key: &Node, depth: usize) -> Vec<&'n Node> {
        let entries = map.entries().iter();
        match texts(&self.value(key, depth).says) {
            Some(keys) => {
                entries.filter(|(key, _)| keys.contains(&key.text)).map(|(_, node)| node).collect()
            }
            None => entries.map(|(_, node)| node).collect(),
        }
    }

    fn joined(&self, between: &Node, parts: &Value) -> Says {
        match &parts.says {
            Says::List(items) => {
                let parts: Vec<Says> = items.iter().map(|item| item.says.clone()).collect();
                concatenated(&parts, between.text().unwrap_or_default(), parts_at(items))
            }
            Says::Unknown(why) => Says::Unknown(why.clone()),
            _ => wrong("Fn::Join"),
        }
    }

    fn selected(&self, index: &Node, list: &Value) -> Says {
        let index: Option<usize> = index.text().and_then(|text| text.parse().ok());
        match (&list.says, index) {
            (Says::List(items), Some(index)) => match items.get(index) {
                Some(item) => item.says.clone(),
                None => wrong("Fn::Select"),
            },
            (Says::OneOf(lists), Some(_)) => {
                Says::Unknown(format!("one of {} lists is selected from", lists.len()))
            }
            (Says::Unknown(why), _) => Says::Unknown(why.clone()),
            _ => wrong("Fn::Select"),
        }
    }
}

fn parts_at(items: &[Value]) -> At {
    items.first().map(|item| item.at).unwrap_or_default()
}

fn split(between: &Node, text: &Value, at: At) -> Says {
    let Some(between) = between.text().filter(|between| !between.is_empty()) else {
        return wrong("Fn::Split");
    };
    match &text.says {
        Says::Text(text) => Says::List(
            text.split(between)
                .map(|part| Value { at, says: Says::Text(part.to_owned()) })
                .collect(),
        ),
        Says::Unknown(why) => Says::Unknown(why.clone()),
        _ => Says::Unknown("what is split is known when it is deployed".to_owned()),
    }
}

fn unknown(at: At, why: &str) -> Value {
    Value { at, says: Says::Unknown(why.to_owned()) }
}

fn wrong(function: &str) -> Says {
    Says::Unknown(format!("`{function}` has arguments that it does not take"))
}

/// One of these, without what occurs twice.
fn one_of(values: Vec<Value>) -> Says {
    let mut flat: Vec<Value> = Vec::new();
    for value in values {
        let inner = match value.says {
            Says::OneOf(inner) => inner,
            says => vec![Value { at: value.at, says }],
        };
        for value in inner {
            if flat.len() > VARIANTS_MAX {
                break;
            }
            if !flat.iter().any(|known| known.says == value.says) {
                flat.push(value);
            }
        }
    }
    if flat.len() > VARIANTS_MAX {
        return Says::Unknown("it may be too many things".to_owned());
    }
    if flat.len() == 1
        && let Some(only) = flat.pop()
    {
        return only.says;
    }
    Says::OneOf(flat)
}

/// The texts that something may be, if it is text.
fn texts(says: &Says) -> Option<Vec<String>> {
    match says {
        Says::Text(text) => Some(vec![text.clone()]),
        Says::OneOf(values) => {
            let mut all = Vec::new();
            for value in values {
                all.extend(texts(&value.says)?);
            }
            Some(all)
        }
        _ => None,
    }
}

/// Parts one after the other: each combination of what they may be.
fn concatenated(parts: &[Says], between: &str, at: At) -> Says {
    let mut all = vec![String::new()];
    for (number, part) in parts.iter().enumerate() {
        let Some(texts) = texts(part) else {
            return match part {
                Says::Unknown(why) => Says::Unknown(why.clone()),
                _ => Says::Unknown("a part of it is known when it is deployed".to_owned()),
            };
        };
        if all.len().saturating_mul(texts.len()) > VARIANTS_MAX {
            return Says::Unknown("it may be too many things".to_owned());
        }
        let between = if number == 0 { "" } else { between };
        all = all
            .iter()
            .flat_map(|before| texts.iter().map(move |text| format!("{before}{between}{text}")))
            .collect();
        if all.iter().map(String::len).sum::<usize>() > TEXT_BYTES_MAX {
            return Says::Unknown("it is too long".to_owned());
        }
    }
    one_of(all.into_iter().map(|text| Value { at, says: Says::Text(text) }).collect())
}

/// The function that calls a macro where it stands.
const TRANSFORM: &str = "Fn::Transform";

/// Mappings by region have some thirty rows.
const VARIANTS_MAX: usize = 256;

/// A policy that is put together is some kilobytes long.
const TEXT_BYTES_MAX: usize = 1 << 20;

/// Facts nest four deep for each level here, and no reader of JSON takes more than 128.
const DEPTH_MAX: usize = 24;

/// A template of one megabyte has some hundred thousand values.
const VALUES_MAX: usize = 1 << 21;
