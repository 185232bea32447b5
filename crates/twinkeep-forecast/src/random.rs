//! Seeded choices without a generator's state: a hash of what the choice is about.
//!
//! A choice depends only on its own coordinates, never on how many choices came before, so the
//! order of work and the number of threads cannot change it.

/// Returns 64 uniform bits for these coordinates (SplitMix64's finalizer, folded).
pub(crate) fn bits(seed: u64, coordinates: [u64; 3]) -> u64 {
    coordinates.iter().fold(mix(seed), |state, &coordinate| mix(state ^ mix(coordinate)))
}

/// Returns whether a choice with this probability falls on yes.
pub(crate) fn chance(seed: u64, coordinates: [u64; 3], probability: f32) -> bool {
    // 24 bits are what an `f32` holds exactly.
    let uniform = (bits(seed, coordinates) >> 40) as f32 / (1_u32 << 24) as f32;
    uniform < probability
}

/// Mixes the bits of a number (the finalizer of SplitMix64).
pub(crate) fn mix(value: u64) -> u64 {
    let mut value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::{bits, chance};

    #[test]
    fn a_choice_depends_on_every_coordinate() {
        let base = bits(1, [2, 3, 4]);
        for other in
            [bits(2, [2, 3, 4]), bits(1, [3, 3, 4]), bits(1, [2, 4, 4]), bits(1, [2, 3, 5])]
        {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn chances_come_true_as_often_as_they_say() {
        let hits = (0..10_000).filter(|&at| chance(7, [1, at, 2], 0.8)).count();
        assert!((7_850..8_150).contains(&hits), "{hits}");
    }
}
