//! Ridge regression from sums: nothing but the normal equations is kept, and those add up.

use serde::{Deserialize, Serialize};

/// The sums of a regression of `N` numbers; those of two sets of rows add to those of both.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Vec<f64>", into = "Vec<f64>")]
pub(super) struct Sums<const N: usize> {
    pub count: u64,
    /// Lower triangle of XᵀX.
    xx: [[f64; N]; N],
    xy: [f64; N],
    yy: f64,
}

impl<const N: usize> Default for Sums<N> {
    fn default() -> Self {
        Self { count: 0, xx: [[0.0; N]; N], xy: [0.0; N], yy: 0.0 }
    }
}

/// The weights that a regression found.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Weights<const N: usize>(#[serde(with = "array")] pub [f32; N]);

impl<const N: usize> From<Sums<N>> for Vec<f64> {
    fn from(sums: Sums<N>) -> Self {
        let triangle = sums.xx.iter().enumerate().flat_map(|(i, row)| row[..=i].to_vec());
        [sums.count as f64, sums.yy].into_iter().chain(sums.xy).chain(triangle).collect()
    }
}

/// Numbers that are missing are 0: then there were no rows.
impl<const N: usize> From<Vec<f64>> for Sums<N> {
    fn from(numbers: Vec<f64>) -> Self {
        let mut numbers = numbers.into_iter();
        let mut next = || numbers.next().filter(|number| number.is_finite()).unwrap_or(0.0);
        let mut sums = Self { count: next() as u64, yy: next(), ..Self::default() };
        sums.xy.iter_mut().for_each(|slot| *slot = next());
        for i in 0..N {
            sums.xx[i][..=i].iter_mut().for_each(|slot| *slot = next());
        }
        sums
    }
}

impl<const N: usize> Sums<N> {
    /// Returns the mean squared error of weights on the rows that were added.
    pub(super) fn error(&self, weights: &Weights<N>) -> f64 {
        let w = weights.0.map(f64::from);
        let mut error = self.yy;
        for i in 0..N {
            error += w[i] * (w[i] * self.xx[i][i] - 2.0 * self.xy[i]);
            for j in 0..i {
                error += 2.0 * w[i] * w[j] * self.xx[i][j];
            }
        }
        error.max(0.0) / self.count.max(1) as f64
    }

    /// Adds one row.
    pub(super) fn add(&mut self, x: &[f32; N], y: f32) {
        let y = f64::from(y);
        self.count += 1;
        self.yy += y * y;
        for i in 0..N {
            let xi = f64::from(x[i]);
            if xi == 0.0 {
                continue;
            }
            self.xy[i] += xi * y;
            for (sum, xj) in self.xx[i][..=i].iter_mut().zip(x) {
                *sum += xi * f64::from(*xj);
            }
        }
    }

    /// Returns the sums of both sets of rows.
    pub(super) fn plus(&self, other: &Self) -> Self {
        let mut sum = self.clone();
        sum.count += other.count;
        sum.yy += other.yy;
        for (row, more) in sum.xx.iter_mut().zip(&other.xx) {
            row.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
        }
        sum.xy.iter_mut().zip(&other.xy).for_each(|(sum, more)| *sum += more);
        sum
    }

    /// Solves for the weights; the ridge is weak where there are many rows.
    pub(super) fn solve(&self) -> Weights<N> {
        let mut l = self.xx;
        let ridge = RIDGE_SHARE * self.count as f64 + RIDGE_MIN;
        for i in 0..N {
            l[i][i] += ridge;
            for j in 0..=i {
                let dot: f64 = (0..j).map(|k| l[i][k] * l[j][k]).sum();
                let rest = l[i][j] - dot;
                // The ridge keeps the diagonal above 0 but for rounding.
                l[i][j] = if i == j { rest.max(RIDGE_MIN).sqrt() } else { rest / l[j][j] };
            }
        }
        let mut w = self.xy;
        for i in 0..N {
            let dot: f64 = (0..i).map(|k| l[i][k] * w[k]).sum();
            w[i] = (w[i] - dot) / l[i][i];
        }
        for i in (0..N).rev() {
            let dot: f64 = (i + 1..N).map(|k| l[k][i] * w[k]).sum();
            w[i] = (w[i] - dot) / l[i][i];
        }
        Weights(w.map(|weight| weight as f32))
    }
}

impl<const N: usize> Weights<N> {
    /// Returns the prediction for one row.
    pub(super) fn predict(&self, x: &[f32; N]) -> f32 {
        self.0.iter().zip(x).map(|(weight, x)| weight * x).sum()
    }
}

/// Arrays of any length, as serde writes tuples.
mod array {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer, const N: usize>(
        array: &[f32; N],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        array.as_slice().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>, const N: usize>(
        deserializer: D,
    ) -> Result<[f32; N], D::Error> {
        let values = Vec::<f32>::deserialize(deserializer)?;
        values.try_into().map_err(|_| Error::custom("an array of another length"))
    }
}

/// Shrinks weights that few rows support.
const RIDGE_MIN: f64 = 1.0;

/// Shrinks weights of inputs that say the same thing.
const RIDGE_SHARE: f64 = 1e-3;
