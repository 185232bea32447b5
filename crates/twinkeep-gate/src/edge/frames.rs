//! Counts frames of HTTP/2 that ask for nothing and cost an answer each: pings, settings, priorities
//! (CVE-2019-9512, CVE-2019-9513, CVE-2019-9515), and kinds that nobody knows.
//!
//! The HTTP/2 library bounds what belongs to a request; these belong to none, so a client could send
//! them for as long as a connection may be idle. Only the heads of frames are read here, and nothing
//! is held back.

use std::time::{Duration, Instant};

/// Follows the frames of one connection.
pub(super) struct FrameMeter {
    /// Bytes of the frame's content, or of the preface, that are still to come.
    skip: usize,
    head: [u8; HEAD_LEN],
    head_len: usize,
    /// When the allowance will be whole again.
    whole_at: Instant,
}

impl FrameMeter {
    /// Starts with a connection whose preface is to come.
    pub(super) fn new(preface_len: usize, now: Instant) -> Self {
        Self { skip: preface_len, head: [0; HEAD_LEN], head_len: 0, whole_at: now }
    }

    /// Takes bytes as they come; returns whether there were too many of these frames.
    pub(super) fn is_flooded(&mut self, mut bytes: &[u8], now: Instant) -> bool {
        let mut idle = 0_u32;
        while !bytes.is_empty() {
            if 0 < self.skip {
                let count = self.skip.min(bytes.len());
                self.skip -= count;
                bytes = &bytes[count..];
                continue;
            }
            let count = (HEAD_LEN - self.head_len).min(bytes.len());
            self.head[self.head_len..self.head_len + count].copy_from_slice(&bytes[..count]);
            self.head_len += count;
            bytes = &bytes[count..];
            if self.head_len == HEAD_LEN {
                let [a, b, c, kind, ..] = self.head;
                self.skip = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
                self.head_len = 0;
                idle += u32::from(matches!(kind, PRIORITY | SETTINGS | PING | UNKNOWN..));
            }
        }
        self.whole_at = self.whole_at.max(now) + EVERY * idle;
        now + EVERY * AT_ONCE_MAX < self.whole_at
    }
}

/// RFC 9113, section 4.1, and the kinds of section 6.
const HEAD_LEN: usize = 9;
const PRIORITY: u8 = 2;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const UNKNOWN: u8 = 10;

/// Who measures the way by pings sends one a round trip, and none needs to know it better.
const EVERY: Duration = Duration::from_millis(5);

/// Five seconds' worth.
const AT_ONCE_MAX: u32 = 1_000;

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{AT_ONCE_MAX, FrameMeter};

    fn frame(kind: u8, len: u8) -> Vec<u8> {
        [&[0, 0, len, kind, 0, 0, 0, 0, 0][..], &vec![kind; usize::from(len)]].concat()
    }

    #[test]
    fn frames_that_ask_for_nothing_are_counted_however_they_are_cut() {
        let now = Instant::now();
        for size in [1, 2, 7, 9, 10, 17, 1000] {
            let mut meter = FrameMeter::new(24, now);
            let pings = frame(6, 8).repeat(AT_ONCE_MAX as usize);
            let bytes = [&[6; 24][..], &pings].concat();
            assert!(!bytes.chunks(size).any(|chunk| meter.is_flooded(chunk, now)), "{size}");
            assert!(meter.is_flooded(&frame(4, 0), now), "{size}");
            let later = now + Duration::from_secs(10);
            assert!(!meter.is_flooded(&pings, later), "{size}");
        }
    }

    #[test]
    fn what_belongs_to_a_request_is_not_counted() {
        let now = Instant::now();
        let mut meter = FrameMeter::new(0, now);
        // Data, heads, resets, windows, continuations.
        for kind in [0, 1, 3, 8, 9] {
            assert!(!meter.is_flooded(&frame(kind, 200).repeat(5_000), now), "{kind}");
        }
        for kind in [2, 10, 255] {
            let mut meter = FrameMeter::new(0, now);
            assert!(meter.is_flooded(&frame(kind, 5).repeat(2_000), now), "{kind}");
        }
    }
}
