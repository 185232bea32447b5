//! The pages of a column of Parquet: the text in them, value by value, a page at a time.
//!
//! Read are text and bytes that are stored as they are, in a dictionary, or as differences. What is
//! stored in another way is not passed over in silence: it is said not to have been read. A page is taken apart in
//! bounded memory, whatever it says of itself.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;

use flate2::read::MultiGzDecoder;

use super::parquet::Shape;
use super::thrift::{I32, Reader, STRUCT};
use super::{delta, lz4};

/// How the values of a column are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Physical {
    /// Numbers and truth values, which say nothing of a person without the name of their column.
    #[default]
    Number,
    /// Each with its length.
    Bytes,
    /// All of one length.
    Fixed(usize),
}

impl Physical {
    /// What the schema says.
    pub(super) fn of(kind: i64, length: i64) -> Self {
        match (kind, usize::try_from(length)) {
            (6, _) => Self::Bytes,
            (7, Ok(length)) if 0 < length => Self::Fixed(length),
            _ => Self::Number,
        }
    }
}

/// The pages of a column in one group of rows.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Chunk {
    /// How they are compressed.
    pub codec: i64,
    /// How many values they have, missing ones included.
    pub values: u64,
    /// Where they begin.
    pub at: u64,
    /// How long they are, heads included.
    pub length: u64,
}

/// Reads pages of one file, up to a bound.
pub(super) struct Pages<'a> {
    pub file: &'a File,
    pub size: u64,
    /// What was read so far.
    pub bytes: u64,
    /// What came out of pages so far.
    pub unpacked: u64,
    pub bytes_max: u64,
    pub unpacked_max: u64,
    /// Why something was not read.
    pub unread: Option<&'static str>,
}

/// The head of a page.
#[derive(Debug, Default)]
struct Head {
    kind: i64,
    /// How many values it has, missing ones included.
    values: u64,
    packed_len: usize,
    plain_len: usize,
    encoding: i64,
    level_encodings: [i64; 2],
    /// Of the second version: what stands before the values, never packed.
    levels_len: usize,
    is_packed: bool,
}

impl Pages<'_> {
    /// Hands over each value of a chunk, those of its dictionary once.
    pub(super) fn read(
        &mut self,
        chunk: &Chunk,
        shape: Shape,
        take: &mut dyn FnMut(&[u8]),
    ) -> io::Result<()> {
        if shape.physical == Physical::Number {
            return Ok(());
        }
        let end = chunk.at.saturating_add(chunk.length).min(self.size);
        let mut at = chunk.at;
        let mut first = true;
        let mut values = 0_u64;
        while at < end {
            if self.bytes_max <= self.bytes || self.unpacked_max <= self.unpacked {
                self.leave("it is larger than the bound");
                return Ok(());
            }
            let Some((head, head_len)) = self.head(at, end)? else {
                self.leave("a page is not in order");
                return Ok(());
            };
            let body_at = at + head_len as u64;
            at = body_at + head.packed_len as u64;
            self.bytes += head_len as u64;
            if end < at || PAGE_LEN_MAX < head.packed_len.max(head.plain_len) {
                self.leave("a page is not in order");
                return Ok(());
            }
            let in_dictionary = matches!(head.encoding, PLAIN_DICTIONARY | RLE_DICTIONARY);
            if head.kind != DICTIONARY {
                values = values.saturating_add(head.values);
            }
            match head.kind {
                DICTIONARY => {}
                // Its values are in the dictionary, which came before.
                DATA | DATA_2 if in_dictionary && !first => continue,
                DATA | DATA_2 if [PLAIN, DELTA_LENGTHS, DELTA].contains(&head.encoding) => {}
                DATA | DATA_2 => {
                    self.leave("its text is stored in a way that is not known here");
                    continue;
                }
                _ => continue,
            }
            first = false;
            let mut body = vec![0; head.packed_len];
            self.file.read_exact_at(&mut body, body_at)?;
            self.bytes += body.len() as u64;
            // What comes out is work, too: a page of a few kilobytes may be named many times.
            self.unpacked += head.plain_len as u64;
            match self.values(&head, &body, chunk.codec, shape, take) {
                // Values that begin alike are longer than what they are stored as.
                Some(length) => self.unpacked += length.saturating_sub(head.plain_len as u64),
                None => self
                    .leave("a page is not in order, or compressed in a way that is not known here"),
            }
        }
        if values < chunk.values {
            self.leave("pages are missing");
        }
        Ok(())
    }

    fn leave(&mut self, why: &'static str) {
        self.unread = self.unread.or(Some(why));
    }

    /// Reads the head of a page, and says how long it is.
    fn head(&self, at: u64, end: u64) -> io::Result<Option<(Head, usize)>> {
        let mut length = HEAD_LEN;
        loop {
            let left = usize::try_from(end - at).unwrap_or(usize::MAX);
            let mut bytes = vec![0; length.min(left)];
            self.file.read_exact_at(&mut bytes, at)?;
            let mut reader = Reader::new(&bytes);
            if let Some(head) = head(&mut reader) {
                return Ok(Some((head, reader.used())));
            }
            // A head has the bounds of its page, which may be long.
            if left <= length || HEAD_LEN_MAX <= length {
                return Ok(None);
            }
            length = HEAD_LEN_MAX;
        }
    }

    fn values(
        &self,
        head: &Head,
        body: &[u8],
        codec: i64,
        shape: Shape,
        take: &mut dyn FnMut(&[u8]),
    ) -> Option<u64> {
        let (packed, codec) = match head.kind {
            DATA_2 => (body.get(head.levels_len..)?, if head.is_packed { codec } else { 0 }),
            _ => (body, codec),
        };
        let plain_len = head.plain_len.checked_sub(head.levels_len)?;
        let unpacked = unpack(codec, packed, plain_len)?;
        let mut rest = unpacked.as_slice();
        if head.kind == DATA {
            for (has, encoding) in
                [shape.has_lists, shape.has_gaps].into_iter().zip(head.level_encodings)
            {
                if has {
                    if encoding != RLE {
                        return None;
                    }
                    rest = cut(rest)?.1;
                }
            }
        }
        match head.encoding {
            DELTA_LENGTHS if head.kind != DICTIONARY => return delta::lengths_first(rest, take),
            DELTA if head.kind != DICTIONARY => return delta::prefixes_first(rest, take),
            _ => {}
        }
        while !rest.is_empty() {
            let (value, after) = match shape.physical {
                Physical::Fixed(length) => rest.split_at_checked(length)?,
                _ => cut(rest)?,
            };
            if !value.is_empty() {
                take(value);
            }
            rest = after;
        }
        Some(0)
    }
}

/// A piece with its length before it, and what comes after.
fn cut(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)
}

fn head(reader: &mut Reader<'_>) -> Option<Head> {
    let mut head = Head { is_packed: true, ..Head::default() };
    let length = |value: i64| usize::try_from(value).ok();
    let mut before = 0;
    while let Some((id, kind)) = reader.field(&mut before)? {
        match (id, kind) {
            (1, I32) => head.kind = reader.zigzag()?,
            (2, I32) => head.plain_len = length(reader.zigzag()?)?,
            (3, I32) => head.packed_len = length(reader.zigzag()?)?,
            (5 | 7 | 8, STRUCT) => of_kind(reader, id, &mut head)?,
            _ => reader.skip(kind, 0)?,
        }
    }
    Some(head)
}

/// What the head of a data page (5), of a dictionary (7), or of the second version (8) has.
fn of_kind(reader: &mut Reader<'_>, of: i64, head: &mut Head) -> Option<()> {
    let mut before = 0;
    while let Some((id, kind)) = reader.field(&mut before)? {
        match (of, id, kind) {
            (5 | 8, 1, I32) => head.values = u64::try_from(reader.zigzag()?).ok()?,
            (5 | 7, 2, I32) | (8, 4, I32) => head.encoding = reader.zigzag()?,
            (5, 3, I32) => head.level_encodings[1] = reader.zigzag()?,
            (5, 4, I32) => head.level_encodings[0] = reader.zigzag()?,
            (8, 5 | 6, I32) => {
                let length = usize::try_from(reader.zigzag()?).ok()?;
                head.levels_len = head.levels_len.checked_add(length)?;
            }
            // A truth value is its own kind: 1 is true, 2 is false.
            (8, 7, 1 | 2) => head.is_packed = kind == 1,
            _ => reader.skip(kind, 0)?,
        }
    }
    Some(())
}

/// Unpacks a page; `None` if it is not as long as it says, or packed in an unknown way.
fn unpack(codec: i64, packed: &[u8], plain_len: usize) -> Option<Vec<u8>> {
    let mut plain = Vec::new();
    let bound = plain_len as u64 + 1;
    match codec {
        0 => plain.extend_from_slice(packed),
        1 if snap::raw::decompress_len(packed).ok()? == plain_len => {
            plain = snap::raw::Decoder::new().decompress_vec(packed).ok()?;
        }
        2 => {
            MultiGzDecoder::new(packed).take(bound).read_to_end(&mut plain).ok()?;
        }
        5 => return lz4::blocks(packed, plain_len),
        7 => return lz4::block(packed, plain_len),
        6 => {
            let unpacked = zstd::stream::read::Decoder::new(packed).ok()?;
            unpacked.take(bound).read_to_end(&mut plain).ok()?;
        }
        _ => return None,
    }
    (plain.len() == plain_len).then_some(plain)
}

const DATA: i64 = 0;
const DICTIONARY: i64 = 2;
const DATA_2: i64 = 3;

const PLAIN: i64 = 0;
const PLAIN_DICTIONARY: i64 = 2;
const RLE: i64 = 3;
const DELTA_LENGTHS: i64 = 6;
const DELTA: i64 = 7;
const RLE_DICTIONARY: i64 = 8;

/// A head without long bounds.
const HEAD_LEN: usize = 512;

/// A head with the longest bounds that writers leave whole.
const HEAD_LEN_MAX: usize = 1 << 20;

/// Writers make pages of one mebibyte, and larger ones for long values.
const PAGE_LEN_MAX: usize = 64 << 20;
