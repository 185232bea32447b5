//! Rows that were parsed before: refused ones that are screened again, and single events that come
//! over the network.

use twinkeep_vault::digest::Sha256;

use crate::batch::{At, Batch, Fields, Hands, Refusal, Row, Value};
use crate::limits::Limits;
use crate::{
    IntakeError, Origin, ParsedRow, Portion, Progress, ReadOptions, Reason, Stopped, Summary,
};

/// Screens rows that were parsed before, and hands on what it finds as [`read`](crate::read) does.
///
/// `name` is what to call them in messages. The digest is over the rows in their canonical form,
/// each with a line end.
pub fn read_rows<'a>(
    name: &str,
    rows: &mut dyn Iterator<Item = (Origin, ParsedRow)>,
    options: &ReadOptions<'a>,
    progress: &'a mut dyn FnMut(Progress),
    take: &'a mut dyn FnMut(Portion) -> Result<(), Stopped>,
) -> Result<Summary, IntakeError> {
    let hands = Hands { progress, take, table: None };
    let mut batch = Batch::new(name.to_owned(), None, options, hands, Limits::STANDARD);
    let mut digest = Sha256::default();
    for (origin, parsed) in rows {
        let line = parsed.to_line();
        digest.update(line.as_bytes());
        digest.update(b"\n");
        let at = At { file: &origin.file, row: origin.row };
        let Some(person) = batch.person(parsed.subject.reveal()) else {
            let refusal = Refusal { reason: Reason::SubjectMissing, field: Some("subject") };
            batch.refuse(at, refusal, line.into_bytes())?;
            continue;
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
        batch.screen(at, &row, &FIELDS, &|| line.clone().into_bytes())?;
    }
    batch.finish(digest.finish())
}

const FIELDS: Fields = Fields { time: "time", name: "code", value: "value", unit: "unit" };
