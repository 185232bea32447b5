//! Makes few of many sightings, so that a flood of them cannot fill the ledger.
//!
//! The first sighting of a kind is passed on at once. Those like it are counted for as long as the
//! window lasts, and passed on as one group. Two are alike if file, action, answer, and who did it
//! are the same; the number of the process is not looked at, since a new one is had for nothing.
//! What the keep's own program does is one kind a process name and action, whatever the file: the
//! use cases of the keep write entries of what they do.
//!
//! # Invariants
//!
//! - Every sighting is in exactly one group that is passed on.
//! - At most [`GROUP_COUNT_MAX`] kinds are told apart within a window, whoever makes up how many.

use std::collections::BTreeMap;
use std::mem;
use std::sync::Arc;

use twinkeep_domain::Timestamp;

use super::{Action, Answer, Program, Sighting, Who};

/// Sightings that are alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The first of them.
    pub first: Sighting,
    /// When the last of them was seen.
    pub last: Timestamp,
    /// How many there are.
    pub count: u64,
    /// Whether others are among them that differ in file or in who it was, because there were more
    /// kinds than are told apart.
    pub mixed: bool,
}

/// What two sightings have in common that are alike.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    file: String,
    action: Action,
    answer: Answer,
    who: Asked,
}

/// [`Who`] without what changes from process to process.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Asked {
    Own { name: String },
    Process { user: u32, login: Option<u32>, name: String, program: Arc<Program> },
    Gone,
    Unknown,
}

/// Counts what is alike.
#[derive(Debug, Default)]
pub struct Grouper {
    /// When the present window began.
    began: Option<Timestamp>,
    /// What was seen of each kind since its first was passed on.
    open: BTreeMap<Kind, Option<Group>>,
    /// What was of more kinds than are told apart, by answer: what was refused is never hidden
    /// among what was allowed.
    rest: BTreeMap<Answer, Group>,
}

impl Grouper {
    /// Takes a sighting, and returns what is to be passed on now.
    pub fn see(&mut self, sighting: Sighting) -> Vec<Group> {
        let mut passed_on = self.due(sighting.time);
        self.began.get_or_insert(sighting.time);
        let kind = Kind::of(&sighting);
        if let Some(counted) = self.open.get_mut(&kind) {
            count(counted, sighting, false);
        } else if self.open.len() < GROUP_COUNT_MAX {
            passed_on.push(Group::of(sighting, false));
            self.open.insert(kind, None);
        } else {
            let mut counted = self.rest.remove(&sighting.answer);
            let answer = sighting.answer;
            count(&mut counted, sighting, true);
            self.rest.extend(counted.map(|group| (answer, group)));
        }
        passed_on
    }

    /// Returns what was counted, if the window is over at `now`.
    pub fn due(&mut self, now: Timestamp) -> Vec<Group> {
        let Some(began) = self.began else { return Vec::new() };
        // A clock that was set back ends the window, too: it would not end by itself for long.
        let passed = now.micros().saturating_sub(began.micros());
        if (0..WINDOW_MICROS).contains(&passed) { Vec::new() } else { self.finish() }
    }

    /// Returns what was counted and not passed on yet.
    pub fn finish(&mut self) -> Vec<Group> {
        self.began = None;
        let open = mem::take(&mut self.open).into_values().flatten();
        open.chain(mem::take(&mut self.rest).into_values()).collect()
    }
}

fn count(counted: &mut Option<Group>, sighting: Sighting, mixed: bool) {
    match counted {
        Some(group) => {
            group.count = group.count.saturating_add(1);
            group.last = group.last.max(sighting.time);
        }
        None => *counted = Some(Group::of(sighting, mixed)),
    }
}

impl Group {
    fn of(first: Sighting, mixed: bool) -> Self {
        Self { last: first.time, first, count: 1, mixed }
    }
}

impl Kind {
    fn of(sighting: &Sighting) -> Self {
        let who = match &sighting.who {
            Who::Process(process) if process.own => Asked::Own { name: process.name.clone() },
            Who::Process(process) => Asked::Process {
                user: process.user,
                login: process.login,
                name: process.name.clone(),
                program: Arc::clone(&process.program),
            },
            Who::Gone { .. } => Asked::Gone,
            Who::Unknown => Asked::Unknown,
        };
        let file = match who {
            Asked::Own { .. } => String::new(),
            _ => sighting.file.clone(),
        };
        Self { file, action: sighting.action, answer: sighting.answer, who }
    }
}

/// How long what is alike is counted together: a minute, which is how late the count may be told.
pub const WINDOW_MICROS: i64 = 60_000_000;

/// How many kinds are told apart within a window. With what is left over, it bounds the entries of
/// a minute to about twice this, whatever happens to the files.
pub const GROUP_COUNT_MAX: usize = 64;

#[cfg(test)]
mod tests;
