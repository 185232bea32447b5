//! Use case: take feeds out of the drop folder for as long as the gate is open.
//!
//! [`keep_receiving`] does the work. This says who does it, remembers how it stands, so that
//! `GET /readyz` can tell, and records when the folder cannot be used and when it can again.
//!
//! # Invariants
//!
//! - It ends only when it is told to: a bug ends one turn, and the next one begins after a pause.
//! - A failure that lasts is one entry in the ledger, not one each turn.

use std::mem::discriminant;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::PoisonError;

use twinkeep_ledger::{Activity, Class as EventClass, Severity};

use crate::receive_folder::{FolderNews, FolderRequest, keep_receiving};
use crate::{App, AppError, Caller, Dates};

/// How the drop folder stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropFolderState {
    /// It is being opened.
    Opening,
    /// It is watched, and everything in it was dealt with.
    Watching,
    /// It cannot be used; the code says why. It is tried again.
    Failing(&'static str),
}

impl DropFolderState {
    /// Returns the name that programs see.
    pub fn name(self) -> &'static str {
        match self {
            Self::Opening => "opening",
            Self::Watching => "watching",
            Self::Failing(_) => "failing",
        }
    }
}

/// Takes sealed feeds out of a folder until `stop` says so, whatever happens; tells what does.
pub fn serve_drop_folder(
    app: &App,
    dir: &Path,
    stop: &dyn Fn() -> bool,
    tell: &mut dyn FnMut(&FolderNews<'_>),
) {
    let caller = Caller::system();
    let request = FolderRequest { dir, plain_site: None, dates: Dates::Real, once: false };
    app.set_drop_folder(DropFolderState::Opening);
    let mut heard = |news: &FolderNews<'_>| {
        note(app, &caller, news);
        tell(news);
    };
    while !stop() {
        let turns = || keep_receiving(app, &caller, request, stop, &mut heard);
        if catch_unwind(AssertUnwindSafe(turns)).is_err() {
            let bug = AppError::environment("folder-bug", "a bug ended a look into the folder");
            heard(&FolderNews::Failed(&bug));
            std::thread::sleep(PAUSE_AFTER_BUG);
        }
    }
}

/// Remembers how the folder stands, and records it where that changes.
fn note(app: &App, caller: &Caller, news: &FolderNews<'_>) {
    let state = match news {
        FolderNews::Settled(_) => return,
        FolderNews::Watching => DropFolderState::Watching,
        FolderNews::Failed(error) => DropFolderState::Failing(error.code()),
    };
    let before = app.set_drop_folder(state);
    if before.is_some_and(|before| discriminant(&before) == discriminant(&state)) {
        return;
    }
    let entry =
        app.entry(caller, EventClass::ApplicationLifecycle, Activity::Start, "folder.watched");
    let entry = match state {
        DropFolderState::Failing(code) => entry.severity(Severity::Medium).failed(code),
        _ => entry,
    };
    // Nothing of a person was touched: a ledger that cannot be written must not end the watch.
    let _ = app.record(&entry);
}

impl App {
    /// Returns how the drop folder stands; `None` if there is none.
    pub fn drop_folder(&self) -> Option<DropFolderState> {
        *self.drop_folder.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers how it stands, and returns how it stood.
    fn set_drop_folder(&self, state: DropFolderState) -> Option<DropFolderState> {
        self.drop_folder.lock().unwrap_or_else(PoisonError::into_inner).replace(state)
    }
}

/// Long enough that a bug that comes each time costs nothing.
const PAUSE_AFTER_BUG: std::time::Duration = std::time::Duration::from_secs(1);
