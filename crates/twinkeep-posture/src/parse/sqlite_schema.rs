//! The schema of a database file of SQLite, without opening it as one: which tables there are, and
//! how their columns are called. No row of a table is read.
//!
//! The first page is the root of the table `sqlite_schema`; its rows hold the statements that made
//! the tables (SQLite file format, sections 1.3, 1.6, 2.1, and 2.6).

/// What every database file of SQLite begins with.
pub const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// A table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Its columns.
    pub columns: Vec<String>,
}

/// What a schema says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schema {
    /// The tables, by name.
    pub tables: Vec<Table>,
    /// How many of its rows are not what a row of a schema is: nobody knows which tables they are.
    pub unread_rows: u64,
}

/// Why a schema cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// It is no file of SQLite.
    #[error("it does not begin as a database of SQLite does")]
    Other,
    /// It ends too early, or points to where nothing is.
    #[error("the pages of its schema are damaged")]
    Damaged,
    /// It has more than a schema has.
    #[error("its schema is larger than any that is read")]
    TooLarge,
}

/// Reads pages of a file, by number, from 1.
pub trait Pages {
    /// Reads `length` bytes from this position; fewer only at the end.
    fn read(&mut self, position: u64, length: usize) -> std::io::Result<Vec<u8>>;
}

/// Reads the schema of a file.
pub fn read(pages: &mut dyn Pages) -> Result<Schema, SchemaError> {
    let header = pages.read(0, 100).map_err(|_| SchemaError::Damaged)?;
    if header.get(..16) != Some(MAGIC) {
        return Err(SchemaError::Other);
    }
    let size = match be16(&header, 16)? {
        1 => 65_536,
        size if size.is_power_of_two() && size >= 512 => size,
        _ => return Err(SchemaError::Damaged),
    };
    let reserved = usize::from(*header.get(20).ok_or(SchemaError::Damaged)?);
    let usable = size.checked_sub(reserved).filter(|usable| *usable >= 480);
    let usable = usable.ok_or(SchemaError::Damaged)?;
    let encoding = be32(&header, 56)?;
    let (pages_left, bytes_left) = (PAGES_MAX, ROWS_LEN_MAX);
    let mut reader = Reader { pages, size, usable, encoding, pages_left, bytes_left };
    let mut schema = Schema::default();
    // A page comes once: a damaged file cannot lead in a circle.
    let mut waiting = vec![1_u32];
    while let Some(number) = waiting.pop() {
        let page = reader.page(number)?;
        reader.walk(number, &page, &mut waiting, &mut schema)?;
    }
    schema.tables.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(schema)
}

struct Reader<'a> {
    pages: &'a mut dyn Pages,
    size: usize,
    usable: usize,
    encoding: u32,
    pages_left: usize,
    /// Cells may name the same bytes again and again: what they give together is bounded, too.
    bytes_left: usize,
}

impl Reader<'_> {
    fn page(&mut self, number: u32) -> Result<Vec<u8>, SchemaError> {
        self.pages_left = self.pages_left.checked_sub(1).ok_or(SchemaError::TooLarge)?;
        let index = number.checked_sub(1).ok_or(SchemaError::Damaged)?;
        let position = u64::from(index) * self.size as u64;
        let page = self.pages.read(position, self.size).map_err(|_| SchemaError::Damaged)?;
        if page.len() == self.size { Ok(page) } else { Err(SchemaError::Damaged) }
    }

    /// Walks one page of the tree: leads to others, or holds rows.
    fn walk(
        &mut self,
        number: u32,
        page: &[u8],
        waiting: &mut Vec<u32>,
        schema: &mut Schema,
    ) -> Result<(), SchemaError> {
        // The first page has the header of the file before its own.
        let start = if number == 1 { 100 } else { 0 };
        let kind = *page.get(start).ok_or(SchemaError::Damaged)?;
        let cells = be16(page, start + 3)?;
        let (is_leaf, length) = match kind {
            0x0D => (true, 8),
            0x05 => (false, 12),
            _ => return Err(SchemaError::Damaged),
        };
        for cell in 0..cells {
            let at = be16(page, start + length + 2 * cell)?;
            if is_leaf {
                let payload = self.payload(page, at)?;
                match row(&payload, self.encoding) {
                    Some(Row::Table(table)) => schema.tables.push(table),
                    Some(Row::Other) => {}
                    None => schema.unread_rows += 1,
                }
            } else {
                waiting.push(be32(page, at)?);
            }
        }
        if !is_leaf {
            waiting.push(be32(page, start + 8)?);
        }
        if waiting.len() > PAGES_MAX || schema.tables.len() > TABLES_MAX {
            return Err(SchemaError::TooLarge);
        }
        Ok(())
    }

    /// Returns the content of a cell, with what lies on other pages.
    fn payload(&mut self, page: &[u8], at: usize) -> Result<Vec<u8>, SchemaError> {
        let (length, after) = varint(page, at)?;
        let (_, start) = varint(page, after)?;
        let length = usize::try_from(length).map_err(|_| SchemaError::TooLarge)?;
        if length > ROW_LEN_MAX {
            return Err(SchemaError::TooLarge);
        }
        self.bytes_left = self.bytes_left.checked_sub(length).ok_or(SchemaError::TooLarge)?;
        let most = self.usable - 35;
        let here = if length <= most {
            length
        } else {
            let least = (self.usable - 12) * 32 / 255 - 23;
            let fits = least + (length - least) % (self.usable - 4);
            if fits <= most { fits } else { least }
        };
        let mut bytes = slice(page, start, here)?.to_vec();
        if length > here {
            let mut next = be32(page, start + here)?;
            while bytes.len() < length {
                let more = self.page(next)?;
                next = be32(&more, 0)?;
                let count = (length - bytes.len()).min(self.usable - 4);
                bytes.extend_from_slice(slice(&more, 4, count)?);
            }
        }
        Ok(bytes)
    }
}

/// A row of the schema.
enum Row {
    Table(Table),
    /// An index, a view, a trigger, or a table that SQLite keeps for itself.
    Other,
}

/// Reads a row of the schema: kind, name, name of the table, root page, statement. Nothing if it is
/// not what such a row is.
fn row(payload: &[u8], encoding: u32) -> Option<Row> {
    let (header_length, mut at) = varint(payload, 0).ok()?;
    let header_length = usize::try_from(header_length).ok()?;
    let mut position = header_length;
    let mut fields: Vec<&[u8]> = Vec::new();
    while at < header_length && fields.len() < 5 {
        let (code, after) = varint(payload, at).ok()?;
        at = after;
        let length = match code {
            0 | 8 | 9 => 0,
            1..=4 => usize::try_from(code).ok()?,
            5 => 6,
            6 | 7 => 8,
            10 | 11 => return None,
            code => usize::try_from((code - 12) / 2).ok()?,
        };
        fields.push(slice(payload, position, length).ok()?);
        position += length;
    }
    let [kind, name, _, _, sql] = fields.as_slice() else { return None };
    match text(kind, encoding)?.as_str() {
        "table" => {}
        "index" | "view" | "trigger" => return Some(Row::Other),
        _ => return None,
    }
    let name = text(name, encoding)?;
    if name.starts_with("sqlite_") {
        return Some(Row::Other);
    }
    let columns = columns(&text(sql, encoding)?);
    // No table is without a column: a statement that names none was not understood.
    (!columns.is_empty()).then_some(Row::Table(Table { name, columns }))
}

fn text(bytes: &[u8], encoding: u32) -> Option<String> {
    let wide = |read: fn([u8; 2]) -> u16| {
        let (pairs, rest) = bytes.as_chunks::<2>();
        let units: Vec<u16> = pairs.iter().map(|&pair| read(pair)).collect();
        if rest.is_empty() { String::from_utf16(&units).ok() } else { None }
    };
    match encoding {
        2 => wide(u16::from_le_bytes),
        3 => wide(u16::from_be_bytes),
        _ => String::from_utf8(bytes.to_vec()).ok(),
    }
}

/// Returns the names of the columns that a statement makes.
pub fn columns(statement: &str) -> Vec<String> {
    let mut columns = Vec::new();
    let mut depth = 0_usize;
    // Whether the next word is the first of a definition.
    let mut is_first = false;
    for token in Tokens(statement) {
        match token {
            Token::Sign('(') => {
                depth += 1;
                is_first = depth == 1;
            }
            Token::Sign(')') => depth = depth.saturating_sub(1),
            Token::Sign(',') if depth == 1 => is_first = true,
            Token::Word { text, quoted } if depth == 1 && is_first => {
                is_first = false;
                let upper = text.to_ascii_uppercase();
                if quoted || !CONSTRAINTS.contains(&upper.as_str()) {
                    columns.push(text);
                }
            }
            Token::Sign(_) | Token::Word { .. } => {}
        }
        if columns.len() >= COLUMNS_MAX {
            break;
        }
    }
    columns
}

enum Token {
    Word { text: String, quoted: bool },
    Sign(char),
}

/// Words and signs of a statement; comments are passed over.
struct Tokens<'a>(&'a str);

impl Iterator for Tokens<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        loop {
            self.0 = self.0.trim_start();
            if let Some(rest) = self.0.strip_prefix("--") {
                self.0 = rest.split_once('\n').map_or("", |(_, rest)| rest);
            } else if let Some(rest) = self.0.strip_prefix("/*") {
                self.0 = rest.split_once("*/").map_or("", |(_, rest)| rest);
            } else {
                break;
            }
        }
        let first = self.0.chars().next()?;
        let close = match first {
            '"' | '`' | '\'' => Some(first),
            '[' => Some(']'),
            _ => None,
        };
        if let Some(close) = close {
            return Some(self.quoted(close));
        }
        let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
        let end = self.0.find(|c: char| !is_word(c)).unwrap_or(self.0.len());
        if end == 0 {
            self.0 = &self.0[first.len_utf8()..];
            return Some(Token::Sign(first));
        }
        let (word, rest) = self.0.split_at(end);
        self.0 = rest;
        Some(Token::Word { text: word.to_owned(), quoted: false })
    }
}

impl Tokens<'_> {
    /// Takes a quoted name; a doubled quote stands for one.
    fn quoted(&mut self, close: char) -> Token {
        let mut text = String::new();
        let mut chars = self.0.char_indices().skip(1).peekable();
        let mut end = self.0.len();
        while let Some((at, c)) = chars.next() {
            if c == close {
                if close != ']' && chars.peek().is_some_and(|(_, next)| *next == close) {
                    chars.next();
                } else {
                    end = at + c.len_utf8();
                    break;
                }
            }
            text.push(c);
        }
        self.0 = &self.0[end..];
        Token::Word { text, quoted: true }
    }
}

fn slice(bytes: &[u8], start: usize, length: usize) -> Result<&[u8], SchemaError> {
    let end = start.checked_add(length).ok_or(SchemaError::Damaged)?;
    bytes.get(start..end).ok_or(SchemaError::Damaged)
}

fn be16(bytes: &[u8], at: usize) -> Result<usize, SchemaError> {
    let pair = slice(bytes, at, 2)?;
    Ok(usize::from(pair[0]) << 8 | usize::from(pair[1]))
}

fn be32(bytes: &[u8], at: usize) -> Result<u32, SchemaError> {
    let four = slice(bytes, at, 4)?;
    Ok(four.iter().fold(0, |value, byte| value << 8 | u32::from(*byte)))
}

/// Reads a number of one to nine bytes, and returns where it ends.
fn varint(bytes: &[u8], at: usize) -> Result<(u64, usize), SchemaError> {
    let mut value = 0_u64;
    for index in 0..9 {
        let byte = *bytes.get(at + index).ok_or(SchemaError::Damaged)?;
        if index == 8 {
            return Ok((value << 8 | u64::from(byte), at + 9));
        }
        value = value << 7 | u64::from(byte & 0x7F);
        if byte < 0x80 {
            return Ok((value, at + index + 1));
        }
    }
    Err(SchemaError::Damaged)
}

/// Words that begin a constraint of a table and no column.
const CONSTRAINTS: &[&str] = &["CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"];

/// A schema of a thousand tables takes a few hundred pages.
const PAGES_MAX: usize = 10_000;
const TABLES_MAX: usize = 50_000;

/// SQLite makes no table with more.
const COLUMNS_MAX: usize = 32_767;

/// A statement that makes a table of 2,000 columns has 60 KB.
const ROW_LEN_MAX: usize = 4 << 20;

/// All statements of a schema of ten thousand tables have a few megabytes.
const ROWS_LEN_MAX: usize = 16 << 20;

#[cfg(test)]
mod tests;
