//! A key for every number, from one seed, of which single ones can be destroyed for good.
//!
//! A puncturable pseudorandom function (the tree of Goldreich, Goldwasser, and Micali, with
//! sixteen children a node): a node's children are HMAC-SHA-256 of their number under the node,
//! and the key of a number is the leaf at the end of its sixteen hexadecimal digits. To destroy a
//! key, the nodes on its path are replaced by their other children: what is left derives every
//! other key as before and this one never again.
//!
//! So a key need not be stored before it is used, an older copy of the tree derives the keys of
//! everything that was made since, and only a destruction has to reach the copies.
//!
//! # Invariants
//!
//! - Destroying a key changes no other key.
//! - No node in the tree is above another one, so a destroyed leaf has no way to it.

use std::fmt;

use zeroize::Zeroize as _;

use crate::digest::hmac_sha256;
use crate::{SecretBytes, SecretKey};

/// The keys of all numbers but the destroyed ones.
pub struct KeyTree {
    /// Sorted; what is at index `i` here has its secret at `32 * i` there.
    places: Vec<Place>,
    secrets: SecretBytes,
}

/// Where a node is: how many digits lead to it, and which (in the highest bits).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    depth: u8,
    digits: u64,
}

impl Place {
    /// Returns whether this is `block` or below it.
    fn is_below(self, block: Self) -> bool {
        block.depth <= self.depth && prefix(self.digits, block.depth) == block.digits
    }
}

impl KeyTree {
    /// Makes a tree from a new seed.
    pub fn random() -> Self {
        let seed = SecretKey::random();
        let places = vec![Place { depth: 0, digits: 0 }];
        Self { places, secrets: SecretBytes::new(seed.expose().to_vec()) }
    }

    /// Returns the key of a number; `None` if it was destroyed.
    pub fn key(&self, number: u64) -> Option<SecretKey> {
        let place = self.above(number)?;
        let mut key = self.secret(place)?;
        for depth in place.depth..DEPTH {
            key = child(&key, digit(number, depth));
        }
        Some(key)
    }

    /// Returns whether the key of a number was not destroyed, without deriving it.
    pub fn holds(&self, number: u64) -> bool {
        self.above(number).is_some()
    }

    /// Destroys the key of a number; returns whether it was there.
    pub fn destroy(&mut self, number: u64) -> bool {
        self.destroy_block(Place { depth: DEPTH, digits: number })
    }

    /// Destroys the keys of all numbers from `first` to before `end`; returns whether one of them
    /// was there.
    pub fn destroy_range(&mut self, first: u64, end: u64) -> bool {
        let (mut next, mut found) = (first, false);
        while next < end {
            // The largest block that begins here and does not go beyond the end.
            let mut depth = DEPTH;
            while 1 < depth && prefix(next, depth - 1) == next && size(depth - 1) <= end - next {
                depth -= 1;
            }
            found |= self.destroy_block(Place { depth, digits: next });
            let Some(after) = next.checked_add(size(depth)) else { break };
            next = after;
        }
        found
    }

    /// Destroys the keys of all numbers below a node, which need not be in the tree.
    fn destroy_block(&mut self, block: Place) -> bool {
        let above = (0..=block.depth)
            .map(|depth| Place { depth, digits: prefix(block.digits, depth) })
            .find(|place| self.places.binary_search(place).is_ok());
        let node = above.and_then(|place| self.secret(place));
        if node.is_none() && !self.is_any_below(block) {
            return false;
        }
        // Room at once: a list that grows leaves copies behind.
        let mut kept = Vec::with_capacity(self.places.len() + NODES_LEFT);
        if let (Some(place), Some(mut node)) = (above, node) {
            for depth in place.depth..block.depth {
                let taken = digit(block.digits, depth);
                for other in (0..FAN_OUT).filter(|other| *other != taken) {
                    let digits = prefix(block.digits, depth) | u64::from(other) << shift(depth);
                    kept.push((Place { depth: depth + 1, digits }, *child(&node, other).expose()));
                }
                node = child(&node, taken);
            }
        }
        for (index, known) in self.places.iter().enumerate() {
            if Some(*known) != above && !known.is_below(block) {
                kept.push((*known, self.secret_at(index)));
            }
        }
        self.rebuild(kept);
        true
    }

    /// Returns whether a node of the tree is this one or below it.
    fn is_any_below(&self, block: Place) -> bool {
        (block.depth..=DEPTH).any(|depth| {
            let first = Place { depth, digits: block.digits };
            let index = self.places.partition_point(|place| *place < first);
            self.places
                .get(index)
                .is_some_and(|place| place.depth == depth && place.is_below(block))
        })
    }

    /// Returns whether no key was ever destroyed.
    pub fn is_whole(&self) -> bool {
        self.places.first().is_some_and(|place| place.depth == 0)
    }

    /// Returns how many nodes there are; each takes 41 bytes.
    pub fn node_count(&self) -> usize {
        self.places.len()
    }

    /// Appends the tree to `out`, which is as secret as the tree.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend((self.places.len() as u64).to_be_bytes());
        for place in &self.places {
            out.push(place.depth);
            out.extend(place.digits.to_be_bytes());
        }
        out.extend(self.secrets.expose());
    }

    /// Reads what [`KeyTree::write`] wrote, and the length of it.
    pub fn read(bytes: &[u8]) -> Option<(Self, usize)> {
        let (count, rest) = bytes.split_first_chunk::<8>()?;
        let count = usize::try_from(u64::from_be_bytes(*count)).ok()?;
        let (heads, rest) = rest.split_at_checked(count.checked_mul(9)?)?;
        let (secrets, _) = rest.split_at_checked(count.checked_mul(32)?)?;
        let place = |head: &[u8]| {
            let (depth, digits) = head.split_first()?;
            let digits = u64::from_be_bytes(digits.try_into().ok()?);
            (*depth <= DEPTH && digits == prefix(digits, *depth))
                .then_some(Place { depth: *depth, digits })
        };
        let places: Vec<Place> = heads.chunks_exact(9).map(place).collect::<Option<_>>()?;
        let sorted = places.windows(2).all(|pair| pair[0] < pair[1]);
        let tree = Self { places, secrets: SecretBytes::new(secrets.to_vec()) };
        (sorted && tree.is_prefix_free()).then_some((tree, 8 + count * (9 + 32)))
    }

    /// Returns the node that a number's path goes through.
    fn above(&self, number: u64) -> Option<Place> {
        (0..=DEPTH)
            .map(|depth| Place { depth, digits: prefix(number, depth) })
            .find(|place| self.places.binary_search(place).is_ok())
    }

    fn is_prefix_free(&self) -> bool {
        self.places.iter().all(|place| self.above(place.digits) == Some(*place))
    }

    fn secret(&self, place: Place) -> Option<SecretKey> {
        let index = self.places.binary_search(&place).ok()?;
        SecretKey::from_slice(&self.secret_at(index))
    }

    fn secret_at(&self, index: usize) -> [u8; 32] {
        let mut secret = [0; 32];
        secret.copy_from_slice(&self.secrets.expose()[32 * index..32 * (index + 1)]);
        secret
    }

    fn rebuild(&mut self, mut nodes: Vec<(Place, [u8; 32])>) {
        nodes.sort_unstable_by_key(|(place, _)| *place);
        let mut secrets = SecretBytes::zeroed(32 * nodes.len());
        for ((_, secret), room) in nodes.iter().zip(secrets.expose_mut().chunks_exact_mut(32)) {
            room.copy_from_slice(secret);
        }
        self.places = nodes.iter().map(|(place, _)| *place).collect();
        self.secrets = secrets;
        for (_, secret) in &mut nodes {
            secret.zeroize();
        }
    }
}

impl fmt::Debug for KeyTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyTree({} nodes, hidden)", self.places.len())
    }
}

fn child(node: &SecretKey, digit: u8) -> SecretKey {
    let mut digest = hmac_sha256(node, &[LABEL, &[digit]].concat());
    #[expect(clippy::expect_used, reason = "HMAC-SHA-256 has 32 bytes, as a key has")]
    let key = SecretKey::from_slice(&digest).expect("32 bytes are a key");
    digest.zeroize();
    key
}

/// Returns the digit of `number` below a node at `depth`.
fn digit(number: u64, depth: u8) -> u8 {
    (number >> shift(depth)) as u8 & (FAN_OUT - 1)
}

fn shift(depth: u8) -> u32 {
    60 - 4 * u32::from(depth)
}

/// Returns how many numbers are below a node; a node at the root has too many to count.
fn size(depth: u8) -> u64 {
    1 << (64 - 4 * u32::from(depth.max(1)))
}

/// Returns the first `depth` digits of `number`, the rest being zero.
fn prefix(number: u64, depth: u8) -> u64 {
    if depth == 0 { 0 } else { number & u64::MAX << (64 - 4 * u32::from(depth)) }
}

/// Sixteen children: a key is sixteen steps away, and destroying one leaves 240 nodes (10 KB).
/// Two children would take 64 steps, and 256 would leave 2040 nodes.
const FAN_OUT: u8 = 16;

/// Sixteen hexadecimal digits make 64 bits.
const DEPTH: u8 = 16;

/// How many nodes are left of a path.
const NODES_LEFT: usize = (FAN_OUT as usize - 1) * DEPTH as usize;

const LABEL: &[u8] = b"twinkeep/v1/key-tree";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::KeyTree;

    fn reread(tree: &KeyTree) -> KeyTree {
        let mut bytes = Vec::new();
        tree.write(&mut bytes);
        bytes.extend([7; 5]);
        let (again, length) = KeyTree::read(&bytes).unwrap();
        assert_eq!(length, bytes.len() - 5);
        again
    }

    fn key(tree: &KeyTree, number: u64) -> Option<[u8; 32]> {
        tree.key(number).map(|key| *key.expose())
    }

    #[test]
    fn every_number_has_a_key_of_its_own() {
        let tree = KeyTree::random();
        assert_ne!(key(&tree, 0), key(&tree, 1));
        assert_ne!(key(&tree, 0), key(&tree, 1 << 60));
        assert_eq!(key(&tree, 77), key(&reread(&tree), 77));
        assert_ne!(key(&tree, 77), key(&KeyTree::random(), 77));
    }

    #[test]
    fn a_destroyed_key_is_gone_and_its_neighbors_are_not() {
        let mut tree = KeyTree::random();
        let before = [0, 76, 78, u64::MAX].map(|number| key(&tree, number));
        assert!(tree.is_whole());
        assert!(tree.destroy(77));
        assert!(!tree.is_whole());
        assert!(!tree.destroy(77));
        assert_eq!(tree.node_count(), super::NODES_LEFT);
        assert_eq!(key(&tree, 77), None);
        assert!(!tree.holds(77) && tree.holds(76));
        assert_eq!([0, 76, 78, u64::MAX].map(|number| key(&tree, number)), before);
        assert_eq!(key(&reread(&tree), 77), None);
    }

    /// Shards are numbered one after the other, so that destroying all old ones takes no room.
    #[test]
    fn destroying_a_run_of_numbers_leaves_few_nodes() {
        let mut tree = KeyTree::random();
        for number in 0..4096 {
            tree.destroy(number);
        }
        assert_eq!(tree.node_count(), 240 - 3 * 15);
    }

    /// What is no longer named is destroyed at once, however much it is.
    #[test]
    fn a_range_is_destroyed_in_few_steps_and_nothing_beside_it() {
        let mut tree = KeyTree::random();
        let before = [2, 90, 1 << 40].map(|number| key(&tree, number));
        tree.destroy(91);
        assert!(tree.destroy_range(3, 90));
        assert!(tree.destroy_range(91, 1 << 40));
        assert!(!tree.destroy_range(91, 1 << 40), "it was destroyed already");
        assert!(!tree.destroy_range(7, 7));
        assert_eq!([2, 90, 1 << 40].map(|number| key(&tree, number)), before);
        for number in [3, 4, 16, 89, 91, 92, 4096, (1 << 40) - 1] {
            assert_eq!(key(&tree, number), None, "{number}");
        }
        assert!(tree.node_count() < 300);
        assert!(tree.destroy_range(0, u64::MAX));
        assert!(key(&tree, u64::MAX).is_some() && key(&tree, 1 << 40).is_none());
    }

    proptest! {
        #[test]
        fn a_destroyed_range_is_gone_and_nothing_else(
            first in 0u64..5000, length in 0u64..5000, single in 0u64..10_000,
            probes in prop::collection::vec(0u64..11_000, 20),
        ) {
            let tree = KeyTree::random();
            let mut punctured = reread(&tree);
            punctured.destroy(single);
            punctured.destroy_range(first, first + length);
            let punctured = reread(&punctured);
            let gone = |number: u64| number == single || (first..first + length).contains(&number);
            let edges = [first, first.wrapping_sub(1), first + length, single, single + 1];
            for number in probes.into_iter().chain(edges) {
                let expected = (!gone(number)).then(|| key(&tree, number)).flatten();
                prop_assert_eq!(key(&punctured, number), expected);
            }
        }

        #[test]
        fn whatever_is_destroyed_only_that_is_gone(
            destroyed in prop::collection::btree_set(any::<u64>(), 0..12),
            near in prop::collection::vec(any::<u64>(), 4),
        ) {
            let tree = KeyTree::random();
            let mut punctured = reread(&tree);
            for number in &destroyed {
                punctured.destroy(*number);
            }
            let punctured = reread(&punctured);
            let around = destroyed.iter().flat_map(|n| [*n, n ^ 1, n.wrapping_add(16)]);
            for number in around.chain(near) {
                let expected = (!destroyed.contains(&number)).then(|| key(&tree, number)).flatten();
                prop_assert_eq!(key(&punctured, number), expected);
            }
        }

        #[test]
        fn damaged_bytes_are_refused_or_read_but_never_panic(
            cut in 0usize..3000, at in 0usize..3000, flip in 1u8..,
        ) {
            let mut tree = KeyTree::random();
            tree.destroy(5);
            let mut bytes = Vec::new();
            tree.write(&mut bytes);
            let at = at % bytes.len();
            bytes[at] ^= flip;
            bytes.truncate(cut.max(at));
            if let Some((tree, _)) = KeyTree::read(&bytes) {
                tree.key(5);
            }
        }
    }

    #[test]
    fn a_tree_with_a_node_above_another_is_refused() {
        let mut bytes = 2u64.to_be_bytes().to_vec();
        bytes.push(0);
        bytes.extend(0u64.to_be_bytes());
        bytes.push(1);
        bytes.extend((3u64 << 60).to_be_bytes());
        bytes.extend([1; 64]);
        assert!(KeyTree::read(&bytes).is_none());
    }

    #[test]
    fn a_tree_with_a_node_twice_is_refused() {
        let mut bytes = 2u64.to_be_bytes().to_vec();
        for _ in 0..2 {
            bytes.push(1);
            bytes.extend((3u64 << 60).to_be_bytes());
        }
        bytes.extend([1; 32]);
        bytes.extend([2; 32]);
        assert!(KeyTree::read(&bytes).is_none());
    }
}
