//! Times as tables write them become the same moments, and what is no time is refused.

use jiff::civil;
use jiff::tz::TimeZone;

use super::{NoTime, TimeKind, TimeSpec, is_format};

fn civil(formats: &[&str], zone: Option<&str>) -> TimeKind<usize> {
    TimeKind::Civil {
        formats: formats.iter().map(|&format| format.to_owned()).collect(),
        zone: zone.map(|zone| TimeZone::get(zone).unwrap()),
        at: civil::Time::midnight(),
    }
}

/// Returns the time as text, or what is wrong.
fn find(kind: TimeKind<usize>, fields: &[&str]) -> Result<String, NoTime> {
    let columns = match kind {
        TimeKind::YearMinus(_) => vec![0],
        _ => (0..fields.len()).collect(),
    };
    let found = TimeSpec { columns, kind }.find(&|index: usize| fields[index])?;
    let time = jiff::Timestamp::from_microsecond(found.micros()).unwrap();
    Ok(time.to_string())
}

#[test]
fn iso_times_are_read_as_they_stand() {
    for (text, expected) in [
        ("2164-10-23 21:09:00", "2164-10-23T21:09:00Z"),
        ("2164-10-23T21:09:00", "2164-10-23T21:09:00Z"),
        ("2164-10-23", "2164-10-23T00:00:00Z"),
        ("2164-10-23 21:09", "2164-10-23T21:09:00Z"),
        ("2020-01-02T03:04:05.678901", "2020-01-02T03:04:05.678901Z"),
        ("2020-01-02T03:04:05+02:00", "2020-01-02T01:04:05Z"),
        ("2020-01-02 03:04:05Z", "2020-01-02T03:04:05Z"),
    ] {
        assert_eq!(find(civil(&[], None), &[text]).as_deref(), Ok(expected), "{text}");
    }
    for text in ["2164-13-01", "2164-02-30 00:00:00", "2020-01-02 25:00:00", "yesterday", "0"] {
        assert_eq!(find(civil(&[], None), &[text]), Err(NoTime::Wrong), "{text}");
    }
    assert_eq!(find(civil(&[], None), &[""]), Err(NoTime::Empty));
}

#[test]
fn civil_times_of_a_zone_become_utc_and_skipped_and_repeated_ones_follow_rfc_5545() {
    let berlin = || civil(&[], Some("Europe/Berlin"));
    for (text, expected) in [
        ("2021-07-01 12:00:00", "2021-07-01T10:00:00Z"),
        ("2021-12-01 12:00:00", "2021-12-01T11:00:00Z"),
        // The clocks went from 2:00 to 3:00.
        ("2021-03-28 02:30:00", "2021-03-28T01:30:00Z"),
        // The clocks went from 3:00 back to 2:00: the first of the two.
        ("2021-10-31 02:30:00", "2021-10-31T00:30:00Z"),
        // An instant is an instant.
        ("2021-07-01T12:00:00Z", "2021-07-01T12:00:00Z"),
    ] {
        assert_eq!(find(berlin(), &[text]).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn times_in_other_formats_are_read_and_filled_up() {
    let read = |formats: &[&str], fields: &[&str]| find(civil(formats, None), fields);
    assert_eq!(read(&["%m/%d/%Y %H:%M"], &["12/1/2010 8:26"]).unwrap(), "2010-12-01T08:26:00Z");
    assert_eq!(read(&["%d.%m.%Y", "%Y"], &["1.2.2010"]).unwrap(), "2010-02-01T00:00:00Z");
    assert_eq!(read(&["%d.%m.%Y", "%Y"], &["2010"]).unwrap(), "2010-01-01T00:00:00Z");
    assert_eq!(read(&["%Y %m %d"], &["1998", "4", "9"]).unwrap(), "1998-04-09T00:00:00Z");
    assert_eq!(
        read(&["%d-%b-%Y %I:%M %p"], &["07-Mar-1999", "11:05 PM"]).unwrap(),
        "1999-03-07T23:05:00Z"
    );
    assert_eq!(
        read(&["%Y-%m-%d %H:%M %z"], &["2020-01-01 00:00 -0500"]).unwrap(),
        "2020-01-01T05:00:00Z"
    );
    assert_eq!(read(&["%Y"], &["2010-01-01"]), Err(NoTime::Wrong));
    assert!(is_format("%Y-%m-%d") && !is_format("%!"));
}

#[test]
fn offsets_epochs_and_years_are_computed_exactly() {
    let minute = 60_000_000;
    assert_eq!(find(TimeKind::Offset(minute), &["-90"]).unwrap(), "1999-12-31T22:30:00Z");
    assert_eq!(find(TimeKind::Offset(minute), &["0.5"]).unwrap(), "2000-01-01T00:00:30Z");
    assert_eq!(
        find(TimeKind::Epoch(1_000), &["1600000000123"]).unwrap(),
        "2020-09-13T12:26:40.123Z"
    );
    assert_eq!(find(TimeKind::Origin, &[]).unwrap(), "2000-01-01T00:00:00Z");
    assert_eq!(find(TimeKind::YearMinus(1), &["2134", "72"]).unwrap(), "2062-01-01T00:00:00Z");
    for text in ["9223372036854775807", "1e300", "nan", "1h", "inf"] {
        assert_eq!(find(TimeKind::Offset(minute), &[text]), Err(NoTime::Wrong), "{text}");
    }
    assert_eq!(find(TimeKind::YearMinus(1), &["2134", "x"]), Err(NoTime::Wrong));
}
