//! Whom the model has seen: how many training subjects were like this one, and had such a value.
//!
//! A question "what if" may be about somebody who never was. So training keeps a rough picture of
//! its subjects: they are put into groups of people who are alike, and of each group it is counted
//! how many had a value in which part of its variable's range. A subject's like are the nearest
//! groups; how many of them had a value such as the one that is asked about is its support.
//!
//! # Invariants
//!
//! - A group has [`GROUP_SUBJECT_COUNT_MIN`] subjects or more, and each subject is counted once.
//! - A count below [`CELL_COUNT_MIN`] is written as zero: nobody is one of three.

use crate::features::SubjectState;

/// The picture of the training subjects.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Support {
    /// How each variable's range is divided.
    pub(crate) scales: Vec<Scale>,
    /// The groups; none if there were too few subjects.
    pub(crate) groups: Vec<Group>,
}

/// How the range of a variable is divided.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Scale {
    /// Whether `marks` are the only values that were seen; otherwise they divide the range.
    pub(crate) categorical: bool,
    /// Increasing; at most [`MARK_COUNT`].
    pub(crate) marks: Vec<f32>,
}

/// Subjects who are alike.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Group {
    /// How many.
    pub(crate) size: u32,
    /// For each variable the mean place of its values, from -1 to 1; 0 where it was not observed.
    pub(crate) center: Vec<f32>,
    /// For each variable the share of the subjects of whom a value is known.
    pub(crate) known: Vec<f32>,
    /// How many had a value in each part: [variable, part].
    pub(crate) counts: Vec<u32>,
}

/// How many training subjects speak for a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Supported {
    /// How many training subjects are like this one.
    pub similar_count: u32,
    /// How many of them had such a value.
    pub supporting_count: u32,
}

impl Scale {
    /// Returns the part of the range in which a value lies; `None` if no such value was seen.
    pub(crate) fn part(&self, value: f32) -> Option<usize> {
        if value.is_nan() || self.marks.is_empty() {
            return None;
        }
        if self.categorical {
            return self.marks.iter().position(|&mark| mark == value);
        }
        Some(self.marks.partition_point(|&mark| mark < value))
    }

    /// Returns the parts whose values are such as this one: its own and those beside it, but for
    /// the two ends, where values are like no others. None if no such value was seen.
    fn like(&self, value: f32) -> std::ops::RangeInclusive<usize> {
        match self.part(value) {
            #[expect(clippy::reversed_empty_ranges, reason = "that is what none of them is")]
            None => 1..=0,
            Some(part) if self.categorical || part == 0 || part == self.marks.len() => part..=part,
            Some(part) => (part - 1).max(1)..=(part + 1).min(self.marks.len() - 1),
        }
    }

    /// Returns where a value lies among those of all subjects, from -1 to 1.
    pub(crate) fn place(&self, value: f32) -> Option<f32> {
        let last = if self.categorical { self.marks.len() - 1 } else { self.marks.len() };
        let part = self.marks.partition_point(|&mark| mark < value).min(last);
        let known = !value.is_nan() && !self.marks.is_empty() && 0 < last;
        known.then(|| 2.0 * part as f32 / last as f32 - 1.0)
    }
}

impl Support {
    /// Returns how many training subjects speak for a value of a variable of this subject; the
    /// variables that are changed do not say who is alike.
    pub(crate) fn of(
        &self,
        state: &SubjectState,
        changed: &[usize],
        variable: usize,
        value: f32,
    ) -> Supported {
        let known = |variable: usize| match state.variable(variable) {
            Some(known) => known.last(),
            None => state.static_value(variable),
        };
        let places: Vec<Option<f32>> = self
            .scales
            .iter()
            .enumerate()
            .map(|(variable, scale)| scale.place(known(variable)))
            .collect();
        let distance = |group: &Group| -> f32 {
            let of = |variable: usize| {
                let share = group.known[variable];
                match places[variable] {
                    Some(place) => {
                        share * (place - group.center[variable]).powi(2) + (1.0 - share) * UNKNOWN
                    }
                    None => share * UNKNOWN,
                }
            };
            (0..places.len()).filter(|variable| !changed.contains(variable)).map(of).sum()
        };
        let mut order: Vec<(f32, &Group)> =
            self.groups.iter().map(|group| (distance(group), group)).collect();
        order.sort_by(|one, other| one.0.total_cmp(&other.0));
        let Some(scale) = self.scales.get(variable) else {
            return Supported { similar_count: 0, supporting_count: 0 };
        };
        let all: u64 = self.groups.iter().map(|group| u64::from(group.size)).sum();
        let enough = (all / 10).clamp(SIMILAR_COUNT_MIN, SIMILAR_COUNT_MAX);
        let (mut similar_count, mut supporting_count) = (0_u32, 0_u32);
        for (_, group) in order {
            if enough <= u64::from(similar_count) {
                break;
            }
            similar_count = similar_count.saturating_add(group.size);
            for part in scale.like(value) {
                let count = group.counts[variable * PART_COUNT + part];
                supporting_count = supporting_count.saturating_add(count);
            }
        }
        Supported { similar_count, supporting_count }
    }

    /// Returns whether every index holds for as many variables.
    pub(crate) fn is_sound(&self, variable_count: usize) -> bool {
        let scale = |scale: &Scale| {
            scale.marks.len() <= MARK_COUNT && scale.marks.is_sorted_by(|one, other| one < other)
        };
        let group = |group: &Group| {
            let shares = group.known.iter().all(|share| (0.0..=1.0).contains(share));
            let centers = group.center.iter().all(|place| (-1.0..=1.0).contains(place));
            let counts = group.counts.chunks(PART_COUNT).all(|parts| {
                parts.iter().map(|&count| u64::from(count)).sum::<u64>() <= u64::from(group.size)
            });
            shares
                && centers
                && counts
                && group.center.len() == variable_count
                && group.known.len() == variable_count
                && group.counts.len() == variable_count * PART_COUNT
        };
        (self.groups.is_empty() || self.scales.len() == variable_count)
            && self.scales.iter().all(scale)
            && self.groups.iter().all(group)
    }
}

/// Marks of a range: at 1, 10, 20, ... 90, and 99 % of the training subjects, so that what hardly
/// anybody had is a part of its own.
pub(crate) const MARK_COUNT: usize = 11;

/// Parts of a range.
pub(crate) const PART_COUNT: usize = MARK_COUNT + 1;

/// Fewest subjects of a group.
pub(crate) const GROUP_SUBJECT_COUNT_MIN: usize = 40;

/// Most groups: they are small enough then.
pub(crate) const GROUP_COUNT_MAX: usize = 256;

/// Smaller counts are not told.
pub(crate) const CELL_COUNT_MIN: u32 = 3;

/// The nearest tenth of the training subjects are called similar, but no fewer and no more than
/// this: of 150, a tenth is too few to go by.
const SIMILAR_COUNT_MIN: u64 = 150;
const SIMILAR_COUNT_MAX: u64 = 1_000;

/// A value that is known of one only counts as half the range between two.
const UNKNOWN: f32 = 1.0;

#[cfg(test)]
mod tests {
    use super::Scale;

    #[test]
    fn a_value_that_nobody_had_is_in_no_part() {
        let ventilated = Scale { categorical: true, marks: vec![1.0] };
        assert_eq!(ventilated.part(1.0), Some(0));
        assert_eq!(ventilated.part(0.0), None);
        assert_eq!(ventilated.place(1.0), None);
        let two = Scale { categorical: true, marks: vec![0.0, 1.0] };
        assert_eq!((two.place(0.0), two.place(1.0)), (Some(-1.0), Some(1.0)));
        let range = Scale { categorical: false, marks: vec![10.0, 20.0] };
        assert_eq!(
            [5.0, 10.0, 15.0, 99.0].map(|value| range.part(value)),
            [Some(0), Some(0), Some(1), Some(2)]
        );
        assert_eq!(range.part(f32::NAN), None);
        let wide = Scale { categorical: false, marks: vec![1.0, 2.0, 3.0, 4.0] };
        let like = |value: f32| wide.like(value).collect::<Vec<_>>();
        assert_eq!(like(0.0), [0]);
        assert_eq!(like(1.5), [1, 2]);
        assert_eq!(like(2.5), [1, 2, 3]);
        assert_eq!(like(9.0), [4]);
        assert!(ventilated.like(0.0).is_empty());
        assert_eq!((range.place(5.0), range.place(99.0)), (Some(-1.0), Some(1.0)));
        assert_eq!(Scale::default().part(1.0), None);
    }
}
