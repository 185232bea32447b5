//! Sealed feeds that are handed over as a whole, and perhaps more than once: by a message stream.
//!
//! They go the way of pushed feeds, through `incoming/`, so that what a crash left is found by
//! whoever looks next, and so that one delivered twice is stored once.

use std::io::{self, Read};

use twinkeep_vault::digest::sha256;
use twinkeep_vault::sealed_feed::{Expectation, FeedReader, SenderCheck, inspect};

use crate::incoming::FeedAddress;
use crate::open_feed::refuse_feed;
use crate::receive_feed::{
    DeliveryReport, DeliveryState, UploadStart, check_turn, known, open_upload_in_turn,
    store_delivery_in_turn,
};
use crate::{App, AppError, Caller, Class};

/// What became of a feed that was handed over.
pub(crate) enum Handed {
    /// It was stored now.
    Stored(DeliveryReport),
    /// The same feed was stored before.
    Known,
}

/// Returns the sender and the number of a sealed feed that somebody accepted has signed.
pub(crate) fn address_of(app: &App, bytes: &[u8]) -> Result<FeedAddress, AppError> {
    let name = std::path::Path::new("message");
    let inspection = inspect(&mut &*bytes, &app.accepted_senders()?);
    let inspection = inspection.map_err(|error| refuse_feed(name, error))?;
    let header = inspection.header;
    if inspection.sender == SenderCheck::Unknown {
        let attempt = "this keep accepts no feeds of that sender";
        return Err(AppError::refused("feed-unknown-sender", attempt).hint(
            "if you know this sender: `twinkeep sender add FILE`, then ingest what was kept",
        ));
    }
    FeedAddress::new(header.sender(), header.sequence()).ok_or_else(|| {
        AppError::refused("feed-header-malformed", "the feed has an impossible sender or number")
    })
}

/// Stores a feed, or finds that it was stored before. Refused with `feed-gap` if one before it is
/// missing; whatever the refusal, nothing of it is stored then.
pub(crate) fn hand_over(
    app: &App,
    caller: &Caller,
    address: &FeedAddress,
    bytes: &[u8],
    allow_gap: bool,
) -> Result<Handed, AppError> {
    let digest = sha256(bytes);
    let incoming = app.incoming()?;
    if incoming.sealed(address).exists() {
        finish_what_waits(app, caller, address, allow_gap)?;
    }
    match known(app, &incoming, address)? {
        Some(report) if report.state == DeliveryState::Stored => {
            return same(app, address, bytes, &report, digest).map(|()| Handed::Known);
        }
        Some(report) if report.state == DeliveryState::Waiting => return Err(busy()),
        // Nothing of a refused feed is stored, and half a feed is begun anew.
        _ => {}
    }
    // Asked here too, as an answer of `open_upload` is recorded, and one that is early comes often.
    check_turn(app, address, allow_gap)?;
    let mut upload = match open_upload_in_turn(app, caller, address, allow_gap)? {
        UploadStart::Open(upload) => upload,
        UploadStart::Known(_) => return Err(busy()),
    };
    upload.undo(0)?;
    upload.write(bytes)?;
    upload.complete(app, Some(digest))?;
    store_delivery_in_turn(app, caller, address, allow_gap).map(Handed::Stored)
}

/// Stores what a crash, or somebody who pushed it, has left for this address.
fn finish_what_waits(
    app: &App,
    caller: &Caller,
    address: &FeedAddress,
    allow_gap: bool,
) -> Result<(), AppError> {
    match store_delivery_in_turn(app, caller, address, allow_gap) {
        Err(error) if error.class() == Class::Environment => Err(error),
        // If that one was refused it is gone, and says nothing of ours.
        _ => Ok(()),
    }
}

/// Compares a feed with the one that was stored under its number.
fn same(
    app: &App,
    address: &FeedAddress,
    bytes: &[u8],
    report: &DeliveryReport,
    digest: [u8; 32],
) -> Result<(), AppError> {
    match report.is(&digest) {
        Some(true) => return Ok(()),
        Some(false) => return Err(forked(address)),
        None => {}
    }
    // It came another way, or long ago: the sender's last manifest tells.
    let sender = app.store.sender(address.sender())?;
    let last = sender.and_then(|sender| sender.last_sequence.zip(sender.last_manifest));
    match last {
        Some((sequence, manifest)) if sequence == address.sequence() => {
            if manifest_of(app, bytes)? == manifest { Ok(()) } else { Err(forked(address)) }
        }
        _ => {
            let attempt = format!("feed {} was stored long ago", address.sequence());
            Err(AppError::refused("feed-replayed", attempt))
        }
    }
}

/// Opens a feed to its end, and uses nothing of it.
fn manifest_of(app: &App, bytes: &[u8]) -> Result<[u8; 32], AppError> {
    let refuse = |error| refuse_feed(std::path::Path::new("message"), error);
    let input: Box<dyn Read + Send> = Box::new(io::Cursor::new(bytes.to_vec()));
    let expectation = Expectation::first().with_gaps_allowed();
    let senders = app.accepted_senders()?;
    let mut reader =
        FeedReader::open(input, &app.identity, &senders, &expectation).map_err(refuse)?;
    Ok(reader.finish().map_err(refuse)?.digest)
}

fn forked(address: &FeedAddress) -> AppError {
    let attempt = format!("another feed {} of this sender was stored", address.sequence());
    AppError::refused("feed-forked", attempt)
        .hint("the sender's feeds have two histories: ask the sender what happened")
}

fn busy() -> AppError {
    AppError::refused("feed-busy", "this feed is being received already")
}
