//! Rows that were parsed before: refused ones that are screened again, and single events that come
//! over the network.

use twinkeep_vault::digest::Sha256;

use crate::batch::{At, Batch, Fields, Hands, Refusal, Row, Value, with_batch};
use crate::finishing::Take;
use crate::limits::Limits;
use crate::{IntakeError, Origin, ParsedRow, Progress, ReadOptions, Reason, Summary};

/// Screens rows that were parsed before, and hands on what it finds as [`read`](crate::read) does.
///
/// `name` is what to call them in messages. The digest is over the rows in their canonical form,
/// each with a line end.
pub fn read_rows<'a>(
    name: &str,
    rows: &mut dyn Iterator<Item = (Origin, ParsedRow)>,
    options: &ReadOptions<'a>,
    progress: &'a mut dyn FnMut(Progress),
    take: Take<'a>,
) -> Result<Summary, IntakeError> {
    let hands = Hands { progress, take, table: None };
    with_batch(name.to_owned(), None, options, hands, Limits::STANDARD, |mut batch| {
        let mut digest = Sha256::default();
        for (origin, parsed) in rows {
            let line = parsed.to_line();
            digest.update(line.as_bytes());
            digest.update(b"\n");
            screen(&mut batch, &origin, &parsed, &line)?;
        }
        batch.finish(digest.finish())
    })
}

fn screen(
    batch: &mut Batch<'_>,
    origin: &Origin,
    parsed: &ParsedRow,
    line: &str,
) -> Result<(), IntakeError> {
    let at = At { file: &origin.file, row: origin.row };
    let Some(person) = batch.person(parsed.subject.reveal()) else {
        let refusal = Refusal { reason: Reason::SubjectMissing, field: Some("subject") };
        return batch.refuse(at, refusal, line.into());
    };
    let row = Row {
        person: &person,
        time: parsed.time,
        name: parsed.name.as_bytes(),
        value: match parsed.value.as_bytes() {
            b"" => Value::Null,
            text => Value::Text(text),
        },
        unit: parsed.unit.as_deref(),
        text: parsed.text.as_deref(),
    };
    batch.screen(at, &row, &FIELDS, &|| line.into())
}

const FIELDS: Fields = Fields { time: "time", name: "code", value: "value", unit: "unit" };
