//! A model as named arrays, and back: how weights travel to the registry and home again.
//!
//! What comes back may be hostile even when its signature is good: a signing key can be stolen.
//! So reading checks everything that forecasting relies on, once: every index exists, every walk
//! through a tree goes forward, every number is finite. A model that was read cannot panic.

use twinkeep_domain::{Basis, Pack, QUANTILES, Tensor, TensorData, VariableKind};

use crate::Model;
use crate::boost::LANE_COUNT;
use crate::calibrate::STRETCH_MAX;
use crate::features::FeatureLayout;
use crate::forest::{Forest, Node};
use crate::target::{Anchor, Quantiles, TargetModel};
use crate::train::CORRELATE_COUNT_MAX;

mod dependence;
mod support;
#[cfg(test)]
mod tests;
mod windows;

/// Why tensors are not a model of this pack.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum TensorError {
    /// A tensor is not there, or twice.
    #[error("the model has not exactly one tensor `{name}`")]
    Missing {
        /// Which one.
        name: &'static str,
    },
    /// A tensor has another element type or shape than it must have.
    #[error("tensor `{name}` has the wrong type or shape")]
    Shape {
        /// Which one.
        name: &'static str,
    },
    /// A number in a tensor cannot be what training wrote.
    #[error("tensor `{name}` holds a value that no model can have")]
    Value {
        /// Which one.
        name: &'static str,
    },
    /// The model was made for another pack, or by a version that wrote other tensors.
    #[error("the model has format {found} and {target_count} targets, which do not fit the pack")]
    Pack {
        /// The format that it says.
        found: i32,
        /// How many targets it has.
        target_count: usize,
    },
    /// There are tensors that no model has.
    #[error("the model has {count} tensors that do not belong to it")]
    Surplus {
        /// How many.
        count: usize,
    },
}

impl TensorError {
    /// The name of this error in reports and in the docs. Never changes.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "model-tensor-missing",
            Self::Shape { .. } => "model-tensor-shape",
            Self::Value { .. } => "model-tensor-value",
            Self::Pack { .. } => "model-pack",
            Self::Surplus { .. } => "model-tensor-surplus",
        }
    }
}

impl Model {
    /// Returns everything the model learned; the pack is stored beside it.
    pub fn to_tensors(&self) -> Vec<Tensor> {
        let targets = &self.targets;
        let count = targets.len();
        let buckets = self.pack.forecast().buckets_hours.len();
        let floats = |of: &dyn Fn(&TargetModel) -> Vec<f32>| {
            TensorData::F32(targets.iter().flat_map(of).collect())
        };
        let ints = |of: &dyn Fn(&TargetModel) -> Vec<i32>| {
            TensorData::I32(targets.iter().flat_map(of).collect())
        };
        let mut list = vec![
            (FORMAT, vec![1], TensorData::I32(vec![FORMAT_VERSION])),
            (CHOICES, vec![count, CHOICE_COUNT], ints(&choices)),
            (NUMBERS, vec![count, NUMBER_COUNT], floats(&numbers)),
            (START, vec![count, LANE_COUNT], floats(&|target| target.start.to_vec())),
            (REFERENCE, vec![count, buckets, QUANTILES.len()], floats(&|t| t.reference.concat())),
            (SHIFT, vec![count, buckets, QUANTILES.len()], floats(&|target| target.shift.concat())),
            (STRETCH, vec![count, buckets, 2], floats(&|target| target.stretch.concat())),
            (CORRELATES, vec![count, CORRELATE_COUNT_MAX], ints(&correlates)),
        ];
        list.extend(windows::write(&self.windows));
        list.extend(dependence::write(&self.dependence));
        list.extend(support::write(&self.support));
        list.extend(forests(&self.forests()));
        let tensor = |(name, shape, data): (&str, _, _)| Tensor { name: name.into(), shape, data };
        list.into_iter().map(tensor).collect()
    }

    /// Returns the trees of all targets, those about a window last.
    fn forests(&self) -> Vec<&Forest> {
        let targets = self.targets.iter().map(|target| &target.forest);
        targets.chain(self.windows.iter().map(|window| &window.forest)).collect()
    }

    /// Puts a model together from what [`Model::to_tensors`] returned.
    ///
    /// The order of the tensors does not matter. Whatever this accepts can be forecast with:
    /// no input makes it panic, loop, or return a number that is not finite.
    pub fn from_tensors(pack: &Pack, tensors: &[Tensor]) -> Result<Self, TensorError> {
        let reader = Reader { tensors };
        let variables: Vec<usize> = pack.targets().map(|(variable, _)| variable).collect();
        let found = reader.ints(FORMAT, &[1])?[0];
        let target_count = reader.find(CHOICES)?.shape.first().copied().unwrap_or(0);
        if found != FORMAT_VERSION || target_count != variables.len() {
            return Err(TensorError::Pack { found, target_count });
        }
        let layout = FeatureLayout::new(pack);
        let mut feature_max = vec![layout.horizon_index(); target_count];
        feature_max.resize(target_count + pack.windows().len(), layout.window_horizon_index());
        let mut forests = reader.forests(&feature_max)?;
        let heads = Heads::read(&reader, pack, target_count)?;
        let windows = windows::read(&reader, pack, &mut forests[target_count..])?;
        let dependence = dependence::read(&reader, target_count, windows.len())?;
        let support = support::read(&reader, pack.variables().len())?;
        if NAMES.len() < tensors.len() {
            return Err(TensorError::Surplus { count: tensors.len() - NAMES.len() });
        }
        let targets = variables
            .into_iter()
            .enumerate()
            .map(|(at, variable)| {
                heads.target(pack, at, variable, std::mem::take(&mut forests[at]))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { pack: pack.clone(), layout, targets, windows, dependence, support })
    }
}

/// The tensors that are not trees.
struct Heads<'a> {
    choices: &'a [i32],
    numbers: &'a [f32],
    start: &'a [f32],
    reference: &'a [f32],
    shift: &'a [f32],
    stretch: &'a [f32],
    correlates: &'a [i32],
    bucket_count: usize,
}

impl<'a> Heads<'a> {
    fn read(reader: &Reader<'a>, pack: &Pack, count: usize) -> Result<Self, TensorError> {
        let bucket_count = pack.forecast().buckets_hours.len();
        let by_bucket = [count, bucket_count, QUANTILES.len()];
        Ok(Self {
            choices: reader.ints(CHOICES, &[count, CHOICE_COUNT])?,
            numbers: reader.floats(NUMBERS, &[count, NUMBER_COUNT])?,
            start: reader.floats(START, &[count, LANE_COUNT])?,
            reference: reader.floats(REFERENCE, &by_bucket)?,
            shift: reader.floats(SHIFT, &by_bucket)?,
            stretch: reader.floats(STRETCH, &[count, bucket_count, 2])?,
            correlates: reader.ints(CORRELATES, &[count, CORRELATE_COUNT_MAX])?,
            bucket_count,
        })
    }

    fn target(
        &self,
        pack: &Pack,
        at: usize,
        variable: usize,
        forest: Forest,
    ) -> Result<TargetModel, TensorError> {
        let wrong = |name| TensorError::Value { name };
        let (basis, anchor) = match self.choices[at * CHOICE_COUNT..][..CHOICE_COUNT] {
            [own, basis, anchor] if usize::try_from(own) == Ok(variable) => {
                (basis_of(basis), anchor_of(anchor))
            }
            _ => (None, None),
        };
        let number = |place: usize| self.numbers[at * NUMBER_COUNT + place];
        let share = |place| (0.0..=1.0).contains(&number(place)).then(|| number(place));
        let mut start = [0.0; LANE_COUNT];
        start.copy_from_slice(&self.start[at * LANE_COUNT..][..LANE_COUNT]);
        let stretch = &self.stretch[at * self.bucket_count * 2..][..self.bucket_count * 2];
        let outward = stretch.iter().all(|number| (0.0..=STRETCH_MAX).contains(number));
        let stretch = outward.then(|| stretch.as_chunks::<2>().0.to_vec());
        let mut correlates = Vec::new();
        for &place in &self.correlates[at * CORRELATE_COUNT_MAX..][..CORRELATE_COUNT_MAX] {
            let Ok(place) = usize::try_from(place) else { continue };
            let known = pack.variables().get(place);
            if known.is_none_or(|variable| variable.kind != VariableKind::Series) {
                return Err(wrong(CORRELATES));
            }
            correlates.push(place);
        }
        Ok(TargetModel {
            variable,
            basis: basis.ok_or(wrong(CHOICES))?,
            anchor: anchor.ok_or(wrong(CHOICES))?,
            typical: number(0),
            scale: number(1),
            tree_share: share(2).ok_or(wrong(NUMBERS))?,
            mean_tree_share: share(3).ok_or(wrong(NUMBERS))?,
            hold: (0.0 <= number(4)).then(|| number(4)).ok_or(wrong(NUMBERS))?,
            start,
            reference: self.by_bucket(self.reference, at),
            shift: self.by_bucket(self.shift, at),
            stretch: stretch.ok_or(wrong(STRETCH))?,
            correlates,
            forest,
        })
    }

    fn by_bucket(&self, data: &[f32], at: usize) -> Vec<Quantiles> {
        let size = QUANTILES.len();
        let part = &data[at * self.bucket_count * size..][..self.bucket_count * size];
        let (rows, _) = part.as_chunks::<{ QUANTILES.len() }>();
        rows.to_vec()
    }
}

/// Finds tensors by name and checks their type, shape, and that numbers are of a sane size.
struct Reader<'a> {
    tensors: &'a [Tensor],
}

impl<'a> Reader<'a> {
    fn find(&self, name: &'static str) -> Result<&'a Tensor, TensorError> {
        let mut found = self.tensors.iter().filter(|tensor| tensor.name == name);
        match (found.next(), found.next()) {
            (Some(tensor), None) => Ok(tensor),
            _ => Err(TensorError::Missing { name }),
        }
    }

    fn shaped(&self, name: &'static str, shape: &[usize]) -> Result<&'a TensorData, TensorError> {
        let tensor = self.find(name)?;
        let count = shape.iter().try_fold(1_usize, |all, &size| all.checked_mul(size));
        if tensor.shape != shape || Some(tensor.data.len()) != count {
            return Err(TensorError::Shape { name });
        }
        Ok(&tensor.data)
    }

    fn ints(&self, name: &'static str, shape: &[usize]) -> Result<&'a [i32], TensorError> {
        match self.shaped(name, shape)? {
            TensorData::I32(data) => Ok(data),
            _ => Err(TensorError::Shape { name }),
        }
    }

    fn floats(&self, name: &'static str, shape: &[usize]) -> Result<&'a [f32], TensorError> {
        match self.shaped(name, shape)? {
            TensorData::F32(data) if data.iter().all(|value| value.abs() <= MAGNITUDE_MAX) => {
                Ok(data)
            }
            TensorData::F32(_) => Err(TensorError::Value { name }),
            _ => Err(TensorError::Shape { name }),
        }
    }

    /// Reads as many forests as there are bounds of their features.
    fn forests(&self, feature_max: &[usize]) -> Result<Vec<Forest>, TensorError> {
        let counts = self.ints(COUNTS, &[feature_max.len(), 3])?;
        let mut totals = [0_usize; 3];
        for of_target in counts.chunks_exact(3) {
            for (total, &more) in totals.iter_mut().zip(of_target) {
                let more = usize::try_from(more).ok().and_then(|more| total.checked_add(more));
                *total = more.ok_or(TensorError::Value { name: COUNTS })?;
            }
        }
        let [root_total, node_total, leaf_total] = totals;
        let mut roots = self.ints(ROOTS, &[root_total])?.iter().copied();
        let mut nodes = self.nodes(node_total)?.into_iter();
        let steps = self.floats(STEPS, &[leaf_total, LANE_COUNT])?;
        let mut leaves = steps.as_chunks::<LANE_COUNT>().0.iter().copied();
        let rows = self.ints(ROWS, &[leaf_total])?.iter().map(|&rows| u32::try_from(rows));
        let rows: Vec<u32> =
            rows.collect::<Result<_, _>>().map_err(|_| TensorError::Value { name: ROWS })?;
        let mut rows = rows.into_iter();
        let mut forests = Vec::with_capacity(feature_max.len());
        for (of_target, &feature_max) in counts.chunks_exact(3).zip(feature_max) {
            // Checked above: none is negative.
            let size = |place: usize| usize::try_from(of_target[place]).unwrap_or(0);
            let forest = Forest {
                roots: roots.by_ref().take(size(0)).collect(),
                nodes: nodes.by_ref().take(size(1)).collect(),
                leaves: leaves.by_ref().take(size(2)).collect(),
                rows: rows.by_ref().take(size(2)).collect(),
            };
            if TREE_COUNT_MAX < forest.roots.len() || !forest.is_sound(feature_max) {
                return Err(TensorError::Value { name: ROOTS });
            }
            forests.push(forest);
        }
        Ok(forests)
    }

    fn nodes(&self, count: usize) -> Result<Vec<Node>, TensorError> {
        let features = self.ints(FEATURES, &[count])?;
        let left = self.ints(LEFT, &[count])?;
        let right = self.ints(RIGHT, &[count])?;
        let TensorData::F32(thresholds) = self.shaped(THRESHOLDS, &[count])? else {
            return Err(TensorError::Shape { name: THRESHOLDS });
        };
        let TensorData::U8(missing) = self.shaped(MISSING, &[count])? else {
            return Err(TensorError::Shape { name: MISSING });
        };
        let node = |at: usize| {
            let wrong = |name| TensorError::Value { name };
            Ok(Node {
                feature: u16::try_from(features[at]).map_err(|_| wrong(FEATURES))?,
                missing_left: match missing[at] {
                    0 => false,
                    1 => true,
                    _ => return Err(wrong(MISSING)),
                },
                threshold: thresholds[at],
                children: [left[at], right[at]],
            })
        };
        (0..count).map(node).collect()
    }
}

fn choices(target: &TargetModel) -> Vec<i32> {
    let anchor = match target.anchor {
        Anchor::Last => 0,
        Anchor::Middle => 1,
    };
    let basis = BASES.iter().position(|&basis| basis == target.basis).unwrap_or(0);
    vec![index(target.variable), index(basis), anchor]
}

fn numbers(target: &TargetModel) -> Vec<f32> {
    vec![target.typical, target.scale, target.tree_share, target.mean_tree_share, target.hold]
}

fn correlates(target: &TargetModel) -> Vec<i32> {
    let known = target.correlates.iter().map(|&variable| index(variable));
    known.chain(std::iter::repeat(-1)).take(CORRELATE_COUNT_MAX).collect()
}

/// Writes the tensors of all trees.
fn forests(forests: &[&Forest]) -> Vec<(&'static str, Vec<usize>, TensorData)> {
    let counts = forests.iter().flat_map(|forest| {
        [index(forest.roots.len()), index(forest.nodes.len()), index(forest.leaves.len())]
    });
    let roots: Vec<i32> = forests.iter().flat_map(|forest| forest.roots.iter().copied()).collect();
    let nodes: Vec<Node> = forests.iter().flat_map(|forest| forest.nodes.iter().copied()).collect();
    let steps: Vec<f32> = forests.iter().flat_map(|forest| forest.leaves.concat()).collect();
    let rows = forests.iter().flat_map(|forest| &forest.rows);
    let rows: Vec<i32> = rows.map(|&rows| i32::try_from(rows).unwrap_or(i32::MAX)).collect();
    let ints = |of: fn(&Node) -> i32| TensorData::I32(nodes.iter().map(of).collect());
    let thresholds = nodes.iter().map(|node| node.threshold).collect();
    let missing = nodes.iter().map(|node| u8::from(node.missing_left)).collect();
    vec![
        (COUNTS, vec![forests.len(), 3], TensorData::I32(counts.collect())),
        (ROOTS, vec![roots.len()], TensorData::I32(roots)),
        (FEATURES, vec![nodes.len()], ints(|node| i32::from(node.feature))),
        (LEFT, vec![nodes.len()], ints(|node| node.children[0])),
        (RIGHT, vec![nodes.len()], ints(|node| node.children[1])),
        (THRESHOLDS, vec![nodes.len()], TensorData::F32(thresholds)),
        (MISSING, vec![nodes.len()], TensorData::U8(missing)),
        (STEPS, vec![steps.len() / LANE_COUNT, LANE_COUNT], TensorData::F32(steps)),
        (ROWS, vec![rows.len()], TensorData::I32(rows)),
    ]
}

fn index(at: usize) -> i32 {
    // Far below the limit: a model has some hundred thousand nodes.
    i32::try_from(at).unwrap_or(i32::MAX)
}

fn basis_of(number: i32) -> Option<Basis> {
    BASES.get(usize::try_from(number).ok()?).copied()
}

fn anchor_of(number: i32) -> Option<Anchor> {
    [Anchor::Last, Anchor::Middle].get(usize::try_from(number).ok()?).copied()
}

/// Raised when the tensors change their meaning.
const FORMAT_VERSION: i32 = 5;

/// How methods are numbered in the tensors; only ever append.
const BASES: [Basis; 5] = [
    Basis::NotEnoughHistory,
    Basis::Trees,
    Basis::CarryForward,
    Basis::ExponentialMean,
    Basis::BaseRate,
];

/// No screened value is larger, and sums of some thousand numbers of this size stay finite.
const MAGNITUDE_MAX: f32 = 1e15;

/// Most trees of a target: bounds the time that a hostile model can take.
const TREE_COUNT_MAX: usize = 10_000;

/// Variable, basis, anchor.
const CHOICE_COUNT: usize = 3;

/// Typical value, scale, tree share, tree share of the mean.
const NUMBER_COUNT: usize = 5;

const FORMAT: &str = "format";
const CHOICES: &str = "target.choices";
const NUMBERS: &str = "target.numbers";
const START: &str = "target.start";
const REFERENCE: &str = "target.reference";
const SHIFT: &str = "target.shift";
const STRETCH: &str = "target.stretch";
const CORRELATES: &str = "target.correlates";
const COUNTS: &str = "forest.counts";
const ROOTS: &str = "forest.roots";
const FEATURES: &str = "node.feature";
const LEFT: &str = "node.left";
const RIGHT: &str = "node.right";
const THRESHOLDS: &str = "node.threshold";
const MISSING: &str = "node.missing_left";
const STEPS: &str = "leaf.steps";
const ROWS: &str = "leaf.rows";

/// All tensors of a model.
const NAMES: [&str; 33] = [
    FORMAT,
    CHOICES,
    NUMBERS,
    START,
    REFERENCE,
    SHIFT,
    STRETCH,
    CORRELATES,
    windows::CHOICES,
    windows::NUMBERS,
    windows::START,
    windows::REFERENCE,
    windows::SHIFT,
    windows::STRETCH,
    windows::BASE,
    windows::CALIBRATION,
    dependence::LOADINGS,
    dependence::OWN,
    support::MARKS,
    support::KINDS,
    support::SIZES,
    support::CENTERS,
    support::KNOWN,
    support::COUNTS,
    COUNTS,
    ROOTS,
    FEATURES,
    LEFT,
    RIGHT,
    THRESHOLDS,
    MISSING,
    STEPS,
    ROWS,
];
