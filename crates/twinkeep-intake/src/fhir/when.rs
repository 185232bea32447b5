//! The times of FHIR: `dateTime`, `date`, and `instant`, to microseconds of UTC.
//!
//! A partial date stands for its first moment: `1987` for the first of January, `1987-03` for the
//! first of March, and a day for its midnight, because FHIR says that a date has no time zone.
//! Who states an hour must state a zone (FHIR R4, 2.24.0.1); without one the moment is unknown,
//! and the time is refused.

use jiff::civil::DateTime;
use jiff::tz::Offset;
use twinkeep_domain::Timestamp;

/// Reads a time; `None` if it is none, or outside of 1850 to 2300.
pub(super) fn parse(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    if TIME_LEN_MAX < bytes.len() {
        return None;
    }
    let year = digits(bytes, 0, 4)?;
    let month = part(bytes, 4, b'-')?.unwrap_or(1);
    let day = part(bytes, 7, b'-')?.unwrap_or(1);
    let date = |hour, minute, second, nanos| {
        let small = |number: u32| i8::try_from(number).ok();
        let (month, day) = (small(month)?, small(day)?);
        let (hour, minute, second) = (small(hour)?, small(minute)?, small(second)?);
        DateTime::new(i16::try_from(year).ok()?, month, day, hour, minute, second, nanos).ok()
    };
    let (moment, offset) = if bytes.len() <= 10 {
        (date(0, 0, 0, 0)?, Offset::UTC)
    } else {
        let (hour, minute) = clock(bytes, 10, b'T')?;
        let second = part(bytes, 16, b':')??;
        if 60 < second {
            return None;
        }
        let (nanos, zone_at) = fraction(bytes, 19)?;
        // A leap second counts as the last second of its minute.
        (date(hour, minute, second.min(59), nanos)?, zone(bytes, zone_at)?)
    };
    let micros = offset.to_timestamp(moment).ok()?.as_microsecond();
    (TIME_MIN..TIME_END).contains(&micros).then(|| Timestamp::from_micros(micros))
}

/// Reads a separator and two digits; `None` inside if the text ends before them.
fn part(bytes: &[u8], at: usize, separator: u8) -> Option<Option<u32>> {
    match bytes.get(at) {
        None => Some(None),
        Some(&byte) if byte == separator => digits(bytes, at + 1, 2).map(Some),
        Some(_) => None,
    }
}

/// Reads a separator and `hh:mm`.
fn clock(bytes: &[u8], at: usize, separator: u8) -> Option<(u32, u32)> {
    let hour = part(bytes, at, separator)??;
    let minute = part(bytes, at + 3, b':')??;
    (hour < 24 && minute < 60).then_some((hour, minute))
}

/// Reads an optional fraction of a second; digits beyond nanoseconds are cut off.
fn fraction(bytes: &[u8], at: usize) -> Option<(i32, usize)> {
    if bytes.get(at) != Some(&b'.') {
        return Some((0, at));
    }
    let rest = bytes.get(at + 1..)?;
    let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut nanos = 0;
    for place in 0..9 {
        let digit = rest.get(place).filter(|_| place < count).map_or(0, |byte| byte - b'0');
        nanos = nanos * 10 + i32::from(digit);
    }
    (0 < count).then_some((nanos, at + 1 + count))
}

/// Reads `Z` or `+hh:mm`, which must end the text.
fn zone(bytes: &[u8], at: usize) -> Option<Offset> {
    if bytes.get(at..) == Some(b"Z") {
        return Some(Offset::UTC);
    }
    let sign = match bytes.get(at)? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = clock(bytes, at, bytes[at])?;
    let minutes = i32::try_from(hours * 60 + minutes).ok()?;
    let whole = at + 6 == bytes.len() && minutes <= OFFSET_MINUTES_MAX;
    whole.then(|| Offset::from_seconds(sign * minutes * 60).ok())?
}

fn digits(bytes: &[u8], at: usize, count: usize) -> Option<u32> {
    let digits = bytes.get(at..at + count)?;
    let number =
        |sum: u32, byte: &u8| byte.is_ascii_digit().then(|| sum * 10 + u32::from(byte - b'0'));
    digits.iter().try_fold(0, number)
}

/// A time with nanoseconds has 35 characters; some servers write more digits of a second.
const TIME_LEN_MAX: usize = 64;

/// FHIR allows up to 14:00 from UTC.
const OFFSET_MINUTES_MAX: i32 = 14 * 60;

/// The first and the first impossible time, in microseconds since 1970: 1850 and 2300, as for
/// MEDS.
const TIME_MIN: i64 = -3_786_825_600_000_000;
const TIME_END: i64 = 10_413_792_000_000_000;

#[cfg(test)]
mod tests {
    use super::parse;

    fn seconds(text: &str) -> Option<f64> {
        parse(text).map(|time| time.micros() as f64 / 1e6)
    }

    #[test]
    fn a_time_with_a_zone_becomes_utc() {
        assert_eq!(seconds("1970-01-01T00:00:00Z"), Some(0.0));
        assert_eq!(seconds("1970-01-01T02:00:00+02:00"), Some(0.0));
        assert_eq!(seconds("1969-12-31T19:00:00.250-05:00"), Some(0.25));
        assert_eq!(seconds("1970-01-01T05:45:01.123456789+05:45"), Some(1.123456));
        assert_eq!(seconds("2016-12-31T23:59:60Z"), seconds("2016-12-31T23:59:59Z"));
    }

    #[test]
    fn a_partial_date_stands_for_its_first_moment() {
        assert_eq!(seconds("1970"), Some(0.0));
        assert_eq!(seconds("1970-02"), Some(31.0 * 86400.0));
        assert_eq!(seconds("1970-01-02"), Some(86400.0));
        assert_eq!(seconds("2000-02-29"), Some(951_782_400.0));
    }

    #[test]
    fn what_fhir_does_not_allow_is_no_time() {
        for text in [
            "",
            "19",
            "197",
            "1970-",
            "1970-1",
            "1970-13",
            "1970-00",
            "1970-02-30",
            "1970-01-01T",
            "1970-01-01T00:00",
            "1970-01-01T00:00Z",
            "1970-01-01T00:00:00",
            "1970-01-01 00:00:00Z",
            "1970-01-01T24:00:00Z",
            "1970-01-01T00:60:00Z",
            "1970-01-01T00:00:61Z",
            "1970-01-01T00:00:00.Z",
            "1970-01-01T00:00:00+2:00",
            "1970-01-01T00:00:00+15:00",
            "1970-01-01T00:00:00Zx",
            "1970-01-01T00:00:00+02:00x",
            "+970",
            "１９７０",
            "0000",
            "1849-12-31",
            "2300-01-01",
            "9999-12-31T23:59:59Z",
            "1970/01/01",
            "1970-01-01T00:00:00é",
        ] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }
}
