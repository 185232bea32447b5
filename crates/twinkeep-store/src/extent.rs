//! Which times some events of one subject have; decides whether others can be among them.

use twinkeep_domain::{Event, Timestamp};

/// First and last time of a subject.
pub(crate) type Span = (Timestamp, Timestamp);

/// The times of some events of one subject.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extent {
    /// First and last time, if any event has one.
    pub(crate) span: Option<Span>,
    /// Whether there are events that hold at all times.
    pub(crate) statics: bool,
}

impl Extent {
    pub(crate) fn of(events: &[Event]) -> Self {
        let statics = events.iter().any(|event| event.time.is_none());
        let times = || events.iter().filter_map(|event| event.time);
        Self { span: times().min().zip(times().max()), statics }
    }

    /// Returns the times of both together.
    pub(crate) fn join(self, other: Self) -> Self {
        let span = match (self.span, other.span) {
            (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
            (one, other) => one.or(other),
        };
        Self { span, statics: self.statics || other.statics }
    }

    /// Returns whether an event of one can be an event of the other.
    pub(crate) fn meets(self, other: Self) -> bool {
        let timed = match (self.span, other.span) {
            (Some((a, b)), Some((c, d))) => a <= d && c <= b,
            _ => false,
        };
        timed || (self.statics && other.statics)
    }

    /// How many bytes it is, whatever the times are.
    pub(crate) const LEN: usize = 17;

    /// Always as many bytes, so that the length says nothing.
    pub(crate) fn to_bytes(self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        if let Some((first, last)) = self.span {
            bytes[0] = TIMED;
            bytes[1..9].copy_from_slice(&first.micros().to_be_bytes());
            bytes[9..].copy_from_slice(&last.micros().to_be_bytes());
        }
        bytes[0] |= if self.statics { STATIC } else { 0 };
        bytes
    }

    /// Reads what [`Extent::to_bytes`] wrote.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (&flags, times) = bytes.split_first()?;
        let (first, last) = times.split_at_checked(8)?;
        let time = |bytes: &[u8]| {
            bytes.try_into().ok().map(|bytes| Timestamp::from_micros(i64::from_be_bytes(bytes)))
        };
        let span = (time(first)?, time(last)?);
        let span = (flags & TIMED != 0).then_some(span);
        (flags <= TIMED | STATIC).then_some(Self { span, statics: flags & STATIC != 0 })
    }
}

const TIMED: u8 = 1;
const STATIC: u8 = 2;

#[cfg(test)]
mod tests {
    use twinkeep_domain::Timestamp;

    use super::Extent;

    fn extent(span: Option<(i64, i64)>, statics: bool) -> Extent {
        let time = Timestamp::from_micros;
        Extent { span: span.map(|(first, last)| (time(first), time(last))), statics }
    }

    #[test]
    fn what_was_written_reads_back() {
        for extent in [
            extent(None, false),
            extent(None, true),
            extent(Some((-5, i64::MAX)), false),
            extent(Some((0, 0)), true),
        ] {
            assert_eq!(Extent::from_bytes(&extent.to_bytes()), Some(extent));
        }
        assert_eq!(Extent::from_bytes(&[4; 17]), None);
        assert_eq!(Extent::from_bytes(&[0; 16]), None);
        assert_eq!(Extent::from_bytes(&[]), None);
    }

    #[test]
    fn events_meet_at_the_same_time_or_at_all_times() {
        let timed = |first, last| extent(Some((first, last)), false);
        assert!(timed(1, 5).meets(timed(5, 9)) && timed(5, 9).meets(timed(1, 5)));
        assert!(!timed(1, 4).meets(timed(5, 9)) && !timed(5, 9).meets(timed(1, 4)));
        assert!(extent(Some((1, 4)), true).meets(extent(Some((5, 9)), true)));
        assert!(!timed(1, 5).meets(extent(None, true)));
        assert!(!extent(None, false).meets(extent(None, true)));
    }
}
