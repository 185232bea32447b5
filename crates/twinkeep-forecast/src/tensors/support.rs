//! The tensors that picture the training subjects.

use twinkeep_domain::TensorData;

use super::{MAGNITUDE_MAX, Reader, TensorError};
use crate::support::{GROUP_COUNT_MAX, Group, MARK_COUNT, PART_COUNT, Scale, Support};

/// Writes them; marks that a scale does not have are the largest number there is.
pub(super) fn write(support: &Support) -> Vec<(&'static str, Vec<usize>, TensorData)> {
    let (groups, count) = (support.groups.len(), support.scales.len());
    let mut marks = Vec::with_capacity(count * MARK_COUNT);
    for scale in &support.scales {
        let rest = std::iter::repeat(MAGNITUDE_MAX);
        marks.extend(scale.marks.iter().copied().chain(rest).take(MARK_COUNT));
    }
    let kinds = support.scales.iter().map(|scale| i32::from(scale.categorical)).collect();
    let floats = |of: &dyn Fn(&Group) -> &Vec<f32>| {
        TensorData::F32(support.groups.iter().flat_map(|group| of(group).iter().copied()).collect())
    };
    let int = |count: u32| i32::try_from(count).unwrap_or(i32::MAX);
    let sizes = support.groups.iter().map(|group| int(group.size)).collect();
    let counts = support.groups.iter().flat_map(|group| group.counts.iter().copied().map(int));
    vec![
        (MARKS, vec![count, MARK_COUNT], TensorData::F32(marks)),
        (KINDS, vec![count], TensorData::I32(kinds)),
        (SIZES, vec![groups], TensorData::I32(sizes)),
        (CENTERS, vec![groups, count], floats(&|group| &group.center)),
        (KNOWN, vec![groups, count], floats(&|group| &group.known)),
        (COUNTS, vec![groups, count, PART_COUNT], TensorData::I32(counts.collect())),
    ]
}

/// Reads them; there are as many scales as variables, or none.
pub(super) fn read(reader: &Reader<'_>, variables: usize) -> Result<Support, TensorError> {
    let length = |name| Ok(reader.find(name)?.shape.first().copied().unwrap_or(0));
    let (count, groups) = (length(KINDS)?, length(SIZES)?);
    if count != 0 && count != variables || GROUP_COUNT_MAX < groups || count == 0 && groups != 0 {
        return Err(TensorError::Shape { name: KINDS });
    }
    let marks = reader.floats(MARKS, &[count, MARK_COUNT])?;
    let kinds = reader.ints(KINDS, &[count])?;
    let sizes = reader.ints(SIZES, &[groups])?;
    let centers = reader.floats(CENTERS, &[groups, count])?;
    let known = reader.floats(KNOWN, &[groups, count])?;
    let counts = reader.ints(COUNTS, &[groups, count, PART_COUNT])?;
    let scale = |(marks, &kind): (&[f32], &i32)| Scale {
        categorical: kind != 0,
        marks: marks.iter().copied().take_while(|&mark| mark < MAGNITUDE_MAX).collect(),
    };
    let number = |count: i32| u32::try_from(count).map_err(|_| TensorError::Value { name: COUNTS });
    let group = |at: usize| {
        let counts = &counts[at * count * PART_COUNT..][..count * PART_COUNT];
        Ok(Group {
            size: number(sizes[at])?,
            center: centers[at * count..][..count].to_vec(),
            known: known[at * count..][..count].to_vec(),
            counts: counts.iter().map(|&count| number(count)).collect::<Result<_, _>>()?,
        })
    };
    let support = Support {
        scales: marks.chunks_exact(MARK_COUNT).zip(kinds).map(scale).collect(),
        groups: (0..groups).map(group).collect::<Result<_, TensorError>>()?,
    };
    if !support.is_sound(variables) {
        return Err(TensorError::Value { name: COUNTS });
    }
    Ok(support)
}

pub(super) const MARKS: &str = "support.marks";
pub(super) const KINDS: &str = "support.kinds";
pub(super) const SIZES: &str = "support.sizes";
pub(super) const CENTERS: &str = "support.centers";
pub(super) const KNOWN: &str = "support.known";
pub(super) const COUNTS: &str = "support.counts";
