//! What happened in the windows after a cut, as far as it was observed.
//!
//! # Invariants
//!
//! - A total is an example only if its whole window was observed.
//! - Of an event there is a row for each interval that was observed to its end, or in which it or
//!   a competing cause happened; none after that.
//! - Nobody is asked to whom the event can no longer happen.

use twinkeep_domain::{Distinct, Pack, Timeline, Timestamp, WindowKind, WindowTarget};

use crate::CodeMap;
use crate::codes::Role;
use crate::features::{SubjectState, WINDOW_OWN_COUNT, same};

/// The examples of one window target.
#[derive(Default)]
pub(crate) struct WindowExamples {
    /// The target's own features: [snapshot, own feature].
    pub(crate) own: Vec<f32>,
    /// The total of the window before each snapshot.
    pub(crate) before: Vec<f32>,
    /// Which snapshot each row belongs to; never decreasing.
    pub(crate) snapshot: Vec<u32>,
    /// Hours from the cut to the end of the window, or of the interval.
    pub(crate) horizon: Vec<f32>,
    /// The total; or what happened in the interval: 0 nothing, 1 the event, 2 and more a
    /// competing cause.
    pub(crate) value: Vec<f32>,
}

/// The events of one timeline that matter to one window target, by time.
pub(crate) struct Track<'a> {
    target: &'a WindowTarget,
    events: Vec<(Timestamp, f32, Role)>,
    observed_until: Timestamp,
}

impl<'a> Track<'a> {
    /// Follows every window target of a pack through a timeline.
    pub(crate) fn all(
        pack: &'a Pack,
        codes: &CodeMap,
        timeline: &Timeline,
        observed_until: Timestamp,
    ) -> Vec<Self> {
        let track = |target| Self { target, events: Vec::new(), observed_until };
        let mut tracks: Vec<Self> = pack.windows().iter().map(track).collect();
        for event in timeline.events() {
            let Some(time) = event.time else { continue };
            for &(window, role) in codes.windows(event.code) {
                let amount = match tracks[window].target.kind {
                    WindowKind::Sum => event.value.filter(|value| value.is_finite()),
                    _ => Some(1.0),
                };
                tracks[window].events.extend(amount.map(|amount| (time, amount, role)));
            }
        }
        tracks
    }

    /// Returns the total from a moment (which counts) to another.
    pub(crate) fn total(&self, from: Timestamp, to: Timestamp) -> f32 {
        let distinct = match self.target.kind {
            WindowKind::Count(distinct) => distinct,
            _ => Distinct::Event,
        };
        let mut sum = 0.0_f64;
        let mut last: Option<Timestamp> = None;
        for &(time, amount, _) in self.from(from).iter().take_while(|event| event.0 <= to) {
            if last.is_none_or(|last| !same(last, time, distinct)) {
                sum += f64::from(amount);
            }
            last = Some(time);
        }
        sum as f32
    }

    /// Returns how long the window is.
    pub(crate) fn window_hours(&self) -> f32 {
        self.target.window_hours
    }

    /// Returns how long a subject is observed after a cut.
    pub(crate) fn observed_hours(&self, cut: Timestamp) -> f32 {
        self.observed_until.hours_since(cut) as f32
    }

    /// Returns when something first happens after a cut (at it counts), and whether it is the
    /// event and not a competing cause.
    pub(crate) fn first_after(&self, cut: Timestamp) -> Option<(f32, bool)> {
        let &(time, _, role) = self.from(cut).first()?;
        Some((time.hours_since(cut) as f32, role == Role::Own))
    }

    /// Writes the rows of a snapshot, each with its horizon and value; returns whether there are
    /// any. `at_risk` says whether the event can still happen.
    pub(crate) fn label(
        &self,
        at_risk: bool,
        cut: Timestamp,
        row: &mut dyn FnMut(f32, f32),
    ) -> bool {
        let observed = self.observed_hours(cut);
        match &self.target.kind {
            _ if !at_risk || observed < 0.0 => false,
            WindowKind::Sum | WindowKind::Count(_) => {
                let hours = self.target.window_hours;
                let whole = hours <= observed;
                if whole {
                    row(hours, self.total(cut, cut.plus_hours(f64::from(hours))));
                }
                whole
            }
            WindowKind::Event(plan) => {
                let first = self.from(cut).first();
                let happened = first.map(|(time, _, role)| (time.hours_since(cut) as f32, *role));
                let mut any = false;
                for &end in &plan.horizons_hours {
                    match happened {
                        Some((hours, role)) if hours <= end => {
                            row(end, cause(role));
                            return true;
                        }
                        _ if observed < end => return any,
                        _ => row(end, 0.0),
                    }
                    any = true;
                }
                any
            }
        }
    }

    fn from(&self, cut: Timestamp) -> &[(Timestamp, f32, Role)] {
        let start = self.events.partition_point(|event| event.0 < cut);
        self.events.get(start..).unwrap_or_default()
    }
}

impl WindowExamples {
    /// Adds the rows of a snapshot; returns whether there are any.
    pub(super) fn collect(
        &mut self,
        track: &Track<'_>,
        at_risk: bool,
        snapshot: u32,
        cut: Timestamp,
    ) -> bool {
        track.label(at_risk, cut, &mut |horizon, value| {
            self.snapshot.push(snapshot);
            self.horizon.push(horizon);
            self.value.push(value);
        })
    }

    /// Adds the features of a snapshot.
    pub(super) fn observe(&mut self, state: &SubjectState, window: usize, cut: Timestamp) {
        let from = self.own.len();
        self.own.resize(from + WINDOW_OWN_COUNT, f32::NAN);
        state.window_features(window, cut, &mut self.own[from..]);
        self.before.push(state.window(window).map_or(0.0, |known| known.before(cut)));
    }
}

/// Returns what a row says of an interval in which something happened.
fn cause(role: Role) -> f32 {
    match role {
        Role::Own => 1.0,
        // At most three causes compete.
        Role::Competing(cause) => 2.0 + cause as f32,
    }
}
