//! Names of people in notes: those that the record knows, and those that stand where names stand.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;

use super::patterns::compile;
use super::places::end_of_words;
use super::{Found, Kind};

/// Where names stand.
pub(super) struct Names {
    forms: Vec<Regex>,
    no_names: BTreeSet<&'static str>,
}

impl Names {
    pub(super) fn new() -> Self {
        let cap = "(?:\\p{Lu}[\\p{L}'’-]*\\p{L}[0-9]{0,3})";
        let initial = "(?:\\p{Lu}\\.?)";
        let particle = "(?:de|da|di|du|del|della|van|von|der|den|la|le|bin|ibn|al|el|st\\.?)";
        let person = format!(
            "(?:{initial}[ \\t]+)?{cap}(?:[ \\t]+(?:{initial}[ \\t]+)?(?:{particle}[ \\t]+){{0,2}}{cap}){{0,2}}"
        );
        let last_first = format!("{cap},[ \\t]*{cap}(?:[ \\t]+{initial}(?:\\b|$))?");
        let title = "\\b(?:Mr|Mrs|Ms|Miss|Mx|Dr|Drs|Prof|Rev|Sir|Madam|Doctor|Nurse|Professor|MR|MRS|MS|DR)\\b\\.?[ \\t]+";
        let label = "(?i:\\b(?:patient(?:'s)?(?: name)?|pt\\.?(?: name)?|(?:full |sur|last |first |maiden |given )?name|\
                     spouse|next of kin|nok|emergency contact|guardian|employer|attending|provider|\
                     (?:referring |primary care |ordering |attending )?(?:physician|provider)|surgeon|\
                     author|pcp|resident|consultant|caregiver|contact(?: person)?|cc|interpreter|\
                     witness|proxy|re|attn|dictated|transcribed|signed|mother|father|nurse|counselor)[ \\t]*[:=][ \\t]*)";
        let by = "(?i:\\b(?:signed|dictated|transcribed|typed|reviewed|seen|examined|evaluated|referred|\
                  accompanied|prescribed|ordered|interpreted|verified|authorized|assisted|performed|\
                  witnessed|cosigned|written|authored|documented|followed|managed|reported|provided|\
                  administered|interviewed|supervised|recorded|entered)(?:[ \\t]+(?:electronically|today|\
                  jointly|initially))?[ \\t]+by|(?:discussed|spoke|consulted|reviewed|met|follow(?:ed|s)?[ -]?up|\
                  meeting|appointment|visit|lives|living|talked|conferred|conversation|accompanied)\
                  (?:[ \\t]+\\S+){0,3}?[ \\t]+(?:with|to|by)|per|d/w|informed|notified|paged|called|attn)[ \\t]*:?[ \\t]+";
        let relation = "(?i:\\b(?:wife|husband|spouse|partner|son|daughter|mother|father|mom|dad|brother|\
                        sister|aunt|uncle|niece|nephew|cousin|grand(?:son|daughter|mother|father|ma|pa)|\
                        fianc[eé]e?|boyfriend|girlfriend|friend|neighbou?r|caregiver|caretaker|boss|\
                        roommate|step(?:son|daughter|mother|father)|(?:son|daughter|mother|father|\
                        brother|sister)-in-law|twin|proxy|guardian|interpreter|nurse)(?:,|:|[ \\t]+named|\
                        [ \\t]+is|[ \\t]+\\()?[ \\t]*\\(?)";
        let after = "(?:,[ \\t]*|[ \\t]+)(?:M\\.?D|D\\.?O|R\\.?N|N\\.?P|P\\.?A(?:-C)?|Ph\\.?D|FNP|CRNA|LPN|MSW|LCSW|\
                     LICSW|DDS|DMD|DPM|PharmD|MBBS|FACP|FACS|FACC|APRN|ARNP|BSN|MSN|CNM|RDN|DPT|PsyD)\\b";
        let forms = [
            format!("{title}(?P<x>{person}|{initial}[ \\t]+{cap})"),
            format!("{label}(?P<x>{last_first}|{person})"),
            format!("{by}(?:Dr\\.?[ \\t]+|Mrs?\\.?[ \\t]+|Ms\\.?[ \\t]+)?(?P<x>{person})"),
            format!("{relation}(?P<x>{person})"),
            format!("\\b(?P<x>{person}){after}"),
            format!(
                "\\b(?P<x>(?:{})(?:[ \\t]+(?:{initial}[ \\t]+)?(?:{particle}[ \\t]+){{0,2}}{cap}){{0,2}})\\b",
                given_names()
            ),
            format!(
                "\\b(?P<x>(?:{cap}[ \\t]+(?:{initial}[ \\t]+)?|{initial}[ \\t]+)(?:{}))\\b",
                FAMILY_NAMES.split_whitespace().collect::<Vec<_>>().join("|")
            ),
        ];
        Self {
            forms: forms.iter().map(|pattern| compile(pattern)).collect(),
            no_names: NO_NAMES.split_whitespace().collect(),
        }
    }

    /// Returns whether a capitalized word is no name: it begins a sentence or a section, or is a
    /// word of medicine.
    pub(super) fn is_no_name(&self, word: &str) -> bool {
        let word = word.trim_end_matches([',', '.', ':', ';', ')']).to_lowercase();
        self.no_names.contains(word.strip_suffix("'s").unwrap_or(&word))
    }

    /// Finds names by where they stand.
    pub(super) fn find(&self, text: &str, found: &mut Vec<Found>) {
        for form in &self.forms {
            for name in form.captures_iter(text).filter_map(|all| all.name("x")) {
                let words = name.as_str().split([' ', '\t']);
                let length = end_of_words(
                    name.as_str(),
                    words.take_while(|word| !self.is_no_name(word)).count(),
                );
                let name_text = &name.as_str()[..length];
                // An initial alone is no name.
                if name_text.chars().filter(|char| char.is_alphabetic()).count() < 2 {
                    continue;
                }
                let (start, end) = (name.start(), name.start() + length);
                found.push(Found { start, end, kind: Kind::Name, put: TAG.to_owned() });
            }
        }
    }
}

/// What the record itself says of a person: names, and other identifiers as they are written.
#[derive(Default)]
pub(crate) struct Terms {
    /// By the first word in small letters: the whole term, in small letters, and its kind.
    by_word: BTreeMap<String, Vec<(Vec<String>, Kind)>>,
    size: usize,
}

impl Terms {
    /// Adds what stands in the record. What is too short to tell from a common word is left out.
    pub(crate) fn add(&mut self, kind: Kind, text: &str) {
        let words: Vec<String> = words(text).map(|(_, word)| word.to_lowercase()).collect();
        let Some(first) = words.first() else { return };
        if TERMS_MAX <= self.size || words.iter().map(String::len).sum::<usize>() < TERM_LEN_MIN {
            return;
        }
        self.size += 1;
        let terms = self.by_word.entry(first.clone()).or_default();
        if !terms.iter().any(|(known, _)| *known == words) {
            terms.push((words, kind));
        }
    }

    /// Returns about how many bytes this takes.
    pub(crate) fn size(&self) -> usize {
        self.size * TERM_SIZE
    }

    /// Finds the terms in a text, whatever the case; a single name must begin with a capital
    /// letter, because many names are words too.
    pub(super) fn find(&self, text: &str, found: &mut Vec<Found>) {
        let all: Vec<_> = words(text).collect();
        for (at, (start, word)) in all.iter().enumerate() {
            let Some(terms) = self.by_word.get(&word.to_lowercase()) else { continue };
            for (term, kind) in terms {
                let Some(part) = all.get(at..at + term.len()) else { continue };
                let same =
                    part.iter().zip(term).all(|((_, word), known)| word.to_lowercase() == *known);
                let plain = term.len() == 1 && *kind == Kind::Name;
                if !same || (plain && !word.starts_with(char::is_uppercase)) {
                    continue;
                }
                let (last_start, last) = part[part.len() - 1];
                let put = format!("[{}]", kind.code());
                found.push(Found { start: *start, end: last_start + last.len(), kind: *kind, put });
            }
        }
    }
}

/// Words with where they begin: letters and digits, and what joins them.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let is_word = |char: char| char.is_alphanumeric() || matches!(char, '\'' | '’' | '-' | '_');
    let mut rest = 0;
    std::iter::from_fn(move || {
        let start = rest + text[rest..].find(is_word)?;
        let length = text[start..].find(|char| !is_word(char)).unwrap_or(text.len() - start);
        rest = start + length;
        Some((start, &text[start..rest]))
    })
}

fn given_names() -> String {
    let names: Vec<String> = GIVEN_NAMES.split_whitespace().map(str::to_owned).collect();
    let capitals: Vec<String> = names.iter().map(|name| name.to_uppercase()).collect();
    [names, capitals].concat().join("|")
}

const TAG: &str = "[name]";

/// A term of fewer letters would take out too many words.
const TERM_LEN_MIN: usize = 2;

/// Most terms of one person; more is no record of one.
const TERMS_MAX: usize = 200;

/// About how many bytes a term takes.
const TERM_SIZE: usize = 120;

/// The most frequent given names in the United States that are no common words.
const GIVEN_NAMES: &str = include_str!("words/given-names.txt");

/// The most frequent family names in the United States that are no common words.
const FAMILY_NAMES: &str = include_str!("words/family-names.txt");

/// Capitalized words that are no names.
const NO_NAMES: &str = include_str!("words/no-names.txt");

#[cfg(test)]
mod tests {
    use super::Names;

    #[test]
    fn words_of_medicine_are_no_names() {
        let names = Names::new();
        assert!(names.is_no_name("Assessment:") && names.is_no_name("Parkinson's"));
        assert!(!names.is_no_name("Okonkwo"));
    }
}
