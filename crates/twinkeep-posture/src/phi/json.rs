//! JSON and JSON lines: each key, together with the one above it, is a column.
//!
//! This is no parser that refuses: it walks strings and numbers, so that half a document, or one
//! that is not quite JSON, is looked at too. Memory is bounded by the number of keys it remembers.

use std::collections::BTreeMap;

use super::Place;
use super::column::{Column, mask};
use super::text::TextScan;
use super::words::{Meaning, meaning};

/// Columns of JSON.
#[derive(Default)]
pub(super) struct JsonScan {
    columns: BTreeMap<u64, (Option<String>, Column)>,
    /// The number of the key that each open object stands under.
    open: Vec<(u64, String)>,
    /// How many more are open than are remembered.
    deeper: u64,
    /// The lists that are open: in how many objects each is, and which item comes next.
    lists: Vec<(usize, u8)>,
    /// How many more lists are open than are remembered.
    deeper_lists: u64,
    /// The key whose value comes next.
    key: (u64, String),
    text: TextScan,
}

impl JsonScan {
    /// Looks at what it can of the buffer, and returns how many bytes those are.
    pub(super) fn feed(&mut self, buffer: &[u8], last: bool) -> usize {
        let mut at = 0;
        while let Some(&byte) = buffer.get(at) {
            match byte {
                b'"' => {
                    let Some(length) = string_length(&buffer[at + 1..]) else {
                        if !last {
                            return at;
                        }
                        self.value(&buffer[at + 1..]);
                        return buffer.len();
                    };
                    let after = at + length + 2;
                    let next = buffer[after.min(buffer.len())..]
                        .iter()
                        .find(|byte| !byte.is_ascii_whitespace());
                    if next.is_none() && !last {
                        return at;
                    }
                    let string = &buffer[at + 1..at + 1 + length];
                    if next == Some(&b':') {
                        self.named(string)
                    } else {
                        self.value(string)
                    }
                    at = after;
                }
                b'{' => {
                    if self.open.len() < DEPTH_MAX {
                        self.open.push(self.key.clone());
                    } else {
                        self.deeper += 1;
                    }
                    at += 1;
                }
                b'}' => {
                    match self.deeper.checked_sub(1) {
                        Some(deeper) => self.deeper = deeper,
                        None => self.key = self.open.pop().unwrap_or_default(),
                    }
                    while self.lists.last().is_some_and(|list| self.open.len() < list.0) {
                        self.lists.pop();
                    }
                    at += 1;
                }
                b'[' | b',' | b']' => {
                    self.list(byte);
                    at += 1;
                }
                b'0'..=b'9' | b'-' => {
                    let length = buffer[at..].iter().position(|byte| {
                        !matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E')
                    });
                    let Some(length) = length.or(last.then_some(buffer.len() - at)) else {
                        return at;
                    };
                    self.value(&buffer[at..at + length]);
                    at += length;
                }
                _ => at += 1,
            }
        }
        buffer.len()
    }

    /// A list begins, goes on, or ends; a comma between the keys of an object is none of it.
    fn list(&mut self, byte: u8) {
        let here = self.open.len();
        let is_here = self.lists.last().is_some_and(|list| list.0 == here);
        match byte {
            b'[' if self.lists.len() < DEPTH_MAX => self.lists.push((here, 0)),
            b'[' => self.deeper_lists += 1,
            _ if 0 < self.deeper_lists => self.deeper_lists -= u64::from(byte == b']'),
            b']' if is_here => {
                self.lists.pop();
            }
            _ if is_here => {
                if let Some((_, item)) = self.lists.last_mut() {
                    *item = item.saturating_add(1);
                }
            }
            _ => {}
        }
    }

    /// The column of a value: its key, and in a list of lists also which item of its row it is.
    fn column(&mut self) -> u64 {
        let id = match self.lists[..] {
            [.., (above, _), (here, item)] if above == here && here == self.open.len() => {
                hash(self.key.0, &[b'[', item])
            }
            _ => self.key.0,
        };
        if !self.columns.contains_key(&id) {
            if KEY_COUNT_MAX <= self.columns.len() {
                return self.key.0;
            }
            self.columns.insert(id, (None, Column::new(None)));
        }
        id
    }

    /// Returns what each key holds.
    pub(super) fn places(&self, latest_year: u16) -> Vec<Place> {
        let mut places: Vec<Place> = self
            .columns
            .values()
            .filter_map(|(name, column)| {
                let found = column.found(latest_year)?;
                let field = name.clone().unwrap_or_else(|| "a key".to_owned());
                Some(Place { field, found })
            })
            .collect();
        let texts = self.text.found();
        places.extend(texts.into_iter().map(|found| Place { field: "text".to_owned(), found }));
        places
    }

    /// A key: the values up to the next one are its column.
    fn named(&mut self, key: &[u8]) {
        let (above, above_name) = self.open.last().map_or((0, ""), |(id, name)| (*id, name));
        let id = hash(above, key);
        let length = key.len().min(KEY_LEN_MAX);
        let name = String::from_utf8_lossy(&key[..length]).into_owned();
        if !self.columns.contains_key(&id) {
            // Records may stand under the number of whom they are of.
            self.text.scan(key);
            if KEY_COUNT_MAX <= self.columns.len() {
                // Keys that differ in every record are values. They share one column.
                self.key = (0, String::new());
                self.columns.entry(0).or_insert_with(|| (None, Column::new(None)));
                return;
            }
            let meaning = key_meaning(above_name, &name);
            let shown = meaning.map(|_| name.clone());
            self.columns.insert(id, (shown, Column::new(meaning)));
        }
        self.key = (id, name);
    }

    fn value(&mut self, value: &[u8]) {
        if value.is_empty() {
            return;
        }
        let mask = mask(value);
        let id = self.column();
        if let Some((_, column)) = self.columns.get_mut(&id) {
            column.observe(value, mask);
        }
        // What has no key may be of any kind, one beside the other.
        if TEXT_LEN_MIN <= value.len() || self.key.0 == 0 {
            self.text.scan(value);
        }
    }
}

/// What a key says, by itself or together with the one above it: `name` above `family`.
fn key_meaning(above: &str, key: &str) -> Option<Meaning> {
    match meaning(key) {
        Some(Meaning::Sure(kind)) => Some(Meaning::Sure(kind)),
        alone => meaning(&format!("{above} {key}")).or(alone),
    }
}

/// Returns how long a string is up to its closing quote.
fn string_length(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += bytes.get(at..)?.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
        if bytes[at] == b'"' {
            return Some(at);
        }
        at += 2;
    }
}

/// FNV-1a over the key, begun with what stands above it.
fn hash(above: u64, key: &[u8]) -> u64 {
    key.iter().fold(above ^ 0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Deeper objects belong to the one at this depth.
const DEPTH_MAX: usize = 64;

/// As many keys have a column of their own.
const KEY_COUNT_MAX: usize = 4096;

/// As much of a key is remembered.
const KEY_LEN_MAX: usize = 80;

/// Shorter strings cannot hold a label and its value.
const TEXT_LEN_MIN: usize = 24;
