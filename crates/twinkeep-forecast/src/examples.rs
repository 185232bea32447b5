//! From timelines to training examples: what was known at a cut, and what was observed after it.
//!
//! A *snapshot* is one subject at one cut. All examples of a snapshot share its features but for
//! the horizon, which is what makes training fast: the learner sums gradients over a snapshot
//! before it touches the features.
//!
//! # Invariants
//!
//! - A snapshot sees only events before its cut; its examples are at the cut or after it.
//! - Examples are in the order of snapshots, snapshots in the order of subjects.

use twinkeep_domain::{Cohort, ForecastPlan, ObservedUntil, Pack, Timeline, Timestamp};

use crate::features::{FeatureLayout, OWN_COUNT, SubjectState};
use crate::{CodeMap, features};

#[cfg(test)]
mod tests;
mod windows;

pub(crate) use windows::{Track, WindowExamples};

/// Snapshots of a cohort with the examples of every target.
pub(crate) struct Examples {
    /// Which timeline each snapshot is of.
    pub(crate) subjects: Vec<u32>,
    /// Shared features: [snapshot, feature].
    pub(crate) shared: Vec<f32>,
    /// Per target of the pack, in its order.
    pub(crate) targets: Vec<TargetExamples>,
    /// Per window target of the pack, in its order.
    pub(crate) windows: Vec<WindowExamples>,
}

/// The examples of one target.
#[derive(Default)]
pub(crate) struct TargetExamples {
    /// The target's own features: [snapshot, own feature].
    pub(crate) own: Vec<f32>,
    /// Last value and middle exponentially weighted mean at each snapshot.
    pub(crate) anchors: Vec<[f32; 2]>,
    /// Which snapshot each example belongs to; never decreasing.
    pub(crate) snapshot: Vec<u32>,
    /// Hours from the cut to the observation.
    pub(crate) horizon: Vec<f32>,
    /// What was observed.
    pub(crate) value: Vec<f32>,
}

impl Examples {
    /// Takes a snapshot of every subject at every cut where enough is known.
    pub(crate) fn collect(
        pack: &Pack,
        layout: &FeatureLayout,
        cohort: &Cohort,
        cuts_hours: &[f32],
    ) -> Self {
        let every = pack.forecast().cuts_every_hours;
        Self::collect_at(pack, layout, cohort, (cuts_hours, every))
    }

    /// Takes a snapshot of every subject at some cuts, and again and again where that is asked for.
    pub(crate) fn collect_at(
        pack: &Pack,
        layout: &FeatureLayout,
        cohort: &Cohort,
        (cuts_hours, every): (&[f32], Option<f32>),
    ) -> Self {
        let codes = CodeMap::new(pack, &cohort.codes);
        let mut target_of = vec![None; pack.variables().len()];
        for (at, (variable, _)) in pack.targets().enumerate() {
            target_of[variable] = Some(at);
        }
        let mut examples = Self {
            subjects: Vec::new(),
            shared: Vec::new(),
            targets: pack.targets().map(|_| TargetExamples::default()).collect(),
            windows: pack.windows().iter().map(|_| WindowExamples::default()).collect(),
        };
        let end = observed_until(pack.forecast(), cohort);
        for (subject, timeline) in (0_u32..).zip(&cohort.timelines) {
            let Some(start) = codes.start(timeline) else { continue };
            let end = end(timeline);
            let cuts = cuts(cuts_hours, every, start, end);
            examples.collect_timeline(
                pack,
                layout,
                (&codes, &target_of),
                (subject, timeline),
                (&cuts, end),
            );
        }
        examples
    }

    fn collect_timeline(
        &mut self,
        pack: &Pack,
        layout: &FeatureLayout,
        (codes, target_of): (&CodeMap, &[Option<usize>]),
        (subject, timeline): (u32, &Timeline),
        (cuts, end): (&[Timestamp], Timestamp),
    ) {
        let plan = pack.forecast();
        let tracks = Track::all(pack, codes, timeline, end);
        let mut state = SubjectState::new(pack);
        let mut seen = 0;
        for &cut in cuts {
            for event in &timeline.events()[seen..] {
                if event.time.is_some_and(|time| cut <= time) {
                    break;
                }
                seen += 1;
                state.apply(codes, event);
            }
            if state.event_count() < plan.history_event_count_min {
                continue;
            }
            let snapshot = u32::try_from(self.subjects.len()).unwrap_or(u32::MAX);
            let mut any = false;
            for event in &timeline.events()[seen..] {
                let (Some(time), Some(value)) = (event.time, event.value) else { continue };
                let horizon = time.hours_since(cut) as f32;
                if plan.horizon_hours < horizon {
                    break;
                }
                let target = codes.variable(event.code).and_then(|variable| target_of[variable]);
                let Some(target) = target.filter(|_| value.is_finite()) else { continue };
                let rows = &mut self.targets[target];
                rows.snapshot.push(snapshot);
                rows.horizon.push(horizon);
                rows.value.push(value);
                any = true;
            }
            for (window, (rows, track)) in self.windows.iter_mut().zip(&tracks).enumerate() {
                any |= rows.collect(track, state.is_at_risk(pack, window), snapshot, cut);
            }
            if any {
                self.snapshot(pack, layout, &state, subject, cut);
            }
        }
    }

    fn snapshot(
        &mut self,
        pack: &Pack,
        layout: &FeatureLayout,
        state: &SubjectState,
        subject: u32,
        cut: Timestamp,
    ) {
        self.subjects.push(subject);
        let from = self.shared.len();
        self.shared.resize(from + layout.shared_count(), f32::NAN);
        layout.shared(state, cut, &mut self.shared[from..]);
        for (rows, (variable, _)) in self.targets.iter_mut().zip(pack.targets()) {
            let known = state.variable(variable);
            let from = rows.own.len();
            rows.own.resize(from + OWN_COUNT, f32::NAN);
            features::own(known, &mut rows.own[from..]);
            rows.anchors.push(features::anchors(known));
        }
        for (window, rows) in self.windows.iter_mut().enumerate() {
            rows.observe(state, window, cut);
        }
    }
}

/// Returns until when a subject of a cohort is known to have been observed.
pub(crate) fn observed_until(
    plan: &ForecastPlan,
    cohort: &Cohort,
) -> impl Fn(&Timeline) -> Timestamp + use<> {
    let all = match plan.observed_until {
        ObservedUntil::LastEvent => None,
        ObservedUntil::EndOfData => cohort.timelines.iter().filter_map(Timeline::end).max(),
    };
    move |timeline| all.or(timeline.end()).unwrap_or(Timestamp::from_micros(i64::MIN))
}

/// Returns the moments at which a subject is looked at, in order.
fn cuts(
    cuts_hours: &[f32],
    every: Option<f32>,
    start: Timestamp,
    end: Timestamp,
) -> Vec<Timestamp> {
    let mut hours: Vec<f64> = cuts_hours.iter().copied().map(f64::from).collect();
    if let Some(every) = every.map(f64::from) {
        let count = (end.hours_since(start) / every).max(0.0) as usize;
        let stride = count.div_ceil(CUT_COUNT_MAX).max(1);
        hours.extend((1..=count).step_by(stride).map(|at| at as f64 * every));
    }
    hours.sort_by(f64::total_cmp);
    hours.dedup();
    hours.into_iter().map(|hours| start.plus_hours(hours)).collect()
}

/// Most cuts a subject besides those that the pack lists: more of one life teach little more.
const CUT_COUNT_MAX: usize = 64;
