//! What the fuzz targets reach of the edge; it exists in their build only.

use crate::edge::filter::Filter;

/// Passes bytes through the strict HTTP/1.1 reader in pieces of this size, and returns what passes.
pub fn filter(bytes: &[u8], piece: usize) -> Vec<u8> {
    let mut filter = Filter::new();
    let mut passed = Vec::new();
    for piece in bytes.chunks(piece.min(bytes.len().max(1))) {
        filter.push(piece);
        while !filter.passed().is_empty() {
            passed.extend_from_slice(filter.passed());
            let count = filter.passed().len();
            filter.consume(count);
        }
    }
    passed
}
