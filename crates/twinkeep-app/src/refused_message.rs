//! Messages of a stream that can never be stored, kept for whoever looks: the stream does not give
//! them out again, so this is the only copy.
//!
//! A sealed feed is kept as it came, in `incoming/refused/`, with a text that says why. Anything
//! else could be plain data of a person: it goes to quarantine, encrypted, as one row or a few.

use std::fs;
use std::io;
use std::path::Path;
use std::time::UNIX_EPOCH;

use twinkeep_domain::Timestamp;
use twinkeep_store::{Disposition, FeedCounts, NewFeed, Opening, RefusedRow};
use twinkeep_vault::digest::{Sha256, sha256, to_hex};
use twinkeep_vault::files::{PRIVATE_FILE, create_private_dir, write_atomic};
use twinkeep_vault::sealed_feed::{FeedError, inspect};

use crate::feeds::feed_name;
use crate::receive_folder::write_reason;
use crate::sites::LOCAL_SITE;
use crate::store_feed::finish;
use crate::{App, AppError, Caller};

/// Keeps refused messages, up to a bound.
#[derive(Default)]
pub(crate) struct RefusedMessages {
    /// Plain ones that this run has put into quarantine.
    plain_count: usize,
}

impl RefusedMessages {
    /// Keeps a message, and why it was refused. Returns the name of the file, or of the feed in
    /// whose quarantine it is; `None` if there is no more room for refused ones.
    pub(crate) fn keep(
        &mut self,
        app: &App,
        caller: &Caller,
        bytes: &[u8],
        reason: &AppError,
    ) -> Result<Option<String>, AppError> {
        if !matches!(inspect(&mut &*bytes, &[]), Err(FeedError::NotSealed)) {
            return keep_sealed(app, bytes, reason);
        }
        if PLAIN_COUNT_MAX <= self.plain_count {
            return Ok(None);
        }
        self.plain_count += 1;
        quarantine_plain(app, caller, bytes).map(Some)
    }
}

fn keep_sealed(app: &App, sealed: &[u8], reason: &AppError) -> Result<Option<String>, AppError> {
    let dir = app.layout.incoming().join("refused");
    create_private_dir(&dir).map_err(|error| failed("make", &dir, error))?;
    let kept = clean(&dir, app.now())?;
    let name = format!("{}.sealed", &to_hex(&sha256(sealed))[..NAME_LEN]);
    let path = dir.join(&name);
    if path.exists() {
        return Ok(Some(name));
    }
    if COUNT_MAX <= kept.count || SIZE_MAX < kept.size + sealed.len() as u64 {
        return Ok(None);
    }
    write_reason(&path, reason)?;
    write_atomic(&path, sealed, PRIVATE_FILE).map_err(|error| failed("write", &path, error))?;
    Ok(Some(name))
}

/// Puts a message that is no sealed feed into quarantine, as a feed with nothing else in it.
fn quarantine_plain(app: &App, caller: &Caller, bytes: &[u8]) -> Result<String, AppError> {
    // Not the plain digest: the same content may be ingested rightly later.
    let mut digest = Sha256::default();
    digest.update(b"twinkeep/v1/refused-message\0");
    digest.update(bytes);
    let digest = digest.finish();
    // The same message is not kept twice.
    if let Some(known) = app.store.feed_with_content(&digest)? {
        return Ok(feed_name(known));
    }
    let opening = Opening { site: LOCAL_SITE, turn: None, splits: &app.splits };
    let mut writer = app.store.begin_feed(opening)?;
    let mut read = 0;
    for raw in bytes.chunks(PART_LEN) {
        read += 1;
        // One row is the whole message.
        let row = if bytes.len() <= PART_LEN { 0 } else { read };
        let reason = NOT_SEALED;
        let refused = RefusedRow { file: SOURCE, row, field: None, reason, raw, parsed: None };
        writer.add_refused(&refused)?;
    }
    let feed = NewFeed {
        source: SOURCE,
        digest,
        ingested_at: app.now(),
        counts: FeedCounts { read, quarantined: read, ..FeedCounts::default() },
        delivery: None,
        profile: None,
        replayed: None,
    };
    finish(app, caller, writer, LOCAL_SITE, &feed, Disposition::Admit).map(feed_name)
}

/// How much is kept.
#[derive(Default)]
struct Kept {
    count: usize,
    size: u64,
}

/// Removes what is old, and counts what is left.
fn clean(dir: &Path, now: Timestamp) -> Result<Kept, AppError> {
    let cannot = |error| failed("read", dir, error);
    let mut kept = Kept::default();
    for entry in fs::read_dir(dir).map_err(cannot)? {
        let path = entry.map_err(cannot)?.path();
        let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
        let modified = metadata.modified().ok();
        let since = modified.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let micros = since.and_then(|since| i64::try_from(since.as_micros()).ok());
        let age = micros.map(|micros| now.hours_since(Timestamp::from_micros(micros)));
        if age.is_some_and(|hours| KEPT_HOURS < hours) && metadata.is_file() {
            fs::remove_file(&path).map_err(|error| failed("remove", &path, error))?;
        } else if path.extension().is_some_and(|suffix| suffix == "sealed") {
            kept.count += 1;
            kept.size += metadata.len();
        }
    }
    Ok(kept)
}

fn failed(action: &str, path: &Path, error: io::Error) -> AppError {
    AppError::environment("refused-file", format!("cannot {action} `{}`", path.display()))
        .because(error)
}

/// Hexadecimal digits of the digest that names a file.
const NAME_LEN: usize = 32;

/// More than anybody looks at; whoever may publish could send as many as they like.
const COUNT_MAX: usize = 1000;
const SIZE_MAX: u64 = 1 << 30;

/// A month, as for other deliveries.
const KEPT_HOURS: f64 = 24.0 * 30.0;

/// As many plain messages are a sender with a wrong setting, and each is a feed in the catalog.
const PLAIN_COUNT_MAX: usize = 100;

/// A part of a message is one row of the quarantine; it is in memory as a whole.
const PART_LEN: usize = 4 << 20;

/// What the quarantine calls it; the permanent name of the reason.
const SOURCE: &str = "message";
const NOT_SEALED: &str = "not-sealed";
