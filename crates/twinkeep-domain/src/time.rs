//! When something happened: microseconds since 1970-01-01, without a time zone, as in MEDS.

use std::fmt;

/// A point in time with the resolution and range of MEDS `timestamp[us]`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The origin of relative times: a source that gives only "hours since admission" is placed
    /// so that admission is 2000-01-01T00:00:00.
    pub const RELATIVE_ORIGIN: Self = Self(946_684_800_000_000);

    /// Takes microseconds since 1970-01-01T00:00:00.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Returns microseconds since 1970-01-01T00:00:00.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Returns the time `hours` later (earlier, if negative); saturates at the ends of the range.
    pub fn plus_hours(self, hours: f64) -> Self {
        // `as` saturates, so an absurd offset lands at the end of the range instead of wrapping.
        Self(self.0.saturating_add((hours * MICROS_PER_HOUR) as i64))
    }

    /// Returns how many hours lie between `earlier` and this time; negative if it is later.
    pub fn hours_since(self, earlier: Self) -> f64 {
        (i128::from(self.0) - i128::from(earlier.0)) as f64 / MICROS_PER_HOUR
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The time of an event can identify a person (HIPAA counts dates among its identifiers).
        f.write_str("Timestamp(hidden)")
    }
}

const MICROS_PER_HOUR: f64 = 3_600_000_000.0;

#[cfg(test)]
mod tests {
    use super::Timestamp;

    #[test]
    fn hours_add_and_subtract() {
        let origin = Timestamp::RELATIVE_ORIGIN;
        let later = origin.plus_hours(24.5);
        assert_eq!(later.hours_since(origin), 24.5);
        assert_eq!(origin.hours_since(later), -24.5);
    }

    #[test]
    fn the_ends_of_the_range_do_not_wrap() {
        let end = Timestamp::from_micros(i64::MAX);
        assert_eq!(end.plus_hours(1.0), end);
        assert!(end.hours_since(Timestamp::from_micros(i64::MIN)) > 0.0);
    }
}
