//! Live events: a few rows that come one by one, screened by the same rules as a feed.

use std::sync::Arc;

use twinkeep_domain::Timestamp;

use crate::batch::{At, Batch, Fields, Hands, Refusal, Row, Value, with_batch};
use crate::limits::Limits;
use crate::{Counts, IntakeError, Portion, ReadOptions, Reason};

/// One event as it came.
pub struct LiveRow<'a> {
    /// What the source calls the person.
    pub subject: &'a str,
    /// When; `None` for what holds at all times.
    pub time: Option<Timestamp>,
    /// What: a code of the pack or another name of it.
    pub name: &'a str,
    /// The value, if it has one.
    pub value: Option<f32>,
    /// The unit; `None` if the name implies it.
    pub unit: Option<&'a str>,
    /// The text, if it has one.
    pub text: Option<&'a str>,
    /// The event as it came, for quarantine.
    pub raw: &'a [u8],
}

/// Screens events; the row of an origin is the place of the event, counted from 1.
pub fn screen_events(
    events: &[LiveRow<'_>],
    options: &ReadOptions<'_>,
) -> Result<(Vec<Portion>, Counts), IntakeError> {
    let mut portions = Vec::new();
    let mut take = |portion| {
        portions.push(portion);
        Ok(())
    };
    let hands = Hands { progress: &mut |_| (), take: &mut take, table: None };
    let file: Arc<str> = SOURCE.into();
    let screened =
        with_batch(SOURCE.to_owned(), None, options, hands, Limits::STANDARD, |mut batch| {
            for (event, row) in events.iter().zip(1..) {
                screen(&mut batch, At { file: &file, row }, event)?;
            }
            batch.finish([0; 32])
        });
    let counts = screened?.counts;
    Ok((portions, counts))
}

fn screen(batch: &mut Batch<'_>, at: At<'_>, event: &LiveRow<'_>) -> Result<(), IntakeError> {
    let Some(person) = batch.person(event.subject) else {
        let refusal = Refusal { reason: Reason::SubjectMissing, field: Some("subject") };
        return batch.refuse(at, refusal, event.raw.to_vec());
    };
    let row = Row {
        person: &person,
        time: event.time,
        name: event.name.as_bytes(),
        value: event.value.map_or(Value::Null, Value::Number),
        unit: event.unit,
        text: event.text,
    };
    batch.screen(at, &row, &FIELDS, &|| event.raw.to_vec())
}

const FIELDS: Fields = Fields { time: "time", name: "code", value: "value", unit: "unit" };

/// What such rows are called in messages and in quarantine.
const SOURCE: &str = "live";
