//! A sum over a set of rows that grows and shrinks with it: adding or removing one row costs the
//! same, however many there are.
//!
//! Each row adds a keyed hash of its MAC, modulo 2^256. Who does not have the key knows none of
//! the terms, and so finds no other set of rows with the same sum.

/// The sum of no rows.
pub(super) const EMPTY: [u8; 32] = [0; 32];

/// Adds a term.
pub(super) fn add(sum: &[u8; 32], term: &[u8; 32]) -> [u8; 32] {
    let mut result = [0; 32];
    let mut carry = 0_u16;
    for at in (0..32).rev() {
        let digit = u16::from(sum[at]) + u16::from(term[at]) + carry;
        result[at] = digit as u8;
        carry = digit >> 8;
    }
    result
}

/// Takes a term away.
pub(super) fn subtract(sum: &[u8; 32], term: &[u8; 32]) -> [u8; 32] {
    let mut result = [0; 32];
    let mut borrow = 0_i16;
    for at in (0..32).rev() {
        let digit = i16::from(sum[at]) - i16::from(term[at]) - borrow;
        result[at] = digit.rem_euclid(256) as u8;
        borrow = i16::from(digit < 0);
    }
    result
}

#[cfg(test)]
mod tests {
    use super::{EMPTY, add, subtract};

    #[test]
    fn what_was_added_can_be_taken_away_in_any_order() {
        let terms = [[0xff; 32], [1; 32], [0x80; 32], std::array::from_fn(|at| at as u8 * 7)];
        let all = terms.iter().fold(EMPTY, |sum, term| add(&sum, term));
        assert_ne!(all, EMPTY);
        let none = terms.iter().rev().fold(all, |sum, term| subtract(&sum, term));
        assert_eq!(none, EMPTY);
        assert_eq!(add(&[0xff; 32], &std::array::from_fn(|at| u8::from(at == 31))), EMPTY);
    }
}
