//! What is inside a row, as bytes before sealing: an event, or one that was refused.
//!
//! Fields one after another, each with its length; padded, so that the length on the disk tells
//! little about what is inside.

use twinkeep_domain::{Code, Event, Timestamp};
use twinkeep_vault::SecretBytes;

use super::LiveRefused;

/// What finds an event that is there already: time, code, bits of the value, text.
pub(super) type Key = (Option<i64>, Code, Option<u32>, Option<Box<str>>);

/// An event without its subject, which stands beside the sealed content.
#[derive(Clone, PartialEq)]
pub(super) struct EventContent {
    pub time: Option<Timestamp>,
    pub code: Code,
    pub value: Option<f32>,
    pub text: Option<Box<str>>,
    pub received_at: Timestamp,
}

/// A refused event.
pub(super) struct RefusedContent {
    pub row: u64,
    pub field: Option<String>,
    pub reason: String,
    pub raw: SecretBytes,
}

impl EventContent {
    pub(super) fn new(event: &Event, code: &Code, received_at: Timestamp) -> Self {
        let Event { time, value, ref text, .. } = *event;
        Self { time, code: code.clone(), value, text: text.clone(), received_at }
    }

    pub(super) fn key(&self) -> Key {
        key(self.time, &self.code, self.value, self.text.as_deref())
    }

    pub(super) fn encode(&self) -> SecretBytes {
        let mut out = Vec::new();
        put(&mut out, Some(&self.received_at.micros().to_be_bytes()));
        put(&mut out, self.time.map(|time| time.micros().to_be_bytes()).as_ref().map(|b| &b[..]));
        put(&mut out, Some(self.code.as_str().as_bytes()));
        put(&mut out, self.value.map(f32::to_be_bytes).as_ref().map(|bytes| &bytes[..]));
        put(&mut out, self.text.as_deref().map(str::as_bytes));
        pad(out)
    }

    pub(super) fn decode(mut bytes: &[u8]) -> Option<Self> {
        let bytes = &mut bytes;
        let received_at = timestamp(take(bytes)??)?;
        let time = take(bytes)?.map(timestamp);
        let code = Code::new(std::str::from_utf8(take(bytes)??).ok()?)?;
        let value = take(bytes)?.map(|value| value.try_into().ok().map(f32::from_be_bytes));
        let text = take(bytes)?.map(|text| std::str::from_utf8(text).ok());
        Some(Self {
            time: transpose(time)?,
            code,
            value: transpose(value)?,
            text: transpose(text)?.map(Into::into),
            received_at,
        })
    }
}

impl RefusedContent {
    pub(super) fn encode(refused: &LiveRefused, received_at: Timestamp) -> SecretBytes {
        let mut out = Vec::new();
        put(&mut out, Some(&received_at.micros().to_be_bytes()));
        put(&mut out, Some(&refused.origin.row.to_be_bytes()));
        put(&mut out, refused.field.map(str::as_bytes));
        put(&mut out, Some(refused.reason.as_bytes()));
        put(&mut out, Some(refused.origin.raw.expose()));
        pad(out)
    }

    pub(super) fn decode(mut bytes: &[u8]) -> Option<Self> {
        let bytes = &mut bytes;
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
        timestamp(take(bytes)??)?;
        Some(Self {
            row: u64::from_be_bytes(take(bytes)??.try_into().ok()?),
            field: transpose(take(bytes)?.map(text))?,
            reason: text(take(bytes)??)?,
            raw: SecretBytes::new(take(bytes)??.to_vec()),
        })
    }
}

/// Returns what finds an event; 0 and -0 are the same value.
pub(super) fn key(
    time: Option<Timestamp>,
    code: &Code,
    value: Option<f32>,
    text: Option<&str>,
) -> Key {
    let bits = value.map(|value| (value + 0.0).to_bits());
    (time.map(Timestamp::micros), code.clone(), bits, text.map(Into::into))
}

fn put(out: &mut Vec<u8>, field: Option<&[u8]>) {
    let Some(field) = field else { return out.push(0) };
    out.push(1);
    out.extend((field.len() as u32).to_be_bytes());
    out.extend(field);
}

/// Takes a field: `None` if the bytes are not what was written.
fn take<'b>(bytes: &mut &'b [u8]) -> Option<Option<&'b [u8]>> {
    let (&present, rest) = bytes.split_first()?;
    if present == 0 {
        *bytes = rest;
        return Some(None);
    }
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let (field, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
    *bytes = rest;
    Some(Some(field))
}

/// Turns a field that is absent into success, and one that cannot be read into failure.
fn transpose<T>(field: Option<Option<T>>) -> Option<Option<T>> {
    match field {
        None => Some(None),
        Some(None) => None,
        Some(value) => Some(value),
    }
}

fn timestamp(bytes: &[u8]) -> Option<Timestamp> {
    Some(Timestamp::from_micros(i64::from_be_bytes(bytes.try_into().ok()?)))
}

fn pad(mut out: Vec<u8>) -> SecretBytes {
    out.resize(out.len().next_multiple_of(PADDING), 0);
    SecretBytes::new(out)
}

/// Most numbers fit into one block, whatever their code.
const PADDING: usize = 128;
