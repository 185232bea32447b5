//! Use case: open a sealed feed and write what is in it.
//!
//! The output appears under its name only when the whole feed was genuine: segments that were
//! verified go to a temporary file, which is removed if a later one is refused.

use std::fs::File;
use std::path::{Path, PathBuf};

use serde::Serialize;
use twinkeep_vault::KekSource;
use twinkeep_vault::digest::to_hex;
use twinkeep_vault::files::{PRIVATE_FILE, PendingFile};
use twinkeep_vault::identity::PublicIdentity;
use twinkeep_vault::sealed_feed::{CopyError, Expectation, FeedError, FeedReader};

use crate::AppError;
use crate::identities::{open_identity, read_public};

/// Which feed, for whom, from whom.
#[derive(Debug)]
pub struct OpenRequest<'a> {
    /// The sealed feed.
    pub feed: &'a Path,
    /// The recipient's private identity.
    pub identity: &'a Path,
    /// What opens it.
    pub secret: &'a KekSource,
    /// Public identities of the senders to accept.
    pub senders: &'a [PathBuf],
    /// Where the content is written.
    pub out: &'a Path,
}

/// What was in the feed.
#[derive(Debug, Serialize)]
pub struct OpenReport {
    /// Where the content is.
    pub content: PathBuf,
    /// Who sealed it, by name.
    pub sender: String,
    /// Its place in the sender's sequence.
    pub sequence: u64,
    /// What is inside.
    pub media_type: String,
    /// Digest that the next feed will name.
    pub manifest: String,
}

/// Opens a sealed feed. The command line keeps no memory of feeds, so a replay is not noticed
/// here; `ingest` notices.
pub fn open_feed(request: &OpenRequest<'_>) -> Result<OpenReport, AppError> {
    let recipient = open_identity(request.identity, request.secret)?;
    let senders: Vec<PublicIdentity> =
        request.senders.iter().map(|path| read_public(path)).collect::<Result<_, _>>()?;
    let file = open_file(request.feed)?;
    let expectation = Expectation::first().with_gaps_allowed();
    let mut reader = FeedReader::open(Box::new(file), &recipient, &senders, &expectation)
        .map_err(|error| refuse_feed(request.feed, error))?;
    let write_error = |error| {
        AppError::environment("feed-write", format!("cannot write `{}`", request.out.display()))
            .because(error)
    };
    let mut output = PendingFile::create(request.out, PRIVATE_FILE).map_err(write_error)?;
    let manifest = reader.copy_to(&mut output).map_err(|error| match error {
        CopyError::Feed { source } => refuse_feed(request.feed, source),
        CopyError::Write { source } => write_error(source),
    })?;
    output.commit().map_err(write_error)?;
    Ok(OpenReport {
        content: request.out.to_path_buf(),
        sender: reader.sender().name().to_owned(),
        sequence: reader.header().sequence(),
        media_type: reader.header().media_type().to_owned(),
        manifest: to_hex(&manifest.digest),
    })
}

pub(crate) fn open_file(path: &Path) -> Result<File, AppError> {
    File::open(path).map_err(|error| {
        AppError::usage("feed-missing", format!("cannot open `{}`", path.display())).because(error)
    })
}

/// Says why a feed was refused, and what to do about it.
pub(crate) fn refuse_feed(path: &Path, error: FeedError) -> AppError {
    let attempt = format!("the feed `{}` was refused", path.display());
    let hint = match &error {
        FeedError::UnknownSender { .. } => {
            "if you know this sender: compare fingerprints, then `twinkeep sender add FILE`"
        }
        FeedError::Replayed { .. } => "it was ingested before; nothing was stored again",
        FeedError::Forked { .. } => {
            "the sender's feeds have two histories: ask the sender what happened"
        }
        FeedError::Gap { .. } => {
            "ingest the missing feed first, or pass `--allow-gap` if it is lost"
        }
        FeedError::WrongRecipient => "ask the sender to seal to this keep's public identity",
        FeedError::NotSealed => "a plain file is ingested without an identity",
        FeedError::Io { .. } => "is the disk or the network well?",
        _ => "ask the sender to send it again, and look at how it came here",
    };
    let refused = match &error {
        // The machine failed, and the feed may be as good as ever.
        FeedError::Io { .. } => AppError::environment(error.code(), attempt),
        _ => AppError::refused(error.code(), attempt),
    };
    refused.because(error).hint(hint)
}
