//! The Merkle tree of RFC 6962: hashes, roots, proofs, and their verification.
//!
//! A tree over `n` leaves is cut at the largest power of two below `n`, again and again, until
//! only *perfect* subtrees are left: `2^level` leaves that start at a multiple of `2^level`.
//! Everything here is built from the hashes of perfect subtrees, which a [`Nodes`] looks up.

use twinkeep_vault::digest::Sha256;

#[cfg(test)]
mod tests;

/// A node of the tree: SHA-256.
pub type Hash = [u8; 32];

/// A proof does not lead from what is claimed to the root hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the proof does not lead to the root hash")]
pub struct ProofError;

/// Where the hashes of perfect subtrees come from.
pub(crate) trait Nodes {
    /// What a failed look-up gives.
    type Error;

    /// Returns the hash of the `2^level` leaves that start at `index * 2^level`.
    fn node(&mut self, level: u32, index: u64) -> Result<Hash, Self::Error>;
}

/// Returns the hash of an entry. RFC 6962, 2.1: leaves are prefixed with 0.
pub fn leaf_hash(entry: &[u8]) -> Hash {
    let mut hasher = Sha256::default();
    hasher.update(&[0]);
    hasher.update(entry);
    hasher.finish()
}

/// Returns the hash of two subtrees. RFC 6962, 2.1: inner nodes are prefixed with 1.
pub(crate) fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut input = [1; 65];
    input[1..33].copy_from_slice(left);
    input[33..].copy_from_slice(right);
    twinkeep_vault::digest::sha256(&input)
}

/// Returns the root of a tree without leaves. RFC 6962, 2.1: the hash of nothing.
pub(crate) fn empty_root() -> Hash {
    twinkeep_vault::digest::sha256(b"")
}

/// Returns the hash of a perfect subtree whose leaves are `hashes`: a power of two of them.
pub(crate) fn perfect_root(hashes: &[Hash]) -> Hash {
    let mut row = hashes.to_vec();
    while row.len() > 1 {
        row = row.chunks_exact(2).map(|pair| node_hash(&pair[0], &pair[1])).collect();
    }
    row.first().copied().unwrap_or_else(empty_root)
}

/// Returns the hash over the leaves from `low` up to `high`.
pub(crate) fn range_root<N: Nodes>(low: u64, high: u64, nodes: &mut N) -> Result<Hash, N::Error> {
    if low == high {
        return Ok(empty_root());
    }
    let count = high - low;
    if count.is_power_of_two() {
        let level = count.trailing_zeros();
        return nodes.node(level, low >> level);
    }
    let middle = low + split(count);
    let left = range_root(low, middle, nodes)?;
    let right = range_root(middle, high, nodes)?;
    Ok(node_hash(&left, &right))
}

/// Returns the inclusion proof of leaf `index` in a tree of `size` leaves (RFC 6962, 2.1.1).
pub(crate) fn prove_inclusion<N: Nodes>(
    index: u64,
    size: u64,
    nodes: &mut N,
) -> Result<Vec<Hash>, N::Error> {
    let (mut low, mut high) = (0, size);
    let mut path = Vec::new();
    while high - low > 1 {
        let middle = low + split(high - low);
        if index < middle {
            path.push(range_root(middle, high, nodes)?);
            high = middle;
        } else {
            path.push(range_root(low, middle, nodes)?);
            low = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// Returns the proof that a tree of `old` leaves is the beginning of one of `size` leaves
/// (RFC 6962, 2.1.2); empty where there is nothing to prove.
pub(crate) fn prove_consistency<N: Nodes>(
    old: u64,
    size: u64,
    nodes: &mut N,
) -> Result<Vec<Hash>, N::Error> {
    if old == 0 || old == size {
        return Ok(Vec::new());
    }
    let (mut low, mut high) = (0, size);
    let mut path = Vec::new();
    // Whether the subtree that is left is a whole beginning of the old tree, whose root the
    // verifier knows.
    let mut known = true;
    while old != high {
        let middle = low + split(high - low);
        if old <= middle {
            path.push(range_root(middle, high, nodes)?);
            high = middle;
        } else {
            path.push(range_root(low, middle, nodes)?);
            low = middle;
            known = false;
        }
    }
    if !known {
        path.push(range_root(low, high, nodes)?);
    }
    path.reverse();
    Ok(path)
}

/// Checks that `leaf` is leaf `index` of the tree of `size` leaves with this `root`.
pub fn verify_inclusion(
    leaf: &Hash,
    index: u64,
    size: u64,
    root: &Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError);
    }
    // RFC 9162, 2.1.3.2.
    let (mut node, mut last) = (index, size - 1);
    let mut hash = *leaf;
    for sibling in proof {
        if last == 0 {
            return Err(ProofError);
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(sibling, &hash);
            skip_missing_right_siblings(&mut node, &mut last);
        } else {
            hash = node_hash(&hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    if last == 0 && hash == *root { Ok(()) } else { Err(ProofError) }
}

/// Checks that the tree of `old` leaves is the beginning of the tree of `size` leaves.
pub fn verify_consistency(
    old: u64,
    old_root: &Hash,
    size: u64,
    root: &Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    if old > size {
        return Err(ProofError);
    }
    if old == size || old == 0 {
        let expected = if old == 0 { &empty_root() } else { root };
        return if proof.is_empty() && old_root == expected { Ok(()) } else { Err(ProofError) };
    }
    // RFC 9162, 2.1.4.2.
    let (first, rest) = if old.is_power_of_two() {
        (old_root, proof)
    } else {
        proof.split_first().ok_or(ProofError)?
    };
    let (mut node, mut last) = (old - 1, size - 1);
    let ones = node.trailing_ones();
    node >>= ones;
    last >>= ones;
    let (mut old_hash, mut new_hash) = (*first, *first);
    for sibling in rest {
        if last == 0 {
            return Err(ProofError);
        }
        if node & 1 == 1 || node == last {
            old_hash = node_hash(sibling, &old_hash);
            new_hash = node_hash(sibling, &new_hash);
            skip_missing_right_siblings(&mut node, &mut last);
        } else {
            new_hash = node_hash(&new_hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    let holds = last == 0 && old_hash == *old_root && new_hash == *root;
    if holds { Ok(()) } else { Err(ProofError) }
}

/// Moves up past the levels where a left node at the right edge has no sibling.
fn skip_missing_right_siblings(node: &mut u64, last: &mut u64) {
    while *node & 1 == 0 && *node != 0 {
        *node >>= 1;
        *last >>= 1;
    }
}

/// Returns the largest power of two below `count`, which is at least 2.
fn split(count: u64) -> u64 {
    1 << (63 - (count - 1).leading_zeros())
}
