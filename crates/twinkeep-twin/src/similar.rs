//! How it went on with others who were like a subject: an anonymous summary.
//!
//! Everybody is looked at as long after their first event as the subject is now. Who had values in
//! about the same places among everybody's is near. Of the nearest, only quartiles are told, and
//! only of groups.
//!
//! # Invariants
//!
//! - What is told is about [`GROUP_COUNT_MIN`] others or more; a smaller group is left out.
//! - Numbers are rounded, counts to tens: taking one person more or less shows nothing.
//! - Nobody is named, and the subject is not among the others.

use std::fmt;

use twinkeep_domain::{Code, Pack, Subject, Timeline, Timestamp, VariableKind};
use twinkeep_forecast::CodeMap;

#[cfg(test)]
mod tests;

/// Gathers others to compare a subject with.
pub struct Others<'a> {
    pack: &'a Pack,
    subject: Subject,
    hours: f64,
    own: Vec<f32>,
    lives: Vec<Life>,
}

/// What is known of one of the others.
struct Life {
    /// The last value of each variable at the moment; NaN where there is none.
    before: Vec<f32>,
    /// The last value of each target in each bucket of horizons; NaN where there is none.
    after: Vec<f32>,
}

/// How it went on with those who were like a subject.
#[derive(Clone, PartialEq)]
pub struct Similar {
    /// How many others were looked at, in tens.
    pub compared_count: usize,
    /// How many of them are summed up, in tens.
    pub similar_count: usize,
    /// Their median age, in steps of 5 years, where the pack knows of one.
    pub age_years: Option<f32>,
    /// The share of women and girls, in tenths, where the pack knows of the sex.
    pub female_share: Option<f32>,
    /// By target and horizon; only groups that are large enough.
    pub outcomes: Vec<GroupOutcome>,
}

/// What was observed of one target, up to one horizon.
#[derive(Clone, Copy, PartialEq)]
pub struct GroupOutcome {
    /// The variable: an index into the pack's variables.
    pub variable: usize,
    /// After this, in hours, ...
    pub from_hours: f32,
    /// ... and up to this.
    pub to_hours: f32,
    /// How many of the similar others have a value then, in tens.
    pub count: usize,
    /// Lower quartile, median, and upper quartile of their last values then.
    pub quartiles: [f32; 3],
}

impl<'a> Others<'a> {
    /// Looks at a subject as it was known at a moment; nothing later.
    ///
    /// `None` if it has no event with a time.
    pub fn of(pack: &'a Pack, codes: &[Code], timeline: &Timeline, now: Timestamp) -> Option<Self> {
        let hours = now.hours_since(timeline.start()?);
        let codes = CodeMap::new(pack, codes);
        let own = before(pack, &codes, timeline, now);
        Some(Self { pack, subject: timeline.subject(), hours, own, lives: Vec::new() })
    }

    /// Adds somebody, if they were observed so long, and after.
    pub fn add(&mut self, codes: &CodeMap, timeline: &Timeline) {
        let Some(now) = timeline.start().map(|start| start.plus_hours(self.hours)) else { return };
        let goes_on = timeline.end().is_some_and(|end| now < end);
        if timeline.subject() == self.subject || !goes_on {
            return;
        }
        let before = before(self.pack, codes, timeline, now);
        self.lives.push(Life { before, after: after(self.pack, codes, timeline, now) });
    }

    /// Sums up the nearest; `None` if there are too few others.
    pub fn nearest(&self, count: usize) -> Option<Similar> {
        let count = count.max(GROUP_COUNT_MIN).min(self.lives.len());
        if count < GROUP_COUNT_MIN {
            return None;
        }
        let scales: Vec<Vec<f32>> = (0..self.own.len()).map(|at| self.sorted(at)).collect();
        let own: Vec<Option<f32>> =
            scales.iter().zip(&self.own).map(|(scale, &value)| place(scale, value)).collect();
        let mut order: Vec<(f32, &Life)> =
            self.lives.iter().map(|life| (distance(&scales, &own, life), life)).collect();
        order.sort_by(|one, other| one.0.total_cmp(&other.0));
        let nearest: Vec<&Life> = order[..count].iter().map(|(_, life)| *life).collect();
        Some(Similar {
            compared_count: tens(self.lives.len()),
            similar_count: tens(count),
            age_years: self.age(&nearest),
            female_share: self.female_share(&nearest),
            outcomes: self.outcomes(&nearest),
        })
    }

    fn sorted(&self, variable: usize) -> Vec<f32> {
        let mut values: Vec<f32> = self
            .lives
            .iter()
            .map(|life| life.before[variable])
            .filter(|value| !value.is_nan())
            .collect();
        values.sort_unstable_by(f32::total_cmp);
        values
    }

    fn age(&self, nearest: &[&Life]) -> Option<f32> {
        let variable = self.pack.find(self.pack.screening().subject.age.as_deref()?)?;
        let (_, [_, median, _]) = quartiles(nearest.iter().map(|life| life.before[variable]))?;
        Some((median / AGE_STEP_YEARS).round() * AGE_STEP_YEARS)
    }

    fn female_share(&self, nearest: &[&Life]) -> Option<f32> {
        let subject = &self.pack.screening().subject;
        let variable = self.pack.find(subject.sex.as_deref()?)?;
        let known = nearest.iter().map(|life| life.before[variable]).filter(|sex| !sex.is_nan());
        let known: Vec<f32> = known.collect();
        let female = known.iter().filter(|&&sex| sex == subject.female).count();
        let share = female as f32 / known.len().max(1) as f32;
        (GROUP_COUNT_MIN <= known.len()).then(|| (share * 10.0).round() / 10.0)
    }

    fn outcomes(&self, nearest: &[&Life]) -> Vec<GroupOutcome> {
        let buckets = &self.pack.forecast().buckets_hours;
        let mut found = Vec::new();
        for (target, (variable, _)) in self.pack.targets().enumerate() {
            for (bucket, &to_hours) in buckets.iter().enumerate() {
                let place = target * buckets.len() + bucket;
                let values = nearest.iter().map(|life| life.after[place]);
                let Some((count, quartiles)) = quartiles(values) else { continue };
                let from_hours = bucket.checked_sub(1).map_or(0.0, |before| buckets[before]);
                let count = tens(count);
                found.push(GroupOutcome { variable, from_hours, to_hours, count, quartiles });
            }
        }
        found
    }
}

/// Returns the last value of each variable up to a moment.
fn before(pack: &Pack, codes: &CodeMap, timeline: &Timeline, now: Timestamp) -> Vec<f32> {
    let mut values = vec![f32::NAN; pack.variables().len()];
    for event in timeline.events() {
        if event.time.is_some_and(|time| now < time) {
            break;
        }
        let Some(variable) = codes.variable(event.code) else { continue };
        let fixed = pack.variables()[variable].kind == VariableKind::Static;
        if let Some(value) = event.value.filter(|value| value.is_finite())
            && (fixed || event.time.is_some())
        {
            values[variable] = value;
        }
    }
    values
}

/// Returns the last value of each target in each bucket after a moment.
fn after(pack: &Pack, codes: &CodeMap, timeline: &Timeline, now: Timestamp) -> Vec<f32> {
    let plan = pack.forecast();
    let targets: Vec<usize> = pack.targets().map(|(variable, _)| variable).collect();
    let mut values = vec![f32::NAN; targets.len() * plan.buckets_hours.len()];
    let first = timeline.events().partition_point(|event| event.time.is_none_or(|at| at <= now));
    for event in &timeline.events()[first..] {
        let Some(hours) = event.time.map(|time| time.hours_since(now) as f32) else { continue };
        if plan.horizon_hours < hours {
            break;
        }
        let variable = codes.variable(event.code);
        let target = targets.iter().position(|&target| Some(target) == variable);
        let bucket = plan.buckets_hours.partition_point(|&end| end < hours);
        if let (Some(target), Some(value)) = (target, event.value.filter(|it| it.is_finite()))
            && bucket < plan.buckets_hours.len()
        {
            values[target * plan.buckets_hours.len() + bucket] = value;
        }
    }
    values
}

/// Returns where a value lies among sorted ones, from 0 to 1; in the middle of those alike.
fn place(sorted: &[f32], value: f32) -> Option<f32> {
    if value.is_nan() || sorted.is_empty() {
        return None;
    }
    let below = sorted.partition_point(|&other| other < value);
    let up_to = sorted.partition_point(|&other| other <= value);
    Some((below + up_to) as f32 / (2 * sorted.len()) as f32)
}

fn distance(scales: &[Vec<f32>], own: &[Option<f32>], life: &Life) -> f32 {
    let of = |(variable, own): (usize, &Option<f32>)| match (
        own,
        place(&scales[variable], life.before[variable]),
    ) {
        (Some(own), Some(other)) => (own - other).powi(2),
        (None, None) => 0.0,
        _ => ONE_SIDED,
    };
    own.iter().enumerate().map(of).sum()
}

/// Returns how many values are known, and their quartiles, rounded; `None` for too few.
fn quartiles(values: impl Iterator<Item = f32>) -> Option<(usize, [f32; 3])> {
    let mut known: Vec<f32> = values.filter(|value| !value.is_nan()).collect();
    if known.len() < GROUP_COUNT_MIN {
        return None;
    }
    known.sort_unstable_by(f32::total_cmp);
    let at = |share: f64| {
        let place = share * (known.len() - 1) as f64;
        let (low, rest) = (place.floor() as usize, (place - place.floor()) as f32);
        let next = known[(low + 1).min(known.len() - 1)];
        rounded(known[low] + rest * (next - known[low]))
    };
    Some((known.len(), [0.25, 0.5, 0.75].map(at)))
}

/// Three digits.
fn rounded(value: f32) -> f32 {
    format!("{value:.2e}").parse().unwrap_or(value)
}

fn tens(count: usize) -> usize {
    count / 10 * 10
}

impl fmt::Debug for Others<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Others(hidden)")
    }
}

impl fmt::Debug for Similar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Similar(hidden)")
    }
}

impl fmt::Debug for GroupOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GroupOutcome(hidden)")
    }
}

/// Fewest others of whom anything is told.
pub const GROUP_COUNT_MIN: usize = 20;

/// A value that is known of one of two only; two that have nothing to do with each other lie a
/// sixth apart in the mean square.
const ONE_SIDED: f32 = 1.0 / 6.0;

/// An age in smaller steps would help to find somebody.
const AGE_STEP_YEARS: f32 = 5.0;
