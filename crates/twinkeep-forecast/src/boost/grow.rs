//! One tree: grown leaf by leaf, the most valuable split first.

use super::bins::Column;
use super::histogram::{self, Additive, Gradients, Split};
use super::{Lanes, rounds::Rows};

/// A tree over bins.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tree {
    /// Inner nodes; a child comes after its parent.
    pub(crate) nodes: Vec<Node>,
    /// The step of each leaf.
    pub(crate) leaves: Vec<Lanes>,
    /// How many rows each leaf was made from.
    pub(crate) rows: Vec<u32>,
}

/// An inner node of a tree.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node {
    /// How rows are told apart.
    pub(crate) split: Split,
    /// Left and right: the index of a node, or, if negative, `!index` of a leaf.
    pub(crate) children: [i32; 2],
}

/// What a tree is grown from.
pub(crate) struct Soil<'a, G: Gradients> {
    /// Features of snapshots, and, last, the horizon of each row.
    pub(crate) columns: &'a [&'a Column],
    /// Which columns this tree may use, in increasing order.
    pub(crate) features: &'a [usize],
    /// The rows of the training examples.
    pub(crate) rows: &'a Rows,
    /// What the rows ask for.
    pub(crate) gradients: &'a G,
    /// Fewest rows of a leaf.
    pub(crate) rows_min: u32,
    /// Which subject each snapshot is of; never decreasing.
    pub(crate) subjects: &'a [u32],
    /// Fewest subjects of a leaf.
    pub(crate) subjects_min: usize,
    /// Most leaves.
    pub(crate) leaves_max: usize,
}

/// A leaf while the tree grows.
struct Leaf<S> {
    range: std::ops::Range<usize>,
    total: S,
    histogram: Vec<S>,
    best: Option<Split>,
    /// Features whose best split would leave too few subjects on a side, each with the best split
    /// that does not.
    barred: Vec<(usize, Option<Split>)>,
    /// Where the parent points to this leaf: node and side.
    parent: Option<(usize, usize)>,
}

/// Grows a tree. Reorders `members` (row numbers, increasing) so that each leaf's rows are
/// together, and returns the range of each leaf.
pub(crate) fn grow<G: Gradients>(
    soil: &Soil<'_, G>,
    members: &mut [u32],
) -> (Tree, Vec<std::ops::Range<usize>>) {
    let mut tree = Tree::default();
    let mut scratch = Vec::with_capacity(members.len());
    let mut leaves = vec![soil.leaf(members, 0..members.len(), None)];
    while leaves.len() < soil.leaves_max {
        let Some((at, split)) = most_valuable(&leaves) else { break };
        let range = leaves[at].range.clone();
        let middle = soil.partition(members, range.clone(), &split, &mut scratch);
        if !soil.has_subjects(&members[range.start..middle])
            || !soil.has_subjects(&members[middle..range.end])
        {
            members[range.clone()].sort_unstable();
            soil.bar(&mut leaves[at], &members[range], split.feature);
            continue;
        }
        let node = tree.nodes.len();
        tree.nodes.push(Node { split, children: [0; 2] });
        if let Some((parent, side)) = leaves[at].parent {
            tree.nodes[parent].children[side] = index(node);
        }
        let (left, right) = soil.divide(members, &mut leaves[at], middle, node);
        leaves[at] = left;
        leaves.push(right);
    }
    for (at, leaf) in leaves.iter().enumerate() {
        if let Some((parent, side)) = leaf.parent {
            tree.nodes[parent].children[side] = !index(at);
        }
    }
    (tree, leaves.into_iter().map(|leaf| leaf.range).collect())
}

impl Tree {
    /// Returns the leaf of a row.
    pub(crate) fn leaf_of(&self, columns: &[&Column], snapshot: u32, row: usize) -> usize {
        let mut at = if self.nodes.is_empty() { !0 } else { 0 };
        while let Ok(node) = usize::try_from(at) {
            let Node { split, children } = &self.nodes[node];
            at = children[usize::from(!goes_left(columns, split, snapshot, row))];
        }
        (!at) as usize
    }
}

impl<G: Gradients> Soil<'_, G> {
    fn leaf(
        &self,
        members: &[u32],
        range: std::ops::Range<usize>,
        parent: Option<(usize, usize)>,
    ) -> Leaf<G::Sums> {
        let snapshots = self.sum_snapshots(&members[range.clone()]);
        let mut total = G::Sums::default();
        for (_, sums) in &snapshots {
            total.add(sums);
        }
        let size = self.features.iter().map(|&at| self.columns[at].missing_bin() + 1).sum();
        let mut histogram = vec![G::Sums::default(); size];
        let mut rest = histogram.as_mut_slice();
        for &feature in self.features {
            let column = self.columns[feature];
            let (own, others) = rest.split_at_mut(column.missing_bin() + 1);
            rest = others;
            if feature + 1 < self.columns.len() {
                histogram::fill(own, column, &snapshots);
            } else {
                for &row in &members[range.clone()] {
                    own[usize::from(column.bins[row as usize])].add(&self.gradients.row(row));
                }
            }
        }
        let best = self.best_split(&histogram, &total, &[]);
        Leaf { range, total, histogram, best, barred: Vec::new(), parent }
    }

    /// Returns whether rows, in increasing order, are of as many subjects as a leaf needs.
    fn has_subjects(&self, members: &[u32]) -> bool {
        if self.subjects_min < 2 {
            return true;
        }
        let subject = |&row: &u32| self.subjects[self.rows.snapshot[row as usize] as usize];
        // Rows are in the order of snapshots, and those in the order of subjects.
        let changes = members.windows(2).filter(|pair| subject(&pair[0]) != subject(&pair[1]));
        self.subjects_min <= usize::from(!members.is_empty()) + changes.count()
    }

    /// Looks at which splits of a feature leave enough subjects on both sides, and then for the
    /// best split of the leaf anew.
    fn bar(&self, leaf: &mut Leaf<G::Sums>, members: &[u32], feature: usize) {
        // INVARIANT: what is in `barred` was counted, so nobody comes here twice with a feature.
        if leaf.barred.iter().any(|(known, _)| *known == feature) {
            leaf.best = None;
            return;
        }
        let from: usize = self
            .features
            .iter()
            .take_while(|&&before| before != feature)
            .map(|&before| self.columns[before].missing_bin() + 1)
            .sum();
        let column = self.columns[feature];
        let own = &leaf.histogram[from..=from + column.missing_bin()];
        let sides = self.subjects_by_bin(members, feature);
        let enough = |bin: usize, missing_left: bool| {
            let [left, right] = sides[bin][usize::from(missing_left)];
            self.subjects_min <= left.min(right)
        };
        let worth = |sums: &G::Sums| self.gradients.worth(sums);
        let allowed = (own, &enough as &dyn Fn(usize, bool) -> bool);
        let best = histogram::best_split_of(feature, allowed, &leaf.total, &worth, self.rows_min);
        leaf.barred.push((feature, best.filter(|best| GAIN_MIN < best.gain)));
        let others = if leaf.barred.len() < BARRED_MAX {
            self.best_split(&leaf.histogram, &leaf.total, &leaf.barred)
        } else {
            None
        };
        let known = leaf.barred.iter().filter_map(|(_, split)| *split);
        leaf.best = known.chain(others).reduce(
            |best, next| {
                if best.gain < next.gain { next } else { best }
            },
        );
    }

    /// Returns how many subjects are left and right of each bin, with missing values on the right,
    /// and with them on the left.
    fn subjects_by_bin(&self, members: &[u32], feature: usize) -> Vec<[[usize; 2]; 2]> {
        let column = self.columns[feature];
        let bins = column.missing_bin();
        // By bin: subjects whose first value lies in it, and whose last one does; of all of them,
        // and of those who have a missing value, too. Who has nothing else comes last.
        let mut first = vec![[0; 2]; bins + 1];
        let mut last = vec![[0; 2]; bins + 1];
        let mut nothing_else = 0;
        let subject = |&row: &u32| self.subjects[self.rows.snapshot[row as usize] as usize];
        for rows in members.chunk_by(|one, other| subject(one) == subject(other)) {
            let (mut low, mut high, mut missing) = (bins, None, false);
            for &row in rows {
                let snapshot = self.rows.snapshot[row as usize] as usize;
                let place = if feature + 1 < self.columns.len() { snapshot } else { row as usize };
                match usize::from(column.bins[place]) {
                    bin if bin == bins => missing = true,
                    bin => (low, high) = (low.min(bin), high.max(Some(bin))),
                }
            }
            let Some(high) = high else {
                nothing_else += 1;
                continue;
            };
            first[low][0] += 1;
            last[high][0] += 1;
            first[low][1] += usize::from(missing);
            last[high][1] += usize::from(missing);
        }
        let total = |ends: &[[usize; 2]], kind: usize| -> usize {
            ends.iter().map(|counts| counts[kind]).sum()
        };
        let (all, with_missing) = (total(&first, 0), total(&first, 1));
        let (mut begun, mut begun_missing, mut ended, mut ended_missing) = (0, 0, 0, 0);
        (0..bins)
            .map(|bin| {
                begun += first[bin][0];
                begun_missing += first[bin][1];
                ended += last[bin][0];
                ended_missing += last[bin][1];
                let (left, right) = (begun, all - ended);
                [
                    [left, right + ended_missing + nothing_else],
                    [left + (with_missing - begun_missing) + nothing_else, right],
                ]
            })
            .collect()
    }

    /// Turns a leaf into two; only the smaller one's histogram is counted, the other is the rest.
    fn divide(
        &self,
        members: &[u32],
        leaf: &mut Leaf<G::Sums>,
        middle: usize,
        node: usize,
    ) -> (Leaf<G::Sums>, Leaf<G::Sums>) {
        let (start, end) = (leaf.range.start, leaf.range.end);
        let left_smaller = middle - start <= end - middle;
        let (small, large) =
            if left_smaller { (start..middle, middle..end) } else { (middle..end, start..middle) };
        let counted = self.leaf(members, small, Some((node, usize::from(!left_smaller))));
        let mut histogram = std::mem::take(&mut leaf.histogram);
        for (sums, less) in histogram.iter_mut().zip(&counted.histogram) {
            sums.subtract(less);
        }
        let mut total = leaf.total;
        total.subtract(&counted.total);
        let best = self.best_split(&histogram, &total, &[]);
        let parent = Some((node, usize::from(left_smaller)));
        let rest = Leaf { range: large, total, histogram, best, barred: Vec::new(), parent };
        if left_smaller { (counted, rest) } else { (rest, counted) }
    }

    fn best_split(
        &self,
        histogram: &[G::Sums],
        total: &G::Sums,
        barred: &[(usize, Option<Split>)],
    ) -> Option<Split> {
        if total.rows() < 2 * self.rows_min {
            return None;
        }
        let mut best: Option<Split> = None;
        let mut rest = histogram;
        for &feature in self.features {
            let (own, others) = rest.split_at(self.columns[feature].missing_bin() + 1);
            rest = others;
            if barred.iter().any(|(known, _)| *known == feature) {
                continue;
            }
            let worth = |sums: &G::Sums| self.gradients.worth(sums);
            let found = histogram::best_split(feature, own, total, &worth, self.rows_min);
            if let Some(found) = found.filter(|found| GAIN_MIN < found.gain)
                && best.is_none_or(|best| best.gain < found.gain)
            {
                best = Some(found);
            }
        }
        best
    }

    fn sum_snapshots(&self, members: &[u32]) -> Vec<(u32, G::Sums)> {
        let mut snapshots: Vec<(u32, G::Sums)> = Vec::new();
        for &row in members {
            let snapshot = self.rows.snapshot[row as usize];
            let sums = self.gradients.row(row);
            match snapshots.last_mut() {
                Some((last, sum)) if *last == snapshot => sum.add(&sums),
                _ => snapshots.push((snapshot, sums)),
            }
        }
        snapshots
    }

    /// Moves the rows that go left before the others, each side in its old order.
    fn partition(
        &self,
        members: &mut [u32],
        range: std::ops::Range<usize>,
        split: &Split,
        scratch: &mut Vec<u32>,
    ) -> usize {
        scratch.clear();
        let start = range.start;
        let part = &mut members[range];
        let mut kept = 0;
        for at in 0..part.len() {
            let row = part[at];
            let snapshot = self.rows.snapshot[row as usize];
            if goes_left(self.columns, split, snapshot, row as usize) {
                part[kept] = row;
                kept += 1;
            } else {
                scratch.push(row);
            }
        }
        part[kept..].copy_from_slice(scratch);
        start + kept
    }
}

fn goes_left(columns: &[&Column], split: &Split, snapshot: u32, row: usize) -> bool {
    let column = columns[split.feature];
    let place = if split.feature + 1 < columns.len() { snapshot as usize } else { row };
    let bin = column.bins[place];
    if usize::from(bin) == column.missing_bin() { split.missing_left } else { bin <= split.bin }
}

fn most_valuable<S>(leaves: &[Leaf<S>]) -> Option<(usize, Split)> {
    let mut best: Option<(usize, Split)> = None;
    for (at, leaf) in leaves.iter().enumerate() {
        if let Some(split) = leaf.best
            && best.is_none_or(|(_, best)| best.gain < split.gain)
        {
            best = Some((at, split));
        }
    }
    best
}

fn index(at: usize) -> i32 {
    // A tree has at most `leaves_max` leaves, far below the limit.
    i32::try_from(at).unwrap_or(i32::MAX)
}

/// So many features of a leaf are looked at whose best split leaves too few subjects on a side:
/// where eight do, the leaf is small, and the splits of the others are worth little.
const BARRED_MAX: usize = 8;

/// A split must be worth more than rounding.
const GAIN_MIN: f32 = 1e-3;
