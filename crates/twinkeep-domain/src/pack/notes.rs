//! Notes from which models learn: which, and into how many groups their words are put.

use super::{CodePattern, Pack, PackError};
use crate::limits;

/// How the text of notes becomes numbers.
///
/// Words, and sequences of words, are put into groups by a hash: a model knows groups, never words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotePlan {
    /// Which events are notes.
    pub codes: Vec<CodePattern>,
    /// How many groups there are.
    pub bucket_count: usize,
    /// The longest sequence of words that counts as one.
    pub ngram: usize,
}

impl NotePlan {
    /// Returns whether events with a code are notes.
    pub fn is_about(&self, code: &str) -> bool {
        self.codes.iter().any(|pattern| pattern.matches(code))
    }

    pub(super) fn check(&self, pack: &Pack) -> Result<(), PackError> {
        let wrong = |reason| Err(PackError::Notes(reason));
        if self.codes.is_empty() {
            return wrong("`codes` names no code");
        }
        if !(limits::NOTE_BUCKET_COUNT_MIN..=limits::NOTE_BUCKET_COUNT_MAX)
            .contains(&self.bucket_count)
        {
            return wrong("`buckets` must be 16 to 4,096");
        }
        if !(1..=limits::NOTE_NGRAM_MAX).contains(&self.ngram) {
            return wrong("`ngram` must be 1 to 3");
        }
        for pattern in &self.codes {
            let name = pattern.beginning();
            if pack.variables().iter().any(|variable| pattern.matches(variable.code.as_str())) {
                return wrong("a variable is a number, and has no text");
            }
            let codes = &pack.screening().codes;
            let kept = codes.keeps(name)
                || (pattern.is_prefix() && codes.accept.iter().any(|own| own.starts_with(name)));
            if !kept {
                return Err(PackError::UnknownCode(pattern.to_string()));
            }
        }
        Ok(())
    }
}
