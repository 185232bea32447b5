//! What clean data look like here: the reference of the poisoning panel, learned from what the
//! keep has admitted, and sealed beside the store.
//!
//! It is learned when there are enough people, and again when there are four times as many, until
//! it is full: then it stays, so that what senders add up to stays comparable. Only the `train`
//! split teaches it. It holds contexts of real people, so it is deleted when one of them is erased,
//! and the next ingest learns another.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::Path;

use twinkeep_domain::{Cohort, Events, Split, Subject};
use twinkeep_intake::panel::{Course, Panel, Reference};
use twinkeep_ledger::{Activity, Class as EventClass};
use twinkeep_vault::files::{create_private_dir, read_bounded, sync_dir, write_atomic};
use twinkeep_vault::{Purpose, SecretBytes, open, seal};

use crate::{App, AppError, Caller};

impl App {
    /// Returns the panel, if the keep knows enough people; learns its reference where it must.
    pub(crate) fn panel(&self, caller: &Caller) -> Result<Option<Panel>, AppError> {
        let parameters = self.panel_parameters()?;
        let known = self.read_sealed(REFERENCE)?;
        let known = known.and_then(|bytes| Reference::from_bytes(bytes.expose()));
        if let Some(known) = &known
            && REFERENCE_FULL <= known.subject_count()
        {
            return Ok(Some(Panel::new(known.clone(), parameters)));
        }
        let people = self.store.subject_counts()?.get(&Split::Train).copied().unwrap_or_default();
        let outgrown = known.as_ref().map_or(PEOPLE_MIN, |known| GROWTH * known.subject_count());
        if outgrown <= people {
            let plan = self.pack.forecast();
            let (cut_hours, horizon_hours) = (plan.evaluation_cut_hours, plan.horizon_hours);
            let course = Course { cut_hours, horizon_hours };
            let learned = Reference::learn(&self.lesson()?, course, SEED, &parameters.rows);
            if let Some(learned) = learned {
                self.write_sealed(REFERENCE, &learned.to_bytes())?;
                let class = EventClass::DatastoreActivity;
                let entry = self.entry(caller, class, Activity::Read, "reference.learned");
                let count = i64::try_from(learned.subject_count()).unwrap_or(i64::MAX);
                self.record(&entry.with("subjects", count))?;
                return Ok(Some(Panel::new(learned, parameters)));
            }
        }
        Ok(known.map(|known| Panel::new(known, parameters)))
    }

    /// Deletes the reference, since somebody who may have taught it was erased.
    pub(crate) fn forget_reference(&self) -> Result<(), AppError> {
        let dir = self.layout.screening();
        let removed = match std::fs::remove_file(dir.join(REFERENCE)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            removed => removed.and_then(|()| sync_dir(&dir)),
        };
        removed.map_err(|error| {
            AppError::environment("screening-write", "cannot delete the reference of the panel")
                .because(error)
        })
    }

    /// Returns events to learn from: all of a small keep, some people of a large one.
    fn lesson(&self) -> Result<Events, AppError> {
        let mut chosen: BTreeMap<u64, Subject> = BTreeMap::new();
        let (mut event_count, mut after) = (0, None);
        loop {
            let page = self.store.subjects(after, PAGE)?;
            let Some(last) = page.last() else { break };
            after = Some(last.subject);
            for record in page.iter().filter(|record| record.split == Split::Train) {
                event_count += record.event_count;
                chosen.insert(spread(record.subject), record.subject);
                if PEOPLE_MAX < chosen.len() {
                    chosen.pop_last();
                }
            }
        }
        let mut events = Events::new();
        if event_count <= EVENTS_AT_ONCE_MAX {
            add(&mut events, self.store.cohort(Split::Train)?);
            return Ok(events);
        }
        let mut chosen: Vec<Subject> = chosen.into_values().collect();
        chosen.sort();
        for subject in chosen {
            if let Some(cohort) = self.store.timeline(subject)? {
                add(&mut events, cohort);
            }
        }
        Ok(events)
    }

    /// Reads what [`App::write_sealed`] wrote; `None` if there is nothing.
    pub(crate) fn read_sealed(&self, name: &str) -> Result<Option<SecretBytes>, AppError> {
        let path = self.layout.screening().join(name);
        let sealed = match read_bounded(&path, SEALED_SIZE_MAX) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(cannot_read(&path).because(error)),
            Ok(sealed) => sealed,
        };
        let opened = open(&self.screening_key, Purpose::Screening, name.as_bytes(), &sealed);
        opened.map(Some).map_err(|error| {
            cannot_read(&path)
                .because(error)
                .hint("restore the file from a backup, or delete it: the next ingest learns anew")
        })
    }

    /// Waits for the turn to read and write a file of the panel; given back when dropped, or when
    /// the process ends in any way.
    pub(crate) fn screening_turn(&self) -> Result<File, AppError> {
        let dir = self.layout.screening();
        let opened = create_private_dir(&dir).and_then(|()| File::open(&dir));
        let taken = opened.and_then(|folder| folder.lock().map(|()| folder));
        taken.map_err(|error| {
            let attempt = format!("cannot lock `{}`", dir.display());
            AppError::environment("screening-write", attempt).because(error)
        })
    }

    /// Seals a file of the panel.
    pub(crate) fn write_sealed(&self, name: &str, bytes: &[u8]) -> Result<(), AppError> {
        let dir = self.layout.screening();
        let sealed = seal(&self.screening_key, Purpose::Screening, name.as_bytes(), bytes);
        create_private_dir(&dir)
            .and_then(|()| write_atomic(&dir.join(name), &sealed, 0o600))
            .map_err(|error| {
                let attempt = format!("cannot write `{}`", dir.join(name).display());
                AppError::environment("screening-write", attempt).because(error)
            })
    }
}

fn cannot_read(path: &Path) -> AppError {
    AppError::refused("screening-read", format!("cannot read `{}`", path.display()))
}

fn add(events: &mut Events, cohort: Cohort) {
    let codes: Vec<u32> = cohort.codes.iter().map(|code| events.intern(code)).collect();
    for timeline in cohort.timelines {
        for event in timeline.events() {
            let Some(&code) = codes.get(event.code as usize) else { continue };
            let mut event = event.clone();
            (event.code, event.text) = (code, None);
            events.rows.push(event);
        }
    }
}

/// Orders people in a way that has nothing to do with who they are; pseudonyms are keyed already.
fn spread(subject: Subject) -> u64 {
    (subject.reveal() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32)
}

pub(crate) const REFERENCE: &str = "reference";

/// A reference of as many people is as good as it gets: the panel holds no more than 4,000.
const REFERENCE_FULL: u64 = 3_600;

/// Fewer people cannot teach what one row in a thousand looks like.
const PEOPLE_MIN: u64 = 200;

/// A reference of a quarter of the people is worth learning again.
const GROWTH: u64 = 4;

/// As many people as a reference holds.
const PEOPLE_MAX: usize = 4_000;

/// About 300 MB while it is learned.
const EVENTS_AT_ONCE_MAX: u64 = 4_000_000;

const PAGE: u32 = 10_000;

/// Ten times what a full reference, or a thousand senders, take.
const SEALED_SIZE_MAX: u64 = 128 << 20;

/// The same people give the same reference.
const SEED: u64 = 42;
