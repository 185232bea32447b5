//! Times in requests: hours, or RFC 3339.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Visitor};
use twinkeep_domain::{Timestamp, limits};

use crate::refusal::Refusal;

/// Hours since a moment that only the client knows, or a time in RFC 3339.
#[derive(Clone, Copy)]
pub(crate) enum TimeWire {
    /// Hours.
    Hours(f64),
    /// A time in RFC 3339.
    Absolute(Timestamp),
}

/// Refuses times of both kinds in one request: nobody knows how they relate.
pub(crate) fn same_kind(times: impl IntoIterator<Item = TimeWire>) -> Result<(), Refusal> {
    let mut times = times.into_iter();
    let hours = times.next().is_some_and(|time| matches!(time, TimeWire::Hours(_)));
    if times.any(|time| matches!(time, TimeWire::Hours(_)) != hours) {
        let message = "give all times in hours, or all of them in RFC 3339";
        return Err(Refusal::unprocessable("time-mixed", message));
    }
    Ok(())
}

impl TimeWire {
    /// Returns the time; hours count from the origin of relative times.
    pub(crate) fn timestamp(self) -> Timestamp {
        match self {
            Self::Hours(hours) => Timestamp::RELATIVE_ORIGIN.plus_hours(hours),
            Self::Absolute(time) => time,
        }
    }

    fn hours<E: serde::de::Error>(hours: f64) -> Result<Self, E> {
        let valid = hours.is_finite() && hours.abs() <= f64::from(limits::HORIZON_HOURS_MAX);
        if valid { Ok(Self::Hours(hours)) } else { Err(E::custom("out of range")) }
    }
}

impl<'de> Deserialize<'de> for TimeWire {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TimeVisitor)
    }
}

struct TimeVisitor;

impl Visitor<'_> for TimeVisitor {
    type Value = TimeWire;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("hours, or a time in RFC 3339")
    }

    fn visit_f64<E: serde::de::Error>(self, hours: f64) -> Result<TimeWire, E> {
        TimeWire::hours(hours)
    }

    fn visit_i64<E: serde::de::Error>(self, hours: i64) -> Result<TimeWire, E> {
        TimeWire::hours(hours as f64)
    }

    fn visit_u64<E: serde::de::Error>(self, hours: u64) -> Result<TimeWire, E> {
        TimeWire::hours(hours as f64)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<TimeWire, E> {
        let time = twinkeep_app::parse_rfc3339(text).ok_or_else(|| E::custom("not RFC 3339"))?;
        Ok(TimeWire::Absolute(time))
    }
}
