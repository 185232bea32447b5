//! Delimited text: records out of bytes, with bounds on all of it.
//!
//! `csv-core` finds the fields; this adds what a hostile or half-sent file needs: a record has a
//! greatest length (an open quote would otherwise swallow the rest of a file into memory), its
//! line is right although fields may hold line breaks, and a last record without a line end is
//! told from a whole one.
//!
//! # Invariants
//!
//! - Memory is bounded by [`RECORD_LEN_MAX`], whatever comes in.
//! - Every byte belongs to a record or to the line ends between records; nothing is skipped.

use std::io::{self, Read};

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

pub(crate) use self::dialect::{Delimiter, Dialect, Unfinished};
use self::encoding::Decoded;

mod dialect;
mod encoding;
#[cfg(test)]
mod tests;

/// One record of a file.
#[derive(Default)]
pub(crate) struct Record {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    /// The line on which it begins, counted from 1.
    pub line: u64,
    /// What is wrong with it, if something is.
    pub flaw: Option<Flaw>,
}

/// What can be wrong with a record whatever its fields mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// It is longer, or has more fields, than any real one; what is kept of it is the beginning.
    TooLong,
    /// The file ends inside it, or right behind it without a line end.
    Unfinished,
    /// It is not text in the encoding that the file is said to have.
    NotText,
}

impl Record {
    /// Makes a record of fields that come from elsewhere: a Parquet table, a database.
    #[cfg(test)]
    pub(crate) fn of(fields: &[&str], line: u64) -> Self {
        let mut record = Self { line, ..Self::default() };
        for field in fields {
            record.push(field.as_bytes());
        }
        record
    }

    /// Empties the record, for the next row.
    pub(crate) fn clear(&mut self, line: u64) {
        self.bytes.clear();
        self.ends.clear();
        self.line = line;
        self.flaw = None;
    }

    /// Adds a field.
    pub(crate) fn push(&mut self, field: &[u8]) {
        self.bytes.extend_from_slice(field);
        self.ends.push(self.bytes.len());
    }

    /// Returns how many fields there are.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Returns a field; empty if there is none with this index.
    pub(crate) fn field(&self, index: usize) -> &[u8] {
        let start = index.checked_sub(1).map_or(Some(&0), |before| self.ends.get(before));
        let range = start.zip(self.ends.get(index)).map(|(&start, &end)| start..end);
        range.and_then(|range| self.bytes.get(range)).unwrap_or_default()
    }

    /// Returns whether every field is text.
    pub(crate) fn is_text(&self) -> bool {
        // A text as a whole may still be cut inside a character by a field's end.
        std::str::from_utf8(&self.bytes)
            .is_ok_and(|text| self.ends.iter().all(|&end| text.is_char_boundary(end)))
    }

    /// Writes the record as comma-separated text (RFC 4180), without a line end.
    pub(crate) fn raw(&self) -> Vec<u8> {
        let mut raw = Vec::with_capacity(self.bytes.len() + self.ends.len());
        for index in 0..self.len() {
            if 0 < index {
                raw.push(b',');
            }
            let field = self.field(index);
            if field.iter().any(|byte| matches!(byte, b',' | b'"' | b'\n' | b'\r')) {
                raw.push(b'"');
                for &byte in field {
                    raw.push(byte);
                    if byte == b'"' {
                        raw.push(byte);
                    }
                }
                raw.push(b'"');
            } else {
                raw.extend_from_slice(field);
            }
        }
        raw
    }
}

/// The records of a file, one after the other.
pub(crate) struct Records<'r> {
    source: Decoded<'r>,
    core: Reader,
    buffer: Vec<u8>,
    at: usize,
    filled: usize,
    line: u64,
    /// Whether an open end is as good as a line end.
    unfinished: Unfinished,
}

impl<'r> Records<'r> {
    /// Opens a file. The encoding is that of the byte order mark, else that of the dialect; the
    /// delimiter is looked for in the first line if the dialect leaves it open.
    pub(crate) fn open(reader: Box<dyn Read + 'r>, dialect: &Dialect) -> io::Result<Self> {
        let mut source = Decoded::new(reader, dialect.encoding)?;
        let mut buffer = vec![0; BUFFER_LEN];
        let mut filled = 0;
        // A whole buffer, so that the first line can be looked at.
        while filled < BUFFER_LEN - SPILL_LEN {
            match read(&mut source, &mut buffer[filled..])? {
                0 => break,
                length => filled += length,
            }
        }
        let (delimiter, quote) = dialect.delimiter_and_quote(&buffer[..filled]);
        let mut builder = ReaderBuilder::new();
        builder.delimiter(delimiter).quoting(quote.is_some()).quote(quote.unwrap_or(b'"'));
        builder.escape(dialect.escape).double_quote(dialect.escape.is_none());
        let unfinished = dialect.unfinished;
        Ok(Self { source, core: builder.build(), buffer, at: 0, filled, line: 1, unfinished })
    }

    /// Reads the next record; `false` at the end.
    pub(crate) fn next(&mut self, record: &mut Record) -> io::Result<bool> {
        self.skip_line_ends()?;
        record.clear(self.line);
        self.core.set_line(self.line);
        let (mut length, mut count) = (0, 0);
        let (mut spill, mut spill_ends) = ([0; SPILL_LEN], [0; SPILL_LEN]);
        loop {
            self.refill()?;
            let input = &self.buffer[self.at..self.filled];
            let ended = input.is_empty();
            let is_long = record.flaw == Some(Flaw::TooLong);
            let (output, ends) = if is_long {
                (&mut spill[..], &mut spill_ends[..])
            } else {
                record.bytes.resize(RECORD_LEN_MAX.min(length + GROWTH), 0);
                record.ends.resize(FIELD_COUNT_MAX.min(count + GROWTH), 0);
                (&mut record.bytes[length..], &mut record.ends[count..])
            };
            let (result, read, written, found) = self.core.read_record(input, output, ends);
            self.at += read;
            if !is_long {
                length += written;
                count += found;
            }
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull if length < RECORD_LEN_MAX => {}
                ReadRecordResult::OutputEndsFull if count < FIELD_COUNT_MAX => {}
                ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => {
                    record.flaw = Some(Flaw::TooLong);
                    length = length.min(KEPT_LEN);
                }
                ReadRecordResult::Record => {
                    self.line = self.core.line();
                    record.finish(length, count);
                    self.judge(record, ended);
                    return Ok(true);
                }
                ReadRecordResult::End => return Ok(false),
            }
        }
    }

    fn judge(&self, record: &mut Record, ended: bool) {
        if record.flaw.is_none() && ended && self.unfinished == Unfinished::Refuse {
            record.flaw = Some(Flaw::Unfinished);
        }
        if record.flaw.is_none() && self.source.may_replace() && record.has_replacement() {
            record.flaw = Some(Flaw::NotText);
        }
    }

    /// Skips what lies between records, so that the line of a record is that of its first byte.
    fn skip_line_ends(&mut self) -> io::Result<()> {
        loop {
            self.refill()?;
            match self.buffer[self.at..self.filled].first() {
                Some(b'\n') => self.line += 1,
                Some(b'\r') => {}
                _ => return Ok(()),
            }
            self.at += 1;
        }
    }

    /// Makes sure that there are bytes, unless the file has ended.
    fn refill(&mut self) -> io::Result<()> {
        if self.at == self.filled {
            self.filled = read(&mut self.source, &mut self.buffer)?;
            self.at = 0;
        }
        Ok(())
    }
}

impl Record {
    fn finish(&mut self, length: usize, count: usize) {
        self.bytes.truncate(length);
        self.ends.truncate(count);
        // What is left of a record that is too long is its beginning, as one field.
        if self.flaw == Some(Flaw::TooLong) {
            self.ends.clear();
            self.ends.push(length);
        }
    }

    fn has_replacement(&self) -> bool {
        self.bytes.windows(REPLACEMENT.len()).any(|window| window == REPLACEMENT)
    }
}

fn read(reader: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match reader.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// U+FFFD, which a decoder writes for what it cannot read.
const REPLACEMENT: &[u8] = "\u{fffd}".as_bytes();

/// Longest record, in bytes: a discharge letter (see `TEXT_LEN_MAX`) with the fields around it.
pub(crate) const RECORD_LEN_MAX: usize = (1 << 20) + (1 << 16);

/// Most fields of a record: the widest tables of hospitals have some hundred columns.
pub(crate) const FIELD_COUNT_MAX: usize = 4096;

/// How much of a record that is too long goes to quarantine, in bytes: enough to recognize it.
const KEPT_LEN: usize = 4096;

/// By how much a record's memory grows at a time.
const GROWTH: usize = 4096;

/// Where the rest of a record that is too long goes.
const SPILL_LEN: usize = 512;

/// How much is read at a time, in bytes.
const BUFFER_LEN: usize = 1 << 16;
