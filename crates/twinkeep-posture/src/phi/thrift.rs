//! Thrift's compact protocol, as far as Parquet uses it. Every length is checked against what is
//! left, because the bytes may be anybody's.

/// Thrift's compact protocol.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// How many bytes were read.
    pub(super) fn used(&self) -> usize {
        self.at
    }

    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    #[expect(clippy::cast_possible_wrap, reason = "zigzag is defined on the bits")]
    pub(super) fn zigzag(&mut self) -> Option<i64> {
        let value = self.varint()?;
        Some((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    pub(super) fn binary(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.varint()?).ok()?;
        let bytes = self.bytes.get(self.at..self.at.checked_add(length)?)?;
        self.at += length;
        Some(bytes)
    }

    /// The next field of a struct: the inner `None` is its end, the outer one a broken footer.
    #[expect(clippy::option_option, reason = "an end and a break are two things")]
    pub(super) fn field(&mut self, before: &mut i64) -> Option<Option<(i64, u8)>> {
        let head = self.byte()?;
        if head == 0 {
            return Some(None);
        }
        let delta = i64::from(head >> 4);
        *before = if delta == 0 { self.zigzag()? } else { before.checked_add(delta)? };
        Some(Some((*before, head & 0x0f)))
    }

    /// How many elements a list has; no more than there are bytes for.
    pub(super) fn list(&mut self) -> Option<usize> {
        let head = self.byte()?;
        let count = match head >> 4 {
            15 => usize::try_from(self.varint()?).ok()?,
            count => usize::from(count),
        };
        (count <= self.bytes.len() - self.at).then_some(count)
    }

    pub(super) fn skip(&mut self, kind: u8, depth: u8) -> Option<()> {
        if DEPTH_MAX < depth {
            return None;
        }
        match kind {
            1 | 2 => {}
            3 => self.at += 1,
            I16 | I32 | I64 => {
                self.varint()?;
            }
            7 => self.at += 8,
            BINARY => {
                self.binary()?;
            }
            LIST | SET => {
                let kind = self.bytes.get(self.at)? & 0x0f;
                for _ in 0..self.list()? {
                    // Booleans of lists take a byte each.
                    if kind <= 2 { self.at += 1 } else { self.skip(kind, depth + 1)? }
                }
            }
            STRUCT => {
                let mut before = 0;
                while let Some((_, kind)) = self.field(&mut before)? {
                    self.skip(kind, depth + 1)?;
                }
            }
            _ => return None,
        }
        (self.at <= self.bytes.len()).then_some(())
    }
}

const I16: u8 = 4;
pub(super) const I32: u8 = 5;
pub(super) const I64: u8 = 6;
pub(super) const BINARY: u8 = 8;
pub(super) const LIST: u8 = 9;
const SET: u8 = 10;
pub(super) const STRUCT: u8 = 12;

/// The format needs five.
const DEPTH_MAX: u8 = 16;
