//! The footer of a Parquet file: the names of columns, their smallest and largest values, and
//! whether they are encrypted (Apache Parquet format 2.10, Thrift's compact protocol).
//!
//! Pages are not read: names and bounds tell what a column is, in a few kilobytes of a file of any
//! size. Every length is checked against what is left, because the file may be anybody's.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use super::column::{Column, mask};
use super::words::{Meaning, meaning};
use super::{Found, Place};

/// What a footer says.
pub(super) struct Footer {
    /// Whether columns are encrypted though the footer is not.
    pub encrypted: bool,
    /// What the columns hold.
    pub places: Vec<Place>,
}

/// Reads the footer; `None` if there is none, or it is not in order.
pub(super) fn footer(file: &File, size: u64, latest_year: u16) -> io::Result<Option<Footer>> {
    let mut end = [0; 8];
    let Some(end_at) = size.checked_sub(8) else { return Ok(None) };
    file.read_exact_at(&mut end, end_at)?;
    let [a, b, c, d, magic @ ..] = end;
    let length = u64::from(u32::from_le_bytes([a, b, c, d]));
    if magic != *b"PAR1" || FOOTER_SIZE_MAX < length || end_at < length {
        return Ok(None);
    }
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
    file.read_exact_at(&mut bytes, end_at - length)?;
    Ok(read(&bytes, latest_year))
}

/// One leaf of the schema, or one chunk of a column.
#[derive(Default)]
struct Leaf {
    name: String,
    above: String,
    is_date: bool,
    values: u64,
    bounds: Vec<Vec<u8>>,
}

pub(super) fn read(bytes: &[u8], latest_year: u16) -> Option<Footer> {
    let mut reader = Reader { bytes, at: 0 };
    let mut leaves = Vec::new();
    let mut encrypted = false;
    let mut before = 0;
    while let Some((id, kind)) = reader.field(&mut before)? {
        match (id, kind) {
            (2, LIST) => leaves = schema(&mut reader)?,
            (4, LIST) => {
                for _ in 0..reader.list()? {
                    row_group(&mut reader, &mut leaves, &mut encrypted)?;
                }
            }
            (8, STRUCT) => {
                encrypted = true;
                reader.skip(kind, 0)?;
            }
            _ => reader.skip(kind, 0)?,
        }
    }
    let places = leaves.iter().filter_map(|leaf| place(leaf, latest_year)).collect();
    Some(Footer { encrypted, places })
}

/// The leaves of the schema, in the order of their columns.
fn schema(reader: &mut Reader<'_>) -> Option<Vec<Leaf>> {
    let mut leaves = Vec::new();
    let mut above = String::new();
    for _ in 0..reader.list()? {
        let mut leaf = Leaf::default();
        let mut children = 0;
        let mut before = 0;
        while let Some((id, kind)) = reader.field(&mut before)? {
            match (id, kind) {
                (4, BINARY) => leaf.name = String::from_utf8_lossy(reader.binary()?).into_owned(),
                (5, I32) => children = reader.zigzag()?,
                (6, I32) => leaf.is_date = reader.zigzag()? == CONVERTED_DATE,
                _ => reader.skip(kind, 0)?,
            }
        }
        if 0 < children {
            above = leaf.name;
        } else {
            leaf.above.clone_from(&above);
            leaves.push(leaf);
        }
    }
    Some(leaves)
}

fn row_group(reader: &mut Reader<'_>, leaves: &mut [Leaf], encrypted: &mut bool) -> Option<()> {
    let mut before = 0;
    while let Some((id, kind)) = reader.field(&mut before)? {
        if (id, kind) != (1, LIST) {
            reader.skip(kind, 0)?;
            continue;
        }
        for at in 0..reader.list()? {
            let mut spare = Leaf::default();
            let leaf = leaves.get_mut(at).unwrap_or(&mut spare);
            let mut before = 0;
            while let Some((id, kind)) = reader.field(&mut before)? {
                match (id, kind) {
                    (3, STRUCT) => chunk(reader, leaf)?,
                    (8, STRUCT) => {
                        *encrypted = true;
                        reader.skip(kind, 0)?;
                    }
                    _ => reader.skip(kind, 0)?,
                }
            }
        }
    }
    Some(())
}

/// The metadata of one chunk of a column.
fn chunk(reader: &mut Reader<'_>, leaf: &mut Leaf) -> Option<()> {
    let mut before = 0;
    while let Some((id, kind)) = reader.field(&mut before)? {
        match (id, kind) {
            (5, I64) => {
                let values = u64::try_from(reader.zigzag()?).unwrap_or(0);
                leaf.values = leaf.values.saturating_add(values);
            }
            (12, STRUCT) => {
                let mut before = 0;
                while let Some((id, kind)) = reader.field(&mut before)? {
                    match (id, kind) {
                        (1 | 2 | 5 | 6, BINARY) => {
                            let bound = reader.binary()?;
                            if leaf.bounds.len() < BOUND_COUNT_MAX && bound.len() <= BOUND_LEN_MAX {
                                leaf.bounds.push(bound.to_vec());
                            }
                        }
                        _ => reader.skip(kind, 0)?,
                    }
                }
            }
            _ => reader.skip(kind, 0)?,
        }
    }
    Some(())
}

/// What a leaf holds: its bounds are values of it, and stand for all others.
fn place(leaf: &Leaf, latest_year: u16) -> Option<Place> {
    let alone = meaning(&leaf.name);
    let meaning = match alone {
        Some(Meaning::Sure(_)) => alone,
        _ => meaning(&format!("{} {}", leaf.above, leaf.name)).or(alone),
    };
    let mut column = Column::new(meaning);
    for bound in &leaf.bounds {
        let date = leaf.is_date.then(|| year_of(bound)).flatten();
        let text = date.map(|year| format!("{year:04}-01-01").into_bytes());
        let value = text.as_deref().unwrap_or(bound);
        column.observe(value, mask(value));
    }
    let found = column.found(latest_year);
    let kind = match (found, meaning) {
        (Some(found), _) => found.kind,
        (None, Some(Meaning::Sure(kind))) if leaf.bounds.is_empty() => kind,
        _ => return None,
    };
    let field = if meaning.is_some() { leaf.name.clone() } else { "a column".to_owned() };
    Some(Place { field, found: Found { kind, rows: leaf.values, of: leaf.values } })
}

/// The year of a date that is stored as days since 1970.
fn year_of(bound: &[u8]) -> Option<u16> {
    let days = i32::from_le_bytes(bound.try_into().ok()?);
    // The mean year of the Gregorian calendar; whether it is the last of December does not matter.
    u16::try_from(1970 + i64::from(days) * 400 / 146_097).ok()
}

/// Thrift's compact protocol.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    #[expect(clippy::cast_possible_wrap, reason = "zigzag is defined on the bits")]
    fn zigzag(&mut self) -> Option<i64> {
        let value = self.varint()?;
        Some((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    fn binary(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.varint()?).ok()?;
        let bytes = self.bytes.get(self.at..self.at.checked_add(length)?)?;
        self.at += length;
        Some(bytes)
    }

    /// The next field of a struct: the inner `None` is its end, the outer one a broken footer.
    #[expect(clippy::option_option, reason = "an end and a break are two things")]
    fn field(&mut self, before: &mut i64) -> Option<Option<(i64, u8)>> {
        let head = self.byte()?;
        if head == 0 {
            return Some(None);
        }
        let delta = i64::from(head >> 4);
        *before = if delta == 0 { self.zigzag()? } else { before.checked_add(delta)? };
        Some(Some((*before, head & 0x0f)))
    }

    /// How many elements a list has; no more than there are bytes for.
    fn list(&mut self) -> Option<usize> {
        let head = self.byte()?;
        let count = match head >> 4 {
            15 => usize::try_from(self.varint()?).ok()?,
            count => usize::from(count),
        };
        (count <= self.bytes.len() - self.at).then_some(count)
    }

    fn skip(&mut self, kind: u8, depth: u8) -> Option<()> {
        if DEPTH_MAX < depth {
            return None;
        }
        match kind {
            1 | 2 => {}
            3 => self.at += 1,
            I16 | I32 | I64 => {
                self.varint()?;
            }
            7 => self.at += 8,
            BINARY => {
                self.binary()?;
            }
            LIST | SET => {
                let kind = self.bytes.get(self.at)? & 0x0f;
                for _ in 0..self.list()? {
                    // Booleans of lists take a byte each.
                    if kind <= 2 { self.at += 1 } else { self.skip(kind, depth + 1)? }
                }
            }
            STRUCT => {
                let mut before = 0;
                while let Some((_, kind)) = self.field(&mut before)? {
                    self.skip(kind, depth + 1)?;
                }
            }
            _ => return None,
        }
        (self.at <= self.bytes.len()).then_some(())
    }
}

const I16: u8 = 4;
const I32: u8 = 5;
const I64: u8 = 6;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const SET: u8 = 10;
const STRUCT: u8 = 12;

/// The converted type of dates.
const CONVERTED_DATE: i64 = 6;

/// A footer of ten thousand columns and a thousand row groups has less.
const FOOTER_SIZE_MAX: u64 = 64 << 20;

/// Bounds of later row groups say the same.
const BOUND_COUNT_MAX: usize = 64;

/// Longer bounds are text.
const BOUND_LEN_MAX: usize = 256;

/// The format needs five.
const DEPTH_MAX: u8 = 16;
