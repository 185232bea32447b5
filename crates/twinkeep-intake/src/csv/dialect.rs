//! How a file of delimited text is written: delimiter, quotes, encoding, and numbers.

use std::borrow::Cow;

use encoding_rs::Encoding;

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Dialect {
    pub delimiter: Delimiter,
    /// The quote, or none.
    pub quote: Option<u8>,
    /// What stands before a quote inside quotes; by default, the quote is doubled.
    pub escape: Option<u8>,
    /// `None` for UTF-8. A byte order mark in the file counts for more.
    pub encoding: Option<&'static Encoding>,
    /// `b'.'` or `b','`.
    pub decimal: u8,
    /// What may stand between groups of digits.
    pub thousands: Option<u8>,
    pub unfinished: Unfinished,
}

/// What stands between fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delimiter {
    /// This byte.
    Byte(u8),
    /// The one that the first line has most of; a file with tabs is read without quotes.
    Auto,
}

/// What to make of a last record without a line end: the file may be cut short in the middle of a
/// number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unfinished {
    /// Refuse it.
    Refuse,
    /// Take it: the program that writes these files never ends the last line.
    Keep,
}

impl Dialect {
    /// What is assumed of a file of which nothing is said.
    pub(crate) const STANDARD: Self = Self {
        delimiter: Delimiter::Auto,
        quote: Some(b'"'),
        escape: None,
        encoding: None,
        decimal: b'.',
        thousands: None,
        unfinished: Unfinished::Refuse,
    };

    /// Finds the delimiter and the quote of a file that begins like this.
    pub(crate) fn delimiter_and_quote(&self, head: &[u8]) -> (u8, Option<u8>) {
        let Delimiter::Auto = self.delimiter else {
            let Delimiter::Byte(delimiter) = self.delimiter else { return (b',', self.quote) };
            return (delimiter, self.quote);
        };
        let end = head.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
        let line = &head[..end.unwrap_or(head.len())];
        let count = |delimiter: u8| line.iter().filter(|&&byte| byte == delimiter).count();
        // The first of those that are equally frequent.
        let best = *CANDIDATES.iter().rev().max_by_key(|&&byte| count(byte)).unwrap_or(&b',');
        // text/tab-separated-values (IANA) knows no quotes, and OHDSI's vocabularies have bare ones.
        if best == b'\t' { (best, None) } else { (best, self.quote) }
    }

    /// Writes a number as programs do: a point, and no groups. `None` if it has both a point and
    /// a decimal comma without saying that the point separates groups.
    pub(crate) fn number<'t>(&self, text: &'t str) -> Option<Cow<'t, str>> {
        if self.decimal == b'.' && self.thousands.is_none() {
            return Some(Cow::Borrowed(text));
        }
        let mut plain = String::with_capacity(text.len());
        for byte in text.bytes() {
            if Some(byte) == self.thousands {
                continue;
            }
            match byte {
                _ if byte == self.decimal => plain.push('.'),
                b'.' | b',' => return None,
                _ => plain.push(char::from(byte)),
            }
        }
        Some(Cow::Owned(plain))
    }
}

const CANDIDATES: [u8; 4] = [b',', b'\t', b';', b'|'];
