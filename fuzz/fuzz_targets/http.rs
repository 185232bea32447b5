//! HTTP/1.1 as it comes from the network, in pieces of any size.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((&piece, data)) = data.split_first() else { return };
    let whole = twinkeep_gate::fuzzing::filter(data, usize::MAX);
    let pieces = twinkeep_gate::fuzzing::filter(data, usize::from(piece).max(1));
    assert_eq!(whole, pieces, "what passes does not depend on how it was cut");
});
