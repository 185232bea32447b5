//! Finds events that were there before: same subject, time, code, and value.
//!
//! Sources are nearly always ordered by subject and time, so only the events of the current
//! moment are remembered. A subject whose rows come in another order is *mixed*: from then on all
//! of its events are remembered. So order costs nothing, and disorder costs memory but no time
//! that grows faster than the rows.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use twinkeep_domain::{Event, Subject, Timestamp};

/// Remembers what was admitted.
#[derive(Default)]
pub(crate) struct Dedup {
    current: Option<Run>,
    /// Where in the rows the events of earlier subjects are.
    earlier: BTreeMap<Subject, Range<usize>>,
    mixed: BTreeMap<Subject, BTreeSet<Key>>,
}

/// The subject that is being read, in order so far.
struct Run {
    subject: Subject,
    start: usize,
    time: Option<Timestamp>,
    /// Codes and values at `time`.
    block: BTreeSet<(u32, u32)>,
}

type Key = (Option<Timestamp>, u32, u32);

impl Dedup {
    /// Returns whether the event is new. `rows` are the events admitted so far.
    pub(crate) fn admit(
        &mut self,
        rows: &[Event],
        subject: Subject,
        time: Option<Timestamp>,
        code: u32,
        value: f32,
    ) -> bool {
        // 0 and -0 are the same value.
        let bits = (value + 0.0).to_bits();
        match &mut self.current {
            Some(run) if run.subject == subject => match time.cmp(&run.time) {
                Ordering::Equal => return run.block.insert((code, bits)),
                Ordering::Greater => {
                    run.time = time;
                    run.block.clear();
                    return run.block.insert((code, bits));
                }
                Ordering::Less => self.end_run(rows.len()),
            },
            _ => self.end_run(rows.len()),
        }
        if let Some(range) = self.earlier.remove(&subject) {
            let keys = rows[range].iter().map(key).collect();
            self.mixed.insert(subject, keys);
        }
        if let Some(keys) = self.mixed.get_mut(&subject) {
            return keys.insert((time, code, bits));
        }
        let block = BTreeSet::from([(code, bits)]);
        self.current = Some(Run { subject, start: rows.len(), time, block });
        true
    }

    fn end_run(&mut self, row_count: usize) {
        if let Some(run) = self.current.take() {
            self.earlier.insert(run.subject, run.start..row_count);
        }
    }
}

fn key(event: &Event) -> Key {
    (event.time, event.code, (event.value.unwrap_or_default() + 0.0).to_bits())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use twinkeep_domain::{Event, Subject, Timestamp};

    use super::Dedup;

    proptest! {
        #[test]
        fn any_order_gives_the_same_answer_as_remembering_everything(
            rows in prop::collection::vec((0..4_i64, prop::option::of(0..4_i64), 0..2_u32, 0..2_u8), 0..200)
        ) {
            let mut dedup = Dedup::default();
            let mut events: Vec<Event> = Vec::new();
            let mut all = BTreeSet::new();
            for (subject, micros, code, value) in rows {
                let subject = Subject::from_pseudonym(subject).unwrap();
                let time = micros.map(Timestamp::from_micros);
                let admitted = dedup.admit(&events, subject, time, code, f32::from(value));
                prop_assert_eq!(admitted, all.insert((subject, time, code, value)));
                if admitted {
                    let value = Some(f32::from(value));
                    events.push(Event { subject, time, code, value, text: None });
                }
            }
        }
    }
}
