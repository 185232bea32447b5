//! How the helper for the host is spoken to: what is asked has a number and a time limit.
//!
//! # Invariants
//!
//! - An answer belongs to what was asked by its number: a late one is taken for nothing else.
//! - A helper that says nothing in time, or something else than an answer, is lost: it is asked
//!   nothing again, and whoever waits for it learns so at once.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Answer, Ask, HostPipes, refused};
use crate::AppError;

/// What the helper is asked, by number.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    number: u64,
    ask: Ask,
}

/// What it answers, by the number of what was asked.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Answered {
    number: u64,
    answer: Answer,
}

/// How long an answer may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Of what is looked at, while others wait.
    pub(super) look: Duration,
    /// Of what says only what would be done.
    pub(super) plan: Duration,
    /// Of what is done: a unit may take long to stop.
    pub(super) act: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            look: Duration::from_secs(10),
            plan: Duration::from_secs(20),
            act: Duration::from_secs(150),
        }
    }
}

/// A helper at the other end of two pipes.
pub(super) struct Helper {
    asks: Sender<Vec<u8>>,
    waiting: Arc<Waiting>,
    limits: Limits,
}

/// Who waits for an answer.
#[derive(Default)]
struct Waiting(Mutex<Waiters>);

#[derive(Default)]
struct Waiters {
    /// The number that was given last.
    last: u64,
    /// Nothing is asked any more.
    lost: bool,
    /// It let somebody wait too long who only looked: none looks until it says something.
    silent: bool,
    by_number: BTreeMap<u64, SyncSender<Answer>>,
}

impl Helper {
    /// Speaks over these, each on a thread of its own: a pipe that is full holds nobody up.
    pub(super) fn start((to, from): HostPipes, limits: Limits) -> Self {
        let (asks, lines) = channel();
        let waiting = Arc::new(Waiting::default());
        thread::spawn(move || write_lines(to, &lines));
        thread::spawn({
            let waiting = Arc::clone(&waiting);
            move || {
                read_answers(from, &waiting);
                waiting.lose();
            }
        });
        Self { asks, waiting, limits }
    }

    /// Asks, and waits for the answer as long as its kind may take.
    pub(super) fn ask(&self, ask: Ask) -> Result<Answer, AppError> {
        let limit = match &ask {
            Ask::Look { .. } | Ask::Seal { .. } => self.limits.look,
            Ask::Plan { .. } => self.limits.plan,
            Ask::Apply { .. } | Ask::Undo { .. } => self.limits.act,
        };
        let looks = matches!(ask, Ask::Look { .. } | Ask::Seal { .. });
        let (teller, answer) = sync_channel(1);
        let number = self.waiting.enter(teller, looks).ok_or_else(lost)?;
        let mut line =
            serde_json::to_vec(&Asked { number, ask }).map_err(|error| lost().because(error))?;
        line.push(b'\n');
        self.asks.send(line).map_err(|error| lost().because(error))?;
        answer.recv_timeout(limit).map_err(|error| {
            match error {
                RecvTimeoutError::Timeout if looks => self.waiting.forget(number),
                _ => self.waiting.lose(),
            }
            lost().because(error)
        })
    }
}

impl Waiting {
    fn lock(&self) -> MutexGuard<'_, Waiters> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the number of whoever asks; none, if there is nobody to be asked.
    fn enter(&self, teller: SyncSender<Answer>, looks: bool) -> Option<u64> {
        let mut waiters = self.lock();
        if waiters.lost || looks && waiters.silent {
            return None;
        }
        waiters.last += 1;
        let number = waiters.last;
        waiters.by_number.insert(number, teller);
        Some(number)
    }

    fn forget(&self, number: u64) {
        let mut waiters = self.lock();
        waiters.by_number.remove(&number);
        waiters.silent = true;
    }

    /// Tells whoever asked. Returns whether anything was asked by that number.
    fn tell(&self, Answered { number, answer }: Answered) -> bool {
        let mut waiters = self.lock();
        waiters.silent = false;
        if let Some(teller) = waiters.by_number.remove(&number) {
            // Who waits no longer has gone.
            let _ = teller.try_send(answer);
        }
        number <= waiters.last
    }

    /// Asks nothing any more; whoever waits learns so.
    fn lose(&self) {
        let mut waiters = self.lock();
        waiters.lost = true;
        waiters.by_number.clear();
    }
}

fn write_lines(mut to: Box<dyn Write + Send>, lines: &Receiver<Vec<u8>>) {
    for line in lines {
        // One that is gone closes the other pipe as well.
        if to.write_all(&line).and_then(|()| to.flush()).is_err() {
            return;
        }
    }
}

/// Passes answers on, until there are none or something else comes.
fn read_answers(from: Box<dyn Read + Send>, waiting: &Waiting) {
    let mut from = BufReader::new(from);
    while let Ok(line) = read_line(&mut from) {
        // Of one that is longer, the rest would be taken for another.
        let answered = serde_json::from_slice(&line).ok().filter(|_| line.ends_with(b"\n"));
        if !answered.is_some_and(|answered| waiting.tell(answered)) {
            return;
        }
    }
}

fn read_line(from: &mut dyn BufRead) -> std::io::Result<Vec<u8>> {
    let mut line = Vec::new();
    from.take(LINE_LEN_MAX).read_until(b'\n', &mut line)?;
    Ok(line)
}

/// The other side: answers what is asked until nobody asks any more. Who only looks does not wait for
/// what takes long.
pub(super) fn answer_asks(
    from: &mut dyn BufRead,
    to: &mut (dyn Write + Send),
    answer: &(dyn Fn(&Ask) -> Answer + Sync),
) -> Result<(), AppError> {
    let failed = |error| AppError::environment("host-helper", "cannot answer").because(error);
    let to = Mutex::new(to);
    let tell = |number: u64, answer: Answer| -> std::io::Result<()> {
        let mut line = serde_json::to_vec(&Answered { number, answer })?;
        line.push(b'\n');
        let mut to = to.lock().unwrap_or_else(PoisonError::into_inner);
        to.write_all(&line).and_then(|()| to.flush())
    };
    let work = |asks: Receiver<Asked>| {
        // Whoever cannot be told has gone: what they asked is done all the same.
        asks.into_iter().for_each(|Asked { number, ask }| _ = tell(number, answer(&ask)));
    };
    thread::scope(|scope| {
        let ((acts, to_do), (looks, to_see)) = (channel(), channel());
        scope.spawn(move || work(to_do));
        scope.spawn(move || work(to_see));
        loop {
            let line = read_line(from).map_err(failed)?;
            if line.is_empty() {
                return Ok(());
            }
            let Ok(asked) = serde_json::from_slice::<Asked>(&line) else {
                let says = "the helper does not understand what it is asked";
                tell(NO_NUMBER, refused("host-ask", says)).map_err(failed)?;
                continue;
            };
            let lane = match asked.ask {
                Ask::Apply { .. } | Ask::Undo { .. } => &acts,
                Ask::Plan { .. } | Ask::Look { .. } | Ask::Seal { .. } => &looks,
            };
            // They end when this does.
            let _ = lane.send(asked);
        }
    })
}

fn lost() -> AppError {
    AppError::environment("host-helper", "the helper for the host has ended, or does not answer")
        .hint("start `serve` again")
}

/// The number of nothing that was asked.
const NO_NUMBER: u64 = 0;

/// A listing of a thousand open files and sockets.
pub(super) const LINE_LEN_MAX: u64 = 4 << 20;
