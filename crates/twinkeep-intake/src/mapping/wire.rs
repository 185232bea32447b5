//! The step from the keys of a mapping file to a [`Mapping`].

use encoding_rs::Encoding;
use jiff::civil;
use jiff::tz::TimeZone;

use self::shape::{
    WireCondition, WireDialect, WireEvent, WireFormat, WireLookup, WireMapping, WireTable,
    WireTime, WireUnfinished, WireValue,
};
use super::pattern::Pattern;
use super::table::{EventSpec, Join, LookupSpec, Table};
use super::template::{Codes, Template};
use super::time::{TimeKind, TimeSpec, is_format};
use super::value::{Condition, ValueSpec};
use super::{FORMAT, Mapping, MappingError};
use crate::csv::{Delimiter, Dialect, Unfinished};

mod shape;

pub(super) fn parse(text: &str) -> Result<Mapping, MappingError> {
    let format: WireFormat = toml::from_str(text).map_err(|error| syntax(text, &error))?;
    if format.format != FORMAT {
        return Err(MappingError::Format { found: format.format });
    }
    let wire: WireMapping = toml::from_str(text).map_err(|error| syntax(text, &error))?;
    mapping(text, wire)
}

/// A wrong value: its key, and what it should be. The caller knows the line.
type Wrong = (&'static str, &'static str);

fn mapping(text: &str, wire: WireMapping) -> Result<Mapping, MappingError> {
    let line = |offset: usize| line_of(text, offset);
    let name = wire.name.get_ref();
    let valid =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
    if name.is_empty() || NAME_LEN_MAX < name.len() || !name.bytes().all(valid) {
        let reason = "must be 1 to 64 lower-case letters, digits, hyphens, or points";
        return Err(MappingError::Value {
            line: line(wire.name.span().start),
            key: "name",
            reason,
        });
    }
    let at = |offset: usize| {
        move |(key, reason): Wrong| MappingError::Value { line: line(offset), key, reason }
    };
    let mut defaults = Defaults {
        dialect: Dialect::STANDARD,
        zone: None,
        missing: wire.missing,
        subject: wire.subject,
        codes: Codes::new(wire.codes),
    };
    if let Some(own) = wire.dialect {
        let start = own.span().start;
        defaults.dialect = dialect(own.into_inner(), Dialect::STANDARD).map_err(at(start))?;
    }
    if let Some(zone) = wire.zone {
        defaults.zone = Some(time_zone(zone.get_ref()).map_err(at(zone.span().start))?);
    }
    let mut lookups = Vec::new();
    for wire in wire.lookup {
        let start = wire.span().start;
        lookups.push(lookup(wire.into_inner(), defaults.dialect).map_err(at(start))?);
    }
    let mut tables = Vec::new();
    for wire in wire.table {
        let start = wire.span().start;
        tables.push(table(wire.into_inner(), &defaults, &lookups, &line, start)?);
    }
    if tables.is_empty() {
        return Err(at(0)(("table", "must not be empty")));
    }
    Ok(Mapping {
        name: name.clone(),
        title: wire.title,
        version: wire.version,
        dates_shifted: wire.dates_shifted,
        ignored: patterns(&wire.ignore),
        lookups,
        tables,
    })
}

/// What holds for a table that says nothing else.
struct Defaults {
    dialect: Dialect,
    zone: Option<TimeZone>,
    missing: Vec<String>,
    subject: Vec<String>,
    codes: Codes,
}

fn lookup(wire: WireLookup, default: Dialect) -> Result<LookupSpec, Wrong> {
    let dialect = match wire.dialect {
        Some(own) => dialect(own.into_inner(), default)?,
        None => default,
    };
    let only = wire.only.into_iter().map(condition).collect::<Result<_, _>>()?;
    let files = patterns(&wire.files);
    Ok(LookupSpec { name: wire.name, files, key: wire.key, columns: wire.columns, dialect, only })
}

fn table(
    wire: WireTable,
    defaults: &Defaults,
    lookups: &[LookupSpec],
    line: &dyn Fn(usize) -> usize,
    start: usize,
) -> Result<Table, MappingError> {
    let at = |offset: usize| {
        move |(key, reason): Wrong| MappingError::Value { line: line(offset), key, reason }
    };
    let own = wire.dialect.map(|own| dialect(own.into_inner(), defaults.dialect)).transpose();
    let zone = wire.zone.map(|zone| time_zone(zone.get_ref())).transpose().map_err(at(start))?;
    let zone = zone.or_else(|| defaults.zone.clone());
    let subject = wire.subject.as_ref().unwrap_or(&defaults.subject);
    if subject.is_empty() {
        return Err(at(start)(("subject", "must be there, for the mapping or for each table")));
    }
    let mut joins = Vec::new();
    for join in wire.join {
        let known = lookups.iter().position(|lookup| lookup.name == join.lookup);
        let lookup =
            known.ok_or_else(|| at(start)(("lookup", "names no lookup of the mapping")))?;
        let key = templates("key", &join.key, &defaults.codes).map_err(at(start))?;
        joins.push(Join { name: join.name, lookup, key });
    }
    let conditions: Result<_, _> = wire.only.into_iter().map(condition).collect();
    let mut events = Vec::new();
    for wire in wire.event {
        let start = wire.span().start;
        events.extend(event(wire.into_inner(), zone.as_ref(), &defaults.codes).map_err(at(start))?);
    }
    if events.is_empty() {
        return Err(at(start)(("event", "must not be empty")));
    }
    let table = Table {
        name: wire.name,
        files: patterns(&wire.files),
        columns: wire.columns,
        without: wire.without,
        optional: wire.optional,
        dialect: own.map_err(at(start))?.unwrap_or(defaults.dialect),
        missing: wire.missing.unwrap_or_else(|| defaults.missing.clone()),
        subject: templates("subject", subject, &defaults.codes).map_err(at(start))?,
        joins,
        only: conditions.map_err(at(start))?,
        events,
    };
    check_joins(&table, lookups).map_err(at(start))?;
    Ok(table)
}

/// A column `name.column` of a join must be in its lookup.
fn check_joins(table: &Table, lookups: &[LookupSpec]) -> Result<(), Wrong> {
    let is_wrong = |column: &str| {
        let joins = column
            .split_once('.')
            .is_some_and(|(prefix, _)| table.joins.iter().any(|join| join.name == prefix));
        joins && table.joined(column, lookups).is_none()
    };
    let event_columns = table.events.iter().flat_map(|event| {
        let templates = event.code.iter().chain(&event.unit).chain(&event.text);
        let templates = templates.chain(&event.sum_over).flat_map(Template::columns);
        let times = event.time.iter().flat_map(TimeSpec::columns);
        templates.chain(times).chain(event.value.columns())
    });
    if event_columns.into_iter().any(is_wrong) {
        return Err(("join", "has a column that its lookup does not take"));
    }
    Ok(())
}

fn event(
    wire: WireEvent,
    zone: Option<&TimeZone>,
    codes: &Codes,
) -> Result<Vec<EventSpec<String>>, Wrong> {
    let time: Vec<_> =
        wire.time.into_iter().map(|time| time_spec(time, zone)).collect::<Result<_, _>>()?;
    let only: Vec<_> = wire.only.into_iter().map(condition).collect::<Result<_, _>>()?;
    let unit = templates("unit", &wire.unit, codes)?;
    let text = templates("text", &wire.text, codes)?;
    let sum_over = templates("sum_over", &wire.sum_over, codes)?;
    let (text_with_value, optional) = (wire.text_with_value, wire.optional);
    if wire.columns.is_empty() {
        let value = wire.value.map_or(Ok(ValueSpec::None), value)?;
        let code = templates("code", &wire.code, codes)?;
        if code.is_empty() {
            return Err(("code", "or `columns` must be there"));
        }
        let is_cell = false;
        return Ok(vec![EventSpec {
            only,
            time,
            code,
            value,
            unit,
            text,
            text_with_value,
            optional,
            is_cell,
            sum_over,
        }]);
    }
    if !wire.code.is_empty() || wire.value.is_some() {
        return Err(("columns", "has codes and values of its own, so `code` and `value` must go"));
    }
    let wide = |(column, code): (String, String)| {
        Ok(EventSpec {
            only: only.clone(),
            time: time.clone(),
            code: templates("columns", &[code], codes)?,
            value: ValueSpec::Column(column),
            unit: unit.clone(),
            text: text.clone(),
            text_with_value,
            optional,
            is_cell: true,
            sum_over: sum_over.clone(),
        })
    };
    wire.columns.into_iter().map(wide).collect()
}

fn time_spec(wire: WireTime, default: Option<&TimeZone>) -> Result<TimeSpec<String>, Wrong> {
    if wire.origin {
        return Ok(TimeSpec { columns: Vec::new(), kind: TimeKind::Origin });
    }
    let columns = match (wire.column, wire.columns) {
        (Some(column), others) if others.is_empty() => vec![column],
        (None, columns) if !columns.is_empty() => columns,
        _ => return Err(("time", "needs one of `column`, `columns`, and `origin`")),
    };
    if !wire.formats.iter().all(|format| is_format(format)) {
        return Err(("formats", "holds one that `strptime` does not know"));
    }
    let zone = wire.zone.as_deref().map(time_zone).transpose()?.or_else(|| default.cloned());
    let at = match wire.at.as_deref().map(str::parse::<civil::Time>) {
        None => civil::Time::midnight(),
        Some(Ok(at)) => at,
        Some(Err(_)) => return Err(("at", "must be a time of day such as `23:59:59`")),
    };
    let kind = match (wire.offset, wire.epoch, wire.year_minus) {
        (None, None, None) => TimeKind::Civil { formats: wire.formats, zone, at },
        (Some(unit), None, None) => TimeKind::Offset(unit.micros()),
        (None, Some(unit), None) => TimeKind::Epoch(unit.micros()),
        (None, None, Some(column)) => TimeKind::YearMinus(column),
        _ => return Err(("time", "takes one of `offset`, `epoch`, and `year_minus`")),
    };
    Ok(TimeSpec { columns, kind })
}

fn value(wire: WireValue) -> Result<ValueSpec<String>, Wrong> {
    if [wire.scale, wire.constant].iter().flatten().any(|number| !number.is_finite()) {
        return Err(("value", "needs finite numbers"));
    }
    match (wire.column, wire.product, wire.constant, wire.map, wire.scale) {
        (Some(column), None, None, None, None) => Ok(ValueSpec::Column(column)),
        (Some(column), None, None, None, Some(scale)) => {
            Ok(ValueSpec::Product(vec![column], scale))
        }
        (None, Some(columns), None, None, scale) if !columns.is_empty() => {
            Ok(ValueSpec::Product(columns, scale.unwrap_or(1.0)))
        }
        (None, None, Some(number), None, None) => Ok(ValueSpec::Constant(number)),
        (Some(column), None, None, Some(words), None) => Ok(ValueSpec::Map(column, words)),
        _ => Err(("value", "is a `column` (with `scale` or `map`), a `product`, or a `constant`")),
    }
}

fn condition(wire: WireCondition) -> Result<Condition<String>, Wrong> {
    let WireCondition { column, is, is_not, starts_with, starts_not_with, empty, above, below } =
        wire;
    let lists = [&is, &is_not, &starts_with, &starts_not_with];
    if lists.iter().all(|list| list.is_empty())
        && empty.is_none()
        && above.is_none()
        && below.is_none()
    {
        return Err(("only", "says nothing about its column"));
    }
    Ok(Condition { column, is, is_not, starts_with, starts_not_with, empty, above, below })
}

fn dialect(wire: WireDialect, default: Dialect) -> Result<Dialect, Wrong> {
    let byte = |key, text: Option<&String>| match text.map(|text| text.as_bytes()) {
        None => Ok(None),
        Some(&[byte]) => Ok(Some(byte)),
        Some(_) => Err((key, "must be one ASCII character")),
    };
    let delimiter = match wire.delimiter.as_deref() {
        Some("auto") => Some(Delimiter::Auto),
        _ => byte("delimiter", wire.delimiter.as_ref())?.map(Delimiter::Byte),
    };
    let quote = match wire.quote.as_deref() {
        Some("") => None,
        _ => byte("quote", wire.quote.as_ref())?.or(default.quote),
    };
    let encoding = match wire.encoding.as_deref().map(|name| Encoding::for_label(name.as_bytes())) {
        None => default.encoding,
        Some(Some(encoding)) => Some(encoding),
        Some(None) => return Err(("encoding", "is none that the Encoding Standard knows")),
    };
    let decimal = byte("decimal", wire.decimal.as_ref())?.unwrap_or(default.decimal);
    let thousands = byte("thousands", wire.thousands.as_ref())?.or(default.thousands);
    if !matches!(decimal, b'.' | b',') || Some(decimal) == thousands {
        return Err(("decimal", "must be `.` or `,`, and another one than `thousands`"));
    }
    Ok(Dialect {
        delimiter: delimiter.unwrap_or(default.delimiter),
        quote,
        escape: byte("escape", wire.escape.as_ref())?.or(default.escape),
        encoding,
        decimal,
        thousands,
        unfinished: match wire.unfinished {
            None => default.unfinished,
            Some(WireUnfinished::Refuse) => Unfinished::Refuse,
            Some(WireUnfinished::Keep) => Unfinished::Keep,
        },
    })
}

fn time_zone(name: &str) -> Result<TimeZone, Wrong> {
    TimeZone::get(name).map_err(|_| ("zone", "is none of the IANA time zone database"))
}

fn templates(
    key: &'static str,
    texts: &[String],
    codes: &Codes,
) -> Result<Vec<Template<String>>, Wrong> {
    texts.iter().map(|text| Template::parse(text, codes).map_err(|reason| (key, reason))).collect()
}

fn patterns(names: &[String]) -> Vec<Pattern> {
    names.iter().map(|name| Pattern::new(name)).collect()
}

fn syntax(text: &str, error: &toml::de::Error) -> MappingError {
    let line = error.span().map_or(1, |span| line_of(text, span.start));
    // A message of the parser may have several lines; ours have one.
    let said = error.message().split_whitespace().collect::<Vec<_>>().join(" ");
    // The parser names a type of ours where people write a table.
    let reason = match said.split_once("expected struct ") {
        Some((said, _)) => format!("{said}expected a table"),
        None => said,
    };
    MappingError::Syntax { line, reason }
}

fn line_of(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|&byte| byte == b'\n').count()
}

/// A name is typed at the command line.
const NAME_LEN_MAX: usize = 64;
