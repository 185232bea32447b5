//! Templates of CloudFormation, YAML and JSON, with line and column of everything.
//!
//! JSON is read as the YAML that it is. Functions in their short form (`!Ref x`) and in their long
//! one (`{Ref: x}`) become the same [`Kind::Call`].
//!
//! # Invariants
//!
//! - Any text gives a tree or a [`SyntaxError`]. Aliases cannot make the tree larger than
//!   [`NODES_MAX`], and nothing nests deeper than [`DEPTH_MAX`].

use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};

use crate::facts::cfn::At;

mod redact;
pub mod resolve;

#[cfg(test)]
mod tests;

/// A part of a template, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Where it starts.
    pub at: At,
    /// What it is.
    pub kind: Kind,
}

/// What a part of a template is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `null`, or nothing.
    Null,
    /// Text, a number, or a boolean.
    Scalar(String),
    /// Parts in order.
    List(Vec<Node>),
    /// Parts by name.
    Map(Vec<(Key, Node)>),
    /// A function, under its long name, and its argument.
    Call(String, Box<Node>),
}

/// A name, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Where it starts.
    pub at: At,
    /// What it says.
    pub text: String,
}

impl Node {
    /// The part under a name.
    pub fn get(&self, name: &str) -> Option<&Node> {
        self.entries().iter().find(|(key, _)| key.text == name).map(|(_, node)| node)
    }

    /// All parts by name; none if it is something else.
    pub fn entries(&self) -> &[(Key, Node)] {
        match &self.kind {
            Kind::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The text, if it is one.
    pub fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar(text) => Some(text),
            _ => None,
        }
    }
}

/// Why text is no template.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {}, column {}: {what}", at.line, at.column)]
pub struct SyntaxError {
    /// Where.
    pub at: At,
    /// What is wrong there.
    pub what: &'static str,
}

/// Reads a template.
pub fn parse(text: &str) -> Result<Node, SyntaxError> {
    let mut reader =
        Reader { events: Parser::new_from_str(text), anchors: BTreeMap::new(), node_count: 0 };
    loop {
        let (event, at) = reader.next()?;
        match event {
            Event::StreamStart | Event::DocumentStart(_) | Event::Nothing => {}
            Event::StreamEnd | Event::DocumentEnd => {
                return Err(SyntaxError { at, what: "there is nothing in it" });
            }
            first => {
                let root = reader.node(first, at, 0)?;
                reader.end()?;
                return Ok(root);
            }
        }
    }
}

struct Reader<'a> {
    events: Parser<'a, saphyr_parser::StrInput<'a>>,
    /// What anchors stand for, and how many nodes that is.
    anchors: BTreeMap<usize, (Node, usize)>,
    node_count: usize,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, At), SyntaxError> {
        match self.events.next() {
            Some(Ok((event, span))) => Ok((event, at(&span))),
            Some(Err(error)) => {
                let marker = error.marker();
                let at = At { line: small(marker.line()), column: small(marker.col() + 1) };
                Err(SyntaxError { at, what: "it is neither YAML nor JSON from here on" })
            }
            None => Err(SyntaxError { at: At::default(), what: "it ends too early" }),
        }
    }

    /// Makes sure that nothing follows, where a second template could hide.
    fn end(&mut self) -> Result<(), SyntaxError> {
        loop {
            match self.next()? {
                (Event::StreamEnd, _) => return Ok(()),
                (Event::DocumentEnd | Event::Nothing, _) => {}
                (_, at) => return Err(SyntaxError { at, what: "a second document follows" }),
            }
        }
    }

    fn node(&mut self, event: Event<'a>, at: At, depth: usize) -> Result<Node, SyntaxError> {
        let before = self.node_count;
        self.count(1, at)?;
        if depth > DEPTH_MAX {
            return Err(SyntaxError { at, what: "it is nested too deep" });
        }
        let (kind, anchor, tag) = match event {
            Event::Alias(anchor) => {
                let known = self.anchors.get(&anchor).cloned();
                let Some((node, size)) = known else {
                    return Err(SyntaxError { at, what: "an alias stands for nothing" });
                };
                self.count(size, at)?;
                return Ok(Node { at, kind: node.kind });
            }
            Event::Scalar(text, style, anchor, tag) => {
                let null = style == ScalarStyle::Plain
                    && tag.is_none()
                    && matches!(&*text, "" | "~" | "null" | "Null" | "NULL");
                let kind = if null { Kind::Null } else { Kind::Scalar(text.into_owned()) };
                (kind, anchor, tag)
            }
            Event::SequenceStart(anchor, tag) => (self.list(depth)?, anchor, tag),
            Event::MappingStart(anchor, tag) => (self.map(depth)?, anchor, tag),
            _ => return Err(SyntaxError { at, what: "a value is missing" }),
        };
        let node = called(Node { at, kind }, tag.as_deref());
        if anchor > 0 {
            self.anchors.insert(anchor, (node.clone(), self.node_count - before));
        }
        Ok(node)
    }

    fn list(&mut self, depth: usize) -> Result<Kind, SyntaxError> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Kind::List(items)),
                (event, at) => items.push(self.node(event, at, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Kind, SyntaxError> {
        let mut entries: Vec<(Key, Node)> = Vec::new();
        let mut names = std::collections::BTreeSet::new();
        loop {
            let key = match self.next()? {
                (Event::MappingEnd, _) => break,
                (Event::Scalar(text, ..), at) => Key { at, text: text.into_owned() },
                (_, at) => return Err(SyntaxError { at, what: "a name is not text" }),
            };
            if !names.insert(key.text.clone()) {
                // Which of the two counts differs between programs: one could hide behind it.
                return Err(SyntaxError { at: key.at, what: "a name occurs twice" });
            }
            let (event, at) = self.next()?;
            let value = self.node(event, at, depth + 1)?;
            entries.push((key, value));
        }
        if let [(key, _)] = entries.as_slice()
            && (key.text == "Ref" || key.text.starts_with("Fn::"))
            && let Some((key, argument)) = entries.pop()
        {
            return Ok(Kind::Call(key.text, Box::new(argument)));
        }
        Ok(Kind::Map(entries))
    }

    fn count(&mut self, more: usize, at: At) -> Result<(), SyntaxError> {
        self.node_count = self.node_count.saturating_add(more);
        if self.node_count > NODES_MAX {
            return Err(SyntaxError { at, what: "there is too much in it" });
        }
        Ok(())
    }
}

/// Turns what carries a tag such as `!Ref` into a call.
fn called(node: Node, tag: Option<&Tag>) -> Node {
    let Some(tag) = tag.filter(|tag| tag.handle == "!" && !tag.suffix.is_empty()) else {
        return node;
    };
    let name = match tag.suffix.as_str() {
        "Ref" | "Condition" => tag.suffix.clone(),
        other => format!("Fn::{other}"),
    };
    Node { at: node.at, kind: Kind::Call(name, Box::new(node)) }
}

fn at(span: &Span) -> At {
    At { line: small(span.start.line()), column: small(span.start.col() + 1) }
}

fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// A template has at most 1 MB and 500 resources, so real ones stay far below.
pub const NODES_MAX: usize = 1 << 19;

/// Policies nest some fifteen deep.
pub const DEPTH_MAX: usize = 40;
