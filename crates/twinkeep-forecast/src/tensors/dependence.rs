//! The tensors that say how targets hang together.

use twinkeep_domain::TensorData;

use super::{Reader, TensorError};
use crate::dependence::{Dependence, FACTOR_COUNT_MAX, MEMORIES, Part};

/// Writes them; factors that a part does not have are zero.
pub(super) fn write(dependence: &Dependence) -> Vec<(&'static str, Vec<usize>, TensorData)> {
    let (parts, count) = (dependence.parts.len(), dependence.component_count);
    let mut loadings = Vec::with_capacity(parts * count * FACTOR_COUNT_MAX);
    for part in &dependence.parts {
        for at in 0..count {
            let from = loadings.len();
            loadings.extend_from_slice(part.of(at));
            loadings.resize(from + FACTOR_COUNT_MAX, 0.0);
        }
    }
    let own = dependence.parts.iter().flat_map(|part| part.own.iter().copied()).collect();
    vec![
        (LOADINGS, vec![parts, count, FACTOR_COUNT_MAX], TensorData::F32(loadings)),
        (OWN, vec![parts, count], TensorData::F32(own)),
    ]
}

/// Reads them; `targets` are about a value, then come those about a window.
pub(super) fn read(
    reader: &Reader<'_>,
    targets: usize,
    windows: usize,
) -> Result<Dependence, TensorError> {
    let count = targets + windows;
    let parts = reader.find(OWN)?.shape.first().copied().unwrap_or(0);
    if parts != 0 && parts != MEMORIES.len() {
        return Err(TensorError::Shape { name: OWN });
    }
    let loadings = reader.floats(LOADINGS, &[parts, count, FACTOR_COUNT_MAX])?;
    let own = reader.floats(OWN, &[parts, count])?;
    let part = |at: usize| {
        let all = &loadings[at * count * FACTOR_COUNT_MAX..][..count * FACTOR_COUNT_MAX];
        let used = |row: &[f32]| {
            row.iter().rposition(|&loading| loading != 0.0).map_or(0, |last| last + 1)
        };
        let rows = || all.chunks_exact(FACTOR_COUNT_MAX);
        let factor_count = rows().map(used).max().unwrap_or(0);
        Part {
            factor_count,
            loadings: rows().flat_map(|row| &row[..factor_count]).copied().collect(),
            own: own[at * count..][..count].to_vec(),
        }
    };
    let dependence = Dependence { component_count: count, parts: (0..parts).map(part).collect() };
    if !dependence.is_sound(targets) {
        return Err(TensorError::Value { name: LOADINGS });
    }
    Ok(dependence)
}

pub(super) const LOADINGS: &str = "dependence.loadings";
pub(super) const OWN: &str = "dependence.own";
