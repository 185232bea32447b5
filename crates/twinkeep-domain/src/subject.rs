//! Who an event is about: a pseudonym inside the keep, a source identifier outside.

use std::fmt;

/// A subject's pseudonym: a number that only this keep can link to a person.
///
/// It fits the `subject_id` column of MEDS (int64) and is never negative.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject(i64);

impl Subject {
    /// Takes a pseudonym that the keep made or stored; `None` if it is negative.
    pub fn from_pseudonym(number: i64) -> Option<Self> {
        (0 <= number).then_some(Self(number))
    }

    /// Returns the number. For storage and for answers to whoever may read this subject.
    pub fn reveal(self) -> i64 {
        self.0
    }

    /// Returns the form that people type and read: `sub-` and 16 hexadecimal digits.
    pub fn reveal_text(self) -> String {
        format!("{PREFIX}{:016x}", self.0)
    }

    /// Reads what [`Subject::reveal_text`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(PREFIX)?;
        let lower = digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if digits.len() != 16 || !lower {
            return None;
        }
        Self::from_pseudonym(i64::from_str_radix(digits, 16).ok()?)
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Subject(hidden)")
    }
}

/// The identifier a source uses for a person: a record number, a customer number.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SourceSubject(Box<str>);

impl SourceSubject {
    /// Takes an identifier from a source; `None` if it is empty, too long, or has control characters.
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        let valid = !text.is_empty()
            && text.len() <= crate::limits::SOURCE_SUBJECT_LEN_MAX
            && !text.chars().any(char::is_control);
        valid.then(|| Self(text.into()))
    }

    /// Takes an identifier that the source holds as a number; never refused.
    pub fn from_number(number: i64) -> Self {
        Self(number.to_string().into())
    }

    /// Returns the identifier. For making a pseudonym and for the sealed mapping only.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SourceSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SourceSubject(hidden)")
    }
}

const PREFIX: &str = "sub-";

#[cfg(test)]
mod tests {
    use super::{SourceSubject, Subject};

    #[test]
    fn the_text_form_reads_back() {
        let subject = Subject::from_pseudonym(0x0123_4567_89ab_cdef).unwrap();
        assert_eq!(subject.reveal_text(), "sub-0123456789abcdef");
        assert_eq!(Subject::parse("sub-0123456789abcdef"), Some(subject));
    }

    #[test]
    fn other_texts_are_not_subjects() {
        for text in ["", "sub-", "132539", "sub-0123456789ABCDEF", "sub-f123456789abcdef"] {
            assert_eq!(Subject::parse(text), None, "{text}");
        }
    }

    #[test]
    fn identity_hides_itself() {
        let subject = Subject::from_pseudonym(42).unwrap();
        assert_eq!(format!("{subject:?}"), "Subject(hidden)");
        let source = SourceSubject::new("132539").unwrap();
        assert_eq!(format!("{source:?}"), "SourceSubject(hidden)");
        assert_eq!(SourceSubject::new("a\nb"), None);
    }
}
