//! From the codes of a cohort to the variables and window targets of a pack, looked up once.

use twinkeep_domain::{Code, Pack, Timeline, Timestamp, WindowTarget};

/// For each code of a cohort or timeline, the pack's variable that it is, and what it means to each
/// window target.
#[derive(Clone, Debug)]
pub struct CodeMap {
    variables: Vec<Option<u32>>,
    windows: Vec<Vec<(usize, Role)>>,
    notes: Vec<bool>,
}

/// What an event is to a window target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// One that is asked for.
    Own,
    /// A competing cause, counted from 0.
    Competing(usize),
}

impl CodeMap {
    /// Looks every code up in the pack; codes that the pack does not know are passed over.
    pub fn new(pack: &Pack, codes: &[Code]) -> Self {
        let find = |code: &Code| pack.find(code.as_str()).and_then(|at| u32::try_from(at).ok());
        let roles = |code: &Code| {
            pack.windows()
                .iter()
                .enumerate()
                .filter_map(|(at, target)| Some((at, role(target, code.as_str())?)))
                .collect()
        };
        let is_note = |code: &Code| pack.notes().is_some_and(|plan| plan.is_about(code.as_str()));
        Self {
            notes: codes.iter().map(is_note).collect(),
            variables: codes.iter().map(find).collect(),
            windows: codes.iter().map(roles).collect(),
        }
    }

    /// Returns the window targets that an event with this code is about, and what it is to them.
    pub(crate) fn windows(&self, code: u32) -> &[(usize, Role)] {
        self.windows.get(code as usize).map_or(&[], Vec::as_slice)
    }

    /// Returns whether an event with this code is a note that the pack asks for.
    pub(crate) fn is_note(&self, code: u32) -> bool {
        self.notes.get(code as usize).copied().unwrap_or(false)
    }

    /// Returns whether the pack uses this code: as a variable, in a window target, or as a note.
    pub fn uses(&self, code: u32) -> bool {
        self.variable(code).is_some() || !self.windows(code).is_empty() || self.is_note(code)
    }

    /// Returns the pack's variable for [`twinkeep_domain::Event::code`], if the pack knows it.
    pub fn variable(&self, code: u32) -> Option<usize> {
        self.variables.get(code as usize).copied().flatten().map(|at| at as usize)
    }

    /// Returns when a timeline begins for the pack: at the first value of one of its variables. A
    /// record may hold a birth or a diagnosis long before that.
    pub fn start(&self, timeline: &Timeline) -> Option<Timestamp> {
        let known = timeline
            .events()
            .iter()
            .filter(|event| event.value.is_some() && self.variable(event.code).is_some());
        known.filter_map(|event| event.time).next()
    }
}

/// Returns what a code is to a window target.
pub(crate) fn role(target: &WindowTarget, code: &str) -> Option<Role> {
    if target.is_about(code) {
        return Some(Role::Own);
    }
    target.competing(code).map(Role::Competing)
}
