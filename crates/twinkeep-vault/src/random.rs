//! Randomness from the operating system.

/// Returns `N` bytes from the operating system's generator.
///
/// # Panics
///
/// If the operating system has no randomness to give: nothing here may go on without it.
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    #[expect(clippy::expect_used, reason = "no key may be made without randomness")]
    getrandom::fill(&mut bytes).expect("the operating system gives randomness");
    bytes
}
