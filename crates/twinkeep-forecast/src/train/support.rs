//! A rough picture of the training subjects: see [`crate::support`].
//!
//! Everybody is looked at once, at a snapshot that is drawn by the seed. Groups are made by
//! dividing the subjects in two, again and again, along the direction in which they differ most
//! (Boley, Principal direction divisive partitioning, 1998), at the median: so no group is small.

use super::Material;
use crate::features::FeatureLayout;
use crate::random::bits;
use crate::support::{
    CELL_COUNT_MIN, GROUP_COUNT_MAX, GROUP_SUBJECT_COUNT_MIN, Group, MARK_COUNT, PART_COUNT, Scale,
    Support,
};

/// Pictures the training subjects.
pub(super) fn learn(material: &Material<'_>, layout: &FeatureLayout) -> Support {
    let rows = rows(material, layout);
    if rows.len() < GROUP_SUBJECT_COUNT_MIN {
        return Support::default();
    }
    let count = material.pack.variables().len();
    let scales: Vec<Scale> =
        (0..count).map(|variable| scale(rows.iter().map(|row| row[variable]).collect())).collect();
    let place = |row: &Vec<f32>| -> Vec<Option<f32>> {
        scales.iter().zip(row).map(|(scale, &value)| scale.place(value)).collect()
    };
    let places: Vec<Vec<Option<f32>>> = rows.iter().map(place).collect();
    let mut waiting = vec![(0..rows.len()).collect::<Vec<usize>>()];
    let mut groups = Vec::new();
    while let Some(members) = waiting.pop() {
        let enough = 2 * GROUP_SUBJECT_COUNT_MIN <= members.len();
        if !enough || GROUP_COUNT_MAX <= groups.len() + waiting.len() + 1 {
            groups.push(group(&scales, &rows, &places, &members));
            continue;
        }
        let [one, other] = divide(&places, members);
        waiting.extend([one, other]);
    }
    Support { scales, groups }
}

/// Returns the last value of each variable of each subject, at one of its snapshots.
fn rows(material: &Material<'_>, layout: &FeatureLayout) -> Vec<Vec<f32>> {
    let width = layout.shared_count();
    let mut rows = Vec::new();
    let mut start = 0;
    for snapshots in material.train.subjects.chunk_by(|one, other| one == other) {
        let draw = bits(material.config.seed, [SUPPORT_DRAW, rows.len() as u64, 0]);
        let snapshot = start + (draw % snapshots.len() as u64) as usize;
        start += snapshots.len();
        let shared = &material.train.shared[snapshot * width..][..width];
        let value = |variable: usize| {
            layout.value_index(variable).and_then(|at| shared.get(at)).copied().unwrap_or(f32::NAN)
        };
        rows.push((0..material.pack.variables().len()).map(value).collect());
    }
    rows
}

/// Divides the range of a variable: by its values, if there are few, or evenly among subjects.
fn scale(mut values: Vec<f32>) -> Scale {
    values.retain(|value| !value.is_nan());
    values.sort_unstable_by(f32::total_cmp);
    if values.len() < GROUP_SUBJECT_COUNT_MIN {
        return Scale::default();
    }
    let mut different = values.clone();
    different.dedup();
    if different.len() <= MARK_COUNT {
        return Scale { categorical: true, marks: different };
    }
    let shares = [0.01, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.99];
    const { assert!(MARK_COUNT == 11) };
    let at = |share: f64| values[(share * (values.len() - 1) as f64).round() as usize];
    let mut marks: Vec<f32> = shares.map(at).to_vec();
    marks.dedup();
    Scale { categorical: false, marks }
}

/// Divides subjects in two halves, along the direction in which they differ most.
fn divide(places: &[Vec<Option<f32>>], members: Vec<usize>) -> [Vec<usize>; 2] {
    let count = places.first().map_or(0, Vec::len);
    let mut means = vec![(0.0_f64, 0.0_f64); count];
    for &member in &members {
        for (mean, place) in means.iter_mut().zip(&places[member]) {
            if let Some(place) = place {
                *mean = (mean.0 + f64::from(*place), mean.1 + 1.0);
            }
        }
    }
    let means: Vec<f64> = means.iter().map(|(sum, count)| sum / count.max(1.0)).collect();
    // What is not known is as the mean: it does not say who is alike.
    let along = |member: usize, direction: &[f64]| -> f64 {
        let parts = places[member].iter().zip(&means).zip(direction);
        parts
            .map(|((place, mean), weight)| {
                place.map_or(0.0, |place| (f64::from(place) - mean) * weight)
            })
            .sum()
    };
    // Not the same for all, or it could be at a right angle to what is looked for.
    let mut direction: Vec<f64> = (0..count).map(|at| 1.0 + 0.1 * (at % 7) as f64).collect();
    for _ in 0..POWER_STEPS {
        let mut next = vec![0.0; count];
        for &member in &members {
            let length = along(member, &direction);
            for ((next, place), mean) in next.iter_mut().zip(&places[member]).zip(&means) {
                if let Some(place) = place {
                    *next += length * (f64::from(*place) - mean);
                }
            }
        }
        let size = next.iter().map(|part| part * part).sum::<f64>().sqrt();
        if size <= 0.0 {
            break;
        }
        direction = next.iter().map(|part| part / size).collect();
    }
    let mut order: Vec<(f64, usize)> =
        members.into_iter().map(|member| (along(member, &direction), member)).collect();
    order.sort_by(|one, other| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1)));
    let half = order.len() / 2;
    let members = |part: &[(f64, usize)]| part.iter().map(|&(_, member)| member).collect();
    [members(&order[..half]), members(&order[half..])]
}

fn group(
    scales: &[Scale],
    rows: &[Vec<f32>],
    places: &[Vec<Option<f32>>],
    members: &[usize],
) -> Group {
    let mut counts = vec![0_u32; scales.len() * PART_COUNT];
    let mut sums = vec![(0.0_f64, 0.0_f64); scales.len()];
    for &member in members {
        for (variable, scale) in scales.iter().enumerate() {
            if let Some(part) = scale.part(rows[member][variable]) {
                counts[variable * PART_COUNT + part] += 1;
            }
            if let Some(place) = places[member][variable] {
                let (sum, known) = sums[variable];
                sums[variable] = (sum + f64::from(place), known + 1.0);
            }
        }
    }
    counts.iter_mut().filter(|count| **count < CELL_COUNT_MIN).for_each(|count| *count = 0);
    // In tenths, so that a mean over few does not tell what one of them had.
    let tenths = |value: f64| ((10.0 * value).round() / 10.0) as f32;
    Group {
        size: u32::try_from(members.len()).unwrap_or(u32::MAX),
        center: sums.iter().map(|(sum, known)| tenths(sum / known.max(1.0))).collect(),
        known: sums.iter().map(|(_, known)| tenths(known / members.len().max(1) as f64)).collect(),
        counts,
    }
}

/// A direction is found well enough; it need not be exact.
const POWER_STEPS: usize = 12;

/// What a pseudo-random choice is about.
const SUPPORT_DRAW: u64 = 13;
