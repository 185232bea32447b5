//! Whether a refused row or a name concerns a person.
//!
//! A row whose fields were found concerns whom its own field names. Where no fields were found,
//! an identifier that stands alone among letters and digits is taken for the person: a row too
//! many is blanked rather than one too few.

use twinkeep_domain::{SourceSubject, Subject};
use twinkeep_intake::QuarantinedRow;
use twinkeep_store::QuarantinedRecord;
use twinkeep_vault::Pseudonymizer;

use crate::{App, AppError};

/// A person as a site names them.
pub(crate) struct Person {
    pub(crate) subject: Subject,
    pub(crate) site: String,
    pub(crate) identifier: String,
}

impl Person {
    /// Returns whether a refused row of `site` is about the person; an empty one is any.
    pub(crate) fn is_in(&self, site: &str, row: &QuarantinedRecord) -> bool {
        // Where a live event was refused for want of a subject, its site is not known.
        let elsewhere = !site.is_empty() && site != self.site;
        if elsewhere || self.identifier.is_empty() {
            return false;
        }
        match &row.parsed {
            Some(parsed) => parsed.source.trim() == self.identifier,
            None => {
                names(row.raw.expose(), &self.identifier)
                    || names(row.file.expose(), &self.identifier)
            }
        }
    }

    /// Returns whether the name of a source of `site` tells of the person.
    pub(crate) fn is_named_by(&self, site: &str, text: &str) -> bool {
        site == self.site && names(text.as_bytes(), &self.identifier)
    }
}

impl App {
    /// Returns whom a person at the keyboard means: a pseudonym, or an identifier of a source.
    ///
    /// Somebody of whom nothing but refused rows is here can be named by SITE/IDENTIFIER.
    pub(crate) fn find_person(&self, text: &str) -> Result<Person, AppError> {
        let subject = self.find_subject(text)?;
        let known = self.store.source_of(subject);
        let named = match &known {
            Ok(Some(source)) => source.reveal(),
            _ if Subject::parse(text).is_none() => text,
            _ => "",
        };
        let (site, identifier) = named.split_once('/').unwrap_or((crate::sites::LOCAL_SITE, named));
        Ok(Person { subject, site: site.to_owned(), identifier: identifier.to_owned() })
    }
}

/// Returns everybody whom a row that was refused now may concern: the one whom its own field
/// names, or whoever is called like any word of it.
pub(crate) fn people_in<'r>(
    row: &'r QuarantinedRow,
    pseudonyms: &'r Pseudonymizer,
) -> Box<dyn Iterator<Item = Subject> + 'r> {
    if let Some(parsed) = &row.parsed {
        return Box::new(std::iter::once(pseudonyms.pseudonym(&parsed.subject)));
    }
    let texts = [row.raw.expose(), row.origin.file.as_bytes()];
    // Many identifiers have hyphens and the like in them, and many stand beside one.
    let narrow = |byte: &u8| !byte.is_ascii_alphanumeric();
    let wide = |byte: &u8| !byte.is_ascii_alphanumeric() && !b"-_.:".contains(byte);
    let words = texts.into_iter().flat_map(move |text| text.split(narrow).chain(text.split(wide)));
    Box::new(words.filter_map(|word| {
        let source = SourceSubject::new(std::str::from_utf8(word).ok()?)?;
        Some(pseudonyms.pseudonym(&source))
    }))
}

/// Returns whether `identifier` is in `bytes`, with no letter or digit right before or after it.
fn names(bytes: &[u8], identifier: &str) -> bool {
    let identifier = identifier.as_bytes();
    if identifier.is_empty() {
        return false;
    }
    let alone = |index: Option<usize>| {
        index.and_then(|index| bytes.get(index)).is_none_or(|byte| !byte.is_ascii_alphanumeric())
    };
    bytes.windows(identifier.len()).enumerate().any(|(start, found)| {
        found == identifier && alone(start.checked_sub(1)) && alone(Some(start + identifier.len()))
    })
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn an_identifier_is_found_where_it_stands_alone() {
        for text in ["4711", "00:00,RecordID,4711", "set-a/4711.txt", "4711,12", "x 4711"] {
            assert!(names(text.as_bytes(), "4711"), "{text}");
        }
        for text in ["", "47110", "14711", "a4711", "471", "4711a"] {
            assert!(!names(text.as_bytes(), "4711"), "{text}");
        }
        assert!(names(b"47110 4711", "4711"));
        assert!(!names(b"anything", ""));
    }
}
