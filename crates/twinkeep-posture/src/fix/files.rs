//! Files as fixes change them: opened without following a link, and replaced as a whole.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{Gid, Mode, OFlags, Uid};

use super::error::FixError;

/// No file that a fix rewrites is longer.
pub(super) const TEXT_BYTES_MAX: u64 = 16 << 20;

/// Names what was attempted on what.
pub(super) fn at(action: &'static str, path: &str) -> impl FnOnce(io::Error) -> FixError {
    let path = path.to_owned();
    move |source| FixError::System { action, path, source }
}

/// Opens what a path names itself: never what a link there leads to, and never waiting.
pub(super) fn open(path: &str) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(File::from(rustix::fs::open(path, flags, Mode::empty())?))
}

/// The text of a file.
pub(super) fn read_text(path: &str) -> io::Result<String> {
    let mut text = String::new();
    open(path)?.take(TEXT_BYTES_MAX + 1).read_to_string(&mut text)?;
    if TEXT_BYTES_MAX < text.len() as u64 {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the file is too long"));
    }
    Ok(text)
}

/// Writes a private file as a whole: whoever reads it sees the old text or the new one.
pub(super) fn write_private(path: &Path, text: &[u8]) -> io::Result<()> {
    replace(path, text, |file| {
        rustix::fs::fchmod(file, Mode::from_raw_mode(0o600)).map_err(io::Error::from)
    })
}

/// Writes new text into an existing file, as a whole; mode and owner stay.
pub(super) fn rewrite(path: &str, text: &str) -> io::Result<()> {
    let old = open(path)?.metadata()?;
    replace(Path::new(path), text.as_bytes(), |file| {
        rustix::fs::fchown(file, Some(Uid::from_raw(old.uid())), Some(Gid::from_raw(old.gid())))?;
        rustix::fs::fchmod(file, Mode::from_raw_mode(old.mode() & 0o7777))?;
        Ok(())
    })
}

fn replace(
    path: &Path,
    text: &[u8],
    settle: impl FnOnce(&File) -> io::Result<()>,
) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = folder.join(format!(".{name}.{}.tmp", std::process::id()));
    let written = (|| {
        // What a run that was killed left there goes; a link that somebody put there is never
        // followed.
        let _ = std::fs::remove_file(&beside);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        settle(&file)?;
        file.write_all(text)?;
        file.sync_all()?;
        std::fs::rename(&beside, path)?;
        File::open(folder)?.sync_all()
    })();
    if written.is_err() {
        // What is left over helps nobody; the error that counts is the first one.
        let _ = std::fs::remove_file(&beside);
    }
    written
}
