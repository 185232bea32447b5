//! LZ4 blocks, as pages of Parquet have them: unpacked to a length that is known before.

/// Unpacks one block (`LZ4_RAW`); `None` if it is not in order, or not of that length.
pub(super) fn block(packed: &[u8], plain_len: usize) -> Option<Vec<u8>> {
    let mut plain = Vec::with_capacity(plain_len.min(packed.len().saturating_mul(EXPANDS_MAX)));
    let mut rest = packed;
    loop {
        let (&token, after) = rest.split_first()?;
        let (literals, after) = length(usize::from(token >> 4), after)?;
        let (copied, after) = after.split_at_checked(literals)?;
        if plain_len - plain.len() < literals {
            return None;
        }
        plain.extend_from_slice(copied);
        if after.is_empty() {
            // The last sequence has literals only.
            return (plain.len() == plain_len).then_some(plain);
        }
        let (offset, after) = after.split_first_chunk::<2>()?;
        let offset = usize::from(u16::from_le_bytes(*offset));
        let (more, after) = length(usize::from(token & 15), after)?;
        let matched = more.checked_add(MATCH_LEN_MIN)?;
        if offset == 0 || plain_len - plain.len() < matched {
            return None;
        }
        let start = plain.len().checked_sub(offset)?;
        // What is copied may be what is being written: a byte at a time is right then.
        for at in start..start + matched {
            let byte = *plain.get(at)?;
            plain.push(byte);
        }
        rest = after;
    }
}

/// Blocks with their lengths before them, the older way (`LZ4`), as Hadoop writes them.
pub(super) fn blocks(packed: &[u8], plain_len: usize) -> Option<Vec<u8>> {
    let mut plain = Vec::new();
    let mut rest = packed;
    while !rest.is_empty() {
        let (lengths, after) = rest.split_first_chunk::<8>()?;
        let [a, b, c, d, e, f, g, h] = *lengths;
        let unpacked = usize::try_from(u32::from_be_bytes([a, b, c, d])).ok()?;
        let length = usize::try_from(u32::from_be_bytes([e, f, g, h])).ok()?;
        let (one, after) = after.split_at_checked(length)?;
        if plain_len - plain.len() < unpacked {
            return None;
        }
        plain.extend(block(one, unpacked)?);
        rest = after;
    }
    (plain.len() == plain_len).then_some(plain)
}

/// A length of four bits, which goes on in bytes if they are all set.
fn length(first: usize, mut rest: &[u8]) -> Option<(usize, &[u8])> {
    let mut length = first;
    if first == 15 {
        loop {
            let (&byte, after) = rest.split_first()?;
            length = length.checked_add(usize::from(byte))?;
            rest = after;
            if byte != 255 {
                break;
            }
        }
    }
    Some((length, rest))
}

/// Shorter matches are not worth their offset.
const MATCH_LEN_MIN: usize = 4;

/// A byte of a length is at most 255 bytes.
const EXPANDS_MAX: usize = 255;

#[cfg(test)]
mod tests {
    use super::{block, blocks};

    #[test]
    fn literals_and_matches_are_put_together() {
        // `ab`, then eight bytes from two before, then `c`.
        let packed = [0x24, b'a', b'b', 2, 0, 0x10, b'c'];
        assert_eq!(
            block(&packed, 11).unwrap(),
            b"ababababab".iter().chain(b"c").copied().collect::<Vec<u8>>()
        );
        let framed = [&[0, 0, 0, 11, 0, 0, 0, 7], &packed[..]].concat();
        assert_eq!(blocks(&framed, 11).unwrap().len(), 11);
    }

    #[test]
    fn what_is_not_in_order_is_nothing() {
        let packed = [0x24, b'a', b'b', 2, 0, 0x10, b'c'];
        for length in 0..packed.len() {
            assert_eq!(block(&packed[..length], 11), None, "{length}");
        }
        // Too long, too short, before the beginning, and from nowhere.
        assert_eq!((block(&packed, 10), block(&packed, 12)), (None, None));
        assert_eq!(block(&[0x24, b'a', b'b', 3, 0, 0x10, b'c'], 11), None);
        assert_eq!(block(&[0x24, b'a', b'b', 0, 0, 0x10, b'c'], 11), None);
        // A length without an end.
        assert_eq!(block(&[&[0xf0][..], &[255; 4096]].concat(), usize::MAX), None);
        assert_eq!(blocks(&[0xff; 64], 11), None);
    }
}
