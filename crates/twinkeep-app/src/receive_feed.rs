//! Use cases: receive a sealed feed in parts, store it once it is whole, and say how far it is.
//!
//! # Life of a pushed feed
//!
//! 1. [`open_upload`] lets a sender's next feed in, at the place where the last part ended.
//! 2. [`Upload::write`] appends ciphertext; a cut leaves what has arrived.
//! 3. [`Upload::complete`] compares the digest and looks whether the feed is what its address says.
//! 4. [`store_delivery`] ingests it as `ingest` would. What became of it is kept, so that a sender
//!    who did not hear the answer gets the same one.

use std::fs;
use std::io;
use std::path::Path;
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use twinkeep_ledger::{Activity, Class as EventClass};
use twinkeep_vault::digest::{from_hex, to_hex};
use twinkeep_vault::files::{PRIVATE_FILE, read_bounded, write_atomic};
use twinkeep_vault::sealed_feed::inspect;

use crate::feeds::feed_name;
use crate::incoming::{Arriving, FeedAddress, Incoming, digest_of};
use crate::open_feed::{open_file, refuse_feed};
use crate::{App, AppError, Caller, Class, Dates, IngestRequest, Scope, ingest_feed};

/// How far a delivery is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DeliveryReport {
    /// Which stage it has reached.
    pub state: DeliveryState,
    /// The sender's key.
    pub sender: String,
    /// Its number among the sender's feeds.
    pub sequence: u64,
    /// Bytes that have arrived, while it arrives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// SHA-256 of the sealed feed, once it is whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// What `ingest` reports of a feed that is stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub report: Option<Value>,
    /// Why a feed was refused: code and message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<DeliveryError>,
}

/// Which stage a delivery has reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// It arrives.
    Uploading,
    /// It is whole, and waits to be stored.
    Waiting,
    /// It is stored.
    Stored,
    /// It was refused; nothing of it is stored.
    Refused,
}

/// Why a feed was refused.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DeliveryError {
    /// The permanent name of the reason.
    pub code: String,
    /// What is wrong.
    pub message: String,
}

/// What becomes of a request to send a feed.
pub enum UploadStart {
    /// Its bytes are taken.
    Open(Upload),
    /// It is here already: this is how far it is.
    Known(DeliveryReport),
}

/// A feed that arrives.
pub struct Upload {
    address: FeedAddress,
    arriving: Arriving,
    size_max: u64,
}

/// Lets a sender's next feed in.
pub fn open_upload(
    app: &App,
    caller: &Caller,
    address: &FeedAddress,
) -> Result<UploadStart, AppError> {
    open_upload_in_turn(app, caller, address, false)
}

/// As [`open_upload`]; with `allow_gap` although feeds before it are missing.
pub(crate) fn open_upload_in_turn(
    app: &App,
    caller: &Caller,
    address: &FeedAddress,
    allow_gap: bool,
) -> Result<UploadStart, AppError> {
    let entry = app.entry(caller, EventClass::DatastoreActivity, Activity::Create, "feed.arriving");
    let sequence = i64::try_from(address.sequence()).unwrap_or(i64::MAX);
    let result = start(app, caller, address, allow_gap);
    let entry = match &result {
        Ok(_) => entry.with("sender", address.sender()).with("sequence", sequence),
        Err(_) => entry,
    };
    app.conclude(entry, result)
}

fn start(
    app: &App,
    caller: &Caller,
    address: &FeedAddress,
    allow_gap: bool,
) -> Result<UploadStart, AppError> {
    caller.require(Scope::WriteFeeds)?;
    let incoming = app.incoming()?;
    incoming.clean(app.now())?;
    match known(app, &incoming, address)? {
        Some(report) if report.state == DeliveryState::Refused => {
            // Nothing of it is stored: the sender may try again, with the same bytes or others.
            remove(&incoming.report(address))?;
        }
        Some(report) if report.state != DeliveryState::Uploading => {
            return Ok(UploadStart::Known(report));
        }
        _ => {}
    }
    check_turn(app, address, allow_gap)?;
    let arriving = incoming.arrive(address)?;
    let size_max = app.settings.gate.feed_size_max;
    Ok(UploadStart::Open(Upload { address: address.clone(), arriving, size_max }))
}

/// Refuses early what ingesting would refuse in the end.
pub(crate) fn check_turn(
    app: &App,
    address: &FeedAddress,
    allow_gap: bool,
) -> Result<(), AppError> {
    let known = app.store.sender(address.sender())?;
    let sender = known.filter(|sender| sender.revoked_at.is_none()).ok_or_else(|| {
        AppError::refused("feed-unknown-sender", "this keep accepts no feeds of that sender")
            .hint("let the keep's operator run `twinkeep sender add FILE`")
    })?;
    let (last, sequence) = (sender.last_sequence.unwrap_or(0), address.sequence());
    if sequence <= last {
        let attempt = format!("feed {sequence} is not after feed {last}, the last one stored");
        return Err(AppError::refused("feed-replayed", attempt));
    }
    if last + 1 < sequence && !allow_gap {
        let attempt = format!("feed {} must come before feed {sequence}", last + 1);
        return Err(AppError::refused("feed-gap", attempt)
            .hint("send the missing feed first; if it is lost, ingest with `--allow-gap`"));
    }
    Ok(())
}

impl Upload {
    /// Returns how many bytes have arrived.
    pub fn offset(&self) -> u64 {
        self.arriving.offset
    }

    /// Appends bytes; refused beyond the largest size of a feed.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), AppError> {
        if self.size_max < self.arriving.offset + bytes.len() as u64 {
            return Err(too_large(self.size_max));
        }
        self.arriving.write(bytes)
    }

    /// Goes back to where this part began: it was not what it should be.
    pub fn undo(&mut self, offset: u64) -> Result<(), AppError> {
        self.arriving.truncate(offset)
    }

    /// Ends a part: what has arrived survives a crash.
    pub fn pause(&self) -> Result<(), AppError> {
        self.arriving.sync()
    }

    /// Ends the last part: the feed is whole, and waits to be stored. Whatever it is instead is
    /// forgotten.
    pub fn complete(
        mut self,
        app: &App,
        expected: Option<[u8; 32]>,
    ) -> Result<DeliveryReport, AppError> {
        let digest = self.arriving.digest()?;
        let wrong = match expected {
            Some(expected) if expected != digest => Some(AppError::usage(
                "digest-mismatch",
                "the feed is not what its digest says; it was forgotten, send it again",
            )),
            _ => None,
        };
        let path = self.arriving.complete()?;
        let incoming = app.incoming()?;
        let checked = wrong.map_or_else(|| check_address(app, &path, &self.address), Err);
        if let Err(error) = checked {
            incoming.forget(&self.address)?;
            return Err(error);
        }
        let mut report = report_of(&self.address, DeliveryState::Waiting);
        report.sha256 = Some(to_hex(&digest));
        Ok(report)
    }
}

fn too_large(size_max: u64) -> AppError {
    AppError::usage("feed-size", format!("a feed may have {size_max} bytes"))
        .hint("`gate.feed_size_max` in `twinkeep.toml` of the keep decides")
}

/// The sender and the number of a feed must be those of its address.
fn check_address(app: &App, path: &Path, address: &FeedAddress) -> Result<(), AppError> {
    let senders = app.accepted_senders()?;
    let header = inspect(&mut open_file(path)?, &senders);
    let header = header.map_err(|error| refuse_feed(Path::new("feed"), error))?.header;
    if header.sender() == address.sender() && header.sequence() == address.sequence() {
        return Ok(());
    }
    let attempt = "the feed has another sender or number than its address";
    Err(AppError::usage("feed-misaddressed", attempt))
}

/// Stores a delivery that is whole, or says what became of it. Waits for its turn to write.
///
/// A feed that is refused is forgotten, but for the reason; one that cannot be stored because the
/// machine fails stays, and is tried again when the gate opens next.
pub fn store_delivery(
    app: &App,
    caller: &Caller,
    address: &FeedAddress,
) -> Result<DeliveryReport, AppError> {
    store_delivery_in_turn(app, caller, address, false)
}

/// As [`store_delivery`]; with `allow_gap` although feeds before it are missing.
pub(crate) fn store_delivery_in_turn(
    app: &App,
    caller: &Caller,
    address: &FeedAddress,
    allow_gap: bool,
) -> Result<DeliveryReport, AppError> {
    let incoming = app.incoming()?;
    let path = incoming.sealed(address);
    let file = match fs::File::open(&path) {
        Ok(file) => file,
        Err(_) => return delivery(app, address),
    };
    // Whoever has the lock stores it.
    file.lock().map_err(|error| environment(&path, error))?;
    if !path.exists() {
        return delivery(app, address);
    }
    let digest = digest_of(&path).map_err(|error| environment(&path, error))?;
    let mut report = report_of(address, DeliveryState::Stored);
    report.sha256 = Some(to_hex(&digest));
    let mut refusal = None;
    match (ingest_when_free(app, caller, &path, allow_gap), stored(app, address)?) {
        (Ok(ingested), _) => report.report = Some(ingested),
        (Err(error), _) if error.class() == Class::Environment => return Err(error),
        // A crash came between storing it and saying so.
        (Err(_), Some(stored)) => report.report = stored.report,
        (Err(error), None) => {
            report.state = DeliveryState::Refused;
            let (code, message) = (error.code().to_owned(), reason(&error));
            report.error = Some(DeliveryError { code, message });
            // The sender learns why, and not where the keep has its files.
            refusal = Some(AppError::refused(error.code(), reason(&error)));
        }
    }
    let text = serde_json::to_vec(&report).unwrap_or_default();
    let kept = incoming.report(address);
    write_atomic(&kept, &text, PRIVATE_FILE).map_err(|error| environment(&kept, error))?;
    incoming.forget(address)?;
    refusal.map_or(Ok(report), Err)
}

/// Ingests, waiting while somebody else writes to the keep.
fn ingest_when_free(
    app: &App,
    caller: &Caller,
    feed: &Path,
    allow_gap: bool,
) -> Result<Value, AppError> {
    for _ in 0..BUSY_TRIES_MAX {
        let request = IngestRequest {
            feed,
            allow_gap,
            site: None,
            dates: Dates::Real,
            mapping: None,
            hold: false,
            deidentify: None,
        };
        match ingest_feed(app, caller, request, &mut |_| ()) {
            Err(error) if error.code() == "store-busy" => thread::sleep(BUSY_PAUSE),
            result => return result.map(|report| json!(report)),
        }
    }
    Err(AppError::environment("store-busy", "somebody else is writing to this keep"))
}

/// Says how far a delivery is, and records that it was asked.
pub fn show_delivery(
    app: &App,
    caller: &Caller,
    address: &FeedAddress,
) -> Result<DeliveryReport, AppError> {
    let entry = app.entry(caller, EventClass::DatastoreActivity, Activity::Read, "feed.asked");
    let result = caller.require(Scope::WriteFeeds).and_then(|()| delivery(app, address));
    app.conclude(entry, result)
}

/// Forgets what has arrived of a feed that is not whole.
pub fn cancel_upload(app: &App, caller: &Caller, address: &FeedAddress) -> Result<(), AppError> {
    let entry = app.entry(caller, EventClass::DatastoreActivity, Activity::Delete, "feed.canceled");
    let cancel = || {
        caller.require(Scope::WriteFeeds)?;
        let incoming = app.incoming()?;
        if incoming.arrived(address).is_none() {
            return Err(not_here());
        }
        let held = incoming.arrive(address)?;
        incoming.forget(address)?;
        drop(held);
        Ok(())
    };
    let result = cancel();
    app.conclude(entry, result)
}

/// Returns the deliveries that are whole and not stored: what a crash left.
pub fn waiting_deliveries(app: &App) -> Result<Vec<FeedAddress>, AppError> {
    let incoming = app.incoming()?;
    incoming.clean(app.now())?;
    incoming.waiting()
}

fn delivery(app: &App, address: &FeedAddress) -> Result<DeliveryReport, AppError> {
    known(app, &app.incoming()?, address)?.ok_or_else(not_here)
}

fn not_here() -> AppError {
    AppError::refused("feed-not-here", "nothing of this feed has arrived")
}

/// Returns how far a delivery is; `None` if nothing is known of it.
pub(crate) fn known(
    app: &App,
    incoming: &Incoming,
    address: &FeedAddress,
) -> Result<Option<DeliveryReport>, AppError> {
    let kept = incoming.report(address);
    match read_bounded(&kept, REPORT_SIZE_MAX) {
        Ok(text) => {
            if let Ok(report) = serde_json::from_slice(&text) {
                return Ok(Some(report));
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(environment(&kept, error)),
    }
    if let Some(report) = stored(app, address)? {
        return Ok(Some(report));
    }
    if incoming.sealed(address).exists() {
        return Ok(Some(report_of(address, DeliveryState::Waiting)));
    }
    Ok(incoming.arrived(address).map(|offset| DeliveryReport {
        offset: Some(offset),
        ..report_of(address, DeliveryState::Uploading)
    }))
}

/// Returns what the catalog knows of a feed that is stored.
fn stored(app: &App, address: &FeedAddress) -> Result<Option<DeliveryReport>, AppError> {
    let this = |delivery: &(String, u64)| {
        delivery.0 == address.sender() && delivery.1 == address.sequence()
    };
    let found =
        app.store.feeds()?.into_iter().find(|feed| feed.delivery.as_ref().is_some_and(this));
    Ok(found.map(|feed| {
        let counts = feed.counts;
        let mut report = report_of(address, DeliveryState::Stored);
        report.report = Some(json!({
            "feed": feed_name(feed.id), "sequence": address.sequence(), "read": counts.read,
            "accepted": counts.accepted, "missing": counts.missing,
            "quarantined": counts.quarantined,
        }));
        report
    }))
}

fn report_of(address: &FeedAddress, state: DeliveryState) -> DeliveryReport {
    DeliveryReport {
        state,
        sender: address.sender().to_owned(),
        sequence: address.sequence(),
        offset: None,
        sha256: None,
        report: None,
        error: None,
    }
}

impl DeliveryReport {
    /// Says that a feed is whole and waits to be stored.
    pub fn waiting(address: &FeedAddress) -> Self {
        report_of(address, DeliveryState::Waiting)
    }

    /// Returns whether these are the bytes that were delivered; `None` if that is not known.
    pub fn is(&self, digest: &[u8; 32]) -> Option<bool> {
        Some(from_hex(self.sha256.as_deref()?)?.as_slice() == digest)
    }
}

impl App {
    pub(crate) fn incoming(&self) -> Result<Incoming, AppError> {
        Incoming::open(self.layout.incoming())
    }
}

/// Says why, in one line, and not where the keep has its files. Errors name no value of a person.
fn reason(error: &AppError) -> String {
    let mut texts = Vec::new();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        texts.push(error.to_string());
        cause = error.source();
    }
    if texts.is_empty() { error.to_string() } else { texts.join(": ") }
}

fn remove(path: &Path) -> Result<(), AppError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(environment(path, error)),
        _ => Ok(()),
    }
}

fn environment(path: &Path, error: io::Error) -> AppError {
    AppError::environment("incoming-file", format!("cannot use `{}`", path.display()))
        .because(error)
}

/// Ten minutes: an ingest of another feed takes less.
const BUSY_TRIES_MAX: u32 = 3000;
const BUSY_PAUSE: Duration = Duration::from_millis(200);

/// Counts and reasons of one feed.
const REPORT_SIZE_MAX: u64 = 1 << 20;
