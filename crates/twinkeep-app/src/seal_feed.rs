//! Use case: seal a file or a folder into a feed.
//!
//! A sender's feeds to the same recipients form a sequence, so that a receiver notices one that
//! was held back or sent twice. What was sent last is remembered beside the identity, in
//! `<identity>.sent`; it holds sequence numbers and digests, no key.

use std::fs::{self, File};
use std::io::{self, PipeWriter, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::thread;

use serde::{Deserialize, Serialize};
use twinkeep_vault::KekSource;
use twinkeep_vault::digest::{from_hex, to_hex};
use twinkeep_vault::files::{PRIVATE_FILE, PendingFile, write_atomic};
use twinkeep_vault::identity::{Identity, PublicIdentity};
use twinkeep_vault::sealed_feed::{FeedOptions, SealError, seal};

use crate::identities::{open_identity, read_public};
use crate::{AppError, Progress};

/// What is to be sealed, by whom, and to whom.
#[derive(Debug)]
pub struct SealRequest<'a> {
    /// A file, or a folder that is packed as tar on the way.
    pub input: &'a Path,
    /// Where the feed is written.
    pub out: &'a Path,
    /// The sender's private identity.
    pub identity: &'a Path,
    /// What opens it.
    pub secret: &'a KekSource,
    /// Public identities of the recipients.
    pub recipients: &'a [PathBuf],
}

/// What was sealed.
#[derive(Debug, Serialize)]
pub struct SealReport {
    /// The feed.
    pub feed: PathBuf,
    /// Its place in the sender's sequence to these recipients.
    pub sequence: u64,
    /// Digest that the next feed will name.
    pub manifest: String,
    /// What is inside.
    pub media_type: String,
    /// Bytes before sealing.
    pub content_size: u64,
    /// Who can open it, by name.
    pub recipients: Vec<String>,
}

/// Seals a file or a folder.
pub fn seal_feed(
    request: &SealRequest<'_>,
    progress: &mut dyn FnMut(Progress),
) -> Result<SealReport, AppError> {
    let sender = open_identity(request.identity, request.secret)?;
    let recipients: Vec<PublicIdentity> =
        request.recipients.iter().map(|path| read_public(path)).collect::<Result<_, _>>()?;
    let mut names: Vec<String> = recipients.iter().map(PublicIdentity::key_id).collect();
    names.sort();
    names.dedup();

    let mut sent = Sent::read(request.identity)?;
    let last = sent.last(&names);
    let (media_type, total) = describe(request.input)?;
    let options = FeedOptions {
        sequence: last.as_ref().map_or(1, |last| last.sequence + 1),
        previous: last.as_ref().and_then(Stream::manifest),
        media_type: media_type.to_owned(),
    };
    let write_error = |error| {
        AppError::environment("feed-write", format!("cannot write `{}`", request.out.display()))
            .because(error)
    };
    let mut output = PendingFile::create(request.out, PRIVATE_FILE).map_err(write_error)?;
    let mut size = 0;
    let manifest = {
        let mut count = |done| {
            size = done;
            progress(Progress { done, total });
        };
        seal_input(request.input, &options, &sender, &recipients, &mut output, &mut count)?
    };
    // The state goes first: after a crash in between, the next feed leaves a gap, which a receiver
    // can allow. The other order would use a sequence number twice.
    let digest = to_hex(&manifest.digest);
    let before = last.map(|last| last.manifest);
    let (sequence, manifest) = (options.sequence, digest.clone());
    sent.set(Stream { recipients: names, sequence, manifest, before });
    sent.write(request.identity)?;
    output.commit().map_err(write_error)?;
    Ok(SealReport {
        feed: request.out.to_path_buf(),
        sequence: options.sequence,
        manifest: digest,
        media_type: options.media_type,
        content_size: size,
        recipients: recipients.iter().map(|to| to.name().to_owned()).collect(),
    })
}

/// The place that the next feed will have.
pub(crate) struct Next {
    /// The sender's key.
    pub(crate) sender: String,
    /// Its number.
    pub(crate) sequence: u64,
}

/// Returns the place that the next feed of a sender to these recipients will have.
pub(crate) fn next_in_sequence(
    identity: &Path,
    secret: &KekSource,
    recipients: &[PathBuf],
) -> Result<Next, AppError> {
    let sender = open_identity(identity, secret)?.public().key_id();
    let last = Sent::read(identity)?.last(&names(recipients)?);
    Ok(Next { sender, sequence: last.map_or(1, |last| last.sequence + 1) })
}

/// Forgets the last feed to these recipients, of which nothing was stored anywhere: the next one
/// gets its number. Does nothing if it is not the last one.
pub(crate) fn take_back(
    identity: &Path,
    recipients: &[PathBuf],
    sequence: u64,
) -> Result<(), AppError> {
    let mut sent = Sent::read(identity)?;
    let names = names(recipients)?;
    match sent.last(&names) {
        Some(Stream { sequence: last, before, .. }) if last == sequence => {
            sent.streams.retain(|stream| stream.recipients != names);
            if let Some(manifest) = before {
                let sequence = sequence - 1;
                sent.set(Stream { recipients: names, sequence, manifest, before: None });
            }
            sent.write(identity)
        }
        _ => Ok(()),
    }
}

fn names(recipients: &[PathBuf]) -> Result<Vec<String>, AppError> {
    let read = |path: &PathBuf| read_public(path).map(|identity| identity.key_id());
    let mut names: Vec<String> = recipients.iter().map(read).collect::<Result<_, _>>()?;
    names.sort();
    names.dedup();
    Ok(names)
}

type Manifest = twinkeep_vault::sealed_feed::Manifest;

fn seal_input(
    input: &Path,
    options: &FeedOptions,
    sender: &Identity,
    recipients: &[PublicIdentity],
    output: &mut PendingFile,
    count: &mut dyn FnMut(u64),
) -> Result<Manifest, AppError> {
    let failed = |error: SealError| {
        let attempt = format!("cannot seal `{}`", input.display());
        match &error {
            SealError::Read { .. } | SealError::Write { .. } => {
                AppError::environment(error.code(), attempt).because(error)
            }
            _ => AppError::refused(error.code(), attempt).because(error),
        }
    };
    if !input.is_dir() {
        let mut file = File::open(input).map_err(|error| read_error(input, error))?;
        return seal(options, sender, recipients, &mut file, output, count).map_err(failed);
    }
    let (mut reader, writer) = io::pipe().map_err(|error| read_error(input, error))?;
    thread::scope(|scope| {
        let packing = scope.spawn(move || pack_folder(input, writer));
        let sealed = seal(options, sender, recipients, &mut reader, output, count).map_err(failed);
        // A closed reader ends the packing, so that neither waits for the other.
        drop(reader);
        let packed = packing.join().unwrap_or_else(|_| Err(io::Error::other("packing stopped")));
        let manifest = sealed?;
        packed.map_err(|error| read_error(input, error))?;
        Ok(manifest)
    })
}

/// Writes a folder as tar, in the order of names, so that the same folder gives the same bytes.
fn pack_folder(dir: &Path, output: PipeWriter) -> io::Result<()> {
    let mut archive = tar::Builder::new(output);
    archive.mode(tar::HeaderMode::Deterministic);
    archive.follow_symlinks(false);
    append_folder(&mut archive, dir, Path::new(""))?;
    archive.into_inner()?.flush()
}

fn append_folder(
    archive: &mut tar::Builder<PipeWriter>,
    dir: &Path,
    inside: &Path,
) -> io::Result<()> {
    let mut entries = fs::read_dir(dir)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let kind = entry.file_type()?;
        let name = inside.join(entry.file_name());
        if kind.is_dir() {
            append_folder(archive, &entry.path(), &name)?;
        } else if kind.is_file() {
            archive.append_path_with_name(entry.path(), &name)?;
        }
    }
    Ok(())
}

/// Returns the media type, by content, and the size where it is known.
fn describe(input: &Path) -> Result<(&'static str, u64), AppError> {
    if input.is_dir() {
        return Ok(("application/x-tar", 0));
    }
    let file = File::open(input).map_err(|error| read_error(input, error))?;
    let size = file.metadata().map_err(|error| read_error(input, error))?.len();
    let mut head = Vec::with_capacity(TAR_MAGIC_END);
    file.take(TAR_MAGIC_END as u64)
        .read_to_end(&mut head)
        .map_err(|error| read_error(input, error))?;
    let media_type = if head.starts_with(&[0x1f, 0x8b]) {
        "application/gzip"
    } else if head.starts_with(b"PAR1") {
        "application/vnd.apache.parquet"
    } else if head.ends_with(b"ustar") {
        "application/x-tar"
    } else if std::str::from_utf8(&head).is_ok() && !head.contains(&0) {
        "text/plain"
    } else {
        "application/octet-stream"
    };
    Ok((media_type, size))
}

fn read_error(path: &Path, error: io::Error) -> AppError {
    AppError::environment("input-read", format!("cannot read `{}`", path.display())).because(error)
}

/// What was sent, by recipients.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sent {
    version: u32,
    streams: Vec<Stream>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stream {
    recipients: Vec<String>,
    sequence: u64,
    manifest: String,
    /// The manifest of the feed before, in case the receiver refuses this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before: Option<String>,
}

impl Stream {
    fn manifest(&self) -> Option<[u8; 32]> {
        from_hex(&self.manifest)?.try_into().ok()
    }
}

impl Sent {
    fn read(identity: &Path) -> Result<Self, AppError> {
        let path = sent_path(identity);
        let damaged = || {
            AppError::refused("sent-damaged", format!("`{}` is damaged", path.display()))
                .hint("restore it from a backup; without it receivers will see a gap or a fork")
        };
        match fs::read(&path) {
            Ok(text) => {
                let sent: Self =
                    serde_json::from_slice(&text).map_err(|error| damaged().because(error))?;
                let whole = sent.streams.iter().all(|stream| stream.manifest().is_some());
                if sent.version == SENT_VERSION && whole { Ok(sent) } else { Err(damaged()) }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Ok(Self { version: SENT_VERSION, streams: Vec::new() })
            }
            Err(error) => Err(read_error(&path, error)),
        }
    }

    fn last(&self, recipients: &[String]) -> Option<Stream> {
        self.streams.iter().find(|stream| stream.recipients == recipients).cloned()
    }

    fn set(&mut self, stream: Stream) {
        self.streams.retain(|other| other.recipients != stream.recipients);
        self.streams.push(stream);
    }

    fn write(&self, identity: &Path) -> Result<(), AppError> {
        let path = sent_path(identity);
        let failed =
            || AppError::environment("feed-write", format!("cannot write `{}`", path.display()));
        let text = serde_json::to_vec_pretty(self).map_err(|error| failed().because(error))?;
        write_atomic(&path, &text, PRIVATE_FILE).map_err(|error| failed().because(error))
    }
}

fn sent_path(identity: &Path) -> PathBuf {
    let mut name = identity.as_os_str().to_os_string();
    name.push(".sent");
    PathBuf::from(name)
}

const SENT_VERSION: u32 = 1;

/// The magic of a tar archive ends here.
const TAR_MAGIC_END: usize = 257 + 5;
