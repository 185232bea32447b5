//! Until when whom must be told, where the law says so.

use serde::Serialize;

/// One time limit that runs from when somebody was aware of a breach.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Clock {
    /// The rule.
    pub rule: &'static str,
    /// Who is to be told.
    pub whom: &'static str,
    /// Until when: microseconds since 1970.
    pub deadline_us: i64,
    /// What is left, in seconds; negative, if it is over.
    pub left_seconds: i64,
}

/// Returns the time limits of something that was noticed then, as of now.
///
/// Whether it is a breach of personal data is for people to decide; the clocks run until they do.
pub fn clocks(aware_us: i64, now_us: i64) -> [Clock; 2] {
    let clock = |rule, whom, length_us: i64| {
        let deadline_us = aware_us.saturating_add(length_us);
        let left_seconds = deadline_us.saturating_sub(now_us).div_euclid(1_000_000);
        Clock { rule, whom, deadline_us, left_seconds }
    };
    [
        clock("GDPR art. 33(1)", "the supervisory authority", 72 * HOUR_US),
        clock("45 CFR 164.404(b)", "the people concerned, without unreasonable delay", SIXTY_DAYS),
    ]
}

const HOUR_US: i64 = 3_600_000_000;

/// "In no case later than 60 calendar days."
const SIXTY_DAYS: i64 = 60 * 24 * HOUR_US;
