//! The constant-size state of a subject: for each variable, sums from which features follow.

use std::fmt;

use twinkeep_domain::{Event, Pack, Timeline, Timestamp, VariableKind, WindowKind};

use super::notes::NoteState;
use super::window::WindowState;
use crate::CodeMap;
use crate::codes::Role;

/// Everything the engine remembers about one subject.
#[derive(Clone)]
pub struct SubjectState {
    memory_hours: [f32; 3],
    kinds: Vec<VariableKind>,
    variables: Vec<VariableState>,
    statics: Vec<f32>,
    windows: Vec<WindowState>,
    notes: Option<NoteState>,
    start: Option<Timestamp>,
    event_count: u32,
}

/// What is remembered about one variable of one subject.
#[derive(Clone, Copy)]
pub struct VariableState {
    last: f32,
    previous: f32,
    last_time: Timestamp,
    previous_time: Timestamp,
    count: u32,
    min: f32,
    max: f32,
    // Sums over hours `t` since the subject's first observation of this variable, and values `v`.
    origin: Timestamp,
    sum_t: f64,
    sum_tt: f64,
    mean: f64,
    sum_dd: f64,
    sum_tv: f64,
    // Exponentially weighted sums of values and of weights, as of `last_time`.
    weighted: [f64; 3],
    weights: [f64; 3],
}

impl SubjectState {
    /// Returns the state of a subject about whom nothing is known.
    pub fn new(pack: &Pack) -> Self {
        let count = pack.variables().len();
        Self {
            memory_hours: pack.forecast().memory_hours,
            kinds: pack.variables().iter().map(|variable| variable.kind).collect(),
            variables: vec![VariableState::EMPTY; count],
            statics: vec![f32::NAN; count],
            windows: pack.windows().iter().map(WindowState::new).collect(),
            notes: pack.notes().map(NoteState::new),
            start: None,
            event_count: 0,
        }
    }

    /// Returns the state after all events of a timeline.
    pub fn from_timeline(pack: &Pack, codes: &CodeMap, timeline: &Timeline) -> Self {
        let mut state = Self::new(pack);
        for event in timeline.events() {
            state.apply(codes, event);
        }
        state
    }

    /// Absorbs an event, whatever it is to the pack: a value of a variable, an event of a window
    /// target, a note, several of these, or nothing. What has no time happened in no window, and
    /// such a note may have been written at any time, later than all that is known.
    pub fn apply(&mut self, codes: &CodeMap, event: &Event) {
        if let (Some(variable), Some(value)) = (codes.variable(event.code), event.value) {
            self.observe(variable, event.time, value);
        }
        let Some(time) = event.time else { return };
        if let (Some(notes), Some(text)) = (&mut self.notes, &event.text)
            && codes.is_note(event.code)
        {
            notes.observe(time, text);
        }
        for &(window, role) in codes.windows(event.code) {
            self.note(window, role, time, event.value);
        }
    }

    /// Absorbs an event of a window target.
    pub(crate) fn note(&mut self, window: usize, role: Role, time: Timestamp, value: Option<f32>) {
        let Some(state) = self.windows.get_mut(window) else { return };
        match role {
            Role::Own => state.observe(time, value, self.memory_hours),
            Role::Competing(_) => state.rule_out(time),
        }
    }

    /// Returns what is remembered about a window target.
    pub(crate) fn window(&self, window: usize) -> Option<&WindowState> {
        self.windows.get(window)
    }

    /// Returns what is remembered about the notes, if the pack asks for them.
    pub(crate) fn notes(&self) -> Option<&NoteState> {
        self.notes.as_ref()
    }

    /// Returns whether the event of a window target can still happen.
    pub(crate) fn is_at_risk(&self, pack: &Pack, window: usize) -> bool {
        let once = match pack.windows().get(window).map(|target| &target.kind) {
            Some(WindowKind::Event(plan)) => plan.once,
            _ => false,
        };
        let Some(known) = self.windows.get(window) else { return false };
        !(known.is_ruled_out() || once && 0 < known.count())
    }

    /// Writes the features of a window target at a moment; all missing if there is none.
    pub(crate) fn window_features(&self, window: usize, now: Timestamp, out: &mut [f32]) {
        match self.windows.get(window) {
            Some(state) => state.features(now, self.start, self.memory_hours, out),
            None => out.fill(f32::NAN),
        }
    }

    /// Absorbs one observation; `variable` is an index into the pack's variables.
    ///
    /// Passes over what cannot be used: an unknown variable, a value that is not finite or absurdly large, a series
    /// value without a time. Screening happens before; this is only so that nothing breaks.
    pub fn observe(&mut self, variable: usize, time: Option<Timestamp>, value: f32) {
        let Some(kind) = self.kinds.get(variable) else { return };
        if !value.is_finite() || VALUE_MAX < value.abs() {
            return;
        }
        if *kind == VariableKind::Static {
            self.statics[variable] = value;
            return;
        }
        let Some(time) = time else { return };
        self.start = Some(self.start.map_or(time, |start| start.min(time)));
        self.event_count = self.event_count.saturating_add(1);
        self.variables[variable].observe(time, value, self.memory_hours);
    }

    /// Returns how many timed observations were absorbed.
    pub fn event_count(&self) -> u32 {
        self.event_count
    }

    /// Returns the time of the earliest observation.
    pub fn start(&self) -> Option<Timestamp> {
        self.start
    }

    /// Returns how many variables the state has room for: those of its pack.
    pub fn variable_count(&self) -> usize {
        self.variables.len()
    }

    /// Returns what is remembered about a variable; `None` if it was never observed.
    pub fn variable(&self, variable: usize) -> Option<&VariableState> {
        self.variables.get(variable).filter(|state| 0 < state.count)
    }

    /// Returns the value of a static variable; NaN if it is not known.
    pub fn static_value(&self, variable: usize) -> f32 {
        self.statics.get(variable).copied().unwrap_or(f32::NAN)
    }
}

impl VariableState {
    const EMPTY: Self = Self {
        last: f32::NAN,
        previous: f32::NAN,
        last_time: Timestamp::from_micros(i64::MIN),
        previous_time: Timestamp::from_micros(i64::MIN),
        count: 0,
        min: f32::NAN,
        max: f32::NAN,
        origin: Timestamp::from_micros(0),
        sum_t: 0.0,
        sum_tt: 0.0,
        mean: 0.0,
        sum_dd: 0.0,
        sum_tv: 0.0,
        weighted: [0.0; 3],
        weights: [0.0; 3],
    };

    /// Returns the value that is latest in time.
    pub fn last(&self) -> f32 {
        self.last
    }

    /// Returns the time of the last value.
    pub fn last_time(&self) -> Timestamp {
        self.last_time
    }

    /// Returns the value before the last; NaN if there is only one.
    pub fn previous(&self) -> f32 {
        self.previous
    }

    /// Returns how many values were observed.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Returns the mean of all values.
    pub fn mean(&self) -> f32 {
        self.mean as f32
    }

    /// Returns the smallest value.
    pub fn min(&self) -> f32 {
        self.min
    }

    /// Returns the largest value.
    pub fn max(&self) -> f32 {
        self.max
    }

    /// Returns the standard deviation of the values; NaN if there is only one.
    pub fn deviation(&self) -> f32 {
        if self.count < 2 {
            return f32::NAN;
        }
        (self.sum_dd / f64::from(self.count)).max(0.0).sqrt() as f32
    }

    /// Returns the least-squares trend in units an hour; NaN if all values share one moment.
    pub fn slope(&self) -> f32 {
        let count = f64::from(self.count);
        let spread = self.sum_tt - self.sum_t * self.sum_t / count;
        if self.count < 2 || spread < SPREAD_HOURS_SQUARED_MIN {
            return f32::NAN;
        }
        ((self.sum_tv - self.sum_t * self.mean) / spread) as f32
    }

    /// Returns the exponentially weighted mean: 0 is the pack's fast memory, 1 middle, 2 slow.
    pub fn weighted_mean(&self, memory: usize) -> f32 {
        (self.weighted[memory] / self.weights[memory]) as f32
    }

    fn observe(&mut self, time: Timestamp, value: f32, memory_hours: [f32; 3]) {
        let wide = f64::from(value);
        if self.count == 0 {
            self.origin = time;
        }
        let hours = time.hours_since(self.origin);
        self.count = self.count.saturating_add(1);
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        self.sum_t += hours;
        self.sum_tt += hours * hours;
        self.sum_tv += hours * wide;
        // Welford's update: the textbook sum of squares loses all digits for large values.
        let before = wide - self.mean;
        self.mean += before / f64::from(self.count);
        self.sum_dd += before * (wide - self.mean);
        self.weigh(time, wide, memory_hours);
        if self.last_time <= time {
            (self.previous, self.previous_time) = (self.last, self.last_time);
            (self.last, self.last_time) = (value, time);
        } else if self.previous_time <= time {
            (self.previous, self.previous_time) = (value, time);
        }
    }

    /// Adds a value to the weighted sums, which are kept as of the latest time.
    ///
    /// A late arrival gets the weight it would have had if it had come in time.
    fn weigh(&mut self, time: Timestamp, value: f64, memory_hours: [f32; 3]) {
        let first = self.count == 1;
        let ahead = if first { 0.0 } else { time.hours_since(self.last_time) };
        for (at, &memory) in memory_hours.iter().enumerate() {
            let decay = (-ahead.abs() / f64::from(memory)).exp();
            let (old, new) = if ahead < 0.0 { (1.0, decay) } else { (decay, 1.0) };
            self.weighted[at] = self.weighted[at] * old + value * new;
            self.weights[at] = self.weights[at] * old + new;
        }
    }
}

impl fmt::Debug for SubjectState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SubjectState(hidden)")
    }
}

impl fmt::Debug for VariableState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VariableState(hidden)")
    }
}

/// No unit of any pack has larger values, and their squares still fit all sums.
const VALUE_MAX: f32 = 1e15;

/// Values closer than this in time have no trend: below it, a slope is rounding.
const SPREAD_HOURS_SQUARED_MIN: f64 = 1e-6;
