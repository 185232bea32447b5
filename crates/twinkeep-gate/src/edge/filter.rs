//! The strict reader that stands before hyper on an HTTP/1.1 connection.
//!
//! It follows the framing of requests itself, checks each head with [`super::head`], and hands on
//! only bytes of requests that passed. A refused head is replaced by a marker request that nobody
//! but this filter can write (its header name is reserved): so the refusal is answered in its
//! turn, with the security headers, the error envelope, and the audit entry of any other answer.
//!
//! # Invariants
//!
//! - Not one byte of a refused head, or of what follows it, reaches hyper.
//! - At most one incomplete head is held, of at most [`HEAD_SIZE_MAX`] bytes.

use std::collections::VecDeque;

use super::head::{self, Framing, HeadRefusal};

#[cfg(test)]
mod tests;

/// The header by which the marker request names the refusal.
pub(crate) const REFUSAL_HEADER: &str = "twinkeep-refusal";

/// Reads one connection.
pub(crate) struct Filter {
    state: State,
    /// The head that is incomplete.
    head: Vec<u8>,
    passed: VecDeque<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Head,
    Sized(u64),
    /// In a chunk's size line: the size so far and how many digits it has.
    ChunkSize {
        size: u64,
        digits: u8,
    },
    ChunkSizeEnd {
        size: u64,
    },
    ChunkData(u64),
    ChunkDataEnd {
        carriage_return: bool,
    },
    LastChunkEnd {
        carriage_return: bool,
    },
    /// What comes is not HTTP any more.
    Raw,
    Refused,
    BrokenBody,
}

/// The chunks of a body are not what RFC 9112 allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the chunks of the body are malformed")]
pub(crate) struct BrokenBody;

impl Filter {
    /// Starts before the first head.
    pub(crate) fn new() -> Self {
        Self { state: State::Head, head: Vec::new(), passed: VecDeque::new() }
    }

    /// Takes bytes from the client.
    pub(crate) fn push(&mut self, mut input: &[u8]) {
        while !input.is_empty() {
            let taken = match self.state {
                State::Head => self.push_head(input),
                State::Sized(left) => self.push_sized(input, left),
                State::ChunkData(left) => self.push_chunk_data(input, left),
                State::Raw => {
                    self.passed.extend(input);
                    return;
                }
                State::Refused | State::BrokenBody => return,
                _ => self.push_chunk_line(input[0]),
            };
            input = &input[taken..];
        }
    }

    /// Returns bytes that passed; empty if all were consumed.
    pub(crate) fn passed(&self) -> &[u8] {
        self.passed.as_slices().0
    }

    /// Forgets the first `count` bytes of [`Filter::passed`].
    pub(crate) fn consume(&mut self, count: usize) {
        self.passed.drain(..count);
        if self.passed.is_empty() && PASSED_KEPT_MAX < self.passed.capacity() {
            self.passed = VecDeque::new();
        }
    }

    /// Returns an error once a body turned out to be malformed and what came before is handed on.
    pub(crate) fn check_body(&self) -> Result<(), BrokenBody> {
        if self.state == State::BrokenBody && self.passed.is_empty() {
            return Err(BrokenBody);
        }
        Ok(())
    }

    /// Lets everything through from now on: both sides agreed on another protocol. Whoever has said
    /// anything before that is not heard any more.
    pub(crate) fn switch(&mut self) {
        let clean = self.state == State::Raw || self.between_requests();
        self.state = if clean { State::Raw } else { State::BrokenBody };
    }

    /// Returns whether a head has begun and not ended.
    pub(crate) fn inside_head(&self) -> bool {
        self.state == State::Head && !self.head.is_empty()
    }

    /// Returns whether the client has been refused: what it still sends is thrown away.
    #[cfg(test)]
    pub(crate) fn refused(&self) -> bool {
        matches!(self.state, State::Refused | State::BrokenBody)
    }

    /// Returns whether the last request has arrived whole.
    pub(crate) fn between_requests(&self) -> bool {
        matches!(self.state, State::Head | State::Raw) && self.head.is_empty()
    }

    /// Returns whether every byte that came belongs to a whole request, and has been handed on.
    pub(crate) fn at_rest(&self) -> bool {
        self.between_requests() && self.passed.is_empty()
    }

    fn push_head(&mut self, input: &[u8]) -> usize {
        for (index, &byte) in input.iter().enumerate() {
            // A bare LF ends no head, so without this the client would wait for the deadline.
            if byte == b'\n' && self.head.last() != Some(&b'\r') {
                self.refuse(HeadRefusal::LineEnd);
                return input.len();
            }
            self.head.push(byte);
            if byte == b'\n' && (self.head.ends_with(b"\r\n\r\n") || self.head == b"\r\n") {
                self.finish_head();
                return index + 1;
            }
            if HEAD_SIZE_MAX <= self.head.len() {
                self.refuse(HeadRefusal::Size);
                return input.len();
            }
        }
        input.len()
    }

    fn finish_head(&mut self) {
        match head::check(&self.head) {
            Ok(framing) => {
                self.passed.extend(&self.head);
                self.head = Vec::new();
                self.state = match framing {
                    Framing::None => State::Head,
                    Framing::Sized(length) => State::Sized(length),
                    Framing::Chunked => State::ChunkSize { size: 0, digits: 0 },
                };
            }
            Err(refusal) => self.refuse(refusal),
        }
    }

    fn refuse(&mut self, refusal: HeadRefusal) {
        let marker = format!(
            "GET /refused HTTP/1.1\r\nhost: refused\r\nconnection: close\r\n{REFUSAL_HEADER}: {}\r\n\r\n",
            refusal.code()
        );
        self.passed.extend(marker.as_bytes());
        self.head = Vec::new();
        self.state = State::Refused;
    }

    fn push_sized(&mut self, input: &[u8], left: u64) -> usize {
        let (taken, left) = self.pass_up_to(input, left);
        self.state = if left == 0 { State::Head } else { State::Sized(left) };
        taken
    }

    fn push_chunk_data(&mut self, input: &[u8], left: u64) -> usize {
        let (taken, left) = self.pass_up_to(input, left);
        self.state = match left {
            0 => State::ChunkDataEnd { carriage_return: false },
            left => State::ChunkData(left),
        };
        taken
    }

    fn pass_up_to(&mut self, input: &[u8], left: u64) -> (usize, u64) {
        let taken = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
        self.passed.extend(&input[..taken]);
        (taken, left - taken as u64)
    }

    /// Takes one byte of a chunk's framing. Extensions and trailers are refused: nobody here reads
    /// them, and parsers disagree about them.
    fn push_chunk_line(&mut self, byte: u8) -> usize {
        let next = match (self.state, byte) {
            (State::ChunkSize { size, digits }, _) if byte.is_ascii_hexdigit() => {
                let digit = (byte as char).to_digit(16).unwrap_or_default();
                (digits < CHUNK_DIGITS_MAX).then_some(State::ChunkSize {
                    size: size << 4 | u64::from(digit),
                    digits: digits + 1,
                })
            }
            (State::ChunkSize { size, digits: 1.. }, b'\r') => Some(State::ChunkSizeEnd { size }),
            (State::ChunkSizeEnd { size: 0 }, b'\n') => {
                Some(State::LastChunkEnd { carriage_return: false })
            }
            (State::ChunkSizeEnd { size }, b'\n') => Some(State::ChunkData(size)),
            (State::ChunkDataEnd { carriage_return: false }, b'\r') => {
                Some(State::ChunkDataEnd { carriage_return: true })
            }
            (State::ChunkDataEnd { carriage_return: true }, b'\n') => {
                Some(State::ChunkSize { size: 0, digits: 0 })
            }
            (State::LastChunkEnd { carriage_return: false }, b'\r') => {
                Some(State::LastChunkEnd { carriage_return: true })
            }
            (State::LastChunkEnd { carriage_return: true }, b'\n') => Some(State::Head),
            _ => None,
        };
        match next {
            Some(state) => {
                self.passed.push_back(byte);
                self.state = state;
            }
            None => self.state = State::BrokenBody,
        }
        1
    }
}

/// Largest head, in bytes: nginx takes four lines of 8 KiB, browsers stay below 4 KiB in all.
pub(crate) const HEAD_SIZE_MAX: usize = 16 * 1024;

/// Seven digits reach 256 MiB, more than any body may have.
const CHUNK_DIGITS_MAX: u8 = 7;

/// An idle connection keeps no larger buffer than this.
const PASSED_KEPT_MAX: usize = 1024;
