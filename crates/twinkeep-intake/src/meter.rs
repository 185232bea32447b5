//! Counts and digests the bytes of a source while somebody else reads them.

use std::cell::RefCell;
use std::io::{self, Read};
use std::rc::Rc;

use twinkeep_vault::digest::Sha256;

use crate::limits::Limits;

/// What has been read so far; clones share it.
#[derive(Clone, Default)]
pub(crate) struct Meter(Rc<RefCell<State>>);

#[derive(Default)]
struct State {
    digest: Sha256,
    compressed: u64,
    expanded: u64,
    exceeded: Option<(&'static str, u64)>,
}

impl Meter {
    /// Returns how many bytes of the source were read.
    pub(crate) fn compressed(&self) -> u64 {
        self.0.borrow().compressed
    }

    /// Returns the digest of the bytes of the source that were read.
    pub(crate) fn digest(&self) -> [u8; 32] {
        self.0.borrow().digest.clone().finish()
    }

    /// Returns the limit that stopped the reading, if one did.
    pub(crate) fn exceeded(&self) -> Option<(&'static str, u64)> {
        self.0.borrow().exceeded
    }

    /// Starts the digest anew, for the next file of a folder.
    pub(crate) fn restart_digest(&self) {
        self.0.borrow_mut().digest = Sha256::default();
    }

    /// Wraps the bytes of the source itself.
    pub(crate) fn source<'r>(&self, inner: &'r mut dyn Read) -> SourceBytes<'r> {
        SourceBytes { inner, meter: self.clone() }
    }

    /// Wraps bytes of the source that are read a second time: they are not digested again.
    pub(crate) fn again<R: Read>(&self, inner: R) -> Again<R> {
        Again { inner, meter: self.clone() }
    }

    /// Wraps bytes that a decoder made from them.
    pub(crate) fn expanded<'r>(&self, inner: Box<dyn Read + 'r>, limits: Limits) -> Expanded<'r> {
        Expanded { inner, meter: self.clone(), limits }
    }
}

/// Counts and digests what comes in.
pub(crate) struct SourceBytes<'r> {
    inner: &'r mut dyn Read,
    meter: Meter,
}

impl Read for SourceBytes<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        let mut state = self.meter.0.borrow_mut();
        state.digest.update(&buffer[..length]);
        state.compressed += length as u64;
        Ok(length)
    }
}

/// Counts what comes in again.
pub(crate) struct Again<R> {
    inner: R,
    meter: Meter,
}

impl<R: Read> Read for Again<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.meter.0.borrow_mut().compressed += length as u64;
        Ok(length)
    }
}

/// Stops a decoder that makes more than any honest archive would.
pub(crate) struct Expanded<'r> {
    inner: Box<dyn Read + 'r>,
    meter: Meter,
    limits: Limits,
}

impl Read for Expanded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        let mut state = self.meter.0.borrow_mut();
        state.expanded += length as u64;
        let Limits { expanded_size_max, expansion_ratio_max, expansion_free, .. } = self.limits;
        if expanded_size_max < state.expanded {
            state.exceeded = Some(("the expanded size in bytes", expanded_size_max));
        } else if expansion_free < state.expanded
            && state.compressed.saturating_mul(expansion_ratio_max) < state.expanded
        {
            state.exceeded = Some(("the expansion ratio", expansion_ratio_max));
        }
        match state.exceeded {
            Some((what, _)) => Err(io::Error::other(format!("{what} exceeds its limit"))),
            None => Ok(length),
        }
    }
}
