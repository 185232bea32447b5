//! What becomes of rows once there are enough for a portion: they are sorted, those that cannot be
//! true beside the others are taken out, and the portion is handed on.
//!
//! A source that fills more than one portion has this done on a thread of its own, while the next
//! portion is being read.
//!
//! # Invariants
//!
//! - Every row that goes in comes out once: as an event or as a refused row of a portion.
//! - Portions come one after the other, in the order of the source; the thread changes no answer.
//! - What is compared is compared in the order of subject, time, and code, so that time and memory
//!   do not depend on the order of the source.

use std::collections::{BTreeMap, BTreeSet};
use std::panic;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::{Scope, ScopedJoinHandle};

use twinkeep_domain::{Code, Event, Events, Screened, SourceSubject, Subject, Timestamp};
use twinkeep_vault::SecretBytes;

use crate::context::Context;
use crate::held::{Held, Unsorted};
use crate::lexicon::Words;
use crate::panel::{Detector, SenderStats};
use crate::profile::Profile;
use crate::{Judgement, ParsedRow, Portion, QuarantinedRow, ReadOptions, Reason, Stopped};

#[cfg(test)]
mod tests;

/// Takes a portion.
pub(crate) type Take<'a> = &'a mut (dyn FnMut(Portion) -> Result<(), Stopped> + Send);

/// Makes portions of rows, and hands them on.
pub(crate) struct Finisher<'a> {
    options: ReadOptions<'a>,
    take: Take<'a>,
    context: Context,
    /// What the rows add up to, if there is a panel.
    sender: Option<SenderStats>,
    profile: Profile,
    refused_count: Arc<AtomicU64>,
    /// Empty between portions: its room is used again.
    sorted: Vec<Held>,
}

/// What is known of all portions together.
pub(crate) struct Finished {
    pub profile: Profile,
    pub sender: Option<SenderStats>,
}

/// Where portions are finished: here, or, once there is more than one, on a thread.
pub(crate) struct Line<'a> {
    place: Option<Place<'a>>,
    refused_count: Arc<AtomicU64>,
}

enum Place<'a> {
    Here(Box<Finisher<'a>>, Start<'a>),
    Thread(Thread<'a>),
}

struct Thread<'a> {
    give: SyncSender<Unsorted>,
    free: Receiver<Vec<Held>>,
    end: ScopedJoinHandle<'a, Result<Finished, Stopped>>,
}

/// Starts the thread.
type Start<'a> = Box<dyn FnOnce(Finisher<'a>) -> Thread<'a> + 'a>;

impl<'a> Line<'a> {
    /// Begins with nothing; a thread lives in `scope`.
    pub(crate) fn new<'env>(
        options: &ReadOptions<'a>,
        take: Take<'a>,
        scope: &'a Scope<'a, 'env>,
    ) -> Self {
        let refused_count = Arc::new(AtomicU64::new(0));
        let finisher = Finisher {
            options: *options,
            take,
            context: Context::new(options.pack),
            sender: options.panel.map(|panel| SenderStats::new(panel.reference())),
            profile: Profile::default(),
            refused_count: Arc::clone(&refused_count),
            sorted: Vec::new(),
        };
        let start = move |finisher: Finisher<'a>| {
            // A portion is with the thread while the next one is read: two in all.
            let (give, filled) = sync_channel(0);
            let (give_back, free) = channel();
            let end = scope.spawn(move || finisher.run(&filled, &give_back));
            Thread { give, free, end }
        };
        let place = Some(Place::Here(Box::new(finisher), Box::new(start)));
        Self { place, refused_count }
    }

    /// Returns how many rows were refused only when they were beside others.
    pub(crate) fn refused_count(&self) -> u64 {
        self.refused_count.load(Ordering::Relaxed)
    }

    /// Hands rows on of which there will be more; returns room for those.
    pub(crate) fn hand_on(&mut self, rows: Unsorted) -> Result<Vec<Held>, Stopped> {
        let thread = match self.place.take().ok_or(Stopped)? {
            Place::Here(finisher, start) => start(*finisher),
            Place::Thread(thread) => thread,
        };
        let given = thread.give.send(rows);
        let room = thread.free.try_recv().unwrap_or_default();
        self.place = Some(Place::Thread(thread));
        // It is gone if it was stopped.
        given.map_err(|_| Stopped)?;
        Ok(room)
    }

    /// Hands on the last rows, and waits until all are taken.
    pub(crate) fn end(&mut self, last: Option<Unsorted>) -> Result<Finished, Stopped> {
        match self.place.take().ok_or(Stopped)? {
            Place::Here(mut finisher, _) => {
                last.map_or(Ok(()), |rows| finisher.hand_on(rows).map(drop))?;
                Ok(finisher.finish())
            }
            Place::Thread(Thread { give, end, .. }) => {
                let given = last.map_or(Ok(()), |rows| give.send(rows).map_err(|_| Stopped));
                drop(give);
                let finished = end.join().unwrap_or_else(|cause| panic::resume_unwind(cause));
                given?;
                finished
            }
        }
    }
}

impl Finisher<'_> {
    /// Takes what comes until there is no more.
    fn run(
        mut self,
        filled: &Receiver<Unsorted>,
        give_back: &Sender<Vec<Held>>,
    ) -> Result<Finished, Stopped> {
        for rows in filled {
            let room = self.hand_on(rows)?;
            // Nobody may want it any more; then it is dropped.
            let _ = give_back.send(room);
        }
        Ok(self.finish())
    }

    fn finish(self) -> Finished {
        Finished { profile: self.profile, sender: self.sender }
    }

    /// Makes a portion and hands it on; returns the room of the rows.
    fn hand_on(&mut self, rows: Unsorted) -> Result<Vec<Held>, Stopped> {
        let (portion, room) = self.portion(rows);
        self.profile.add(&portion, self.options.pack);
        (self.take)(portion)?;
        Ok(room)
    }

    /// Compares rows with each other, if the pack is asked, and with clean data, if there is a
    /// panel.
    fn portion(&mut self, unsorted: Unsorted) -> (Portion, Vec<Held>) {
        let Unsorted { rows, codes, mapping, mut quarantined, words } = unsorted;
        let room = sort(rows, &mut self.sorted);
        let rows = &mut self.sorted;
        let mut refused = refuse_repeated(rows);
        let judge = self.options.judgement == Judgement::ByThePack;
        if judge {
            let verdicts = self.context.judge(codes.codes(), rows);
            refused.extend(take_out(rows, &verdicts));
        }
        let panel = self.options.panel.filter(|_| judge).zip(self.sender.as_mut());
        let suspects = panel.map(|(panel, stats)| {
            let suspects = panel.screen(&seen_by_panel(&codes, rows), stats);
            let detectors: Vec<Detector> = suspects.iter().map(|found| found.detector).collect();
            let rows_at = suspects.iter().map(|found| (found.row, Reason::Suspect)).collect();
            take_out(rows, &rows_at).into_iter().zip(detectors).collect::<Vec<_>>()
        });
        let suspects = suspects.unwrap_or_default();
        self.refused_count.fetch_add((refused.len() + suspects.len()) as u64, Ordering::Relaxed);
        let words = (&*words, codes.codes());
        quarantined.extend(refused.into_iter().filter_map(|(row, reason)| {
            let subject = mapping.get(&row.subject)?.clone();
            Some(quarantine(row, reason, subject, words))
        }));
        quarantined.extend(suspects.into_iter().filter_map(|((row, reason), detector)| {
            let subject = mapping.get(&row.subject)?.clone();
            let row = quarantine(row, reason, subject, words);
            Some(QuarantinedRow { field: Some(detector.code()), ..row })
        }));
        let mut origins = Vec::with_capacity(rows.len());
        let mut events = codes;
        events.rows.reserve_exact(rows.len());
        for Held { subject, time, code, value, text, origin, .. } in rows.drain(..) {
            events.rows.push(Event { subject, time, code, value, text });
            origins.push(origin);
        }
        let mapping = mapping.into_iter().collect();
        let screened = Screened::attest(events);
        (Portion { screened, origins, mapping, quarantined }, room)
    }
}

/// Returns the rows as the panel looks at them: without their texts.
fn seen_by_panel(codes: &Events, rows: &[Held]) -> Events {
    let mut events = codes.clone();
    let event = |row: &Held| {
        let &Held { subject, time, code, value, .. } = row;
        Event { subject, time, code, value, text: None }
    };
    events.rows.extend(rows.iter().map(event));
    events
}

/// Moves rows to `sorted` by moment; what the source has at one moment stays in its order. Returns
/// the room that they leave.
///
/// Most sources have the rows of a person together. Those are sorted on their own, and only
/// numbers are moved about until each row is known to have its place: a row is moved once, and
/// next to the one that was moved before.
fn sort(rows: Vec<Held>, sorted: &mut Vec<Held>) -> Vec<Held> {
    let mut runs = Vec::new();
    let mut from = 0;
    for run in rows.chunk_by(|left, right| left.subject == right.subject) {
        runs.push((run[0].subject, from, from + run.len()));
        from += run.len();
    }
    runs.sort_unstable();
    // Same size as a row: this takes no room of its own.
    let mut waiting: Vec<Option<Held>> = rows.into_iter().map(Some).collect();
    sorted.reserve_exact(waiting.len());
    let mut moments: Vec<(Option<Timestamp>, u32, usize)> = Vec::new();
    for person in runs.chunk_by(|left, right| left.0 == right.0) {
        moments.clear();
        for &(_, from, to) in person {
            let run = (from..).zip(&waiting[from..to]);
            moments.extend(run.filter_map(|(at, row)| row.as_ref().map(|r| (r.time, r.code, at))));
        }
        moments.sort_unstable();
        sorted.extend(moments.iter().filter_map(|&(.., at)| waiting[at].take()));
    }
    // Nothing is in it any more; its room is used again.
    waiting.clear();
    waiting.into_iter().map_while(|row| row).collect()
}

/// Takes out the rows that say what an earlier one says: same subject, time, code, value, text.
fn refuse_repeated(rows: &mut Vec<Held>) -> Vec<(Held, Reason)> {
    let mut repeated = BTreeMap::new();
    let mut from = 0;
    for moment in rows.chunk_by(|left, right| moment(left) == moment(right)) {
        if 1 < moment.len() {
            let mut seen = BTreeSet::new();
            let again = (from..).zip(moment).filter(|(_, row)| !seen.insert(said(row)));
            repeated.extend(again.map(|(at, _)| (at, Reason::Duplicate)));
        }
        from += moment.len();
    }
    take_out(rows, &repeated)
}

/// Takes rows out by their index.
fn take_out(rows: &mut Vec<Held>, verdicts: &BTreeMap<usize, Reason>) -> Vec<(Held, Reason)> {
    if verdicts.is_empty() {
        return Vec::new();
    }
    let mut at = 0;
    let refused = rows.extract_if(.., |_| {
        at += 1;
        verdicts.contains_key(&(at - 1))
    });
    refused.zip(verdicts.values()).map(|(row, reason)| (row, *reason)).collect()
}

/// Rows are sorted by it.
fn moment(row: &Held) -> (Subject, Option<Timestamp>, u32) {
    (row.subject, row.time, row.code)
}

/// What a row says about its moment; 0 and -0 are the same value.
fn said(row: &Held) -> (Option<u32>, Option<&str>) {
    (row.value.map(|value| (value + 0.0).to_bits()), row.text.as_deref())
}

/// Makes a refused row of one that had passed so far.
fn quarantine(
    row: Held,
    reason: Reason,
    subject: SourceSubject,
    (words, codes): (&Words, &[Code]),
) -> QuarantinedRow {
    let Held { time, code, text, given, origin, .. } = row;
    let own = codes.get(code as usize).map_or("", Code::as_str);
    let value = if given.value.is_nan() { String::new() } else { given.value.to_string() };
    let parsed = ParsedRow {
        subject,
        time,
        name: words.name(given.name).unwrap_or(own).into(),
        value: value.into(),
        unit: words.unit(given.unit).map(Into::into),
        text,
    };
    let raw = SecretBytes::new(parsed.to_line().into_bytes());
    QuarantinedRow { origin, field: None, reason, raw, parsed: Some(parsed) }
}
