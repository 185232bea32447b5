//! Notes: the text of reports and documents, one row an attachment.
//!
//! Only text that lies in the resource is read. An address is never followed, and what is no text
//! (a scan, a PDF) is refused, because nobody could screen or de-identify it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::html::text_of_html;
use super::super::known::{Known, Trouble};
use super::super::wire::{Attachment, DiagnosticReport, DocumentReference};
use super::{Content, Fact, check_status, coded, first_time, happened, parse, refusal, start};
use crate::Reason;
use crate::batch::Refusal;

/// A report: its notes and its conclusion; that it exists, if it has neither.
pub(super) fn report(json: &[u8], known: &Known) -> Result<Content, Trouble> {
    let report: DiagnosticReport = parse(json)?;
    check_status(report.status.as_deref(), "status")?;
    let patient = known.patient(report.subject.as_ref(), "subject")?;
    let code = coded(&report.code, "code")?;
    let time = first_time(&[
        (report.effective_date_time.as_ref(), "effective"),
        (start(report.effective_period.as_ref()), "effective"),
        (report.issued.as_ref(), "issued"),
    ])?;
    let note = |text| Fact { text: Some(text), ..happened(code.clone(), time) };
    let mut rows: Vec<_> =
        report.presented_form.into_iter().map(|form| text_of(form).map(note)).collect();
    rows.extend(report.conclusion.filter(|text| !text.trim().is_empty()).map(note).map(Ok));
    if rows.is_empty() {
        rows.push(Ok(happened(code, time)));
    }
    Ok(Content { patient, facts: rows })
}

/// A document: the notes that it holds.
pub(super) fn document(json: &[u8], known: &Known) -> Result<Content, Trouble> {
    let document: DocumentReference = parse(json)?;
    check_status(document.status.as_deref(), "status")?;
    let patient = known.patient(document.subject.as_ref(), "subject")?;
    let code = coded(&document.kind, "type")?;
    let context = document.context.as_ref().and_then(|context| context.period.as_ref());
    let time = first_time(&[(document.date.as_ref(), "date"), (start(context), "context.period")])?;
    if document.content.is_empty() {
        return Err(refusal(Reason::UnsupportedContent, "content").into());
    }
    let note = |text| Fact { text: Some(text), ..happened(code.clone(), time) };
    let rows = document.content.into_iter().map(|part| text_of(part.attachment).map(note));
    Ok(Content { patient, facts: rows.collect() })
}

/// Decodes an attachment.
fn text_of(attachment: Attachment) -> Result<String, Refusal> {
    let kind = attachment.content_type.unwrap_or_default().to_ascii_lowercase();
    let mut parts = kind.split(';').map(str::trim);
    let is_html = match parts.next() {
        Some("text/plain") => false,
        Some("text/html" | "application/xhtml+xml") => true,
        _ => return Err(refusal(Reason::UnsupportedContent, "contentType")),
    };
    let charset = parts.find_map(|part| part.strip_prefix("charset="));
    let charset = charset.map_or("utf-8", |name| name.trim_matches('"'));
    let Some(mut data) = attachment.data else {
        let field = if attachment.url.is_some() { "attachment.url" } else { "attachment.data" };
        return Err(refusal(Reason::UnsupportedContent, field));
    };
    let malformed = refusal(Reason::MalformedRow, "attachment.data");
    data.retain(|char| !char.is_ascii_whitespace());
    let bytes = STANDARD.decode(data).map_err(|_| malformed)?;
    if NOTE_SIZE_MAX < bytes.len() {
        return Err(refusal(Reason::TooLong, "attachment.data"));
    }
    let text = match charset {
        "utf-8" | "utf8" | "us-ascii" => String::from_utf8(bytes).map_err(|_| malformed)?,
        // The first 256 characters of Unicode are those of Latin-1.
        "iso-8859-1" | "latin1" => bytes.into_iter().map(char::from).collect(),
        _ => return Err(refusal(Reason::UnsupportedContent, "contentType")),
    };
    let text = if is_html { text_of_html(&text) } else { text };
    if text.trim().is_empty() {
        return Err(refusal(Reason::UnsupportedContent, "attachment.data"));
    }
    Ok(text)
}

/// Longest attachment, in bytes: four times as long as the text of an event may be, for markup.
const NOTE_SIZE_MAX: usize = 4 << 20;
