//! What the trees of each target learn from, as plain tables: for other learners, on the same rows.

use twinkeep_domain::{Code, Cohort, Pack};

use super::{check, learn};
use crate::examples::{Examples, TargetExamples};
use crate::features::{FeatureLayout, OWN_COUNT};
use crate::target::TREE_ANCHOR;
use crate::{TrainConfig, TrainError};

/// The rows of one target.
#[derive(Clone, Debug, PartialEq)]
pub struct LearnedRows {
    /// Which target.
    pub code: Code,
    /// How many features a row has; the horizon is the last.
    pub width: usize,
    /// What the trees learn from.
    pub train: Table,
    /// What stops them.
    pub tuning: Table,
}

/// Features, row by row, with NaN for what is not known; and of each row the distance from the last
/// value to what came true.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// Row by row.
    pub features: Vec<f32>,
    /// One a row.
    pub labels: Vec<f32>,
}

/// Hands out the rows from which [`super::train`] learns the values of a pack, target by target.
pub fn learned_rows(
    pack: &Pack,
    config: &TrainConfig,
    train: &Cohort,
    tuning: &Cohort,
    each: &mut dyn FnMut(LearnedRows),
) -> Result<(), TrainError> {
    check(config)?;
    let layout = FeatureLayout::new(pack);
    let collect = |cohort| Examples::collect(pack, &layout, cohort, &pack.forecast().cuts_hours);
    let (train, tuning) = (collect(train), collect(tuning));
    for (at, (_, variable)) in pack.targets().enumerate() {
        let typical = learn::mean(train.targets[at].value.iter().copied());
        let table = |examples: &Examples| {
            let kept = learn::thin(config, at, &examples.targets[at]);
            table(examples, &examples.targets[at], (&kept, typical))
        };
        let width = layout.horizon_index() + 1;
        let code = variable.code.clone();
        each(LearnedRows { code, width, train: table(&train), tuning: table(&tuning) });
    }
    Ok(())
}

fn table(examples: &Examples, rows: &TargetExamples, (kept, typical): (&[usize], f32)) -> Table {
    let shared = examples.shared.len() / examples.subjects.len().max(1);
    let mut table = Table::default();
    for &row in kept {
        let snapshot = rows.snapshot[row] as usize;
        table.features.extend_from_slice(&examples.shared[snapshot * shared..][..shared]);
        table.features.extend_from_slice(&rows.own[snapshot * OWN_COUNT..][..OWN_COUNT]);
        table.features.push(rows.horizon[row]);
        table.labels.push(rows.value[row] - TREE_ANCHOR.of(rows.anchors[snapshot], typical));
    }
    table
}
