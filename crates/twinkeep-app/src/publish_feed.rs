//! Use case: seal files and folders, and publish each as a message of a NATS stream.
//!
//! As with [`send_feeds`](crate::send_feeds), what is sealed stays in the [outbox](crate::outbox)
//! until the other side has it, and goes first the next time. The other side is the stream here:
//! what the keep makes of a feed is told where the keep is.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use serde::Serialize;
use twinkeep_connect::NatsError;
use twinkeep_connect::nats::{MESSAGE_LEN_MAX, NatsPublisher, Published};
use twinkeep_vault::KekSource;
use twinkeep_vault::digest::to_hex;
use twinkeep_vault::files::read_bounded;

use crate::incoming::digest_of;
use crate::nats_server::{NatsServer, refuse_nats};
use crate::outbox::{Note, Outbox};
use crate::send_outbox::{Sending, input_error, pause};
use crate::{AppError, Progress};

/// What to publish, from whom, and where.
#[derive(Debug)]
pub struct PublishRequest<'a> {
    /// Each file is a feed, and so is each folder. None sends what waits in the outbox.
    pub paths: &'a [PathBuf],
    /// The server.
    pub server: NatsServer<'a>,
    /// The subject, which a stream takes.
    pub subject: &'a str,
    /// The sender's private identity.
    pub identity: &'a Path,
    /// What opens it.
    pub secret: &'a KekSource,
    /// The public identity of the keep.
    pub recipient: &'a Path,
    /// How often a message that got no answer is tried again.
    pub retries: u32,
}

/// A feed that a stream has.
#[derive(Debug, Serialize)]
pub struct PublishedFeed {
    /// Its number among the sender's feeds.
    pub sequence: u64,
    /// Bytes of the sealed feed.
    pub size: u64,
    /// The stream.
    pub stream: String,
    /// Its number in the stream.
    pub message: u64,
    /// Whether the stream had it already: an earlier answer was lost.
    pub duplicate: bool,
}

/// Publishes feeds; returns how many the stream took before the first that failed.
pub fn publish_feeds(
    request: &PublishRequest<'_>,
    sent: &mut dyn FnMut(&PublishedFeed),
    progress: &mut dyn FnMut(Progress),
) -> Result<u64, AppError> {
    check_subject(request.subject)?;
    let url = request.server.parse_url()?;
    let publisher = again(request.retries, || NatsPublisher::open(request.server.request(&url)))
        .map_err(refuse_nats)?;
    let PublishRequest { paths, identity, secret, recipient, .. } = *request;
    let to = format!("{url} {}", request.subject);
    let sending = Sending { paths, to: &to, identity, secret, recipient };
    sending.each_feed(progress, &mut |outbox, note, _| {
        let feed = give(request, &publisher, &sending, outbox, note)?;
        sent(&feed);
        Ok(())
    })
}

/// Publishes one feed.
fn give(
    request: &PublishRequest<'_>,
    publisher: &NatsPublisher,
    sending: &Sending<'_>,
    outbox: &Outbox,
    note: &Note,
) -> Result<PublishedFeed, AppError> {
    let path = outbox.feed(note);
    let unread = |error| input_error(&path, error);
    let size = fs::metadata(&path).map_err(unread)?.len();
    // The digest is in the id too: another feed with the number of one that is in the stream must
    // not pass for it, but get to the keep, which tells them apart.
    let digest = digest_of(&path).map_err(unread)?;
    let id = format!("{}/{}/{}", note.sender, note.sequence, &to_hex(&digest)[..ID_DIGEST_LEN]);
    let published = match usize::try_from(size).ok().filter(|size| *size <= MESSAGE_LEN_MAX) {
        Some(_) => {
            let bytes = read_bounded(&path, MESSAGE_LEN_MAX as u64).map_err(unread)?;
            again(request.retries, || publisher.publish(request.subject, &id, bytes.clone()))
        }
        None => Err(NatsError::TooLarge {
            size: usize::try_from(size).unwrap_or(usize::MAX),
            limit: format!("a message has {MESSAGE_LEN_MAX} at most"),
        }),
    };
    match published {
        Ok(Published { stream, number, duplicate }) => {
            outbox.remove(note)?;
            let sequence = note.sequence;
            Ok(PublishedFeed { sequence, size, stream, message: number, duplicate })
        }
        Err(error @ NatsError::TooLarge { .. }) => {
            // It went nowhere, so the next feed gets its number.
            sending.take_back(outbox, note)?;
            Err(refuse_nats(error))
        }
        Err(error) => {
            let known = error.hint();
            let kept = "the sealed feed is kept; run the same command again to go on";
            let hint = known.map_or(kept.to_owned(), |known| format!("{known}; {kept}"));
            Err(refuse_nats(error).hint(hint))
        }
    }
}

/// Tries again what the network may have prevented.
fn again<T>(
    retries: u32,
    mut attempt: impl FnMut() -> Result<T, NatsError>,
) -> Result<T, NatsError> {
    let mut tries = 0;
    loop {
        match attempt() {
            Err(error) if error.may_pass() && tries < retries => thread::sleep(pause(tries)),
            result => return result,
        }
        tries += 1;
    }
}

fn check_subject(subject: &str) -> Result<(), AppError> {
    let wrong = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '*' | '>');
    if subject.split('.').any(str::is_empty) || subject.contains(wrong) {
        return Err(AppError::usage("nats-name", "the subject cannot be published to")
            .hint("a subject is names with dots between them, such as `feeds.ward-3`"));
    }
    Ok(())
}

/// Hexadecimal digits of the digest in a message's id: enough to tell a sender's feeds apart.
const ID_DIGEST_LEN: usize = 16;
