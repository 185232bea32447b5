//! The one place where the program reads the time.

use std::time::{SystemTime, UNIX_EPOCH};

use twinkeep_domain::Timestamp;

/// Returns the current time in UTC.
#[expect(clippy::disallowed_methods, reason = "the one place where the clock is read")]
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
