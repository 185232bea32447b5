//! The hidden state of a made-up patient over 48 hours.
//!
//! Five drives follow Ornstein–Uhlenbeck processes: they wander, and are pulled back to a mean
//! that treatment lowers. Everything that is measured is a mixture of them.

use super::random::Random;

/// How many drives there are.
pub(super) const DRIVES: usize = 5;

/// The hidden state at every quarter of an hour.
pub(super) struct Body {
    path: Vec<[f64; DRIVES]>,
    /// Minute at which ventilation starts, if it does.
    pub ventilated_from: Option<u32>,
    /// Where the patient's day begins, in minutes: people are not admitted at midnight.
    clock: f64,
}

/// How well somebody was before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Health {
    /// As people are.
    Usual,
    /// Old, and sicker than most.
    Frail,
}

impl Health {
    /// The mean age.
    pub(super) fn age(self) -> f64 {
        match self {
            Self::Usual => 65.0,
            Self::Frail => 80.0,
        }
    }

    /// How much sicker than people in the mean.
    fn illness(self) -> f64 {
        match self {
            Self::Usual => 0.0,
            Self::Frail => 1.6,
        }
    }
}

/// How one drive behaves.
struct Drive {
    /// Pull to the mean per hour.
    pull: f64,
    /// Standard deviation once settled.
    spread: f64,
    /// How much treatment lowers it.
    response: f64,
}

/// Severity, circulation, inflammation, breathing, kidneys.
const SPECS: [Drive; DRIVES] = [
    Drive { pull: 0.20, spread: 1.0, response: 1.0 },
    Drive { pull: 0.45, spread: 1.0, response: 0.6 },
    Drive { pull: 0.12, spread: 1.0, response: 0.8 },
    Drive { pull: 0.30, spread: 1.0, response: 0.7 },
    Drive { pull: 0.06, spread: 1.0, response: 0.4 },
];

impl Body {
    pub(super) fn new(health: Health, random: &mut Random) -> Self {
        let illness = health.illness() + random.normal();
        let treated_from = random.between(1.0, 20.0);
        // The sicker a patient, the likelier the treatment.
        let treated = random.chance(0.35 + 0.15 * illness.clamp(-2.0, 3.0));
        let mut state = SPECS.map(|spec| spec.spread * (0.5 * illness + 0.85 * random.normal()));
        let mut relief = 0.0;
        let mut path = Vec::with_capacity(STEP_COUNT);
        let mut ventilated_from = None;
        for step in 0..STEP_COUNT {
            let hour = step as f64 * STEP_HOURS;
            if treated && treated_from <= hour {
                // Works over about five hours, and never wholly.
                relief += (1.0 - relief) * 0.2 * STEP_HOURS;
            }
            path.push(state);
            if ventilated_from.is_none() && 1.6 < state[3] + 0.5 * state[0] {
                ventilated_from = Some(step as u32 * STEP_MINUTES);
            }
            let severity = state[0];
            for (index, (value, spec)) in state.iter_mut().zip(&SPECS).enumerate() {
                // Severity pulls the others along.
                let drag = if index == 0 { 0.5 * illness } else { 0.4 * severity };
                let mean = drag - spec.response * relief;
                let noise = spec.spread * (2.0 * spec.pull * STEP_HOURS).sqrt();
                *value += spec.pull * (mean - *value) * STEP_HOURS + noise * random.normal();
            }
        }
        Self { path, ventilated_from, clock: random.between(0.0, 1440.0) }
    }

    /// Returns the state at a minute, between the steps on a straight line.
    pub(super) fn at(&self, minute: u32) -> [f64; DRIVES] {
        let step = ((minute / STEP_MINUTES) as usize).min(STEP_COUNT - 2);
        let part = f64::from(minute) / f64::from(STEP_MINUTES) - step as f64;
        let (left, right) = (&self.path[step], &self.path[step + 1]);
        std::array::from_fn(|drive| left[drive] + part * (right[drive] - left[drive]))
    }

    /// Returns the phase of the day: 1 in the afternoon, -1 at night. A parabola in place of a
    /// cosine, for the same bytes everywhere.
    pub(super) fn day(&self, minute: u32) -> f64 {
        let phase = (f64::from(minute) + self.clock) / 1440.0;
        let phase = phase - phase.floor();
        if phase < 0.5 {
            16.0 * phase * (0.5 - phase)
        } else {
            -16.0 * (phase - 0.5) * (1.0 - phase)
        }
    }
}

const STEP_MINUTES: u32 = 15;
const STEP_HOURS: f64 = 0.25;

/// 48 hours, both ends included.
const STEP_COUNT: usize = 193;
