//! Events and timelines, in the five columns of MEDS.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::limits;
use crate::{Subject, Timestamp};

/// What an event is about: a short name such as `HR` or `LAB//220045//bpm`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Code(Arc<str>);

impl Code {
    /// Takes a code; `None` if it is empty, too long, or has control characters.
    pub fn new(text: &str) -> Option<Self> {
        let valid = !text.is_empty()
            && text.len() <= limits::CODE_LEN_MAX
            && !text.chars().any(char::is_control);
        valid.then(|| Self(text.into()))
    }

    /// Returns the code as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Code({})", self.0)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One thing that happened to one subject.
#[derive(Clone, PartialEq)]
pub struct Event {
    /// Who it is about.
    pub subject: Subject,
    /// When it happened; `None` for what holds at all times, such as sex.
    pub time: Option<Timestamp>,
    /// What it is about: an index into the codes of the [`Events`] or timelines that hold it.
    pub code: u32,
    /// The number, if it has one.
    pub value: Option<f32>,
    /// The text, if it has one.
    pub text: Option<Box<str>>,
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Event(hidden)")
    }
}

/// Events with the codes that they point to.
#[derive(Clone, Debug, Default)]
pub struct Events {
    codes: Vec<Code>,
    index: BTreeMap<Code, u32>,
    /// The events, in any order.
    pub rows: Vec<Event>,
}

impl Events {
    /// Returns no events.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the index of `code`, adding it on first use.
    pub fn intern(&mut self, code: &Code) -> u32 {
        if let Some(&index) = self.index.get(code) {
            return index;
        }
        let index = u32::try_from(self.codes.len()).unwrap_or(u32::MAX);
        self.codes.push(code.clone());
        self.index.insert(code.clone(), index);
        index
    }

    /// Returns the index of `code`, if it was added.
    pub fn index_of(&self, code: &Code) -> Option<u32> {
        self.index.get(code).copied()
    }

    /// Returns the codes, in the order in which events point to them.
    pub fn codes(&self) -> &[Code] {
        &self.codes
    }

    /// Sorts by subject, then time (static events first), then code: the order of MEDS shards.
    pub fn sort(&mut self) {
        self.rows.sort_by_key(|event| (event.subject, event.time, event.code));
    }
}

/// One subject's events in time order, static ones first.
#[derive(Clone, Debug)]
pub struct Timeline {
    subject: Subject,
    events: Vec<Event>,
}

impl Timeline {
    /// Takes the events of one subject and puts them in order; `None` if another's are among them.
    pub fn new(subject: Subject, mut events: Vec<Event>) -> Option<Self> {
        if events.iter().any(|event| event.subject != subject) {
            return None;
        }
        events.sort_by_key(|event| event.time);
        Some(Self { subject, events })
    }

    /// Returns whose timeline this is.
    pub fn subject(&self) -> Subject {
        self.subject
    }

    /// Returns the events, static ones first, then by time.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// Returns the time of the first timed event.
    pub fn start(&self) -> Option<Timestamp> {
        self.events.iter().find_map(|event| event.time)
    }

    /// Returns the time of the last event.
    pub fn end(&self) -> Option<Timestamp> {
        self.events.last().and_then(|event| event.time)
    }
}

/// Timelines of several subjects, with the codes that their events point to.
#[derive(Clone, Debug, Default)]
pub struct Cohort {
    /// What [`Event::code`] points into.
    pub codes: Vec<Code>,
    /// One timeline a subject, by increasing pseudonym.
    pub timelines: Vec<Timeline>,
}

#[cfg(test)]
mod tests {
    use super::{Code, Event, Events, Timeline};
    use crate::{Subject, Timestamp};

    fn event(subject: i64, micros: Option<i64>) -> Event {
        Event {
            subject: Subject::from_pseudonym(subject).unwrap(),
            time: micros.map(Timestamp::from_micros),
            code: 0,
            value: Some(1.0),
            text: None,
        }
    }

    #[test]
    fn a_code_is_interned_once() {
        let mut events = Events::new();
        let code = Code::new("HR").unwrap();
        assert_eq!(events.intern(&code), 0);
        assert_eq!(events.intern(&code), 0);
        assert_eq!(events.codes(), [code]);
    }

    #[test]
    fn a_timeline_is_in_time_order_with_static_events_first() {
        let subject = Subject::from_pseudonym(1).unwrap();
        let events = vec![event(1, Some(5)), event(1, None), event(1, Some(3))];
        let timeline = Timeline::new(subject, events).unwrap();
        let times: Vec<_> =
            timeline.events().iter().map(|event| event.time.map(Timestamp::micros)).collect();
        assert_eq!(times, [None, Some(3), Some(5)]);
        assert_eq!(timeline.start(), Some(Timestamp::from_micros(3)));
        assert_eq!(timeline.end(), Some(Timestamp::from_micros(5)));
    }

    #[test]
    fn a_timeline_holds_one_subject_only() {
        let subject = Subject::from_pseudonym(1).unwrap();
        assert!(Timeline::new(subject, vec![event(1, None), event(2, None)]).is_none());
    }

    #[test]
    fn an_event_hides_its_value() {
        assert_eq!(format!("{:?}", event(7, Some(5))), "Event(hidden)");
    }
}
