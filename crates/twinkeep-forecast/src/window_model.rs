//! What a model knows about one window target, and how it answers.
//!
//! As with values, two estimates are blended by shares that the tuning split chose: the trees, and
//! a *reference* that knows little: the window before, or what happened to everybody. A total is
//! blended and calibrated on the bent scale on which its quantiles were learned. An event is
//! blended and calibrated as the log odds of each interval, from which probabilities follow that
//! never fall with the horizon and that, over all causes, never exceed 1.

use twinkeep_domain::{
    Basis, EventPlan, EventPoint, ForecastPoint, QUANTILES, WindowAnswer, WindowKind, WindowTarget,
};

use crate::boost::{CAUSE_COUNT_MAX, LANE_COUNT, Lanes, MEAN_LANE, TotalScale, hazards};
use crate::forest::Forest;
use crate::target::{Quantiles, REACH_SHARE_MIN, stretched};

/// The engine of one window target.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct WindowModel {
    /// Which method the tuning split chose; [`Basis::NotEnoughHistory`] if nothing was learned.
    pub(crate) basis: Basis,
    /// Share of the trees in the quantiles, or in the log odds.
    pub(crate) tree_share: f32,
    /// Share of the trees in the mean.
    pub(crate) mean_tree_share: f32,
    /// Where the trees start.
    pub(crate) start: Lanes,
    /// The trees.
    pub(crate) forest: Forest,
    /// The reference, and the calibration.
    pub(crate) head: WindowHead,
}

/// What differs between totals and events.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum WindowHead {
    /// A sum or a count.
    Total(TotalHead),
    /// An event.
    Event(EventHead),
}

/// The reference and the calibration of a sum or a count.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TotalHead {
    /// How totals are bent.
    pub(crate) scale: TotalScale,
    /// Whether the reference is the window before, and not what happened to everybody.
    pub(crate) carried: bool,
    /// The bent quantiles of everybody, or their distance from the window before.
    pub(crate) reference: Quantiles,
    /// Correction of the bent quantiles.
    pub(crate) shift: Quantiles,
    /// How much farther the 95 % interval reaches on the bent scale; see
    /// [`crate::target::TargetModel::stretch`].
    pub(crate) stretch: [f32; 2],
}

/// The reference and the calibration of an event.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct EventHead {
    /// For each interval the log odds of each cause among everybody.
    pub(crate) base: Vec<Lanes>,
    /// Platt's correction of the log odds of each cause: the factor, ...
    pub(crate) slope: [f32; CAUSE_COUNT_MAX],
    /// ... and what is then added.
    pub(crate) intercept: [f32; CAUSE_COUNT_MAX],
}

impl WindowModel {
    /// Returns a model of which nothing is known.
    pub(crate) fn empty(target: &WindowTarget) -> Self {
        let head = match &target.kind {
            WindowKind::Event(plan) => WindowHead::Event(EventHead {
                base: vec![[0.0; LANE_COUNT]; plan.horizons_hours.len()],
                slope: [1.0; CAUSE_COUNT_MAX],
                intercept: [0.0; CAUSE_COUNT_MAX],
            }),
            kind => WindowHead::Total(TotalHead {
                scale: TotalScale { unit: 1.0, mean: 1.0, power: power(kind) },
                carried: false,
                reference: [0.0; QUANTILES.len()],
                shift: [0.0; QUANTILES.len()],
                stretch: [0.0; 2],
            }),
        };
        Self {
            basis: Basis::NotEnoughHistory,
            tree_share: 0.0,
            mean_tree_share: 0.0,
            start: [0.0; LANE_COUNT],
            forest: Forest::default(),
            head,
        }
    }

    /// Answers; `features` lacks the horizon, `before` is the total of the window before.
    pub(crate) fn answer(
        &self,
        target: &WindowTarget,
        features: &[f32],
        before: f32,
    ) -> WindowAnswer {
        match (&self.head, &target.kind) {
            _ if self.basis == Basis::NotEnoughHistory => WindowAnswer::None,
            (WindowHead::Event(head), WindowKind::Event(plan)) => {
                let trees = self.trees(features, &plan.horizons_hours);
                WindowAnswer::Event(head.points(plan, &trees, self.tree_share))
            }
            (WindowHead::Total(head), kind) => {
                let trees = self.trees(features, &[target.window_hours]);
                let whole = matches!(kind, WindowKind::Count(_));
                let shares = [self.tree_share, self.mean_tree_share];
                let [lanes] = trees.as_slice() else { return WindowAnswer::None };
                WindowAnswer::Total(head.point(lanes, shares, before, target.window_hours, whole))
            }
            (WindowHead::Event(_), _) => WindowAnswer::None,
        }
    }

    /// Returns what the trees say at each horizon.
    pub(crate) fn trees(&self, features: &[f32], horizons: &[f32]) -> Vec<Lanes> {
        let mut lanes = vec![self.start; horizons.len()];
        if 0.0 < self.tree_share.max(self.mean_tree_share) {
            self.forest.add(features, horizons, &mut lanes);
        }
        lanes
    }
}

impl TotalHead {
    /// Returns the blended quantiles on the bent scale, in order, not yet shifted.
    pub(crate) fn bent(&self, lanes: &Lanes, share: f32, before: f32) -> Quantiles {
        let from = if self.carried { self.scale.bend(before) } else { 0.0 };
        let mut quantiles = std::array::from_fn(|lane| {
            share * lanes[lane] + (1.0 - share) * (from + self.reference[lane])
        });
        quantiles.sort_by(f32::total_cmp);
        quantiles
    }

    /// Returns the calibrated quantiles on the bent scale, in order.
    pub(crate) fn shifted(&self, lanes: &Lanes, share: f32, before: f32) -> Quantiles {
        let mut quantiles = self.bent(lanes, share, before);
        for (quantile, shift) in quantiles.iter_mut().zip(self.shift) {
            *quantile += shift;
        }
        quantiles.sort_by(f32::total_cmp);
        quantiles
    }

    /// Returns the blended mean.
    pub(crate) fn mean(&self, lanes: &Lanes, share: f32, before: f32) -> f32 {
        let reference = if self.carried { before } else { self.scale.mean };
        share * self.scale.mean_of(lanes[MEAN_LANE]) + (1.0 - share) * reference
    }

    fn point(
        &self,
        lanes: &Lanes,
        [share, mean_share]: [f32; 2],
        before: f32,
        horizon_hours: f32,
        whole: bool,
    ) -> ForecastPoint {
        let bent = self.shifted(lanes, share, before);
        let straighten = |bent: f32| {
            let value = self.scale.straighten(bent);
            if whole { value.round() } else { value }
        };
        let outer = stretched(&bent, self.stretch, REACH_SHARE_MIN).map(straighten);
        let quantiles = bent.map(straighten);
        let mean = self.mean(lanes, mean_share, before);
        ForecastPoint { horizon_hours, mean, quantiles, outer }
    }
}

impl EventHead {
    /// Returns the blended log odds of an interval, not yet calibrated.
    pub(crate) fn blend(&self, lanes: &Lanes, share: f32, interval: usize) -> Lanes {
        let base = &self.base[interval];
        std::array::from_fn(|lane| share * lanes[lane] + (1.0 - share) * base[lane])
    }

    /// Returns the calibrated log odds.
    pub(crate) fn calibrate(&self, lanes: &Lanes) -> Lanes {
        let mut calibrated = [0.0; LANE_COUNT];
        for (cause, place) in calibrated.iter_mut().enumerate().take(CAUSE_COUNT_MAX) {
            *place = self.slope[cause] * lanes[cause] + self.intercept[cause];
        }
        calibrated
    }

    fn points(&self, plan: &EventPlan, trees: &[Lanes], share: f32) -> Vec<EventPoint> {
        let cause_count = 1 + plan.competing.len();
        let mut free = 1.0_f64;
        let mut happened = [0.0_f64; CAUSE_COUNT_MAX];
        let mut points = Vec::with_capacity(trees.len());
        for (interval, (lanes, &horizon_hours)) in
            trees.iter().zip(&plan.horizons_hours).enumerate()
        {
            let lanes = self.calibrate(&self.blend(lanes, share, interval));
            let hazards = hazards(&lanes, cause_count);
            for (happened, hazard) in happened.iter_mut().zip(hazards) {
                *happened += free * hazard;
            }
            free *= (1.0 - hazards.iter().sum::<f64>()).max(0.0);
            let of = |probability: f64| probability.clamp(0.0, 1.0) as f32;
            let probability = if plan.absent { of(1.0 - happened[0]) } else { of(happened[0]) };
            let competing = happened[1..cause_count].iter().copied().map(of).collect();
            points.push(EventPoint { horizon_hours, probability, competing });
        }
        points
    }
}

/// Returns the power of Tweedie's distribution for a kind: Poisson for counts.
pub(crate) fn power(kind: &WindowKind) -> f32 {
    if matches!(kind, WindowKind::Sum) { SUM_POWER } else { 1.0 }
}

/// Between Poisson and gamma: a sum of a random number of amounts.
const SUM_POWER: f32 = 1.5;
