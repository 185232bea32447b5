//! Times as people and standards write them: RFC 3339 in UTC.

use jiff::Timestamp as JiffTimestamp;
use twinkeep_domain::Timestamp;

/// Writes a time, to the second.
pub fn rfc3339(time: Timestamp) -> String {
    let seconds = time.micros().div_euclid(1_000_000);
    JiffTimestamp::from_second(seconds).map(|time| time.to_string()).unwrap_or_default()
}

/// Reads a time with an offset or `Z`.
pub fn parse_rfc3339(text: &str) -> Option<Timestamp> {
    let time: JiffTimestamp = text.parse().ok()?;
    Some(Timestamp::from_micros(time.as_microsecond()))
}

#[cfg(test)]
mod tests {
    use twinkeep_domain::Timestamp;

    use super::{parse_rfc3339, rfc3339};

    #[test]
    fn a_time_reads_back() {
        assert_eq!(rfc3339(Timestamp::RELATIVE_ORIGIN), "2000-01-01T00:00:00Z");
        assert_eq!(parse_rfc3339("2000-01-01T00:00:00Z"), Some(Timestamp::RELATIVE_ORIGIN));
        assert_eq!(parse_rfc3339("2000-01-01T02:00:00+02:00"), Some(Timestamp::RELATIVE_ORIGIN));
        assert_eq!(parse_rfc3339("yesterday"), None);
    }
}
