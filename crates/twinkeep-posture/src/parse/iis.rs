//! The configuration of IIS, which is XML: elements with where they stand, so that an edit hits
//! just them.
//!
//! # Invariants
//!
//! - Any bytes give an element or a [`SyntaxError`], within bounds of depth and number.
//! - A document brings no entities of its own, and nothing outside of it is read.

use quick_xml::Reader;
use quick_xml::escape::unescape;
use quick_xml::events::{BytesStart, Event};

use crate::outcome::Place;

pub mod edit;
pub mod effective;
mod secrets;
mod tree;

#[cfg(test)]
mod tests;

/// An element.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Element {
    /// Its name.
    pub name: String,
    /// Its attributes, in order.
    pub attributes: Vec<(String, String)>,
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1, in characters.
    pub column: u32,
    /// The byte of its `<`.
    pub start: usize,
    /// The byte after the `>` of its first tag.
    pub open_end: usize,
    /// The byte of the `<` of its second tag, if it has one.
    pub close: Option<usize>,
    /// The byte after its last `>`.
    pub end: usize,
    /// The elements in it.
    pub children: Vec<Element>,
    /// The file that it stands in, if that is another one than that of its document.
    pub file: Option<String>,
}

impl Element {
    /// The value of an attribute.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The elements of a name in it.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Element> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The elements at the end of a path of names.
    pub fn at_path<'a>(&'a self, path: &[&str]) -> Vec<&'a Element> {
        let mut found = vec![self];
        for name in path {
            let inside = found.iter().flat_map(|element| element.children.iter());
            found = inside.filter(|child| child.name == *name).collect();
        }
        found
    }

    /// Where it stands: in the file of its document, or in the one that its section lies in.
    pub fn place(&self, path: &str) -> Place {
        let path = self.file.as_deref().unwrap_or(path);
        Place { path: path.to_owned(), line: Some(self.line), column: Some(self.column) }
    }
}

/// Why a text is no configuration of IIS.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {what}")]
pub struct SyntaxError {
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1.
    pub column: u32,
    /// What is wrong there.
    pub what: &'static str,
}

/// Reads a document; its root is `configuration`.
pub fn parse(text: &str) -> Result<Element, SyntaxError> {
    parse_root(text, "configuration", "its root is no `configuration`")
}

/// Reads a file that holds one section, which is its root.
pub fn parse_section(text: &str, name: &str) -> Result<Element, SyntaxError> {
    parse_root(text, name, "its root is not the section that it should hold")
}

fn parse_root(text: &str, name: &str, other: &'static str) -> Result<Element, SyntaxError> {
    let mark = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let body = text.get(mark..).unwrap_or_default();
    let mut builder = Builder {
        text,
        mark,
        at: mark,
        line: 1,
        column: 1,
        count: 0,
        open: Vec::new(),
        root: None,
    };
    let mut reader = Reader::from_str(body);
    loop {
        let before = position(&reader);
        let event = reader.read_event().map_err(|_| builder.error(before, "it is no XML"))?;
        let after = position(&reader);
        match event {
            Event::Start(tag) => builder.start(&tag, before, after, false)?,
            Event::Empty(tag) => builder.start(&tag, before, after, true)?,
            Event::End(_) => builder.end(before, after)?,
            Event::Eof => break,
            // What it could declare is of no use to anybody honest.
            Event::DocType(_) => return Err(builder.error(before, "it declares a document type")),
            // IIS keeps nothing in text.
            _ => {}
        }
    }
    let end = body.len();
    match (builder.root.take(), builder.open.is_empty()) {
        (Some(root), true) if root.name == name => Ok(root),
        (Some(root), true) => Err(builder.error(root.start - mark, other)),
        _ => Err(builder.error(end, "an element is not closed")),
    }
}

fn position(reader: &Reader<&[u8]>) -> usize {
    usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX)
}

struct Builder<'a> {
    text: &'a str,
    /// How long the byte order mark is.
    mark: usize,
    at: usize,
    line: u32,
    column: u32,
    count: usize,
    open: Vec<Element>,
    root: Option<Element>,
}

impl Builder<'_> {
    /// Counts lines and columns up to a byte behind the mark.
    fn go_to(&mut self, position: usize) -> usize {
        let to = position.saturating_add(self.mark).min(self.text.len());
        let passed = self.text.as_bytes().get(self.at..to).unwrap_or_default();
        for byte in passed {
            match byte {
                b'\n' => {
                    self.line += 1;
                    self.column = 1;
                }
                // The second and later bytes of a character are no columns of their own.
                byte if byte & 0xc0 == 0x80 => {}
                _ => self.column += 1,
            }
        }
        self.at = self.at.max(to);
        to
    }

    fn error(&mut self, position: usize, what: &'static str) -> SyntaxError {
        self.go_to(position);
        SyntaxError { line: self.line, column: self.column, what }
    }

    fn start(
        &mut self,
        tag: &BytesStart<'_>,
        before: usize,
        after: usize,
        empty: bool,
    ) -> Result<(), SyntaxError> {
        let start = self.go_to(before);
        self.count += 1;
        if self.count > ELEMENTS_MAX || self.open.len() >= DEPTH_MAX {
            return Err(self.error(before, "it has more elements, or deeper ones, than are read"));
        }
        let mut attributes = Vec::new();
        for attribute in tag.attributes() {
            let read = attribute.ok().and_then(|attribute| {
                let name = std::str::from_utf8(attribute.key.as_ref()).ok()?.to_owned();
                let raw = std::str::from_utf8(&attribute.value).ok()?;
                Some((name, unescape(raw).ok()?.into_owned()))
            });
            let Some(read) = read else {
                return Err(self.error(before, "an attribute is not well-formed"));
            };
            attributes.push(read);
        }
        let name = String::from_utf8_lossy(tag.name().as_ref()).into_owned();
        let end = after + self.mark;
        let (line, column) = (self.line, self.column);
        let children = Vec::new();
        let element = Element {
            name,
            attributes,
            line,
            column,
            start,
            open_end: end,
            close: None,
            end,
            children,
            file: None,
        };
        if empty {
            return self.attach(element);
        }
        self.open.push(element);
        Ok(())
    }

    fn end(&mut self, before: usize, after: usize) -> Result<(), SyntaxError> {
        let Some(mut done) = self.open.pop() else {
            return Err(self.error(before, "an end tag ends nothing"));
        };
        done.close = Some(before + self.mark);
        done.end = after + self.mark;
        self.attach(done)
    }

    fn attach(&mut self, done: Element) -> Result<(), SyntaxError> {
        let position = done.start - self.mark;
        match self.open.last_mut() {
            Some(outer) => outer.children.push(done),
            None if self.root.is_none() => self.root = Some(done),
            None => return Err(self.error(position, "it has more than one root")),
        }
        Ok(())
    }
}

/// The configuration of a server with a hundred sites has some ten thousand.
const ELEMENTS_MAX: usize = 50_000;

/// Real files nest eight deep.
const DEPTH_MAX: usize = 64;
