//! Noise that hides a person, and the account of what it hides.
//!
//! Noise is drawn from the discrete Gaussian, exactly, by integers alone (Canonne, Kamath, Steinke,
//! "The Discrete Gaussian for Differential Privacy", NeurIPS 2020, algorithms 1 to 3): samplers of
//! floating-point noise give away what they hide through the last bits (Mironov, CCS 2012). The
//! account is zero-concentrated differential privacy (Bun, Steinke, TCC 2016): a sum to which a
//! person adds a vector of length at most Δ, with noise of variance σ², costs ρ = Δ²/(2σ²), and the
//! costs of several releases add up, whatever each of them depends on.
//!
//! # Invariants
//!
//! - Random bits come from whoever calls. A seed that is on record would take the noise away again,
//!   so they are the one thing of a training that nobody writes down.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How much of a person may show in a model.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct NoisePlan {
    /// ε of (ε, δ) differential privacy, for the addition or removal of one subject of the
    /// training split.
    pub epsilon: f64,
    /// δ of it.
    pub delta: f64,
}

/// Where random bits come from.
#[derive(Clone, Copy)]
pub struct RandomSource(pub fn() -> u64);

impl fmt::Debug for RandomSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RandomSource")
    }
}

impl PartialEq for RandomSource {
    /// What nobody can tell apart is the same.
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl NoisePlan {
    /// Returns ρ of zero-concentrated differential privacy that gives (ε, δ): Bun and Steinke 2016,
    /// proposition 1.3, solved for ρ.
    pub(crate) fn rho(&self) -> f64 {
        let log = (1.0 / self.delta).ln();
        ((log + self.epsilon).sqrt() - log.sqrt()).powi(2)
    }

    /// Returns the standard deviation of the noise, in units of the most that a person adds, where
    /// so many sums are released together.
    pub(crate) fn deviation(&self, releases: usize) -> f64 {
        (releases as f64 / (2.0 * self.rho())).sqrt()
    }
}

/// The discrete Gaussian around 0.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DiscreteGaussian {
    variance: u128,
    /// The scale of the discrete Laplace distribution from which is accepted or rejected.
    scale: u128,
}

impl DiscreteGaussian {
    /// Takes the standard deviation, rounded up to a whole number: more noise hides no less.
    /// `None` beyond what integers can hold.
    pub(crate) fn new(deviation: f64) -> Option<Self> {
        if !(0.0 < deviation && deviation <= DEVIATION_MAX) {
            return None;
        }
        let deviation = deviation.ceil() as u128;
        Some(Self { variance: deviation * deviation, scale: deviation + 1 })
    }

    /// Draws a number.
    pub(crate) fn draw(&self, source: RandomSource) -> i64 {
        loop {
            let (size, negative) = laplace(self.scale, source);
            let off = (size * self.scale).abs_diff(self.variance);
            let (over, under) = (off * off, 2 * self.variance * self.scale * self.scale);
            if happens_exp(over, under, source) {
                // Beyond 2^63 lies nothing that is drawn before the sun goes out.
                let size = i64::try_from(size).unwrap_or(i64::MAX);
                return if negative { -size } else { size };
            }
        }
    }
}

/// Draws from the discrete Laplace distribution: size and sign.
fn laplace(scale: u128, source: RandomSource) -> (u128, bool) {
    loop {
        let part = below(scale, source);
        if !happens_exp(part, scale, source) {
            continue;
        }
        let mut whole = 0;
        while happens_exp(1, 1, source) {
            whole += 1;
        }
        let size = part + scale * whole;
        let negative = below(2, source) == 1;
        if !(negative && size == 0) {
            return (size, negative);
        }
    }
}

/// Returns yes with probability exp(-over/under).
fn happens_exp(mut over: u128, under: u128, source: RandomSource) -> bool {
    while under < over {
        if !happens_exp(1, 1, source) {
            return false;
        }
        over -= under;
    }
    let mut count = 1;
    while happens(over, under * count, source) {
        count += 1;
    }
    count % 2 == 1
}

/// Returns yes with probability over/under, which is at most 1.
fn happens(over: u128, under: u128, source: RandomSource) -> bool {
    below(under, source) < over
}

/// Returns a number below `bound`, each as likely.
fn below(bound: u128, source: RandomSource) -> u128 {
    let draw = || u128::from((source.0)()) << 64 | u128::from((source.0)());
    // What is left over at the end would make small numbers likelier.
    let rest = (u128::MAX % bound + 1) % bound;
    loop {
        let drawn = draw();
        if drawn <= u128::MAX - rest {
            return drawn % bound;
        }
    }
}

/// Larger noise would leave the range in which products of integers fit.
const DEVIATION_MAX: f64 = (1_u64 << 26) as f64;

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::{DiscreteGaussian, NoisePlan, RandomSource, below};
    use crate::random;

    /// Bits of a test, the same in every run.
    pub(crate) fn source() -> RandomSource {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        RandomSource(|| random::bits(99, [COUNT.fetch_add(1, Ordering::Relaxed), 0, 0]))
    }

    #[test]
    fn the_noise_is_the_discrete_gaussian() {
        let (count, deviation) = (40_000_i32, 3.0_f64);
        let gaussian = DiscreteGaussian::new(deviation).unwrap();
        let drawn: Vec<i64> = (0..count).map(|_| gaussian.draw(source())).collect();
        let weight = |at: i64| (-(at as f64).powi(2) / (2.0 * deviation * deviation)).exp();
        let all: f64 = (-60..=60).map(weight).sum();
        for at in -7..=7 {
            let found = drawn.iter().filter(|&&it| it == at).count() as f64 / f64::from(count);
            let expected = weight(at) / all;
            let error = (expected * (1.0 - expected) / f64::from(count)).sqrt();
            assert!((found - expected).abs() < 5.0 * error, "{at}: {found} {expected}");
        }
    }

    #[test]
    fn large_noise_has_its_deviation() {
        let gaussian = DiscreteGaussian::new(40_000.0).unwrap();
        let drawn: Vec<f64> = (0..4_000).map(|_| gaussian.draw(source()) as f64).collect();
        let deviation = (drawn.iter().map(|it| it * it).sum::<f64>() / 4_000.0).sqrt();
        assert!((deviation / 40_000.0 - 1.0).abs() < 0.06, "{deviation}");
        let mean = drawn.iter().sum::<f64>() / 4_000.0;
        assert!(mean.abs() < 4.0 * 40_000.0 / 4_000.0_f64.sqrt(), "{mean}");
    }

    #[test]
    fn noise_beyond_bounds_is_none_and_never_less() {
        for deviation in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e9] {
            assert!(DiscreteGaussian::new(deviation).is_none());
        }
    }

    #[test]
    fn every_number_below_a_bound_is_as_likely() {
        let mut counts = [0_u32; 5];
        (0..10_000).for_each(|_| counts[below(5, source()) as usize] += 1);
        assert!(counts.iter().all(|count| (1_800..2_200).contains(count)), "{counts:?}");
    }

    #[test]
    fn the_account_is_the_published_one() {
        // Bun and Steinke: ρ-zCDP gives ε = ρ + 2·sqrt(ρ·ln(1/δ)).
        for (epsilon, delta) in [(0.1, 1e-6), (1.0, 1e-5), (8.0, 1e-9)] {
            let plan = NoisePlan { epsilon, delta };
            let rho = plan.rho();
            let back = rho + 2.0 * (rho * (1.0 / delta).ln()).sqrt();
            assert!((back - epsilon).abs() < 1e-9, "{epsilon} {back}");
            // So many releases of sensitivity 1 at this deviation cost all of it.
            let cost = 100.0 / (2.0 * plan.deviation(100).powi(2));
            assert!((cost - rho).abs() < 1e-12);
        }
    }
}
