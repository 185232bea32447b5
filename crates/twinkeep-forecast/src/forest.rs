//! Trees as flat arrays of thresholds, for forecasting.
//!
//! A forecast asks for many horizons at once, and only the horizon differs among them. So a tree
//! is walked once with the whole range of horizons; the range divides at nodes that ask about the
//! horizon and nowhere else.
//!
//! # Invariants
//!
//! - A node's children come after it and before the next tree, so every walk ends, and soon.
//! - Every child and root is a node or leaf that exists, every feature is one of the layout.

use crate::boost::{Boosted, Column, Lanes};

/// The trees of one target.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Forest {
    /// One root a tree: the index of a node, or, if negative, `!index` of a leaf.
    pub(crate) roots: Vec<i32>,
    /// The inner nodes of all trees.
    pub(crate) nodes: Vec<Node>,
    /// The leaves of all trees.
    pub(crate) leaves: Vec<Lanes>,
    /// How many training rows each leaf was made from.
    pub(crate) rows: Vec<u32>,
}

/// An inner node.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Node {
    /// Which feature is asked about.
    pub(crate) feature: u16,
    /// Where a missing value goes.
    pub(crate) missing_left: bool,
    /// Values up to this go left.
    pub(crate) threshold: f32,
    /// Left and right, in the form of [`Forest::roots`].
    pub(crate) children: [i32; 2],
}

impl Node {
    /// Returns whether a value goes left.
    pub(crate) fn goes_left(&self, value: f32) -> bool {
        if value.is_nan() { self.missing_left } else { value <= self.threshold }
    }
}

impl Forest {
    /// Flattens trees over bins into trees over values.
    pub(crate) fn flatten(boosted: &Boosted, columns: &[&Column]) -> Self {
        let mut forest = Self::default();
        for tree in &boosted.trees {
            let (nodes, leaves) = (forest.nodes.len(), forest.leaves.len());
            let place = |child: i32| match usize::try_from(child) {
                Ok(node) => index(nodes + node),
                Err(_) => !index(leaves + (!child) as usize),
            };
            forest.roots.push(place(if tree.nodes.is_empty() { !0 } else { 0 }));
            forest.leaves.extend_from_slice(&tree.leaves);
            forest.rows.extend_from_slice(&tree.rows);
            for node in &tree.nodes {
                let split = node.split;
                let cuts = &columns[split.feature].cuts;
                forest.nodes.push(Node {
                    feature: u16::try_from(split.feature).unwrap_or(u16::MAX),
                    missing_left: split.missing_left,
                    // Everything that is not missing goes left of the last bin.
                    threshold: cuts.get(usize::from(split.bin)).copied().unwrap_or(f32::MAX),
                    children: node.children.map(place),
                });
            }
        }
        forest
    }

    /// Adds the steps of all trees to `out`, one place a horizon; horizons must not decrease.
    pub(crate) fn add(&self, features: &[f32], horizons: &[f32], out: &mut [Lanes]) {
        let horizon = features.len();
        let mut waiting: Vec<(i32, usize, usize)> = Vec::with_capacity(WAITING_TYPICAL);
        for &root in &self.roots {
            waiting.push((root, 0, horizons.len()));
            while let Some((mut at, low, mut high)) = waiting.pop() {
                while let Ok(node) = usize::try_from(at) {
                    let node = &self.nodes[node];
                    let feature = usize::from(node.feature);
                    if feature == horizon {
                        let near = horizons[low..high].partition_point(|&h| h <= node.threshold);
                        let middle = low + near;
                        if middle == low {
                            at = node.children[1];
                            continue;
                        }
                        if middle < high {
                            waiting.push((node.children[1], middle, high));
                            high = middle;
                        }
                        at = node.children[0];
                        continue;
                    }
                    at = node.children[usize::from(!node.goes_left(features[feature]))];
                }
                let leaf = &self.leaves[(!at) as usize];
                for lanes in &mut out[low..high] {
                    for (lane, step) in lanes.iter_mut().zip(leaf) {
                        *lane += step;
                    }
                }
            }
        }
    }

    /// Returns whether every index holds, for features up to and including `feature_max`.
    ///
    /// Trees must not share nodes: many roots into one long chain would be a small file that
    /// takes hours to walk.
    pub(crate) fn is_sound(&self, feature_max: usize) -> bool {
        let starts: Vec<usize> =
            self.roots.iter().filter_map(|&root| usize::try_from(root).ok()).collect();
        let apart = starts.is_sorted_by(|one, next| one < next)
            && starts.last().is_none_or(|&last| last < self.nodes.len());
        let is_leaf = |child: i32| child < 0 && ((!child) as usize) < self.leaves.len();
        let roots = self.roots.iter().all(|&root| 0 <= root || is_leaf(root));
        let nodes = self.nodes.iter().enumerate().all(|(at, node)| {
            let end = starts[starts.partition_point(|&start| start <= at)..].first();
            let end = end.copied().unwrap_or(self.nodes.len());
            let follows = |&child: &i32| match usize::try_from(child) {
                Ok(child) => at < child && child < end,
                Err(_) => is_leaf(child),
            };
            usize::from(node.feature) <= feature_max
                && node.threshold.is_finite()
                && node.children.iter().all(follows)
        });
        let leaves = self.leaves.iter().flatten().all(|step| step.is_finite());
        let rows = self.rows.len() == self.leaves.len();
        apart && roots && nodes && leaves && rows
    }
}

fn index(at: usize) -> i32 {
    // A forest has some thousand trees of some hundred nodes.
    i32::try_from(at).unwrap_or(i32::MAX)
}

/// Parts of the horizon that wait for their turn in a walk; more only cost an allocation.
const WAITING_TYPICAL: usize = 64;
