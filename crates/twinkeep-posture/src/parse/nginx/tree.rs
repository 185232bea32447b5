//! A configuration of nginx with its includes in place.

use std::path::PathBuf;
use std::sync::Arc;

use super::{Directive, Word};
use crate::facts::nginx::Unread;
use crate::outcome::Place;

/// All files of a configuration, and the directives in the order in which nginx reads them.
#[derive(Clone, Debug, Default)]
pub struct Configuration {
    /// The files; the first is the main one.
    pub files: Vec<Source>,
    /// The directives at the top.
    pub nodes: Vec<Node>,
    /// What is included and could not be read.
    pub unread: Vec<Unread>,
}

/// A file as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Where it is.
    pub path: PathBuf,
    /// What is in it.
    pub text: Vec<u8>,
}

/// A directive, in the file that it stands in.
#[derive(Clone, Debug)]
pub struct Node {
    /// The number of the file in [`Configuration::files`].
    pub file: usize,
    /// The path of the file; all directives of a file share it.
    pub path: Arc<str>,
    /// The name.
    pub name: Word,
    /// What follows it.
    pub arguments: Vec<Word>,
    /// What stands in braces, if anything does.
    pub block: Option<Block>,
    /// The byte after its `;` or `}`.
    pub end: usize,
}

/// What stands in braces, and where they are.
#[derive(Clone, Debug)]
pub struct Block {
    /// The directives, included ones too.
    pub nodes: Vec<Node>,
    /// The byte after `{`.
    pub open: usize,
    /// The byte of `}`.
    pub close: usize,
}

impl Node {
    /// Takes over a directive; what is in its block comes back, to be put in place.
    pub fn new(file: usize, path: &Arc<str>, directive: Directive) -> (Node, Vec<Directive>) {
        let Directive { name, arguments, block, end } = directive;
        let (block, inside) = match block {
            Some(super::Block { directives, open, close }) => {
                (Some(Block { nodes: Vec::new(), open, close }), directives)
            }
            None => (None, Vec::new()),
        };
        (Node { file, path: path.clone(), name, arguments, block, end }, inside)
    }

    /// Whether it is the directive of this name.
    pub fn is(&self, name: &str) -> bool {
        self.name.text == name
    }

    /// An argument, by number.
    pub fn argument(&self, number: usize) -> Option<&str> {
        self.arguments.get(number).map(|word| word.text.as_str())
    }

    /// The arguments, as they mean.
    pub fn words(&self) -> Vec<String> {
        self.arguments.iter().map(|word| word.text.clone()).collect()
    }

    /// What is in its block.
    pub fn children(&self) -> &[Node] {
        self.block.as_ref().map_or(&[], |block| &block.nodes)
    }

    /// Where it stands.
    pub fn at(&self) -> Place {
        Place {
            path: self.path.to_string(),
            line: Some(self.name.line),
            column: Some(self.name.column),
        }
    }
}
