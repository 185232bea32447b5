//! What a model's answers cost on each person and target: all that membership inference looks at.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use twinkeep_domain::{Basis, Cohort, ForecastPoint, Pack, WindowAnswer, WindowKind};

use super::crps::crps;
use crate::boost::log_loss;
use crate::examples::Examples;
use crate::features::{FeatureLayout, OWN_COUNT, WINDOW_OWN_COUNT};
use crate::window_model::WindowHead;
use crate::{Model, TrainConfig};

/// People with the rows that a model would learn from, features and all.
pub(super) struct Pool<'a> {
    pack: &'a Pack,
    pub(super) examples: Examples,
    person_count: usize,
}

/// The mean loss of each person, by target: values first, then windows. NaN where a person has no
/// row.
pub(super) type Losses = Vec<Vec<f32>>;

impl<'a> Pool<'a> {
    /// Looks at people at every cut of the pack, as training does.
    pub(super) fn new(pack: &'a Pack, people: &Cohort) -> Self {
        let plan = pack.forecast();
        Self::at(pack, people, (&plan.cuts_hours, plan.cuts_every_hours))
    }

    /// Looks at people once, at the cut at which models are measured.
    pub(super) fn once(pack: &'a Pack, people: &Cohort) -> Self {
        Self::at(pack, people, (&[pack.forecast().evaluation_cut_hours], None))
    }

    fn at(pack: &'a Pack, people: &Cohort, cuts: (&[f32], Option<f32>)) -> Self {
        let layout = FeatureLayout::new(pack);
        let examples = Examples::collect_at(pack, &layout, people, cuts);
        Self { pack, examples, person_count: people.timelines.len() }
    }

    /// Returns how many columns [`Pool::losses`] has.
    pub(super) fn column_count(&self) -> usize {
        self.examples.targets.len() + self.examples.windows.len()
    }

    /// Returns what a model's answers cost.
    pub(super) fn losses(&self, model: &Model, config: &TrainConfig) -> Losses {
        let next = AtomicUsize::new(0);
        let mut all: Losses = vec![Vec::new(); self.column_count()];
        std::thread::scope(|scope| {
            let (sender, results) = mpsc::channel();
            for _ in 0..config.threads.min(self.column_count()) {
                let (sender, next) = (sender.clone(), &next);
                scope.spawn(move || {
                    loop {
                        let at = next.fetch_add(1, Ordering::Relaxed);
                        if self.column_count() <= at
                            || sender.send((at, self.column(model, at))).is_err()
                        {
                            break;
                        }
                    }
                });
            }
            drop(sender);
            for (at, column) in results {
                all[at] = column;
            }
        });
        all
    }

    fn column(&self, model: &Model, at: usize) -> Vec<f32> {
        let mut sums = vec![(0.0_f64, 0_u32); self.person_count];
        let mut add = |snapshot: u32, loss: f64| {
            let sum = &mut sums[self.examples.subjects[snapshot as usize] as usize];
            *sum = (sum.0 + loss, sum.1 + 1);
        };
        match at.checked_sub(self.examples.targets.len()) {
            None => self.points(model, at, &mut |row, point| {
                let rows = &self.examples.targets[at];
                add(rows.snapshot[row], crps(point, rows.value[row]));
            }),
            Some(window) => self.window(model, window, &mut add),
        }
        let mean = |(sum, count): (f64, u32)| {
            if count == 0 { f32::NAN } else { (sum / f64::from(count)) as f32 }
        };
        sums.into_iter().map(mean).collect()
    }

    /// Gives every row of a target with what the model answers there; a target that was never seen
    /// in a person is passed over, as the model may not answer.
    pub(super) fn points(
        &self,
        model: &Model,
        at: usize,
        each: &mut dyn FnMut(usize, &ForecastPoint),
    ) {
        let (rows, target) = (&self.examples.targets[at], &model.targets[at]);
        if target.basis == Basis::NotEnoughHistory {
            return;
        }
        let buckets = &self.pack.forecast().buckets_hours;
        let range = self.pack.variables()[target.variable].range;
        let shared = self.shared_count();
        let mut features = vec![f32::NAN; shared + OWN_COUNT];
        let mut start = 0;
        for part in rows.snapshot.chunk_by(|one, other| one == other) {
            let snapshot = part[0] as usize;
            let from = start;
            start += part.len();
            if rows.anchors[snapshot][0].is_nan() {
                continue;
            }
            self.fill(snapshot, &rows.own, OWN_COUNT, &mut features);
            let horizons = &rows.horizon[from..start];
            let points = target.raw(&features, rows.anchors[snapshot], horizons, buckets);
            for (row, mut point) in (from..).zip(points) {
                target.finish(&mut point, buckets, range);
                each(row, &point);
            }
        }
    }

    fn window(&self, model: &Model, at: usize, add: &mut dyn FnMut(u32, f64)) {
        let (rows, target) = (&self.examples.windows[at], &self.pack.windows()[at]);
        let window = &model.windows[at];
        if window.basis == Basis::NotEnoughHistory {
            return;
        }
        let mut features = vec![f32::NAN; self.shared_count() + WINDOW_OWN_COUNT];
        let mut start = 0;
        for part in rows.snapshot.chunk_by(|one, other| one == other) {
            let snapshot = part[0] as usize;
            self.fill(snapshot, &rows.own, WINDOW_OWN_COUNT, &mut features);
            let own = start..start + part.len();
            start += part.len();
            match (&window.head, &target.kind) {
                (WindowHead::Event(head), WindowKind::Event(plan)) => {
                    let trees = window.trees(&features, &plan.horizons_hours);
                    for row in own {
                        let end = rows.horizon[row];
                        let interval = plan.horizons_hours.partition_point(|&other| other < end);
                        let Some(lanes) = trees.get(interval) else { continue };
                        let lanes = head.blend(lanes, window.tree_share, interval);
                        let causes = 1 + plan.competing.len();
                        let lanes = head.calibrate(&lanes);
                        add(part[0], log_loss(rows.value[row], &lanes, causes));
                    }
                }
                _ => {
                    let answer = window.answer(target, &features, rows.before[snapshot]);
                    if let WindowAnswer::Total(point) = answer {
                        own.for_each(|row| add(part[0], crps(&point, rows.value[row])));
                    }
                }
            }
        }
    }

    fn shared_count(&self) -> usize {
        self.examples.shared.len() / self.examples.subjects.len().max(1)
    }

    fn fill(&self, snapshot: usize, own: &[f32], own_count: usize, features: &mut [f32]) {
        let shared = self.shared_count();
        features[..shared].copy_from_slice(&self.examples.shared[snapshot * shared..][..shared]);
        features[shared..].copy_from_slice(&own[snapshot * own_count..][..own_count]);
    }
}
