//! What a file of a model from elsewhere is: decided by its content, never by its name.
//!
//! Lists of what is bad are always a step behind. Here is a list of what is good: formats that hold
//! data only, each checked to its last byte. Whatever else a file is (a pickle, an archive, a
//! graph, a template, code) is *unsupported*, and nobody looks into it.
//!
//! # Invariants
//!
//! - Nothing of a file is executed, decompressed, or followed.
//! - A file that is two things at once (an archive behind a header, say) is neither: every byte
//!   belongs to the one format, or the file is refused.
//! - A file is read once, as a stream, in bounded memory.

use std::fmt;

mod json;
mod tensors;
mod text;

#[cfg(test)]
mod tests;

use tensors::TensorScan;

/// A format that holds data only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Tensors: `safetensors`.
    Safetensors,
    /// A configuration: JSON of numbers and words.
    Json,
    /// A tokenizer as one JSON document.
    Tokenizer,
    /// Prose for people: `README.md`, `LICENSE`.
    Text,
}

/// What was found of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Data only, every byte of it.
    Checked(Format),
    /// Another format than those on the list. It was not looked into, so that nothing is known.
    Unsupported(&'static str),
    /// One of the formats, and not in order.
    Unsound(&'static str),
}

impl Format {
    /// Returns the name of the format, as it is stored and shown.
    pub fn name(self) -> &'static str {
        match self {
            Self::Safetensors => "safetensors",
            Self::Json => "json",
            Self::Tokenizer => "tokenizer",
            Self::Text => "text",
        }
    }
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Checked(format) => f.write_str(format.name()),
            Self::Unsupported(problem) => write!(f, "unsupported, not scanned: {problem}"),
            Self::Unsound(problem) => write!(f, "unsound: {problem}"),
        }
    }
}

/// Looks at a file as it is read.
pub struct Inspector {
    name: String,
    state: State,
}

enum State {
    /// Too little was seen to tell.
    Head(Vec<u8>),
    Tensors(Box<TensorScan>),
    /// What is read as a whole, when it is there.
    Whole(Whole, Vec<u8>),
    Decided(Content),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Whole {
    Json,
    Text,
}

impl Inspector {
    /// Begins with a file of this path in its model, with `/`; it says which text is for people.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), state: State::Head(Vec::new()) }
    }

    /// Takes the next bytes.
    pub fn feed(&mut self, bytes: &[u8]) {
        match &mut self.state {
            State::Head(head) => {
                head.extend_from_slice(bytes);
                if HEAD_LEN <= head.len() {
                    let head = std::mem::take(head);
                    self.state = begin(&self.name, &head);
                    self.feed(&head);
                }
            }
            State::Tensors(scan) => scan.feed(bytes),
            State::Whole(kind, whole) => {
                let size_max = match kind {
                    Whole::Json => JSON_SIZE_MAX,
                    Whole::Text => TEXT_SIZE_MAX,
                };
                if size_max < whole.len() + bytes.len() {
                    self.state = State::Decided(Content::Unsupported("it is too large for text"));
                } else {
                    whole.extend_from_slice(bytes);
                }
            }
            State::Decided(_) => {}
        }
    }

    /// Returns what the file is, when all of it was fed.
    pub fn finish(mut self) -> Content {
        if let State::Head(head) = &mut self.state {
            let head = std::mem::take(head);
            self.state = begin(&self.name, &head);
            self.feed(&head);
        }
        match self.state {
            State::Head(_) => Content::Unsupported(NO_FORMAT),
            State::Tensors(scan) => scan.finish(),
            State::Whole(Whole::Json, whole) => json::inspect(&whole),
            State::Whole(Whole::Text, whole) => text::inspect(&whole),
            State::Decided(content) => content,
        }
    }
}

/// Tells by its first bytes what a file may be.
fn begin(name: &str, head: &[u8]) -> State {
    if tensors::begins(head) {
        return State::Tensors(Box::default());
    }
    let first = head.iter().find(|byte| !byte.is_ascii_whitespace());
    if matches!(first, Some(b'{' | b'[')) {
        return State::Whole(Whole::Json, Vec::new());
    }
    if text::for_people(name) {
        return State::Whole(Whole::Text, Vec::new());
    }
    State::Decided(Content::Unsupported(NO_FORMAT))
}

const NO_FORMAT: &str = "it is none of the formats that hold data only";

/// The length of a header of safetensors, its first character, and room for white space of JSON.
const HEAD_LEN: usize = 64;

/// Largest JSON, in bytes: tokenizers of large vocabularies have 30 MiB.
const JSON_SIZE_MAX: usize = 64 << 20;

/// Largest text, in bytes: a long license has 40 KiB.
const TEXT_SIZE_MAX: usize = 1 << 20;
