//! A Parquet file: the names of its columns, their smallest and largest values, whether they are
//! encrypted, and the text in their pages (Apache Parquet format 2.10).
//!
//! The footer tells what a column is where its name does, in a few kilobytes of a file of any size.
//! Text is read from the pages (`pages`), as far as that is needed for a verdict.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use super::column::{Column, mask};
use super::pages::{Chunk, Pages, Physical};
use super::text::TextScan;
use super::thrift::{BINARY, I32, I64, LIST, Reader, STRUCT};
use super::words::{Meaning, meaning};
use super::{Found, Limits, Place, Verdict, verdict};

/// What a file holds.
pub(super) struct Table {
    /// Whether columns are encrypted though the footer is not.
    pub encrypted: bool,
    /// What the columns hold.
    pub places: Vec<Place>,
    /// Why some of its text was not read.
    pub unread: Option<&'static str>,
    /// How many bytes were looked at.
    pub bytes: u64,
}

/// Looks into a file; `None` if its footer is missing or not in order.
pub(super) fn look(file: &File, size: u64, limits: Limits) -> io::Result<Option<Table>> {
    let Some((footer, length)) = footer(file, size)? else { return Ok(None) };
    let mut table =
        Table { encrypted: footer.encrypted, places: Vec::new(), unread: None, bytes: length };
    if footer.encrypted {
        return Ok(Some(table));
    }
    table.places =
        footer.leaves.iter().filter_map(|leaf| place(leaf, limits.latest_year)).collect();
    if limits.rows_enough.is_some() && verdict(&table.places) == Verdict::Personal {
        return Ok(Some(table));
    }
    let mut text = TextScan::default();
    let mut columns: Vec<(&Leaf, Column)> =
        footer.leaves.iter().map(|leaf| (leaf, Column::new(leaf.meaning()))).collect();
    let bytes_max = limits.bytes_max;
    let unpacked_max = limits.unpacked_max;
    let mut pages =
        Pages { file, size, bytes: 0, unpacked: 0, bytes_max, unpacked_max, unread: None };
    let groups = footer.leaves.iter().map(|leaf| leaf.chunks.len()).max().unwrap_or(0);
    if CHUNK_COUNT_MAX < groups.saturating_mul(columns.len()) {
        table.unread = Some("it has more groups of rows than are read");
        return Ok(Some(table));
    }
    for group in 0..groups {
        for (leaf, column) in &mut columns {
            let Some(chunk) = leaf.chunks.get(group) else { continue };
            pages.read(chunk, leaf.shape, &mut |value| {
                column.observe(value, mask(value));
                if TEXT_LEN_MIN <= value.len() {
                    text.scan(value);
                }
            })?;
        }
        if limits.rows_enough.is_some()
            && verdict(&found(&footer.leaves, &columns, &text, limits)) == Verdict::Personal
        {
            break;
        }
    }
    table.places = found(&footer.leaves, &columns, &text, limits);
    table.unread = pages.unread;
    table.bytes += pages.bytes;
    Ok(Some(table))
}

/// What the columns hold by their pages, and by their bounds where there were no pages to read.
fn found(
    leaves: &[Leaf],
    columns: &[(&Leaf, Column)],
    text: &TextScan,
    limits: Limits,
) -> Vec<Place> {
    let mut places = Vec::new();
    for (leaf, (_, column)) in leaves.iter().zip(columns) {
        let by_pages = column.found(limits.latest_year).map(|found| {
            // A value of a dictionary stands for many rows, nobody counts how many.
            let share = found.rows as f64 / found.of.max(1) as f64;
            let rows = (leaf.values as f64 * share).round() as u64;
            Place { field: leaf.shown(), found: Found { rows, of: leaf.values, ..found } }
        });
        places.extend(by_pages.or_else(|| place(leaf, limits.latest_year)));
    }
    let of_text = text.found().into_iter();
    places.extend(of_text.map(|found| Place { field: "text".to_owned(), found }));
    places
}

/// What a footer says.
struct Footer {
    encrypted: bool,
    leaves: Vec<Leaf>,
}

/// Reads the footer, and says how long it is; `None` if there is none, or it is not in order.
fn footer(file: &File, size: u64) -> io::Result<Option<(Footer, u64)>> {
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
    Ok(read(&bytes).map(|footer| (footer, length)))
}

/// One leaf of the schema, or one chunk of a column.
#[derive(Default)]
struct Leaf {
    name: String,
    above: String,
    is_date: bool,
    is_integer: bool,
    values: u64,
    bounds: Vec<Vec<u8>>,
    shape: Shape,
    chunks: Vec<Chunk>,
}

/// What has to be known of a leaf in order to read its pages.
#[derive(Clone, Copy, Default)]
pub(super) struct Shape {
    /// How its values are stored.
    pub physical: Physical,
    /// Whether values may be missing, so that pages say which are there.
    pub has_gaps: bool,
    /// Whether there are lists, so that pages say where they begin.
    pub has_lists: bool,
}

impl Leaf {
    fn meaning(&self) -> Option<Meaning> {
        let alone = meaning(&self.name);
        match alone {
            Some(Meaning::Sure(_)) => alone,
            _ => meaning(&format!("{} {}", self.above, self.name)).or(alone),
        }
    }

    /// What is in our own list is no value of a person; any other name may be one.
    fn shown(&self) -> String {
        if self.meaning().is_some() { self.name.clone() } else { "a column".to_owned() }
    }

    /// What a bound that is a date or a whole number is as text.
    fn text_of(&self, bound: &[u8]) -> Option<Vec<u8>> {
        if self.is_date {
            return year_of(bound).map(|year| format!("{year:04}-01-01").into_bytes());
        }
        let number = match (self.is_integer, bound.len()) {
            (true, 4) => i64::from(i32::from_le_bytes(bound.try_into().ok()?)),
            (true, 8) => i64::from_le_bytes(bound.try_into().ok()?),
            _ => return None,
        };
        Some(number.to_string().into_bytes())
    }
}

fn read(bytes: &[u8]) -> Option<Footer> {
    let mut reader = Reader::new(bytes);
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
    Some(Footer { encrypted, leaves })
}

/// The leaves of the schema, in the order of their columns.
fn schema(reader: &mut Reader<'_>) -> Option<Vec<Leaf>> {
    let mut leaves = Vec::new();
    // Groups that are open: their names, how many children are to come, and what holds in them.
    let mut open: Vec<(String, i64, Shape)> = Vec::new();
    for index in 0..reader.list()? {
        while open.last().is_some_and(|(_, left, _)| *left <= 0) {
            open.pop();
        }
        let (above, mut shape) = match open.last_mut() {
            Some((name, left, shape)) => {
                *left -= 1;
                (name.clone(), *shape)
            }
            None => (String::new(), Shape::default()),
        };
        let mut leaf = Leaf { above, ..Leaf::default() };
        let (mut children, mut physical, mut length) = (0, 0, 0);
        let mut before = 0;
        while let Some((id, kind)) = reader.field(&mut before)? {
            match (id, kind) {
                (1, I32) => physical = reader.zigzag()?,
                (2, I32) => length = reader.zigzag()?,
                // The root is there once, whatever it says.
                (3, I32) => {
                    let repetition = reader.zigzag()?;
                    shape.has_gaps |= 0 < index && repetition != 0;
                    shape.has_lists |= 0 < index && repetition == 2;
                }
                (4, BINARY) => {
                    let name = reader.binary()?;
                    // A longer name says nothing, and each leaf has that of its group.
                    let name = name.get(..NAME_LEN_MAX).unwrap_or(name);
                    leaf.name = String::from_utf8_lossy(name).into_owned();
                }
                (5, I32) => children = reader.zigzag()?,
                (6, I32) => leaf.is_date = reader.zigzag()? == CONVERTED_DATE,
                _ => reader.skip(kind, 0)?,
            }
        }
        if 0 < children {
            open.push((leaf.name, children, shape));
        } else {
            leaf.is_integer = [INT_32, INT_64].contains(&physical);
            shape.physical = Physical::of(physical, length);
            leaf.shape = shape;
            leaves.push(leaf);
        }
        if OPEN_MAX < open.len() || LEAF_COUNT_MAX < leaves.len() {
            return None;
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
            let mut elsewhere = false;
            let mut before = 0;
            while let Some((id, kind)) = reader.field(&mut before)? {
                match (id, kind) {
                    // The values may be in another file, which is looked into by itself.
                    (1, BINARY) => elsewhere = !reader.binary()?.is_empty(),
                    (3, STRUCT) => chunk(reader, leaf)?,
                    (8, STRUCT) => {
                        *encrypted = true;
                        reader.skip(kind, 0)?;
                    }
                    _ => reader.skip(kind, 0)?,
                }
            }
            if elsewhere {
                leaf.chunks.pop();
            }
        }
    }
    Some(())
}

/// The metadata of one chunk of a column.
fn chunk(reader: &mut Reader<'_>, leaf: &mut Leaf) -> Option<()> {
    let mut chunk = Chunk::default();
    let (mut data_at, mut dictionary_at) = (0, 0);
    let number = |value: i64| u64::try_from(value).unwrap_or(0);
    let mut before = 0;
    while let Some((id, kind)) = reader.field(&mut before)? {
        match (id, kind) {
            (4, I32) => chunk.codec = reader.zigzag()?,
            (5, I64) => {
                chunk.values = number(reader.zigzag()?);
                leaf.values = leaf.values.saturating_add(chunk.values);
            }
            (7, I64) => chunk.length = number(reader.zigzag()?),
            (9, I64) => data_at = number(reader.zigzag()?),
            (11, I64) => dictionary_at = number(reader.zigzag()?),
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
    chunk.at = match dictionary_at {
        0 => data_at,
        at => at.min(data_at),
    };
    leaf.chunks.push(chunk);
    Some(())
}

/// What a leaf holds: its bounds are values of it, and stand for all others.
fn place(leaf: &Leaf, latest_year: u16) -> Option<Place> {
    let meaning = leaf.meaning();
    let mut column = Column::new(meaning);
    for bound in &leaf.bounds {
        let text = leaf.text_of(bound);
        let value = text.as_deref().unwrap_or(bound);
        column.observe(value, mask(value));
    }
    let found = column.found(latest_year);
    let kind = match (found, meaning) {
        (Some(found), _) => found.kind,
        (None, Some(Meaning::Sure(kind))) if leaf.bounds.is_empty() => kind,
        _ => return None,
    };
    Some(Place { field: leaf.shown(), found: Found { kind, rows: leaf.values, of: leaf.values } })
}

/// The year of a date that is stored as days since 1970.
fn year_of(bound: &[u8]) -> Option<u16> {
    let days = i32::from_le_bytes(bound.try_into().ok()?);
    // The mean year of the Gregorian calendar; whether it is the last of December does not matter.
    u16::try_from(1970 + i64::from(days) * 400 / 146_097).ok()
}

/// The physical types of whole numbers.
const INT_32: i64 = 1;
const INT_64: i64 = 2;

/// The converted type of dates.
const CONVERTED_DATE: i64 = 6;

/// A footer of ten thousand columns and a thousand row groups has less.
const FOOTER_SIZE_MAX: u64 = 64 << 20;

/// Bounds of later row groups say the same.
const BOUND_COUNT_MAX: usize = 64;

/// Longer bounds are text.
const BOUND_LEN_MAX: usize = 256;

/// Shorter values cannot hold a label and its value.
const TEXT_LEN_MIN: usize = 24;

/// Tables of ten thousand columns are wide.
const LEAF_COUNT_MAX: usize = 100_000;

/// Ten thousand columns in a thousand groups of rows have fewer.
const CHUNK_COUNT_MAX: usize = 16 << 20;

/// Headers longer than 80 bytes are no names of columns (`words`).
const NAME_LEN_MAX: usize = 256;

/// Nobody nests groups deeper.
const OPEN_MAX: usize = 256;
