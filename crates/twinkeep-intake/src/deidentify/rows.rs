//! Takes identifiers out of the rows of a batch, whatever reader they come from.

use twinkeep_domain::SourceSubject;

use super::{KNOWN_SIZE_MAX, Terms};
use crate::batch::{At, Batch, Fields, Person, Refusal, Row, Value, number, parse};
use crate::limits::FUTURE_HOURS_MAX;
use crate::{Dates, IntakeError, ParsedRow, Reason};

impl Batch<'_> {
    /// Returns whether identifiers are taken out, so that it is worth learning them first.
    pub(crate) fn deidentifies(&self) -> bool {
        self.deidentifier.is_some()
    }

    /// Remembers what the record says of a person.
    pub(crate) fn learn(&mut self, person: &Person, terms: Terms) -> Result<(), IntakeError> {
        let subject = person.subject;
        let fits = self.deidentifier.as_mut().is_none_or(|one| one.learn(subject, terms));
        if fits {
            return Ok(());
        }
        let what = "what is remembered of people to de-identify their notes, in bytes";
        Err(self.limit(self.place_of(None), what, KNOWN_SIZE_MAX as u64))
    }

    /// As [`Batch::screen`], without identifiers. Returns false if none are taken out here.
    pub(crate) fn screen_without_identifiers(
        &mut self,
        at: At<'_>,
        row: &Row<'_>,
        fields: &Fields,
    ) -> Result<bool, IntakeError> {
        let now = self.options.now;
        let is_real = self.options.dates == Dates::Real;
        let Some(clean) = &mut self.deidentifier else { return Ok(false) };
        let subject = row.person.subject;
        let name = String::from_utf8_lossy(row.name);
        let file = clean.label(at.file);
        let at = At { file: &file, row: at.row };
        let typed = match row.value {
            Value::Text(text) => number(text).map_or(Value::Text(text), Value::Number),
            other => other,
        };
        let words = match typed {
            Value::Text(text) => {
                clean.text(subject, &name, &String::from_utf8_lossy(text)).into_owned()
            }
            _ => String::new(),
        };
        let value = match typed {
            Value::Number(number) => {
                clean.number(subject, &name, number).map_or(Value::Null, Value::Number)
            }
            Value::Text(_) => Value::Text(words.as_bytes()),
            other => other,
        };
        let text = row.text.map(|text| clean.text(subject, &name, text));
        let original_time = row.time;
        let time = original_time.map(|time| clean.time(subject, time));
        let row = Row { time, value, text: text.as_deref(), ..*row };
        let raw = line_of(&row);
        // A shifted time would hide that it lies ahead.
        let ahead = now.plus_hours(FUTURE_HOURS_MAX);
        if is_real && original_time.is_some_and(|time| ahead < time) {
            let refusal = Refusal { reason: Reason::FutureTime, field: Some(fields.time) };
            self.quarantine(at, refusal, raw, parse(&row))?;
            return Ok(true);
        }
        self.screen_row(at, &row, fields, &|| raw.clone())?;
        Ok(true)
    }
}

/// Writes a row with the pseudonym in place of the person's number.
fn line_of(row: &Row<'_>) -> Vec<u8> {
    let pseudonym = SourceSubject::new(&row.person.subject.reveal_text());
    let parsed = parse(row).zip(pseudonym).map(|(row, subject)| ParsedRow { subject, ..row });
    parsed.map(|row| row.to_line().into_bytes()).unwrap_or_default()
}
