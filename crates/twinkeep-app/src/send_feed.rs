//! Use case: seal files and folders, and push each as a feed to a keep.
//!
//! # Life of a send
//!
//! 1. What an earlier run left in the [outbox](crate::outbox) goes first: a sender's feeds come in
//!    order.
//! 2. Each path is sealed into the outbox. A path that waits there already is not sealed again.
//! 3. The feed is pushed in parts. After a cut the gate is asked how much it has, and the rest
//!    follows; the pause between tries doubles, with some chance in it.
//! 4. When the gate says that the feed is stored, it leaves the outbox. If the gate refuses it, it
//!    leaves as well and its number is free again: nothing of it was stored.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use twinkeep_connect::{HttpsError, Part, PushAnswer, PushClient, Trust};
use twinkeep_vault::digest::from_hex;
use twinkeep_vault::{KekSource, SecretBytes};

use crate::incoming::digest_of;
use crate::outbox::{Note, Outbox};
use crate::receive_feed::{DeliveryReport, DeliveryState};
use crate::send_outbox::{Sending, input_error, pause};
use crate::{AppError, Progress};

/// What to send, from whom, and to whom.
#[derive(Debug)]
pub struct SendRequest<'a> {
    /// Each file is a feed, and so is each folder. None sends what waits in the outbox.
    pub paths: &'a [PathBuf],
    /// The address of the keep's gate.
    pub to: &'a str,
    /// The sender's private identity.
    pub identity: &'a Path,
    /// What opens it.
    pub secret: &'a KekSource,
    /// The public identity of the keep.
    pub recipient: &'a Path,
    /// Certificates of the authorities that are believed (PEM).
    pub ca: &'a [u8],
    /// An API key with the scope `feeds:write`.
    pub key: &'a SecretBytes,
    /// How often a request that failed is tried again.
    pub retries: u32,
}

/// What became of one feed.
#[derive(Debug, Serialize)]
pub struct SentFeed {
    /// Its number among the sender's feeds.
    pub sequence: u64,
    /// Bytes of the sealed feed.
    pub size: u64,
    /// What the gate says of it.
    pub delivery: DeliveryReport,
}

/// Sends feeds; returns what became of those that the gate stored before the first that failed.
pub fn send_feeds(
    request: &SendRequest<'_>,
    sent: &mut dyn FnMut(&SentFeed),
    progress: &mut dyn FnMut(Progress),
) -> Result<u64, AppError> {
    let trust = Trust::Authorities(request.ca.to_vec());
    let client = PushClient::new(request.to, &trust, request.key).map_err(unreachable)?;
    let sending = request.sending();
    sending.each_feed(progress, &mut |outbox, note, progress| {
        let feed = deliver(request, &client, outbox, note, progress)?;
        sent(&feed);
        Ok(())
    })
}

impl SendRequest<'_> {
    fn sending(&self) -> Sending<'_> {
        let Self { paths, to, identity, secret, recipient, .. } = *self;
        Sending { paths, to, identity, secret, recipient }
    }
}

/// Pushes one feed until the gate has said what becomes of it.
fn deliver(
    request: &SendRequest<'_>,
    client: &PushClient,
    outbox: &Outbox,
    note: &Note,
    progress: &mut dyn FnMut(Progress),
) -> Result<SentFeed, AppError> {
    let path = outbox.feed(note);
    let file = File::open(&path).map_err(|error| input_error(&path, error))?;
    let size = file.metadata().map_err(|error| input_error(&path, error))?.len();
    let known = from_hex(&note.sha256).and_then(|digest| digest.try_into().ok());
    let digest = match known {
        Some(digest) => digest,
        // The seal was cut off between the feed and its note.
        None => digest_of(&path).map_err(|error| input_error(&path, error))?,
    };
    let mut pushing = Pushing {
        client,
        place: format!("/api/v1/feeds/{}/{}", note.sender, note.sequence),
        file,
        size,
        digest,
        retries: request.retries,
    };
    match pushing.run(progress) {
        Ok(delivery) => {
            outbox.remove(note)?;
            Ok(SentFeed { sequence: note.sequence, size, delivery })
        }
        Err(Failure::Refused(error)) => {
            request.sending().take_back(outbox, note)?;
            Err(error)
        }
        Err(Failure::Stays(error)) => {
            Err(error.hint("the sealed feed is kept; run the same command again to go on"))
        }
    }
}

/// Why a feed was not delivered.
enum Failure {
    /// The gate refused the feed itself.
    Refused(AppError),
    /// It may still be delivered.
    Stays(AppError),
}

/// What to do after an answer.
enum Step {
    /// The gate has this many bytes.
    At(u64),
    /// The gate has it all, and has not stored it yet.
    Waits,
    /// It is stored.
    Done(DeliveryReport),
    /// Try again after this long at least.
    Again(Option<Duration>, AppError),
}

/// One feed on its way.
struct Pushing<'a> {
    client: &'a PushClient,
    place: String,
    file: File,
    size: u64,
    digest: [u8; 32],
    retries: u32,
}

impl Pushing<'_> {
    fn run(&mut self, progress: &mut dyn FnMut(Progress)) -> Result<DeliveryReport, Failure> {
        let mut tries = 0;
        // Where the gate is, once it has been asked.
        let mut offset: Option<u64> = None;
        let mut waits = false;
        loop {
            let step = match offset {
                _ if waits => self.ask_status()?,
                None => self.ask_offset()?,
                Some(at) => self.append(at)?,
            };
            match step {
                Step::Done(report) => return Ok(report),
                Step::Waits => {
                    waits = true;
                    thread::sleep(STATUS_PAUSE);
                }
                Step::At(at) => {
                    // Progress of any kind starts the count of tries anew.
                    tries = if offset.is_some_and(|before| before < at) { 0 } else { tries };
                    waits = false;
                    offset = Some(at);
                    progress(Progress { done: at, total: self.size });
                }
                Step::Again(_, error) if self.retries <= tries => {
                    return Err(Failure::Stays(error));
                }
                Step::Again(least, _) => {
                    thread::sleep(pause(tries).max(least.unwrap_or_default()));
                    tries += 1;
                    offset = None;
                }
            }
        }
    }

    fn ask_offset(&self) -> Result<Step, Failure> {
        let answer = match self.client.offset(&self.place) {
            Ok(answer) => answer,
            Err(error) => return lost(error),
        };
        match (answer.status, answer.complete, answer.offset) {
            (404, ..) => Ok(Step::At(0)),
            (200..=299, Some(true), _) => Ok(Step::Waits),
            (200..=299, _, Some(offset)) if offset <= self.size => Ok(Step::At(offset)),
            // What is there is longer than the feed: it is something else.
            (200..=299, ..) => Ok(Step::At(0)),
            // `HEAD` has no body that says why; the first part will get one.
            (401 | 403 | 409 | 422, ..) => Ok(Step::At(0)),
            _ => judge(answer),
        }
    }

    fn append(&mut self, offset: u64) -> Result<Step, Failure> {
        let left = usize::try_from(self.size - offset).unwrap_or(usize::MAX);
        let mut bytes = vec![0; left.min(PART_LEN)];
        let unread = |error| Failure::Stays(input_error(Path::new("the sealed feed"), error));
        self.file.seek(SeekFrom::Start(offset)).map_err(unread)?;
        self.file.read_exact(&mut bytes).map_err(unread)?;
        let whole = (left <= PART_LEN).then_some(self.digest);
        let answer = match self.client.append(&self.place, Part { offset, bytes: &bytes, whole }) {
            Ok(answer) => answer,
            Err(error) => return lost(error),
        };
        match (answer.status, answer.offset) {
            (200 | 202, _) if whole.is_some() || answer.complete == Some(true) => {
                self.read(&answer)
            }
            (200..=299, Some(at)) => Ok(Step::At(at)),
            (409, Some(at)) if at != offset && at <= self.size => Ok(Step::At(at)),
            _ => judge(answer),
        }
    }

    fn ask_status(&self) -> Result<Step, Failure> {
        match self.client.status(&self.place) {
            Ok(answer) if answer.status == 200 => self.read(&answer),
            Ok(answer) => judge(answer),
            Err(error) => lost(error),
        }
    }

    /// Reads what the gate says of a feed that it has.
    fn read(&self, answer: &PushAnswer) -> Result<Step, Failure> {
        let report: DeliveryReport = serde_json::from_slice(&answer.body).map_err(|error| {
            let attempt = "the gate gave an answer that is not understood";
            Failure::Stays(AppError::environment("push-answer", attempt).because(error))
        })?;
        let other = report.is(&self.digest) == Some(false);
        if other && report.state == DeliveryState::Refused {
            // An earlier feed had this number and was refused: this one begins anew.
            return Ok(Step::At(0));
        }
        if other {
            let attempt = "the gate has another feed of this sender with this number";
            return Err(Failure::Stays(AppError::refused("feed-forked", attempt)));
        }
        match (report.state, &report.error) {
            (DeliveryState::Stored, _) => Ok(Step::Done(report)),
            (DeliveryState::Refused, Some(error)) => Err(Failure::Refused(AppError::refused(
                "feed-refused",
                format!("the gate refused the feed: {} ({})", error.message, error.code),
            ))),
            _ => Ok(Step::Waits),
        }
    }
}

/// Decides what an answer means that is no success.
fn judge(answer: PushAnswer) -> Result<Step, Failure> {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    // Problem details (RFC 9457).
    let text = |field: &str| body[field].as_str().unwrap_or_default().to_owned();
    let (code, message) = (text("code"), text("detail"));
    let says = match code.is_empty() {
        true => format!("the gate answered with status {}", answer.status),
        false => format!("the gate refused: {message} ({code})"),
    };
    let busy =
        matches!(code.as_str(), "feed-busy" | "upload-offset" | "digest-mismatch" | "body-broken");
    match answer.status {
        408 | 429 | 500..=506 | 508..=599 => {
            Ok(Step::Again(answer.retry_after, AppError::environment("push-unavailable", says)))
        }
        _ if busy => {
            Ok(Step::Again(answer.retry_after, AppError::environment("push-unavailable", says)))
        }
        // The keep's operator has to do something first; the feed is as good as before.
        401 | 403 | 404 | 405 | 507 => Err(Failure::Stays(AppError::refused("push-refused", says))),
        409 if matches!(code.as_str(), "feed-gap" | "feed-replayed" | "feed-forked") => {
            Err(Failure::Stays(AppError::refused("push-refused", says)))
        }
        _ => Err(Failure::Refused(AppError::refused("feed-refused", says))),
    }
}

/// A connection that failed is tried again, unless it is the address or the certificate.
fn lost(error: HttpsError) -> Result<Step, Failure> {
    match error {
        HttpsError::Unreachable { .. } => Ok(Step::Again(None, unreachable(error))),
        error => Err(Failure::Stays(unreachable(error))),
    }
}

fn unreachable(error: HttpsError) -> AppError {
    AppError::environment("push-unreachable", "cannot reach the keep's gate").because(error)
}

/// Small enough that a cut costs little, large enough that round trips cost nothing.
const PART_LEN: usize = 4 << 20;

const STATUS_PAUSE: Duration = Duration::from_secs(1);
