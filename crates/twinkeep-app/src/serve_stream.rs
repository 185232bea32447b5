//! Use case: take feeds out of a message stream for as long as the gate is open.
//!
//! [`receive_nats`] does the work. This says who does it, begins again after an error that would end
//! a command, and notes how the stream stands, so that `GET /readyz` can tell.

use std::cell::RefCell;
use std::thread;
use std::time::{Duration, Instant};

use crate::feeder::FeederState;
use crate::receive_nats::{NatsFeedsRequest, NatsNews, receive_nats};
use crate::{App, AppError, Caller, Scope};

/// Takes sealed feeds out of a stream until `stop` says so, whatever happens; tells what does.
pub fn serve_stream(
    app: &App,
    request: NatsFeedsRequest<'_>,
    stop: &dyn Fn() -> bool,
    tell: &mut dyn FnMut(&NatsNews<'_>),
) {
    // It may do what a sender that pushes may do, and no more.
    let caller = Caller { scopes: vec![Scope::WriteFeeds], ..Caller::system() };
    let tell = RefCell::new(tell);
    let heard = |news: &NatsNews<'_>| {
        let state = match news {
            NatsNews::Settled(_) | NatsNews::Reading(_) => FeederState::Watching,
            NatsNews::Failed(error) => FeederState::Failing(error.code()),
        };
        app.stream.note(app, &caller, state);
        (tell.borrow_mut())(news);
    };
    let mut turn = || {
        let ended = receive_nats(app, &caller, request, stop, &mut |news| heard(news));
        if let Err(error) = ended {
            // A stream that is not there yet, or a login that is about to be mended.
            heard(&NatsNews::Failed(&error));
            pause(stop);
        }
    };
    app.stream.run(stop, &mut turn, &mut || {
        let bug = AppError::environment("nats-bug", "a bug ended the reading of the stream");
        heard(&NatsNews::Failed(&bug));
    });
}

impl App {
    /// Returns how the message stream stands; `None` if there is none.
    pub fn stream(&self) -> Option<FeederState> {
        self.stream.state()
    }
}

fn pause(stop: &dyn Fn() -> bool) {
    let begun = Instant::now();
    while begun.elapsed() < PAUSE_AFTER_ERROR && !stop() {
        thread::sleep(STEP);
    }
}

/// An operator who mends a configuration does not wait longer than this.
const PAUSE_AFTER_ERROR: Duration = Duration::from_secs(10);

/// How long a stop may wait.
const STEP: Duration = Duration::from_millis(200);
