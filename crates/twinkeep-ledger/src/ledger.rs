//! A ledger that is open for appending: a handle that any number of threads may share.
//!
//! One thread owns the files. While it syncs a batch, callers queue up; then it takes all that
//! are waiting as the next batch. Nobody waits longer than for the batch that is being written
//! and for their own, and no timer holds a lone caller back.
//!
//! The thread also settles the ledger: when nobody asked for a while, and before it ends. Whoever
//! drops the last handle waits for that.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use twinkeep_vault::files;
use twinkeep_vault::sign::{SigningKey, VerifyingKey};

use crate::disk::{Disk, OsDisk};
use crate::journal::Journals;
use crate::tile::ENTRY_SIZE_MAX;
use crate::view::View;
use crate::writer::{self, LIMITS, Writer};
use crate::{Checkpoint, LedgerError, SignedCheckpoint, origin_valid};

#[cfg(test)]
mod tests;

/// A ledger that is open for appending. Clones share the writer thread, which ends with the last.
#[derive(Clone, Debug)]
pub struct Ledger {
    place: Arc<Place>,
}

/// Where entries went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The index of the first entry of the call; the others follow it.
    pub first_index: u64,
    /// The checkpoint on disk that covers them.
    pub checkpoint: SignedCheckpoint,
}

#[derive(Debug)]
struct Place {
    dir: PathBuf,
    origin: String,
    key: VerifyingKey,
    /// What was read last.
    known: Mutex<Option<View>>,
    /// Taken when the last handle goes.
    sender: Option<SyncSender<Request>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Place {
    fn drop(&mut self) {
        drop(self.sender.take());
        // The thread has no panic to tell; the next to open the ledger looks at its files anyway.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Is told where entries went, in the thread that has written them: it must not wait.
pub type Reply = Box<dyn FnOnce(Result<Appended, LedgerError>) + Send>;

struct Request {
    entries: Vec<Vec<u8>>,
    reply: Reply,
}

impl Ledger {
    /// Makes the folder and writes the signed checkpoint of an empty ledger; refuses to do so
    /// where there is one.
    pub fn create(
        dir: &Path,
        origin: &str,
        key: &SigningKey,
    ) -> Result<SignedCheckpoint, LedgerError> {
        if !origin_valid(origin) {
            return Err(LedgerError::Origin);
        }
        files::create_private_dir(dir)
            .map_err(|source| LedgerError::io("make the ledger's folder", source))?;
        Writer::create(dir, origin, key, Box::<OsDisk>::default())
    }

    /// Opens the ledger in `dir`. It must be signed by `key` for `origin`, lead to its signed
    /// root at its edge, and continue `trusted`.
    pub fn open(
        dir: &Path,
        origin: &str,
        key: SigningKey,
        trusted: Option<Checkpoint>,
    ) -> Result<Self, LedgerError> {
        Self::open_on(dir, origin, key, trusted, Box::<OsDisk>::default())
    }

    fn open_on(
        dir: &Path,
        origin: &str,
        key: SigningKey,
        trusted: Option<Checkpoint>,
        disk: Box<dyn Disk>,
    ) -> Result<Self, LedgerError> {
        let verifying_key = key.verifying_key();
        let mut writer = Writer::open(dir, origin, key, trusted, disk, LIMITS)?;
        let (sender, receiver) = sync_channel(QUEUE_LEN_MAX);
        let thread = thread::Builder::new()
            .name("ledger".to_owned())
            .spawn(move || serve(&mut writer, &receiver))
            .map_err(|source| LedgerError::io("start the ledger's writer", source))?;
        let place = Place {
            dir: dir.to_path_buf(),
            origin: origin.to_owned(),
            key: verifying_key,
            known: Mutex::new(None),
            sender: Some(sender),
            thread: Some(thread),
        };
        Ok(Self { place: Arc::new(place) })
    }

    /// Appends entries, in order and next to each other; when it returns `Ok` they are durable.
    ///
    /// After an error they are not in the ledger, with one exception: when the disk fails while
    /// they are written, all of the batch may be found there afterwards.
    pub fn append(&self, entries: &[Vec<u8>]) -> Result<Appended, LedgerError> {
        let (sender, answer) = sync_channel(1);
        // A caller that went away does not want its answer.
        let reply = Box::new(move |appended| drop(sender.send(appended)));
        self.append_then(entries.to_vec(), reply);
        answer.recv().map_err(|_| LedgerError::Stopped)?
    }

    /// As [`Ledger::append`], but nobody waits: `reply` is told. If the writer has stopped, it may be
    /// dropped without having been called.
    pub fn append_then(&self, entries: Vec<Vec<u8>>, reply: Reply) {
        if let Some(entry) = entries.iter().find(|entry| entry.len() > ENTRY_SIZE_MAX) {
            return reply(Err(LedgerError::EntrySize { size: entry.len() }));
        }
        match &self.place.sender {
            Some(sender) => drop(sender.send(Request { entries, reply })),
            None => reply(Err(LedgerError::Stopped)),
        }
    }

    /// Finishes what the journals of the ledger in `dir` hold, as after a crash. Nothing is signed,
    /// so the public key is enough.
    pub fn settle(dir: &Path, origin: &str, key: VerifyingKey) -> Result<(), LedgerError> {
        writer::settle(dir, origin, key)
    }

    /// Returns whether the journals of the ledger in `dir` are empty: nobody is writing, and nobody
    /// was stopped while they did.
    pub fn is_settled(dir: &Path) -> bool {
        Journals::read(dir).is_ok_and(|journals| journals.is_empty())
    }

    /// Opens the ledger for reading, at its present checkpoint.
    pub fn view(&self) -> Result<View, LedgerError> {
        let known = || self.place.known.lock().unwrap_or_else(PoisonError::into_inner);
        let before = known().clone();
        let Place { dir, origin, key, .. } = &*self.place;
        let view = View::open_again(before, dir, origin, key)?;
        *known() = Some(view.clone());
        Ok(view)
    }

    /// Returns the name of the ledger.
    pub fn origin(&self) -> &str {
        &self.place.origin
    }

    /// Returns the key that checks its checkpoints.
    pub fn verifying_key(&self) -> VerifyingKey {
        self.place.key
    }
}

/// Takes what is waiting, appends it as one batch, and answers each caller.
fn serve(writer: &mut Writer, receiver: &Receiver<Request>) {
    while let Some(first) = next(writer, receiver) {
        let mut count = first.entries.len();
        let mut batch = vec![first];
        while count < BATCH_ENTRY_COUNT_MAX {
            let Ok(request) = receiver.try_recv() else { break };
            count += request.entries.len();
            batch.push(request);
        }
        answer(writer, batch);
    }
}

/// Waits for somebody, and settles meanwhile; `None` when nobody will come any more.
fn next(writer: &mut Writer, receiver: &Receiver<Request>) -> Option<Request> {
    if !writer.is_settled() {
        match receiver.recv_timeout(SETTLE_AFTER) {
            Ok(first) => return Some(first),
            // A failure is found again, and told, by the next batch.
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                let _ = writer.settle();
            }
        }
    }
    receiver.recv().ok()
}

fn answer(writer: &mut Writer, mut batch: Vec<Request>) {
    let lengths: Vec<usize> = batch.iter().map(|request| request.entries.len()).collect();
    let entries: Vec<Vec<u8>> =
        batch.iter_mut().flat_map(|request| std::mem::take(&mut request.entries)).collect();
    let result = writer.commit(&entries);
    let mut offset = 0;
    for (request, length) in batch.into_iter().zip(lengths) {
        let part = result
            .clone()
            .map(|(first, checkpoint)| Appended { first_index: first + offset, checkpoint });
        offset += length as u64;
        (request.reply)(part);
    }
}

/// Most callers in the queue; more wait for a place, which slows down whoever asks too much.
const QUEUE_LEN_MAX: usize = 4096;

/// A batch takes no further callers beyond this many entries: writing them takes a few
/// milliseconds, about as long as the syncs they share.
const BATCH_ENTRY_COUNT_MAX: usize = 4096;

/// A ledger that nobody writes to for so long is brought to rest: as long as that takes, nobody is
/// answered, and under load it is the journal's length that decides.
const SETTLE_AFTER: Duration = Duration::from_secs(2);
