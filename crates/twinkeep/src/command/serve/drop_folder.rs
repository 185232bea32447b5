//! The drop folder of a running server: a thread of its own, and what the server's log says of it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use twinkeep_app::{App, FolderNews, serve_drop_folder};

use crate::output::Output;

/// The thread that takes feeds out of the drop folder.
pub(super) struct DropFolder {
    stopped: Arc<AtomicBool>,
    ended: Receiver<()>,
}

impl DropFolder {
    /// Starts it.
    pub(super) fn open(app: &Arc<App>, dir: PathBuf, out: &Output) -> Self {
        let stopped = Arc::new(AtomicBool::new(false));
        let (end, ended) = channel();
        let (app, asked, out) = (Arc::clone(app), Arc::clone(&stopped), out.clone());
        thread::spawn(move || {
            let stop = || asked.load(Ordering::Relaxed);
            let mut failing = false;
            serve_drop_folder(&app, &dir, &stop, &mut |news| {
                // Names of files may tell who is in them: a log gets the outcome only.
                match news {
                    FolderNews::Settled(line) => {
                        let more = line.feed.as_deref().or(line.code).unwrap_or_default();
                        out.remark(&format!("drop folder: {} {more}", line.outcome));
                    }
                    FolderNews::Failed(error) if !failing => {
                        out.remark(&format!("warning: drop folder: {error}; trying again"));
                    }
                    FolderNews::Watching if failing => out.remark("drop folder: works again"),
                    FolderNews::Failed(_) | FolderNews::Watching => {}
                }
                failing = match news {
                    FolderNews::Settled(_) => failing,
                    FolderNews::Failed(_) => true,
                    FolderNews::Watching => false,
                };
            });
            // Dropped before the end is told: who waits for it may close the keep then.
            drop(app);
            let _ = end.send(());
        });
        Self { stopped, ended }
    }

    /// Waits for the feed that is being stored, but not for ever: what was not finished then is
    /// as if it had not begun, and its file stays in the folder.
    pub(super) fn close(self) {
        self.stopped.store(true, Ordering::Relaxed);
        let _ = self.ended.recv_timeout(DROP_FOLDER_GRACE);
    }
}

/// As long as the gate gives to requests that are under way.
const DROP_FOLDER_GRACE: Duration = Duration::from_secs(10);
