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

use twinkeep_domain::{Cohort, Pack, Timeline, Timestamp};

use crate::features::{FeatureLayout, OWN_COUNT, SubjectState};
use crate::{CodeMap, features};

#[cfg(test)]
mod tests;

/// Snapshots of a cohort with the examples of every target.
pub(crate) struct Examples {
    /// Which timeline each snapshot is of.
    pub(crate) subjects: Vec<u32>,
    /// Shared features: [snapshot, feature].
    pub(crate) shared: Vec<f32>,
    /// Per target of the pack, in its order.
    pub(crate) targets: Vec<TargetExamples>,
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
        let codes = CodeMap::new(pack, &cohort.codes);
        let mut target_of = vec![None; pack.variables().len()];
        for (at, (variable, _)) in pack.targets().enumerate() {
            target_of[variable] = Some(at);
        }
        let mut examples = Self {
            subjects: Vec::new(),
            shared: Vec::new(),
            targets: pack.targets().map(|_| TargetExamples::default()).collect(),
        };
        for (subject, timeline) in (0_u32..).zip(&cohort.timelines) {
            let Some(start) = codes.start(timeline) else { continue };
            let mut cuts: Vec<_> =
                cuts_hours.iter().map(|&hours| start.plus_hours(f64::from(hours))).collect();
            cuts.sort();
            examples.collect_timeline(
                pack,
                layout,
                (&codes, &target_of),
                (subject, timeline),
                &cuts,
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
        cuts: &[Timestamp],
    ) {
        let plan = pack.forecast();
        let mut state = SubjectState::new(pack);
        let mut seen = 0;
        for &cut in cuts {
            for event in &timeline.events()[seen..] {
                if event.time.is_some_and(|time| cut <= time) {
                    break;
                }
                seen += 1;
                if let (Some(variable), Some(value)) = (codes.variable(event.code), event.value) {
                    state.observe(variable, event.time, value);
                }
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
    }
}
