//! What brings feeds to a running server by itself: a thread for the drop folder, one for the message
//! stream, and what the server's log says of them.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use twinkeep_app::{
    App, AppError, FolderNews, NatsConfig, NatsFeedsRequest, NatsNews, serve_drop_folder,
    serve_stream,
};

use crate::cli::NatsArgs;
use crate::nats_login::Login;
use crate::output::Output;

/// A message stream whose login can be read.
#[derive(Clone)]
pub(super) struct Stream {
    config: NatsConfig,
    login: NatsArgs,
}

impl Stream {
    /// Takes the one of the configuration; a login that cannot be read is told before the gate
    /// opens.
    pub(super) fn configured(app: &App) -> Result<Option<Self>, AppError> {
        let Some(config) = app.settings().intake.nats.clone() else { return Ok(None) };
        let login = NatsArgs {
            credentials: config.credentials.clone(),
            user: config.user.clone(),
            password_file: config.password_file.clone(),
            client_cert: config.client_cert.clone(),
            client_key: config.client_key.clone(),
            danger_no_tls: false,
        };
        Login::read(&login)?;
        Ok(Some(Self { config, login }))
    }
}

/// A thread that brings feeds.
pub(super) struct Feeder {
    stopped: Arc<AtomicBool>,
    ended: Receiver<()>,
}

impl Feeder {
    /// Starts taking feeds out of the drop folder.
    pub(super) fn folder(app: &Arc<App>, dir: PathBuf, out: &Output) -> Self {
        let (app, out) = (Arc::clone(app), out.clone());
        Self::start(move |stop| {
            let mut log = Log::new("drop folder", &out);
            serve_drop_folder(&app, &dir, stop, &mut |news| match news {
                // Names of files may tell who is in them: a log gets the outcome only.
                FolderNews::Settled(line) => {
                    log.settled(line.outcome, line.feed.as_deref().or(line.code));
                }
                FolderNews::Watching => log.works(),
                FolderNews::Failed(error) => log.failed(error),
            });
        })
    }

    /// Starts taking feeds out of a stream.
    pub(super) fn stream(app: &Arc<App>, stream: Stream, out: &Output) -> Self {
        let (app, out) = (Arc::clone(app), out.clone());
        Self::start(move |stop| {
            let Stream { config, login } = stream;
            let mut log = Log::new("stream", &out);
            let login = match Login::read(&login) {
                Ok(login) => login,
                Err(error) => return log.failed(&error),
            };
            let request = NatsFeedsRequest {
                server: login.server(&config.url, config.ca.as_deref()),
                stream: &config.stream,
                consumer: &config.consumer,
                subject: config.subject.as_deref(),
                once: false,
                allow_gap: false,
            };
            serve_stream(&app, request, stop, &mut |news| match news {
                NatsNews::Settled(line) => {
                    log.works();
                    log.settled(line.outcome, line.feed.as_deref().or(line.code));
                }
                NatsNews::Reading(_) => log.works(),
                NatsNews::Failed(error) => log.failed(error),
            });
        })
    }

    fn start(run: impl FnOnce(&dyn Fn() -> bool) + Send + 'static) -> Self {
        let stopped = Arc::new(AtomicBool::new(false));
        let (end, ended) = channel();
        let asked = Arc::clone(&stopped);
        thread::spawn(move || {
            // The keep is let go before the end is told: who waits for it may close the keep then.
            run(&|| asked.load(Ordering::Relaxed));
            let _ = end.send(());
        });
        Self { stopped, ended }
    }

    /// Waits for the feed that is being stored, but not for ever: what was not finished then is
    /// as if it had not begun, and comes again.
    pub(super) fn close(self) {
        self.stopped.store(true, Ordering::Relaxed);
        let _ = self.ended.recv_timeout(GRACE);
    }
}

/// What the server's log says of a feeder: each failure that lasts once.
struct Log<'a> {
    name: &'static str,
    out: &'a Output,
    failing: bool,
}

impl<'a> Log<'a> {
    fn new(name: &'static str, out: &'a Output) -> Self {
        Self { name, out, failing: false }
    }

    fn settled(&self, outcome: &str, more: Option<&str>) {
        self.out.remark(&format!("{}: {outcome} {}", self.name, more.unwrap_or_default()));
    }

    fn works(&mut self) {
        if self.failing {
            self.out.remark(&format!("{}: works again", self.name));
        }
        self.failing = false;
    }

    fn failed(&mut self, error: &AppError) {
        if !self.failing {
            self.out.remark(&format!("warning: {}: {error}; trying again", self.name));
        }
        self.failing = true;
    }
}

/// As long as the gate gives to requests that are under way.
const GRACE: Duration = Duration::from_secs(10);
