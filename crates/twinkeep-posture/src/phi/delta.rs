//! Text of Parquet that is stored as differences: lengths packed in few bits, and what values begin
//! with as the ones before them (`DELTA_LENGTH_BYTE_ARRAY`, `DELTA_BYTE_ARRAY`).
//!
//! A few bytes can stand for many values, and a value for a long one: both are bounded.

/// Hands over each value; says how many bytes they are together. `None` if they are not in order.
pub(super) fn lengths_first(bytes: &[u8], take: &mut dyn FnMut(&[u8])) -> Option<u64> {
    let (lengths, mut rest) = Deltas::split(bytes)?;
    let mut total = 0;
    for length in lengths {
        let (value, after) = rest.split_at_checked(usize::try_from(length?).ok()?)?;
        if !value.is_empty() {
            take(value);
        }
        total += value.len() as u64 + 1;
        rest = after;
    }
    Some(total)
}

/// The same for values that begin as the ones before them do.
pub(super) fn prefixes_first(bytes: &[u8], take: &mut dyn FnMut(&[u8])) -> Option<u64> {
    let (prefixes, rest) = Deltas::split(bytes)?;
    let (lengths, mut rest) = Deltas::split(rest)?;
    if prefixes.left != lengths.left {
        return None;
    }
    let mut total = 0;
    let mut value: Vec<u8> = Vec::new();
    for (prefix, length) in prefixes.zip(lengths) {
        let prefix = usize::try_from(prefix?).ok()?;
        let (suffix, after) = rest.split_at_checked(usize::try_from(length?).ok()?)?;
        if value.len() < prefix {
            return None;
        }
        value.truncate(prefix);
        value.extend_from_slice(suffix);
        total += value.len() as u64 + 1;
        if PAGE_VALUES_LEN_MAX < total {
            return None;
        }
        if !value.is_empty() {
            take(&value);
        }
        rest = after;
    }
    Some(total)
}

/// Numbers as differences, packed in blocks (`DELTA_BINARY_PACKED`).
#[derive(Clone)]
struct Deltas<'a> {
    rest: &'a [u8],
    /// How many numbers are to come.
    left: u64,
    /// The number before.
    last: i64,
    is_first: bool,
    per_block: usize,
    minis: usize,
    least: i64,
    widths: &'a [u8],
    /// What is left of the packed bits of this part of a block, and where in them.
    packed: &'a [u8],
    bit: usize,
    width: usize,
    in_mini: usize,
}

impl<'a> Deltas<'a> {
    /// Numbers from the beginning of some bytes, and what comes after them.
    fn split(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let mut rest = bytes;
        let per_block = usize::try_from(varint(&mut rest)?).ok()?;
        let minis = usize::try_from(varint(&mut rest)?).ok()?;
        let left = varint(&mut rest)?;
        let last = zigzag(varint(&mut rest)?);
        let sound = (1..=BLOCK_MAX).contains(&per_block)
            && (1..=per_block).contains(&minis)
            && per_block.is_multiple_of(minis)
            && (per_block / minis).is_multiple_of(8);
        // Empty values cost nothing: more of them than this say nothing either.
        if !sound || bytes.len() as u64 + VALUES_FREE < left {
            return None;
        }
        let numbers = Self {
            rest,
            left,
            last,
            is_first: true,
            per_block,
            minis,
            least: 0,
            widths: &[],
            packed: &[],
            bit: 0,
            width: 0,
            in_mini: 0,
        };
        let mut end = numbers.clone();
        if 0 < left {
            end.left -= 1;
        }
        while 0 < end.left {
            end.part()?;
            end.left -= end.left.min(end.in_mini as u64);
        }
        Some((numbers, end.rest))
    }

    /// Goes on to the next part of a block, and to the next block after the last one.
    fn part(&mut self) -> Option<()> {
        if self.widths.is_empty() {
            self.least = zigzag(varint(&mut self.rest)?);
            (self.widths, self.rest) = self.rest.split_at_checked(self.minis)?;
        }
        let (&width, widths) = self.widths.split_first()?;
        self.widths = widths;
        self.width = usize::from(width);
        self.in_mini = self.per_block / self.minis;
        if 64 < self.width {
            return None;
        }
        let length = (self.in_mini / 8).checked_mul(self.width)?;
        (self.packed, self.rest) = self.rest.split_at_checked(length)?;
        self.bit = 0;
        Some(())
    }

    fn step(&mut self) -> Option<i64> {
        if self.is_first {
            self.is_first = false;
            return Some(self.last);
        }
        if self.in_mini == 0 {
            self.part()?;
        }
        self.in_mini -= 1;
        let mut delta = 0_u64;
        for at in 0..self.width {
            let bit = self.bit + at;
            let byte = self.packed.get(bit / 8)?;
            delta |= u64::from(byte >> (bit % 8) & 1) << at;
        }
        self.bit += self.width;
        // As the format has it, numbers wrap.
        self.last = self.last.wrapping_add(self.least).wrapping_add(delta.cast_signed());
        Some(self.last)
    }
}

impl Iterator for Deltas<'_> {
    /// `None` within: it is not in order.
    type Item = Option<i64>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        Some(self.step())
    }
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn zigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

/// Writers make blocks of 128.
const BLOCK_MAX: usize = 1 << 16;

/// As many values may be empty.
const VALUES_FREE: u64 = 1 << 16;

/// What values of one page are together: prefixes are written once, and count each time.
const PAGE_VALUES_LEN_MAX: u64 = 256 << 20;

#[cfg(test)]
mod tests {
    use super::{Deltas, lengths_first, prefixes_first};

    fn numbers(bytes: &[u8]) -> Option<Vec<i64>> {
        Deltas::split(bytes)?.0.collect()
    }

    /// The examples of the format: 1 to 5, and 7, 5, 3, 1, 2, 3, 4, 5, in blocks of 8.
    #[test]
    fn the_examples_of_the_format_are_read() {
        let steady = [128, 1, 4, 5, 2, 2, 0, 0, 0, 0];
        assert_eq!(numbers(&steady).unwrap(), [1, 2, 3, 4, 5]);
        let steps = [8, 1, 8, 14, 3, 2, 0xc0, 0x3f];
        assert_eq!(numbers(&steps).unwrap(), [7, 5, 3, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn values_are_cut_by_their_lengths_and_begin_as_the_ones_before() {
        // `Hello`, `World`: both of length 5.
        let lengths = [8, 1, 2, 10, 0, 0];
        let mut values = Vec::new();
        let bytes = [&lengths[..], b"HelloWorld"].concat();
        assert_eq!(lengths_first(&bytes, &mut |it| values.push(it.to_vec())), Some(12));
        assert_eq!(values, [b"Hello", b"World"]);
        // `axis`, then `axle`, which begins with two letters of it.
        let prefixes = [8, 1, 2, 0, 4, 0];
        let suffixes = [8, 1, 2, 8, 3, 0];
        let bytes = [&prefixes[..], &suffixes, b"axisle"].concat();
        values.clear();
        prefixes_first(&bytes, &mut |it| values.push(it.to_vec())).unwrap();
        assert_eq!(values, [b"axis", b"axle"]);
        for end in 0..bytes.len() {
            assert_eq!(prefixes_first(&bytes[..end], &mut |_| ()), None, "{end}");
            let mut changed = bytes.clone();
            changed[end] ^= 0xff;
            prefixes_first(&changed, &mut |_| ());
            lengths_first(&changed, &mut |_| ());
        }
    }

    /// Ten bytes that say that a billion values are to come.
    #[test]
    fn a_few_bytes_do_not_stand_for_a_billion_values() {
        let many = [8, 1, 0x80, 0x94, 0xeb, 0xdc, 3, 0, 0, 0];
        assert_eq!(lengths_first(&many, &mut |_| ()), None);
        // A long value that is said again and again.
        let prefixes = [&[128, 1, 4, 0x80, 0x80, 4, 0, 0x80, 0x80, 0x80, 1][..], &[0; 4]].concat();
        assert!(prefixes_first(&prefixes, &mut |_| ()).is_none());
    }
}
