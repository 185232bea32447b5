//! How probable a difference is if nothing changed.

use std::f64::consts::PI;

/// Returns the probability that a chi-squared variable exceeds `x`.
pub fn chi_squared_tail(x: f64, degrees: f64) -> f64 {
    gamma_tail(degrees / 2.0, x / 2.0)
}

/// Returns the probability that the Kolmogorov-Smirnov statistic of samples of these sizes exceeds
/// or equals `distance`, for large samples: the limit distribution of Kolmogorov, 1933.
pub fn kolmogorov_tail(distance: f64, one: u64, other: u64) -> f64 {
    let (one, other) = (one as f64, other as f64);
    let x = distance * (one * other / (one + other)).sqrt();
    // NaN: there is no sample.
    if x.is_nan() || x <= 0.0 {
        return 1.0;
    }
    // Both series are exact; each is short where the other is long.
    let tail = if x < SERIES_CROSSING {
        let term = |k: f64| (-((2.0 * k - 1.0) * PI / x).powi(2) / 8.0).exp();
        1.0 - (2.0 * PI).sqrt() / x * (1..=TERMS).map(|k| term(f64::from(k))).sum::<f64>()
    } else {
        let term = |k: i32| {
            let sign = if k % 2 == 1 { 1.0 } else { -1.0 };
            sign * (-2.0 * (f64::from(k) * x).powi(2)).exp()
        };
        2.0 * (1..=TERMS).map(term).sum::<f64>()
    };
    tail.clamp(0.0, 1.0)
}

/// As [`kolmogorov_tail`], exactly, in time proportional to the product of the sizes.
///
/// Counts the orders in which both samples can come whose distribution functions differ so much
/// somewhere (Hodges: The significance probability of the Smirnov two-sample test, 1958). Every
/// cell holds a probability, so that nothing overflows; what is rare keeps its digits.
pub fn kolmogorov_tail_exact(distance: f64, one: u64, other: u64) -> f64 {
    if one == 0 || other == 0 {
        return 1.0;
    }
    let divisor = greatest_divisor(one, other);
    let (up, right) = (one / divisor, other / divisor);
    // In units of the smallest step, so that what is equal is equal.
    let least = (distance * (up * other) as f64).round() as u64;
    let outside = |i: u64, j: u64| least <= (i * right).abs_diff(j * up);
    let mut row = vec![0.0_f64; other as usize + 1];
    for i in 0..=one {
        for j in 0..=other {
            let at = j as usize;
            row[at] = if outside(i, j) {
                1.0
            } else if i + j == 0 {
                0.0
            } else {
                let from_left = if j == 0 { 0.0 } else { j as f64 * row[at - 1] };
                let from_below = if i == 0 { 0.0 } else { i as f64 * row[at] };
                (from_left + from_below) / (i + j) as f64
            };
        }
    }
    row[other as usize].clamp(0.0, 1.0)
}

/// Returns the probability of a table of two by two that is as rare as this one or rarer: whether
/// a share differs between two groups of which `[yes, no]` are known.
///
/// Fisher's exact test (Fisher 1922), two-sided.
pub fn fisher_exact(one: [u64; 2], other: [u64; 2]) -> f64 {
    let (rows, yes) = ([one[0] + one[1], other[0] + other[1]], one[0] + other[0]);
    let all = rows[0] + rows[1];
    let whole = ln_choose(all, yes);
    let ln_probability = |a: u64| ln_choose(rows[0], a) + ln_choose(rows[1], yes - a) - whole;
    let limit = ln_probability(one[0]) + EQUAL;
    let possible = yes.saturating_sub(rows[1])..=yes.min(rows[0]);
    let rare = possible.map(ln_probability).filter(|&it| it <= limit).map(f64::exp);
    rare.sum::<f64>().min(1.0)
}

/// Returns the regularized upper incomplete gamma function: the series, or Lentz's continued
/// fraction, whichever converges (Press et al.: Numerical recipes, 6.2).
fn gamma_tail(shape: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 1.0;
    }
    let front = (shape * x.ln() - x - ln_gamma(shape)).exp();
    if x < shape + 1.0 {
        let (mut sum, mut term, mut at) = (1.0 / shape, 1.0 / shape, shape);
        while sum * f64::EPSILON < term {
            at += 1.0;
            term *= x / at;
            sum += term;
        }
        return (1.0 - front * sum).clamp(0.0, 1.0);
    }
    let mut b = x + 1.0 - shape;
    let (mut c, mut d) = (1.0 / TINY, 1.0 / b);
    let mut fraction = d;
    for k in 1..=FRACTION_STEPS {
        let k = f64::from(k);
        let a = -k * (k - shape);
        b += 2.0;
        d = 1.0 / nonzero(a * d + b);
        c = nonzero(b + a / c);
        fraction *= d * c;
        if (d * c - 1.0).abs() < f64::EPSILON {
            break;
        }
    }
    (front * fraction).clamp(0.0, 1.0)
}

fn nonzero(value: f64) -> f64 {
    if value.abs() < TINY { TINY } else { value }
}

fn ln_choose(all: u64, some: u64) -> f64 {
    let ln_factorial = |count: u64| ln_gamma(count as f64 + 1.0);
    ln_factorial(all) - ln_factorial(some) - ln_factorial(all - some)
}

/// Returns the logarithm of the gamma function for positive arguments: Stirling's series, which is
/// exact to the last digits from 15 on, and the recurrence below (Abramowitz and Stegun, 6.1.40).
fn ln_gamma(x: f64) -> f64 {
    let (mut x, mut below) = (x, 1.0);
    while x < 15.0 {
        below *= x;
        x += 1.0;
    }
    let inverse = 1.0 / (x * x);
    let series = STIRLING.iter().rev().fold(0.0, |sum, term| sum * inverse + term) / x;
    (x - 0.5) * x.ln() - x + (2.0 * PI).ln() / 2.0 + series - f64::ln(below)
}

fn greatest_divisor(one: u64, other: u64) -> u64 {
    if other == 0 { one } else { greatest_divisor(other, one % other) }
}

/// B(2k) / (2k (2k - 1)) for k from 1.
const STIRLING: [f64; 7] = [
    1.0 / 12.0,
    -1.0 / 360.0,
    1.0 / 1260.0,
    -1.0 / 1680.0,
    1.0 / 1188.0,
    -691.0 / 360_360.0,
    1.0 / 156.0,
];

/// Where both series of Kolmogorov's distribution need few terms.
const SERIES_CROSSING: f64 = 1.18;

/// Four would do at the crossing; more cost nothing.
const TERMS: i32 = 12;

/// Logarithms of probabilities that differ by less are of the same one, rounded otherwise.
const EQUAL: f64 = 1e-9;

/// Lentz's stand-in for zero.
const TINY: f64 = 1e-300;

/// The fraction converges in about the root of the shape; a thousand bins need forty.
const FRACTION_STEPS: u32 = 10_000;
