//! JSON that is data: configurations, and tokenizers.
//!
//! JSON runs nothing by itself, but programs that read it run what it names: a class to import, a
//! template to expand, a repository to fetch code from. So a configuration may hold numbers and
//! single words, under names that no known loader imports from; commands, addresses, templates, and
//! encoded bytes have other characters. A tokenizer holds pieces of any text, in a shape of its own
//! that has no place for code.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::{Content, Format};

pub(super) fn inspect(bytes: &[u8]) -> Content {
    let left = Cell::new(NODE_COUNT_MAX);
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let node = NodeSeed(&left).deserialize(&mut reader);
    let Ok(node) = node.and_then(|node| reader.end().map(|()| node)) else {
        return match left.get() {
            0 => Content::Unsupported("it has too many values"),
            _ => Content::Unsound("it is not JSON, or has a name twice"),
        };
    };
    if is_tokenizer(&node) {
        return match within(&node, PIECE_LEN_MAX) {
            true => Content::Checked(Format::Tokenizer),
            false => Content::Unsupported("a text in it is too long for a piece of a vocabulary"),
        };
    }
    match configures(&node) {
        Ok(()) => Content::Checked(Format::Json),
        Err(problem) => Content::Unsupported(problem),
    }
}

/// What matters of a document.
enum Node {
    /// A number, a truth value, or nothing.
    Plain,
    Text(String),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

fn is_tokenizer(node: &Node) -> bool {
    let Node::Map(entries) = node else { return false };
    let has = |name: &str| entries.iter().any(|(key, _)| key == name);
    has("version")
        && has("model")
        && entries.iter().all(|(key, _)| TOKENIZER_KEYS.contains(&key.as_str()))
}

/// Returns whether no text is longer than this.
fn within(node: &Node, length_max: usize) -> bool {
    match node {
        Node::Plain => true,
        Node::Text(text) => text.len() <= length_max,
        Node::List(items) => items.iter().all(|item| within(item, length_max)),
        Node::Map(entries) => {
            entries.iter().all(|(key, value)| key.len() <= length_max && within(value, length_max))
        }
    }
}

fn configures(node: &Node) -> Result<(), &'static str> {
    match node {
        Node::Plain => Ok(()),
        Node::Text(text) if is_word(text) => Ok(()),
        Node::Text(_) => Err("a text in it is more than a word"),
        Node::List(items) => items.iter().try_for_each(configures),
        Node::Map(entries) => entries.iter().try_for_each(|(key, value)| {
            if CODE_KEYS.contains(&key.to_ascii_lowercase().as_str()) {
                return Err("a name in it tells programs which code to run");
            }
            if !is_key(key) {
                return Err("a name in it is none of a configuration");
            }
            configures(value)
        }),
    }
}

/// Returns whether a text is one word: a name, a version, a path below where it stands.
fn is_word(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.+-/".contains(&byte);
    text.len() <= WORD_LEN_MAX
        && text.bytes().all(plain)
        && !text.starts_with('/')
        && text.split('/').all(|part| part != "..")
}

fn is_key(key: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    (1..=KEY_LEN_MAX).contains(&key.len())
        && key.bytes().all(plain)
        && (!key.starts_with('_') || HIDDEN_KEYS.contains(&key))
}

/// Reads a node, as long as there may be more of them: few bytes can make many nodes.
#[derive(Clone, Copy)]
struct NodeSeed<'a>(&'a Cell<u32>);

impl<'de> DeserializeSeed<'de> for NodeSeed<'_> {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        let left = self.0.get().checked_sub(1).ok_or_else(|| D::Error::custom("too many"))?;
        self.0.set(left);
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for NodeSeed<'_> {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Node, E> {
        Ok(Node::Plain)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Node, E> {
        Ok(Node::Plain)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Node, E> {
        Ok(Node::Plain)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Node, E> {
        Ok(Node::Plain)
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Plain)
    }

    fn visit_str<E>(self, text: &str) -> Result<Node, E> {
        Ok(Node::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut found = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            found.push(item);
        }
        Ok(Node::List(found))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut names = BTreeSet::new();
        let mut found = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            let value = map.next_value_seed(self)?;
            // Two readers could see two documents.
            if !names.insert(key.clone()) {
                return Err(A::Error::custom("a name is there twice"));
            }
            found.push((key, value));
        }
        Ok(Node::Map(found))
    }
}

/// The parts of a tokenizer as the library of that name writes it.
const TOKENIZER_KEYS: &[&str] = &[
    "added_tokens",
    "decoder",
    "model",
    "normalizer",
    "padding",
    "post_processor",
    "pre_tokenizer",
    "truncation",
    "version",
];

/// Names under which loaders look for code, a template, or a class to make; in lower case.
const CODE_KEYS: &[&str] = &[
    "auto_map",
    "callable",
    "chat_template",
    "class_name",
    "code",
    "code_paths",
    "command",
    "custom_pipelines",
    "entry_point",
    "entry_points",
    "entrypoint",
    "fn",
    "function",
    "function_name",
    "function_type",
    "import_path",
    "lambda",
    "loader_module",
    "module",
    "module_name",
    "python_function",
    "python_model",
    "registered_name",
    "script",
    "target",
    "trust_remote_code",
];

/// Names that begin with a line and are known; others are how programs hide what they act on.
const HIDDEN_KEYS: &[&str] = &[
    "_attn_implementation",
    "_attn_implementation_autoset",
    "_commit_hash",
    "_diffusers_version",
    "_name_or_path",
];

/// Most values: tokenizers of large vocabularies have a million and a half, and each takes a hundred
/// bytes of memory while the document is looked at.
const NODE_COUNT_MAX: u32 = 1 << 22;

/// Longest word, in bytes: names of repositories are shorter, and programs in one word longer.
const WORD_LEN_MAX: usize = 96;

/// Longest name, in bytes: tensors of deep models have names of a hundred.
const KEY_LEN_MAX: usize = 256;

/// Longest piece of a vocabulary, in bytes; patterns for splitting words have some hundred.
const PIECE_LEN_MAX: usize = 1024;
