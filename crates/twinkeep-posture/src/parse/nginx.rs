//! The configuration language of nginx: text into directives, each with its place.
//!
//! The words are cut as nginx cuts them (`ngx_conf_read_token`): a quote opens only at the start
//! of a word, `#` starts a comment only there, `${name}` opens no block, and a `}` inside of a word
//! belongs to it. Blocks of Lua are skipped as Lua, so that a brace in a string ends nothing.
//!
//! # Invariants
//!
//! - Any bytes give directives or a [`SyntaxError`], in time linear in their number.
//! - A span is where the word or directive stands in the bytes, so that an edit hits just it.

pub mod effective;
pub mod tree;

#[cfg(test)]
mod tests;

/// One word, as it means (without quotes and escapes), and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// What it says.
    pub text: String,
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1, in characters.
    pub column: u32,
    /// Its first byte.
    pub start: usize,
    /// The byte after its last one.
    pub end: usize,
}

/// A name, its arguments, and its block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directive {
    /// The name.
    pub name: Word,
    /// What follows it.
    pub arguments: Vec<Word>,
    /// What stands in braces, if anything.
    pub block: Option<Block>,
    /// The byte after its `;` or `}`.
    pub end: usize,
}

/// What stands between braces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The directives; none in a block of Lua.
    pub directives: Vec<Directive>,
    /// The byte after `{`.
    pub open: usize,
    /// The byte of `}`.
    pub close: usize,
}

/// Why bytes are no configuration of nginx.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {what}")]
pub struct SyntaxError {
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1.
    pub column: u32,
    /// What is wrong there.
    pub what: &'static str,
}

/// Reads the directives of one file; `include` is left to whoever can read files.
pub fn parse(text: &[u8]) -> Result<Vec<Directive>, SyntaxError> {
    let mut words_left = usize::MAX;
    parse_within(text, &mut words_left)
}

/// As [`parse`], but reads so many words at most, and takes those that it read from their number:
/// a byte of text can be a word, and a word in memory is sixty bytes.
pub fn parse_within(text: &[u8], words_left: &mut usize) -> Result<Vec<Directive>, SyntaxError> {
    let mut reader = Reader { text, at: 0, line: 1, column: 1, words_left: *words_left };
    let read = reader.directives(0);
    *words_left = reader.words_left;
    read.map(|(directives, _)| directives)
}

/// What a word ended with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Token {
    Word,
    Semicolon,
    Open,
    Close,
    End,
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    line: u32,
    column: u32,
    words_left: usize,
}

impl Reader<'_> {
    /// Reads up to the `}` of this block, or up to the end of the text at the top; returns where
    /// that was.
    fn directives(&mut self, depth: usize) -> Result<(Vec<Directive>, usize), SyntaxError> {
        if depth > DEPTH_MAX {
            return Err(self.error("blocks are nested too deep"));
        }
        let mut directives = Vec::new();
        let mut words: Vec<Word> = Vec::new();
        loop {
            let token_at = self.skip_blank();
            match self.token(&mut words)? {
                Token::Word => {}
                Token::Semicolon => directives.push(self.directive(&mut words, None)?),
                Token::Open => {
                    let block = self.block(&words, depth)?;
                    directives.push(self.directive(&mut words, Some(block))?);
                }
                Token::Close | Token::End if !words.is_empty() => {
                    return Err(self.error("a directive does not end with `;`"));
                }
                Token::Close if depth == 0 => return Err(self.error("`}` closes no block")),
                Token::End if depth > 0 => return Err(self.error("a block is not closed")),
                Token::Close | Token::End => return Ok((directives, token_at)),
            }
        }
    }

    fn directive(
        &self,
        words: &mut Vec<Word>,
        block: Option<Block>,
    ) -> Result<Directive, SyntaxError> {
        let mut words = std::mem::take(words).into_iter();
        let Some(name) = words.next() else {
            return Err(self.error("`;` or `{` follows no directive"));
        };
        Ok(Directive { name, arguments: words.collect(), block, end: self.at })
    }

    fn block(&mut self, words: &[Word], depth: usize) -> Result<Block, SyntaxError> {
        let open = self.at;
        let (directives, close) =
            if words.first().is_some_and(|name| name.text.ends_with("_by_lua_block")) {
                (Vec::new(), self.skip_lua()?)
            } else {
                self.directives(depth + 1)?
            };
        Ok(Block { directives, open, close })
    }

    /// Skips spaces and comments, and returns where the next word starts.
    fn skip_blank(&mut self) -> usize {
        while let Some(byte) = self.peek() {
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' => self.step(),
                b'#' => {
                    while self.peek().is_some_and(|byte| byte != b'\n') {
                        self.step();
                    }
                }
                _ => break,
            }
        }
        self.at
    }

    /// Reads what starts here; a word is added to `words`.
    fn token(&mut self, words: &mut Vec<Word>) -> Result<Token, SyntaxError> {
        let Some(byte) = self.peek() else { return Ok(Token::End) };
        let mark = match byte {
            b';' => Token::Semicolon,
            b'{' => Token::Open,
            b'}' => Token::Close,
            _ => {
                let word = match byte {
                    b'"' | b'\'' => self.quoted(byte)?,
                    _ => self.bare()?,
                };
                if word.text.len() > WORD_BYTES_MAX {
                    return Err(self.error("a word is longer than nginx takes"));
                }
                let Some(left) = self.words_left.checked_sub(1) else {
                    return Err(self.error("there are more words than are read"));
                };
                self.words_left = left;
                words.push(word);
                return Ok(Token::Word);
            }
        };
        self.step();
        Ok(mark)
    }

    fn quoted(&mut self, quote: u8) -> Result<Word, SyntaxError> {
        let (start, line, column) = (self.at, self.line, self.column);
        let mut bytes = Vec::new();
        self.step();
        loop {
            match self.peek() {
                None => {
                    return Err(SyntaxError { line, column, what: "a quote is not closed" });
                }
                Some(b'\\') => self.escape(&mut bytes)?,
                Some(byte) if byte == quote => break,
                Some(byte) => {
                    bytes.push(byte);
                    self.step();
                }
            }
        }
        self.step();
        // As nginx: `"a"b` is refused; in `if ("a" = "b")` the parenthesis is a word of its own
        // to us, as it says nothing.
        if !matches!(self.peek(), None | Some(b' ' | b'\t' | b'\r' | b'\n' | b';' | b'{' | b')')) {
            return Err(self.error("something stands right after a closing quote"));
        }
        Ok(Word { text: lossy(&bytes), line, column, start, end: self.at })
    }

    fn bare(&mut self) -> Result<Word, SyntaxError> {
        let (start, line, column) = (self.at, self.line, self.column);
        let mut bytes = Vec::new();
        let mut dollar = false;
        while let Some(byte) = self.peek() {
            match byte {
                b'{' if dollar => {}
                b' ' | b'\t' | b'\r' | b'\n' | b';' | b'{' => break,
                b'\\' => {
                    self.escape(&mut bytes)?;
                    dollar = false;
                    continue;
                }
                _ => {}
            }
            dollar = byte == b'$';
            bytes.push(byte);
            self.step();
        }
        Ok(Word { text: lossy(&bytes), line, column, start, end: self.at })
    }

    /// Takes `\"`, `\'`, `\\`, and the letters for blanks for what they mean; any other backslash
    /// stays, as regular expressions need it.
    fn escape(&mut self, bytes: &mut Vec<u8>) -> Result<(), SyntaxError> {
        self.step();
        let Some(byte) = self.peek() else {
            return Err(self.error("the file ends after a backslash"));
        };
        match byte {
            b'"' | b'\'' | b'\\' => bytes.push(byte),
            b't' => bytes.push(b'\t'),
            b'r' => bytes.push(b'\r'),
            b'n' => bytes.push(b'\n'),
            _ => bytes.extend([b'\\', byte]),
        }
        self.step();
        Ok(())
    }

    /// Skips to behind the `}` that closes a block of Lua, and returns where that is.
    fn skip_lua(&mut self) -> Result<usize, SyntaxError> {
        let mut depth = 0_usize;
        while let Some(byte) = self.peek() {
            match byte {
                b'{' => depth += 1,
                b'}' if depth == 0 => {
                    let close = self.at;
                    self.step();
                    return Ok(close);
                }
                b'}' => depth -= 1,
                b'"' | b'\'' => self.skip_lua_string(byte),
                b'[' if self.lua_long().is_some() => {
                    self.skip_lua_long();
                    continue;
                }
                b'-' if self.text.get(self.at + 1) == Some(&b'-') => {
                    self.step();
                    self.step();
                    if self.lua_long().is_some() {
                        self.skip_lua_long();
                    } else {
                        while self.peek().is_some_and(|byte| byte != b'\n') {
                            self.step();
                        }
                    }
                    continue;
                }
                _ => {}
            }
            self.step();
        }
        Err(self.error("a block of Lua is not closed"))
    }

    /// Stops at the closing quote.
    fn skip_lua_string(&mut self, quote: u8) {
        self.step();
        while let Some(byte) = self.peek() {
            match byte {
                b'\\' => self.step(),
                // A string of Lua does not go on in the next line.
                b'\n' => return,
                _ if byte == quote => return,
                _ => {}
            }
            self.step();
        }
    }

    /// How many `=` the long bracket has that opens here, if one does.
    fn lua_long(&self) -> Option<usize> {
        let rest = self.text.get(self.at..)?.strip_prefix(b"[")?;
        let level = rest.iter().take_while(|&&byte| byte == b'=').count();
        (rest.get(level) == Some(&b'[')).then_some(level)
    }

    fn skip_lua_long(&mut self) {
        let level = self.lua_long().unwrap_or_default();
        let mut close = vec![b'='; level + 2];
        close[0] = b']';
        close[level + 1] = b']';
        while self.at < self.text.len() {
            let closes = self.text.get(self.at..).is_some_and(|rest| rest.starts_with(&close));
            self.step();
            if closes {
                for _ in 0..=level {
                    self.step();
                }
                return;
            }
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn step(&mut self) {
        match self.peek() {
            Some(b'\n') => {
                self.line += 1;
                self.column = 1;
            }
            // The second and later bytes of a character in UTF-8 are no columns of their own.
            Some(byte) if byte & 0xc0 == 0x80 => {}
            Some(_) => self.column += 1,
            None => return,
        }
        self.at += 1;
    }

    fn error(&self, what: &'static str) -> SyntaxError {
        SyntaxError { line: self.line, column: self.column, what }
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Real configurations nest five deep; each level is a call on the stack.
const DEPTH_MAX: usize = 64;

/// The buffer of nginx for its configuration: a longer word is refused there, too.
const WORD_BYTES_MAX: usize = 4096;
