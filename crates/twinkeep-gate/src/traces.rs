//! Traces of requests, as OpenTelemetry has them, in a file that a collector reads.
//!
//! The process that answers has no network, so it exports nothing: it appends lines to a file, each an
//! `ExportTraceServiceRequest` in JSON (OTLP File Exporter; the collector's `otlpjsonfile` receiver
//! takes them from there). Names of attributes are those of the semantic conventions for HTTP servers.
//!
//! # Invariants
//!
//! - No span says who asked, from where, or about whom: a route is a pattern, and there is no path,
//!   no query, and no address. The request's id leads to its entry in the ledger.
//! - Traces never hold up an answer: what finds no room is counted and forgotten.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use axum::http::HeaderMap;
use serde_json::{Value, json};
use twinkeep_vault::digest::to_hex;
use twinkeep_vault::random_bytes;

use crate::GateError;
use crate::request_id::RequestId;

#[cfg(test)]
mod tests;

/// Where spans go.
pub(crate) struct Traces {
    /// Taken when nobody sends any more, which ends the thread.
    sender: Option<SyncSender<Span>>,
    writing: Option<JoinHandle<()>>,
}

/// A request that was answered.
pub(crate) struct Span {
    pub(crate) parent: Option<Parent>,
    /// `GET`, or `other`.
    pub(crate) method: &'static str,
    /// The route as a pattern; empty if there is none.
    pub(crate) route: &'static str,
    pub(crate) status: u16,
    /// Why it was refused, if it was.
    pub(crate) code: Option<&'static str>,
    pub(crate) request_id: RequestId,
    /// When it came, in microseconds since 1970.
    pub(crate) began_micros: i64,
    /// Until there was an answer, and until that was recorded, after it came.
    pub(crate) answered: Duration,
    pub(crate) recorded: Duration,
}

/// The span that a request belongs to, as its client says (W3C Trace Context §3.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parent {
    trace: String,
    span: String,
    /// Whether the client keeps its own.
    sampled: bool,
}

impl Parent {
    /// Reads `traceparent`, if there is one that makes sense.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all("traceparent").iter();
        let text = values.next()?.to_str().ok()?;
        let parts: Vec<&str> = text.split('-').collect();
        let hex = |text: &str, length| {
            text.len() == length && text.bytes().all(|byte| b"0123456789abcdef".contains(&byte))
        };
        let named = |text: &str, length| hex(text, length) && text.bytes().any(|byte| byte != b'0');
        let &[version, trace, span, flags, ..] = parts.as_slice() else { return None };
        // A later version may have more behind what this one knows.
        let whole = hex(version, 2) && version != "ff" && (version != "00" || parts.len() == 4);
        if !whole || !named(trace, 32) || !named(span, 16) || !hex(flags, 2) {
            return None;
        }
        let sampled = u8::from_str_radix(flags, 16).ok()? & 1 == 1;
        let parent = Self { trace: trace.to_owned(), span: span.to_owned(), sampled };
        values.next().is_none().then_some(parent)
    }
}

impl Traces {
    /// Opens the file, and starts the thread that writes it.
    pub(crate) fn open(path: &Path) -> Result<Self, GateError> {
        let refuse = |source| GateError::TraceFile { path: path.to_path_buf(), source };
        let mut book = Book::open(path.to_path_buf()).map_err(refuse)?;
        let (sender, receiver) = sync_channel(WAITING_COUNT_MAX);
        let write = move || book.keep(&receiver);
        let writing = thread::Builder::new().name("traces".to_owned()).spawn(write);
        Ok(Self { sender: Some(sender), writing: Some(writing.map_err(refuse)?) })
    }

    /// Keeps a span, if its client keeps its own and there is room; returns whether it was lost.
    pub(crate) fn keep(&self, span: Span) -> bool {
        let wanted = span.parent.as_ref().is_none_or(|parent| parent.sampled);
        let Some(sender) = self.sender.as_ref().filter(|_| wanted) else { return false };
        sender.try_send(span).is_err()
    }
}

impl Drop for Traces {
    /// Waits until what was kept is written.
    fn drop(&mut self) {
        drop(self.sender.take());
        let _ = self.writing.take().map(JoinHandle::join);
    }
}

/// The file.
struct Book {
    path: PathBuf,
    file: File,
    size: u64,
}

impl Book {
    fn open(path: PathBuf) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(&path)?;
        let size = file.metadata()?.len();
        Ok(Self { path, file, size })
    }

    /// Writes spans as they come, until nobody can send any more.
    fn keep(&mut self, receiver: &Receiver<Span>) {
        while let Ok(first) = receiver.recv() {
            let more = receiver.try_iter().take(LINE_SPAN_COUNT_MAX);
            let spans: Vec<Span> = std::iter::once(first).chain(more).collect();
            // A full disk costs traces, and never an answer.
            let _ = self.write(&spans);
        }
    }

    fn write(&mut self, spans: &[Span]) -> io::Result<()> {
        if FILE_SIZE_MAX <= self.size {
            std::fs::rename(&self.path, older(&self.path))?;
            *self = Self::open(self.path.clone())?;
        }
        let mut line = export(spans).to_string();
        line.push('\n');
        self.file.write_all(line.as_bytes())?;
        self.size += line.len() as u64;
        Ok(())
    }
}

fn older(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".1");
    name.into()
}

fn export(spans: &[Span]) -> Value {
    let text = |key: &str, value: &str| json!({ "key": key, "value": { "stringValue": value } });
    let resource =
        [text("service.name", "twinkeep"), text("service.version", env!("CARGO_PKG_VERSION"))];
    let spans: Vec<Value> = spans.iter().flat_map(tell).collect();
    json!({ "resourceSpans": [{
        "resource": { "attributes": resource },
        "scopeSpans": [{ "scope": { "name": "twinkeep.gate" }, "spans": spans }],
    }] })
}

/// The span of a request, and within it those of its answer and its entry.
fn tell(span: &Span) -> [Value; 3] {
    let text = |key: &str, value: &str| json!({ "key": key, "value": { "stringValue": value } });
    let mut attributes = vec![
        text("http.request.method", if span.method == "other" { "_OTHER" } else { span.method }),
        text("url.scheme", "https"),
        json!({ "key": "http.response.status_code", "value": { "intValue": span.status.to_string() } }),
        text("twinkeep.request_id", &span.request_id.to_string()),
    ];
    let mut name = span.method.to_owned();
    if !span.route.is_empty() {
        attributes.push(text("http.route", span.route));
        name.push_str(&format!(" {}", span.route));
    }
    attributes.extend(span.code.map(|code| text("error.type", code)));
    let (trace, parent) = match &span.parent {
        Some(parent) => (parent.trace.clone(), parent.span.clone()),
        None => (to_hex(&random_bytes::<16>()), String::new()),
    };
    let own = to_hex(&random_bytes::<8>());
    let at = |after: Duration| {
        let after = i64::try_from(after.as_micros()).unwrap_or(i64::MAX);
        span.began_micros.saturating_add(after).saturating_mul(1_000).to_string()
    };
    let child = |name: &str, from: Duration, until: Duration| {
        json!({
            "traceId": trace, "spanId": to_hex(&random_bytes::<8>()), "parentSpanId": own,
            "name": name, "kind": KIND_INTERNAL,
            "startTimeUnixNano": at(from), "endTimeUnixNano": at(until),
        })
    };
    let status = if 500 <= span.status { json!({ "code": STATUS_ERROR }) } else { json!({}) };
    let whole = json!({
        "traceId": trace, "spanId": own, "parentSpanId": parent, "name": name,
        "kind": KIND_SERVER, "startTimeUnixNano": at(Duration::ZERO),
        "endTimeUnixNano": at(span.recorded), "attributes": attributes, "status": status,
    });
    [
        whole,
        child("answer", Duration::ZERO, span.answered),
        child("record", span.answered, span.recorded),
    ]
}

/// Numbers of OTLP (`opentelemetry/proto/trace/v1/trace.proto`).
const KIND_INTERNAL: u8 = 1;
const KIND_SERVER: u8 = 2;
const STATUS_ERROR: u8 = 2;

/// A second of a busy gate.
const WAITING_COUNT_MAX: usize = 4_096;

/// A line of some hundred kilobytes: what a collector reads at once.
const LINE_SPAN_COUNT_MAX: usize = 255;

/// Then another file is begun; the one before is kept beside it.
const FILE_SIZE_MAX: u64 = 64 << 20;
