//! The moment to stand at: nothing later is looked at.

use twinkeep_domain::{Timeline, Timestamp};

use crate::{App, AppError};

/// The moment to stand at in a twin's life.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Moment {
    /// The last event.
    #[default]
    LastEvent,
    /// So many hours after the first event.
    Hours(f32),
    /// A time.
    Time(Timestamp),
}

impl From<Option<f32>> for Moment {
    fn from(hours: Option<f32>) -> Self {
        hours.map_or(Self::LastEvent, Self::Hours)
    }
}

impl Moment {
    /// Reads a number of hours, or a time in RFC 3339.
    pub fn parse(text: &str) -> Option<Self> {
        match crate::parse_rfc3339(text) {
            Some(time) => Some(Self::Time(time)),
            None => text.parse().ok().filter(|hours: &f32| hours.is_finite()).map(Self::Hours),
        }
    }
}

/// Returns the time of a moment.
///
/// Nothing was learned about moments that lie further from the last event than the horizon, and
/// nothing was known before the first.
pub(crate) fn moment(
    app: &App,
    timeline: &Timeline,
    at: impl Into<Moment>,
) -> Result<Timestamp, AppError> {
    let empty = || AppError::refused("history-empty", "this twin has no event with a time");
    let (start, end) = timeline.start().zip(timeline.end()).ok_or_else(empty)?;
    let time = match at.into() {
        Moment::LastEvent => return Ok(end),
        // What is no number lies before everything.
        Moment::Hours(hours) if hours.is_nan() => Timestamp::from_micros(i64::MIN),
        Moment::Hours(hours) => start.plus_hours(f64::from(hours)),
        Moment::Time(time) => time,
    };
    let horizon = f64::from(app.pack.forecast().horizon_hours);
    let latest = end.plus_hours(horizon);
    if start <= time && time <= latest {
        return Ok(time);
    }
    let hours = latest.hours_since(start);
    let attempt = format!(
        "`at` takes a moment from the first event on, up to {horizon} h after the last one \
         ({hours:.0} h here)"
    );
    Err(AppError::usage("at-hours", attempt))
}
