//! Identifiers in prose, notes, logs, and messages: what follows a label, and what has a form of
//! its own.
//!
//! Text is walked once. Only four bytes make anything happen: a digit that begins a number, an `@`,
//! and a `:` or `#` after a word that is a label.

use std::collections::BTreeMap;

use super::{Found, Kind, values};

/// Counts of a text.
#[derive(Default)]
pub(super) struct TextScan {
    counts: BTreeMap<Kind, u64>,
    lines: u64,
}

impl TextScan {
    /// Looks at a piece of text that ends at the end of a line, or of the field it is in.
    pub(super) fn scan(&mut self, text: &[u8]) {
        self.lines += 1;
        let mut before_is_digit = false;
        let mut at = 0;
        while let Some(&byte) = text.get(at) {
            let action = ACTIONS[usize::from(byte)];
            if action == PASS {
                before_is_digit = false;
                at += 1;
                continue;
            }
            at = match action {
                DIGIT if before_is_digit => at + 1,
                DIGIT => self.number(text, at),
                AT => self.address(text, at),
                _ => self.label(text, at),
            };
            before_is_digit = action == DIGIT;
        }
    }

    /// Counts one line of a message of HL7 version 2 if it is about the patient.
    pub(super) fn hl7_segment(&mut self, line: &[u8]) {
        if !line.starts_with(b"PID|") {
            return;
        }
        for (at, field) in line.split(|&byte| byte == b'|').enumerate() {
            let kind = match at {
                2..=4 => Kind::RecordNumber,
                5 | 6 | 9 => Kind::Name,
                7 => Kind::BirthDate,
                11 => Kind::Address,
                13 | 14 => Kind::Phone,
                19 => Kind::Ssn,
                _ => continue,
            };
            if field.iter().any(u8::is_ascii_alphanumeric) {
                self.count(kind);
            }
        }
    }

    /// Returns what was found, and how often.
    pub(super) fn found(&self) -> Vec<Found> {
        self.counts
            .iter()
            .map(|(kind, rows)| Found { kind: *kind, rows: *rows, of: self.lines })
            .collect()
    }

    fn count(&mut self, kind: Kind) {
        *self.counts.entry(kind).or_default() += 1;
    }

    /// A number begins at `at`. Returns where to go on.
    fn number(&mut self, text: &[u8], at: usize) -> usize {
        let end = text[at..]
            .iter()
            .take(NUMBER_LEN_MAX)
            .position(|byte| !matches!(byte, b'0'..=b'9' | b'-' | b'.' | b'(' | b')' | b' ' | b'/'))
            .map_or_else(|| text.len().min(at + NUMBER_LEN_MAX), |length| at + length);
        let first_word =
            text[at..end].iter().position(|byte| *byte == b' ').map_or(end, |length| at + length);
        let trim = |from: usize, to: usize| text[from..to].trim_ascii_end();
        let word = trim(at, first_word);
        let word = word.strip_suffix(b".").unwrap_or(word);
        let bordered = !text
            .get(at.wrapping_sub(1))
            .is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
        let ends = !text.get(at + word.len()).is_some_and(u8::is_ascii_alphanumeric);
        if bordered && ends && 7 <= word.len() {
            if values::ssn(word) {
                self.count(Kind::Ssn);
                return first_word;
            }
            if values::ipv4(word) {
                self.count(Kind::Ip);
                return first_word;
            }
        }
        // `(555) 123-4567`: the parenthesis before the number is a part of it.
        let from =
            if at.checked_sub(1).is_some_and(|open| text[open] == b'(') { at - 1 } else { at };
        let number = trim(from, end.min(from + PHONE_LEN_MAX));
        if bordered && 10 <= number.len() {
            let number = longest_phone(number);
            if let Some(length) = number {
                self.count(Kind::Phone);
                return from + length;
            }
        }
        first_word.max(at + 1)
    }

    /// An `@` stands at `at`.
    fn address(&mut self, text: &[u8], at: usize) -> usize {
        let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"._%+-".contains(byte);
        let before = text[..at].iter().rev().take(64).take_while(|byte| is_part(byte)).count();
        let after = text[at + 1..].iter().take(255).take_while(|byte| is_part(byte)).count();
        let whole = &text[at - before..at + 1 + after];
        if values::email(whole.strip_suffix(b".").unwrap_or(whole)) {
            self.count(Kind::Email);
        }
        at + 1
    }

    /// A `:` or `#` stands at `at`: what is before it may be a label, and what is after it a value.
    fn label(&mut self, text: &[u8], at: usize) -> usize {
        let before = text[..at].trim_ascii_end();
        let start = before.len().saturating_sub(LABEL_LEN_MAX);
        let before = &before[start..];
        let Some((_, kind)) = LABELS.iter().find(|(label, _)| ends_with_word(before, label)) else {
            return at + 1;
        };
        let after = &text[at + 1..];
        let spaces = after
            .iter()
            .take(8)
            .take_while(|byte| matches!(byte, b' ' | b'\t' | b'#' | b':' | b'*' | b'"'))
            .count();
        let value = &after[spaces..];
        let length = value
            .iter()
            .take(VALUE_LEN_MAX)
            .take_while(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b';' | b'"'))
            .count();
        let value = value[..length].strip_suffix(b",").unwrap_or(&value[..length]);
        let digits = value.iter().filter(|byte| byte.is_ascii_digit()).count();
        let agrees = match kind {
            Kind::Name => {
                2 <= value.len()
                    && value[0].is_ascii_uppercase()
                    && digits == 0
                    && value[1..].iter().any(|byte| byte.is_ascii_lowercase() || *byte == b'.')
            }
            Kind::BirthDate => values::date(value).is_some() || (4 <= digits && value.len() <= 10),
            Kind::Ssn => 4 <= digits,
            Kind::Address => 1 <= digits,
            _ => 3 <= digits,
        };
        if agrees {
            self.count(*kind);
            // What the label explained is not counted a second time by its form.
            return at + 1 + spaces + length;
        }
        at + 1
    }
}

/// Returns how many bytes at the beginning are a telephone number: the most that are one.
fn longest_phone(text: &[u8]) -> Option<usize> {
    (10..=text.len()).rev().find(|&length| {
        text[length - 1].is_ascii_digit()
            && !text.get(length).is_some_and(u8::is_ascii_digit)
            && values::phone(&text[..length])
    })
}

/// Whether text ends with a label, in any case, and the label is no end of a longer word.
fn ends_with_word(text: &[u8], label: &[u8]) -> bool {
    let Some(start) = text.len().checked_sub(label.len()) else { return false };
    text[start..].eq_ignore_ascii_case(label)
        && !text[..start].last().is_some_and(u8::is_ascii_alphanumeric)
}

const PASS: u8 = 0;
const DIGIT: u8 = 1;
const AT: u8 = 2;
const LABEL: u8 = 3;

/// What each byte makes happen.
const ACTIONS: [u8; 256] = {
    let mut actions = [PASS; 256];
    let mut digit = b'0';
    while digit <= b'9' {
        actions[digit as usize] = DIGIT;
        digit += 1;
    }
    actions[b'@' as usize] = AT;
    actions[b':' as usize] = LABEL;
    actions[b'#' as usize] = LABEL;
    actions
};

/// Labels of notes, after which a value stands.
const LABELS: &[(&[u8], Kind)] = &[
    (b"mrn", Kind::RecordNumber),
    (b"medical record number", Kind::RecordNumber),
    (b"medical record no", Kind::RecordNumber),
    (b"record number", Kind::RecordNumber),
    (b"patient id", Kind::RecordNumber),
    (b"patientennummer", Kind::RecordNumber),
    (b"dob", Kind::BirthDate),
    (b"date of birth", Kind::BirthDate),
    (b"birth date", Kind::BirthDate),
    (b"geburtsdatum", Kind::BirthDate),
    (b"date de naissance", Kind::BirthDate),
    (b"fecha de nacimiento", Kind::BirthDate),
    (b"ssn", Kind::Ssn),
    (b"social security number", Kind::Ssn),
    (b"patient", Kind::Name),
    (b"patient name", Kind::Name),
    (b"name", Kind::Name),
    (b"member id", Kind::HealthPlan),
    (b"policy number", Kind::HealthPlan),
    (b"medicare number", Kind::HealthPlan),
    (b"account number", Kind::Account),
    (b"phone", Kind::Phone),
    (b"telephone", Kind::Phone),
    (b"tel", Kind::Phone),
    (b"fax", Kind::Fax),
    (b"address", Kind::Address),
    (b"license number", Kind::License),
    (b"passport number", Kind::License),
];

/// No label is longer.
const LABEL_LEN_MAX: usize = 32;

/// No value after a label is longer.
const VALUE_LEN_MAX: usize = 64;

/// No number with its separators is longer.
const NUMBER_LEN_MAX: usize = 32;

/// `+1 (555) 123-4567`, with room.
const PHONE_LEN_MAX: usize = 24;
