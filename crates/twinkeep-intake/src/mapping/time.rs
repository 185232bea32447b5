//! Times of a source: civil times of a zone, instants, offsets, and years.
//!
//! A time without a zone is taken as it stands, as MEDS does; with a zone of the IANA database it
//! becomes UTC. The database is the one that the program brings along, so that a mapping means
//! the same on every machine. A time that the clocks skip is moved by the gap, and of one that
//! they show twice the first is meant (RFC 5545, 3.3.5).

use jiff::civil;
use jiff::fmt::strtime::BrokenDownTime;
use jiff::tz::TimeZone;
use twinkeep_domain::Timestamp;

#[cfg(test)]
mod tests;

/// Where the time of an event comes from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TimeSpec<C> {
    /// Joined by a space if there are several: a date and a time of day.
    pub columns: Vec<C>,
    pub kind: TimeKind<C>,
}

/// How a time is written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TimeKind<C> {
    /// As ISO 8601 or, if there are any, in one of these formats.
    Civil {
        /// As `strptime` takes them.
        formats: Vec<String>,
        /// Whose clocks; `None` to take the time as it stands.
        zone: Option<TimeZone>,
        /// Where a date without a time of day is put on that day.
        at: civil::Time,
    },
    /// So many of these, in microseconds, after the origin of relative times.
    Offset(i64),
    /// So many of these, in microseconds, after 1970.
    Epoch(i64),
    /// The origin of relative times itself; no column is needed.
    Origin,
    /// A year, less the years in another column: the year of birth from an age.
    YearMinus(C),
}

impl TimeSpec<String> {
    /// Returns the columns in it.
    pub(crate) fn columns(&self) -> impl Iterator<Item = &str> {
        let other = match &self.kind {
            TimeKind::YearMinus(column) => Some(column.as_str()),
            _ => None,
        };
        self.columns.iter().map(String::as_str).chain(other)
    }

    /// Replaces each column's name by where it is.
    pub(crate) fn bind<D>(&self, find: &mut dyn FnMut(&str) -> D) -> TimeSpec<D> {
        let columns = self.columns.iter().map(|column| find(column)).collect();
        let kind = match &self.kind {
            TimeKind::Civil { formats, zone, at } => {
                TimeKind::Civil { formats: formats.clone(), zone: zone.clone(), at: *at }
            }
            TimeKind::Offset(micros) => TimeKind::Offset(*micros),
            TimeKind::Epoch(micros) => TimeKind::Epoch(*micros),
            TimeKind::Origin => TimeKind::Origin,
            TimeKind::YearMinus(column) => TimeKind::YearMinus(find(column)),
        };
        TimeSpec { columns, kind }
    }
}

/// What is wrong with a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoTime {
    /// A column of it is empty.
    Empty,
    /// It cannot be read.
    Wrong,
}

impl<C: Copy> TimeSpec<C> {
    /// Finds the time of a row.
    pub(crate) fn find<'r>(&self, get: &dyn Fn(C) -> &'r str) -> Result<Timestamp, NoTime> {
        let mut joined = String::new();
        let mut text = "";
        for (index, &column) in self.columns.iter().enumerate() {
            text = get(column);
            if text.is_empty() {
                return Err(NoTime::Empty);
            }
            if 1 < self.columns.len() {
                if 0 < index {
                    joined.push(' ');
                }
                joined.push_str(text);
            }
        }
        let text = if joined.is_empty() { text } else { &joined };
        if TIME_LEN_MAX < text.len() {
            return Err(NoTime::Wrong);
        }
        let micros = match &self.kind {
            TimeKind::Civil { formats, zone, at } => {
                if formats.is_empty() {
                    iso(text, zone.as_ref(), *at)
                } else {
                    formats.iter().find_map(|format| formatted(text, format, zone.as_ref(), *at))
                }
            }
            TimeKind::Offset(unit) => {
                scaled(text, *unit).and_then(|micros| RELATIVE_ORIGIN.checked_add(micros))
            }
            TimeKind::Epoch(unit) => scaled(text, *unit),
            TimeKind::Origin => Some(RELATIVE_ORIGIN),
            TimeKind::YearMinus(column) => match get(*column) {
                "" => return Err(NoTime::Empty),
                years => year_minus(text, years),
            },
        };
        micros.map(Timestamp::from_micros).ok_or(NoTime::Wrong)
    }
}

/// Returns whether a format can be used: it is tried on a time.
pub(crate) fn is_format(format: &str) -> bool {
    let sample = civil::date(2001, 2, 3).at(4, 5, 6, 0).to_zoned(TimeZone::UTC);
    sample.is_ok_and(|sample| jiff::fmt::strtime::format(format, &sample).is_ok())
}

/// Reads ISO 8601 with a blank or a `T`: a date, a date and time, or those with an offset.
fn iso(text: &str, zone: Option<&TimeZone>, at: civil::Time) -> Option<i64> {
    if let Some(time) = plain(text, at) {
        return place(time, zone);
    }
    // Only an instant has an offset; what has none must not be taken for one.
    if let Ok(instant) = text.parse::<jiff::Timestamp>() {
        return Some(instant.as_microsecond());
    }
    place(text.parse::<civil::DateTime>().ok()?, zone)
}

/// Reads `YYYY-MM-DD` and `YYYY-MM-DD HH:MM:SS` quickly: nearly all times look like this.
fn plain(text: &str, at: civil::Time) -> Option<civil::DateTime> {
    let bytes = text.as_bytes();
    let digits = |range: std::ops::Range<usize>| -> Option<i16> {
        let mut number = 0;
        for &byte in bytes.get(range)? {
            number = number * 10 + i16::from(byte.is_ascii_digit().then_some(byte - b'0')?);
        }
        Some(number)
    };
    let small = |range| digits(range).and_then(|number| i8::try_from(number).ok());
    if bytes.get(4) != Some(&b'-') || bytes.get(7) != Some(&b'-') {
        return None;
    }
    let date = civil::Date::new(digits(0..4)?, small(5..7)?, small(8..10)?).ok()?;
    match bytes.len() {
        10 => Some(date.to_datetime(at)),
        19 if matches!(bytes[10], b' ' | b'T') && bytes[13] == b':' && bytes[16] == b':' => {
            let time = civil::Time::new(small(11..13)?, small(14..16)?, small(17..19)?, 0).ok()?;
            Some(date.to_datetime(time))
        }
        _ => None,
    }
}

/// Reads a time in a format of the mapping's. What the format lacks is filled up: the first of
/// the month, of the year.
fn formatted(text: &str, format: &str, zone: Option<&TimeZone>, at: civil::Time) -> Option<i64> {
    let mut parts = BrokenDownTime::parse(format, text).ok()?;
    if parts.offset().is_some() || parts.timestamp().is_some() {
        return parts.to_timestamp().ok().map(jiff::Timestamp::as_microsecond);
    }
    if parts.day_of_year().is_none() {
        if parts.month().is_none() {
            parts.set_month(Some(1)).ok()?;
        }
        if parts.day().is_none() {
            parts.set_day(Some(1)).ok()?;
        }
    }
    let date = parts.to_date().ok()?;
    let time = if parts.hour().is_some() { parts.to_time().ok()? } else { at };
    place(date.to_datetime(time), zone)
}

/// Turns a civil time into microseconds since 1970.
fn place(time: civil::DateTime, zone: Option<&TimeZone>) -> Option<i64> {
    let instant = match zone {
        None => TimeZone::UTC.to_timestamp(time),
        Some(zone) => zone.to_ambiguous_timestamp(time).compatible(),
    };
    instant.ok().map(jiff::Timestamp::as_microsecond)
}

/// Reads a number of units, each so many microseconds long, exactly where it is an integer.
fn scaled(text: &str, unit: i64) -> Option<i64> {
    if let Ok(count) = text.parse::<i64>() {
        return count.checked_mul(unit);
    }
    let plain = |byte: u8| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E');
    if !text.bytes().all(plain) {
        return None;
    }
    let micros = text.parse::<f64>().ok()? * unit as f64;
    // Beyond this a double has no microseconds any more.
    (micros.abs() < 9e15).then_some(micros.round() as i64)
}

fn year_minus(year: &str, years: &str) -> Option<i64> {
    let year = year.parse::<i16>().ok()?.checked_sub(years.parse().ok()?)?;
    place(civil::Date::new(year, 1, 1).ok()?.to_datetime(civil::Time::midnight()), None)
}

/// Longest time, in bytes: RFC 9557 with a long zone has 60.
const TIME_LEN_MAX: usize = 128;

const RELATIVE_ORIGIN: i64 = Timestamp::RELATIVE_ORIGIN.micros();
