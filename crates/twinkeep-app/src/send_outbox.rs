//! What every way of sending shares: feeds are sealed into the [outbox](crate::outbox), go from
//! there in the order of their numbers, and leave it when the other side has them.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use twinkeep_vault::digest::to_hex;
use twinkeep_vault::{KekSource, random_bytes};

use crate::incoming::digest_of;
use crate::outbox::{Input, Note, Outbox};
use crate::seal_feed::{self, SealRequest, next_in_sequence, seal_feed};
use crate::{AppError, Progress};

/// What is sent, by whom, and to whom.
pub(crate) struct Sending<'a> {
    /// Each file is a feed, and so is each folder. None sends what waits in the outbox.
    pub(crate) paths: &'a [PathBuf],
    /// Names the place where it goes, in the notes of the outbox.
    pub(crate) to: &'a str,
    /// The sender's private identity.
    pub(crate) identity: &'a Path,
    /// What opens it.
    pub(crate) secret: &'a KekSource,
    /// The public identity of the keep.
    pub(crate) recipient: &'a Path,
}

/// Gives one feed away; what it cannot give stays in the outbox.
type Give<'a> = dyn FnMut(&Outbox, &Note, &mut dyn FnMut(Progress)) -> Result<(), AppError> + 'a;

impl Sending<'_> {
    /// Gives away what waits, then what is to be sealed; returns how many feeds were given before
    /// the first that failed.
    pub(crate) fn each_feed(
        &self,
        progress: &mut dyn FnMut(Progress),
        give: &mut Give<'_>,
    ) -> Result<u64, AppError> {
        let outbox = Outbox::open(self.identity)?;
        let mut count = 0;
        let (waiting, cut) = outbox.waiting()?;
        for note in &cut {
            // Its feed never existed, so its number is free.
            self.take_back(&outbox, note)?;
        }
        let mine = waiting.iter().filter(|note| note.to == self.to);
        for note in mine.clone() {
            give(&outbox, note, progress)?;
            count += 1;
        }
        for path in self.paths {
            let input = Input::of(path).map_err(|error| input_error(path, error))?;
            if !mine.clone().any(|note| note.input == input) {
                let note = self.seal(&outbox, path, input, progress)?;
                give(&outbox, &note, progress)?;
                count += 1;
            }
        }
        Ok(count)
    }

    /// Seals a path into the outbox.
    fn seal(
        &self,
        outbox: &Outbox,
        path: &Path,
        input: Input,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Note, AppError> {
        let recipients = [self.recipient.to_path_buf()];
        let next = next_in_sequence(self.identity, self.secret, &recipients)?;
        let mut note = Note::new(self.to, &next.sender, next.sequence, input);
        let out = outbox.feed(&note);
        // The note first: a feed without one would wait for ever, and its number with it.
        outbox.put(&note)?;
        let seal = SealRequest {
            input: path,
            out: &out,
            identity: self.identity,
            secret: self.secret,
            recipients: &recipients,
        };
        seal_feed(&seal, progress)?;
        let digest = digest_of(&out).map_err(|error| input_error(&out, error))?;
        note.sha256 = to_hex(&digest);
        outbox.put(&note)?;
        Ok(note)
    }

    /// Forgets a feed of which nothing was stored anywhere: the next one gets its number.
    pub(crate) fn take_back(&self, outbox: &Outbox, note: &Note) -> Result<(), AppError> {
        seal_feed::take_back(self.identity, &[self.recipient.to_path_buf()], note.sequence)?;
        outbox.remove(note)
    }
}

/// Doubles from half a second to half a minute, and then up to half of it more, by chance: so that
/// senders who were cut off together do not come back together.
pub(crate) fn pause(tries: u32) -> Duration {
    let base = PAUSE_FIRST.saturating_mul(1 << tries.min(10)).min(PAUSE_MAX);
    let chance = u32::from(u16::from_be_bytes(random_bytes::<2>()));
    base + base * chance / (2 * u32::from(u16::MAX))
}

pub(crate) fn input_error(path: &Path, error: io::Error) -> AppError {
    AppError::environment("input-read", format!("cannot read `{}`", path.display())).because(error)
}

const PAUSE_FIRST: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(30);
