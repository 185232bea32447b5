//! Use case: take feeds out of the drop folder for as long as the gate is open.
//!
//! [`keep_receiving`] does the work. This says who does it, and notes how the folder stands, so that
//! `GET /readyz` can tell.

use std::cell::RefCell;
use std::path::Path;

use crate::feeder::FeederState;
use crate::receive_folder::{FolderNews, FolderRequest, keep_receiving};
use crate::{App, AppError, Caller, Dates};

/// Takes sealed feeds out of a folder until `stop` says so, whatever happens; tells what does.
pub fn serve_drop_folder(
    app: &App,
    dir: &Path,
    stop: &dyn Fn() -> bool,
    tell: &mut dyn FnMut(&FolderNews<'_>),
) {
    let caller = Caller::system();
    let request = FolderRequest { dir, plain_site: None, dates: Dates::Real, once: false };
    let tell = RefCell::new(tell);
    let heard = |news: &FolderNews<'_>| {
        match news {
            FolderNews::Settled(_) => {}
            FolderNews::Watching => app.drop_folder.note(app, &caller, FeederState::Watching),
            FolderNews::Failed(error) => {
                app.drop_folder.note(app, &caller, FeederState::Failing(error.code()));
            }
        }
        (tell.borrow_mut())(news);
    };
    let mut turn = || keep_receiving(app, &caller, request, stop, &mut |news| heard(news));
    app.drop_folder.run(stop, &mut turn, &mut || {
        let bug = AppError::environment("folder-bug", "a bug ended a look into the folder");
        heard(&FolderNews::Failed(&bug));
    });
}

impl App {
    /// Returns how the drop folder stands; `None` if there is none.
    pub fn drop_folder(&self) -> Option<FeederState> {
        self.drop_folder.state()
    }
}
