//! A connection that ends at a moment, however slowly the other side says something.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::{Duration, Instant};

use super::Question;

#[derive(Debug)]
pub(super) struct Timed {
    stream: TcpStream,
    end: Instant,
}

impl Timed {
    /// Connects to the first address that answers; the time for that counts, too.
    pub(super) fn connect(question: Question<'_>, limit: Duration) -> Option<Timed> {
        let end = Instant::now().checked_add(limit)?;
        let addresses = (question.host, question.port).to_socket_addrs().ok()?;
        let addresses: Vec<_> = addresses.take(ADDRESS_COUNT_MAX).collect();
        let mut left = u32::try_from(addresses.len()).ok()?;
        for address in addresses {
            // An address that does not answer leaves time for the next.
            let share = left_until(end).ok()?.checked_div(left)?;
            left -= 1;
            if let Ok(stream) = TcpStream::connect_timeout(&address, share.max(SHORTEST)) {
                return Some(Timed { stream, end });
            }
        }
        None
    }

    /// Gives it so much time from now on.
    pub(super) fn extend(&mut self, limit: Duration) {
        if let Some(end) = Instant::now().checked_add(limit) {
            self.end = end;
        }
    }
}

/// No wait is of no length, which would be one without an end.
const SHORTEST: Duration = Duration::from_millis(1);

/// A name may have many addresses.
const ADDRESS_COUNT_MAX: usize = 4;

fn left_until(end: Instant) -> io::Result<Duration> {
    let left = end.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left.max(SHORTEST)) }
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(left_until(self.end)?))?;
        self.stream.read(buffer)
    }
}

impl Write for Timed {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(left_until(self.end)?))?;
        self.stream.write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}
