//! Refused rows that are screened again: the pack was mended, or a person looked at them.

use std::sync::Arc;

use crate::batch::{At, Batch, Fields, Hands, Row, Value};
use crate::limits::Limits;
use crate::{Counts, IntakeError, ParsedRow, Portion, ReadOptions, Stopped};

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
    take: &mut dyn FnMut(Portion) -> Result<(), Stopped>,
) -> Result<Counts, IntakeError> {
    let hands = Hands { progress: &mut |_| (), take, table: None };
    let mut batch = Batch::new(SOURCE.to_owned(), None, options, hands, Limits::STANDARD);
    let file: Arc<str> = SOURCE.into();
    let mut some = false;
    while let Some(AgainRow { number, parsed }) = next().map_err(|Stopped| IntakeError::Stopped)? {
        some = true;
        let Some(person) = batch.person(parsed.subject.reveal()) else { continue };
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
        batch.screen(At { file: &file, row: number }, &row, &FIELDS, &Vec::new)?;
    }
    if some { Ok(batch.finish([0; 32])?.counts) } else { Ok(Counts::default()) }
}

const FIELDS: Fields = Fields { time: "time", name: "name", value: "value", unit: "unit" };

/// What such rows are called in messages.
const SOURCE: &str = "quarantine";
