//! Text in UTF-16, as spreadsheets export it: read as UTF-8, as far as the forms of identifiers
//! need it.

use std::io::{self, Read};

/// The order of the two bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// The small one first.
    Little,
    /// The great one first.
    Big,
}

/// Tells by its mark whether text is UTF-16, or UTF-32, which is the same with zeros between.
pub(super) fn order(head: &[u8]) -> Option<Order> {
    match head {
        [0xff, 0xfe, ..] => Some(Order::Little),
        [0xfe, 0xff, ..] | [0, 0, 0xfe, 0xff, ..] => Some(Order::Big),
        _ => unmarked(head),
    }
}

/// Without a mark: nine of ten letters have a zero, all of them on the same side.
fn unmarked(head: &[u8]) -> Option<Order> {
    let half = head.len() / 2;
    if half < UNMARKED_UNITS_MIN {
        return None;
    }
    let zeros = |side| head.iter().skip(side).step_by(2).filter(|byte| **byte == 0).count() * 10;
    let (first, second) = (zeros(0), zeros(1));
    if first < half && half * 9 <= second {
        Some(Order::Little)
    } else if second < half && half * 9 <= first {
        Some(Order::Big)
    } else {
        None
    }
}

/// Reads UTF-16 as UTF-8. Halves of pairs become one replacement each.
pub(super) struct Utf16<'a> {
    inner: &'a mut dyn Read,
    order: Order,
    /// A first byte whose second one was not there yet.
    half: Option<u8>,
    ready: Vec<u8>,
    at: usize,
}

impl<'a> Utf16<'a> {
    pub(super) fn new(inner: &'a mut dyn Read, order: Order) -> Self {
        Self { inner, order, half: None, ready: Vec::new(), at: 0 }
    }
}

impl Read for Utf16<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.ready.len() {
            let mut raw = [0; 8192];
            let length = self.inner.read(&mut raw)?;
            if length == 0 {
                return Ok(0);
            }
            self.ready.clear();
            self.at = 0;
            for &byte in &raw[..length] {
                let Some(first) = self.half.take() else {
                    self.half = Some(byte);
                    continue;
                };
                let unit = match self.order {
                    Order::Little => u16::from_le_bytes([first, byte]),
                    Order::Big => u16::from_be_bytes([first, byte]),
                };
                let char = char::from_u32(u32::from(unit)).unwrap_or(char::REPLACEMENT_CHARACTER);
                if unit != BYTE_ORDER_MARK && unit != 0 {
                    self.ready.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
                }
            }
        }
        let length = buffer.len().min(self.ready.len() - self.at);
        buffer[..length].copy_from_slice(&self.ready[self.at..self.at + length]);
        self.at += length;
        Ok(length)
    }
}

const BYTE_ORDER_MARK: u16 = 0xfeff;

/// Fewer letters tell nothing.
const UNMARKED_UNITS_MIN: usize = 16;
