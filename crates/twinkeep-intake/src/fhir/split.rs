//! Cuts a stream into resources, each within a bound, without holding the stream.
//!
//! Bulk exports have one resource a line; a Bundle is one object whose `entry` array may be longer
//! than memory. Only brackets and strings are followed here: what a piece means, and whether it is
//! JSON at all, is for whoever takes it. So one broken resource costs one piece and not the file.

use std::io::{self, BufRead, Read};

/// A part of the stream.
#[derive(Debug, PartialEq)]
pub(super) struct Piece {
    /// Line of a bulk export, or entry of a Bundle, counted from 1.
    pub row: u64,
    /// Where it stood.
    pub place: Place,
    /// Its bytes; the first [`PREFIX_LEN_MAX`] only, if it is not [`Extent::Whole`].
    pub bytes: Vec<u8>,
    /// Whether that is all of it.
    pub extent: Extent,
}

/// Where a piece stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// On its own: a line of a bulk export, or a document.
    Alone,
    /// Among the entries of a Bundle.
    Entry,
    /// What was around the entries of a Bundle. It ends the Bundle.
    Bundle,
}

/// How much of a piece there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// All of it.
    Whole,
    /// It is longer than a resource may be.
    TooLong,
    /// The stream ended in the middle of it.
    Unfinished,
}

/// Hands on the pieces of a stream, in its order.
///
/// `take` may end the reading with its own error.
pub(super) fn split<E>(
    reader: &mut dyn BufRead,
    piece_len_max: usize,
    take: &mut dyn FnMut(Piece) -> Result<(), E>,
) -> Result<(), Failed<E>> {
    let head = head(reader).map_err(Failed::Read)?;
    let mut reader = Read::chain(head.bytes.as_slice(), reader);
    if head.is_lines {
        split_lines(&mut reader, piece_len_max, take)
    } else {
        let mut scanner = Scanner::new(piece_len_max);
        scanner.run(&mut reader, take)?;
        scanner.end(take)
    }
}

/// Why a stream was not read to its end.
pub(super) enum Failed<E> {
    /// The stream failed.
    Read(io::Error),
    /// The taker did.
    Taken(E),
}

struct Head {
    bytes: Vec<u8>,
    is_lines: bool,
}

/// Looks at the beginning: one resource a line, or one document over many lines.
fn head(reader: &mut dyn BufRead) -> io::Result<Head> {
    let mut bytes = Vec::new();
    Read::take(&mut *reader, HEAD_LEN).read_to_end(&mut bytes)?;
    if let Some(rest) = bytes.strip_prefix(BYTE_ORDER_MARK) {
        bytes = rest.to_vec();
    }
    let text = bytes.trim_ascii_start();
    let is_lines = match text.iter().position(|&byte| byte == b'\n') {
        // A document over many lines never has a brace at the beginning of its second line.
        Some(end) => is_balanced(&text[..end]) || text.get(end + 1) == Some(&b'{'),
        None => !is_bundle(text),
    };
    Ok(Head { bytes, is_lines })
}

fn is_balanced(line: &[u8]) -> bool {
    let mut follow = Follow::default();
    for &byte in line {
        follow.step(byte);
    }
    follow.depth == 0 && !follow.in_string
}

fn is_bundle(head: &[u8]) -> bool {
    let mut scanner = Scanner::new(PREFIX_LEN_MAX);
    for &byte in head {
        scanner.note(byte);
        scanner.follow.step(byte);
    }
    scanner.kind.as_deref() == Some(BUNDLE)
}

fn split_lines<E>(
    reader: &mut dyn BufRead,
    piece_len_max: usize,
    take: &mut dyn FnMut(Piece) -> Result<(), E>,
) -> Result<(), Failed<E>> {
    for row in 1.. {
        let mut line = Buffer::new(piece_len_max);
        let mut ended = false;
        let mut any = false;
        while !ended {
            let chunk = fill(reader).map_err(Failed::Read)?;
            if chunk.is_empty() {
                break;
            }
            any = true;
            let end = chunk.iter().position(|&byte| byte == b'\n');
            line.extend(&chunk[..end.unwrap_or(chunk.len())]);
            let length = end.map_or(chunk.len(), |end| end + 1);
            ended = end.is_some();
            reader.consume(length);
        }
        if !any {
            break;
        }
        let (bytes, extent) = line.finish();
        if bytes.trim_ascii().is_empty() {
            continue;
        }
        if extent == Extent::Whole && is_whole_bundle(&bytes) {
            // A line may be a Bundle too; its entries share the number of the line.
            let mut scanner = Scanner::new(piece_len_max);
            let mut take_at = |piece: Piece| take(Piece { row, ..piece });
            scanner.run(&mut bytes.as_slice(), &mut take_at)?;
            scanner.end(&mut take_at)?;
            continue;
        }
        // A JSON value says itself where it ends, so a last line needs no line end.
        let piece = Piece { row, place: Place::Alone, bytes, extent };
        take(piece).map_err(Failed::Taken)?;
    }
    Ok(())
}

fn is_whole_bundle(line: &[u8]) -> bool {
    let quick = line.windows(BUNDLE.len()).take(PREFIX_LEN_MAX).any(|part| part == BUNDLE);
    quick && is_balanced(line) && is_bundle(line)
}

/// Follows brackets and strings.
#[derive(Clone, Copy, Default)]
struct Follow {
    depth: u32,
    in_string: bool,
    escaped: bool,
}

impl Follow {
    fn step(&mut self, byte: u8) {
        if self.in_string {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            return;
        }
        match byte {
            b'"' => self.in_string = true,
            b'{' | b'[' => self.depth = self.depth.saturating_add(1),
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
    }
}

/// Finds objects that follow one another, and the entries of those that are Bundles.
struct Scanner {
    follow: Follow,
    outer: Buffer,
    entry: Buffer,
    row: u64,
    /// The last string of the outer object, as long as it is short.
    word: Vec<u8>,
    /// The key whose value is being read.
    key: Vec<u8>,
    /// What the outer object says it is.
    kind: Option<Vec<u8>>,
    /// Inside the `entry` array of a Bundle.
    in_entries: bool,
    had_entries: bool,
    /// Between two objects there is something else.
    stray: bool,
}

impl Scanner {
    fn new(piece_len_max: usize) -> Self {
        Self {
            follow: Follow::default(),
            outer: Buffer::new(piece_len_max),
            entry: Buffer::new(piece_len_max),
            row: 0,
            word: Vec::new(),
            key: Vec::new(),
            kind: None,
            in_entries: false,
            had_entries: false,
            stray: false,
        }
    }

    fn run<E>(
        &mut self,
        reader: &mut dyn BufRead,
        take: &mut dyn FnMut(Piece) -> Result<(), E>,
    ) -> Result<(), Failed<E>> {
        loop {
            let chunk = fill(reader).map_err(Failed::Read)?;
            if chunk.is_empty() {
                return Ok(());
            }
            for &byte in chunk {
                if let Some(piece) = self.step(byte) {
                    take(piece).map_err(Failed::Taken)?;
                }
            }
            let length = chunk.len();
            reader.consume(length);
        }
    }

    /// Takes one byte; returns a piece that it ends.
    fn step(&mut self, byte: u8) -> Option<Piece> {
        let before = self.follow;
        self.note(byte);
        self.follow.step(byte);
        if self.in_entries {
            return self.step_entries(byte);
        }
        if before.depth == 0 && self.follow.depth == 0 && !self.stray {
            if byte.is_ascii_whitespace() {
                return None;
            }
            self.stray = true;
        }
        if self.stray {
            // Something that is no object: it ends with its line.
            self.outer.push(byte);
            let ends = byte == b'\n' && !self.follow.in_string;
            return ends.then(|| self.take_outer(Extent::Whole));
        }
        self.outer.push(byte);
        if before.depth == 1 && self.follow.depth == 2 && byte == b'[' && self.begins_entries() {
            self.in_entries = true;
            self.had_entries = true;
        }
        let ends = before.depth == 1 && self.follow.depth == 0;
        ends.then(|| self.take_outer(Extent::Whole))
    }

    fn step_entries(&mut self, byte: u8) -> Option<Piece> {
        let outside = self.follow.depth == 2 && !self.follow.in_string && self.entry.is_empty();
        if self.follow.depth == 1 {
            self.in_entries = false;
            self.outer.push(byte);
            return self.take_entry(Extent::Whole);
        }
        if outside && byte.is_ascii_whitespace() {
            return None;
        }
        if self.follow.depth == 2 && byte == b',' && !self.follow.in_string {
            return self.take_entry(Extent::Whole);
        }
        self.entry.push(byte);
        None
    }

    /// Remembers the keys of the outer object, and what kind it says it is.
    fn note(&mut self, byte: u8) {
        if self.follow.depth != 1 {
            return;
        }
        let Follow { in_string, escaped, .. } = self.follow;
        match byte {
            b'"' if !in_string => self.word.clear(),
            b'"' if !escaped && self.key == b"resourceType" => self.kind = Some(self.word.clone()),
            b'"' if !escaped => {}
            _ if in_string && self.word.len() < WORD_LEN_MAX => self.word.push(byte),
            _ if in_string => {}
            b':' => self.key = std::mem::take(&mut self.word),
            b',' => self.key.clear(),
            _ => {}
        }
    }

    /// A `List` has entries too; who does not say what it is may be a Bundle.
    fn begins_entries(&self) -> bool {
        self.key == b"entry" && self.kind.as_deref().is_none_or(|kind| kind == BUNDLE)
    }

    fn take_entry(&mut self, extent: Extent) -> Option<Piece> {
        if self.entry.is_empty() {
            return None;
        }
        self.row += 1;
        let (bytes, found) = self.entry.take();
        let extent = if found == Extent::Whole { extent } else { found };
        Some(Piece { row: self.row, place: Place::Entry, bytes, extent })
    }

    fn take_outer(&mut self, extent: Extent) -> Piece {
        let place = if self.had_entries { Place::Bundle } else { Place::Alone };
        self.row += u64::from(place == Place::Alone);
        let (bytes, found) = self.outer.take();
        let extent = if found == Extent::Whole { extent } else { found };
        self.follow = Follow::default();
        self.word.clear();
        self.key.clear();
        self.kind = None;
        self.in_entries = false;
        self.had_entries = false;
        self.stray = false;
        Piece { row: self.row, place, bytes, extent }
    }

    /// The stream is at its end: what is still open was cut short.
    fn end<E>(&mut self, take: &mut dyn FnMut(Piece) -> Result<(), E>) -> Result<(), Failed<E>> {
        let extent = if self.stray { Extent::Whole } else { Extent::Unfinished };
        if let Some(entry) = self.take_entry(Extent::Unfinished) {
            take(entry).map_err(Failed::Taken)?;
        }
        if self.outer.is_empty() {
            return Ok(());
        }
        let outer = self.take_outer(extent);
        take(outer).map_err(Failed::Taken)
    }
}

/// Bytes up to a bound.
struct Buffer {
    bytes: Vec<u8>,
    len_max: usize,
    exceeded: bool,
}

impl Buffer {
    fn new(len_max: usize) -> Self {
        Self { bytes: Vec::new(), len_max, exceeded: false }
    }

    fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    fn push(&mut self, byte: u8) {
        self.extend(&[byte]);
    }

    fn extend(&mut self, bytes: &[u8]) {
        if self.exceeded {
            return;
        }
        if self.len_max < self.bytes.len() + bytes.len() {
            self.exceeded = true;
            self.bytes.truncate(PREFIX_LEN_MAX);
            self.bytes.shrink_to_fit();
            return;
        }
        self.bytes.extend_from_slice(bytes);
    }

    fn take(&mut self) -> (Vec<u8>, Extent) {
        std::mem::replace(self, Self::new(self.len_max)).finish()
    }

    fn finish(self) -> (Vec<u8>, Extent) {
        (self.bytes, if self.exceeded { Extent::TooLong } else { Extent::Whole })
    }
}

/// As `fill_buf`, which may be interrupted.
fn fill(reader: &mut dyn BufRead) -> io::Result<&[u8]> {
    loop {
        match reader.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
            Ok(_) => break,
        }
    }
    // Asked again, because a loop cannot return what it borrowed; nothing is read twice.
    reader.fill_buf()
}

/// What is kept of a piece that is too long: enough to see what it was.
pub(super) const PREFIX_LEN_MAX: usize = 4096;

const BUNDLE: &[u8] = b"Bundle";
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// How far the end of the first line is looked for.
const HEAD_LEN: u64 = 1 << 16;

/// Longer than any key that matters here.
const WORD_LEN_MAX: usize = 32;
