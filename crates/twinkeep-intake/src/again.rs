//! Refused rows that are screened again: the pack was mended, or a person looked at them.

use std::sync::Arc;

use crate::batch::{At, Batch, Fields, Hands, Row, Value, with_batch};
use crate::finishing::Take;
use crate::limits::Limits;
use crate::{Counts, IntakeError, ParsedRow, ReadOptions, Stopped};

/// A refused row, read back.
pub struct AgainRow {
    /// Which one it is; becomes the row of its origin.
    pub number: u64,
    /// What it says.
    pub parsed: ParsedRow,
}

/// Screens refused rows again, until `next` has no more; rows that do not pass come back in the
/// portions.
pub fn screen_again(
    next: &mut dyn FnMut() -> Result<Option<AgainRow>, Stopped>,
    options: &ReadOptions<'_>,
    take: Take<'_>,
) -> Result<Counts, IntakeError> {
    let file: Arc<str> = SOURCE.into();
    let Some(first) = next().map_err(|Stopped| IntakeError::Stopped)? else {
        return Ok(Counts::default());
    };
    let hands = Hands { progress: &mut |_| (), take, table: None };
    let screened =
        with_batch(SOURCE.to_owned(), None, options, hands, Limits::STANDARD, |mut batch| {
            let mut row = Some(first);
            while let Some(again) = row {
                screen(&mut batch, &file, &again)?;
                row = next().map_err(|Stopped| IntakeError::Stopped)?;
            }
            batch.finish([0; 32])
        });
    Ok(screened?.counts)
}

fn screen(batch: &mut Batch<'_>, file: &Arc<str>, row: &AgainRow) -> Result<(), IntakeError> {
    let AgainRow { number, parsed } = row;
    let Some(person) = batch.person(parsed.subject.reveal()) else { return Ok(()) };
    let row = Row {
        person: &person,
        time: parsed.time,
        name: parsed.name.as_bytes(),
        value: match &*parsed.value {
            "" => Value::Null,
            text => Value::Text(text.as_bytes()),
        },
        unit: parsed.unit.as_deref(),
        text: parsed.text.as_deref(),
    };
    batch.screen(At { file, row: *number }, &row, &FIELDS, &Vec::new)
}

const FIELDS: Fields = Fields { time: "time", name: "name", value: "value", unit: "unit" };

/// What such rows are called in messages.
const SOURCE: &str = "quarantine";
