//! A spool: bytes of people that do not fit into memory, on the disk for as long as they are read.
//!
//! What comes as a stream can be read once and in order; a format that needs more (a directory at
//! the end, two passes) is written here first. The file has no name, so it is gone with the
//! program, and is encrypted under a key that exists in locked memory only, so it is useless to
//! whoever has the disk.
//!
//! # Invariants
//!
//! - No plaintext reaches the disk, and no key.
//! - A spool opens for the process that wrote it and for nobody else; what was changed on the disk
//!   is refused, and so is what was cut off or moved.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use rustix::fs::OFlags;

use crate::digest::to_hex;
use crate::{SecretBytes, SecretKey, random_bytes};

#[cfg(test)]
mod tests;

/// A spool that is being written.
pub struct SpoolWriter {
    file: File,
    key: SecretKey,
    /// The chunk that is being filled, with room for its tag.
    chunk: SecretBytes,
    filled: usize,
    chunk_count: u64,
}

impl SpoolWriter {
    /// Makes an empty spool on the disk that holds `folder`.
    pub fn create(folder: &Path) -> io::Result<Self> {
        Ok(Self {
            file: nameless_file(folder)?,
            key: SecretKey::random(),
            chunk: SecretBytes::zeroed(CHUNK_LEN),
            filled: 0,
            chunk_count: 0,
        })
    }

    /// Returns how many bytes were written so far.
    pub fn length(&self) -> u64 {
        self.chunk_count * CHUNK_LEN as u64 + self.filled as u64
    }

    /// Ends the writing; from then on the spool can be read.
    pub fn finish(mut self) -> io::Result<Spool> {
        let length = self.length();
        if 0 < self.filled {
            self.seal()?;
        }
        Ok(Spool(Arc::new(Sealed { file: self.file, key: self.key, length })))
    }

    fn seal(&mut self) -> io::Result<()> {
        let chunk = &mut self.chunk.expose_mut()[..self.filled];
        let nonce = nonce(self.chunk_count);
        let tag = cipher(&self.key).seal_in_place_separate_tag(nonce, Aad::empty(), chunk);
        let tag = tag.map_err(|_| io::Error::other("a part of the spool cannot be encrypted"))?;
        let at = self.chunk_count * SEALED_LEN as u64;
        self.file.write_all_at(chunk, at)?;
        self.file.write_all_at(tag.as_ref(), at + self.filled as u64)?;
        self.chunk_count += 1;
        self.filled = 0;
        Ok(())
    }
}

impl Write for SpoolWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = bytes.len().min(CHUNK_LEN - self.filled);
        self.chunk.expose_mut()[self.filled..self.filled + length]
            .copy_from_slice(&bytes[..length]);
        self.filled += length;
        if self.filled == CHUNK_LEN {
            self.seal()?;
        }
        Ok(length)
    }

    /// Does nothing: a spool need not outlive the program.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A spool that is complete and can be read, from anywhere and several times; clones share it.
#[derive(Clone)]
pub struct Spool(Arc<Sealed>);

struct Sealed {
    file: File,
    key: SecretKey,
    length: u64,
}

impl Spool {
    /// Returns how many bytes it holds.
    pub fn length(&self) -> u64 {
        self.0.length
    }

    /// Returns a reader of the bytes from `start` up to `end`, or to the end of the spool.
    pub fn reader(&self, start: u64, end: u64) -> SpoolReader {
        let end = end.min(self.length());
        let chunk = SecretBytes::zeroed(SEALED_LEN);
        SpoolReader { spool: self.clone(), at: start, end, chunk, held: None }
    }
}

impl Sealed {
    /// Decrypts one chunk into `chunk`; returns its length.
    fn open(&self, number: u64, chunk: &mut [u8]) -> io::Result<usize> {
        let start = number * CHUNK_LEN as u64;
        let length = (self.length - start).min(CHUNK_LEN as u64) as usize;
        let sealed = &mut chunk[..length + TAG_LEN];
        self.file.read_exact_at(sealed, number * SEALED_LEN as u64)?;
        let changed = || io::Error::new(io::ErrorKind::InvalidData, "the spool was changed");
        let opened = cipher(&self.key).open_in_place(nonce(number), Aad::empty(), sealed);
        Ok(opened.map_err(|_| changed())?.len())
    }
}

/// Reads a part of a spool, in order.
pub struct SpoolReader {
    spool: Spool,
    at: u64,
    end: u64,
    chunk: SecretBytes,
    /// Which chunk is decrypted, and how long it is.
    held: Option<(u64, usize)>,
}

impl Read for SpoolReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() || self.end <= self.at {
            return Ok(0);
        }
        let number = self.at / CHUNK_LEN as u64;
        let length = match self.held {
            Some((held, length)) if held == number => length,
            _ => {
                self.held = None;
                let length = self.spool.0.open(number, self.chunk.expose_mut())?;
                self.held = Some((number, length));
                length
            }
        };
        let from = (self.at % CHUNK_LEN as u64) as usize;
        let wanted = (self.end - self.at).min(buffer.len() as u64) as usize;
        let count = wanted.min(length - from);
        buffer[..count].copy_from_slice(&self.chunk.expose()[from..from + count]);
        self.at += count as u64;
        Ok(count)
    }
}

/// Opens a file that has no name, on the disk that holds `folder`.
fn nameless_file(folder: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(PRIVATE);
    match options.clone().custom_flags(OFlags::TMPFILE.bits() as i32).open(folder) {
        // Some network file systems have no nameless files: name one and take the name away.
        Err(error) if error.raw_os_error() == Some(NOT_SUPPORTED) => {
            let name = format!("spool.{}.part", to_hex(&random_bytes::<6>()));
            let path = folder.join(name);
            let file = options.create_new(true).open(&path)?;
            fs::remove_file(&path)?;
            Ok(file)
        }
        opened => opened,
    }
}

/// INVARIANT: a key seals each number once: a writer only counts up, and each has its own key.
fn nonce(number: u64) -> Nonce {
    let mut nonce = [0; NONCE_LEN];
    nonce[NONCE_LEN - 8..].copy_from_slice(&number.to_be_bytes());
    Nonce::assume_unique_for_key(nonce)
}

/// Made anew for each chunk, so that the key is nowhere but in locked memory in between.
fn cipher(key: &SecretKey) -> LessSafeKey {
    #[expect(clippy::expect_used, reason = "a SecretKey has 32 bytes, as AES-256 takes")]
    let key = UnboundKey::new(&AES_256_GCM, key.expose()).expect("AES-256 takes 32 bytes");
    LessSafeKey::new(key)
}

const PRIVATE: u32 = super::files::PRIVATE_FILE;

/// EOPNOTSUPP.
const NOT_SUPPORTED: i32 = rustix::io::Errno::OPNOTSUPP.raw_os_error();

/// What is decrypted at once for a jump to another place; long enough that the tag costs nothing.
const CHUNK_LEN: usize = 64 << 10;
const TAG_LEN: usize = 16;
const SEALED_LEN: usize = CHUNK_LEN + TAG_LEN;
