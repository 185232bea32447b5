//! PhysioNet 2012 text: one file a stay, `Time,Parameter,Value`, times as `HH:MM` since admission.
//!
//! A stay says whom it is about in a row of its own, `00:00,RecordID,132539`. That row becomes the
//! pseudonym and counts as accepted; it is never stored as an event, and so may stand anywhere in
//! the file. Times are placed at [`Timestamp::RELATIVE_ORIGIN`].

use std::sync::Arc;

use twinkeep_domain::Timestamp;

use crate::batch::{At, Batch, Fields, Person, Refusal, Row, Value};
use crate::input::Input;
use crate::{IntakeError, Reason};

/// Returns whether a text begins like a stay.
pub(crate) fn is_stay(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    let Some(rest) = bytes.strip_prefix(HEADER) else { return false };
    rest.is_empty() || rest.starts_with(b"\n") || rest.starts_with(b"\r\n")
}

/// Reads one stay.
pub(crate) fn read_stay(batch: &mut Batch<'_>, mut input: Input<'_>) -> Result<(), IntakeError> {
    let limit = batch.limits.text_file_size_max;
    let bytes = &input.whole(batch, "the size of a text file in bytes", limit)?;
    let file = input.name;
    let person = match identity(file, bytes) {
        Ok(identity) => batch.person(identity).ok_or(Reason::SubjectMissing),
        Err(reason) => Err(reason),
    };
    let person = match person {
        Ok(person) => person,
        Err(reason) => return refuse_all(batch, file, bytes, reason),
    };
    let mut stay = Stay { person, named: false, minutes: 0 };
    for (row, line, ended) in lines(bytes) {
        stay.read_line(batch, At { file, row }, line, ended)?;
    }
    Ok(())
}

/// One stay while its lines are read.
struct Stay {
    person: Person,
    named: bool,
    minutes: u32,
}

impl Stay {
    fn read_line(
        &mut self,
        batch: &mut Batch<'_>,
        at: At<'_>,
        line: &[u8],
        ended: bool,
    ) -> Result<(), IntakeError> {
        let refusal = |reason, field| Refusal { reason, field };
        if !ended {
            return batch.refuse(at, refusal(Reason::UnfinishedRow, None), line.to_vec());
        }
        if batch.limits.line_len_max < line.len() {
            return batch.refuse(at, refusal(Reason::TooLong, None), line.to_vec());
        }
        let Some([time, name, value]) = split(line) else {
            return batch.refuse(at, refusal(Reason::MalformedRow, None), line.to_vec());
        };
        let Some(minutes) = minutes(time) else {
            let refusal = refusal(Reason::BadTime, Some(FIELDS.time));
            return batch.refuse(at, refusal, line.to_vec());
        };
        if name == RECORD_ID {
            if self.named {
                return batch.refuse(at, refusal(Reason::Duplicate, None), line.to_vec());
            }
            self.named = true;
            return batch.accept_identity(&self.person);
        }
        if minutes < self.minutes {
            let refusal = refusal(Reason::OutOfOrder, Some(FIELDS.time));
            return batch.refuse(at, refusal, line.to_vec());
        }
        self.minutes = minutes;
        let micros = i64::from(minutes) * MICROS_PER_MINUTE;
        let row = Row {
            person: &self.person,
            time: Some(Timestamp::from_micros(Timestamp::RELATIVE_ORIGIN.micros() + micros)),
            name,
            value: Value::Text(value),
            unit: None,
            text: None,
        };
        batch.screen(at, &row, &FIELDS, &|| line.to_vec())
    }
}

/// Finds whom the stay is about. All rows that say so must agree, and a file that is called after
/// a number must be called after this one.
fn identity<'b>(file: &str, bytes: &'b [u8]) -> Result<&'b str, Reason> {
    let mut found: Option<&'b [u8]> = None;
    for (_, line, ended) in lines(bytes) {
        match split(line) {
            Some([time, RECORD_ID, value]) if ended && minutes(time).is_some() => {
                if found.is_some_and(|earlier| earlier != value) {
                    return Err(Reason::SubjectContradictory);
                }
                found = Some(value);
            }
            _ => {}
        }
    }
    let text = std::str::from_utf8(found.ok_or(Reason::SubjectMissing)?);
    let text = text.map_err(|_| Reason::SubjectMissing)?;
    let base = file.rsplit('/').next().unwrap_or(file);
    let stem = base.split('.').next().unwrap_or(base);
    let is_number = !stem.is_empty() && stem.bytes().all(|byte| byte.is_ascii_digit());
    if is_number && stem != text {
        return Err(Reason::SubjectContradictory);
    }
    Ok(text)
}

fn refuse_all(
    batch: &mut Batch<'_>,
    file: &Arc<str>,
    bytes: &[u8],
    reason: Reason,
) -> Result<(), IntakeError> {
    for (row, line, _) in lines(bytes) {
        let refusal = Refusal { reason, field: Some("RecordID") };
        batch.refuse(At { file, row }, refusal, line.to_vec())?;
    }
    Ok(())
}

/// Returns the lines after the header: number, bytes without the line end, whether it had one.
fn lines(bytes: &[u8]) -> impl Iterator<Item = (u64, &[u8], bool)> {
    let lines = bytes.split_inclusive(|&byte| byte == b'\n').zip(1..).skip(1);
    lines.map(|(line, number)| match line.strip_suffix(b"\n") {
        Some(line) => (number, line.strip_suffix(b"\r").unwrap_or(line), true),
        None => (number, line, false),
    })
}

/// Splits a line at its two commas.
fn split(line: &[u8]) -> Option<[&[u8]; 3]> {
    let mut fields = line.split(|&byte| byte == b',');
    let three = [fields.next()?, fields.next()?, fields.next()?];
    fields.next().is_none().then_some(three)
}

/// Reads `HH:MM`, up to 48:00.
fn minutes(time: &[u8]) -> Option<u32> {
    let digit = |byte: u8| byte.is_ascii_digit().then(|| u32::from(byte - b'0'));
    let &[h1, h2, b':', m1, m2] = time else { return None };
    let minutes = digit(m1)? * 10 + digit(m2)?;
    let total = (digit(h1)? * 10 + digit(h2)?) * 60 + minutes;
    (minutes < 60 && total <= MINUTES_MAX).then_some(total)
}

const HEADER: &[u8] = b"Time,Parameter,Value";
const RECORD_ID: &[u8] = b"RecordID";
const FIELDS: Fields = Fields { time: "Time", name: "Parameter", value: "Value", unit: "Unit" };

/// Some editors put it before the first line.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The format holds the first 48 hours of a stay.
const MINUTES_MAX: u32 = 48 * 60;

const MICROS_PER_MINUTE: i64 = 60_000_000;
