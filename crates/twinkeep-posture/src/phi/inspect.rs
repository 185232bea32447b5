//! Looks into one file: through compression and archives, in bounded memory, until it is sure.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom};

use bzip2::read::MultiBzDecoder;
use flate2::read::MultiGzDecoder;
use lzma_rust2::XzReader;

use super::json::JsonScan;
use super::sniff::{Format, is_ciphertext_to_its_end, is_random, sniff};
use super::table::TableScan;
use super::text::TextScan;
use super::{Place, Verdict, medical, parquet, utf16, verdict};
use crate::parse::zip;

/// How far to look.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// As many bytes are looked at.
    pub bytes_max: u64,
    /// As many bytes are unpacked, in all layers of what is packed in each other together.
    pub unpacked_max: u64,
    /// Stops once as many rows have something of a person; none looks at everything, for counts.
    pub rows_enough: Option<u64>,
    /// Dates of later years are no dates of people's lives: de-identified data has such.
    pub latest_year: u16,
}

/// Whether a file can be read by whoever gets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is encrypted, by this.
    Encrypted(&'static str),
    /// It can be read, and was.
    Readable,
    /// It was not looked into, or not to its end: why.
    NotChecked(&'static str),
}

/// What was found of a file.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// The format.
    pub format: &'static str,
    /// Whether it can be read.
    pub state: State,
    /// What is where.
    pub places: Vec<Place>,
    /// How many bytes were looked at.
    pub bytes: u64,
}

/// Looks into a file of this size, from its beginning.
pub fn inspect(file: &File, size: u64, limits: Limits) -> io::Result<Inspection> {
    let mut reader = file;
    reader.rewind()?;
    let head = read_head(&mut reader)?;
    let format = sniff(&head);
    let left = Cell::new(limits.unpacked_max);
    let bounds = Bounds { limits, left: &left };
    match format {
        Format::Parquet => match parquet::look(file, size, limits)? {
            Some(table) if table.encrypted => {
                Ok(plain("parquet", State::Encrypted("Parquet encryption"), Vec::new()))
            }
            Some(table) => {
                let found = verdict(&table.places) == Verdict::Personal;
                let state = match table.unread {
                    // What was found was found, however much was not looked at.
                    Some(why) if !found => State::NotChecked(why),
                    _ => State::Readable,
                };
                Ok(Inspection { bytes: table.bytes, ..plain("parquet", state, table.places) })
            }
            None => {
                let why = "the footer of Parquet is missing or broken";
                Ok(plain("parquet", State::NotChecked(why), Vec::new()))
            }
        },
        Format::Zip => archive(file, size, bounds),
        Format::Encrypted(_) if is_ciphertext_to_its_end(&head) && has_gaps(file, size)? => {
            reader.seek(SeekFrom::Start(head.len() as u64))?;
            let mut all = stream(Format::Binary, head, &mut reader, bounds, 0)?;
            leave(&mut all, "it begins as encrypted files do, and does not go on like one");
            Ok(all)
        }
        _ => stream(format, head, &mut reader, bounds, 0),
    }
}

/// Whether a file that begins with ciphertext has something else further on. A few places of it are
/// looked at: to read all of an encrypted file would take as long as to read one in the clear.
fn has_gaps(mut file: &File, size: u64) -> io::Result<bool> {
    let begin = HEAD_LEN as u64;
    let Some(last) = size.checked_sub(PLACE_LEN).filter(|_| begin < size) else { return Ok(false) };
    let first = last.min(begin);
    for number in 0..PLACE_COUNT {
        file.seek(SeekFrom::Start(first + (last - first) / (PLACE_COUNT - 1) * number))?;
        let mut place = Vec::new();
        file.take(PLACE_LEN).read_to_end(&mut place)?;
        if !is_random(&place) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// How far to look, and how much may still be unpacked.
#[derive(Clone, Copy)]
struct Bounds<'a> {
    limits: Limits,
    left: &'a Cell<u64>,
}

/// What comes out of a decompressor, counted: an archive within an archive may be of any length, and
/// give nothing that a scanner would count.
struct Metered<'a, R> {
    inner: R,
    left: &'a Cell<u64>,
}

impl<R: Read> Read for Metered<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left.get() == 0 {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let length = self.inner.read(buffer)?;
        self.left.set(self.left.get().saturating_sub(length as u64));
        Ok(length)
    }
}

fn plain(format: &'static str, state: State, places: Vec<Place>) -> Inspection {
    Inspection { format, state, places, bytes: 0 }
}

/// What can be read from its beginning to its end.
fn stream(
    format: Format,
    head: Vec<u8>,
    rest: &mut dyn Read,
    bounds: Bounds<'_>,
    depth: u8,
) -> io::Result<Inspection> {
    let nothing = |format, state| Ok(plain(format, state, Vec::new()));
    let scanner = match format {
        Format::Encrypted(by) => return nothing("encrypted", State::Encrypted(by)),
        Format::Empty => return nothing("empty", State::Readable),
        Format::Program => return nothing("program", State::Readable),
        Format::Closed(what) => return nothing(what, State::NotChecked(what)),
        Format::Random => {
            let why = "its bytes are random, and nothing says what it is";
            return nothing("random", State::NotChecked(why));
        }
        Format::Dicom => {
            return Ok(plain("dicom", State::Readable, medical::places(&head)));
        }
        Format::Parquet | Format::Zip => {
            let why = "an archive, or a table of columns, within an archive";
            return nothing("nested", State::NotChecked(why));
        }
        Format::Gzip | Format::Zstd | Format::Bzip2 | Format::Xz | Format::Tar
            if DEPTH_MAX <= depth =>
        {
            return nothing("nested", State::NotChecked("it is packed too often"));
        }
        Format::Gzip => {
            let mut unpacked = MultiGzDecoder::new(io::Cursor::new(head).chain(rest));
            return unpack(&mut unpacked, bounds, depth + 1);
        }
        Format::Zstd => {
            let mut packed = zstd::Decoder::new(io::Cursor::new(head).chain(rest))?;
            packed.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
            return unpack(&mut packed, bounds, depth + 1);
        }
        Format::Bzip2 => {
            let mut unpacked = MultiBzDecoder::new(io::Cursor::new(head).chain(rest));
            return unpack(&mut unpacked, bounds, depth + 1);
        }
        Format::Xz => {
            let packed = io::Cursor::new(head).chain(rest);
            let mut unpacked = XzReader::new_mem_limit(packed, true, XZ_MEMORY_KIB_MAX);
            return unpack(&mut unpacked, bounds, depth + 1);
        }
        Format::Tar => return tape(&mut io::Cursor::new(head).chain(rest), bounds, depth + 1),
        Format::Json => Scanner::Json(Box::default()),
        Format::Hl7 => Scanner::Text(Box::default()),
        Format::Text | Format::Binary => {
            let order = utf16::order(&head);
            if let (Some(order), true) = (order, depth < DEPTH_MAX) {
                let mut bytes = io::Cursor::new(head).chain(rest);
                let mut text = utf16::Utf16::new(&mut bytes, order);
                let head = read_head(&mut text)?;
                return stream(sniff(&head), head, &mut text, bounds, DEPTH_MAX);
            }
            match TableScan::begin(head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&head)) {
                Some(table) if format == Format::Text => Scanner::Table(Box::new(table)),
                _ => Scanner::Text(Box::default()),
            }
        }
    };
    drain(scanner, head, rest, bounds.limits)
}

/// What comes out of a decompressor: what is broken or too long is not checked, and never clean.
fn unpack(unpacked: &mut dyn Read, bounds: Bounds<'_>, depth: u8) -> io::Result<Inspection> {
    let mut unpacked = Metered { inner: unpacked, left: bounds.left };
    member(&mut unpacked, bounds, depth)
}

/// What is in an archive as it is, or was counted already.
fn member(unpacked: &mut dyn Read, bounds: Bounds<'_>, depth: u8) -> io::Result<Inspection> {
    let looked =
        read_head(unpacked).and_then(|head| stream(sniff(&head), head, unpacked, bounds, depth));
    match looked {
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
            Ok(plain("packed", State::NotChecked(TOO_MUCH), Vec::new()))
        }
        Err(error) if is_broken(&error) => {
            let why = "its packed data is broken";
            Ok(plain("packed", State::NotChecked(why), Vec::new()))
        }
        other => other,
    }
}

/// Whether what was read is wrong, and not the reading of it.
fn is_broken(error: &io::Error) -> bool {
    use io::ErrorKind::{
        InvalidData, InvalidInput, Other, OutOfMemory, UnexpectedEof, Unsupported,
    };
    matches!(
        error.kind(),
        InvalidData | InvalidInput | Other | OutOfMemory | UnexpectedEof | Unsupported
    )
}

/// All members of a tar archive, as they come.
fn tape(packed: &mut dyn Read, bounds: Bounds<'_>, depth: u8) -> io::Result<Inspection> {
    let mut all = plain("tar", State::Readable, Vec::new());
    let mut archive = tar::Archive::new(packed);
    // As they stand: what says a long name would be read into memory, however long it is.
    for member in archive.entries()?.raw(true) {
        let mut member = match member {
            Ok(member) => member,
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                leave(&mut all, TOO_MUCH);
                break;
            }
            Err(error) if is_broken(&error) => {
                all.state = State::NotChecked("its packed data is broken");
                break;
            }
            Err(error) => return Err(error),
        };
        let kind = member.header().entry_type();
        if kind.is_gnu_sparse() || kind.is_pax_local_extensions() && says_size(&mut member)? {
            all.state = State::NotChecked("a member has gaps, or another size than it says first");
            break;
        }
        if !kind.is_file() && !kind.is_contiguous() {
            continue;
        }
        if add(&mut all, &mut member, bounds, depth)? == Next::Stop {
            break;
        }
    }
    Ok(all)
}

/// Whether an extension of POSIX says, or may say, how long the next member is.
fn says_size(extension: &mut dyn Read) -> io::Result<bool> {
    let mut said = Vec::new();
    extension.take(EXTENSION_LEN_MAX).read_to_end(&mut said)?;
    let is_whole = (said.len() as u64) < EXTENSION_LEN_MAX;
    Ok(!is_whole || said.windows(6).any(|it| it == b" size="))
}

/// Whether to go on with the next member.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    GoOn,
    Stop,
}

/// Looks into one more member of an archive.
fn add(
    all: &mut Inspection,
    packed: &mut dyn Read,
    bounds: Bounds<'_>,
    depth: u8,
) -> io::Result<Next> {
    let limits = bounds.limits;
    let left = limits.bytes_max.saturating_sub(all.bytes);
    if left == 0 {
        all.state = State::NotChecked(TOO_LARGE);
        return Ok(Next::Stop);
    }
    let limits = Limits { bytes_max: left, ..limits };
    let inner = member(packed, Bounds { limits, ..bounds }, depth)?;
    // What is found counts by file, so the member that has most speaks for the archive.
    if verdict(&all.places) <= verdict(&inner.places) && !inner.places.is_empty() {
        all.places = inner.places;
    }
    all.bytes += inner.bytes.max(1);
    if let State::NotChecked(why) = inner.state {
        all.state = State::NotChecked(why);
    }
    if limits.rows_enough.is_some() && verdict(&all.places) == Verdict::Personal {
        all.state = State::Readable;
        return Ok(Next::Stop);
    }
    Ok(Next::GoOn)
}

/// All members of an archive, with one bound for all of them.
fn archive(file: &File, size: u64, bounds: Bounds<'_>) -> io::Result<Inspection> {
    let Some(members) = zip::members(file, size)? else {
        let why = "the directory of the archive is missing or broken";
        return Ok(plain("zip", State::NotChecked(why), Vec::new()));
    };
    let mut all = plain("zip", State::Readable, Vec::new());
    let files = members.iter().filter(|member| !member.name.ends_with('/'));
    let (encrypted, open): (Vec<_>, Vec<_>) = files.partition(|member| member.encrypted);
    if open.is_empty() && !encrypted.is_empty() {
        all.state = State::Encrypted("encryption of ZIP");
        return Ok(all);
    }
    for member in open {
        let Some(unpacked) = zip::open(file, member)? else {
            all.state = State::NotChecked("a member is packed in a way that is not known here");
            continue;
        };
        if add(&mut all, &mut Metered { inner: unpacked, left: bounds.left }, bounds, 1)?
            == Next::Stop
        {
            break;
        }
    }
    Ok(all)
}

enum Scanner {
    Table(Box<TableScan>),
    Json(Box<JsonScan>),
    Text(Box<TextScan>),
}

impl Scanner {
    fn feed(&mut self, buffer: &[u8], last: bool) -> usize {
        match self {
            Self::Table(table) => table.feed(buffer, last),
            Self::Json(json) => json.feed(buffer, last),
            Self::Text(text) => {
                let whole = match buffer.iter().rposition(|byte| matches!(byte, b'\n' | b'\r')) {
                    Some(end) if !last => end + 1,
                    None if !last => return 0,
                    _ => buffer.len(),
                };
                for line in buffer[..whole].split(|byte| matches!(byte, b'\n' | b'\r')) {
                    text.hl7_segment(line);
                    text.scan(line);
                }
                whole
            }
        }
    }

    fn places(&self, latest_year: u16) -> Vec<Place> {
        match self {
            Self::Table(table) => table.places(latest_year),
            Self::Json(json) => json.places(latest_year),
            Self::Text(text) => {
                let found = text.found().into_iter();
                found.map(|found| Place { field: "text".to_owned(), found }).collect()
            }
        }
    }

    fn format(&self) -> &'static str {
        match self {
            Self::Table(_) => "table",
            Self::Json(_) => "json",
            Self::Text(_) => "text",
        }
    }
}

/// Feeds a scanner until the end, a bound, or certainty.
fn drain(
    mut scanner: Scanner,
    head: Vec<u8>,
    rest: &mut dyn Read,
    limits: Limits,
) -> io::Result<Inspection> {
    let mut buffer = head;
    let mut filled = buffer.len();
    let mut bytes = filled as u64;
    let mut ended = filled < HEAD_LEN;
    let mut state = State::Readable;
    buffer.resize(BUFFER_LEN, 0);
    loop {
        let used = scanner.feed(&buffer[..filled], ended);
        buffer.copy_within(used..filled, 0);
        filled -= used;
        if filled == buffer.len() {
            // No end of a field or line in a whole buffer: what is there is looked at as it is.
            scanner.feed(&buffer[..filled], true);
            filled = 0;
        }
        if ended {
            break;
        }
        if let Some(enough) = limits.rows_enough {
            let places = scanner.places(limits.latest_year);
            let rows = places.iter().map(|place| place.found.rows).max().unwrap_or(0);
            if enough <= rows && verdict(&places) == Verdict::Personal {
                break;
            }
        }
        if limits.bytes_max <= bytes {
            state = State::NotChecked(TOO_LARGE);
            break;
        }
        let length = match read_some(rest, &mut buffer[filled..]) {
            // What was seen up to here counts.
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                scanner.feed(&buffer[..filled], true);
                state = State::NotChecked(TOO_MUCH);
                break;
            }
            length => length?,
        };
        filled += length;
        bytes += length as u64;
        ended = length == 0;
    }
    let places = scanner.places(limits.latest_year);
    if verdict(&places) == Verdict::Personal {
        // What was found was found, however much was not looked at.
        state = State::Readable;
    }
    Ok(Inspection { format: scanner.format(), state, places, bytes })
}

/// Reads the first bytes, as many as there are up to the length of a head.
fn read_head(reader: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut head = vec![0; HEAD_LEN];
    let mut length = 0;
    while length < head.len() {
        match read_some(reader, &mut head[length..])? {
            0 => break,
            more => length += more,
        }
    }
    head.truncate(length);
    Ok(head)
}

fn read_some(reader: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match reader.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// Says why something was not checked, unless something was found.
fn leave(all: &mut Inspection, why: &'static str) {
    if verdict(&all.places) != Verdict::Personal {
        all.state = State::NotChecked(why);
    }
}

const TOO_MUCH: &str = "more comes out of it than is unpacked, and nothing was found up to there";

const TOO_LARGE: &str = "it is larger than the bound, and nothing was found up to there";

/// Packed within packed: `.csv.gz` within `.tar.gz` within an archive.
const DEPTH_MAX: u8 = 4;

/// Names and times of a member take some hundred bytes.
const EXTENSION_LEN_MAX: u64 = 64 << 10;

/// What `zstd --ultra` takes at most without a word of its own.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// What `xz -9` takes to unpack, and some more.
const XZ_MEMORY_KIB_MAX: u32 = 128 << 10;

/// What formats are told by; the first table of an export fits.
const HEAD_LEN: usize = 64 << 10;

/// Places behind the head of an encrypted file that are looked at.
const PLACE_COUNT: u64 = 8;

/// As many bytes as ciphertext is told by.
const PLACE_LEN: u64 = 4096;

/// The longest field or line that is looked at as one; memory stays at this.
const BUFFER_LEN: usize = 512 << 10;
