//! A secured connection as hyper sees it: filtered on the way in, watched on the way out.
//!
//! Every byte passes here, so this is where the [`Watch`] learns what the client does. Nothing
//! here waits: deadlines are the supervisor's.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::filter::Filter;
use super::frames::FrameMeter;
use super::watch::Watch;

#[cfg(test)]
mod tests;

/// A connection between the TLS layer and hyper.
pub(crate) struct GuardedIo<T> {
    inner: T,
    watch: Arc<Watch>,
    reader: Reader,
    linger: Option<Pin<Box<Sleep>>>,
}

/// What is read, by protocol.
enum Reader {
    Http1 {
        filter: Filter,
        ended: bool,
    },
    /// How much of the connection preface is missing; the rest is for the HTTP/2 library.
    Http2 {
        preface_left: usize,
        frames: FrameMeter,
    },
}

impl<T> GuardedIo<T> {
    /// Guards an HTTP/1.1 connection.
    pub(crate) fn http1(inner: T, watch: Arc<Watch>) -> Self {
        let reader = Reader::Http1 { filter: Filter::new(), ended: false };
        Self { inner, watch, reader, linger: None }
    }

    /// Guards an HTTP/2 connection.
    pub(crate) fn http2(inner: T, watch: Arc<Watch>) -> Self {
        let frames = FrameMeter::new(PREFACE_LEN, Instant::now());
        let reader = Reader::Http2 { preface_left: PREFACE_LEN, frames };
        Self { inner, watch, reader, linger: None }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for GuardedIo<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { inner, watch, reader, .. } = self.get_mut();
        match reader {
            Reader::Http1 { filter, ended } => poll_filtered(inner, watch, filter, ended, cx, out),
            Reader::Http2 { preface_left, frames } => {
                let before = out.filled().len();
                ready!(Pin::new(inner).poll_read(cx, out))?;
                let count = out.filled().len() - before;
                watch.received(count);
                if frames.is_flooded(&out.filled()[before..], Instant::now()) {
                    watch.flooded(Instant::now());
                    // The supervisor looks at its deadline next, and ends the connection.
                    return Poll::Pending;
                }
                if 0 < *preface_left {
                    *preface_left = preface_left.saturating_sub(count);
                    match *preface_left {
                        0 => watch.head_ended(),
                        _ => watch.head_began(Instant::now()),
                    }
                }
                Poll::Ready(Ok(()))
            }
        }
    }
}

fn poll_filtered<T: AsyncRead + Unpin>(
    inner: &mut T,
    watch: &Watch,
    filter: &mut Filter,
    ended: &mut bool,
    cx: &mut Context<'_>,
    out: &mut ReadBuf<'_>,
) -> Poll<io::Result<()>> {
    loop {
        let count = filter.passed().len().min(out.remaining());
        if 0 < count {
            out.put_slice(&filter.passed()[..count]);
            filter.consume(count);
            watch.rests(filter.at_rest());
            return Poll::Ready(Ok(()));
        }
        filter.check_body().map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        if *ended {
            return Poll::Ready(Ok(()));
        }
        ready!(poll_fill(inner, watch, filter, ended, cx))?;
    }
}

/// Reads once, and has the filter look at it.
fn poll_fill<T: AsyncRead + Unpin>(
    inner: &mut T,
    watch: &Watch,
    filter: &mut Filter,
    ended: &mut bool,
    cx: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    let mut chunk = [0; READ_SIZE];
    let mut chunk = ReadBuf::new(&mut chunk);
    ready!(Pin::new(&mut *inner).poll_read(cx, &mut chunk))?;
    *ended = chunk.filled().is_empty();
    watch.received(chunk.filled().len());
    if watch.is_switched() {
        filter.switch();
    }
    filter.push(chunk.filled());
    watch.rests(filter.at_rest());
    if !filter.passed().is_empty() {
        watch.head_ended();
    }
    if filter.inside_head() {
        watch.head_began(Instant::now());
    }
    Poll::Ready(Ok(()))
}

impl<T: AsyncRead + Unpin> GuardedIo<T> {
    /// Waits until there is something for the HTTP library; returns whether there ever will be.
    pub(crate) fn poll_arrival(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        let Self { inner, watch, reader, .. } = self;
        let Reader::Http1 { filter, ended } = reader else { return Poll::Ready(true) };
        loop {
            if !filter.passed().is_empty() {
                return Poll::Ready(true);
            }
            if *ended || filter.check_body().is_err() {
                return Poll::Ready(false);
            }
            if ready!(poll_fill(inner, watch, filter, ended, cx)).is_err() {
                return Poll::Ready(false);
            }
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> GuardedIo<T> {
    fn note_write(&self, result: &Poll<io::Result<usize>>) {
        match result {
            Poll::Ready(Ok(count)) => self.watch.wrote(*count),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.watch.write_blocked(Instant::now()),
        }
    }

    /// Returns whether the client may still be sending something that nobody will read.
    fn interrupted(&self) -> bool {
        match &self.reader {
            Reader::Http1 { filter, ended } => !ended && !filter.between_requests(),
            Reader::Http2 { .. } => false,
        }
    }

    /// Reads and drops what the client still sends, for a moment: closing on unread bytes would
    /// reset the connection and could destroy the answer on its way.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let timer = self.linger.get_or_insert_with(|| Box::pin(tokio::time::sleep(LINGER)));
        if timer.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        for _ in 0..LINGER_READS_PER_TURN {
            let mut chunk = [0; READ_SIZE];
            let mut chunk = ReadBuf::new(&mut chunk);
            match ready!(Pin::new(&mut self.inner).poll_read(cx, &mut chunk)) {
                Ok(()) if !chunk.filled().is_empty() => {}
                _ => return Poll::Ready(()),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for GuardedIo<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.note_write(&result);
        result
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.inner).poll_write_vectored(cx, slices);
        self.note_write(&result);
        result
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.inner).poll_flush(cx);
        match &result {
            Poll::Ready(Ok(())) => self.watch.flushed(),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.watch.write_blocked(Instant::now()),
        }
        result
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.linger.is_none() {
            ready!(Pin::new(&mut self.inner).poll_shutdown(cx))?;
        }
        if self.interrupted() {
            ready!(self.poll_linger(cx));
        }
        Poll::Ready(Ok(()))
    }
}

/// `PRI * HTTP/2.0` and so on (RFC 9113, 3.4).
const PREFACE_LEN: usize = 24;

/// One read; on the stack, so that an idle connection holds no buffer.
const READ_SIZE: usize = 4096;

/// Longer than a round trip around the world.
const LINGER: Duration = Duration::from_secs(1);

/// A client that floods a connection that is closing gets no more than its turn.
const LINGER_READS_PER_TURN: usize = 16;
