//! Who the processes were that have ended: a process that changes a file and is gone before that is
//! told has said who it is when it asked for the file, or in an audit record.
//!
//! # Invariants
//!
//! - Memory is bounded: the oldest is forgotten first.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use super::Process;

/// Processes that were seen lately, newest last.
#[derive(Debug, Default)]
pub(super) struct Recent {
    processes: Mutex<VecDeque<Process>>,
}

impl Recent {
    /// Remembers a process. One that is about to end has no program any more, and says less than
    /// what was remembered of it before.
    pub(super) fn remember(&self, process: Process) {
        if process.program.path.is_empty() {
            return;
        }
        let mut processes = self.processes.lock().unwrap_or_else(PoisonError::into_inner);
        if processes.len() >= PROCESS_COUNT_MAX {
            processes.pop_front();
        }
        processes.push_back(process);
    }

    /// Returns who had this number last. Whoever asked for a file is known better than whoever an
    /// audit record names: of that program there is no file.
    pub(super) fn had(&self, pid: u32) -> Option<Process> {
        let processes = self.processes.lock().unwrap_or_else(PoisonError::into_inner);
        let mut with_number = processes.iter().rev().filter(|it| it.pid == pid);
        let newest = with_number.next()?;
        let asked = |it: &&Process| it.program.file.is_some() && it.name == newest.name;
        let found = if asked(&newest) { newest } else { with_number.find(asked).unwrap_or(newest) };
        Some(found.clone())
    }
}

/// How many are remembered: what a busy machine starts within some seconds.
const PROCESS_COUNT_MAX: usize = 1024;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{PROCESS_COUNT_MAX, Recent};
    use crate::access::{FileId, Process, Program};

    fn process(pid: u32, name: &str, asked: bool) -> Process {
        let here = std::fs::metadata("/proc/self/exe").ok();
        let file = here.filter(|_| asked).map(|it| FileId::of(&it));
        let program = Arc::new(Program { path: "/bin/it".to_owned(), file, handle: None });
        let name = name.to_owned();
        Process {
            pid,
            parent: 1,
            user: 0,
            login: None,
            name,
            program,
            own: asked,
            permitted: false,
        }
    }

    #[test]
    fn the_newest_with_a_number_is_found_and_who_asked_is_known_better() {
        let recent = Recent::default();
        assert!(recent.had(7).is_none());
        recent.remember(process(7, "chmod", true));
        recent.remember(process(7, "chmod", false));
        assert!(recent.had(7).unwrap().own, "the same process, told twice");
        recent.remember(process(7, "other", false));
        assert_eq!(recent.had(7).unwrap().name, "other", "the number was used again");
        for pid in 100..100 + PROCESS_COUNT_MAX as u32 {
            recent.remember(process(pid, "flood", false));
        }
        assert!(recent.had(7).is_none());
    }
}
