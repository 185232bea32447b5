//! What goes on beside the requests while the gate is open, each on a thread of its own.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use twinkeep_app::{
    AlertsToTry, App, Caller, ClientCaWatch, DriftRequest, IssuerWatch, check_drift, check_models,
    deliver_alerts, fold_live_when_due, read_client_cas, refresh_issuers, renew_server_certificate,
    resume_incidents, resume_on_host, tidy_catalog,
};
use twinkeep_gate::Stopper;

use super::material;
use super::watching::{follow_ledger, follow_questions};

/// Threads that end when the gate closes.
pub(super) struct Background {
    app: Arc<App>,
    running: Vec<(Sender<()>, JoinHandle<()>)>,
}

impl Background {
    /// Starts all of it.
    pub(super) fn start(app: &Arc<App>, client_cas: ClientCaWatch, stopper: Arc<Stopper>) -> Self {
        let mut background = Self { app: Arc::clone(app), running: Vec::new() };
        background.run(fold_live);
        background.run(verify_models);
        background.run(contain);
        background.run(contain_on_host);
        background.run(watch_drift);
        background.run(ask_issuers);
        background.run(tell);
        background.run(tidy);
        background.run(follow_questions);
        background.run(follow_ledger);
        background.run(move |app, closed| renew_certificate(app, &stopper, closed));
        background.run(move |app, closed| read_authorities(app, client_cas, closed));
        background
    }

    fn run(&mut self, work: impl FnOnce(&App, &Receiver<()>) + Send + 'static) {
        let (stop, closed) = channel();
        let app = Arc::clone(&self.app);
        self.running.push((stop, thread::spawn(move || work(&app, &closed))));
    }

    /// Waits for what each is about to finish.
    pub(super) fn close(self) {
        let (stop, threads): (Vec<_>, Vec<_>) = self.running.into_iter().unzip();
        drop(stop);
        for thread in threads {
            let _ = thread.join();
        }
    }
}

/// Moves live events into files whenever enough of them wait, until the gate closes.
fn fold_live(app: &App, closed: &Receiver<()>) {
    let mut pause = LOOK_EVERY;
    while closed.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
        // A failure is in the ledger; serving goes on, and live events find room for long.
        pause = if fold_live_when_due(app).is_ok() { LOOK_EVERY } else { AFTER_FAILURE };
    }
}

/// Verifies what serves and what stands by, again and again, until the gate closes.
fn verify_models(app: &App, closed: &Receiver<()>) {
    let pause = Duration::from_secs(u64::from(app.settings().models.verify_every_seconds));
    while closed.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
        // What it finds is in the ledger, and so is its own failure; serving goes on.
        let _ = check_models(app);
    }
}

/// Goes on with what is not contained yet, whoever found it and whoever was interrupted, until the
/// gate closes.
fn contain(app: &App, closed: &Receiver<()>) {
    let mut pause = Duration::ZERO;
    while closed.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
        // What fails is in the incident, or the disk is full; serving goes on.
        pause = if resume_incidents(app).is_ok() { CONTAIN_EVERY } else { LOOK_EVERY };
    }
}

/// The same for what is done on the host: stopping a service may take long, and holds nothing else up.
fn contain_on_host(app: &App, closed: &Receiver<()>) {
    let mut pause = Duration::ZERO;
    while closed.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
        pause = if resume_on_host(app).is_ok() { CONTAIN_EVERY } else { LOOK_EVERY };
    }
}

/// Compares what came in with what serves, again and again, until the gate closes.
fn watch_drift(app: &App, closed: &Receiver<()>) {
    let hours = app.settings().watch.drift_hours;
    if hours == 0 {
        return;
    }
    let pause = Duration::from_secs(3600 * u64::from(hours));
    while closed.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
        // An alarm is an incident; that nothing serves yet, or too few came, is in the ledger.
        let _ = check_drift(app, &Caller::system(), &DriftRequest::default());
    }
}

/// Reads the files of whoever issues client certificates when they change, until the gate closes.
/// Apart from what waits for a network: a revocation holds within a second.
fn read_authorities(app: &App, mut watch: ClientCaWatch, closed: &Receiver<()>) {
    while closed.recv_timeout(ISSUERS_LOOK_EVERY) == Err(RecvTimeoutError::Timeout) {
        // What fails is in the ledger; what was read before goes on.
        let _ = read_client_cas(app, &mut watch);
    }
}

/// Delivers alerts whenever some are due, until the gate closes.
fn tell(app: &App, closed: &Receiver<()>) {
    while closed.recv_timeout(ALERTS_LOOK_EVERY) == Err(RecvTimeoutError::Timeout) {
        // What fails is in the ledger, and waits for its next turn.
        let _ = deliver_alerts(app, AlertsToTry::Due);
    }
}

/// Lets go of what the catalog has no use for any more, now and then, until the gate closes.
fn tidy(app: &App, closed: &Receiver<()>) {
    let mut pause = TIDY_FIRST;
    while closed.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
        // What fails is in the ledger, and tried again.
        let _ = tidy_catalog(app);
        pause = TIDY_EVERY;
    }
}

/// Renews the certificate of the gate in time, and shows it, until the gate closes.
fn renew_certificate(app: &App, stopper: &Stopper, closed: &Receiver<()>) {
    while closed.recv_timeout(CERTIFICATE_LOOK_EVERY) == Err(RecvTimeoutError::Timeout) {
        // A failure is in the ledger; the old certificate holds for weeks yet.
        if let Ok(Some(identity)) = renew_server_certificate(app) {
            let _ = stopper.certify(&material(identity));
        }
    }
}

/// Fetches the keys of whoever issues access tokens, again and again, until the gate closes.
fn ask_issuers(app: &App, closed: &Receiver<()>) {
    let mut watch = IssuerWatch::default();
    let mut pause = Duration::ZERO;
    while closed.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
        // What fails is in the ledger; what is known of issuers goes on.
        refresh_issuers(app, &mut watch);
        pause = ISSUERS_LOOK_EVERY;
    }
}

/// What was found beside a request waits so long, at most, for the rest of its playbook.
const CONTAIN_EVERY: Duration = Duration::from_millis(500);

/// A look reads the names in one folder.
const ALERTS_LOOK_EVERY: Duration = Duration::from_millis(500);

/// How soon a key that is missing is looked for, at best.
const ISSUERS_LOOK_EVERY: Duration = Duration::from_millis(500);

/// Some 500 looks before the certificate ends; each reads a file and the key of the authority.
const CERTIFICATE_LOOK_EVERY: Duration = Duration::from_secs(3600);

/// When a gate that has just opened has time for it.
const TIDY_FIRST: Duration = Duration::from_secs(60);

/// What is over costs a few bytes a day.
const TIDY_EVERY: Duration = Duration::from_secs(6 * 3600);

/// A look costs less than a request.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// A full disk is not mended in seconds, and each failure is an entry of the ledger.
const AFTER_FAILURE: Duration = Duration::from_secs(600);
