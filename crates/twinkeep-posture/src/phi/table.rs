//! Delimited text: fields out of bytes at the speed of memory, each handed to its column.
//!
//! A table may be turned, with a person in each column: each line then begins with the name of what
//! is in it, and is handed as a whole to one column.
//!
//! The walk keeps nothing of a row. Where a buffer ends inside a field, the field is looked at again
//! with the next buffer; where a quote is never closed, it is a character like any other.

use std::collections::BTreeSet;

use super::column::{Column, DIGIT, Mask, mask, mask_of};
use super::text::TextScan;
use super::words::{Meaning, meaning};
use super::{Place, values};

/// Columns of delimited text.
pub(super) struct TableScan {
    delimiter: u8,
    classes: [u8; 256],
    headers: Vec<Option<String>>,
    columns: Vec<Column>,
    text: TextScan,
    /// The column of the field that comes next.
    at: usize,
    /// The column of the first field of the line.
    begin: usize,
    /// How many columns further the next field of a line is: none if the table is turned.
    field_step: usize,
    /// How many columns further the next line begins: none unless the table is turned.
    line_step: usize,
    /// Whether the first line was a header and is still to be passed over.
    skips_line: bool,
}

impl TableScan {
    /// Looks at the first lines: is there a delimiter that makes a table of them?
    pub(super) fn begin(head: &[u8]) -> Option<Self> {
        let delimiter = delimiter(head)?;
        let first = head.split(|&byte| byte == b'\n').next().unwrap_or(head);
        let fields = fields(first, delimiter);
        let labels = labels(head, delimiter, &fields);
        let is_turned = labels.is_some();
        let is_header = !is_turned && reads_as_header(&fields);
        let mut headers = Vec::new();
        let mut columns = Vec::new();
        for field in labels.as_ref().unwrap_or(&fields).iter().take(COLUMN_COUNT_MAX) {
            let has_name = is_header || is_turned;
            let text = if has_name { String::from_utf8_lossy(field) } else { "".into() };
            let meaning: Option<Meaning> = meaning(text.trim());
            // What is in our own list is no value of a person.
            headers.push(meaning.map(|_| shown(&text)));
            columns.push(Column::new(meaning));
        }
        let mut classes = [0; 256];
        for (class, byte) in classes.iter_mut().zip(0..=u8::MAX) {
            *class = mask_of(byte);
        }
        classes[usize::from(delimiter)] = STOP;
        classes[usize::from(b'\n')] = STOP;
        Some(Self {
            delimiter,
            classes,
            headers,
            columns,
            text: TextScan::default(),
            at: 0,
            begin: 0,
            field_step: usize::from(!is_turned),
            line_step: usize::from(is_turned),
            skips_line: is_header,
        })
    }

    /// Looks at what it can of the buffer, and returns how many bytes those are.
    pub(super) fn feed(&mut self, buffer: &[u8], last: bool) -> usize {
        let mut at = 0;
        if self.skips_line {
            let Some(end) = buffer.iter().position(|&byte| byte == b'\n') else {
                return if last { buffer.len() } else { 0 };
            };
            self.skips_line = false;
            at = end + 1;
        }
        while at < buffer.len() {
            let start = at;
            if buffer[at] == b'"' {
                match closing_quote(&buffer[at + 1..]) {
                    Some(length) => {
                        let value = &buffer[at + 1..at + 1 + length];
                        at += length + 2;
                        // What stands between a closing quote and the delimiter is no value.
                        let rest = buffer[at..].iter().position(|byte| self.stops(*byte));
                        match rest {
                            Some(rest) => at += rest,
                            None if last => at = buffer.len(),
                            None => return start,
                        }
                        self.field(value, mask(value));
                        at = self.stop(buffer, at);
                        continue;
                    }
                    None if !last => return start,
                    None => {}
                }
            }
            let mut seen: Mask = 0;
            while let Some(&byte) = buffer.get(at) {
                let class = self.classes[usize::from(byte)];
                if class == STOP {
                    break;
                }
                seen |= class;
                at += 1;
            }
            if at == buffer.len() && !last {
                return start;
            }
            self.field(&buffer[start..at], seen);
            at = self.stop(buffer, at);
        }
        at.min(buffer.len())
    }

    /// Returns what each column holds.
    pub(super) fn places(&self, latest_year: u16) -> Vec<Place> {
        let columns = self.columns.iter().zip(&self.headers).zip(1..);
        let mut places: Vec<Place> = columns
            .filter_map(|((column, header), number)| {
                let found = column.found(latest_year)?;
                let field = header.clone().unwrap_or_else(|| format!("column {number}"));
                Some(Place { field, found })
            })
            .collect();
        let texts = self.text.found();
        places.extend(texts.into_iter().map(|found| Place { field: "text".to_owned(), found }));
        places
    }

    #[inline]
    fn stops(&self, byte: u8) -> bool {
        byte == self.delimiter || byte == b'\n'
    }

    /// Goes past the delimiter or the end of the line at `at`.
    #[inline]
    fn stop(&mut self, buffer: &[u8], at: usize) -> usize {
        match buffer.get(at) {
            Some(b'\n') => {
                self.begin += self.line_step;
                self.at = self.begin;
            }
            Some(_) => self.at += self.field_step,
            None => {}
        }
        at + 1
    }

    #[inline]
    fn field(&mut self, value: &[u8], mask: Mask) {
        let (value, mask) = match value {
            [value @ .., b'\r'] => (value, super::column::mask(value)),
            _ => (value, mask),
        };
        if value.is_empty() {
            return;
        }
        let Some(column) = self.columns.get_mut(self.at) else { return };
        column.observe(value, mask);
        if TEXT_LEN_MIN <= value.len() && mask != DIGIT {
            self.text.scan(value);
        }
    }
}

/// Returns how many bytes are before the closing quote; a doubled quote does not close.
fn closing_quote(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += bytes[at..].iter().position(|&byte| byte == b'"')?;
        if bytes.get(at + 1) != Some(&b'"') {
            return Some(at);
        }
        at += 2;
        if bytes.len() < at {
            return None;
        }
    }
}

/// Returns the delimiter that each of the first lines has as often as the first one.
fn delimiter(head: &[u8]) -> Option<u8> {
    let whole = head.iter().rposition(|&byte| byte == b'\n').unwrap_or(head.len());
    let lines: Vec<&[u8]> = head[..whole]
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.trim_ascii().is_empty())
        .take(LINES_LOOKED_AT)
        .collect();
    let first = lines.first()?;
    let fits = |delimiter: &u8| {
        let count = fields(first, *delimiter).len();
        // A field in quotes may go over several lines, which then have other counts.
        let same = lines.iter().filter(|line| fields(line, *delimiter).len() == count).count();
        (2 <= count && lines.len() * 8 <= same * 10).then_some((count, *delimiter))
    };
    let best = [b'\t', b'|', b';', b','].iter().filter_map(fits).max_by_key(|(count, _)| *count);
    if let Some((_, delimiter)) = best {
        return (2 <= lines.len() || head.contains(&b'\n')).then_some(delimiter);
    }
    // A file of one column: short lines, and a header that the list knows.
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b" _-\"\r".contains(byte);
    let name = str::from_utf8(first).ok().filter(|_| first.iter().all(is_name));
    let is_column = name.and_then(|line| meaning(line.trim().trim_matches('"'))).is_some()
        && 2 <= lines.len()
        && lines.iter().all(|line| line.len() < 80);
    is_column.then_some(b'\t')
}

/// The fields of one line, without their quotes.
fn fields(line: &[u8], delimiter: u8) -> Vec<&[u8]> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let mut fields = Vec::new();
    let mut rest = line;
    loop {
        let quoted = rest.first() == Some(&b'"');
        let end = match (quoted, closing_quote(rest.get(1..).unwrap_or_default())) {
            (true, Some(length)) => {
                let after = length + 2;
                let gap = rest.get(after..).unwrap_or_default();
                gap.iter().position(|&byte| byte == delimiter).map(|gap| after + gap)
            }
            _ => rest.iter().position(|&byte| byte == delimiter),
        };
        let field = &rest[..end.unwrap_or(rest.len())];
        let field = field.trim_ascii();
        let field = field.strip_prefix(b"\"").unwrap_or(field);
        fields.push(field.strip_suffix(b"\"").unwrap_or(field));
        match end {
            Some(end) => rest = &rest[end + 1..],
            None => return fields,
        }
    }
}

/// The first fields of the lines, if they are what names columns and the first line does not: then
/// the table is turned. Lines that are longer than the head are told by their text.
fn labels<'a>(head: &'a [u8], delimiter: u8, first_line: &[&[u8]]) -> Option<Vec<&'a [u8]>> {
    if first_line.len() < TURNED_FIELDS_MIN {
        return None;
    }
    let end = head.iter().rposition(|&byte| byte == b'\n')?;
    let lines = head[..end].trim_ascii_end().split(|&byte| byte == b'\n').take(TURNED_LINES_MAX);
    let label = |line: &'a [u8]| {
        let field = line.split(|&byte| byte == delimiter).next().unwrap_or_default().trim_ascii();
        let field = field.strip_prefix(b"\"").unwrap_or(field);
        field.strip_suffix(b"\"").unwrap_or(field)
    };
    let labels: Vec<&[u8]> = lines.map(label).collect();
    let is_known = |field: &&[u8]| str::from_utf8(field).is_ok_and(|text| meaning(text).is_some());
    // Most tables are not turned, and are to pay little for this.
    if !labels.iter().skip(1).take(3).any(is_known) {
        return None;
    }
    let known = labels.iter().filter(|field| is_known(field)).count();
    let across = first_line.iter().skip(1).take(known).filter(|field| is_known(field)).count();
    // Kinds of entries in a column, one a line, come again; names of columns do not.
    let distinct: BTreeSet<&&[u8]> = labels.iter().collect();
    let names = 2 <= known && labels.len() < known * 2 && across * 2 < known;
    (names && distinct.len() == labels.len()).then_some(labels)
}

/// Whether a first line names columns: words, none of them twice, and no value among them.
fn reads_as_header(fields: &[&[u8]]) -> bool {
    let is_value = |field: &&[u8]| {
        let digits = field.iter().filter(|byte| byte.is_ascii_digit()).count();
        field.len() < digits * 2
            || values::email(field)
            || values::date(field).is_some()
            || values::phone(field)
            || values::uuid(field)
    };
    let mut sorted: Vec<&&[u8]> = fields.iter().filter(|field| !field.is_empty()).collect();
    let filled = sorted.len();
    sorted.sort_unstable();
    sorted.dedup();
    let known = fields
        .iter()
        .filter_map(|field| str::from_utf8(field).ok())
        .filter(|field| meaning(field).is_some())
        .count();
    let values = fields.iter().filter(|field| is_value(field)).count();
    sorted.len() == filled && 0 < filled && (values == 0 || values < known)
}

/// A header as it is shown: what is no letter, digit, or mark of names of columns goes.
fn shown(header: &str) -> String {
    header
        .trim()
        .chars()
        .filter(|char| char.is_alphanumeric() || matches!(char, '_' | ' ' | '-' | '.'))
        .take(SHOWN_LEN_MAX)
        .collect()
}

/// A class that no mask has.
const STOP: Mask = 1 << 7;

/// Lines that are looked at to find the delimiter.
const LINES_LOOKED_AT: usize = 40;

/// Columns to the right of these are not looked at; no table of people has as many.
const COLUMN_COUNT_MAX: usize = 4096;

/// Fewer people tell nothing, and lists of columns with what they are have few fields.
const TURNED_FIELDS_MIN: usize = 6;

/// Lines of a turned table that are looked at.
const TURNED_LINES_MAX: usize = 256;

/// Shorter fields cannot hold a label and its value.
const TEXT_LEN_MIN: usize = 24;

/// Longer headers are cut when they are shown.
const SHOWN_LEN_MAX: usize = 40;
