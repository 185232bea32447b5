//! The tree against the definition of RFC 6962, and against another implementation.

use std::convert::Infallible;

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use ct_merkle::{ConsistencyProof, InclusionProof};
use sha2::Sha256;
use tlog_tiles::{Error, HashReader};

use super::{
    Hash, Nodes, empty_root, leaf_hash, node_hash, perfect_root, prove_consistency,
    prove_inclusion, range_root, verify_consistency, verify_inclusion,
};

/// All leaves in memory.
struct Leaves(Vec<Hash>);

impl Leaves {
    fn new(count: u64) -> Self {
        Self((0..count).map(|n| leaf_hash(&n.to_be_bytes())).collect())
    }

    fn root(&mut self, size: u64) -> Hash {
        let Ok(root) = range_root(0, size, self);
        root
    }
}

impl Nodes for Leaves {
    type Error = Infallible;

    fn node(&mut self, level: u32, index: u64) -> Result<Hash, Infallible> {
        let start = (index << level) as usize;
        Ok(perfect_root(&self.0[start..start + (1 << level)]))
    }
}

/// The definition, word for word: RFC 6962, 2.1.
fn defined_root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => empty_root(),
        [leaf] => *leaf,
        _ => {
            let middle = leaves.len().next_power_of_two() / 2;
            let (left, right) = leaves.split_at(middle);
            node_hash(&defined_root(left), &defined_root(right))
        }
    }
}

const SIZE_MAX: u64 = 70;

#[test]
fn roots_are_those_of_the_definition() {
    let mut leaves = Leaves::new(SIZE_MAX);
    for size in 0..=SIZE_MAX {
        let expected = defined_root(&leaves.0[..size as usize]);
        assert_eq!(leaves.root(size), expected, "{size}");
    }
}

#[test]
fn an_inclusion_proof_holds_for_its_leaf_index_size_and_root_only() {
    let mut leaves = Leaves::new(SIZE_MAX);
    for size in 1..=SIZE_MAX {
        let root = leaves.root(size);
        for index in 0..size {
            let Ok(proof) = prove_inclusion(index, size, &mut leaves);
            let leaf = leaves.0[index as usize];
            assert!(verify_inclusion(&leaf, index, size, &root, &proof).is_ok());
            let other = leaf_hash(b"other");
            assert!(verify_inclusion(&other, index, size, &root, &proof).is_err());
            assert!(verify_inclusion(&leaf, index, size, &other, &proof).is_err());
            assert!(verify_inclusion(&leaf, index + 1, size, &root, &proof).is_err());
            assert!(verify_inclusion(&leaf, size, size, &root, &proof).is_err());
            let longer = [proof.as_slice(), &[other]].concat();
            assert!(verify_inclusion(&leaf, index, size, &root, &longer).is_err());
            if let Some((_, shorter)) = proof.split_last() {
                assert!(verify_inclusion(&leaf, index, size, &root, shorter).is_err());
            }
        }
    }
}

#[test]
fn a_consistency_proof_holds_for_its_two_trees_only() {
    let mut leaves = Leaves::new(SIZE_MAX);
    let other = leaf_hash(b"other");
    for size in 0..=SIZE_MAX {
        let root = leaves.root(size);
        for old in 0..=size {
            let old_root = leaves.root(old);
            let Ok(proof) = prove_consistency(old, size, &mut leaves);
            assert!(verify_consistency(old, &old_root, size, &root, &proof).is_ok());
            assert!(verify_consistency(old, &other, size, &root, &proof).is_err());
            if old > 0 {
                assert!(verify_consistency(old, &old_root, size, &other, &proof).is_err());
            }
            let longer = [proof.as_slice(), &[other]].concat();
            assert!(verify_consistency(old, &old_root, size, &root, &longer).is_err());
            if let Some((_, shorter)) = proof.split_last() {
                assert!(verify_consistency(old, &old_root, size, &root, shorter).is_err());
            }
            if old < size {
                assert!(verify_consistency(size, &root, old, &old_root, &proof).is_err());
            }
        }
    }
}

/// The stored hashes of the other implementation.
struct Stored(Vec<tlog_tiles::Hash>);

impl HashReader for Stored {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog_tiles::Hash>, Error> {
        Ok(indexes.iter().map(|&index| self.0[index as usize]).collect())
    }
}

#[test]
fn roots_and_proofs_equal_those_of_another_implementation() {
    let mut leaves = Leaves::new(SIZE_MAX);
    let mut stored = Stored(Vec::new());
    for n in 0..SIZE_MAX {
        let more = tlog_tiles::stored_hashes(n, &n.to_be_bytes(), &stored).unwrap();
        stored.0.extend(more);
    }
    let ours = |proof: Vec<tlog_tiles::Hash>| proof.iter().map(|hash| hash.0).collect::<Vec<_>>();
    for size in 1..=SIZE_MAX {
        let theirs = tlog_tiles::tree_hash(size, &stored).unwrap();
        assert_eq!(leaves.root(size), theirs.0);
        for old in 1..=size {
            let theirs = tlog_tiles::prove_tree(size, old, &stored).unwrap();
            let Ok(proof) = prove_consistency(old, size, &mut leaves);
            assert_eq!(proof, ours(theirs), "{old} in {size}");
            let theirs = tlog_tiles::prove_record(size, old - 1, &stored).unwrap();
            let Ok(proof) = prove_inclusion(old - 1, size, &mut leaves);
            assert_eq!(proof, ours(theirs), "{old} in {size}");
        }
    }
}

#[test]
fn a_third_implementation_finds_the_same_roots_and_accepts_our_proofs() {
    let mut leaves = Leaves::new(SIZE_MAX);
    let mut tree = MemoryBackedTree::<Sha256, Vec<u8>>::new();
    let mut roots = vec![tree.root()];
    for n in 0..SIZE_MAX {
        tree.push(n.to_be_bytes().to_vec());
        roots.push(tree.root());
    }
    for size in 1..=SIZE_MAX {
        let root = &roots[size as usize];
        assert_eq!(leaves.root(size), root.as_bytes().as_slice());
        for index in 0..size {
            let Ok(proof) = prove_inclusion(index, size, &mut leaves);
            let proof = InclusionProof::try_from_bytes(proof.concat()).unwrap();
            let leaf = index.to_be_bytes().to_vec();
            root.verify_inclusion(&leaf, index, &proof).unwrap();
        }
        for old in 1..size {
            let Ok(proof) = prove_consistency(old, size, &mut leaves);
            let proof = ConsistencyProof::try_from_bytes(proof.concat()).unwrap();
            root.verify_consistency(&roots[old as usize], &proof).unwrap();
        }
    }
}
